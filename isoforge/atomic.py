"""Outputs written atomically: locked, complete under a private name first, renamed last, all of them or none."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import shutil
import stat
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from isoforge.errors import OutputError
from isoforge.ownership import lock_holder, open_directory, owner_name, refuse_foreign

log = logging.getLogger(__name__)

UNWRITABLE = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
)
"""The errors with which a folder or its file system refuses to be written."""

FS_IOC_GETFLAGS, FS_IMMUTABLE_FL, FS_APPEND_FL = 0x80086601, 0x10, 0x20
"""The request for the attributes of a file, and two of them (Linux, include/uapi/linux/fs.h; 64-bit machines)."""

RESERVE = 32 << 20
"""Bytes kept free beyond what a build is sure to need: directory records, checksums, the backup GPT."""


LOCK_TIMEOUT_S = 60.0
"""How long a process waits for a lock that another one should hold for a few seconds only."""


@contextlib.contextmanager
def locked(folder: Path, *, wait: bool = False) -> Iterator[int]:
    """Hold the lock on ``folder`` (flock) in the block; the kernel releases it when the process ends.

    Yields a handle of the folder. If another process holds the lock, ``wait`` for it up to `LOCK_TIMEOUT_S`; then, or
    without ``wait``, raise ``OutputError``: every user who can read it can lock it. ``OutputError`` too if the file
    system has no locks or the folder was replaced, ``OSError`` if it cannot be opened.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not (wait and _lock_in_time(handle)):
                text = f"another build is writing into {folder}{lock_holder(handle)}"
                raise OutputError(text, hint="wait until it has ended") from None
        except OSError as failure:
            raise OutputError(
                f"cannot lock {folder}: {failure.strerror}", hint="build on a local disk and copy the ISO"
            ) from failure
        if not is_at(handle, folder):
            raise OutputError(f"another build has just ended in {folder}", hint="try again")
        yield handle
    finally:
        os.close(handle)


def _lock_in_time(handle: int) -> bool:
    """Whether the lock could be had in time. A thread queues for it, through a handle that it closes afterwards."""
    copy, acquired = os.dup(handle), threading.Event()

    def queue() -> None:
        fcntl.flock(copy, fcntl.LOCK_EX)
        acquired.set()
        os.close(copy)  # the last handle, and with it the lock, if nobody waits any more

    threading.Thread(target=queue, name="lock", daemon=True).start()
    return acquired.wait(LOCK_TIMEOUT_S)


