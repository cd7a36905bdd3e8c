"""An error names the file that has it, and its exit code says who has to act."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import struct
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import pytest

from isoforge.errors import BaseIsoError, InventoryError, OutputError
from isoforge.fleet.inventory.load import survey
from isoforge.forge import multi
from isoforge.image.sectors import read_gpt
from isoforge.image.tree import read_tree
from isoforge.order import Order
from isoforge.proof.read.diff import differences
from isoforge.proof.read.inspect import inspect
from isoforge.proof.verify.verify import verify
from isoforge.run import run
from isoforge.selection import Selection
from isoforge.workspace import Workspace
from tests.iso.conftest import Cli
from tests.iso.faults import said


@pytest.fixture
def damaged(noble: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A base ISO on a disk with bad sectors: every pread of it fails."""
    base = Path(shutil.copyfile(noble, tmp_path / "damaged.iso"))
    pread, inode = os.pread, base.stat().st_ino

    def failing(handle: int, size: int, offset: int) -> bytes:
        if os.fstat(handle).st_ino == inode:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return pread(handle, size, offset)

    monkeypatch.setattr(os, "pread", failing)
    return base


def test_a_base_that_cannot_be_read_is_the_bases_error(damaged: Path, good: Path, fleet: Path) -> None:
    workspace = Workspace(baremetal=fleet / "baremetal")
    order = Order(
        workspace=workspace, selection=Selection(hosts=("site-a-m710q1",)), name="n", base_iso=damaged, render=True
    )
    verbs: list[Callable[[], object]] = [
        lambda: multi(order),
        lambda: verify(good, base=damaged),
        lambda: inspect(damaged),
        lambda: differences(good, damaged),
    ]
    for verb in verbs:
        with pytest.raises(BaseIsoError, match=r"cannot read .*damaged\.iso: Input/output error"):
            verb()
    assert not list(workspace.generated.rglob("*.isoforge"))


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system")

FS_BLOCK = 4096
"""Bytes in a block of the file system on the bad disk."""

FIBMAP = 1
"""The ioctl that returns the block of the disk on which a block of a file is (Linux, include/uapi/linux/fs.h)."""


@contextlib.contextmanager
def bad_sectors(folder: Path, iso: Path, start: int, end: int) -> Iterator[Path]:
    """A copy of ``iso`` on a real file system, on a disk that cannot read its bytes ``start`` to ``end``.

    These bytes are behind the others on the disk, and then the disk, a loop device, loses its end. The whole of it is
    first given to another file, which returns just the space in which the next bytes of the copy are to be.
    """
    disk, mounted = folder / "disk.img", folder / "mounted"
    mounted.mkdir()
    with disk.open("wb") as file:
        file.truncate(64 << 20)
    run("mke2fs", "-q", "-t", "ext4", "-b", str(FS_BLOCK), "-m", "0", "-O", "^has_journal", disk)
    run("mount", "-o", "loop", disk, mounted)
    try:
        copy, content = mounted / iso.name, iso.read_bytes()
        Path(f"/sys/fs/ext4/loop{os.minor(mounted.stat().st_dev)}/reserved_clusters").write_text("0")
        _fill(mounted / "filler")
        with (mounted / "filler").open("rb") as space:
            low, high = sorted((0, 32 << 20), key=lambda offset: _disk_block(space.fileno(), offset))
        with copy.open("wb") as file:
            for first, parts in ((low, [(0, start), (end, len(content))]), (high, [(start, end)])):
                size = sum(stop - begin for begin, stop in parts) + (64 << 10)
                run("fallocate", "--punch-hole", "-o", str(first), "-l", str(size), mounted / "filler")
                for begin, stop in parts:
                    assert os.pwrite(file.fileno(), content[begin:stop], begin) == stop - begin
                os.fsync(file.fileno())
                _fill(mounted / f"rest-{first}")
            blocks = {offset: _disk_block(file.fileno(), offset) for offset in range(0, len(content), FS_BLOCK)}
    finally:
        run("umount", mounted)
    lost = min(block for offset, block in blocks.items() if start <= offset < end)
    assert lost > max(block for offset, block in blocks.items() if not start <= offset < end)
    run("mount", "-o", "loop,ro", disk, mounted)
    try:
        os.truncate(disk, lost * FS_BLOCK)
        yield copy
    finally:
        run("umount", mounted)


def _fill(file: Path) -> None:
    """Give all free space of the file system to a new ``file``."""
    with file.open("wb") as space:
        for size in (1 << 20, 64 << 10, FS_BLOCK):
            with contextlib.suppress(OSError):  # no space is left for this size
                while True:
                    os.posix_fallocate(space.fileno(), os.fstat(space.fileno()).st_size, size)


