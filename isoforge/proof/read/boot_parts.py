"""What firmware starts on an ISO, without the addresses that every writer of ISOs chooses anew."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path

from isoforge.image.eltorito import BootImage
from isoforge.image.layouts import LAYOUTS
from isoforge.image.sectors import LBA, Partition
from isoforge.iso_layout import BIOS_BOOT_IMAGE, ESP_TYPE
from isoforge.proof.manifest import BootDigest, sha256
from isoforge.proof.read.image import Image

REWRITTEN = frozenset({BIOS_BOOT_IMAGE, *(layout.boot_catalog for layout in LAYOUTS)})
"""Files that contain addresses: every program that writes an ISO writes them anew."""

MBR, BIOS_IMAGE, ESP = "mbr", "bios", "esp"
"""The names of the parts in a manifest."""

BOOT_INFO = (8, 64)
GRUB_BOOT_INFO = (2548, 2556)
"""Bytes of a BIOS boot image that contain its own address (xorriso, -boot-info-table and --grub2-boot-info)."""

GRUB_LOADER_SEGMENT = 0x820
"""Where GRUB's first sector (diskboot.img) loads the rest to, the last word of its block list: the list is GRUB's if
this follows it (GRUB, include/grub/i386/pc/boot.h)."""

GRUB_POINTER = (432, 440)
"""Bytes of GRUB's MBR that contain the address of the BIOS boot image, in blocks of 512 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BootParts:
    """What firmware starts on an ISO, as names and short digests; empty where a part is missing."""

    mbr: str
    partitions: str
    el_torito: str
    bios_boot_image: str
    esp: str


def boot_parts(iso: Image) -> BootParts:
    """What firmware starts on ``iso``; `UnreadableError` if its directories cannot be read."""
    catalog = iso.boot_catalog
    area = without_addresses(iso.system_area) + bytes(byte for row in mbr_rows(iso.system_area) for byte in row)
    digests = {digest.part: _short(digest.sha256) for digest in boot_digests(iso)}
    return BootParts(
        mbr=_short(sha256(area)),
        partitions=", ".join(f"{part.number} {part.type_guid[:8]}" for part in iso.partitions),
        el_torito=", ".join(image.platform for image in catalog.images) if catalog else "",
        bios_boot_image=digests.get(BIOS_IMAGE, ""),
        esp=digests.get(ESP, ""),
    )


def boot_digests_of(path: Path) -> tuple[BootDigest, ...]:
    """The digests of what firmware starts on the ISO at ``path``; raises as `Image` does."""
    with Image(path) as iso:
        return boot_digests(iso)


def boot_digests(iso: Image) -> tuple[BootDigest, ...]:
    """The digests of what firmware starts on ``iso``, as a manifest has those of its base ISO."""
    image = iso.boot_catalog.image("BIOS") if iso.boot_catalog else None
    content, partition = bios_boot_image(iso, image) if image else None, esp_partition(iso)
    digests = {MBR: sha256(without_addresses(iso.system_area))}
    if content:
        digests[BIOS_IMAGE] = sha256(without_own_address(content))
    if partition:
        digests[ESP] = range_sha256(iso, partition.start, partition.end - partition.start)
    return tuple(BootDigest(part=part, sha256=digest) for part, digest in digests.items())


def esp_partition(iso: Image) -> Partition | None:
    """The EFI system partition of ``iso``: of its GPT or, without one, of its MBR."""
    return next((part for part in iso.partitions if part.type_guid == ESP_TYPE), None)


def bios_boot_image(iso: Image, image: BootImage) -> bytes | None:
    """The content of the file that the BIOS boot record ``image`` starts; None if it starts no file of the ISO."""
    for path, node in iso.tree.items():
        if node.kind == "file" and node.extent == image.start and node.size > BOOT_INFO[1]:
            return iso.content(path)
    return None


def without_own_address(content: bytes) -> bytes:
    """A BIOS boot image with zeros for its own address."""
    masked = bytearray(content)
    for start, end in (BOOT_INFO, GRUB_BOOT_INFO):
        masked[start:end] = bytes(end - start)
    return bytes(masked[: len(content)])


def without_pointer(boot_code: bytes) -> bytes:
    """The boot code of an MBR with zeros for the address of the BIOS boot image."""
    start, end = GRUB_POINTER
    return boot_code[:start] + bytes(end - start) + boot_code[end:]


def without_addresses(area: bytes) -> bytes:
    """A system area with zeros for GRUB's pointer and the partition tables, those of the MBR and of the GPT."""
    masked = bytearray(area)
    spans = [GRUB_POINTER, (446, 510)]
    if area[LBA : LBA + 8] == b"EFI PART":
        block, count, width = struct.unpack_from("<QII", area, LBA + 72)
        spans += [(LBA, 2 * LBA), (block * LBA, min(len(area), block * LBA + count * width))]
    for start, end in spans:
        masked[start:end] = bytes(max(0, end - start))
    return bytes(masked)


def mbr_rows(area: bytes) -> list[tuple[int, int]]:
    """Flag and type of each of the four partitions in the MBR."""
    return [(area[row], area[row + 4]) for row in range(446, 510, 16)]


def range_sha256(iso: Image, start: int, size: int) -> str:
    """The SHA-256 of ``size`` bytes of ``iso`` from byte ``start`` on, as hex digits."""
    digest = hashlib.sha256()
    end = min(start + size, iso.size)
    for offset in range(start, end, 1 << 20):
        digest.update(iso.bytes_at(offset, min(1 << 20, end - offset)))
    return digest.hexdigest()


def _short(digest: str) -> str:
    return f"SHA-256 {digest[:12]}…"
