"""Outputs that cannot be written, renamed, closed or removed: one error, the last good ISO stays, and what is left is
reported. Each fault is one of a real file system."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from isoforge.errors import OutputError
from isoforge.forge import multi
from isoforge.order import Order
from isoforge.run import run
from isoforge.selection import Selection
from isoforge.workspace import Workspace
from tests.iso.conftest import Cli
from tests.iso.faults import outputs, real_xorriso_but, said

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounts file systems")

Q1 = "site-a-m710q1"
ISO = "ubuntu-autoinstall-n.iso"


@pytest.fixture
def folder(fleet: Path) -> Path:
    """The folder of the outputs."""
    goal = fleet / "baremetal/autoinstall/generated/_multi/n"
    goal.mkdir(parents=True)
    return goal


@contextlib.contextmanager
def ext4(disk: Path, mounted: Path) -> Iterator[None]:
    with disk.open("wb") as file:
        file.truncate(192 << 20)
    run("mke2fs", "-q", "-t", "ext4", disk)
    run("mount", "-o", "loop", disk, mounted)
    (mounted / "lost+found").rmdir()
    try:
        yield
    finally:
        run("chattr", "-R", "-ia", mounted, log_output=False) if os.access(mounted, os.W_OK) else None
        run("umount", mounted)


@contextlib.contextmanager
def bound(mounted: Path, *options: str) -> Iterator[Path]:
    """A file system with ``options`` of bindfs(1) at ``mounted``; yields the folder behind it."""
    behind = mounted.with_name("behind")
    behind.mkdir()
    run("bindfs", *options, behind, mounted)
    try:
        yield behind
    finally:
        run("umount", mounted)


def words(base: Path, *more: str) -> tuple[str | Path, ...]:
    return ("multi", "--host", Q1, "--ubuntu-iso", base, "--name", "n", "--render", *more)


@pytest.mark.parametrize("file", [ISO, "manifest.json", "SUMMARY.txt"])
@pytest.mark.parametrize("attribute", ["+i", "+a"])
def test_an_output_that_must_not_be_replaced_keeps_all_three(
    file: str, attribute: str, cli: Cli, folder: Path, noble: Path, tmp_path: Path
) -> None:
    with ext4(tmp_path / "disk.img", folder):
        assert cli(*words(noble)).code == 0
        before = outputs(folder)
        run("chattr", attribute, folder / file)
        said(cli(*words(noble, "--timeout", "7")), 7, f"{file} already exists and is immutable", "hint: chattr -ia")
        assert outputs(folder) == before
        assert len(list(folder.iterdir())) == 3


def test_an_immutable_folder_is_one_error(cli: Cli, folder: Path, noble: Path, tmp_path: Path) -> None:
    with ext4(tmp_path / "disk.img", folder):
        assert cli(*words(noble)).code == 0
        before = outputs(folder)
        run("chattr", "+i", folder)
        said(cli(*words(noble)), 7, "cannot write baremetal/autoinstall/generated/_multi/n: Operation not permitted")
        assert outputs(folder) == before
        run("chattr", "-i", folder)


def test_a_file_system_that_becomes_read_only_keeps_the_last_iso_and_what_is_left_is_reported(
    cli: Cli, folder: Path, noble: Path, tmp_path: Path
) -> None:
    with ext4(tmp_path / "disk.img", folder):
        assert cli(*words(noble)).code == 0
        before = outputs(folder)
        path = real_xorriso_but(tmp_path / "bin", f"mount -o remount,ro {folder}")
        outcome = cli(*words(noble, "--timeout", "7"), PATH=f"{path}:/usr/sbin:/sbin")
        run("mount", "-o", "remount,rw", folder)
        errors = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
        left = re.search(r"warning: (\S+\.isoforge) could not be removed: Read-only file system", outcome.err)
        assert len(errors) == 1
        assert outcome.code == 7
        assert left is not None, outcome.err
        assert Path(left[1]).is_dir()
        assert {name: digest for name, digest in outputs(folder).items() if "isoforge/" not in name} == before
        assert cli(*words(noble, "--timeout", "7")).code == 0
        assert len(list(folder.iterdir())) == 3


@pytest.mark.parametrize("unpack", [(), ("--unpack",)])
def test_a_file_system_without_modes_is_one_error_and_nothing_is_left(
    unpack: tuple[str, ...], cli: Cli, folder: Path, noble: Path
) -> None:
    with bound(folder, "--chmod-deny", "-p", "0755") as behind:
        said(cli(*words(noble, *unpack)), 7, "cannot write", "Operation not permitted")
        assert list(behind.iterdir()) == []


def test_what_must_not_be_deleted_is_reported(cli: Cli, folder: Path, noble: Path) -> None:
    with bound(folder, "--delete-deny") as behind:
        outcome = cli(*words(noble))
        assert outcome.code == 0, outcome.err
        (left,) = (path for path in behind.iterdir() if path.name.endswith(".isoforge"))
        assert f"warning: {folder / left.name} could not be removed: Operation not permitted" in outcome.err
        assert {path.name for path in behind.iterdir()} == {left.name, ISO, "manifest.json", "SUMMARY.txt"}


def test_in_a_sticky_folder_the_iso_of_another_user_stays(noble: Path, fleet: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        baremetal = Path(name, "baremetal")
        run("cp", "-r", fleet / "baremetal", baremetal)
        base = Path(name, "base.iso")
        run("cp", noble, base)
        run("chown", "-R", "65534:65534", name)
        order = Order(
            workspace=Workspace(baremetal=baremetal), selection=Selection(hosts=(Q1,)), name="n", base_iso=base,
            render=True,
        )  # fmt: skip
        goal = order.output_iso.parent
        goal.mkdir(parents=True)
        goal.chmod(0o1777)
        order.output_iso.write_text("the last good ISO")
        run("chown", "-R", "65534:65534", baremetal / "autoinstall")
        run("chown", "0:0", goal, order.output_iso)
        os.seteuid(65534)
        try:
            with pytest.raises(OutputError, match=r"already exists and belongs to user root"):
                multi(order)
        finally:
            os.seteuid(0)
        assert [path.name for path in goal.iterdir()] == [ISO]
        assert order.output_iso.read_text() == "the last good ISO"
