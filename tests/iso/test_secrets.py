"""Encrypted values, with the real sops and age and with keys that live as long as the test."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from isoforge.errors import ForgeError, InventoryError, ToolError
from isoforge.fleet.inventory.explain import explain
from isoforge.fleet.inventory.load import Host, load_inventory, revealed, survey
from isoforge.fleet.inventory.secrets import encrypting, sops
from isoforge.fleet.seed.render import Seed, is_stale, render_seed, write_seed
from isoforge.problems import Problem, refuse_if_any
from isoforge.run import run

TEMPLATES = [Path(__file__).parents[2] / "templates"]
PASSPHRASE = "correct horse battery staple"  # noqa: S105  what must not be seen anywhere
HASH = "$6$0123456789abcdef$Wgv2HgTP1eaBzv9r.rNR4mCCB42/oPv8ji0DW3OPGPlJW.Ivfdzuctd.AJ/thmjk.9.5X4l/IrvBL5cXiD5HP."
HOSTS = "all: {children: {site: {hosts: {web-1: , web-2: }}}}\n"
COMMON = """\
identity: {username: ops}
ssh: {authorized_keys: [ssh-ed25519 AAAA test]}
storage: {disk: {serial: S4TEST01}, passphrase: from group_vars}
"""
OF_HOST = f"""\
# a comment
storage:
  passphrase: {PASSPHRASE}
"""
OF_GROUP = f"""\
identity:
  password_hash: {HASH}
storage:
  passphrase: from the group's secrets
packages: [one, two]
"""

Encrypt = Callable[[str, str], Path]


class Key:
    """A throw-away age key."""

    def __init__(self, path: Path) -> None:
        self.path = path
        run("age-keygen", "-o", path)
        self.public = run("age-keygen", "-y", path).strip()


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Key:
    """The key that sops finds on this machine."""
    made = Key(tmp_path / "keys.txt")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("SOPS_AGE_KEY", raising=False)
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(made.path))
    return made


@pytest.fixture
def baremetal(tmp_path: Path) -> Path:
    folder = tmp_path / "baremetal"
    (folder / "inventory/group_vars/site").mkdir(parents=True)
    (folder / "inventory/hosts.yml").write_text(HOSTS)
    (folder / "inventory/group_vars/site/main.yml").write_text(COMMON)
    return folder


@pytest.fixture
def encrypt(baremetal: Path, key: Key) -> Encrypt:
    """Writes a file below ``baremetal`` and encrypts it."""

    def made(name: str, text: str) -> Path:
        path = baremetal / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        run(sops(), "--encrypt", "--in-place", "--age", key.public, path)
        return path

    return made


@pytest.fixture
def secrets(encrypt: Encrypt) -> Path:
    """The secrets of web-1 and of its group; the former's path."""
    encrypt("inventory/group_vars/site/secrets.sops.yaml", OF_GROUP)
    return encrypt("inventory-local/host_vars/web-1/secrets.sops.yaml", OF_HOST)


def host(baremetal: Path, name: str = "web-1") -> Host:
    return load_inventory(baremetal).host(name)


def opened(host: Host) -> Host:
    problems: list[Problem] = []
    host = revealed(host, problems)
    refuse_if_any(problems)
    return host


def seed_of(host: Host) -> Seed:
    return render_seed(opened(host), templates=TEMPLATES)


def autoinstall(baremetal: Path, name: str = "web-1") -> Any:
    return yaml.safe_load(seed_of(host(baremetal, name)).user_data)["autoinstall"]


@pytest.mark.usefixtures("secrets")
def test_encrypted_values_win_and_the_hosts_win_over_the_groups(baremetal: Path) -> None:
    made = autoinstall(baremetal)
    assert made["identity"]["password"] == HASH
    assert made["storage"]["layout"]["password"] == PASSPHRASE
    assert made["packages"] == ["one", "two"]
    of_the_group = autoinstall(baremetal, "web-2")["storage"]["layout"]
    assert of_the_group["password"] == "from the group's secrets"  # noqa: S105  it opens nothing


def test_explain_names_the_encrypted_file_and_line_and_masks_the_value(baremetal: Path, secrets: Path) -> None:
    for one in (host(baremetal), opened(host(baremetal))):
        rows = {key: (shown, where) for key, shown, where in explain(one)}
        assert rows["storage.passphrase"][0] == "(secret)"
        assert rows["storage.passphrase"][1].startswith(f"{secrets}:")
        assert rows["packages[0]"][0] == "(secret)"
        assert PASSPHRASE not in repr(one) + repr(rows)


