"""The base ISO inside a graft: its first 96 KiB are a file of the graft, all its other bytes are where they were.

A graft is the base ISO with everything new added behind it. Only the head differs then: MBR and GPT, and the volume
descriptors of both views, which lead to the new directories. `graft` writes one, `restore` takes the base out of it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from isoforge.errors import BaseIsoError
from isoforge.image.ranges import copy_range
from isoforge.image.sectors import BLOCK, open_image, read_partitions, read_volume, size_of, volume_of
from isoforge.image.tree import Node, read_tree
from isoforge.iso_layout import BASE_HEAD
from isoforge.regular_file import naming

HEAD = 48 * BLOCK
"""Bytes that xorriso writes anew when it adds to an ISO whose partition 1 begins at block 16: the system area and two
times 16 blocks with volume descriptors (libisofs, ecma119.c: partition_offset)."""

_PARTITION_ONE = 16 * BLOCK
"""Where partition 1 begins on Ubuntu's ISOs (-partition_offset 16)."""

_SESSION = 32 * BLOCK
"""What an added session is aligned to (libburn, overwriteable media)."""

_LAST_START = 1 << 32
"""Where xorriso can no longer add: "GPT partitions 0 and 1 overlap", a product of 32 bits (libisofs 1.5.4 to 1.5.8)."""

_BULKY = 1 << 20
"""Bytes from which the content of a file is left out of a skeleton: nothing that a build reads is as large."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """The base ISO inside a graft: its size in bytes, and its first `HEAD` bytes."""

    size: int
    head: bytes = field(repr=False)

    def part(self, chunk: bytes, offset: int) -> bytes | memoryview:
        """What the base ISO has where the graft has ``chunk`` from byte ``offset`` on; empty behind its end."""
        content = memoryview(chunk)[: max(0, self.size - offset)]
        if offset >= HEAD:
            return content
        return self.head[offset : offset + len(content)] + bytes(content[HEAD - offset :])


NOTHING = Inside(size=0, head=b"")


def obstacle(iso: Path, tree: Mapping[PurePosixPath, Node]) -> str:
    """Why nothing can be added behind the base ISO at ``iso``, whose files are ``tree``; empty if it can."""
    volume, size = read_volume(iso), size_of(iso)
    if volume is None or volume.size != size:
        return "its volume descriptor has another size than the file"
    if -(-size // _SESSION) * _SESSION >= _LAST_START:
        return "it is larger than 4 GiB"
    if all((part.number, part.start) != (1, _PARTITION_ONE) for part in read_partitions(iso)):
        return f"its partition 1 does not begin at byte {_PARTITION_ONE}"
    if any(node.kind == "file" and node.size and node.extent < HEAD for node in tree.values()):
        return f"a file lies in its first {HEAD} bytes"
    return ""


def head_of(iso: Path) -> bytes:
    """The first `HEAD` bytes of ``iso``, fewer if it is shorter."""
    with open_image(iso) as file:
        return file.read(HEAD)


def inside_of(iso: Path, tree: Mapping[PurePosixPath, Node] | None = None) -> Inside | None:
    """The base ISO inside the file or device ``iso``, whose files are ``tree``; None if it is not a graft.

    Raises ``BaseIsoError`` if its head is damaged, or if ``iso`` is not an ISO image.
    """
    node = (read_tree(iso) if tree is None else tree).get(BASE_HEAD)
    return _inside(iso, node) if node and node.kind == "file" else None


def _inside(iso: Path, node: Node) -> Inside:
    with open_image(iso) as file:
        file.seek(min(node.extent, size_of(iso)))
        head = file.read(HEAD)
    volume = volume_of(head[_PARTITION_ONE : _PARTITION_ONE + BLOCK])
    if node.size != HEAD or len(head) != HEAD or volume is None or not HEAD < volume.size <= node.extent:
        raise BaseIsoError(f"{BASE_HEAD} on {iso} is damaged: the base ISO cannot be read from it")
    return Inside(size=volume.size, head=head)


def write_skeleton(source: Path, inside: Inside, skeleton: Path) -> None:
    """Write to ``skeleton`` the base ISO that is ``inside`` the file or device ``source``, with holes for large files.

    Everything that a build reads of a base ISO is in it: directories, boot records, menus and lists.
    """
    with open_for_filling(skeleton) as target, source.open("rb", buffering=0) as file:
        os.ftruncate(target, inside.size)
        os.pwrite(target, inside.head, 0)
        holes = sorted(
            (node.extent, node.extent + node.size)
            for node in read_tree(source).values()
            if node.kind == "file" and node.size >= _BULKY
        )
        for start, end in _between(holes, HEAD, inside.size):
            copy_range(file.fileno(), target, start, end - start, source=source)


@contextlib.contextmanager
def open_for_filling(draft: Path) -> Iterator[int]:
    """A handle of ``draft``, which only its owner can read, open for reading and writing in the block."""
    handle = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        with naming(draft):
            yield handle
    finally:
        os.close(handle)


def _between(holes: list[tuple[int, int]], start: int, end: int) -> Iterator[tuple[int, int]]:
    """The ranges from ``start`` to ``end`` that none of the sorted ``holes`` covers."""
    for first, last in holes:
        if start < min(first, end):
            yield start, min(first, end)
        start = max(start, last)
    if start < end:
        yield start, end
