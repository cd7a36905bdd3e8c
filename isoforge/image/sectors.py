"""The fixed sectors of an ISO image: its volume descriptor, its GPT, and where the two end."""

from __future__ import annotations

import binascii
import contextlib
import errno
import itertools
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from isoforge.errors import BaseIsoError
from isoforge.iso_layout import ESP_TYPE
from isoforge.regular_file import naming

BLOCK = 2048
"""Bytes in an ISO 9660 logical block."""

LBA = 512
"""Bytes in a block of the GPT, on every disk and stick that Ubuntu's images support."""

_ENTRY = 128
"""Bytes of an entry in a GPT; a multiple of it with a power of two is allowed (UEFI 2.10, 5.3.2)."""

SYSTEM_AREA_BLOCKS = 16
"""Blocks before the first volume descriptor (ECMA-119, 6.2.1); MBR and GPT are there."""


@contextlib.contextmanager
def open_image(image: Path) -> Iterator[BinaryIO]:
    """The file ``image``, open for reading in the block; ``OSError`` with its name if it cannot be opened or read."""
    with naming(image), image.open("rb") as file:
        yield file


def unreadable(iso: Path, reason: str | None) -> BaseIsoError:
    """The error for a read of ``iso`` that failed, for the system's ``reason``, such as "Input/output error"."""
    hint = "is its disk or stick damaged?" if reason == os.strerror(errno.EIO) else ""
    return BaseIsoError(f"cannot read {iso}: {reason}", hint=hint)


def size_of(image: Path) -> int:
    """The bytes of ``image``, a file or a block device such as a stick."""
    with open_image(image) as file:
        return file.seek(0, os.SEEK_END)


