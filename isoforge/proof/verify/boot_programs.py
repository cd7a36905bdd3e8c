"""Check of the programs that UEFI starts: they are in the EFI system partition, complete, and for its machines."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import PurePosixPath

from isoforge.proof.read.fat import Fat, FatError
from isoforge.proof.read.image import Image

FOLDER = "/EFI/BOOT"
"""The folder from which UEFI starts removable media (UEFI 2.10, 3.5.1.1)."""

_COPIES = PurePosixPath("/EFI/boot")
"""Where Ubuntu's ISOs have copies of the boot programs: nothing starts those."""

_MACHINES = {"x64": 0x8664, "aa64": 0xAA64, "ia32": 0x14C, "arm": 0x1C2, "riscv64": 0x5064, "loongarch64": 0x6264}
"""How the name of a program ends for each architecture, and the machine in its header (Microsoft, PE format)."""


def in_programs(image: Image, start: int, *, is_known: bool) -> Iterator[str]:
    """What is wrong with the boot programs in the FAT file system at byte ``start`` of ``image``.

    ``is_known``: the ISO is of isoforge or has a base ISO, so that it must have the one of its layout. Any other must
    have one for some architecture. What Ubuntu has copied from there to the tree of the ISO must be there too.
    """
    try:
        fat = Fat(lambda offset, size: image.bytes_at(start + offset, size))
        suffixes = [image.layout.efi_suffix] if is_known else list(_MACHINES)
        programs = {f"BOOT{suffix}.EFI".upper(): suffix for suffix in suffixes}
        present = [name for name in programs if fat.has(f"{FOLDER}/{name}")]
        for name in present:
            yield from _in_program(fat, name, programs[name])
        if not present:
            name = f"BOOT{image.layout.efi_suffix}.EFI".upper()
            yield f"the EFI system partition (ESP) has no {FOLDER}/{name}: UEFI starts nothing"
        for path in (_COPIES / name for name in image.layout.boot_programs[1:2]):
            if path in image.tree and fat.has(f"{FOLDER}/{path.name}"):
                yield from _in_program(fat, path.name, image.layout.efi_suffix)
            elif path in image.tree:
                yield f"the EFI system partition (ESP) has no {FOLDER}/{path.name}, which the tree of the ISO has"
    except FatError as error:
        yield f"the EFI system partition (ESP) cannot be read: {error}"


def _in_program(fat: Fat, name: str, suffix: str) -> Iterator[str]:
    for head, is_complete in fat.beginnings(f"{FOLDER}/{name}"):
        where = f"{FOLDER}/{name} in the EFI system partition (ESP)"
        machine = _machine(head)
        if not is_complete:
            yield f"{where} is incomplete"
        elif machine is None:
            yield f"{where} is not a program for UEFI"
        elif machine != _MACHINES[suffix]:
            yield f"{where} is for another architecture (0x{machine:X}, expected 0x{_MACHINES[suffix]:X})"


def _machine(head: bytes) -> int | None:
    """The machine that a program which begins with ``head`` is for; None if it is no program."""
    if len(head) < 64 or head[:2] != b"MZ":
        return None
    (place,) = struct.unpack_from("<I", head, 60)
    if place + 6 > len(head) or head[place : place + 4] != b"PE\0\0":
        return None
    return int(struct.unpack_from("<H", head, place + 4)[0])
