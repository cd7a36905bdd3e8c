"""The part of a file that has been downloaded: complete it later, and name it only when its digest is right."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from isoforge.errors import OutputError
from isoforge.ownership import lock_holder, refuse_foreign

SUFFIX = ".part"

CHUNK = 1 << 20
"""Bytes that are read at a time."""

_CONTINUE = "free some space and run the command again: the download continues where it stopped"


def part_path(goal: Path, *, sha256: str, total: int | None, version: str) -> Path:
    """Where the part of ``goal`` is kept, whose name is different for each file that a server may have at its address.

    So parts of different files are never joined: the name depends on the expected SHA-256, on the size of the whole
    file, and on its version on the server.
    """
    tag = hashlib.sha256(f"{sha256}\n{total}\n{version}".encode()).hexdigest()[:12]
    return goal.with_name(f"{goal.name}.{tag}{SUFFIX}")


def parts_of(goal: Path) -> list[Path]:
    """The parts of ``goal`` that earlier downloads have left, the latest first."""
    pattern = f"{goal.name}.{'[0-9a-f]' * 12}{SUFFIX}"
    paths = [path for path in goal.parent.glob(pattern) if path.is_file() and not path.is_symlink()]
    return sorted(paths, key=lambda path: path.stat().st_mtime_ns, reverse=True)


class Part:
    """An open part, locked for this process; ``size`` are the bytes that it has."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path, self._handle = path, handle
        self.size = os.fstat(handle).st_size
        self._digest = hashlib.sha256()
        self._digested = 0

    def read(self, listen: Callable[[int], object] = lambda _done: None) -> None:
        """Digest what earlier downloads have left; ``listen`` is called with the bytes read."""
        while chunk := os.pread(self._handle, CHUNK, self._digested):
            self._digest.update(chunk)
            self._digested += len(chunk)
            listen(self._digested)
        self.size = self._digested

    def write(self, content: bytes) -> None:
        """Append ``content``; ``OutputError`` if that fails, for example on a full disk: what was written stays."""
        view = memoryview(content)
        while view:
            try:
                count = os.pwrite(self._handle, view, self.size)
            except OSError as failure:
                hint = _CONTINUE if failure.errno in (errno.ENOSPC, errno.EDQUOT) else "use another --folder"
                raise OutputError(f"cannot write {self.path}: {failure.strerror}", hint=hint) from failure
            self._digest.update(view[:count])
            self.size += count
            self._digested = self.size
            view = view[count:]

    def sha256(self) -> str:
        """The SHA-256 of what it has."""
        return self._digest.hexdigest()

    def finish(self, goal: Path) -> None:
        """Give it the name ``goal`` and the mode of an ordinary file, once it is on the disk."""
        mask = os.umask(0o077)
        os.umask(mask)
        try:
            os.fsync(self._handle)
            os.fchmod(self._handle, 0o666 & ~mask)
            self.path.rename(goal)
        except OSError as failure:
            raise OutputError(f"cannot write {goal}: {failure.strerror}") from failure

    def remove(self) -> None:
        """Remove it."""
        self.path.unlink(missing_ok=True)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Part]:
    """The part at ``path``, created if it does not exist; one that has no bytes is removed when the block is left.

    Raises ``OutputError`` if it cannot be written, is not a file of ours, or another process is downloading it.
    """
    refuse_foreign(path)
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    except OSError as failure:
        raise OutputError(f"cannot write {path}: {failure.strerror}", hint="use another --folder") from failure
    try:
        _lock(handle, path)
        part = Part(path, handle)
        try:
            yield part
        finally:
            if part.size == 0 and os.fstat(handle).st_size == 0:
                part.remove()
    finally:
        os.close(handle)


def _lock(handle: int, path: Path) -> None:
    """Lock the open part, and make sure that it is still the file at ``path``, and ours alone."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        text = f"another process is downloading {path}{lock_holder(handle)}"
        raise OutputError(text, hint="wait until it has ended") from None
    except OSError:  # a file system without locks
        pass
    entry = os.fstat(handle)
    try:
        same = os.path.samestat(entry, path.lstat())
    except FileNotFoundError:
        same = False
    if not same:
        raise OutputError(f"another process has just downloaded {path}", hint="run the command again")
    if not stat.S_ISREG(entry.st_mode) or entry.st_nlink != 1 or entry.st_uid != os.geteuid():
        raise OutputError(f"{path} is not a regular file of yours", hint="remove it")
    os.fchmod(handle, 0o600)