def bytes_at(file: BinaryIO, start: int, size: int) -> bytes:
    """``size`` bytes of ``file`` from byte ``start`` on, fewer at its end; none behind it, however far that is."""
    if not 0 <= start < file.seek(0, os.SEEK_END):
        return b""  # an address on a broken ISO may be larger than any file
    file.seek(start)
    return file.read(size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """Fields of the primary volume descriptor (ECMA-119, 8.4): names, size in bytes, date as 16 digits."""

    volume_id: str
    size: int
    modified: str


def read_volume(image: Path, start: int = 0) -> Volume | None:
    """The primary volume descriptor of ``image``, or None if it is not an ISO 9660 image."""
    with open_image(image) as file:
        return volume_of(bytes_at(file, start + SYSTEM_AREA_BLOCKS * BLOCK, BLOCK))


def volume_of(sector: bytes) -> Volume | None:
    """The primary volume descriptor that ``sector`` is, or None if it is another sector."""
    if len(sector) < BLOCK or sector[:6] != b"\x01CD001":
        return None
    return Volume(
        volume_id=sector[40:72].decode("ascii", errors="replace").rstrip(" \0"),
        size=struct.unpack_from("<I", sector, 80)[0] * BLOCK,
        modified=sector[830:846].decode("ascii", errors="replace"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """One partition: its number, the GUIDs of its type and its own (hex as on disk), first and last byte + 1."""

    number: int
    type_guid: str
    start: int
    end: int
    guid: str = ""


_EFI_SYSTEM, _PROTECTIVE = 0xEF, 0xEE
"""Types in an MBR: the EFI system partition, and what protects a GPT (UEFI 2.10, 5.2.3)."""


def mbr_partitions(image: Path) -> tuple[Partition, ...]:
    """The partitions in the MBR of ``image``, none if it only protects a GPT.

    The EFI system partition has the type GUID that it has in a GPT, others their type as two hex digits.
    """
    with open_image(image) as file:
        sector = bytes_at(file, 0, LBA)
    if sector[510:] != b"\x55\xaa":
        return ()
    rows = [sector[row : row + 16] for row in range(446, 510, 16)]
    if any(row[4] == _PROTECTIVE for row in rows):
        return ()
    return tuple(
        Partition(
            number=number,
            type_guid=ESP_TYPE if row[4] == _EFI_SYSTEM else f"{row[4]:02x}",
            start=start * LBA,
            end=(start + count) * LBA,
        )
        for number, row in enumerate(rows, start=1)
        for start, count in [struct.unpack_from("<II", row, 8)]
        if count
    )


def read_partitions(image: Path) -> tuple[Partition, ...]:
    """The partitions that a stick written from ``image`` has: those of its GPT or, without one, of its MBR."""
    gpt = read_gpt(image)
    return gpt.partitions if gpt else mbr_partitions(image)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpt:
    """A GUID partition table: its partitions, its last byte + 1, its problems, and remarks on what is only unusual.

    ``primary_problems`` are those for which no program reads the table in front: its header or its list is broken.
    Partition tools may warn of a remark; firmware and kernel are not affected.
    """

    partitions: tuple[Partition, ...]
    end: int
    problems: tuple[str, ...]
    remarks: tuple[str, ...] = ()
    primary_problems: tuple[str, ...] = ()


def read_gpt(image: Path) -> Gpt | None:
    """The GPT of ``image`` with every fault found in it, or None if it has none (UEFI 2.10, 5.3)."""
    size = size_of(image)
    with open_image(image) as file:
        primary = _read_header(file, LBA)
        if primary is None:
            return None
        problems = [*primary.problems]
        remarks = []
        backup = _read_header(file, primary.other) if primary.other + LBA <= size else None
        if backup is None:
            problems.append("the backup GPT is missing: the image ends too early")
        else:
            problems += [f"backup {problem}" for problem in backup.problems]
            if backup.partitions != primary.partitions:
                problems.append("the backup GPT lists other partitions than the primary one")
            end = backup.start + LBA
            if end < _volume_end(image, primary.partitions):
                problems.append("the backup GPT is not at the end of the image: the image was grown in place")
            elif end != size:
                remarks.append(f"{size - end} bytes follow the backup GPT: padding, or the rest of a larger stick")
        problems += overlaps(primary.partitions)
        problems += [f"partition {part.number} ends after the image" for part in primary.partitions if part.end > size]
        problems += _in_protective_mbr(file)
    return Gpt(
        partitions=primary.partitions,
        end=primary.other + LBA,
        problems=tuple(problems),
        remarks=tuple(remarks),
        primary_problems=primary.problems,
    )


def _volume_end(image: Path, partitions: tuple[Partition, ...]) -> int:
    """The last byte + 1 of the ISO's file systems: the one of a CD, and the one in partition 1 that a stick shows."""
    starts = {0, *(part.start for part in partitions if part.number == 1)}
    volumes = [(start, read_volume(image, start)) for start in starts]
    return max((start + volume.size for start, volume in volumes if volume), default=0)


def _in_protective_mbr(file: BinaryIO) -> Iterator[str]:
    """The problems of the MBR before a GPT: BIOS starts nothing without the signature, and UEFI ignores a GPT without a
    partition of type 0xEE from block 1 on (UEFI 2.10, 5.2.3)."""
    file.seek(0)
    sector = file.read(LBA)
    if sector[510:] != b"\x55\xaa":
        yield "the MBR has no boot signature"
    rows = [sector[start : start + 16] for start in range(446, 510, 16)]
    if not any(row[4] == 0xEE and row[8:12] == b"\x01\0\0\0" for row in rows):
        yield "the MBR does not protect the GPT"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    start: int
    other: int
    partitions: tuple[Partition, ...]
    problems: tuple[str, ...]


def _read_header(file: BinaryIO, start: int) -> _Header | None:
    header = bytes_at(file, start, LBA)
    if len(header) < LBA or header[:8] != b"EFI PART":
        return None
    problems = []
    length, checksum = struct.unpack_from("<II", header, 12)
    if binascii.crc32(header[:16] + b"\0\0\0\0" + header[20:length]) != checksum:
        problems.append("GPT header has a wrong checksum")
    here, other = struct.unpack_from("<QQ", header, 24)
    if here * LBA != start:
        problems.append("GPT header has an address that is not its own")
    table_lba, count, width, table_crc = struct.unpack_from("<QIII", header, 72)
    table = bytes_at(file, table_lba * LBA, min(count * width, 1 << 20))
    if binascii.crc32(table) != table_crc:
        problems.append("GPT partition list has a wrong checksum")
    if width < _ENTRY or width % _ENTRY:
        problems.append(f"GPT partition list has entries of {width} bytes, expected {_ENTRY}")
        table = b""
    partitions = []
    for number in range(1, len(table) // width + 1 if table else 1):
        row = table[(number - 1) * width : number * width]
        if any(row[:16]):
            first, last = struct.unpack_from("<QQ", row, 32)
            partitions.append(
                Partition(
                    number=number,
                    type_guid=row[:16].hex(),
                    start=first * LBA,
                    end=(last + 1) * LBA,
                    guid=row[16:32].hex(),
                )
            )
    return _Header(start=start, other=other * LBA, partitions=tuple(partitions), problems=tuple(problems))


def overlaps(partitions: tuple[Partition, ...]) -> list[str]:
    ordered = sorted(partitions, key=lambda part: part.start)
    return [
        f"partitions {one.number} and {two.number} overlap"
        for one, two in itertools.pairwise(ordered)
        if one.end > two.start
    ]


def missing_bytes(image: Path) -> int:
    """How many bytes of ``image`` are missing at its end, judged by its volume descriptor and its GPT; 0 if whole."""
    volume = read_volume(image)
    gpt = read_gpt(image)
    appended = () if gpt else (part.end for part in mbr_partitions(image) if part.type_guid == ESP_TYPE)
    size = max(volume.size if volume else 0, gpt.end if gpt else 0, *appended)
    return max(0, size - size_of(image))
