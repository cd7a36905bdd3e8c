"""Finished files that only lack their names: their journal, and what of a killed build is still named or removed."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from isoforge.ownership import open_directory, owner_name

SUFFIX = ".isoforge"
"""The ending of the names of staging directories, by which the next build finds those of a killed one."""

GATHERED = "gathered"
"""The subfolder of a staging directory in which finished files are collected."""

READY = "ready"
"""The name that `GATHERED` takes when all files in it are complete and on the disk: the build has happened."""

JOURNAL = "journal.json"
"""The file of a staging directory that lists what is `READY`: name, inode, size in bytes and mtime in ns of each."""

MAX_JOURNAL = 1 << 20
"""Bytes of a journal that are read."""

log = logging.getLogger(__name__)


def commit(staging: int, drafts: Mapping[str, str]) -> None:
    """Gather the drafts (name in ``staging`` to final name), write their journal and make them `READY` by one rename.

    ``staging`` is the handle of a private directory. Everything is on the disk before this returns.
    """
    os.mkdir(GATHERED, 0o700, dir_fd=staging)
    entries = {}
    with open_directory(GATHERED, staging) as gathered:
        for draft, name in drafts.items():
            entries[name] = _identity(_synced(draft, staging))
            os.rename(draft, name, src_dir_fd=staging, dst_dir_fd=gathered)
        os.fsync(gathered)
    journal = os.open(JOURNAL, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=staging)
    with os.fdopen(journal, "w", encoding="utf-8") as file:
        json.dump({"schema_version": 1, "files": entries}, file)
        file.flush()
        os.fsync(file.fileno())
    os.rename(GATHERED, READY, src_dir_fd=staging, dst_dir_fd=staging)
    os.fsync(staging)


def finish(folder: int, name: str, staging: int) -> None:
    """Name what is `READY` in the directory ``name`` of ``folder``, which is open as ``staging``, and remove it.

    What cannot be named or removed stays, with one line in the log.
    """
    path = Path(f"/proc/self/fd/{folder}").readlink() / name
    try:
        name_outputs(folder, staging)
    except OSError as failure:
        log.warning("warning: finished files are in %s, the next build names them: %s", path, failure.strerror)
        return
    reason = _remove(folder, name, staging)
    if reason:
        log.warning("warning: %s could not be removed: %s; remove it", path, reason)


def name_outputs(folder: int, staging: int) -> None:
    """Rename the files that are `READY`, in the order of their journal, into ``folder``."""
    try:
        with open_directory(READY, staging) as ready:
            os.fsync(folder)
            waiting = set(_names(ready))
            for name in _journal(staging) if waiting else ():
                if name in waiting:
                    os.rename(name, name, src_dir_fd=ready, dst_dir_fd=folder)
    except FileNotFoundError:
        if _exists(READY, staging):
            raise
        return
    os.fsync(folder)


def finish_former(folder: int, path: Path) -> None:
    """Finish what builds that were killed have left in ``folder`` (at ``path``). The caller holds its lock.

    Only what is beyond doubt ours counts: see `_doubt`. Everything else stays, with one line in the log.
    """
    for name in sorted(_names(folder)):
        if not (name.startswith(".") and name.endswith(SUFFIX)):
            continue
        try:
            handle = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        except OSError as failure:
            reason = f"it cannot be opened as a directory ({failure.strerror})"
        else:
            try:
                reason = _doubt(handle)
                if not reason:
                    finish(folder, name, handle)
            finally:
                os.close(handle)
        if reason:
            log.warning("warning: %s is left alone: %s; remove it if it is yours", path / name, reason)


def _doubt(staging: int) -> str:
    """Why the open directory may not be what a build of ours has left; empty if it is.

    Nobody but this user and root can have written into a directory of this user with the mode 0700. The journal then
    shows that it was a build that made its files ready, and that they are the same as then.
    """
    reason = _not_private(os.fstat(staging), 0o700)
    if reason or not _exists(READY, staging):
        return reason
    try:
        with open_directory(READY, staging) as ready:
            reason = _not_private(os.fstat(ready), 0o700)
            names = _names(ready)
            entries = _journal(staging) if names else {}
            for name in names:
                entry = os.stat(name, dir_fd=ready, follow_symlinks=False)
                if not stat.S_ISREG(entry.st_mode) or entry.st_nlink != 1 or entry.st_uid != os.geteuid():
                    reason = f"{READY}/{name} is not a regular file of yours with one name"
                elif entries.get(name) != _identity(entry):
                    reason = f"{READY}/{name} is not what its journal says"
    except (OSError, ValueError, RecursionError) as failure:
        return f"{READY} has no valid journal ({getattr(failure, 'strerror', None) or 'not in its format'})"
    return reason


def _not_private(entry: os.stat_result, mode: int) -> str:
    if entry.st_uid != os.geteuid():
        return f"it belongs to {owner_name(entry.st_uid)}"
    if stat.S_IMODE(entry.st_mode) != mode:
        return f"its mode is {stat.S_IMODE(entry.st_mode):04o}, not {mode:04o}"
    return ""


def _journal(staging: int) -> Mapping[str, Any]:
    """What is ready, by name, in order (none in another format); ``OSError`` or ``ValueError`` without a journal."""
    handle = os.open(JOURNAL, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=staging)
    with os.fdopen(handle, "rb") as file:
        entry = os.fstat(handle)
        if not stat.S_ISREG(entry.st_mode) or entry.st_nlink != 1 or entry.st_uid != os.fstat(staging).st_uid:
            raise ValueError(JOURNAL)
        document = json.loads(file.read(MAX_JOURNAL))
    files = document.get("files") if isinstance(document, dict) else None
    return files if isinstance(files, dict) else {}


def _identity(entry: os.stat_result) -> dict[str, int]:
    """What changes if a file is replaced or written to. Not the device: its number may change with a restart."""
    return {"inode": entry.st_ino, "size": entry.st_size, "mtime_ns": entry.st_mtime_ns}


def _synced(name: str, folder: int) -> os.stat_result:
    """The state of a regular file, once its content is on the disk."""
    handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.fsync(handle)
        return os.fstat(handle)
    finally:
        os.close(handle)


def _names(folder: int) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries]


def _exists(name: str, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _remove(folder: int, name: str, staging: int) -> str:
    """Remove what is in the open directory, and its ``name``; a directory that took this name stays, unless empty.

    Returns why something could not be removed, with the first reason; empty if all is gone.
    """
    reasons: list[object] = []

    def keep(_function: object, _path: str, error: tuple[type[BaseException], BaseException, object]) -> None:
        reasons.append(getattr(error[1], "strerror", None) or error[1])

    for _, names, _, parent in os.fwalk(dir_fd=staging):  # what was unpacked may be closed even to its owner
        for one in names:
            with contextlib.suppress(OSError):  # no such thing as a mode there, or it cannot be changed
                if stat.S_ISDIR(os.stat(one, dir_fd=parent, follow_symlinks=False).st_mode):
                    os.chmod(one, 0o700, dir_fd=parent)
    for one in _names(staging):
        try:
            if stat.S_ISDIR(os.stat(one, dir_fd=staging, follow_symlinks=False).st_mode):
                shutil.rmtree(one, dir_fd=staging, onerror=keep)
            else:
                os.unlink(one, dir_fd=staging)
        except OSError as failure:
            reasons.append(failure.strerror)
    try:
        os.rmdir(name, dir_fd=folder)
    except FileNotFoundError:
        pass
    except OSError as failure:
        reasons.append(failure.strerror)
    return str(reasons[0]) if reasons else ""
