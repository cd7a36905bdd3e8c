"""Checks of what firmware reads: volume descriptor, partitions, system area, El Torito, ESP."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from isoforge.image.eltorito import BootImage
from isoforge.image.sectors import BLOCK, LBA
from isoforge.iso_layout import CIDATA, ESP_TYPE
from isoforge.proof.read.boot_parts import (
    BOOT_INFO,
    GRUB_BOOT_INFO,
    GRUB_POINTER,
    bios_boot_image,
    esp_partition,
    mbr_rows,
    range_sha256,
    without_addresses,
    without_own_address,
    without_pointer,
)
from isoforge.proof.read.image import Image
from isoforge.proof.verify.case import Case
from isoforge.proof.verify.check import Answer, SkipError, counted


def volume(case: Case) -> Answer:
    """The volume descriptor: a size that the file has, and a name that cloud-init does not take for a seed."""
    descriptor, size = case.iso.volume, case.iso.size
    end = max(descriptor.size, case.iso.gpt.end if case.iso.gpt else 0)
    faults = []
    if end > size:
        faults.append(f"the image is truncated: {end - size} of {end} bytes are missing at its end")
    if descriptor.volume_id.upper() == CIDATA:
        faults.append(f"the volume id is {CIDATA}: cloud-init takes the medium itself for a seed")
    expected = case.manifest.base_iso.volume_id if case.manifest else descriptor.volume_id
    if descriptor.volume_id != expected:
        faults.append(f"the volume id is {descriptor.volume_id!r}, expected {expected!r} (manifest)")
    return Answer(detail=f"{descriptor.volume_id!r}, {size} bytes", faults=tuple(faults))


def partitions(case: Case) -> Answer:
    """The GPT and its backup, and that partition 1 covers the whole tree that a USB stick shows."""
    gpt = case.iso.gpt
    if gpt is None:
        if case.base and case.base.gpt:
            return Answer(detail="no GPT", faults=("the GPT is missing",))
        raise SkipError("the ISO has no GPT")
    faults = [*gpt.problems, *_in_partition_one(case.iso)]
    if case.base and case.base.gpt:
        now = {(part.number, part.type_guid) for part in gpt.partitions}
        for part in case.base.gpt.partitions:
            needed = part.number == 1 or part.type_guid == ESP_TYPE
            if needed and (part.number, part.type_guid) not in now:
                faults.append(f"partition {part.number} of the base ISO is missing, or has another type")
    numbers = ", ".join(str(part.number) for part in gpt.partitions)
    return Answer(detail=f"GPT and its backup, partitions {numbers}", faults=tuple(faults), remarks=gpt.remarks)


def _in_partition_one(iso: Image) -> Iterator[str]:
    first = next((part for part in iso.gpt.partitions if part.number == 1), None) if iso.gpt else None
    if first is None:
        yield "partition 1 is missing: the live system would not find a USB stick"
        return
    sector = iso.bytes_at(first.start + 16 * BLOCK, BLOCK)
    if sector[:6] == b"\x01CD001":
        end = first.start + int.from_bytes(sector[80:84], "little") * BLOCK
        if end > first.end:
            yield f"partition 1 ends {end - first.end} bytes before its file system does: the ISO was grown in place"


def system_area(case: Case) -> Answer:
    """The MBR: its boot code, and where it looks for the BIOS boot image; equal to the base's but for addresses."""
    area = case.iso.system_area
    faults = list(_in_grub_pointer(case.iso)) if b"GRUB" in area[:446] else []
    if case.base is None:
        if not any(area[:440]):
            raise SkipError("the MBR has no boot code")
        return Answer(detail="the MBR's pointer to the BIOS boot image", faults=tuple(faults))
    before = case.base.system_area
    if without_addresses(area) != without_addresses(before):
        faults.append("the boot code of the MBR differs from the base ISO's")
    if mbr_rows(area) != mbr_rows(before):
        faults.append("the types or flags of the MBR's partitions differ from the base ISO's")
    return Answer(detail="equal to the base ISO's outside of the partition tables", faults=tuple(faults))


def _in_grub_pointer(iso: Image) -> Iterator[str]:
    """The block that the MBR loads must be the second one of the BIOS boot image (GRUB, boot/i386/pc/boot.S)."""
    image = iso.boot_catalog.image("BIOS") if iso.boot_catalog else None
    if image is None:
        return
    pointer = int.from_bytes(iso.system_area[slice(*GRUB_POINTER)], "little") * LBA
    content = iso.bytes_at(pointer, GRUB_BOOT_INFO[0] - BLOCK)
    if content != iso.bytes_at(image.start + BLOCK, GRUB_BOOT_INFO[0] - BLOCK):
        yield f"the MBR looks for the BIOS boot image at byte {pointer}, but it is elsewhere"


