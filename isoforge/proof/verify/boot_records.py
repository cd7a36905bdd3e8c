"""Checks of what firmware reads: volume descriptor, partitions, system area, El Torito, ESP."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from isoforge.image.eltorito import BootImage
from isoforge.image.sectors import BLOCK, LBA, Partition
from isoforge.iso_layout import CIDATA, ESP_TYPE
from isoforge.proof.read.image import Image
from isoforge.proof.verify.case import Case
from isoforge.proof.verify.check import Found, SkipError, counted

_BOOT_INFO = (8, 64)
_GRUB_BOOT_INFO = (2548, 2556)
"""Bytes of a BIOS boot image where it is told its own place (xorriso, -boot-info-table and --grub2-boot-info)."""

_GRUB_POINTER = (432, 440)
"""Bytes of GRUB's MBR that tell where the BIOS boot image lies, in blocks of 512 bytes."""


def volume(case: Case) -> Found:
    """The volume descriptor: a size that is there, and a name that cloud-init does not take for a seed."""
    told, size = case.iso.volume, case.iso.size
    end = max(told.size, case.iso.gpt.end if case.iso.gpt else 0)
    faults = []
    if end > size:
        faults.append(f"the end of the image is missing: {end - size} of {end} bytes are not there (truncated)")
    if told.volume_id.upper() == CIDATA:
        faults.append("the volume id is CIDATA: cloud-init takes the medium itself for a seed")
    meant = case.manifest.base_iso.volume_id if case.manifest else told.volume_id
    if told.volume_id != meant:
        faults.append(f"the volume id is {told.volume_id!r}, the manifest says {meant!r}")
    return Found(compared=f"{told.volume_id!r}, {size} bytes", faults=tuple(faults))


def partitions(case: Case) -> Found:
    """The GPT and its backup, and that partition 1 holds all of the tree that a stick shows."""
    gpt = case.iso.gpt
    if gpt is None:
        if case.base and case.base.gpt:
            return Found(compared="no GPT", faults=("the GPT is missing",))
        raise SkipError("there is no GPT")
    faults = [*gpt.problems, *_in_partition_one(case.iso)]
    if case.base and case.base.gpt:
        now = {(part.number, part.type_guid) for part in gpt.partitions}
        for part in case.base.gpt.partitions:
            needed = part.number == 1 or part.type_guid == ESP_TYPE
            if needed and (part.number, part.type_guid) not in now:
                faults.append(f"partition {part.number} of the base is missing, or of another type")
    numbers = ", ".join(str(part.number) for part in gpt.partitions)
    return Found(compared=f"GPT and its backup, partitions {numbers}", faults=tuple(faults), remarks=gpt.remarks)


def _in_partition_one(iso: Image) -> Iterator[str]:
    first = next((part for part in iso.gpt.partitions if part.number == 1), None) if iso.gpt else None
    if first is None:
        yield "partition 1 is missing: a stick would not be found"
        return
    sector = iso.bytes_at(first.start + 16 * BLOCK, BLOCK)
    if sector[:6] == b"\x01CD001":
        end = first.start + int.from_bytes(sector[80:84], "little") * BLOCK
        if end > first.end:
            yield f"partition 1 ends {end - first.end} bytes before the tree that it holds: the ISO was grown in place"


def system_area(case: Case) -> Found:
    """The MBR: its boot code, and where it looks for the BIOS boot image; equal to the base's but for addresses."""
    area = case.iso.system_area
    faults = list(_in_grub_pointer(case.iso)) if b"GRUB" in area[:446] else []
    if case.base is None:
        if not any(area[:440]):
            raise SkipError("there is no boot code in the MBR")
        return Found(compared="the MBR's pointer to the BIOS boot image", faults=tuple(faults))
    before = case.base.system_area
    if _without_addresses(area) != _without_addresses(before):
        faults.append("the boot code of the MBR is not the base's")
    if _mbr_rows(area) != _mbr_rows(before):
        faults.append("the MBR's partitions have other types or flags than the base's")
    return Found(compared="the base's outside of the partition tables", faults=tuple(faults))


