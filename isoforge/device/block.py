"""A disk open for writing: nobody else writes to it, and no byte goes through the page cache.

disk = disk_at(Path("/dev/sdb"))
refuse_unsafe(disk)                       # mounted, in use, not removable …
with open_exclusively(disk) as device:
    device.write(0, bytes(512))           # whole sectors
    device.sync()
    device.drop_cache()                   # before it is read by its path
    device.reread_partitions()
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import grp
import mmap
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from isoforge.device.disks import Disk, device_number, disk_at
from isoforge.errors import OutputError

CHUNK = 4 << 20
"""Bytes that are read or written at a time: sticks are slower with less, and no faster with more."""

_BLKRRPART, _BLKFLSBUF = 0x125F, 0x1261
"""The requests of ioctl(2) that re-read the partition table and empty the page cache (Linux, uapi/linux/fs.h)."""

_GONE = frozenset({errno.EIO, errno.ENODEV, errno.ENXIO, errno.ENOMEDIUM, errno.EROFS})
"""What the kernel answers for a disk that was unplugged, and for a broken one."""

_PATIENCE_S = 5.0
"""Seconds to wait for udev, which looks at a disk after every change."""

Result = TypeVar("Result")


class BlockDevice:
    """A disk that `open_exclusively` has opened, for one thread.

    ``start`` and sizes are in bytes and multiples of ``sector``. An error of the disk is an ``OutputError``.
    """

    def __init__(self, disk: Disk, handle: int) -> None:
        self.disk = disk
        self.path: Path = disk.path
        self.sector: int = disk.sector
        self.size: int = os.lseek(handle, 0, os.SEEK_END)
        self._handle = handle
        self._buffer = mmap.mmap(-1, CHUNK)  # direct I/O needs aligned memory: this begins at a page (open(2))

    def whole_sectors(self, size: int) -> int:
        """``size`` rounded up to whole sectors."""
        return -(-size // self.sector) * self.sector

    def read(self, start: int, size: int) -> bytes:
        """``size`` bytes from ``start`` on, as the disk itself has them."""
        content = bytearray()
        while len(content) < size:
            content += self.chunk(start + len(content), min(CHUNK, size - len(content)))
        return bytes(content)

    def chunk(self, start: int, size: int) -> memoryview:
        """The same for up to `CHUNK` bytes, in a buffer that the next call changes."""
        self._require_sectors(start, size)
        with memoryview(self._buffer)[:size] as view, self._failing("read"):
            done = 0
            while done < size:
                count = os.preadv(self._handle, [view[done:]], start + done)
                if not count:
                    raise OSError(errno.ENXIO, "it ends too early")
                done += count
        return memoryview(self._buffer)[:size]

    def write(self, start: int, content: bytes) -> None:
        """Write ``content`` from ``start`` on. It is on the disk, but possibly still in its own cache: see `sync`."""
        self._require_sectors(start, len(content))
        for first in range(0, len(content), CHUNK):
            part = content[first : first + CHUNK]
            self._buffer[: len(part)] = part
            self._write_buffer(start + first, len(part))

    def write_from(self, source: int, offset: int, size: int) -> None:
        """Write ``size`` bytes (up to `CHUNK`) of the open file ``source`` to the same ``offset``.

        Behind the end of the file they are zeros. An ``OSError`` is one of the file.
        """
        self._require_sectors(offset, size)
        with memoryview(self._buffer)[:size] as view:
            done = 0
            while done < size and (count := os.preadv(source, [view[done:]], offset + done)):
                done += count
            view[done:] = bytes(size - done)
        self._write_buffer(offset, size)

    def sync(self) -> None:
        """Have the disk store what is in its own cache (fsync(2))."""
        with self._failing("write to"):
            os.fsync(self._handle)

    def drop_cache(self) -> None:
        """Make reads of the disk by its path come from the disk from here on, not from the page cache."""
        with contextlib.suppress(OSError):  # only root may; the next line drops what is not in use
            fcntl.ioctl(self._handle, _BLKFLSBUF)
        with contextlib.suppress(OSError):
            os.posix_fadvise(self._handle, 0, 0, os.POSIX_FADV_DONTNEED)

    def reread_partitions(self) -> bool:
        """Have the kernel read the partition table again, so that /dev/sdb1 … are those of the new one.

        False if it cannot: only root may, and a loop device may be without partitions. udev does it too when the disk
        is closed.
        """

        def ask() -> bool:
            fcntl.ioctl(self._handle, _BLKRRPART)
            return True

        try:
            return _patiently(ask, errno.EBUSY)
        except OSError:
            return False

    def close(self) -> None:
        """Close it; what was written is still in the disk's own cache unless `sync` was called."""
        os.close(self._handle)

    def _write_buffer(self, start: int, size: int) -> None:
        with memoryview(self._buffer)[:size] as view, self._failing("write to"):
            done = 0
            while done < size:
                done += os.pwrite(self._handle, view[done:], start + done)

    def _require_sectors(self, start: int, size: int) -> None:
        if start % self.sector or size % self.sector or start < 0 or start + size > self.size:
            raise ValueError(f"bytes {start} to {start + size} are not sectors of {self.path}")

    @contextlib.contextmanager
    def _failing(self, verb: str) -> Iterator[None]:
        """Turn an ``OSError`` in the block into an ``OutputError`` that names the disk."""
        try:
            yield
        except OSError as failure:
            hint = "was it unplugged, or is it broken?" if failure.errno in _GONE else ""
            raise OutputError(f"cannot {verb} {self.disk.name}: {failure.strerror}", hint=hint) from failure


