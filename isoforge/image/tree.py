"""The files on an ISO image, read through the whole device (as from a CD) or through partition 1 (as from a stick)."""

from __future__ import annotations

import enum
import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

import pycdlib
from pycdlib.pycdlibexception import PyCdlibException

from isoforge.errors import BaseIsoError
from isoforge.image.sectors import BLOCK, read_gpt


class View(enum.StrEnum):
    """How a machine sees the medium: a CD drive shows the device; casper mounts a stick's first partition."""

    DEVICE = "device"
    PARTITION = "partition"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A file, directory or symbolic link: ``extent`` is its first byte on the device (0 if it has none), ``size`` in
    bytes, ``target`` what a link points to, ``modified`` in seconds of the epoch (0.0 where nothing is recorded)."""

    kind: str
    modified: float = 0.0
    extent: int = 0
    size: int = 0
    target: str = ""


class _From(io.RawIOBase):
    """An image seen from byte ``start`` on; the image is closed with it."""

    mode = "rb"  # pycdlib asks

    def __init__(self, file: BinaryIO, start: int) -> None:
        super().__init__()
        self._file, self._start = file, start
        self.seek(0)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset + (self._start if whence == io.SEEK_SET else 0), whence) - self._start

    def tell(self) -> int:
        return self._file.tell() - self._start

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()


def view_start(image: Path, view: View) -> int:
    """The byte at which ``view`` of ``image`` begins; ``BaseIsoError`` if there is no partition 1 to look through."""
    if view is View.DEVICE:
        return 0
    gpt = read_gpt(image)
    for partition in gpt.partitions if gpt else ():
        if partition.number == 1:
            return partition.start
    raise BaseIsoError(f"{image} has no first GPT partition: a stick made from it would not be found")


def read_tree(image: Path, view: View = View.DEVICE) -> Mapping[PurePosixPath, Node]:
    """Every file, directory and link of ``image`` as ``view`` shows it (Rock Ridge names), by absolute path.

    Raises ``BaseIsoError`` if the image cannot be read as ISO 9660 with Rock Ridge.
    """
    start = view_start(image, view)
    iso = pycdlib.PyCdlib()
    try:
        with _From(image.open("rb"), start) as file:
            iso.open_fp(cast(BinaryIO, file))
            if not iso.has_rock_ridge():
                raise BaseIsoError(f"{image} carries no Rock Ridge names")
            nodes: dict[PurePosixPath, Node] = {}
            for path, record in _walk(iso):
                node = _node(record, start)
                if path in nodes:  # a file over 4 GiB has one record for each stretch of it (ECMA-119, 6.5.1)
                    node = replace(nodes[path], size=nodes[path].size + node.size)
                nodes[path] = node
            iso.close()
    except PyCdlibException as failure:
        raise BaseIsoError(f"the {view} view of {image} is not a readable ISO 9660 image: {failure}") from failure
    return nodes


def _walk(iso: Any) -> list[tuple[PurePosixPath, Any]]:
    found: list[tuple[PurePosixPath, Any]] = []
    waiting = [(PurePosixPath("/"), iso.get_record(rr_path="/"))]
    while waiting:
        directory, record = waiting.pop()
        for child in record.children:
            if child.is_dot() or child.is_dotdot():
                continue
            path = directory / child.rock_ridge.name().decode("utf-8", errors="surrogateescape")
            found.append((path, child))
            if child.is_dir():
                waiting.append((path, child))
    return found


def _node(record: Any, start: int) -> Node:
    rock_ridge = record.rock_ridge
    modified = _modified(rock_ridge)
    if rock_ridge.is_symlink():
        target = rock_ridge.symlink_path().decode("utf-8", errors="surrogateescape")
        return Node(kind="link", modified=modified, target=target)
    if record.is_dir():
        return Node(kind="directory", modified=modified)
    size = record.get_data_length()
    extent = record.extent_location() * BLOCK + start if size else 0
    return Node(kind="file", modified=modified, extent=extent, size=size)


def _modified(rock_ridge: Any) -> float:
    """The time of modification in a Rock Ridge TF entry (RRIP 1.12, 4.1.6), short form."""
    stamp = getattr(rock_ridge.dr_entries.tf_record or rock_ridge.ce_entries.tf_record, "modification_time", None)
    if stamp is None or not hasattr(stamp, "years_since_1900"):
        return 0.0
    zone = timezone(timedelta(minutes=15 * stamp.gmtoffset))
    day = (1900 + stamp.years_since_1900, stamp.month, stamp.day_of_month)
    return datetime(*day, stamp.hour, stamp.minute, stamp.second, tzinfo=zone).timestamp()


def read_file(image: Path, node: Node) -> bytes:
    """The content of a small file of ``image``, read from its sectors."""
    with image.open("rb") as file:
        file.seek(node.extent)
        return file.read(node.size)
