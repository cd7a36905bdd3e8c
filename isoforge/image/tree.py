"""The files on an ISO image, read through the whole device (as from a CD) or through partition 1 (as from a stick)."""

from __future__ import annotations

import enum
import functools
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from isoforge.errors import BaseIsoError
from isoforge.image.descriptors import read_descriptors
from isoforge.image.directory_record import LINK_MODE, MORE_EXTENTS, RECORD, Entry
from isoforge.image.rock_ridge import link_target
from isoforge.image.sectors import BLOCK, SYSTEM_AREA_BLOCKS, open_image, read_partitions

_NOT_CONTINUED = "is listed twice: its first record does not say that the second continues it"

_path = functools.lru_cache(maxsize=1 << 18)(PurePosixPath.__truediv__)
"""The path of a file in a folder: one object in all trees of an image, which are compared with each other."""


class View(enum.StrEnum):
    """How a machine sees the medium: a CD drive shows the device; casper mounts a stick's first partition."""

    DEVICE = "device"
    PARTITION = "partition"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A file, directory or symbolic link: ``extent`` is its first byte on the device (0 if it has none), ``size`` in
    bytes, ``target`` what a link points to, ``modified`` in seconds of the epoch (0.0 where nothing is recorded).
    ``records`` are the first bytes, on the device, of the directory records that list it (several for a file over
    4 GiB). ``problem`` is why Linux would read it otherwise, or not at all; ``continues``: its last record says
    that more of it follows."""

    kind: str
    modified: float = 0.0
    extent: int = 0
    size: int = 0
    target: str = ""
    records: tuple[int, ...] = field(default=(), compare=False)
    problem: str = ""
    continues: bool = False


def view_start(image: Path, view: View) -> int:
    """The byte at which ``view`` of ``image`` begins; ``BaseIsoError`` if there is no partition 1 to look through."""
    if view is View.DEVICE:
        return 0
    for partition in read_partitions(image):
        if partition.number == 1:
            return partition.start
    raise BaseIsoError(f"{image} has no partition 1: a stick written from it would not be found")


def read_tree(image: Path, view: View = View.DEVICE) -> Mapping[PurePosixPath, Node]:
    """Every file, directory and link of ``image`` as ``view`` shows it (Rock Ridge names), by absolute path.

    Only directories are read, no content. Raises ``BaseIsoError`` if the image cannot be read as ISO 9660 with Rock
    Ridge.
    """
    start = view_start(image, view)
    with open_image(image) as file:
        try:
            return _Directories(file, start).nodes()
        except (struct.error, IndexError, ValueError, _UnreadableError) as failure:
            raise BaseIsoError(f"the {view} view of {image} is not a readable ISO 9660 tree: {failure}") from failure


def read_joliet(image: Path, view: View = View.DEVICE) -> Mapping[PurePosixPath, Node] | None:
    """The same as Windows reads it: by Joliet's names, without links; None if the image has no such tree.

    Raises ``BaseIsoError`` if there is one that cannot be read.
    """
    start = view_start(image, view)
    joliet = next((one for one in read_descriptors(image, start) if one.is_joliet), None)
    if joliet is None:
        return None
    with open_image(image) as file:
        try:
            return _JolietDirectories(file, start, joliet.block).nodes()
        except (struct.error, IndexError, ValueError, _UnreadableError) as failure:
            raise BaseIsoError(f"{image}: {failure}") from failure


def read_file(image: Path, node: Node) -> bytes:
    """The content of a small file of ``image``, read from its sectors."""
    with open_image(image) as file:
        file.seek(node.extent)
        return file.read(node.size)


class _UnreadableError(Exception):
    """What makes a tree unreadable."""


class _Directories:
    """The directories of one view of an image, whose first byte is ``start`` on the device."""

    def __init__(self, file: BinaryIO, start: int, descriptor: int = SYSTEM_AREA_BLOCKS) -> None:
        self._handle, self._start, self._descriptor = file.fileno(), start, descriptor
        self._end = os.lseek(self._handle, 0, os.SEEK_END)
        self._skipped = 0  # bytes before the system use fields, as its root directory states (SUSP 1.12, 5.3)

    def nodes(self) -> Mapping[PurePosixPath, Node]:
        volume = self._read(self._descriptor, BLOCK)
        if volume[1:6] != b"CD001":
            raise _UnreadableError("it has no volume descriptor")
        _, attributes, block, size, *_ = RECORD.unpack_from(volume, 156)
        if attributes:
            raise _UnreadableError("its root directory has an extended attribute record")
        self._find_rock_ridge(self._read(block, size))
        nodes: dict[PurePosixPath, Node] = {}
        waiting, visited = [(PurePosixPath("/"), block, size)], {block}
        while waiting:
            folder, block, size = waiting.pop()
            for entry in self._entries(block, size):
                path = _path(folder, self._decoded(entry.name))
                self._add(nodes, path, entry)
                if entry.is_directory:
                    if entry.block in visited:
                        raise _UnreadableError(f"{path} is the same directory as one above it")
                    visited.add(entry.block)
                    waiting.append((path, entry.block, entry.size))
        return nodes

    def _decoded(self, name: bytes) -> str:
        return name.decode("utf-8", errors="surrogateescape")

    def _add(self, nodes: dict[PurePosixPath, Node], path: PurePosixPath, entry: Entry) -> None:
        node = self._node(entry)
        before = nodes.get(path)
        if before is not None:  # a file over 4 GiB has one record for each stretch of it (ECMA-119, 6.5.1)
            if before.kind != "file" or node.extent != before.extent + before.size:
                raise _UnreadableError(f"{path} is listed twice, or is not contiguous")
            problem = before.problem or node.problem or ("" if before.continues else _NOT_CONTINUED)
            node = replace(
                node, extent=before.extent, size=before.size + node.size, problem=problem,
                records=before.records + node.records,
            )  # fmt: skip
        nodes[path] = node

    def _node(self, entry: Entry) -> Node:
        kind, target, extent, size = "file", "", 0, 0
        if entry.link is not None or entry.mode & 0xF000 == LINK_MODE:
            target = (entry.link or b"").decode("utf-8", errors="surrogateescape")
            kind = "link"
        elif entry.is_directory:
            kind = "directory"
        elif entry.size:
            extent, size = self._position(entry.block), entry.size
        return Node(
            kind=kind, modified=entry.modified, extent=extent, size=size, target=target, records=(entry.position,),
            problem=entry.problem, continues=bool(entry.flags & MORE_EXTENTS),
        )  # fmt: skip

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

    def _plain_name(self, iso_name: bytes) -> bytes:
        """A record's own name, without the version (ECMA-119, 7.5.1)."""
        return iso_name.partition(b";")[0]

    def _entries(self, block: int, size: int) -> Iterator[Entry]:
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
                entry.name = self._plain_name(entry.iso_name)
            if "/" in self._decoded(entry.name) or entry.name in (b".", b".."):
                raise _UnreadableError(f"a file is called {entry.name!r}")
            if entry.moved_to:
                entry.block, entry.size = entry.moved_to, RECORD.unpack_from(self._read(entry.moved_to, BLOCK))[3]
            yield entry

    def _entry(self, record: bytes, position: int) -> Entry:
        _, attributes, block, size, _, flags, unit, gap, length = RECORD.unpack_from(record)
        name = record[33 : 33 + length]
        entry = Entry(
            position=position, block=block, size=size, flags=flags, interleaved=bool(unit or gap),
            attributes=attributes, iso_name=name,
        )  # fmt: skip
        for signature, content in self._fields(record[33 + length + (length + 1) % 2 + self._skipped :]):
            entry.take(signature, content)
        if entry.link is not None:
            entry.link = link_target(entry.link)
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
                    yield b"CE", field
                elif field[:2] == b"ST":
                    break
                else:
                    yield field[:2], field
            if not more:
                return
            area = more


class _JolietDirectories(_Directories):
    """The directories that Joliet's descriptor leads to: names in UCS-2, no Rock Ridge."""

    def _find_rock_ridge(self, root: bytes) -> None:
        del root

    def _decoded(self, name: bytes) -> str:
        return name.decode("utf-16-be", errors="replace")

    def _plain_name(self, iso_name: bytes) -> bytes:
        name, separator, version = iso_name.rpartition(b"\0;")
        return name if separator and len(version) <= 4 else iso_name

    def _fields(self, area: bytes) -> Iterator[tuple[bytes, bytes]]:
        del area
        yield from ()
