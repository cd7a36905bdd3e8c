"""xorriso, asked politely: the right version, no start-up files, plain words."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from isoforge.errors import OutputError, ToolError
from isoforge.run import run

OLDEST = (1, 5, 4)
"""The first release that reports a GPT with an appended partition truly (libisoburn changelog, 1.5.4)."""

STALL_TIMEOUT_S = 300.0
"""Seconds without progress after which xorriso counts as hanging: a stick or a share can be slow."""

_ERROR = re.compile(r": (SORRY|FAILURE|FATAL|ABORT) :")
_NO_ROOM = re.compile(r"No space left on device|Disk quota exceeded|File too large|Image size \S+ exceeds free space")
_UPDATE = re.compile(r": UPDATE : +(?P<count>[\d.]*)")
_VERSION = re.compile(r"^xorriso version\s*:\s*(\d+)\.(\d+)\.(\d+)", re.MULTILINE)


def xorriso(
    *args: str | os.PathLike[str],
    cwd: Path | None = None,
    on_line: Callable[[str], object] | None = None,
    growing: Path | None = None,
) -> str:
    """Run xorriso without the user's start-up files and return its stdout; ``ToolError`` as `isoforge.run.run`.

    It counts as hanging, and is stopped with a ``ToolError``, when for `STALL_TIMEOUT_S` it has told nothing new and
    written nothing to the file ``growing``. ``OutputError`` if there was no room for what it was to write.
    """
    progress = ""

    def hear(line: str) -> None:
        nonlocal progress
        update = _UPDATE.search(line)  # xorriso goes on thanking for the patience of who waits
        progress = progress if update and not update["count"] else update["count"] if update else line
        if on_line is not None:
            on_line(line)

    def heartbeat() -> tuple[str, int]:
        return progress, growing.stat().st_mtime_ns if growing and growing.exists() else 0

    try:
        return run(
            "xorriso", "-no_rc", *args,
            cwd=cwd, on_line=hear, error_pattern=_ERROR, heartbeat=heartbeat, stall_timeout_s=STALL_TIMEOUT_S,
        )  # fmt: skip
    except ToolError as failure:
        reason = _NO_ROOM.search(failure.message)
        if reason is None:
            raise
        raise OutputError(f"there is no room for what xorriso writes: {reason[0]}", hint="free some space") from failure


def require_xorriso() -> str:
    """The version of this machine's xorriso, as ``1.5.4``; ``ToolError`` if it is missing or older than `OLDEST`."""
    said = xorriso("-version")
    found = _VERSION.search(said)
    if found is None:
        raise ToolError("xorriso does not tell its version", hint="apt-get install xorriso")
    version = tuple(int(number) for number in found.groups())
    if version < OLDEST:
        raise ToolError(
            f"xorriso {'.'.join(map(str, version))} is too old: it misreads the boot records of Ubuntu's ISOs",
            hint=f"version {'.'.join(map(str, OLDEST))} or later: Debian 12, Ubuntu 22.04, or the container image",
        )
    return ".".join(map(str, version))
