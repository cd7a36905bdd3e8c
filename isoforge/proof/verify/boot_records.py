"""Checks of what firmware reads on a stick: volume descriptor, partitions, system area, ESP."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator

from isoforge.image.layouts import PartitionTable
from isoforge.image.sectors import BLOCK, LBA, Partition, overlaps
from isoforge.iso_layout import CIDATA, ESP_TYPE
from isoforge.proof.manifest import sha256
from isoforge.proof.read.boot_parts import (
    ESP,
    MBR,
    bios_boot_image,
    esp_partition,
    mbr_rows,
    range_sha256,
    without_addresses,
    without_own_address,
    without_pointer,
)
from isoforge.proof.read.image import Image
from isoforge.proof.verify.boot_programs import in_programs
from isoforge.proof.verify.case import Case
from isoforge.proof.verify.cd_boot import in_grub_pointer, is_seed_iso
from isoforge.proof.verify.check import Answer, SkipError, counted


def volume(case: Case) -> Answer:
    """The volume descriptor: a size that the file has, and a name that cloud-init does not take for a seed."""
    descriptor, size = case.iso.volume, case.iso.size
    end = max(descriptor.size, case.iso.gpt.end if case.iso.gpt else 0)
    faults = []
    if end > size:
        faults.append(f"the image is truncated: {end - size} of {end} bytes are missing at its end")
    if descriptor.volume_id.upper() == CIDATA and not is_seed_iso(case.iso):
        faults.append(f"the volume id is {CIDATA}: cloud-init would read the medium itself as a seed")
    expected = case.manifest.base_iso.volume_id if case.manifest else descriptor.volume_id
    if descriptor.volume_id != expected:
        faults.append(f"the volume id is {descriptor.volume_id!r}, expected {expected!r} (manifest)")
    return Answer(detail=f"{descriptor.volume_id!r}, {size} bytes", faults=tuple(faults))


def partitions(case: Case) -> Answer:
    """The GPT and its backup, and that partition 1 covers the whole tree that a USB stick shows."""
    gpt = case.iso.gpt
    if gpt is None:
        return _mbr_alone(case)
    faults = [*gpt.problems, *_in_partition_one(case.iso), *_in_types(gpt.partitions), *_in_hybrid_mbr(case)]
    if case.base and case.base.gpt is None and case.base.partitions:
        faults.append("the ISO has a GPT, the base ISO only an MBR")
    elif case.base:
        faults += _against_base(gpt.partitions, case.base.partitions)
    numbers = ", ".join(str(part.number) for part in gpt.partitions)
    return Answer(detail=f"GPT and its backup, partitions {numbers}", faults=tuple(faults), remarks=gpt.remarks)


def _mbr_alone(case: Case) -> Answer:
    """The partitions of an ISO without a GPT, where its layout has none."""
    if case.base and case.base.gpt:
        return Answer(detail="no GPT", faults=("the GPT is missing",))
    if case.iso.layout.table is not PartitionTable.DOS:
        raise SkipError("the ISO has no GPT")
    parts = case.iso.partitions
    if not parts:
        return Answer(detail="no partitions", faults=("the MBR has no partitions: a USB stick would not boot",))
    faults = [*overlaps(parts), *_in_partition_one(case.iso), *_in_types(parts)]
    faults += [f"partition {part.number} ends after the image" for part in parts if part.end > case.iso.size]
    if case.base:
        faults += _against_base(parts, case.base.partitions)
    numbers = ", ".join(str(part.number) for part in parts)
    return Answer(detail=f"MBR, partitions {numbers}", faults=tuple(faults))


def _against_base(partitions: tuple[Partition, ...], before: tuple[Partition, ...]) -> Iterator[str]:
    """Partition 1 and the ESP are there with their types, and whatever else is there has the type of the base's."""
    types = {part.number: part.type_guid for part in partitions}
    for part in before:
        needed = part.number == 1 or part.type_guid == ESP_TYPE
        if types.get(part.number, "" if needed else part.type_guid) != part.type_guid:
            yield f"partition {part.number} of the base ISO is missing, or has another type"


def _in_types(partitions: tuple[Partition, ...]) -> Iterator[str]:
    """Firmware takes the first ESP, or any; Linux names a partition by its GUID: there must be one of each."""
    if sum(part.type_guid == ESP_TYPE for part in partitions) > 1:
        yield "there are several EFI system partitions (ESP): firmware may start any of them"
    for guid, count in Counter(part.guid for part in partitions if part.guid).items():
        if count > 1:
            yield f"{count} partitions have the same GUID {guid[:8]}…"


def _in_hybrid_mbr(case: Case) -> Iterator[str]:
    """Beside a GPT the MBR lists nothing else, or firmware takes the one or the other (UEFI 2.10, 5.2.3)."""
    rows = mbr_rows(case.iso.system_area)
    before = mbr_rows(case.base.system_area) if case.base else []
    others = [f"0x{kind:02X}" for _, kind in rows if kind not in (0, 0xEE)]
    if others and rows != before:
        yield f"the MBR lists another partition beside the GPT (type {', '.join(others)})"


