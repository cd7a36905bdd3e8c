"""Ranges of bytes copied from one file to another at the same place, shared by both where the file system can."""

from __future__ import annotations

import os
from pathlib import Path

from isoforge.errors import BaseIsoError
from isoforge.regular_file import naming

CHUNK = 4 << 20
"""Bytes that are read at a time."""


def copy_range(source_handle: int, target_handle: int, start: int, size: int, *, source: Path) -> None:
    """Copy ``size`` bytes from byte ``start`` on to the same place in the target.

    The kernel does it (copy_file_range(2)): XFS and Btrfs then share the blocks. Where it cannot, the bytes are read
    and written. Raises ``BaseIsoError`` if the ``source`` ends before, ``OSError`` with its name if it cannot be read.
    """
    end = start + size
    while start < end:
        try:
            copied = os.copy_file_range(source_handle, target_handle, end - start, start, start)
        except OSError:  # between some file systems, from a device, or a fault that shows again below
            copied = 0
        if copied == 0:
            chunk = read_range(source_handle, start, min(CHUNK, end - start), source=source)
            copied = os.pwrite(target_handle, chunk, start)
        start += copied


def read_range(handle: int, start: int, size: int, *, source: Path) -> bytes:
    """``size`` bytes of ``source``, open as ``handle``; raises what `copy_range` raises."""
    parts = []
    with naming(source):
        while size > 0:
            part = os.pread(handle, size, start)
            if not part:
                raise BaseIsoError(f"{source} became shorter while it was read", hint="is it still being downloaded?")
            parts.append(part)
            start, size = start + len(part), size - len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)
