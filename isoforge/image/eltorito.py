"""The El Torito boot catalog of an ISO: the images that firmware can start from a CD (El Torito 1.0, 2.0)."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from isoforge.image.sectors import BLOCK, LBA, SYSTEM_AREA_BLOCKS, open_image

_PLATFORMS = {0x00: "BIOS", 0xEF: "UEFI"}

_KNOWN_PLATFORMS = {*_PLATFORMS, 0x01, 0x02}
"""Those of El Torito 1.0 (x86, PowerPC, Mac) and UEFI's."""

_HEADERS, _LAST_HEADER = (0x90, 0x91), 0x91
_BOOTABLE = 0x88


@dataclass(frozen=True, slots=True, kw_only=True)
class BootImage:
    """One image that firmware can start: for which ``platform``, its first byte on the device, and how many bytes the
    catalog says (for BIOS only the first sectors, GRUB loads the rest itself). ``media`` is the kind of disk that the
    firmware emulates, 0 for none; ``segment`` is where a BIOS loads it, 0 for the usual 0x7C0."""

    platform: str
    start: int
    size: int
    media: int
    segment: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BootCatalog:
    """The boot images in their order, and the problems of the catalog; ``default`` is that of the first entry, the only
    one that a BIOS looks at (None: it is not bootable)."""

    images: tuple[BootImage, ...]
    problems: tuple[str, ...]
    default: BootImage | None = None

    def image(self, platform: str) -> BootImage | None:
        """The first image for ``platform``."""
        return next((image for image in self.images if image.platform == platform), None)


def read_boot_catalog(image: Path) -> BootCatalog | None:
    """The boot catalog of ``image``, or None if it has none."""
    with open_image(image) as file:
        place = _catalog_block(file)
        if place is None:
            return None
        record, block = place
        file.seek(block * BLOCK)
        catalog = file.read(BLOCK)
    if len(catalog) < BLOCK:
        return BootCatalog(images=(), problems=("the boot catalog is beyond the end of the image",))
    problems = []
    if record != SYSTEM_AREA_BLOCKS + 1:
        problems.append(f"the boot record is in block {record}: a BIOS looks for it in block {SYSTEM_AREA_BLOCKS + 1}")
    if catalog[0] != 1 or catalog[30:32] != b"\x55\xaa":
        problems.append("the boot catalog has no validation entry")
    elif sum(struct.unpack_from("<16H", catalog)) & 0xFFFF:
        problems.append("the boot catalog has a wrong checksum")
    sections = tuple(_sections(catalog))
    problems += [problem for section in sections for problem in _in_section(section)]
    images = [list(_image(entry, section.platform)) for section in sections for entry in section.entries]
    default = images[0][0] if images[0] else None
    return BootCatalog(images=tuple(itertools.chain(*images)), problems=tuple(problems), default=default)


def _catalog_block(file: BinaryIO) -> tuple[int, int] | None:
    """The block of the boot record among the volume descriptors, and that of the catalog, which it names."""
    for block in range(SYSTEM_AREA_BLOCKS, SYSTEM_AREA_BLOCKS + 32):
        file.seek(block * BLOCK)
        sector = file.read(BLOCK)
        if sector[1:6] != b"CD001" or sector[0] == 255:
            return None
        if sector[0] == 0 and sector[7:30] == b"EL TORITO SPECIFICATION":
            return block, int(struct.unpack_from("<I", sector, 71)[0])
    return None


@dataclass(frozen=True, slots=True)
class _Section:
    """Entries of the catalog for one platform; ``count`` is how many the section claims."""

    platform: int
    count: int
    entries: tuple[bytes, ...]


def _sections(catalog: bytes) -> Iterator[_Section]:
    """The default entry as a section of its own, then the sections behind it."""
    rows = [catalog[offset : offset + 32] for offset in range(0, len(catalog), 32)]
    yield _Section(rows[0][1], 1, (rows[1],))
    number = 2
    while number < len(rows) and rows[number][0] in _HEADERS:
        header, (count,) = rows[number], struct.unpack_from("<H", rows[number], 2)
        yield _Section(header[1], count, tuple(rows[number + 1 : number + 1 + count]))
        number += 1 + count
        if header[0] == _LAST_HEADER:
            return


def _in_section(section: _Section) -> Iterator[str]:
    """Whatever firmware would read in no way, or in several."""
    if section.platform not in _KNOWN_PLATFORMS:
        yield f"the boot catalog names the unknown platform 0x{section.platform:02X}"
    if section.count > len(section.entries):
        yield f"a section of the boot catalog claims {section.count} entries, more than the catalog has"
    for entry in section.entries:
        if entry[0] not in (_BOOTABLE, 0x00):
            yield f"an entry of the boot catalog begins with 0x{entry[0]:02X}, expected 0x88 (bootable) or 0x00"


def _image(row: bytes, platform: int) -> Iterator[BootImage]:
    if row[0] != _BOOTABLE:
        return
    count, block = struct.unpack_from("<HI", row, 6)
    yield BootImage(
        platform=_PLATFORMS.get(platform, f"platform {platform}"),
        start=block * BLOCK,
        size=count * LBA,
        media=row[1] & 0x0F,
        segment=int(struct.unpack_from("<H", row, 2)[0]),
    )
