"""The base ISO at hand: `check` and `multi` compare the seeds with what it contains."""

from __future__ import annotations

from pathlib import Path

import pytest

from isoforge.proof.boot.synthetic_iso import make_base
from isoforge.proof.boot.synthetic_kinds import Kind
from tests.iso.conftest import Cli

HOST = "site-a-m710q1"
DISK = "storage: {disk: {serial: S4EXAMPLE0001}}"


@pytest.fixture
def wrong_source(fleet: Path) -> Path:
    """The host's file, in which another source is asked for than the base ISO has."""
    (file,) = (fleet / "baremetal/inventory/host_vars" / HOST).glob("main.yml")
    file.write_text(file.read_text("utf-8") + "\nsource: {id: ubuntu-desktop}\n", "utf-8")
    return file


def test_check_lists_the_sources_of_the_given_iso(cli: Cli, noble: Path, wrong_source: Path) -> None:
    outcome = cli("check", "--host", HOST, "--ubuntu-iso", noble)
    assert outcome.code == 3
    assert "[source-not-on-iso]" in outcome.out
    assert "it has ubuntu-server-minimal, ubuntu-server" in outcome.out
    assert str(wrong_source.name) in outcome.out


def test_check_uses_the_one_iso_in_files_and_names_it(cli: Cli, noble: Path, fleet: Path, wrong_source: Path) -> None:
    assert cli("check", "--host", HOST).code == 0
    (fleet / "files").mkdir()
    (fleet / "files/base.iso").symlink_to(noble)
    outcome = cli("check", "--host", HOST)
    assert outcome.code == 3
    assert "[source-not-on-iso]" in outcome.out
    assert "Ubuntu 24.04, the release of files/base.iso" in outcome.err
    assert cli("check", "--host", HOST, "--release", "24.04").code == 0
    wrong_source.unlink()


def test_multi_refuses_a_source_that_its_base_lacks(cli: Cli, noble: Path, wrong_source: Path) -> None:
    outcome = cli("multi", "--host", HOST, "--ubuntu-iso", noble, "--name", "site", "--render")
    assert outcome.code == 3
    assert "[source-not-on-iso]" in outcome.err
    assert wrong_source.is_file()


@pytest.mark.parametrize("args", [["--release", "24.04"], []])
def test_check_refuses_what_is_not_one_iso(cli: Cli, noble: Path, tmp_path: Path, args: list[str]) -> None:
    other = tmp_path / "other.iso"
    other.write_bytes(b"\0" * 100_000)
    outcome = cli("check", "--ubuntu-iso", noble if args else other, *args)
    assert outcome.code == (2 if args else 5)


def test_only_a_desktop_iso_needs_no_first_user(cli: Cli, noble: Path, fleet: Path, tmp_path: Path) -> None:
    desktop = tmp_path / "desktop.iso"
    make_base(desktop, kind=Kind(desktop=True))
    for name, text in {"hosts.yml": "all: {hosts: {desk-1: }}", "host_vars/desk-1.yml": DISK}.items():
        file = fleet / "desks/inventory" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n", "utf-8")
    server = cli("check", "--baremetal", "desks", "--ubuntu-iso", noble)
    assert (server.code, "[user-name-missing]" in server.out) == (3, True)
    assert cli("check", "--baremetal", "desks", "--ubuntu-iso", desktop).out == ""
