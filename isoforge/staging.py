"""The staging directory beside an output, in which a build writes until its files take their names."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from isoforge import leftovers
from isoforge.atomic import UNWRITABLE, is_at, locked, missing_folders, refuse_irregular, unwritable
from isoforge.errors import ForgeError, OutputError
from isoforge.ownership import open_directory, others_can_replace, owner_name, refuse_foreign_link
from isoforge.signals import hold_signals

log = logging.getLogger(__name__)


@contextlib.contextmanager
def staging_directory(goal: Path) -> Iterator[Path]:
    """A private directory (0700) beside ``goal`` for its draft; it is removed when the block is left.

    In the block no other build writes into ``goal``'s folder. The outputs of a build that was killed are named or
    removed first (`leftovers`). In a folder in which another user could put something else in its place, the path
    leads through our open handle of it (/proc/PID/fd/NUMBER). Raises ``OutputError`` if another build is running
    there, if ``goal`` exists and is not a file, or if its folder cannot be created or written, is removed meanwhile, or
    is reached through another user's symlink.
    """
    refuse_foreign_link(goal.parent)
    refuse_irregular([goal])
    release = hold_signals()  # a signal between two steps of this would leave a staging directory, or half of one
    try:
        with _created(goal.parent.absolute()) as folder, locked(folder) as parent:
            shared = others_can_replace(folder)
            _warn_of_others(parent, folder)
            leftovers.finish_former(parent, folder)
            name = f".{goal.stem}.{secrets.token_hex(4)}{leftovers.SUFFIX}"
            os.mkdir(name, 0o700, dir_fd=parent)
            with open_directory(name, parent) as staging:
                if shared and os.fstat(staging).st_uid != os.geteuid():
                    raise OutputError(f"{folder} cannot be shared: no file in it is private", hint="use another folder")
                try:
                    release()
                    yield Path(f"/proc/{os.getpid()}/fd/{staging}") if shared else folder / name
                except (ForgeError, OSError) as failure:
                    if not is_at(staging, folder / name):
                        raise OutputError(f"{goal.parent} was removed during the build") from failure
                    raise
                finally:
                    release = hold_signals()
                    leftovers.finish(parent, name, staging)
    except OSError as failure:
        if failure.errno not in UNWRITABLE and not _is_in(goal.parent, failure):
            raise
        raise unwritable(failure, goal.parent) from failure
    finally:
        release()


def _is_in(folder: Path, failure: OSError) -> bool:
    """Whether ``failure`` is one of a file in ``folder``, or in the staging directory in it through its handle."""
    name = str(failure.filename or "")
    return name.startswith(f"/proc/{os.getpid()}/fd/") or Path(name).is_relative_to(folder.absolute())


def _warn_of_others(handle: int, folder: Path) -> None:
    """Warn of a folder whose files any user, or its owner, can replace as soon as the build has ended."""
    entry = os.fstat(handle)
    if entry.st_uid not in (os.geteuid(), 0, folder.parent.stat().st_uid):
        log.warning("warning: %s belongs to %s, who can replace the ISO in it", folder, owner_name(entry.st_uid))
    elif entry.st_mode & stat.S_IWOTH and not entry.st_mode & stat.S_ISVTX:
        log.warning("warning: every user can replace the ISO in %s (chmod o-w prevents that)", folder)


def publish(drafts: Mapping[Path, Path]) -> None:
    """Give each draft (key) in a staging directory its name (value) beside that directory: all of them, or none.

    Several renames can be interrupted by a kill or by a power cut. So the drafts are first gathered and synced in a
    subfolder, which becomes ready by one rename. Whatever happens before that leaves the outputs as they were; names
    that are missing after it are given by `staging_directory`, at its end or at the start of the next build.
    """
    refuse_irregular(drafts.values())
    (path,) = {draft.parent for draft in drafts}
    with open_directory(f"{path}/.") as staging, open_directory("..", staging) as folder:  # "/.": a symlink in /proc
        leftovers.commit(staging, {draft.name: goal.name for draft, goal in drafts.items()})
        leftovers.name_outputs(folder, staging)


@contextlib.contextmanager
def _created(folder: Path) -> Iterator[Path]:
    """``folder``, created with its parents if needed; those that are created and stay empty are removed again."""
    created = missing_folders(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
    finally:
        for parent in reversed(created):
            with contextlib.suppress(OSError):
                parent.rmdir()
