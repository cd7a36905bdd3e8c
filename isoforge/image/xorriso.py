"""xorriso: its version, its runs without start-up files, and its errors."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from isoforge.errors import OutputError, ToolError
from isoforge.image.sectors import unreadable
from isoforge.packages import install_hint
from isoforge.run import run

OLDEST = (1, 5, 4)
"""The first release that reports a GPT with an appended partition correctly (libisoburn changelog, 1.5.4)."""

STALL_TIMEOUT_S = 300.0
"""Seconds without progress after which xorriso counts as hanging: a stick or a share can be slow."""

_ERROR = re.compile(r": (SORRY|FAILURE|FATAL|ABORT) :")
_NO_ROOM = re.compile(r"No space left on device|Disk quota exceeded|File too large|Image size \S+ exceeds free space")
_BAD_READ = re.compile(r"Cannot read desired amount of data : (?P<reason>[^\n]+)")
"""libburn's message for a read of the image after ``-indev`` that failed (libburn, read.c)."""
_NO_MODES = re.compile(r"Cannot change access permissions of disk file '(?P<file>[^'\n]+)' : (?P<reason>[^\n]+)")
_READ_ONLY = re.compile(r"Read-only file system")
_UPDATE = re.compile(r": UPDATE : +(?P<count>[\d.]*)")
_VERSION = re.compile(r"^xorriso version\s*:\s*(\d+)\.(\d+)\.(\d+)", re.MULTILINE)


def xorriso(
    *args: str | os.PathLike[str],
    cwd: Path | None = None,
    on_line: Callable[[str], object] | None = None,
    growing: Path | None = None,
) -> str:
    """Run xorriso without the user's start-up files and return its stdout; ``ToolError`` as `isoforge.run.run`.

    It counts as hanging, and is killed with a ``ToolError``, when for `STALL_TIMEOUT_S` it has neither reported
    progress nor written to the file ``growing``. ``OutputError`` if it cannot write, ``BaseIsoError`` if the image
    after ``-indev`` cannot be read.
    """
    progress = ""

    def on_stderr(line: str) -> None:
        nonlocal progress
        update = _UPDATE.search(line)  # while it hangs, xorriso still prints "Thank you for being patient"
        progress = progress if update and not update["count"] else update["count"] if update else line
        if on_line is not None:
            on_line(line)

    def heartbeat() -> tuple[str, int]:
        return progress, growing.stat().st_mtime_ns if growing and growing.exists() else 0

    try:
        return run(
            "xorriso", "-no_rc", *args,
            cwd=cwd, on_line=on_stderr, error_pattern=_ERROR, heartbeat=heartbeat, stall_timeout_s=STALL_TIMEOUT_S,
        )  # fmt: skip
    except ToolError as failure:
        bad_read = _BAD_READ.search(failure.message)
        if bad_read and "-indev" in args:
            raise unreadable(Path(args[args.index("-indev") + 1]), bad_read["reason"]) from failure
        if no_modes := _NO_MODES.search(failure.message):
            text = f"cannot write {no_modes['file']}: {no_modes['reason']}"
            raise OutputError(text, hint="use a file system on which files have permissions") from failure
        if read_only := _READ_ONLY.search(failure.message):
            raise OutputError(f"xorriso cannot write the ISO: {read_only[0]}") from failure
        no_room = _NO_ROOM.search(failure.message)
        if no_room is None:
            raise
        raise OutputError(f"xorriso cannot write the ISO: {no_room[0]}", hint="free some space") from failure


def require_xorriso() -> str:
    """The version of this machine's xorriso, as ``1.5.4``; ``ToolError`` if it is missing or older than `OLDEST`."""
    match = _VERSION.search(xorriso("-version"))
    if match is None:
        raise ToolError("xorriso -version prints no version", hint=install_hint("xorriso"))
    version = tuple(int(number) for number in match.groups())
    if version < OLDEST:
        raise too_old(".".join(map(str, version)))
    return ".".join(map(str, version))


def too_old(version: str) -> ToolError:
    """The error for a xorriso before `OLDEST`."""
    return ToolError(
        f"xorriso {version} is too old: it misreads the boot records of Ubuntu's ISOs",
        hint=f"use version {'.'.join(map(str, OLDEST))} or later: Debian 12, Ubuntu 22.04, or the container image",
    )
