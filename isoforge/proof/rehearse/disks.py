"""The disks of a rehearsal: raw images, filled, compared, and their file systems read without mounting them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from isoforge.errors import BaseIsoError, ToolError
from isoforge.image.sectors import read_partitions
from isoforge.run import run

SECTOR = 512
MIB = 1 << 20

DEBUGFS = "/sbin/debugfs"
"""Reads ext4 without mounting it, and so without root (e2fsprogs)."""

FILLED_BYTES = 4 * MIB
"""What is written to the start and the end of a disk that must not change."""

EXT_MAGIC = b"\x53\xef"
"""At 1080 bytes of an ext2, ext3 or ext4 (kernel document filesystems/ext4/super)."""

MDA_HEADER = 4096
"""Where the header of LVM's metadata is on a physical volume (lvm2, format_text/layout.h)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSystem:
    """An ext4 file system: the image of its disk, and where it begins there, in bytes."""

    image: Path
    offset: int

    def text(self, path: str) -> str | None:
        """The text of the file at ``path``; None if there is none."""
        output = self._ask(f'cat "{path}"')
        return output if output or self.exists(path) else None

    def exists(self, path: str) -> bool:
        """Whether there is a file at ``path``."""
        return "Inode:" in self._ask(f'stat "{path}"')

    def names(self, folder: str) -> list[str]:
        """The names in ``folder``; empty if there is none."""
        rows = [line.split("/") for line in self._ask(f'ls -p "{folder}"').splitlines() if line.startswith("/")]
        return [row[5] for row in rows if len(row) > 5 and row[5] not in (".", "..")]

    def _ask(self, request: str) -> str:
        """What debugfs answers to ``request``; it opens the file system for reading only."""
        try:
            return run(DEBUGFS, "-c", "-R", request, f"{self.image}?offset={self.offset}")
        except ToolError:
            return ""


def make(image: Path, size: int) -> None:
    """Write ``image``, an empty disk of ``size`` bytes that takes no room."""
    with image.open("xb") as disk:
        disk.truncate(size)


def fill(image: Path) -> None:
    """Write a pattern to the start and the end of ``image``."""
    size = image.stat().st_size
    with image.open("r+b") as disk:
        for start in (0, size - FILLED_BYTES):
            disk.seek(start)
            disk.write(hashlib.shake_128(f"isoforge {start}".encode()).digest(FILLED_BYTES - SECTOR))


def digest(image: Path) -> str:
    """The SHA-256 of what ``image`` contains; holes are not read, and count as the zeros that they are."""
    total = hashlib.sha256()
    with image.open("rb") as disk:
        for start, end in _extents(disk.fileno()):
            disk.seek(start)
            for position in range(start, end, MIB):
                block = disk.read(min(MIB, end - position))
                if block.count(0) != len(block):
                    total.update(struct.pack("<Q", position) + block)
    return total.hexdigest()


def is_partitioned(image: Path) -> bool:
    """Whether ``image`` has partitions."""
    try:
        return bool(read_partitions(image))
    except BaseIsoError:
        return False


def _extents(disk: int) -> Iterator[tuple[int, int]]:
    """Where there is data: from whole MiB to whole MiB, so that the same data gives the same blocks."""
    size, position = os.fstat(disk).st_size, 0
    while position < size:
        try:
            start = os.lseek(disk, position, os.SEEK_DATA)
        except OSError:  # no more data
            return
        end = os.lseek(disk, start, os.SEEK_HOLE)
        start, end = max(start // MIB * MIB, position), min(-(-end // MIB) * MIB, size)
        yield start, end
        position = end


def file_systems(images: Sequence[Path]) -> list[FileSystem]:
    """The ext4 file systems on ``images``: in partitions, and in logical volumes in one piece."""
    return [
        FileSystem(image=image, offset=offset)
        for image in images
        for offset in _volumes(image)
        if _at(image, offset + 1080, 2) == EXT_MAGIC
    ]


def _volumes(image: Path) -> Iterator[int]:
    try:
        partitions = read_partitions(image)
    except BaseIsoError:
        return
    for partition in partitions:
        start = partition.start
        yield start
        if _at(image, start + SECTOR, 8) == b"LABELONE":
            with contextlib.suppress(ValueError, KeyError, struct.error):
                yield from _logical_volumes(image, start)


def _logical_volumes(image: Path, start: int) -> Iterator[int]:
    """Where the logical volumes begin that are one piece of the physical volume at ``start``."""
    area, _, offset, size = struct.unpack("<QQQQ", _at(image, start + MDA_HEADER + 24, 32))
    metadata = _at(image, start + area + offset, min(size, MIB)).decode("utf-8", errors="replace")
    extent = _number(metadata, "extent_size")
    first = _number(metadata, "pe_start")
    for segment in re.finditer(r'start_extent = 0\n.*?stripes = \[\n?\s*"pv0", (\d+)', metadata, re.DOTALL):
        yield start + (first + int(segment[1]) * extent) * SECTOR


def _number(metadata: str, key: str) -> int:
    match = re.search(rf"\b{key} = (\d+)", metadata)
    if match is None:
        raise ValueError(key)
    return int(match[1])


def _at(image: Path, offset: int, size: int) -> bytes:
    with image.open("rb") as disk:
        disk.seek(offset)
        return disk.read(size)