@pytest.mark.usefixtures("secrets")
def test_nothing_of_a_secret_is_logged(baremetal: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    seed_of(host(baremetal))
    assert "sops" in caplog.text
    assert PASSPHRASE not in caplog.text
    assert HASH not in caplog.text


@pytest.mark.usefixtures("secrets")
def test_what_sops_says_is_not_logged(
    baremetal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "isoforge")
    (tmp_path / "bin").mkdir()
    talkative = tmp_path / "bin/sops"
    talkative.write_text(f"#!/bin/sh\necho '{PASSPHRASE}' >&2\nexit 1\n")
    talkative.chmod(0o755)
    monkeypatch.setenv("PATH", str(talkative.parent), prepend=":")
    assert PASSPHRASE not in str(refused(baremetal))
    told = [record.getMessage() for record in caplog.records if record.name.startswith("isoforge")]
    assert any(line.startswith("running: ") and "sops" in line for line in told)
    assert PASSPHRASE not in "".join(told)


@pytest.mark.usefixtures("secrets")
def test_listing_hosts_decrypts_nothing(baremetal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOPS_AGE_KEY_FILE")
    assert not survey(baremetal).host("web-1").is_revealed


@pytest.mark.usefixtures("encrypt")
def test_only_the_files_of_the_host_that_is_asked_for_are_opened(baremetal: Path, encrypt: Encrypt) -> None:
    broken = encrypt("inventory/host_vars/web-2/secrets.sops.yaml", OF_HOST)
    broken.write_text(broken.read_text().replace("ENC[AES256_GCM,data:", "ENC[AES256_GCM,data:AAAA"))
    assert autoinstall(baremetal, "web-1")
    with pytest.raises(InventoryError):
        autoinstall(baremetal, "web-2")


def refused(baremetal: Path) -> ForgeError:
    with pytest.raises(ForgeError) as caught:
        seed_of(host(baremetal))
    text = str(caught.value)
    assert PASSPHRASE not in text
    return caught.value


def test_without_a_key_one_line_says_so(baremetal: Path, secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOPS_AGE_KEY_FILE")
    error = refused(baremetal)
    assert error.exit_code == 3
    assert "no key on this machine opens it (set SOPS_AGE_KEY_FILE" in str(error)
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(secrets) + ".gone")
    assert "no key on this machine opens it" in str(refused(baremetal))


@pytest.mark.usefixtures("secrets")
def test_an_invalid_key_is_reported_as_such(baremetal: Path, key: Key) -> None:
    key.path.write_text("nonsense\n")
    assert "the age key given to sops is not valid" in str(refused(baremetal))


@pytest.mark.usefixtures("secrets")
def test_with_somebody_elses_key_one_line_says_whose_turn_it_is(
    baremetal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(Key(tmp_path / "other.txt").path))
    error = refused(baremetal)
    assert error.exit_code == 3
    assert "is encrypted for other keys than yours (someone who can decrypt it adds yours: sops rotate" in str(error)


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("passphrase: ENC[AES256_GCM,data:", "passphrase: ENC[AES256_GCM,data:AAAA"),
        ("storage:\n    passphrase:", "storage:\n    boot_size: 1\n    passphrase:"),
        ("storage:", "ssh:"),
    ],
)
def test_a_file_changed_outside_sops_is_refused(baremetal: Path, secrets: Path, was: str, becomes: str) -> None:
    text = secrets.read_text()
    assert was in text
    secrets.write_text(text.replace(was, becomes, 1))
    with pytest.raises(InventoryError) as caught:
        seed_of(survey(baremetal).host("web-1"))
    assert PASSPHRASE not in str(caught.value)
    assert any(
        said in str(caught.value)
        for said in ("was changed outside sops, or is damaged", "is plain text in an encrypted file")
    )


def test_two_encrypted_values_exchanged_are_noticed(baremetal: Path, encrypt: Encrypt) -> None:
    path = encrypt("inventory/host_vars/web-1/secrets.sops.yaml", "vars:\n  a: one\n  b: two\n")
    text = path.read_text()
    path.write_text(text.replace("    a:", "    c:").replace("    b:", "    a:").replace("    c:", "    b:"))
    assert "was changed outside sops" in str(refused(baremetal))


def test_a_removed_value_is_noticed(baremetal: Path, encrypt: Encrypt) -> None:
    path = encrypt("inventory/host_vars/web-1/secrets.sops.yaml", "vars:\n  a: one\n  b: two\n")
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if "    b: ENC" not in line))
    assert "was changed outside sops" in str(refused(baremetal))


@pytest.mark.usefixtures("secrets")
def test_without_sops_the_cure_is_named(baremetal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    error = refused(baremetal)
    assert isinstance(error, ToolError)
    assert "sops is not installed" in str(error)


def test_a_wrong_encrypted_value_is_reported_without_being_shown(baremetal: Path, encrypt: Encrypt) -> None:
    encrypt(
        "inventory/host_vars/web-1/secrets.sops.yaml", "updates: hunter2\nstorage: {swap: hunter2, passphrase: 7}\n"
    )
    with pytest.raises(InventoryError) as caught:
        seed_of(host(baremetal))
    text = str(caught.value)
    assert "hosts.web-1.updates: the value is not one of security, all [invalid-choice]" in text
    assert "hosts.web-1.storage.swap: the value is not a size [size-invalid]" in text
    assert "hosts.web-1.storage.passphrase: must be text, not a number; put it in quotes [wrong-type]" in text
    assert "hunter2" not in text


@pytest.mark.usefixtures("key")
def test_the_command_that_a_plain_file_is_answered_with_encrypts_it(baremetal: Path, key: Key) -> None:
    path = baremetal / "inventory-local/host_vars/web-1/secrets.sops.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(OF_HOST)
    with pytest.raises(InventoryError) as caught:
        host(baremetal)
    command = encrypting(path)
    assert command in str(caught.value)
    words = command.replace("$(age-keygen -y ~/.config/sops/age/keys.txt)", key.public).split()
    assert words.pop(0) == "sops"
    run(sops(), *words)
    assert PASSPHRASE not in path.read_text()
    assert autoinstall(baremetal)["storage"]["layout"]["password"] == PASSPHRASE


def test_a_changed_secret_makes_the_seed_stale_and_no_key_is_needed_to_see_it(
    baremetal: Path, secrets: Path, encrypt: Encrypt, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_seed(seed_of(host(baremetal)), tmp_path / "generated")
    assert is_stale(host(baremetal), tmp_path / "generated", TEMPLATES) is None
    assert is_stale(opened(host(baremetal)), tmp_path / "generated", TEMPLATES) is None
    encrypt(str(secrets.relative_to(baremetal)), OF_HOST.replace(PASSPHRASE, "another one"))
    monkeypatch.delenv("SOPS_AGE_KEY_FILE")
    reason = is_stale(host(baremetal), tmp_path / "generated", TEMPLATES)
    assert reason == "the encrypted values have changed since the seed was rendered"
