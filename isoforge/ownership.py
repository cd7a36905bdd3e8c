"""Whose files, folders and programs these are: what another user of the machine may have planted is not used."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from isoforge.errors import OutputError, ToolError

MAX_LINKS = 40
"""How many symlinks a path may lead through: what the kernel allows (path_resolution(7))."""


def owner_name(user_id: int) -> str:
    """The user's name, with the number where it has none."""
    try:
        return f"user {pwd.getpwuid(user_id).pw_name}"
    except KeyError:
        return f"user id {user_id}"


def is_trusted(entry: os.stat_result, folder: os.stat_result) -> bool:
    """Whether ``entry`` of ``folder`` belongs to us, to root or to the owner of the folder, or is mounted there.

    The same rule as the kernel's ``fs.protected_symlinks`` (proc_sys_fs(5)), but in every folder: its owner could put
    anything there in any case, any other user needs a folder that others can write to.
    """
    return entry.st_uid in (os.geteuid(), 0, folder.st_uid) or entry.st_dev != folder.st_dev


def foreign_part(path: Path) -> str:
    """What of ``path`` another user has planted, as ``… belongs to user …``; empty if nothing.

    Looks at every symlink that the path leads through, and at what is at its end.
    """
    try:
        parts, links = _parts(os.path.abspath(path)), 0  # noqa: PTH100 - Path.absolute() keeps ".."
    except FileNotFoundError:  # the current folder was removed
        return ""
    at, above = "", [os.stat("/")]  # noqa: PTH116 - of every seed: three times as fast without Path
    while parts:
        name = parts.pop()
        if name == "..":
            at, above = os.path.dirname(at), above[:-1] or above  # noqa: PTH120
            continue
        here = f"{at}/{name}"
        try:
            entry = os.lstat(here)
            is_link = stat.S_ISLNK(entry.st_mode)
            if (is_link or not parts) and not is_trusted(entry, above[-1]):
                return f"{'the symlink ' if is_link else ''}{here} belongs to {owner_name(entry.st_uid)}"
            if not is_link:
                at, above = here, [*above, entry]
                continue
            target = os.readlink(here)  # noqa: PTH115
        except OSError:  # does not exist yet, or what uses it reports why it cannot be read
            return ""
        links += 1
        if links > MAX_LINKS:
            return ""
        if target.startswith("/"):
            at, above = "", above[:1]
        parts += _parts(target)
    return ""


def _parts(path: str) -> list[str]:
    """The names in ``path``, the last one first."""
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]


def refuse_foreign(path: Path) -> None:
    """Raise ``OutputError`` if another user planted ``path`` or a symlink that it leads through."""
    reason = foreign_part(path)
    if reason:
        raise OutputError(f"{reason}: it is not used", hint="remove it, or use a folder of your own")


def refuse_foreign_link(path: Path) -> None:
    """Raise ``OutputError`` if ``path`` leads through a symlink of another user; what is at its end is not judged."""
    reason = foreign_part(path)
    if reason.startswith("the symlink "):
        raise OutputError(f"{reason}: it is not followed", hint="remove it, or use a folder of your own")


def others_can_replace(folder: Path) -> bool:
    """Whether a user other than we and root can replace ``folder``, or what is in it and belongs to us."""
    real = folder.resolve()
    for one in (real, *real.parents):
        entry = one.stat()
        shared = entry.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not entry.st_mode & stat.S_ISVTX
        if shared or entry.st_uid not in (os.geteuid(), 0):
            return True
    return False


def user_cache() -> Path | None:
    """isoforge's folder for what can be made again (XDG Base Directory Specification); None without a home."""
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        return None
    return base / "isoforge" if base.is_absolute() else None


def lock_holder(handle: int) -> str:
    """Who has locked the open file, as `` (process … of user …)``; empty if the kernel does not show it."""
    entry = os.fstat(handle)
    file = f"{os.major(entry.st_dev):02x}:{os.minor(entry.st_dev):02x}:{entry.st_ino}"
    with contextlib.suppress(OSError):
        for line in Path("/proc/locks").read_text("utf-8").splitlines():  # 1: FLOCK ADVISORY WRITE 4711 08:02:123 0 EOF
            words = line.split()
            if words[1:2] == ["FLOCK"] and words[5:6] == [file]:
                return f" (process {words[4]} of {owner_name(Path('/proc', words[4]).stat().st_uid)})"
    return ""


@contextlib.contextmanager
def open_directory(path: str | Path, folder: int | None = None) -> Iterator[int]:
    """A handle of the directory ``path`` (in the directory ``folder``); raises ``OSError``, also for a symlink."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        yield handle
    finally:
        os.close(handle)


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A private folder for temporary files; it is removed when the block is left.

    Raises ``ToolError`` if the system's folder for such files (TMPDIR) lets every user replace the files of others.
    """
    above = Path(tempfile.gettempdir())
    mode = above.stat().st_mode
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise ToolError(
            f"every user can replace files in the temporary folder {above}",
            hint=f"chmod +t {above}, or set TMPDIR to a folder of your own",
        )
    with tempfile.TemporaryDirectory(prefix="isoforge-", dir=above) as folder:
        yield Path(folder)


def replace_file(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Write a new file at ``path``; what was there is unlinked first, so a symlink or hard link is not written to."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode), "wb") as file:
        file.write(content)


def search_path() -> str:
    """PATH; for root without its relative entries and those that every user can write to."""
    path = os.environ.get("PATH", os.defpath)
    if os.geteuid() != 0:
        return path
    return os.pathsep.join(entry for entry in path.split(os.pathsep) if not _unsafe(entry))


def find_program(name: str) -> str | None:
    """The absolute path of the program ``name`` in `search_path`, or None; a ``name`` with a slash is a path itself.

    Raises ``ToolError`` if it could only be found in an entry of PATH that is not used.
    """
    path = shutil.which(name, path=search_path())
    if path is not None:
        return os.path.abspath(path)  # noqa: PTH100 - absolute() keeps ".."
    elsewhere = shutil.which(name)
    if elsewhere is None:
        return None
    folder = os.path.dirname(elsewhere) or "."  # noqa: PTH120 - an empty entry of PATH is the current folder
    raise ToolError(
        f"{name} is only in {folder}, and {_unsafe(folder)}: root does not run it",
        hint="install it for the whole system, or make that folder absolute in PATH and writable by its owner only",
    )


def _unsafe(entry: str) -> str:
    """Why root runs no program from the ``entry`` of PATH; empty if it may."""
    if not os.path.isabs(entry):  # noqa: PTH117 - the empty entry would become "."
        return "this entry of PATH is relative"
    real = Path(entry).resolve()
    for folder in (real, *real.parents):
        try:
            mode = folder.stat().st_mode
        except OSError:  # no program is found there either
            continue
        if mode & stat.S_IWOTH and (folder == real or not mode & stat.S_ISVTX):
            return f"every user can write to {folder}"
    return ""
