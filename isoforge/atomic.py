"""Outputs written atomically: locked, complete under a private name first, renamed last, all of them or none."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from isoforge.errors import ForgeError, OutputError
from isoforge.signals import hold_signals

STAGING_SUFFIX = ".isoforge"
"""The ending of the names of staging directories, by which the next build finds those of a killed one."""

READY = "ready"
"""The subfolder of a staging directory whose files only lack their names: if it exists, the build has happened."""

UNWRITABLE = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
)
"""The errors with which a folder or its file system refuses to be written."""

RESERVE = 32 << 20
"""Bytes kept free beyond what a build is sure to need: directory records, checksums, the backup GPT."""


@contextlib.contextmanager
def locked(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold the lock on ``folder`` (flock) in the block; the kernel releases it when the process ends.

    If another process holds it, ``wait`` for that process; else raise ``OutputError``. ``OutputError`` too if the file
    system has no locks or the folder was replaced, ``OSError`` if it cannot be opened.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise OutputError(f"another build is writing into {folder}", hint="wait until it has ended") from None
        except OSError as failure:
            raise OutputError(
                f"cannot lock {folder}: {failure.strerror}", hint="build on a local disk and copy the ISO"
            ) from failure
        if not (folder.exists() and os.path.samestat(os.fstat(handle), folder.stat())):
            raise OutputError(f"another build has just ended in {folder}", hint="try again")
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def staging_directory(goal: Path) -> Iterator[Path]:
    """A private directory (0700) beside ``goal`` for its draft; it is removed when the block is left.

    In the block no other build writes into ``goal``'s folder. The outputs of a build that was killed are named or
    removed first. Raises ``OutputError`` if another build is running there, if ``goal`` exists and is not a file, or
    if its folder cannot be created or written, or is removed meanwhile.
    """
    refuse_irregular([goal])
    release = hold_signals()  # a signal between two steps of this would leave a staging directory, or half of one
    try:
        with _created(goal.parent.absolute()) as folder, locked(folder):
            _finish(folder)
            staging = Path(tempfile.mkdtemp(prefix=f".{goal.stem}.", suffix=STAGING_SUFFIX, dir=folder))
            try:
                release()
                yield staging
            except (ForgeError, OSError) as failure:
                if not staging.is_dir():
                    raise OutputError(f"{goal.parent} was removed during the build") from failure
                raise
            finally:
                release = hold_signals()
                _finish(folder)
    except OSError as failure:
        if failure.errno not in UNWRITABLE:
            raise
        raise unwritable(failure, goal.parent) from failure
    finally:
        release()


def publish(drafts: Mapping[Path, Path]) -> None:
    """Give each draft (key) in a staging directory its name (value) beside that directory: all of them, or none.

    Several renames can be interrupted by a kill or by a power cut. So the drafts are first gathered and synced in a
    subfolder, which becomes `READY` by one rename. Whatever happens before that leaves the outputs as they were; names
    that are missing after it are given by `staging_directory`, at its end or at the start of the next build.
    """
    refuse_irregular(drafts.values())
    (staging,) = {draft.parent for draft in drafts}
    gathered = staging / "gathered"
    gathered.mkdir(mode=0o700)
    for draft, goal in drafts.items():
        _sync(draft)
        draft.rename(gathered / goal.name)
    _sync(gathered)
    gathered.rename(staging / READY)
    _sync(staging)
    _sync(staging.parent)
    _name(staging)


def replace_together(contents: Mapping[Path, bytes], *, private: bool = False, durable: bool = True) -> None:
    """Write each content to its path, in that order: all of them or, if that fails, no new one.

    Every file is complete under a hidden name before the first one takes its own; a folder that did not exist takes
    its name with its files in it. What a killed process left hidden is overwritten. ``private`` files get the mode 0600
    and their folders 0700; otherwise a file keeps its mode and a new folder takes that of its parent. ``durable`` files
    are on the disk before they take their names. Raises ``OutputError``. The caller holds a lock.
    """
    replacement = _Replacement(private=private)
    try:
        for path in contents:
            replacement.create_above(path.parent)
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
        self._created += _missing(folder.parent)
        folder.parent.mkdir(parents=True, exist_ok=True)

    def draft(self, path: Path) -> Path:
        """Where to write what is to be at ``path``: in a hidden folder if its folder does not exist yet."""
        folder = path.parent
        hidden = folder.with_name(f".{folder.name}.draft")
        if hidden in self._names:
            return hidden / path.name
        _remove(hidden)
        if folder.exists():
            if self._private:
                folder.chmod(0o700)
            draft = path.with_name(f".{path.name}.draft")
            _remove(draft)
            self._names[draft] = path
            return draft
        self._names[hidden] = folder
        hidden.mkdir(mode=0o700)
        if not self._private:
            hidden.chmod(folder.parent.stat().st_mode & 0o777)
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
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        if not private and like.exists():
            shutil.copymode(like, draft)
        file.flush()
        if durable:
            os.fsync(file.fileno())


def _remove(path: Path) -> None:
    """Remove a file or folder of ours, if there is one."""
    with contextlib.suppress(OSError):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def refuse_irregular(goals: Iterable[Path]) -> None:
    """Raise ``OutputError`` if one of ``goals`` exists and is not a regular file."""
    for goal in goals:
        if goal.is_symlink() or (goal.exists() and not goal.is_file()):
            raise OutputError(
                f"{goal} already exists and is not a regular file", hint="move it away, or choose another --name"
            )


def unwritable(failure: OSError, path: Path) -> OutputError:
    """The error for ``failure``, which happened while the output at or below ``path`` was written."""
    return OutputError(f"cannot write {failure.filename2 or failure.filename or path}: {failure.strerror}")


def _name(staging: Path) -> None:
    for draft in (staging / READY).iterdir():
        draft.replace(staging.parent / draft.name)
    _sync(staging.parent)


def _finish(folder: Path) -> None:
    """Name what is ready in the staging directories in ``folder``, and remove them. The caller holds the lock."""
    for staging in folder.glob(f".*{STAGING_SUFFIX}"):
        if staging.is_symlink() or not staging.is_dir():
            continue
        if (staging / READY).is_dir():
            _name(staging)
        for parent, names, _ in os.walk(staging):  # what was unpacked may be closed even to its owner
            for name in names:
                if not Path(parent, name).is_symlink():
                    Path(parent, name).chmod(0o700)
        shutil.rmtree(staging)


def _sync(path: Path) -> None:
    """Return when what was written to the file or directory at ``path`` is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _created(folder: Path) -> Iterator[Path]:
    """``folder``, created with its parents if needed; those that are created and stay empty are removed again."""
    created = _missing(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
    finally:
        for parent in reversed(created):
            with contextlib.suppress(OSError):
                parent.rmdir()


def _missing(folder: Path) -> list[Path]:
    """``folder`` and its parents as far as they do not exist, outermost first."""
    return [path for path in reversed((folder, *folder.parents)) if not path.exists()]


def refuse_without_room(staging: Path, needed: int) -> None:
    """Raise ``OutputError`` unless ``needed`` bytes and a reserve are free on the file system of ``staging``."""
    free = shutil.disk_usage(staging).free
    if free < needed + RESERVE:
        missing = (needed + RESERVE - free + (1 << 20) - 1) >> 20
        raise OutputError(
            f"not enough space for the ISO in {staging.parent}: {missing} MiB missing", hint="free some space"
        )


def refuse_same_file(goal: Path, base: Path) -> None:
    """Raise ``OutputError`` if ``goal`` is the base ISO itself, by path or inode: xorriso reads it to the end."""
    if goal.exists() and base.exists() and goal.samefile(base):
        raise OutputError(f"{goal} is the base ISO itself", hint="choose another --name, or move the base ISO")
