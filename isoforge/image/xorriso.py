"""xorriso, asked politely: the right version, no start-up files, plain words."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from isoforge.errors import ToolError
from isoforge.run import run

OLDEST = (1, 5, 4)
"""The first release that reports a GPT with an appended partition truly (libisoburn changelog, 1.5.4)."""

_COMPLAINT = re.compile(r": (SORRY|FAILURE|FATAL|ABORT) :")
_VERSION = re.compile(r"^xorriso version\s*:\s*(\d+)\.(\d+)\.(\d+)", re.MULTILINE)


def xorriso(
    *args: str | os.PathLike[str], cwd: Path | None = None, on_line: Callable[[str], object] | None = None
) -> str:
    """Run xorriso without the user's start-up files and return its stdout; ``ToolError`` as `isoforge.run.run`."""
    return run("xorriso", "-no_rc", *args, cwd=cwd, on_line=on_line, complaint=_COMPLAINT)


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
