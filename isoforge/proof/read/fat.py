"""The few files of a FAT file system that a boot program would read; every address in it may be wrong.

After Microsoft's FAT specification 1.03. Names are compared without regard to case, as UEFI and GRUB do, and both
the long and the short name of a file count.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

FILE_LIMIT = 1 << 16
"""Bytes of a file that is read: a script that leads on to a menu has some hundred."""

READ_LIMIT = 4 << 20
"""Bytes of folders and files that are read in all: the folders of an ESP have some hundred."""

PROGRAM_LIMIT = 1 << 15
"""Clusters of a boot program that are looked for: those of Ubuntu have some thousand."""

SAME_NAME_LIMIT = 16
"""Files or folders of one path: more than one is a fault already."""

_ENTRY = 32
_LABEL, _FOLDER, _LONG_NAME = 0x08, 0x10, 0x0F
_LAST, _DELETED = 0x00, 0xE5


class FatError(Exception):
    """What makes a FAT file system unreadable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """A file or folder by its names in lower case: its first cluster and its size in bytes (0 for a folder)."""

    names: frozenset[str]
    is_folder: bool
    cluster: int
    size: int


class Fat:
    """A FAT file system, of which ``read`` returns so many bytes from a byte on, fewer at its end.

    Raises `FatError` if it does not begin as one.
    """

    def __init__(self, read: Callable[[int, int], bytes]) -> None:
        self._read = read
        sector = read(0, 512)
        if len(sector) < 512 or sector[510:] != b"\x55\xaa":
            raise FatError("there is no boot sector")
        width, cluster, reserved, copies, root, small = struct.unpack_from("<HBHBHH", sector, 11)
        short, large = struct.unpack_from("<H", sector, 22)[0], struct.unpack_from("<I", sector, 32)[0]
        table = short or struct.unpack_from("<I", sector, 36)[0]
        if width not in (512, 1024, 2048, 4096) or not cluster or cluster & (cluster - 1) or not (reserved and copies):
            raise FatError("the boot sector is not one of FAT")
        root_sectors = -(-root * _ENTRY // width)
        first = reserved + copies * table + root_sectors
        self._count = ((small or large) - first) // cluster
        self._bits = 12 if self._count < 4085 else 16 if self._count < 65525 else 32
        self._cluster_size = cluster * width
        self._table = reserved * width
        self._root = (reserved + copies * table) * width, root * _ENTRY
        self._root_cluster = struct.unpack_from("<I", sector, 44)[0] if self._bits == 32 else 0
        self._data = first * width
        self._folders: dict[int, dict[str, list[_Entry]]] = {}
        self._left = READ_LIMIT

    def files(self, path: str) -> list[bytes]:
        """The content of every file at the absolute ``path``: a broken file system may list several.

        Raises `FatError` if a folder on the way or a file cannot be read.
        """
        return [self._content(entry.cluster, entry.size) for entry in self._find(path)]

    def has(self, path: str) -> bool:
        """Whether there is a file at the absolute ``path``."""
        return bool(self._find(path))

    def beginnings(self, path: str) -> list[tuple[bytes, bool]]:
        """The first bytes of every file at ``path``, up to a cluster, and whether all its clusters exist."""
        result = []
        for entry in self._find(path):
            needed = -(-entry.size // self._cluster_size)
            clusters = (
                list(itertools.islice(self._clusters(entry.cluster), min(needed, PROGRAM_LIMIT))) if needed else []
            )
            head = self._cluster(clusters[0])[: entry.size] if clusters else b""
            result.append((head, len(clusters) == needed > 0))
        return result

    def labels(self) -> list[str]:
        """The names of the file system: of its boot sector, and of its root folder."""
        place = 71 if self._bits == 32 else 43
        records = [record for record in _records(self._root_folder()) if record[11] & 0x3F == _LABEL]
        fields = [self._read(place, 11), *(record[:11] for record in records if record[0] != _DELETED)]
        return [field.decode("latin-1").rstrip(" ") for field in fields]

    def _find(self, path: str) -> list[_Entry]:
        clusters = [0]
        *folders, name = path.lower().strip("/").split("/")
        for folder in folders:
            entries = [each for cluster in clusters for each in self._folder(cluster).get(folder, ())]
            clusters = list(dict.fromkeys(each.cluster for each in entries if each.is_folder))
            if len(clusters) > SAME_NAME_LIMIT:
                raise FatError(f"it has {len(clusters)} folders {folder}")
        entries = [each for cluster in clusters for each in self._folder(cluster).get(name, ()) if not each.is_folder]
        if len(entries) > SAME_NAME_LIMIT:
            raise FatError(f"it has {len(entries)} files {path}")
        return entries

    def _folder(self, cluster: int) -> dict[str, list[_Entry]]:
        """The entries of the folder at ``cluster``, 0 for the root, by their names."""
        if cluster not in self._folders:
            content = b"".join(self._chain(cluster)) if cluster else self._root_folder()
            names: dict[str, list[_Entry]] = {}
            for entry in _entries(content):
                for name in entry.names:
                    names.setdefault(name, []).append(entry)
            self._folders[cluster] = names
        return self._folders[cluster]

    def _root_folder(self) -> bytes:
        return b"".join(self._chain(self._root_cluster)) if self._root_cluster else self._bytes(*self._root)

    def _content(self, cluster: int, size: int) -> bytes:
        if size > FILE_LIMIT:
            raise FatError(f"a file has {size} bytes, more than {FILE_LIMIT}")
        parts, length = [], 0
        for part in self._chain(cluster) if size else ():
            parts.append(part)
            length += len(part)
            if length >= size:
                return b"".join(parts)[:size]
        if size:
            raise FatError(f"a file has {length} of its {size} bytes")
        return b""

    def _chain(self, cluster: int) -> Iterator[bytes]:
        """The content of each cluster of a chain."""
        return map(self._cluster, self._clusters(cluster))

    def _cluster(self, number: int) -> bytes:
        return self._bytes(self._data + (number - 2) * self._cluster_size, self._cluster_size)

    def _clusters(self, cluster: int) -> Iterator[int]:
        """The numbers of the clusters of a chain, from its first on."""
        visited: set[int] = set()
        while True:
            if not 2 <= cluster < self._count + 2:
                raise FatError(f"cluster {cluster} does not exist")
            if cluster in visited:
                raise FatError(f"the chain of cluster {cluster} leads back to itself")
            visited.add(cluster)
            yield cluster
            cluster = self._next(cluster)
            if cluster >= {12: 0xFF8, 16: 0xFFF8, 32: 0x0FFFFFF8}[self._bits]:
                return

    def _next(self, cluster: int) -> int:
        if self._bits == 12:
            (pair,) = struct.unpack("<H", self._bytes(self._table + cluster * 3 // 2, 2))
            return int(pair >> 4 if cluster & 1 else pair & 0xFFF)
        width = self._bits // 8
        number = int.from_bytes(self._bytes(self._table + cluster * width, width), "little")
        return number & 0x0FFFFFFF

    def _bytes(self, start: int, size: int) -> bytes:
        self._left -= size
        if self._left < 0:
            raise FatError(f"its folders and scripts have more than {READ_LIMIT} bytes")
        content = self._read(start, size)
        if len(content) < size:
            raise FatError("it extends beyond its end")
        return content


def _records(content: bytes) -> Iterator[bytes]:
    """The records of a folder with this ``content`` up to its last, deleted ones too."""
    for offset in range(0, len(content) - _ENTRY + 1, _ENTRY):
        record = content[offset : offset + _ENTRY]
        if record[0] == _LAST:
            return
        yield record


def _entries(content: bytes) -> Iterator[_Entry]:
    """The files and folders of a folder with this ``content``, without labels and deleted ones."""
    slots: dict[int, bytes] = {}
    checksum = -1
    for entry in _records(content):
        if entry[0] != _DELETED and entry[11] & 0x3F == _LONG_NAME:
            slots = {} if entry[0] & 0x40 or entry[13] != checksum else slots
            checksum = entry[13]
            slots[entry[0] & 0x1F] = entry[1:11] + entry[14:26] + entry[28:32]
            continue
        if entry[0] != _DELETED and not entry[11] & _LABEL:
            names = {_short_name(entry[:11])}
            if slots and checksum == _checksum(entry[:11]):
                names.add(_long_name(slots))
            high, low = struct.unpack_from("<H4xH", entry, 20)
            yield _Entry(
                names=frozenset(names),
                is_folder=bool(entry[11] & _FOLDER),
                cluster=high << 16 | low,
                size=struct.unpack_from("<I", entry, 28)[0],
            )
        slots, checksum = {}, -1


def _short_name(field: bytes) -> str:
    name, suffix = (part.decode("latin-1").rstrip(" ").lower() for part in (field[:8], field[8:]))
    return f"{name}.{suffix}" if suffix else name


def _long_name(slots: dict[int, bytes]) -> str:
    """The name in the slots of a long name, which are numbered from its end."""
    text = b"".join(slots[number] for number in sorted(slots)).decode("utf-16-le", errors="replace")
    return text.partition("\0")[0].lower()


def _checksum(field: bytes) -> int:
    """The checksum of a short name, by which a long one belongs to it."""
    total = 0
    for byte in field:
        total = ((total >> 1 | total << 7) + byte) & 0xFF
    return total
