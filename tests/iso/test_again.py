"""A build repeated from its manifest: the same ISO to the bit, or a sentence that says why not, and no ISO."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from isoforge.errors import ProofError, UsageError
from isoforge.image.grub_password import hashed
from isoforge.order import rebuild_order
from isoforge.proof.manifest import Manifest
from isoforge.rebuild import refuse_difference
from isoforge.workspace import Workspace
from tests.iso.conftest import Cli
from tests.iso.faults import said

Q1, Q2 = "site-a-m710q1", "site-a-m710q2"
FOLDER = Path("baremetal/autoinstall/generated/_multi/n")
ISO = FOLDER / "ubuntu-autoinstall-n.iso"


@pytest.fixture
def first(cli: Cli, fleet: Path, noble: Path) -> Path:
    """The manifest of an ISO in whose menu everything differs from what is usual, kept away from the ISO."""
    (fleet / "hash").write_text(hashed("operator's own", salt=b"0" * 16, rounds=1000))
    args = ("--ubuntu-iso", noble, "--name", "n", "--default-host", Q1, "--timeout", "7", "--no-guard", "--unpack")
    dated = {"SOURCE_DATE_EPOCH": "1700000000"}
    outcome = cli("multi", "--host", Q2, "--host", Q1, "--menu-password", "hash", "--render", *args, **dated)
    assert outcome.code == 0, outcome.err
    return (fleet / FOLDER / "manifest.json").rename(fleet / "kept.json")


def test_everything_that_shapes_an_iso_comes_from_its_manifest(cli: Cli, fleet: Path, noble: Path, first: Path) -> None:
    before = (fleet / ISO).read_bytes()
    (fleet / ISO).unlink()
    again = ("multi", "--from", first, "--ubuntu-iso", noble)
    said(cli(*again), 2, "the menu of n has a password", "--menu-password")
    outcome = cli(*again, "--menu-password", "hash")
    assert outcome.code == 0, outcome.err
    assert "reproduced byte-identical" in outcome.err
    assert (fleet / ISO).read_bytes() == before
    assert json.loads((fleet / FOLDER / "manifest.json").read_text()) == json.loads(first.read_text())
    assert cli(*again, "--menu-password", "hash", "--render").code == 0


@pytest.fixture
def plain(cli: Cli, noble: Path) -> Path:
    """The manifest beside an ISO as the guide makes it."""
    args = ("--host", Q1, "--host", Q2, "--ubuntu-iso", noble, "--name", "n")
    assert cli("multi", *args, "--render").code == 0
    return FOLDER / "manifest.json"


def test_another_seed_is_named_and_the_last_good_iso_stays(cli: Cli, fleet: Path, noble: Path, plain: Path) -> None:
    before = {path: path.read_bytes() for path in (fleet / FOLDER).iterdir()}
    overlay = fleet / f"baremetal/inventory-local/host_vars/{Q2}"
    overlay.mkdir(parents=True)
    (overlay / "main.yml").write_text("timezone: Europe/Paris\ndescription: moved\n")
    args = ("multi", "--from", plain, "--ubuntu-iso", noble)
    said(cli(*args, "--render"), 8, f"the seed of {Q2}; the menu entry of {Q2}")
    assert {path: path.read_bytes() for path in (fleet / FOLDER).iterdir()} == before


def test_another_template_is_told_as_what_it_may_be(cli: Cli, fleet: Path, noble: Path, plain: Path) -> None:
    (fleet / "baremetal/autoinstall/generated" / Q1 / "user-data").chmod(0o600)
    told = json.loads((fleet / plain).read_text())
    (fleet / "other.json").write_text(json.dumps({**told, "build_id": "0" * 12}))
    said(cli("multi", "--from", "other.json", "--ubuntu-iso", noble), 8, "which the manifest does not list")


def test_another_base_iso_is_refused_before_anything_is_built(cli: Cli, fleet: Path, noble: Path, plain: Path) -> None:
    larger, changed = fleet / "larger.iso", fleet / "changed.iso"
    larger.write_bytes(noble.read_bytes() + bytes(2048))
    changed.write_bytes(noble.read_bytes()[:-1] + b"X")
    size = noble.stat().st_size
    said(cli("multi", "--from", plain, "--ubuntu-iso", larger), 5, f"{size + 2048} bytes, not {size}")
    said(cli("multi", "--from", plain, "--ubuntu-iso", changed), 5, "SHA-256", "Noble Numbat")


@pytest.mark.parametrize(
    "typed",
    [
        ("--name", "n"), ("--host", Q1), ("--group", "site_a"), ("--all",), ("--default-host", Q1),
        ("--timeout", "30"), ("--auto",), ("--no-guard",), ("--unpack",), ("--fast",),
    ],
)  # fmt: skip
def test_what_the_manifest_decides_cannot_be_typed_too(cli: Cli, typed: tuple[str, ...]) -> None:
    option = "--grub-timeout" if typed[0] == "--timeout" else typed[0]
    said(cli("multi", "--from", "any.json", *typed), 2, f"--from and {option} cannot be combined")


def test_file_that_is_no_manifest_is_refused(cli: Cli, fleet: Path) -> None:
    said(cli("multi", "--from", "none.json"), 2, "cannot read none.json", "manifest.json")
    for text in ("", "[]", "{}", '{"schema_version": 1}'):
        (fleet / "bad.json").write_text(text)
        said(cli("multi", "--from", "bad.json"), 2, "bad.json")


def test_manifest_without_a_digest_has_nothing_to_compare_with(good: Path, tmp_path: Path) -> None:
    told = Manifest.from_json(good.with_name("manifest.json").read_text("utf-8"))
    with pytest.raises(UsageError, match="no SHA-256 of its ISO"):
        rebuild_order(replace(told, iso=None), workspace=Workspace(baremetal=tmp_path))
    with pytest.raises(UsageError, match="has no password"):
        rebuild_order(told, workspace=Workspace(baremetal=tmp_path), password_hash=hashed("a", rounds=1))


def test_bytes_that_differ_are_told_by_their_digest(good: Path) -> None:
    told = Manifest.from_json(good.with_name("manifest.json").read_text("utf-8"))
    assert told.iso is not None
    refuse_difference(told, told)
    with pytest.raises(ProofError, match="its bytes only: SHA-256 "):
        refuse_difference(told, replace(told, iso=replace(told.iso, sha256="0" * 64)))
    with pytest.raises(
        ProofError, match=r"xorriso \(1\.5\.6, was .*; the hosts \(site-a-m710q2, were site-a-m710q1, site"
    ):
        refuse_difference(told, replace(told, xorriso_version="1.5.6", hosts=told.hosts[1:]))
