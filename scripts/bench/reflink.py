"""A file system on which files can share blocks: XFS in a file, mounted through a loop device."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from isoforge.errors import ToolError
from isoforge.run import run


@contextlib.contextmanager
def reflink_folder(folder: Path, size: int) -> Iterator[Path | None]:
    """A folder on XFS with room for ``size`` bytes, below ``folder``; None for users who cannot mount it.

    None as well without mkfs.xfs. It is unmounted and removed when the block is left.
    """
    image, mount = folder / "xfs.img", folder / "xfs"
    mount.mkdir()
    with image.open("wb") as file:
        os.truncate(file.fileno(), size + (400 << 20))
    try:
        run("mkfs.xfs", "-q", "-m", "reflink=1", image)
        run("mount", "-o", "loop", image, mount)
    except ToolError:
        image.unlink()
        yield None
        return
    try:
        yield mount
    finally:
        run("umount", mount)
        image.unlink()
        mount.rmdir()
