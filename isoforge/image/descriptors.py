"""The volume descriptors of an ISO, all of them, in both views: what each calls the volume and where its tree begins.

Linux reads the primary one, and Rock Ridge names; blkid takes the label from Joliet's where there is one; Windows reads
Joliet's tree. Source: ECMA-119, 8; Joliet specification.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from isoforge.image.sectors import BLOCK, SYSTEM_AREA_BLOCKS, bytes_at, open_image

_PRIMARY, _SUPPLEMENTARY, _END = 1, 2, 255

_JOLIET = (b"%/@", b"%/C", b"%/E")
"""The escape sequences of a supplementary descriptor with Joliet names."""

_MOST = 32
"""Descriptors that are read: no ISO has more than a handful."""

_LONGEST_TABLE = 4 << 20
"""Bytes that are read of a path table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """A volume descriptor: ``block`` of the view that it lies in, whether it is Joliet's, and what is wrong with it.

    ``blocks`` is the size of the volume, ``root`` the block of its root directory and ``root_size`` that directory's
    bytes; ``directories`` is how many its path table lists, None if that cannot be read.
    """

    block: int
    is_joliet: bool
    volume_id: str
    blocks: int
    root: int
    root_size: int
    directories: int | None
    problems: tuple[str, ...]


def read_descriptors(image: Path, start: int = 0) -> tuple[Descriptor, ...]:
    """The primary and Joliet descriptors of the view that begins at byte ``start`` of ``image``, in their order."""
    with open_image(image) as file:
        return tuple(_descriptors(file, start))


def has_udf(image: Path, start: int = 0) -> bool:
    """Whether the view that begins at byte ``start`` is a UDF file system too, by its volume recognition sequence
    (ECMA-167, 2/8.3.1): Linux then mounts that, and reads other directories."""
    with open_image(image) as file:
        for block in range(SYSTEM_AREA_BLOCKS, SYSTEM_AREA_BLOCKS + 2 * _MOST):
            identifier = bytes_at(file, start + block * BLOCK, 6)[1:]
            if identifier in (b"NSR02", b"NSR03"):
                return True
            if identifier not in (b"CD001", b"BEA01", b"BOOT2", b"CDW02", b"TEA01"):
                return False
    return False


def _descriptors(file: BinaryIO, start: int) -> Iterator[Descriptor]:
    for block in range(SYSTEM_AREA_BLOCKS, SYSTEM_AREA_BLOCKS + _MOST):
        sector = bytes_at(file, start + block * BLOCK, BLOCK)
        if len(sector) < BLOCK or sector[1:6] != b"CD001" or sector[0] == _END:
            return
        is_joliet = sector[0] == _SUPPLEMENTARY and sector[88:91] in _JOLIET
        if sector[0] == _PRIMARY or is_joliet:
            yield _descriptor(file, start, block, sector, is_joliet=is_joliet)


def _descriptor(file: BinaryIO, start: int, block: int, sector: bytes, *, is_joliet: bool) -> Descriptor:
    codec = "utf-16-be" if is_joliet else "ascii"
    blocks, blocks_big = struct.unpack_from("<I", sector, 80)[0], struct.unpack_from(">I", sector, 84)[0]
    width = struct.unpack_from("<H", sector, 128)[0]
    table_size, table = struct.unpack_from("<I4xI", sector, 132)
    root, root_size = struct.unpack_from("<I4xI", sector, 158)
    problems = []
    if blocks != blocks_big:
        problems.append(f"has two sizes: {blocks} and {blocks_big} blocks")
    if width != BLOCK:
        problems.append(f"has blocks of {width} bytes, expected {BLOCK}")
    entries = _path_table(bytes_at(file, start + table * BLOCK, min(table_size, _LONGEST_TABLE)))
    if not entries:
        problems.append("has no readable path table")
    elif entries[0] != root:
        problems.append(f"has a path table that begins with block {entries[0]}, its root directory is block {root}")
    return Descriptor(
        block=block,
        is_joliet=is_joliet,
        volume_id=sector[40:72].decode(codec, errors="replace").rstrip(" \0"),
        blocks=blocks,
        root=root,
        root_size=root_size,
        directories=len(entries) or None,
        problems=tuple(problems),
    )


def _path_table(table: bytes) -> list[int]:
    """The first block of each directory that a path table (little-endian) lists; the root directory is the first."""
    blocks = []
    offset = 0
    while offset + 8 < len(table) and table[offset]:
        blocks.append(int(struct.unpack_from("<I", table, offset + 2)[0]))
        offset += 8 + table[offset] + table[offset] % 2
    return blocks