def _in_grub_pointer(iso: Image) -> Iterator[str]:
    """The block that the MBR loads must be the second one of the BIOS boot image (GRUB, boot/i386/pc/boot.S)."""
    image = iso.boot_catalog.image("BIOS") if iso.boot_catalog else None
    if image is None:
        return
    pointer = int.from_bytes(iso.system_area[slice(*_GRUB_POINTER)], "little") * LBA
    there = iso.bytes_at(pointer, _GRUB_BOOT_INFO[0] - BLOCK)
    if there != iso.bytes_at(image.start + BLOCK, _GRUB_BOOT_INFO[0] - BLOCK):
        yield f"the MBR looks for the BIOS boot image at byte {pointer}, where it is not"


def _without_addresses(area: bytes) -> bytes:
    """The system area without GRUB's pointer and the partition tables: those of the MBR and of the GPT."""
    kept = bytearray(area)
    spans = [_GRUB_POINTER, (446, 510)]
    if area[LBA : LBA + 8] == b"EFI PART":
        block, count, width = struct.unpack_from("<QII", area, LBA + 72)
        spans += [(LBA, 2 * LBA), (block * LBA, min(len(area), block * LBA + count * width))]
    for start, end in spans:
        kept[start:end] = bytes(max(0, end - start))
    return bytes(kept)


def _mbr_rows(area: bytes) -> list[tuple[int, int]]:
    return [(area[row], area[row + 4]) for row in range(446, 510, 16)]


def el_torito(case: Case) -> Found:
    """The boot records of a CD: one for BIOS, one for UEFI, and what the first starts."""
    catalog = case.iso.boot_catalog
    if catalog is None:
        return Found(compared="boot records", faults=("there are no El Torito boot records: no CD drive starts it",))
    faults = list(catalog.problems)
    needed = [image.platform for image in case.base.boot_catalog.images] if case.base and case.base.boot_catalog else []
    needed = needed or (["UEFI"] if "arm64" in case.iso.title else ["BIOS", "UEFI"])
    faults += [f"the {platform} boot record is missing" for platform in needed if catalog.image(platform) is None]
    image = catalog.image("BIOS")
    if image and image.media == 0:
        faults += _in_bios_image(case, image)
    named = ", ".join(image.platform for image in catalog.images)
    return Found(compared=f"boot records for {named}" + ("; the base's" if case.base else ""), faults=tuple(faults))