def _disk_block(handle: int, offset: int) -> int:
    (number,) = struct.unpack("i", fcntl.ioctl(handle, FIBMAP, struct.pack("i", offset // FS_BLOCK)))
    return int(number)


def _whole_blocks(start: int, end: int) -> tuple[int, int]:
    """The blocks of the bad disk in which the bytes ``start`` to ``end`` of an ISO are, as bytes."""
    return start - start % FS_BLOCK, end + -end % FS_BLOCK


def _of_file(path: str) -> Callable[[Path], tuple[int, int]]:
    def of(iso: Path) -> tuple[int, int]:
        node = read_tree(iso)[PurePosixPath(path)]
        return _whole_blocks(node.extent, node.extent + node.size)

    return of


def _of_esp(iso: Path) -> tuple[int, int]:
    gpt = read_gpt(iso)
    assert gpt is not None
    (esp,) = (partition for partition in gpt.partitions if partition.number == 2)
    return _whole_blocks(esp.start, esp.end)


# Which bytes cannot be read: some only xorriso reads, some the checks, some everyone.
BAD: dict[str, Callable[[Path], tuple[int, int]]] = {
    "a large file": _of_file("/EFI/boot/grubx64.efi"),
    "the menu": _of_file("/boot/grub/grub.cfg"),
    "the BIOS boot image": _of_file("/boot/grub/i386-pc/eltorito.img"),
    "the ESP": _of_esp,
    "the system area": lambda _iso: (0, 16 * 2048),
    "the descriptors and directories": lambda _iso: (16 * 2048, 100 * FS_BLOCK),
}


@as_root
@pytest.mark.parametrize("part", BAD)
def test_bad_sectors_under_the_base_are_the_bases_error_whoever_reads_them(
    part: str, cli: Cli, fleet: Path, noble: Path, tmp_path: Path
) -> None:
    with bad_sectors(tmp_path, noble, *BAD[part](noble)) as base:
        words = ("multi", "--host", "site-a-m710q1", "--ubuntu-iso", base, "--name", "n", "--render")
        for option in ((), ("--fast",), ("--unpack",)):
            said(cli(*words, *option), 5, f"cannot read {base}: Input/output error", "hint: is its disk")
    assert [path.name for path in (fleet / "baremetal").rglob("*n.iso")] == []
    assert not list((fleet / "baremetal").rglob("*.isoforge"))


@as_root
@pytest.mark.parametrize("part", ["a large file", "the descriptors and directories"])
def test_bad_sectors_under_an_iso_that_is_read_are_that_isos_error(
    part: str, cli: Cli, good: Path, noble: Path, tmp_path: Path
) -> None:
    with bad_sectors(tmp_path, noble, *BAD[part](noble)) as bad:
        for words in (("verify", good, "--base", bad), ("diff", good, bad), ("verify", bad)):
            said(cli(*words), 5, f"cannot read {bad}: Input/output error")


def test_a_draft_that_cannot_be_read_back_is_the_outputs_error(
    noble: Path, fleet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pread = os.pread

    def failing(handle: int, size: int, offset: int) -> bytes:
        if Path(f"/proc/self/fd/{handle}").readlink().name == "ubuntu-autoinstall-n.iso":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return pread(handle, size, offset)

    monkeypatch.setattr(os, "pread", failing)
    workspace = Workspace(baremetal=fleet / "baremetal")
    selection = Selection(hosts=("site-a-m710q1",))
    order = Order(workspace=workspace, selection=selection, name="n", base_iso=noble, render=True, fast=True)
    with pytest.raises(OutputError, match=r"ubuntu-autoinstall-n\.iso: Input/output error"):
        multi(order)
    assert not list(workspace.generated.rglob("*.is*"))


@pytest.fixture
def other_user() -> Iterator[None]:
    """The test runs as a user to whom closed folders are closed; root becomes another one."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.usefixtures("other_user")
@pytest.mark.parametrize("closed", ["inventory", "inventory/host_vars", "inventory/host_vars/site-a-m710q1"])
def test_a_closed_folder_of_the_inventory_is_the_inventorys_error(closed: str) -> None:
    with tempfile.TemporaryDirectory() as folder:  # of this user: root's folders of pytest are closed to others
        baremetal = Path(folder)
        (baremetal / "inventory/host_vars/site-a-m710q1").mkdir(parents=True)
        (baremetal / "inventory/hosts.yml").write_text("all: {hosts: {site-a-m710q1: }}\n")
        (baremetal / closed).chmod(0)
        with pytest.raises(InventoryError, match=rf"cannot read .*{closed}.*: Permission denied"):
            survey(baremetal)
        (baremetal / closed).chmod(0o700)
