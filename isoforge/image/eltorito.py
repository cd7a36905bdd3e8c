"""The El Torito boot catalog of an ISO: the images that firmware can start from a CD (El Torito 1.0, 2.0)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from isoforge.image.sectors import BLOCK, LBA, SYSTEM_AREA_BLOCKS

_PLATFORMS = {0x00: "BIOS", 0xEF: "UEFI"}


@dataclass(frozen=True, slots=True, kw_only=True)
class BootImage:
    """One image that firmware can start: its ``platform``, its first byte on the device, and its size in bytes by the
    catalog (for BIOS only the first sectors, GRUB loads the rest itself). ``media`` 0 is no emulation."""

    platform: str
    start: int
    size: int
    media: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BootCatalog:
    """The boot images in their order, and the problems of the catalog."""

    images: tuple[BootImage, ...]
    problems: tuple[str, ...]

    def image(self, platform: str) -> BootImage | None:
        """The first image for ``platform``."""
        return next((image for image in self.images if image.platform == platform), None)


def read_boot_catalog(image: Path) -> BootCatalog | None:
    """The boot catalog of ``image``, or None if it has none."""
    with image.open("rb") as file:
        block = _catalog_block(file)
        if block is None:
            return None
        file.seek(block * BLOCK)
        catalog = file.read(BLOCK)
    if len(catalog) < BLOCK:
        return BootCatalog(images=(), problems=("the boot catalog is beyond the end of the image",))
    problems = []
    if catalog[0] != 1 or catalog[30:32] != b"\x55\xaa":
        problems.append("the boot catalog has no validation entry")
    elif sum(struct.unpack_from("<16H", catalog)) & 0xFFFF:
        problems.append("the boot catalog has an wrong checksum")
    return BootCatalog(images=tuple(_images(catalog)), problems=tuple(problems))


def _catalog_block(file: BinaryIO) -> int | None:
    """The block of the catalog, from the boot record among the volume descriptors."""
    for block in range(SYSTEM_AREA_BLOCKS, SYSTEM_AREA_BLOCKS + 32):
        file.seek(block * BLOCK)
        sector = file.read(BLOCK)
        if sector[1:6] != b"CD001" or sector[0] == 255:
            return None
        if sector[0] == 0 and sector[7:30] == b"EL TORITO SPECIFICATION":
            return int(struct.unpack_from("<I", sector, 71)[0])
    return None


def _images(catalog: bytes) -> Iterator[BootImage]:
    """The default entry, and the entries of each section; without those that are not bootable."""
    rows = [catalog[offset : offset + 32] for offset in range(0, len(catalog), 32)]
    yield from _image(rows[1], rows[0][1])
    index = 2
    while index < len(rows) and rows[index][0] in (0x90, 0x91):
        header = rows[index]
        (count,) = struct.unpack_from("<H", header, 2)
        for row in rows[index + 1 : index + 1 + count]:
            yield from _image(row, header[1])
        index += 1 + count
        if header[0] == 0x91:
            return


def _image(row: bytes, platform: int) -> Iterator[BootImage]:
    if row[0] != 0x88:
        return
    count, block = struct.unpack_from("<HI", row, 6)
    yield BootImage(
        platform=_PLATFORMS.get(platform, f"platform {platform}"),
        start=block * BLOCK,
        size=count * LBA,
        media=row[1],
    )
