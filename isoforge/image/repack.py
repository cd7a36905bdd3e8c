"""The draft: a staging tree laid over the base ISO and written out by xorriso in one pass."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

from isoforge.atomic import refuse_without_room
from isoforge.errors import OutputError, ToolError
from isoforge.image.base import BaseIso
from isoforge.image.tree import read_tree
from isoforge.image.xorriso import xorriso

TREE_OPTIONS = ("-r", "-J", "-joliet-long", "-l", "-iso-level", "3")
"""What Ubuntu's own ISOs are made with and the replay report does not tell (facts: livecd-rootfs, make_iso)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Graft:
    """Bytes that go onto the ISO at ``target``, over whatever the base has there."""

    target: PurePosixPath
    content: bytes


def stage(grafts: Iterable[Graft], staging: Path, *, when: datetime) -> None:
    """Lay ``grafts`` out under the directory ``staging`` as they will lie on the ISO, for the owner's eyes alone.

    What is new gets the time ``when``, and folders that were there keep theirs, so that two builds of the same inputs
    are the same to the bit. ``OutputError`` if a name stands for a folder in one place and for a file in another.
    """
    seconds = when.timestamp()
    times = {staging: seconds}
    try:
        for graft in grafts:
            place = staging / graft.target.relative_to("/")
            for folder in reversed(place.parents[: len(graft.target.parents) - 1]):
                if folder not in times:
                    times[folder] = folder.stat().st_mtime if folder.exists() else seconds
                    folder.mkdir(mode=0o700, exist_ok=True)
            place.unlink(missing_ok=True)
            place.touch(mode=0o600, exist_ok=False)
            place.write_bytes(graft.content)
            os.utime(place, (seconds, seconds))
    except (IsADirectoryError, NotADirectoryError, FileExistsError) as clash:
        raise OutputError(f"{clash.filename} cannot be staged: {clash.strerror}") from clash
    for folder, moment in reversed(times.items()):
        os.utime(folder, (moment, moment))


def unpack(base: BaseIso, staging: Path) -> None:
    """Take the base's whole tree out into ``staging``, writable, for builds that change more than texts."""
    xorriso("-osirrox", "on", "-indev", base.path, "-extract", "/", staging)
    for path, node in read_tree(base.path).items():
        place = staging / path.relative_to("/")
        if node.kind == "link":  # osirrox gives links the time of day
            os.utime(place, (node.modified, node.modified), follow_symlinks=False)
        else:
            place.chmod(stat.S_IMODE(place.stat().st_mode) | stat.S_IRUSR | stat.S_IWUSR)


def repack_command(base: BaseIso, draft: Path, *, modified: str, unpacked: bool) -> list[str]:
    """xorriso's arguments that write ``draft`` with the staging tree as working directory.

    Files that stay as they are go straight from the base to the draft, unless ``unpacked`` says that the staging tree
    holds all of them. ``modified`` (16 digits) becomes the file system's date and thereby its UUID; the GPT's GUID
    follows from it. ``stdio_sync off``: the draft is synced once, by whoever names it. xorriso looks once in
    each interval of its pacifier whether it has ended.
    """
    source = [] if unpacked else ["-indev", os.fspath(base.path)]
    return [
        "-stdio_sync", "off",
        "-pacifier", "interval=0.1",
        *source,
        "-outdev", f"stdio:{draft}",
        "-as", "mkisofs",
        *TREE_OPTIONS,
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
    unpacked: bool = False,
    on_line: Callable[[str], object] | None = None,
) -> None:
    """Write ``draft`` from the base ISO and the staging tree; ``on_line`` hears xorriso's progress.

    Raises ``ToolError`` if xorriso fails, or says it succeeded and wrote nothing; ``OutputError`` if it had no room.
    """
    command = repack_command(base, draft, modified=modified, unpacked=unpacked)
    try:
        xorriso(*command, cwd=staging, on_line=on_line, growing=draft)
    except OutputError:
        there = draft.stat().st_size if draft.exists() else 0
        refuse_without_room(draft.parent, base.path.stat().st_size - there)
        raise
    if not draft.is_file() or draft.stat().st_size == 0:
        raise ToolError("xorriso said it succeeded, but wrote no image")


def volume_date(when: datetime, build_id: str) -> str:
    """16 digits for the file system's date, and thereby its UUID: another one for each build.

    It lies up to a year before ``when``, at a moment that ``build_id`` (hex digits) picks to the hundredth of a
    second: two media must differ in it, and no date may lie after SOURCE_DATE_EPOCH.
    """
    seconds, hundredths = divmod(int(build_id, 16) % (365 * 24 * 3600 * 100), 100)
    moment = when.astimezone(UTC) - timedelta(seconds=1 + seconds)
    return f"{moment:%Y%m%d%H%M%S}{hundredths:02d}"