def _in_bios_image(case: Case, image: BootImage) -> Iterator[str]:
    """The BIOS boot image is a file of the tree that knows its own place, and the base's but for that."""
    content = _bios_image(case.iso, image)
    if content is None:
        yield "the BIOS boot record starts something that is no file of the ISO"
        return
    _, block, length, checksum = struct.unpack_from("<4I", content, _BOOT_INFO[0])
    if (block, length) != (image.start // BLOCK, len(content)):
        yield "the BIOS boot image was not told its own place"
    elif checksum != _checksum(content):
        yield "the BIOS boot image does not have the checksum that it carries"
    before = case.base.boot_catalog.image("BIOS") if case.base and case.base.boot_catalog else None
    if case.base and before:
        old = _bios_image(case.base, before)
        if old is None or _without_place(content) != _without_place(old) or image.size != before.size:
            yield "the BIOS boot image is not the base's"


def _bios_image(iso: Image, image: BootImage) -> bytes | None:
    for place, node in iso.tree.items():
        if node.kind == "file" and node.extent == image.start and node.size > _BOOT_INFO[1]:
            return iso.content(place)
    return None


def _without_place(content: bytes) -> bytes:
    kept = bytearray(content)
    for start, end in (_BOOT_INFO, _GRUB_BOOT_INFO):
        kept[start:end] = bytes(end - start)
    return bytes(kept[: len(content)])


def _checksum(content: bytes) -> int:
    """The sum of all 32-bit words behind the boot information (mkisofs(8), EL TORITO BOOT INFORMATION TABLE)."""
    padded = content[_BOOT_INFO[1] :] + bytes(-len(content) % 4)
    words: tuple[int, ...] = struct.unpack(f"<{len(padded) // 4}I", padded)
    return sum(words) & 0xFFFFFFFF


def esp(case: Case) -> Found:
    """The EFI system partition: a FAT image, the one that the UEFI boot record starts, and the base's to the byte."""
    part = _esp(case.iso)
    before = _esp(case.base) if case.base else None
    if part is None:
        if before is None:
            raise SkipError("there is no EFI system partition")
        return Found(compared="the base's", faults=("the EFI system partition is missing",))
    faults = []
    sector = case.iso.bytes_at(part.start, LBA)
    if sector[510:] != b"\x55\xaa" or b"FAT" not in sector[54:90]:
        faults.append("the EFI system partition does not begin as a FAT file system does")
    size = part.end - part.start
    digest = _digest(case.iso, part.start, size)
    image = case.iso.boot_catalog.image("UEFI") if case.iso.boot_catalog else None
    if image and (image.size, image.start) != (size, part.start) and _digest(case.iso, image.start, size) != digest:
        faults.append("the UEFI boot record starts another image than the EFI system partition")
    elif image and image.size != size:
        faults.append(f"the UEFI boot record tells {image.size} bytes, the EFI system partition has {size}")
    if case.base and before and (_digest(case.base, before.start, before.end - before.start) != digest):
        faults.append("the EFI system partition (ESP) is not the base's to the byte")
    against = "UEFI boot record and the base's ESP" if before else "UEFI boot record"
    return Found(compared=f"{against}, {counted(size, 'byte')}, SHA-256 {digest[:12]}…", faults=tuple(faults))


def taken_out(case: Case) -> Found:
    """The boot records are those that xorriso took out of the base: it reads them by other code than ours.

    xorriso fills the last block of a boot image that it takes out.
    """
    part, catalog = _esp(case.iso), case.iso.boot_catalog
    image = catalog.image("BIOS") if catalog else None
    bios = _bios_image(case.iso, image) if image else None
    now = {
        "mbr_code_grub2": _without_pointer(case.iso.system_area[:446]),
        "eltorito_img1_bios": _without_place(bios) if bios else b"",
        "gpt_part2_efi": case.iso.bytes_at(part.start, part.end - part.start) if part else b"",
    }
    bare = {"mbr_code_grub2": _without_pointer, "eltorito_img1_bios": _without_place}
    faults = []
    for name, content in now.items():
        before = case.boot_records.get(name)
        if before is None:
            faults.append(f"{name} was not taken out of the base")
        elif not content or content != (bare[name](before) if name in bare else before)[: len(content)]:
            faults.append(f"{name} is not what was taken out of the base")
    return Found(compared=f"{counted(len(now), 'record')} that xorriso took out of the base", faults=tuple(faults))


def _without_pointer(boot_code: bytes) -> bytes:
    start, end = _GRUB_POINTER
    return boot_code[:start] + bytes(end - start) + boot_code[end:]


@dataclass(frozen=True, slots=True, kw_only=True)
class Booting:
    """What firmware finds on an ISO, without the addresses that every writer chooses: short digests and names."""

    mbr: str
    partitions: str
    el_torito: str
    bios_boot_image: str
    esp: str


def booting(iso: Image) -> Booting:
    """What firmware finds on ``iso``."""
    catalog, part = iso.boot_catalog, _esp(iso)
    image = catalog.image("BIOS") if catalog else None
    content = _bios_image(iso, image) if image else None
    area = _without_addresses(iso.system_area) + bytes(byte for row in _mbr_rows(iso.system_area) for byte in row)
    return Booting(
        mbr=_short(hashlib.sha256(area).hexdigest()),
        partitions=", ".join(f"{part.number} {part.type_guid[:8]}" for part in iso.gpt.partitions) if iso.gpt else "",
        el_torito=", ".join(image.platform for image in catalog.images) if catalog else "",
        bios_boot_image=_short(hashlib.sha256(_without_place(content)).hexdigest()) if content else "",
        esp=_short(_digest(iso, part.start, part.end - part.start)) if part else "",
    )


def _short(digest: str) -> str:
    return f"SHA-256 {digest[:12]}…"


def _esp(iso: Image) -> Partition | None:
    return next((part for part in iso.gpt.partitions if part.type_guid == ESP_TYPE), None) if iso.gpt else None


def _digest(iso: Image, start: int, size: int) -> str:
    digest = hashlib.sha256()
    for place in range(start, start + size, 1 << 20):
        digest.update(iso.bytes_at(place, min(1 << 20, start + size - place)))
    return digest.hexdigest()
