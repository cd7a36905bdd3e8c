"""Whether a base ISO is still the file that a build began to read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from isoforge.errors import BaseIsoError


@contextlib.contextmanager
def unchanged(path: Path) -> Iterator[None]:
    """Raise ``BaseIsoError`` if the file at ``path`` has changed when the block is left.

    It then takes the place of an error in the block, which the change has probably caused.
    """
    before = _state(path)
    try:
        yield
    except Exception as failure:
        if _state(path) != before:
            raise BaseIsoError(f"{path} changed while it was read", hint="is it still being downloaded?") from failure
        raise
    if _state(path) != before:
        raise BaseIsoError(f"{path} changed while it was read", hint="is it still being downloaded?")


def _state(path: Path) -> tuple[int, ...] | None:
    """What changes with a file's contents: device, inode, size, times; None if there is no file."""
    try:
        now = path.stat()
    except OSError:
        return None
    return (now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns)