@contextlib.contextmanager
def open_exclusively(disk: Disk) -> Iterator[BlockDevice]:
    """Open ``disk`` for reading and writing while the block runs, with direct I/O.

    Nobody else can mount it, or open it in the same way, in that time, and udev leaves it alone. The caller has called
    `guards.refuse_unsafe`. Raises ``OutputError`` without permission, if it is in use, or if another medium has taken
    its place since ``disk`` was read.
    """
    flags = os.O_RDWR | os.O_EXCL | os.O_DIRECT | os.O_CLOEXEC
    try:
        handle = _patiently(lambda: os.open(disk.path, flags), errno.EBUSY, patience_s=1)
    except OSError as failure:
        raise _refused(disk, failure) from failure
    try:
        _lock(disk, handle)
        _require_same(disk, handle)
        device = BlockDevice(disk, handle)
    except BaseException:
        os.close(handle)
        raise
    try:
        yield device
    finally:
        device.close()


def refuse_occupied(disk: Disk) -> None:
    """Raise ``OutputError`` if `open_exclusively` would fail now: before a person is asked, without a change of it."""
    if not os.access(disk.path, os.R_OK | os.W_OK):
        raise _refused(disk, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))
    try:
        os.close(os.open(disk.path, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC))
    except OSError as failure:
        raise _refused(disk, failure) from failure


def _lock(disk: Disk, handle: int) -> None:
    """Keep udev from reading a half-written disk (systemd, Locking Block Device Access)."""
    try:
        _patiently(lambda: fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB), errno.EWOULDBLOCK)
    except OSError as failure:
        raise OutputError(
            f"{disk.path} is locked by another program: {failure.strerror}", hint="try again"
        ) from failure


def _require_same(disk: Disk, handle: int) -> None:
    """Raise ``OutputError`` unless the open device is ``disk``: the next stick that is plugged in gets its name."""
    state = os.fstat(handle)
    now = disk_at(disk.path)
    before = (disk.number, disk.sequence, disk.serial, disk.size)
    if (device_number(state), now.sequence, now.serial, now.size) != before:
        raise OutputError(f"{disk.path} is another disk than a moment ago", hint="start again")


def _patiently(ask: Callable[[], Result], error: int, *, patience_s: float | None = None) -> Result:
    """The result of ``ask``, called again for ``patience_s`` seconds as long as it fails with that ``errno``."""
    patience_s, waited_s = _PATIENCE_S if patience_s is None else patience_s, 0.0
    while True:
        try:
            return ask()
        except OSError as failure:
            if failure.errno != error or waited_s >= patience_s:
                raise
        time.sleep(0.1)
        waited_s += 0.1


def _refused(disk: Disk, failure: OSError) -> OutputError:
    """Why a disk cannot be opened."""
    if failure.errno == errno.EBUSY:
        hint = "unmount it, or stop the program or volume that uses it (lsblk shows it)"
        return OutputError(f"{disk.name} is in use", hint=hint)
    if failure.errno in (errno.EACCES, errno.EPERM):
        return OutputError(f"no permission to write to {disk.name}", hint=permission_hint(disk.path))
    hint = "was it unplugged?" if failure.errno in _GONE else ""
    return OutputError(f"cannot open {disk.name}: {failure.strerror}", hint=hint)


def permission_hint(path: Path) -> str:
    """What gives a user permission to write to the device ``path``: sudo, or the group that it belongs to."""
    if os.geteuid() == 0:
        return f"even root may not: does a container have it (docker run --device {path} --user 0)?"
    with contextlib.suppress(OSError, KeyError):
        state = path.stat()
        name = grp.getgrgid(state.st_gid).gr_name
        if state.st_gid and state.st_mode & 0o020:
            return (
                f'run it as root: sudo "$(command -v isoforge)" …; members of the group {name} may write to every disk:'
                f" sudo usermod -aG {name} $USER, then log in again"
            )
    return 'run it as root: sudo "$(command -v isoforge)" …'