def is_at(handle: int, path: Path) -> bool:
    """Whether the open directory is still the one at ``path``."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except OSError:
        return False


def replace_together(contents: Mapping[Path, bytes], *, private: bool = False, durable: bool = True) -> None:
    """Write each content to its path, in that order: all of them or, if that fails, no new one.

    Every file is complete under a hidden name before the first one takes its own; a folder that did not exist takes
    its name with its files in it. What a killed process left hidden is overwritten. ``private`` files get the mode 0600
    and their folders 0700; otherwise a file keeps its mode and a new folder takes that of its parent. ``durable`` files
    are on the disk before they take their names. Raises ``OutputError``. The caller holds a lock.
    """
    replacement = _Replacement(private=private)
    try:
        for folder in dict.fromkeys(path.parent for path in contents):
            replacement.create_above(folder)
        for path, content in contents.items():
            _write(replacement.draft(path), content, like=path, private=private, durable=durable)
        replacement.rename(durable=durable)
    except OSError as failure:
        replacement.undo()
        raise unwritable(failure, next(iter(contents))) from failure
    except BaseException:
        replacement.undo()
        raise


class _Replacement:
    """Files and new folders under hidden names, each beside the name that it is to take."""

    def __init__(self, *, private: bool) -> None:
        self._private = private
        self._created: list[Path] = []
        self._names: dict[Path, Path] = {}
        self._new: list[Path] = []

    def create_above(self, folder: Path) -> None:
        """Create the parents of ``folder``."""
        self._created += missing_folders(folder.parent)
        folder.parent.mkdir(parents=True, exist_ok=True)

    def draft(self, path: Path) -> Path:
        """Where to write what is to be at ``path``: in a hidden folder if its folder does not exist yet."""
        folder = path.parent
        hidden = folder.with_name(f".{folder.name}.draft")
        if hidden in self._names:
            return hidden / path.name
        _remove_former(hidden)
        if folder.exists():
            if self._private:
                with open_directory(folder) as handle:
                    os.fchmod(handle, 0o700)
            draft = path.with_name(f".{path.name}.draft")
            _remove_former(draft)
            self._names[draft] = path
            return draft
        self._names[hidden] = folder
        hidden.mkdir(mode=0o700)
        if not self._private:
            with open_directory(hidden) as handle:
                os.fchmod(handle, folder.parent.stat().st_mode & 0o777)
        return hidden / path.name

    def rename(self, *, durable: bool) -> None:
        """Give every file and folder its name."""
        for draft, path in self._names.items():
            if not path.exists():
                self._new.append(draft)
            draft.replace(path)
            if durable:
                _sync(path.parent)

    def undo(self) -> None:
        """Remove every draft, and what did not exist before."""
        for draft, path in self._names.items():
            if draft in self._new and not draft.exists():
                _remove(path)
            _remove(draft)
        for folder in reversed(self._created):
            with contextlib.suppress(OSError):
                folder.rmdir()


def _write(draft: Path, content: bytes, *, like: Path, private: bool, durable: bool) -> None:
    """Write a new file with the mode that `replace_together` promises, which is that of ``like`` if it exists."""
    mode = 0o600 if private or like.exists() else 0o666
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb") as file:
        file.write(content)
        if not private and like.exists():
            os.fchmod(file.fileno(), stat.S_IMODE(like.stat().st_mode))
        file.flush()
        if durable:
            os.fsync(file.fileno())


def _remove(path: Path) -> None:
    """Remove a file or folder of ours, if there is one; what cannot be removed stays, with one line in the log."""
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    except FileNotFoundError:
        pass
    except OSError as failure:
        log.warning("warning: %s could not be removed: %s; remove it", path, failure.strerror)


def _remove_former(draft: Path) -> None:
    """Remove the draft that a killed process left; ``OutputError`` if another user planted it."""
    refuse_foreign(draft)
    _remove(draft)


def refuse_irregular(goals: Iterable[Path]) -> None:
    """Raise ``OutputError`` if one of ``goals`` exists and is not a regular file, or not one that we may replace.

    Other files are replaced by a rename, which never writes into them, nor into another name (hard link) of them.
    """
    for goal in goals:
        if goal.is_symlink() or (goal.exists() and not goal.is_file()):
            raise OutputError(
                f"{goal} already exists and is not a regular file", hint="move it away, or choose another --name"
            )
        if goal.exists() and is_immutable(goal):
            raise OutputError(
                f"{goal} already exists and is immutable", hint=f"chattr -ia {goal}, or choose another --name"
            )
        if goal.exists() and _is_kept(goal.stat(), goal.parent.stat()):
            text = f"{goal} already exists and belongs to {owner_name(goal.stat().st_uid)}"
            raise OutputError(text, hint="have it removed, or choose another --name")


def is_immutable(file: Path) -> bool:
    """Whether ``file`` has an attribute of chattr(1) that keeps even root from replacing it: immutable, append only."""
    flags = bytearray(8)
    try:
        handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:  # who may not read a file may still replace it
        return False
    try:
        fcntl.ioctl(handle, FS_IOC_GETFLAGS, flags)
    except OSError:  # a file system without attributes
        return False
    finally:
        os.close(handle)
    return bool(int.from_bytes(flags[:4], sys.byteorder) & (FS_IMMUTABLE_FL | FS_APPEND_FL))


def _is_kept(file: os.stat_result, folder: os.stat_result) -> bool:
    """Whether the sticky bit of ``folder`` keeps us from replacing ``file`` (unlink(2), EPERM)."""
    return bool(folder.st_mode & stat.S_ISVTX) and os.geteuid() not in (0, file.st_uid, folder.st_uid)


def unwritable(failure: OSError, path: Path) -> OutputError:
    """The error for ``failure``, which happened while the output at or below ``path`` was written."""
    name = str(failure.filename2 or failure.filename or "")
    known = "/" in name and not name.startswith("/proc/")  # not relative to a handle, nor through one
    return OutputError(f"cannot write {name if known else path}: {failure.strerror}")


def _sync(path: Path) -> None:
    """Return when what was written to the file or directory at ``path`` is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def missing_folders(folder: Path) -> list[Path]:
    """``folder`` and its parents as far as they do not exist, outermost first."""
    return [path for path in reversed((folder, *folder.parents)) if not path.exists()]


def refuse_without_room(staging: Path, needed: int) -> None:
    """Raise ``OutputError`` unless ``needed`` bytes and a reserve are free on the file system of ``staging``."""
    free = shutil.disk_usage(staging).free
    if free < needed + RESERVE:
        missing = (needed + RESERVE - free + (1 << 20) - 1) >> 20
        raise OutputError(
            f"not enough space for the ISO in {staging.resolve().parent}: {missing} MiB missing", hint="free some space"
        )


def refuse_same_file(goal: Path, base: Path) -> None:
    """Raise ``OutputError`` if ``goal`` is the base ISO itself, by path or inode: xorriso reads it to the end."""
    if goal.exists() and base.exists() and goal.samefile(base):
        raise OutputError(f"{goal} is the base ISO itself", hint="choose another --name, or move the base ISO")
