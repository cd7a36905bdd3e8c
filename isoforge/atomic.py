"""How outputs take their names: made in private beside their goal, synced, and renamed last, all of them or none."""

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
from isoforge.run import hold_signals

OURS = ".isoforge"
"""How the name of every workshop ends: whoever holds the folder's lock knows by it what a dead build left."""

READY = "ready"
"""The folder in a workshop whose files only wait for their names: once it is there, the build has happened."""

UNWRITABLE = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
)
"""The ways in which a place refuses to be written."""

SLACK = 32 << 20
"""Bytes kept free beyond what a build is sure to need: directory records, checksums, the backup GPT."""


@contextlib.contextmanager
def workshop(goal: Path) -> Iterator[Path]:
    """A private directory (0700) beside ``goal`` to make its draft in; it is gone when the block is left.

    While it is open no other build writes into ``goal``'s folder. What a build left that was killed is finished or
    cleared first. Raises ``OutputError`` if another build is at work, if ``goal`` is anything but a file or free, or
    if its folder cannot be made or written, or is taken away meanwhile.
    """
    refuse_odd([goal])
    release = hold_signals()  # one between two steps of this would leave a workshop, or half of one
    try:
        with _folder(goal.parent.absolute()) as beside, _locked(beside):
            _settle(beside)
            shop = Path(tempfile.mkdtemp(prefix=f".{goal.stem}.", suffix=OURS, dir=beside))
            try:
                release()
                yield shop
            except (ForgeError, OSError) as failure:
                if not shop.is_dir():
                    raise OutputError(f"{goal.parent} was taken away while the ISO was made") from failure
                raise
            finally:
                release = hold_signals()
                _settle(beside)
    except OSError as failure:
        if failure.errno not in UNWRITABLE:
            raise
        raise OutputError(f"{failure.filename or goal.parent} cannot be written: {failure.strerror}") from failure
    finally:
        release()


def refuse_odd(goals: Iterable[Path]) -> None:
    """Raise ``OutputError`` if there is anything but a plain file where one of ``goals`` is to be."""
    for goal in goals:
        if goal.is_symlink() or (goal.exists() and not goal.is_file()):
            raise OutputError(
                f"{goal} is there already and is no plain file", hint="move it away, or give another --name"
            )


def publish(drafts: Mapping[Path, Path]) -> None:
    """Give each draft (key) in a workshop its name (value) beside the workshop: all of them, or none.

    Several renames can be torn apart by a kill or by a power cut. So the drafts are first gathered and synced in a
    folder of the workshop, which becomes `READY` by one rename. Whatever happens before that leaves the outputs as
    they were; names that are missing after it are given by `workshop`, at its end or at the start of the next build.
    """
    refuse_odd(drafts.values())
    (shop,) = {draft.parent for draft in drafts}
    gathered = shop / "gathered"
    gathered.mkdir(mode=0o700)
    for draft, goal in drafts.items():
        _sync(draft)
        draft.rename(gathered / goal.name)
    _sync(gathered)
    gathered.rename(shop / READY)
    _sync(shop)
    _sync(shop.parent)
    _give_names(shop)


def _give_names(shop: Path) -> None:
    for draft in (shop / READY).iterdir():
        draft.replace(shop.parent / draft.name)
    _sync(shop.parent)


def _settle(folder: Path) -> None:
    """Name what is ready in the workshops in ``folder``, and remove them; only for who holds the folder's lock."""
    for shop in folder.glob(f".*{OURS}"):
        if shop.is_symlink() or not shop.is_dir():
            continue
        if (shop / READY).is_dir():
            _give_names(shop)
        for inside, names, _ in os.walk(shop):  # what was unpacked may be closed even to its owner
            for name in names:
                if not Path(inside, name).is_symlink():
                    Path(inside, name).chmod(0o700)
        shutil.rmtree(shop)


def _sync(path: Path) -> None:
    """Have what is written to the file or directory at ``path`` on the disk before anything that comes after."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


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
    """Nobody else has this lock on ``folder`` until the block is left, or this process ends in whatever way."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputError(f"another build is writing into {folder}", hint="wait until it has ended") from None
        except OSError as failure:
            raise OutputError(
                f"{folder} lies on a file system that cannot lock it: {failure.strerror}",
                hint="build on a local disk and copy the ISO",
            ) from failure
        if not (folder.exists() and os.path.samestat(os.fstat(handle), folder.stat())):
            raise OutputError(f"another build has just ended in {folder}", hint="try again")
        yield
    finally:
        os.close(handle)


def refuse_without_room(shop: Path, needed: int) -> None:
    """Raise ``OutputError`` unless ``needed`` bytes and some slack are free where the workshop ``shop`` lies."""
    free = shutil.disk_usage(shop).free
    if free < needed + SLACK:
        missing = (needed + SLACK - free + (1 << 20) - 1) >> 20
        raise OutputError(f"no room for the ISO in {shop.parent}: {missing} MiB are missing", hint="free some space")


def refuse_same_file(goal: Path, base: Path) -> None:
    """Raise ``OutputError`` if ``goal`` is the base ISO itself, by path or inode: xorriso reads it to the end."""
    if goal.exists() and base.exists() and goal.samefile(base):
        raise OutputError(f"{goal} is the base ISO itself", hint="give another --name, or move the base ISO")