def _in_partition_one(iso: Image) -> Iterator[str]:
    first = next((part for part in iso.partitions if part.number == 1), None)
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
    faults = list(in_grub_pointer(case.iso)) if b"GRUB" in area[:446] else []
    if case.base is None:
        return _system_area_alone(case, faults)
    before = case.base.system_area
    if without_addresses(area) != without_addresses(before):
        faults.append("the boot code of the MBR differs from the base ISO's")
    rows = mbr_rows(case.booted.restored(area, 0) if case.booted else area)
    if rows != mbr_rows(before):
        faults.append("the types or flags of the MBR's partitions differ from the base ISO's")
    return Answer(detail="equal to the base ISO's outside of the partition tables", faults=tuple(faults))


def _system_area_alone(case: Case, faults: list[str]) -> Answer:
    """The MBR without a base ISO; ``faults`` are those of its pointer."""
    area, expected = case.iso.system_area, case.boot_digests.get(MBR)
    if not any(area[:440]):
        if case.manifest and "BIOS" in case.iso.layout.platforms:
            faults.append("the MBR has no boot code: a BIOS does not start a USB stick")
        elif not expected:
            raise SkipError("the MBR has no boot code")
    if expected and sha256(without_addresses(area)) != expected:
        faults.append("the boot code of the MBR differs from the manifest's")
    against = ", its code as in the manifest" if expected else ""
    return Answer(detail=f"the MBR's pointer to the BIOS boot image{against}", faults=tuple(faults))


def esp(case: Case) -> Answer:
    """The EFI system partition: a FAT image, the one that the UEFI boot record starts, byte-identical to the base's."""
    partition = esp_partition(case.iso)
    before = esp_partition(case.base) if case.base else None
    if partition is None:
        if before is not None:
            return Answer(detail="the base ISO's", faults=("the EFI system partition (ESP) is missing",))
        return _efi_image_alone(case)
    faults: list[str] = []
    if is_fat(case.iso, partition.start, partition.end):
        faults += in_programs(case.iso, partition.start, is_known=_is_known(case))
    else:
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
    if case.boot_digests.get(ESP, digest) != digest:
        faults.append("the EFI system partition (ESP) differs from the manifest's")
    against = "UEFI boot record and the base ISO's ESP" if before else "UEFI boot record"
    return Answer(detail=f"{against}, {counted(size, 'byte')}, SHA-256 {digest[:12]}…", faults=tuple(faults))


def _is_known(case: Case) -> bool:
    return case.manifest is not None or case.base is not None


def _efi_image_alone(case: Case) -> Answer:
    """Where no partition is an ESP, a CD's boot record may still start an image for UEFI."""
    iso = case.iso
    image = iso.boot_catalog.image("UEFI") if iso.boot_catalog else None
    if image is None:
        raise SkipError("the ISO has no EFI system partition")
    faults = ["the UEFI boot record starts no FAT file system"]
    if is_fat(iso, image.start, iso.size):
        faults = list(in_programs(iso, image.start, is_known=_is_known(case)))
    return Answer(detail="the image of the UEFI boot record", faults=tuple(faults))


def is_fat(iso: Image, start: int, end: int) -> bool:
    """Whether a FAT file system begins at byte ``start`` and ends before ``end`` (UEFI 2.10, 13.3; Microsoft's FAT
    specification 1.03, boot sector)."""
    sector = iso.bytes_at(start, LBA)
    if len(sector) < LBA or sector[510:] != b"\x55\xaa" or b"FAT" not in sector[54:90]:
        return False
    width, cluster, reserved, copies = struct.unpack_from("<HBHB", sector, 11)
    small, large = struct.unpack_from("<H", sector, 19)[0], struct.unpack_from("<I", sector, 32)[0]
    is_sound = width in (512, 1024, 2048, 4096) and cluster and not cluster & (cluster - 1) and reserved and copies
    return bool(is_sound) and 0 < (small or large) * width <= end - start


def extracted(case: Case) -> Answer:
    """The boot records are those that xorriso extracted from the base ISO: it reads them by other code than ours.

    xorriso pads the last block of a boot image that it extracts.
    """
    partition, catalog = esp_partition(case.iso), case.iso.boot_catalog
    image = catalog.image("BIOS") if catalog else None
    bios = bios_boot_image(case.iso, image) if image else None
    esp_bytes = case.iso.bytes_at(partition.start, partition.end - partition.start) if partition else b""
    content_of = {
        "mbr_code_grub2": without_pointer(case.iso.system_area[:446]),
        "eltorito_img1_bios": without_own_address(bios) if bios else b"",
        "gpt_part2_efi": esp_bytes,
        "mbr_part2_efi": esp_bytes,
    }
    now = {name: content_of[name] for name in case.the_base.layout.extracted}
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
