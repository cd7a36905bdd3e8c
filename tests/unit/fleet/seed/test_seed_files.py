"""Seeds on disk: private, complete or as they were, read back as they lie there, and known to be stale."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from isoforge.errors import InventoryError, OutputError
from isoforge.fleet.inventory.load import Host, survey
from isoforge.fleet.seed.render import Seed, is_stale, read_seed, render_seed, write_seed
from isoforge.release import Release
from tests.unit.fleet.conftest import ROOT, Write

SHIPPED = ROOT / "templates"


def seed(user_data: bytes = b"#cloud-config\nautoinstall: {version: 1}\n") -> Seed:
    return Seed(host="web-1", user_data=user_data, meta_data=b"{}\n", vendor_data=b"")


def host_of(baremetal: Path) -> Host:
    return survey(baremetal).host("web-1")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    write_seed(seed(), tmp_path / "generated")
    assert read_seed(tmp_path / "generated", "web-1") == seed()


def test_only_the_owner_can_read_a_seed_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        folder = write_seed(seed(), tmp_path / "generated")
    finally:
        os.umask(before)
    assert mode(folder) == 0o700
    assert {mode(path) for path in folder.iterdir()} == {0o600}


def test_an_older_open_seed_is_closed_when_it_is_written_again(tmp_path: Path) -> None:
    folder = tmp_path / "generated" / "web-1"
    folder.mkdir(parents=True, mode=0o755)
    (folder / "user-data").write_text("old")
    (folder / "user-data").chmod(0o644)
    write_seed(seed(), tmp_path / "generated")
    assert (mode(folder), mode(folder / "user-data")) == (0o700, 0o600)


def test_writing_leaves_nothing_beside_the_seed_and_keeps_what_is_not_its_own(tmp_path: Path) -> None:
    generated = tmp_path / "generated"
    folder = write_seed(seed(), generated)
    (folder / "seed-web-1.iso").write_bytes(b"iso")
    write_seed(seed(user_data=b"#cloud-config\n"), generated)
    assert sorted(path.name for path in generated.iterdir()) == ["web-1"]
    assert sorted(path.name for path in folder.iterdir()) == ["meta-data", "seed-web-1.iso", "user-data", "vendor-data"]


def test_a_place_that_is_taken_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "web-1").write_text("a file")
    with pytest.raises(OutputError, match="is not a directory"):
        write_seed(seed(), tmp_path)
    assert (tmp_path / "web-1").read_text() == "a file"
    assert [path.name for path in tmp_path.iterdir()] == ["web-1"]


def test_a_link_in_the_place_of_a_seed_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "generated").mkdir()
    (tmp_path / "generated" / "web-1").symlink_to(elsewhere)
    with pytest.raises(OutputError):
        write_seed(seed(), tmp_path / "generated")
    assert list(elsewhere.iterdir()) == []


def test_a_seed_without_vendor_data_is_one(tmp_path: Path) -> None:
    folder = write_seed(seed(), tmp_path)
    (folder / "vendor-data").unlink()
    assert read_seed(tmp_path, "web-1").vendor_data == b""


@pytest.mark.parametrize("name", ["user-data", "meta-data"])
def test_a_missing_file_is_told_with_the_command_that_makes_it(tmp_path: Path, name: str) -> None:
    folder = write_seed(seed(), tmp_path)
    (folder / name).unlink()
    with pytest.raises(InventoryError) as refused:
        read_seed(tmp_path, "web-1")
    assert str(refused.value) == (
        f"host web-1: {folder / name} does not exist (render it with: isoforge gen --host web-1)"
    )


def test_an_empty_user_data_or_a_directory_in_its_place_is_refused(tmp_path: Path) -> None:
    folder = write_seed(seed(user_data=b" \n"), tmp_path)
    with pytest.raises(InventoryError, match="user-data is empty"):
        read_seed(tmp_path, "web-1")
    (folder / "user-data").unlink()
    (folder / "user-data").mkdir()
    with pytest.raises(InventoryError, match="user-data is a directory"):
        read_seed(tmp_path, "web-1")


def test_the_repr_of_a_seed_shows_nothing_of_it() -> None:
    assert repr(seed(user_data=b"hunter2")) == "Seed(host='web-1')"


@pytest.fixture
def rendered(one_host: Write, tmp_path: Path) -> Path:
    """The inventory of one host, whose seed lies in ``generated``."""
    baremetal = one_host("timezone: Etc/UTC")
    write_seed(
        render_seed(host_of(baremetal), templates=[SHIPPED], release=Release(year=24, month=4)), tmp_path / "generated"
    )
    return baremetal


def test_a_fresh_seed_is_not_stale(rendered: Path, tmp_path: Path) -> None:
    assert is_stale(host_of(rendered), tmp_path / "generated", [SHIPPED]) is None
    assert (
        is_stale(host_of(rendered), tmp_path / "generated", [SHIPPED], release=Release(year=24, month=4, point=2))
        is None
    )


def test_a_seed_is_stale_when_the_inventory_moved_on(rendered: Path, tmp_path: Path) -> None:
    path = rendered / "inventory/host_vars/web-1.yml"
    path.write_text(path.read_text().replace("Etc/UTC", "Europe/Berlin"))
    reason = is_stale(host_of(rendered), tmp_path / "generated", [SHIPPED])
    assert reason == "the inventory has changed since the seed was rendered"


def test_a_comment_in_the_inventory_makes_no_seed_stale(rendered: Path, tmp_path: Path) -> None:
    path = rendered / "inventory/host_vars/web-1.yml"
    path.write_text("# a comment\n" + path.read_text())
    assert is_stale(host_of(rendered), tmp_path / "generated", [SHIPPED]) is None


def test_a_seed_is_stale_when_a_template_changed(rendered: Path, tmp_path: Path) -> None:
    own = tmp_path / "templates"
    own.mkdir()
    (own / "apt.j2").write_text("  apt: {}\n")
    reason = is_stale(host_of(rendered), tmp_path / "generated", [own, SHIPPED])
    assert reason == "a template has changed since the seed was rendered"


def test_a_seed_for_another_release_is_stale(rendered: Path, tmp_path: Path) -> None:
    reason = is_stale(host_of(rendered), tmp_path / "generated", [SHIPPED], release=Release(year=22, month=4, point=5))
    assert reason == "the seed was rendered for Ubuntu 24.04, the base ISO is 22.04"


def test_a_seed_changed_by_hand_is_told(rendered: Path, tmp_path: Path) -> None:
    path = tmp_path / "generated/web-1/user-data"
    path.write_text(path.read_text() + "# mine\n")
    assert is_stale(host_of(rendered), tmp_path / "generated", [SHIPPED]) == f"{path} was changed after it was rendered"


def test_a_seed_written_by_hand_is_never_stale(rendered: Path, tmp_path: Path) -> None:
    (tmp_path / "generated/web-1/.rendered.json").unlink()
    assert is_stale(host_of(rendered), tmp_path / "generated", [SHIPPED]) is None


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"rendered_from": {}, "files": {}}', '{"rendered_from": 1, "files": 2}']
)
def test_a_broken_sidecar_is_told_not_raised(rendered: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "generated/web-1/.rendered.json").write_text(text)
    assert "cannot be read" in str(is_stale(host_of(rendered), tmp_path / "generated", [SHIPPED]))


@pytest.mark.usefixtures("rendered")
def test_the_sidecar_holds_digests_and_no_value(tmp_path: Path) -> None:
    text = (tmp_path / "generated/web-1/.rendered.json").read_text()
    assert json.loads(text)["rendered_from"]["release"] == "24.04"
    assert "UTC" not in text
    assert "ssh-ed25519" not in text


def test_an_encrypted_file_is_known_by_its_keys_before_it_is_decrypted(one_host: Write) -> None:
    encrypted = "storage:\n  passphrase: ENC[AES256_GCM,data:abc,type:str]\nsops:\n  unencrypted_suffix: _unencrypted\n"
    baremetal = one_host("", **{"inventory/host_vars/web-1/secrets.sops.yaml": encrypted})
    host = survey(baremetal).host("web-1")
    assert host.secret_paths() == {"storage.passphrase"}
    assert host.secret_files == (baremetal / "inventory/host_vars/web-1/secrets.sops.yaml",)
    assert not host.is_revealed


def test_secrets_in_plain_text_are_a_problem_with_the_command_that_encrypts_them(one_host: Write) -> None:
    plain = {
        "inventory-local/host_vars/web-1/secrets.sops.yaml": "storage: {passphrase: hunter2}\n",
        "inventory-local/group_vars/all/secrets.yml": "a: hunter2\n",
        "inventory/host_vars/web-1/disk.sops.yml": "a: hunter2\n",
    }
    problems = [one for one in survey(one_host("", **plain)).problems if one.id != "key-unknown"]
    assert [one.id for one in problems] == ["secrets-not-encrypted"] * 3
    assert {one.scope for one in problems} == {"hosts.web-1", "groups.all"}
    assert all("sops --encrypt --in-place" in one.message for one in problems)
    assert "hunter2" not in "".join(map(str, problems))


def test_a_value_in_plain_text_inside_an_encrypted_file_is_a_problem(one_host: Write) -> None:
    mixed = "storage:\n  passphrase: hunter2\nsops: {unencrypted_suffix: _unencrypted}\n"
    baremetal = one_host("", **{"inventory/host_vars/web-1/secrets.sops.yaml": mixed})
    problems = survey(baremetal).problems
    (one,) = [one for one in problems if one.id == "secret-not-encrypted"]
    assert (one.file, one.line, one.key) == (
        str(baremetal / "inventory/host_vars/web-1/secrets.sops.yaml"), 2, "storage.passphrase",
    )  # fmt: skip
    assert "hunter2" not in "".join(map(str, problems))


def test_an_unknown_key_in_an_encrypted_file_is_reported_without_decrypting_it(one_host: Write) -> None:
    encrypted = "storge:\n  passphrase: ENC[AES256_GCM,data:abc,type:str]\nsops: {}\n"
    baremetal = one_host("", **{"inventory/host_vars/web-1/secrets.sops.yaml": encrypted})
    (one,) = survey(baremetal).problems
    assert (one.id, one.scope, one.key, one.line) == ("key-unknown", "hosts.web-1", "storge", 1)