def el_torito(case: Case) -> Answer:
    """The boot records of a CD: one for BIOS, one for UEFI, and what the first starts."""
    catalog = case.iso.boot_catalog
    if catalog is None:
        return Answer(detail="boot records", faults=("no El Torito boot records: a CD drive cannot boot it",))
    faults = list(catalog.problems)
    needed = [image.platform for image in case.base.boot_catalog.images] if case.base and case.base.boot_catalog else []
    needed = needed or (["UEFI"] if "arm64" in case.iso.title else ["BIOS", "UEFI"])
    faults += [f"the {platform} boot record is missing" for platform in needed if catalog.image(platform) is None]
    image = catalog.image("BIOS")
    if image and image.media == 0:
        faults += _in_bios_image(case, image)
    platforms = ", ".join(image.platform for image in catalog.images)
    against = " and those of the base ISO" if case.base else ""
    return Answer(detail=f"boot records for {platforms}{against}", faults=tuple(faults))


def _in_bios_image(case: Case, image: BootImage) -> Iterator[str]:
    """The BIOS boot image is a file of the tree that contains its own address, and is otherwise the base's."""
    content = bios_boot_image(case.iso, image)
    if content is None:
        yield "the BIOS boot record does not start a file of the ISO"
        return
    _, block, length, checksum = struct.unpack_from("<4I", content, BOOT_INFO[0])
    if (block, length) != (image.start // BLOCK, len(content)):
        yield "the BIOS boot image contains a wrong address or size of itself"
    elif checksum != _checksum(content):
        yield "the BIOS boot image has a wrong checksum"
    before = case.base.boot_catalog.image("BIOS") if case.base and case.base.boot_catalog else None
    if case.base and before:
        old = bios_boot_image(case.base, before)
        if old is None or without_own_address(content) != without_own_address(old) or image.size != before.size:
            yield "the BIOS boot image differs from the base ISO's"


def _checksum(content: bytes) -> int:
    """The sum of all 32-bit words behind the boot information (mkisofs(8), EL TORITO BOOT INFORMATION TABLE)."""
    padded = content[BOOT_INFO[1] :] + bytes(-len(content) % 4)
    words: tuple[int, ...] = struct.unpack(f"<{len(padded) // 4}I", padded)
    return sum(words) & 0xFFFFFFFF


def esp(case: Case) -> Answer:
    """The EFI system partition: a FAT image, the one that the UEFI boot record starts, byte-identical to the base's."""
    partition = esp_partition(case.iso)
    before = esp_partition(case.base) if case.base else None
    if partition is None:
        if before is None:
            raise SkipError("the ISO has no EFI system partition")
        return Answer(detail="the base ISO's", faults=("the EFI system partition (ESP) is missing",))
    faults = []
    sector = case.iso.bytes_at(partition.start, LBA)
    if sector[510:] != b"\x55\xaa" or b"FAT" not in sector[54:90]:
        faults.append("the EFI system partition (ESP) is not a FAT file system")
    size = partition.end - partition.start
    digest = range_sha256(case.iso, partition.start, size)
    image = case.iso.boot_catalog.image("UEFI") if case.iso.boot_catalog else None
    if (
        image
        and (image.size, image.start) != (size, partition.start)
        and range_sha256(case.iso, image.start, size) != digest
    ):
        faults.append("the UEFI boot record starts another image than the EFI system partition (ESP)")
    elif image and image.size != size:
        faults.append(f"the UEFI boot record has {image.size} bytes, the EFI system partition (ESP) {size}")
    if case.base and before and range_sha256(case.base, before.start, before.end - before.start) != digest:
        faults.append("the EFI system partition (ESP) differs from the base ISO's")
    against = "UEFI boot record and the base ISO's ESP" if before else "UEFI boot record"
    return Answer(detail=f"{against}, {counted(size, 'byte')}, SHA-256 {digest[:12]}…", faults=tuple(faults))


def extracted(case: Case) -> Answer:
    """The boot records are those that xorriso extracted from the base ISO: it reads them by other code than ours.

    xorriso pads the last block of a boot image that it extracts.
    """
    partition, catalog = esp_partition(case.iso), case.iso.boot_catalog
    image = catalog.image("BIOS") if catalog else None
    bios = bios_boot_image(case.iso, image) if image else None
    now = {
        "mbr_code_grub2": without_pointer(case.iso.system_area[:446]),
        "eltorito_img1_bios": without_own_address(bios) if bios else b"",
        "gpt_part2_efi": case.iso.bytes_at(partition.start, partition.end - partition.start) if partition else b"",
    }
    masks = {"mbr_code_grub2": without_pointer, "eltorito_img1_bios": without_own_address}
    faults = []
    for name, content in now.items():
        original = case.boot_records.get(name)
        if original is None:
            faults.append(f"{name} was not extracted from the base ISO")
        elif not content or content != masks.get(name, bytes)(original)[: len(content)]:
            faults.append(f"{name} differs from the one extracted from the base ISO")
    return Answer(
        detail=f"{counted(len(now), 'record')} that xorriso extracted from the base ISO", faults=tuple(faults)
    )
