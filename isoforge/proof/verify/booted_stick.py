"""A stick that has been booted: casper has added a partition, for which a GPT was rewritten for the stick's size.

The ISO on it had bytes instead that follow from its own size and from what the GPT still says, so they can be put back:
then its SHA-256 proves everything else, and that the GPT lists the same partitions.
"""

from __future__ import annotations

import binascii
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from isoforge.image.sectors import LBA, Partition
from isoforge.proof.read.image import Image

_HEADER = struct.Struct("<8sIIIIQQQQ16sQIII")
"""A GPT header: signature, revision, length, checksum, -, own block, other block, first and last block for partitions,
GUID, block of the list, entries, bytes of an entry, checksum of the list (UEFI 2.10, 5.3.2)."""

_ENTRIES = (128, 512)
"""The fewest and the most entries of a list that is put back; xorriso's has 248."""

_HEADS, _SECTORS, _CYLINDERS = 64, 32, 1024
"""The geometry by which xorriso writes the end of the protective partition (libisofs, system_area.c)."""

_BOOTABLE_ROW = bytes((0x80, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0))
"""The second row of the MBR with xorriso's --mbr-force-bootable: an active partition of no type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BootedStick:
    """What was ``added`` behind the ISO, as "4 'writable'", and the bytes that the ISO had ``before``, by offset.

    ``has_gpt``: the partition table is a GPT, and not a DOS label, which has no copy at the end of the medium.
    """

    added: tuple[str, ...]
    before: Mapping[int, bytes]
    has_gpt: bool = True

    def restored(self, content: bytes, offset: int) -> bytes:
        """``content``, which begins at byte ``offset`` of the stick, as it was on the ISO."""
        end = offset + len(content)
        for start, before in self.before.items():
            if start < end and offset < start + len(before):
                first, last = max(start, offset), min(start + len(before), end)
                part = before[first - start : last - start]
                content = content[: first - offset] + part + content[last - offset :]
        return content

    @property
    def remark(self) -> str:
        """What was changed, as a sentence."""
        names = ", ".join(f"partition {name}" for name in self.added)
        added = f"{names} was added behind the ISO" if self.added else "no partition was added"
        moved = "the GPT was moved to the end of the medium; " if self.has_gpt else ""
        return f"{moved}{added}: the stick has been booted"


def booted_stick(iso: Image, size: int) -> BootedStick | None:
    """What a start has changed on the stick ``iso``, whose first ``size`` bytes were an ISO of xorriso's.

    None if its partition table does not describe a medium larger than that, with the ISO's partitions unchanged in
    front.
    """
    gpt = iso.gpt
    if gpt is None:
        return _with_dos_label(iso, size)
    if gpt.problems or size % LBA or not size < gpt.end <= iso.size:
        return None
    primary = iso.bytes_at(LBA, LBA)
    fields = list(_HEADER.unpack_from(primary))
    length, block, count, width = fields[2], fields[10], fields[11], fields[12]
    if (length, block, width) != (_HEADER.size, 2, 128) or not _ENTRIES[0] <= count <= _ENTRIES[1]:
        return None
    sectors = -(-count * width // LBA)
    backup = size // LBA - 1 - sectors  # the first block of the second list
    added = tuple(part for part in gpt.partitions if part.end > backup * LBA)
    if any(part.start < max(_ends(gpt.partitions, backup)) for part in added):
        return None
    entries = bytearray(iso.bytes_at(block * LBA, count * width))
    names = []
    for part in added:
        row = slice((part.number - 1) * width, part.number * width)
        name = _name(bytes(entries[row])) or _label(iso.bytes_at(part.start + 1024, 1024))
        names.append(f"{part.number} {name!r}" if name else f"{part.number}")
        entries[row] = bytes(width)
    table = bytes(entries).ljust(sectors * LBA, b"\0")
    fields[8], fields[13] = backup - 1, binascii.crc32(entries)
    last = size // LBA - 1
    copies = [(LBA, _header(fields, 1, last, block)), (last * LBA, _header(fields, last, 1, backup))]
    start = min([backup * LBA, *(part.start for part in added)])
    before = {
        446: _protective_row(last) + _BOOTABLE_ROW + bytes(32),
        block * LBA: table,
        start: bytes(backup * LBA - start) + table,
        **dict(copies),
    }
    return BootedStick(added=tuple(names), before=before)


def _with_dos_label(iso: Image, size: int) -> BootedStick | None:
    """The same for a DOS label: a row of the MBR that the ISO had empty, and padding of the ISO below the partition."""
    added = [part for part in iso.partitions if part.end > size]
    own = [part.end for part in iso.partitions if part.end <= size]
    if not added or not own or any(part.start < max(own) for part in added):
        return None
    names = []
    before = {446 + 16 * (part.number - 1): bytes(16) for part in added}
    for part in added:
        name = _label(iso.bytes_at(part.start + 1024, 1024))
        names.append(f"{part.number} {name!r}" if name else f"{part.number}")
        if part.start < size:
            before[part.start] = bytes(size - part.start)
    return BootedStick(added=tuple(names), before=before, has_gpt=False)


def _ends(partitions: tuple[Partition, ...], backup: int) -> list[int]:
    return [0, *(part.end for part in partitions if part.end <= backup * LBA)]


def _name(row: bytes) -> str:
    return row[56:128].decode("utf-16-le", errors="replace").rstrip("\0")


def _label(superblock: bytes) -> str:
    """The label of the ext4 file system with this superblock, empty without one (Linux, fs/ext4/ext4.h)."""
    is_ext = superblock[56:58] == b"\x53\xef"
    return superblock[120:136].decode("utf-8", errors="replace").rstrip("\0") if is_ext else ""


def _header(fields: list[int | bytes], own: int, other: int, block: int) -> bytes:
    """A GPT header in block ``own`` with a true checksum, whose copy is in block ``other``."""
    fields = [*fields[:3], 0, 0, own, other, *fields[7:10], block, *fields[11:]]
    fields[3] = binascii.crc32(_HEADER.pack(*fields))
    return _HEADER.pack(*fields).ljust(LBA, b"\0")


def _protective_row(last: int) -> bytes:
    """The row of the MBR that protects a GPT whose last block is ``last``."""
    cylinder, rest = divmod(last, _HEADS * _SECTORS)
    head, sector = divmod(rest, _SECTORS)
    if cylinder >= _CYLINDERS:
        cylinder, head, sector = _CYLINDERS - 1, _HEADS - 1, _SECTORS - 1
    end = bytes((head, sector + 1 | cylinder >> 2 & 0xC0, cylinder & 0xFF))
    return bytes((0, 0, 2, 0, 0xEE)) + end + struct.pack("<II", 1, last)
