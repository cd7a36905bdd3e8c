"""The draft: the base ISO with a staging tree over it, which xorriso adds behind the base or writes in one pass."""

from __future__ import annotations

import enum
import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

from isoforge.atomic import refuse_without_room
from isoforge.errors import OutputError, ToolError
from isoforge.image.base import BaseIso
from isoforge.image.inside import write_skeleton
from isoforge.image.tree import read_tree
from isoforge.image.xorriso import xorriso
from isoforge.iso_layout import SEEDS_FOLDER, build_marker

TREE_OPTIONS = ("-r", "-J", "-joliet-long", "-l", "-iso-level", "3")
"""Options of Ubuntu's own ISOs that the replay report does not contain (source: livecd-rootfs, make_iso)."""

NOT_IN_JOLIET = ("-hide-joliet", f".{SEEDS_FOLDER}", "-hide-joliet", f".{build_marker('*')}")
"""The seeds are not in Joliet's tree, which Linux and GRUB do not read: two folders less for each host. So that a copy
of the files made by Windows does not offer installations without seeds, it lacks the file by which the menu recognises
its medium, too: such a copy says that nothing can be installed. Patterns are paths below the staging tree."""


class Method(enum.StrEnum):
    """How a draft is written; its files are the same, but that a graft has the base's head as one more."""

    GRAFT = "graft"
    """The base is copied as it is, and everything new is added behind it."""
    REPACK = "repack"
    """A new image, whose unchanged files xorriso copies from the base."""
    UNPACK = "unpack"
    """A new image from a staging tree into which the whole base was unpacked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Graft:
    """A file of the ISO at ``target``, which replaces that of the base if there is one."""

    target: PurePosixPath
    content: bytes


def stage(grafts: Iterable[Graft], staging: Path, *, when: datetime) -> None:
    """Write ``grafts`` under the directory ``staging`` at their paths on the ISO, readable only by the owner.

    New files and folders get the time ``when``, existing folders keep theirs, so that two builds of the same inputs are
    byte-identical. ``OutputError`` if a path is a folder in one graft and a file in another.
    """
    seconds = when.timestamp()
    times = {os.fspath(staging): seconds}
    try:
        for graft in grafts:
            path = os.fspath(staging)
            for name in graft.target.parts[1:-1]:
                path = f"{path}/{name}"
                if path not in times:
                    times[path] = _folder(path, seconds)
            path = f"{path}/{graft.target.name}"
            with os.fdopen(_new_file(path), "wb") as file:
                file.write(graft.content)
            os.utime(path, (seconds, seconds))
    except (IsADirectoryError, NotADirectoryError, FileExistsError) as clash:
        raise OutputError(f"cannot stage {clash.filename}: {clash.strerror}") from clash
    for folder, moment in reversed(times.items()):
        os.utime(folder, (moment, moment))


def _folder(path: str, seconds: float) -> float:
    """Make the folder ``path``, if it is missing, and return its time: that which it has, or ``seconds``."""
    try:
        os.mkdir(path, 0o700)  # noqa: PTH102  a large fleet has ten thousands of them
    except FileExistsError as failure:
        entry = os.stat(path)  # noqa: PTH116
        if not stat.S_ISDIR(entry.st_mode):
            raise NotADirectoryError(failure.errno, failure.strerror, path) from failure
        return entry.st_mtime
    return seconds


def _new_file(path: str) -> int:
    """The handle of a new file at ``path``, in place of the one that is there."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o600)
    except FileExistsError:
        os.unlink(path)  # noqa: PTH108
        return os.open(path, flags, 0o600)


def unpack(base: BaseIso, staging: Path) -> None:
    """Extract the whole tree of the base into ``staging``, writable, for builds that change more than texts."""
    xorriso("-osirrox", "on", "-indev", base.path, "-extract", "/", staging)
    for path, node in read_tree(base.path).items():
        copy = staging / path.relative_to("/")
        if node.kind == "link":  # osirrox gives links the current time
            os.utime(copy, (node.modified, node.modified), follow_symlinks=False)
        else:
            copy.chmod(stat.S_IMODE(copy.stat().st_mode) | stat.S_IRUSR | stat.S_IWUSR)


def repack_command(base: BaseIso, draft: Path, *, modified: str, method: Method) -> list[str]:
    """xorriso's arguments that write ``draft`` with the staging tree as working directory.

    For a graft the draft exists already, and both directory trees and all volume descriptors are written anew behind
    the base. In one pass, unchanged files are copied from the base. ``modified`` (16 digits) becomes the file system's
    date and thereby its UUID; the GPT's GUID follows from it. ``stdio_sync off``: the draft is synced once, before it
    gets its final name. xorriso checks once per interval of its pacifier whether it has finished.
    """
    drives = {
        Method.GRAFT: ["-dev", f"stdio:{draft}"],
        Method.REPACK: ["-indev", os.fspath(base.path), "-outdev", f"stdio:{draft}"],
        Method.UNPACK: ["-outdev", f"stdio:{draft}"],
    }
    return [
        "-stdio_sync", "off",
        "-pacifier", "interval=0.1",
        *drives[method],
        "-as", "mkisofs",
        *TREE_OPTIONS,
        *NOT_IN_JOLIET,
        "-V", base.volume_id,
        f"--modification-date={modified}",
        "--gpt_disk_guid", "modification-date",
        "--set_all_file_dates", "set_to_mtime",
        *base.replay_args,
        "-graft-points", "/=.",
    ]  # fmt: skip


def repack(
    base: BaseIso,
    staging: Path,
    draft: Path,
    *,
    modified: str,
    method: Method,
    on_line: Callable[[str], object] | None = None,
) -> None:
    """Write ``draft`` from the base ISO and the staging tree; ``on_line`` is called with xorriso's output.

    A graft is then complete but for the large files of the base: `digests.fill` copies them. Raises ``ToolError`` if
    xorriso fails or writes nothing; ``OutputError`` if the disk is full.
    """
    command = repack_command(base, draft, modified=modified, method=method)
    try:
        if method is Method.GRAFT:
            write_skeleton(base.source, base.inside, draft)
        xorriso(*command, cwd=staging, on_line=on_line, growing=draft)
    except OutputError:
        written = draft.stat().st_blocks * 512 if draft.exists() else 0
        refuse_without_room(draft.parent, base.size - written)
        raise
    if not draft.is_file() or draft.stat().st_size <= (base.size if method is Method.GRAFT else 0):
        raise ToolError("xorriso exited with status 0 but wrote no image")


def volume_date(when: datetime, build_id: str) -> str:
    """16 digits for the file system's date, and thereby its UUID: a different one for each build.

    It is up to a year before ``when``, at a hundredth of a second that ``build_id`` (hex digits) determines: two media
    must differ in it, and no date may be after SOURCE_DATE_EPOCH.
    """
    seconds, hundredths = divmod(int(build_id, 16) % (365 * 24 * 3600 * 100), 100)
    moment = when.astimezone(UTC) - timedelta(seconds=1 + seconds)
    return f"{moment:%Y%m%d%H%M%S}{hundredths:02d}"
