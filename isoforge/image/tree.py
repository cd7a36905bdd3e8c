"""The files on an ISO image, read through the whole device (as from a CD) or through partition 1 (as from a stick)."""

from __future__ import annotations

import enum
import functools
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from isoforge.errors import BaseIsoError
from isoforge.image.sectors import BLOCK, SYSTEM_AREA_BLOCKS, read_gpt

_RECORD = struct.Struct("<BBI4xI4x7sB6xB")
"""A directory record up to its name (ECMA-119, 9.1): length, -, first block, bytes, time, flags, length of the name."""

_DIRECTORY = 0x02
"""The flag of a directory record that it is a directory."""

_LINK_MODE = 0xA000


class View(enum.StrEnum):
    """How a machine sees the medium: a CD drive shows the device; casper mounts a stick's first partition."""

    DEVICE = "device"
    PARTITION = "partition"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A file, directory or symbolic link: ``extent`` is its first byte on the device (0 if it has none), ``size`` in
    bytes, ``target`` what a link points to, ``modified`` in seconds of the epoch (0.0 where nothing is recorded).
    ``records`` are the first bytes, on the device, of the directory records that list it (several for a file over
    4 GiB)."""

    kind: str
    modified: float = 0.0
    extent: int = 0
    size: int = 0
    target: str = ""
    records: tuple[int, ...] = field(default=(), compare=False)


@dataclass(slots=True)
class _Entry:
    """The directory record at byte ``position``, with its Rock Ridge fields; ``block``, ``size`` of its content."""

    position: int
    block: int
    size: int
    flags: int
    iso_name: bytes
    name: bytes = b""
    link: bytes | None = None
    mode: int = 0
    modified: float = 0.0
    moved_to: int = 0
    moved: bool = False

    @property
    def is_directory(self) -> bool:
        return bool(self.flags & _DIRECTORY or self.moved_to)


def view_start(image: Path, view: View) -> int:
    """The byte at which ``view`` of ``image`` begins; ``BaseIsoError`` if there is no partition 1 to look through."""
    if view is View.DEVICE:
        return 0
    gpt = read_gpt(image)
    for partition in gpt.partitions if gpt else ():
        if partition.number == 1:
            return partition.start
    raise BaseIsoError(f"{image} has no first GPT partition: a stick written from it would not be found")


def read_tree(image: Path, view: View = View.DEVICE) -> Mapping[PurePosixPath, Node]:
    """Every file, directory and link of ``image`` as ``view`` shows it (Rock Ridge names), by absolute path.

    Only directories are read, no content. Raises ``BaseIsoError`` if the image cannot be read as ISO 9660 with Rock
    Ridge.
    """
    start = view_start(image, view)
    with image.open("rb") as file:
        try:
            return _Directories(file, start).nodes()
        except (struct.error, IndexError, ValueError, _UnreadableError) as failure:
            raise BaseIsoError(f"the {view} view of {image} is not a readable ISO 9660 tree: {failure}") from failure


def read_file(image: Path, node: Node) -> bytes:
    """The content of a small file of ``image``, read from its sectors."""
    with image.open("rb") as file:
        file.seek(node.extent)
        return file.read(node.size)


class _UnreadableError(Exception):
    """What makes a tree unreadable."""


class _Directories:
    """The directories of one view of an image, whose first byte is ``start`` on the device."""

    def __init__(self, file: BinaryIO, start: int) -> None:
        self._handle, self._start = file.fileno(), start
        self._end = os.fstat(self._handle).st_size
        self._skipped = 0  # bytes before the system use fields, as its root directory states (SUSP 1.12, 5.3)

    def nodes(self) -> Mapping[PurePosixPath, Node]:
        volume = self._read(SYSTEM_AREA_BLOCKS, BLOCK)
        if volume[:6] != b"\x01CD001":
            raise _UnreadableError("it has no volume descriptor")
        _, _, block, size, _, _, _ = _RECORD.unpack_from(volume, 156)
        self._find_rock_ridge(self._read(block, size))
        nodes: dict[PurePosixPath, Node] = {}
        waiting, visited = [(PurePosixPath("/"), block, size)], {block}
        while waiting:
            folder, block, size = waiting.pop()
            for entry in self._entries(block, size):
                path = folder / entry.name.decode("utf-8", errors="surrogateescape")
                self._add(nodes, path, entry)
                if entry.is_directory:
                    if entry.block in visited:
                        raise _UnreadableError(f"{path} is the same directory as one above it")
                    visited.add(entry.block)
                    waiting.append((path, entry.block, entry.size))
        return nodes

    def _add(self, nodes: dict[PurePosixPath, Node], path: PurePosixPath, entry: _Entry) -> None:
        node = self._node(entry)
        before = nodes.get(path)
        if before is not None:  # a file over 4 GiB has one record for each stretch of it (ECMA-119, 6.5.1)
            if before.kind != "file" or node.extent != before.extent + before.size:
                raise _UnreadableError(f"{path} is listed twice, or is not contiguous")
            node = replace(before, size=before.size + node.size, records=before.records + node.records)
        nodes[path] = node

    def _node(self, entry: _Entry) -> Node:
        records = (entry.position,)
        if entry.link is not None or entry.mode & 0xF000 == _LINK_MODE:
            target = (entry.link or b"").decode("utf-8", errors="surrogateescape")
            return Node(kind="link", modified=entry.modified, target=target, records=records)
        if entry.is_directory:
            return Node(kind="directory", modified=entry.modified, records=records)
        extent = entry.block * BLOCK + self._start if entry.size else 0
        return Node(kind="file", modified=entry.modified, extent=extent, size=entry.size, records=records)

    def _read(self, block: int, size: int) -> bytes:
        position = self._position(block)
        if position + size > self._end:
            raise _UnreadableError(f"a directory at block {block} extends past the end of the image")
        return os.pread(self._handle, size, position)

    def _position(self, block: int) -> int:
        """The first byte of ``block`` on the device."""
        return self._start + block * BLOCK

    def _find_rock_ridge(self, root: bytes) -> None:
        """Store how many bytes come before system use fields, which is in the root directory's first record."""
        fields = root[34 : root[0]]
        if fields[:2] != b"SP" or fields[4:6] != b"\xbe\xef":
            raise _UnreadableError("it has no Rock Ridge names")
        self._skipped = fields[6]

    def _entries(self, block: int, size: int) -> Iterator[_Entry]:
        """The records of a directory but its own and its parent's; records do not cross blocks (ECMA-119, 6.8.1.1)."""
        directory, offset = self._read(block, size), 0
        while offset < len(directory):
            length = directory[offset]
            if not length:
                offset += BLOCK - offset % BLOCK
                continue
            entry = self._entry(directory[offset : offset + length], self._position(block) + offset)
            offset += length
            if entry.iso_name in (b"\0", b"\1") or entry.moved:
                continue
            if not entry.name:
                entry.name = entry.iso_name.partition(b";")[0]
            if b"/" in entry.name or entry.name in (b".", b".."):
                raise _UnreadableError(f"a file is called {entry.name!r}")
            if entry.moved_to:
                entry.block, entry.size = entry.moved_to, _RECORD.unpack_from(self._read(entry.moved_to, BLOCK))[3]
            yield entry

    def _entry(self, record: bytes, position: int) -> _Entry:
        _, _, block, size, _, flags, length = _RECORD.unpack_from(record)
        entry = _Entry(position=position, block=block, size=size, flags=flags, iso_name=record[33 : 33 + length])
        for signature, content in self._fields(record[33 + length + (length + 1) % 2 + self._skipped :]):
            if signature == b"NM":
                entry.name += content[5:]
            elif signature == b"PX":
                entry.mode = int.from_bytes(content[4:6], "little")
            elif signature == b"TF":
                entry.modified = _modified(content)
            elif signature == b"SL":
                entry.link = (entry.link or b"") + content[5:]
            elif signature == b"CL":
                entry.moved_to = int.from_bytes(content[4:8], "little")
            elif signature == b"RE":
                entry.moved = True
        if entry.link is not None:
            entry.link = _link(entry.link)
        return entry

    def _fields(self, area: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The system use fields in ``area`` and in the areas that continue it (SUSP 1.12, 5.1)."""
        for _ in range(64):  # no record needs more areas; one that leads back to itself would never end
            offset, more = 0, b""
            while len(area) - offset >= 4 and area[offset + 2] >= 4:
                field = area[offset : offset + area[offset + 2]]
                offset += len(field)
                if field[:2] == b"CE":
                    block, skipped, size = struct.unpack_from("<I4xI4xI", field, 4)
                    more = self._read(block, skipped + size)[skipped:]
                elif field[:2] == b"ST":
                    break
                else:
                    yield field[:2], field
            if not more:
                return
            area = more


def _link(components: bytes) -> bytes:
    """Where a link points to, from the component records of its SL fields (RRIP 1.12, 4.1.3)."""
    parts, offset, whole = [], 0, True
    while offset + 2 <= len(components):
        flags, length = components[offset], components[offset + 1]
        special = {0x02: b".", 0x04: b"..", 0x08: b""}
        part = special.get(flags & 0x0E, components[offset + 2 : offset + 2 + length])
        if whole:
            parts.append(part)
        else:
            parts[-1] += part
        whole = not flags & 0x01
        offset += 2 + length
    return b"/" if parts == [b""] else b"/".join(parts)


@functools.lru_cache(maxsize=1024)  # most files of an ISO have one of a few times
def _modified(field: bytes) -> float:
    """The time of modification in a TF field of the short form, in seconds of the epoch (RRIP 1.12, 4.1.6)."""
    flags = field[4]
    if not flags & 0x02 or flags & 0x80:
        return 0.0
    offset = 5 + 7 * (flags & 0x01)
    years, month, day, hour, minute, second = field[offset : offset + 6]
    quarters = int.from_bytes(field[offset + 6 : offset + 7], "little", signed=True)
    zone = timezone(timedelta(minutes=15 * quarters))
    return datetime(1900 + years, month, day, hour, minute, second, tzinfo=zone).timestamp()
