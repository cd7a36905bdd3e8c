"""Signed manifests: who built an ISO, and what `verify` rests on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from isoforge.run import run
from tests.iso import mutation as m
from tests.iso.conftest import Cli

Q1 = "site-a-m710q1"
FOLDER = Path("baremetal/autoinstall/generated/_multi/n")
ISO = FOLDER / "ubuntu-autoinstall-n.iso"


@pytest.fixture
def keys(fleet: Path) -> Path:
    """Two keys without a passphrase, ``ops`` and ``other``, and one with, ``locked``."""
    for name, passphrase in (("ops", ""), ("other", ""), ("locked", "correct horse")):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", name, "-f", fleet / name)
    return fleet


def build(cli: Cli, base: Path, *args: str) -> None:
    outcome = cli("multi", "--host", Q1, "--ubuntu-iso", base, "--name", "n", "--render", *args)
    assert outcome.code == 0, outcome.err


def anchor(cli: Cli, *args: str | Path) -> tuple[int, dict[str, object]]:
    outcome = cli("verify", ISO, "--json", *args)
    (check,) = (check for check in json.loads(outcome.out)["checks"] if check["name"] == "anchor")
    return outcome.code, check


def test_signature_is_checked_by_key_and_by_list(cli: Cli, keys: Path, noble: Path) -> None:
    build(cli, noble, "--sign", "ops")
    assert sorted(path.name for path in (keys / FOLDER).iterdir()) == sorted(
        [ISO.name, "manifest.json", "manifest.json.sig", "SUMMARY.txt"]
    )
    code, check = anchor(cli, "--signer", "ops.pub")
    assert (code, check["outcome"], check["detail"]) == (0, "ok", "manifest.json, signed by ops.pub")
    lines = [f"other@site-b {(keys / 'other.pub').read_text()}", f"ops@site-a {(keys / 'ops.pub').read_text()}"]
    (keys / "allowed").write_text("# who builds\n" + "".join(lines))
    code, check = anchor(cli, "--signer", "allowed")
    assert (code, check["detail"]) == (0, "manifest.json, signed by ops@site-a")


def test_same_build_has_the_same_signature(cli: Cli, keys: Path, noble: Path) -> None:
    build(cli, noble, "--sign", "ops")
    first = (keys / FOLDER / "manifest.json.sig").read_bytes()
    build(cli, noble, "--sign", "ops")
    assert (keys / FOLDER / "manifest.json.sig").read_bytes() == first


def test_signature_of_another_key_or_manifest_is_refused(cli: Cli, keys: Path, noble: Path) -> None:
    build(cli, noble, "--sign", "ops")
    code, check = anchor(cli, "--signer", "other.pub")
    assert (code, check["outcome"]) == (8, "failed")
    file = keys / FOLDER / "manifest.json"
    file.write_text(file.read_text() + "\n")
    code, check = anchor(cli, "--signer", "ops.pub")
    assert (code, check["outcome"]) == (8, "failed")


def test_signature_for_another_purpose_does_not_count(cli: Cli, keys: Path, noble: Path) -> None:
    build(cli, noble)
    run("ssh-keygen", "-q", "-Y", "sign", "-n", "git", "-f", keys / "ops", keys / FOLDER / "manifest.json")
    code, check = anchor(cli, "--signer", "ops.pub")
    assert (code, check["outcome"]) == (8, "failed")


def test_changed_iso_is_found_whatever_else_was_changed(cli: Cli, keys: Path, noble: Path) -> None:
    build(cli, noble, "--sign", "ops")
    m.flip_in(keys / ISO, "/casper/initrd", 99)
    outcome = cli("verify", ISO, "--signer", "ops.pub")
    assert outcome.code == 8
    assert "failed  digest" in outcome.out
    assert "ok      anchor" in outcome.out


def test_build_without_a_key_leaves_no_signature_of_an_earlier_one(cli: Cli, keys: Path, noble: Path) -> None:
    build(cli, noble, "--sign", "ops")
    build(cli, noble)
    assert not (keys / FOLDER / "manifest.json.sig").exists()
    code, check = anchor(cli, "--signer", "ops.pub")
    assert (code, check["outcome"]) == (8, "failed")


@pytest.mark.parametrize("key", ["locked", "none", "ops.pub", "baremetal"])
def test_key_that_cannot_sign_is_refused_before_the_build(cli: Cli, keys: Path, noble: Path, key: str) -> None:
    (keys / "ops").rename(keys / "elsewhere")
    outcome = cli("multi", "--host", Q1, "--ubuntu-iso", noble, "--name", "n", "--render", "--sign", key)
    assert outcome.code == 2
    assert outcome.err.splitlines()[-2].startswith(f"error: cannot sign with {key}: ")
    assert "ssh-add" in outcome.err.splitlines()[-1]
    assert not (keys / FOLDER).exists() or list((keys / FOLDER).iterdir()) == []


def test_key_of_the_agent_signs(cli: Cli, keys: Path, noble: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = run("ssh-agent", "-s").replace(";", "\n").splitlines()
    agent = dict(line.strip().split("=", 1) for line in words if "=" in line)
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", agent["SSH_AUTH_SOCK"])
        run("ssh-add", "-q", keys / "ops", env={"SSH_AUTH_SOCK": agent["SSH_AUTH_SOCK"]})
        (keys / "ops").unlink()
        build(cli, noble, "--sign", "ops.pub")
    finally:
        run("ssh-agent", "-k", env=agent)
    assert anchor(cli, "--signer", "ops.pub")[0] == 0


@pytest.mark.parametrize("signer", ["none", "baremetal", "empty"])
def test_list_of_signers_that_names_nobody_is_refused(cli: Cli, keys: Path, noble: Path, signer: str) -> None:
    (keys / "empty").touch()
    build(cli, noble, "--sign", "ops")
    outcome = cli("verify", ISO, "--signer", signer)
    assert outcome.code == (8 if signer == "empty" else 2)


def test_anchor_is_named(cli: Cli, keys: Path, noble: Path, tmp_path: Path) -> None:
    build(cli, noble)
    code, check = anchor(cli)
    assert (code, str(check["detail"]).split(":")[0]) == (0, "manifest.json beside the ISO")
    (keys / FOLDER / "manifest.json").rename(tmp_path / "kept.json")
    code, check = anchor(cli)
    assert (code, check["detail"]) == (0, "the manifest on the ISO itself")
    assert check["remarks"]
    shutil.copyfile(noble, keys / ISO)
    assert anchor(cli, "--base", noble)[1]["detail"] == f"the base ISO {noble.name}"
    assert anchor(cli)[1]["outcome"] == "skipped"
