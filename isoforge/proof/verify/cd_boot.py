"""Checks of what a BIOS starts, from a CD by its boot catalog and from a stick by its MBR: every address in it must
lead to where the image lies now."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import PurePosixPath

from isoforge.image.eltorito import BootCatalog, BootImage
from isoforge.image.sectors import BLOCK, LBA
from isoforge.iso_layout import CIDATA
from isoforge.proof.manifest import sha256
from isoforge.proof.read.boot_parts import (
    BIOS_IMAGE,
    BOOT_INFO,
    GRUB_BOOT_INFO,
    GRUB_LOADER_SEGMENT,
    GRUB_POINTER,
    bios_boot_image,
    without_own_address,
)
from isoforge.proof.read.image import Image
from isoforge.proof.verify.case import Case
from isoforge.proof.verify.check import Answer, SkipError

_USUAL_SEGMENTS = (0, 0x7C0)


def el_torito(case: Case) -> Answer:
    """The boot records of a CD: one for BIOS, one for UEFI, and what the first starts."""
    catalog = case.iso.boot_catalog
    before = case.base.boot_catalog if case.base else None
    if catalog is None:
        if is_seed_iso(case.iso):
            raise SkipError("a seed ISO is not booted")
        return Answer(detail="boot records", faults=("no El Torito boot records: a CD drive cannot boot it",))
    missing = [f"the {platform} boot record is missing" for platform in _missing(case, catalog, before)]
    is_foreign = before is None and case.manifest is None and bool(catalog.images)
    faults = [*catalog.problems, *(() if is_foreign else missing)]
    for image in catalog.images:
        faults += _in_entry(image, before.image(image.platform) if before else None)
    if bios := catalog.image("BIOS"):
        if bios != catalog.default and not (before and before.default != before.image("BIOS")):
            faults.append("the BIOS boot record is not the first entry of the boot catalog: a BIOS starts only that")
        faults += _in_bios_image(case, bios)
    platforms = ", ".join(image.platform for image in catalog.images)
    against = " and those of the base ISO" if case.base else ""
    remarks = tuple(f"{one}: others' ISOs may be for one firmware only" for one in missing) if is_foreign else ()
    return Answer(detail=f"boot records for {platforms}{against}", faults=tuple(faults), remarks=remarks)


def is_seed_iso(iso: Image) -> bool:
    """Whether ``iso`` is one host's seed: the volume that cloud-init looks for, with the seed in its root folder."""
    names = {PurePosixPath("/", name) for name in ("user-data", "meta-data")}
    return iso.volume.volume_id.upper() == CIDATA and iso.boot_catalog is None and names <= iso.tree.keys()


def _missing(case: Case, catalog: BootCatalog, before: BootCatalog | None) -> list[str]:
    """The platforms that a boot record is missing for."""
    needed = [image.platform for image in before.images] if before else []
    needed = needed or list(case.iso.layout.platforms)
    return [platform for platform in needed if catalog.image(platform) is None]


def _in_entry(image: BootImage, before: BootImage | None) -> Iterator[str]:
    """How firmware loads an image: Ubuntu's and GRUB's are made for no emulation and the usual segment."""
    media, segment = (before.media, before.segment) if before else (0, image.segment)
    if image.media != media:
        yield f"the {image.platform} boot record has the emulation type {image.media}, expected {media}"
    if image.segment != segment or (image.platform == "BIOS" and image.segment not in _USUAL_SEGMENTS):
        yield f"the {image.platform} boot record loads to segment 0x{image.segment:X}, expected 0x7C0"
    if image.platform == "BIOS" and image.size < BLOCK and not before:
        yield f"the BIOS boot record loads {image.size} bytes, expected {BLOCK} at least"


def _in_bios_image(case: Case, image: BootImage) -> Iterator[str]:
    """The BIOS boot image is a file of the tree that contains its own address, and is otherwise the base's."""
    content = bios_boot_image(case.iso, image)
    if content is None:
        yield "the BIOS boot record does not start a file of the ISO"
        return
    volume, block, length, checksum = struct.unpack_from("<4I", content, BOOT_INFO[0])
    if (block, length) != (image.start // BLOCK, len(content)):
        yield "the BIOS boot image contains a wrong address or size of itself"
    elif checksum != _checksum(content):
        yield "the BIOS boot image has a wrong checksum"
    elif case.iso.bytes_at(volume * BLOCK, 6) != b"\x01CD001":
        yield f"the BIOS boot image looks for the volume descriptor in block {volume}, which has none"
    yield from _in_block_list(case.iso, image.start + BLOCK, content)
    if case.boot_digests.get(BIOS_IMAGE, "") not in ("", sha256(without_own_address(content))):
        yield "the BIOS boot image differs from the manifest's"
    before = case.base.boot_catalog.image("BIOS") if case.base and case.base.boot_catalog else None
    if case.base and before:
        old = bios_boot_image(case.base, before)
        if old is None or without_own_address(content) != without_own_address(old) or image.size != before.size:
            yield "the BIOS boot image differs from the base ISO's"


def _in_block_list(iso: Image, start: int, content: bytes) -> Iterator[str]:
    """GRUB's list of the blocks that its first sector loads: they must hold what follows in ``content``, the image
    whose second block is at byte ``start``.

    From a stick only this list leads to the rest of GRUB: with another address the machine stays at "GRUB loading"
    (GRUB, boot/i386/pc/diskboot.S).
    """
    rest = content[GRUB_BOOT_INFO[1] + 4 :]
    sector = iso.bytes_at(start, LBA)
    if len(sector) < LBA or not rest:
        return
    block, count, segment = struct.unpack_from("<QHH", sector, GRUB_BOOT_INFO[0] - BLOCK)
    if segment != GRUB_LOADER_SEGMENT:
        return  # not GRUB's
    if iso.bytes_at(block * LBA, len(rest)) != rest:
        yield f"GRUB's block list in the BIOS boot image leads to block {block}, expected {start // LBA + 1}"
    needed = -(-len(rest) // LBA)
    if count < needed - 1:
        yield f"GRUB's block list in the BIOS boot image has {count} blocks, expected {needed}"


def _checksum(content: bytes) -> int:
    """The sum of all 32-bit words after the boot information (mkisofs(8), EL TORITO BOOT INFORMATION TABLE)."""
    padded = content[BOOT_INFO[1] :] + bytes(-len(content) % 4)
    words: tuple[int, ...] = struct.unpack(f"<{len(padded) // 4}I", padded)
    return sum(words) & 0xFFFFFFFF


def in_grub_pointer(iso: Image) -> Iterator[str]:
    """The block that the MBR loads must be the second one of the BIOS boot image (GRUB, boot/i386/pc/boot.S), and its
    block list must lead on."""
    image = iso.boot_catalog.image("BIOS") if iso.boot_catalog else None
    if image is None:
        return
    pointer = int.from_bytes(iso.system_area[slice(*GRUB_POINTER)], "little") * LBA
    content = iso.bytes_at(pointer, GRUB_BOOT_INFO[0] - BLOCK)
    if content != iso.bytes_at(image.start + BLOCK, GRUB_BOOT_INFO[0] - BLOCK):
        yield f"the MBR looks for the BIOS boot image at byte {pointer}, but it is elsewhere"
    elif pointer != image.start + BLOCK and (whole := bios_boot_image(iso, image)):
        yield from _in_block_list(iso, pointer, whole)
