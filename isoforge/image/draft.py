"""How an output takes its name: made in private beside its goal, synced, and renamed last."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from isoforge.errors import OutputError

SLACK = 32 << 20
"""Bytes kept free beyond what a build is sure to need: directory records, checksums, the backup GPT."""


@contextlib.contextmanager
def workshop(goal: Path) -> Iterator[Path]:
    """A private directory (0700) beside ``goal`` to make its draft in; it is gone when the block is left.

    While it is open no other build writes into ``goal``'s folder. Raises ``OutputError`` if one does already, if
    ``goal`` is anything but a file or free, or if its folder cannot be made or written.
    """
    if goal.is_symlink() or (goal.exists() and not goal.is_file()):
        raise OutputError(f"{goal} is there already and is no plain file", hint="move it away, or give another --name")
    try:
        with (
            _folder(goal.parent.absolute()) as beside,
            _locked(beside),
            tempfile.TemporaryDirectory(prefix=f".{goal.stem}.", dir=beside) as folder,
        ):
            yield Path(folder)
    except (PermissionError, NotADirectoryError, FileExistsError) as failure:
        raise OutputError(f"{failure.filename or goal.parent} cannot be written: {failure.strerror}") from failure


@contextlib.contextmanager
def _folder(folder: Path) -> Iterator[Path]:
    """``folder``, made with its parents if it is not there; what was made and stayed empty goes away again."""
    made = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
    finally:
        for parent in made:
            with contextlib.suppress(OSError):
                parent.rmdir()


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputError(f"another build is writing into {folder}", hint="wait until it has ended") from None
        yield
    finally:
        os.close(handle)


def refuse_without_room(folder: Path, needed: int) -> None:
    """Raise ``OutputError`` unless ``needed`` bytes and some slack are free where ``folder`` lies."""
    free = shutil.disk_usage(folder).free
    if free < needed + SLACK:
        missing = (needed + SLACK - free + (1 << 20) - 1) >> 20
        raise OutputError(f"no room for the ISO in {folder}: {missing} MiB are missing", hint="free some space")


def refuse_same_file(goal: Path, base: Path) -> None:
    """Raise ``OutputError`` if ``goal`` is the base ISO itself, by path or inode: xorriso reads it to the end."""
    if goal.exists() and base.exists() and goal.samefile(base):
        raise OutputError(f"{goal} is the base ISO itself", hint="give another --name, or move the base ISO")


def publish(drafts: Mapping[Path, Path]) -> None:
    """Give each draft (key) its name (value), in that order: synced before the renames, the folder after them."""
    for draft in drafts:
        with draft.open("rb") as content:
            os.fsync(content.fileno())
    for draft, goal in drafts.items():
        draft.replace(goal)
    for folder in {goal.parent for goal in drafts.values()}:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
