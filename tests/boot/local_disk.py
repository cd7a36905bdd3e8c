"""A machine's own disk that says so when it is started, on BIOS and on UEFI with Secure Boot."""

from __future__ import annotations

import struct
from pathlib import Path

from isoforge.proof.boot.synthetic_iso import SIGNED
from isoforge.run import run

SAYS = "The local disk was started."

SIGNED_GRUB = Path("/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed")
"""The signed GRUB of an installed system: it reads its menu from its own disk, not from a CD."""

SECTOR = 512
ESP_START = 2048
ESP_SECTORS = 32768
SYSTEM_SECTORS = 32768

PRINT_AND_STOP = bytes.fromhex(
    "31c0"  # xor ax, ax
    "8ed8"  # mov ds, ax
    "fc"  # cld
    "be197c"  # mov si, the text after this code
    "ac"  # next: lodsb
    "84c0"  # test al, al
    "7409"  # jz stop
    "b40e"  # mov ah, 0x0e  (BIOS: write a character)
    "bb0700"  # mov bx, 7
    "cd10"  # int 0x10
    "ebf2"  # jmp next
    "f4"  # stop: hlt
    "ebfd"  # jmp stop
)


def make_local_disk(
    disk: Path, *, boot_programs: str = "boot/bootx64.efi", says: str = SAYS, files: tuple[str, ...] = ()
) -> None:
    """Write ``disk``: a boot sector that prints ``says``, an ESP whose GRUB prints it, an ext4 with empty ``files``.

    ``boot_programs`` is where shim lies below /EFI: where firmware looks on its own, or where an installer puts it.
    """
    tree = _tree(disk.with_suffix(".tree"), files)
    menu = f"echo '{says}'\nsleep 600\n"
    make_disk(disk, tree=tree, menu=menu, boot_programs=boot_programs, code=PRINT_AND_STOP + says.encode() + b"\r\n\0")


def make_disk(
    disk: Path,
    *,
    tree: Path,
    menu: str,
    boot_programs: str = "boot/bootx64.efi",
    sectors: int = SYSTEM_SECTORS,
    code: bytes = b"",
) -> None:
    """Write ``disk``: ``code`` as boot sector, an ESP with signed shim and GRUB and ``menu``, an ext4 of ``tree``."""
    system_start = ESP_START + ESP_SECTORS
    partitions = _partition(0xEF, ESP_START, ESP_SECTORS) + _partition(0x83, system_start, sectors)
    with disk.open("wb") as image:
        image.write(code.ljust(446, b"\0") + partitions.ljust(64, b"\0") + b"\x55\xaa")
        image.truncate((system_start + sectors) * SECTOR)
    _make_ext4(disk, tree, start=system_start, sectors=sectors)
    esp = f"{disk}@@{ESP_START * SECTOR}"
    run("mformat", "-i", esp, "-T", str(ESP_SECTORS), "::")
    run("mmd", "-i", esp, "::/EFI", "::/EFI/boot", "::/EFI/debian", "::/EFI/ubuntu")
    shim = next(place for place in SIGNED["bootx64.efi"] if Path(place).is_file())
    run("mcopy", "-i", esp, shim, f"::/EFI/{boot_programs}")
    run("mcopy", "-i", esp, SIGNED_GRUB, f"::/EFI/{Path(boot_programs).parent}/grubx64.efi")
    for distribution in ("debian", "ubuntu"):
        run("mcopy", "-i", esp, "-", f"::/EFI/{distribution}/grub.cfg", stdin=menu)


def _partition(kind: int, start: int, sectors: int) -> bytes:
    """An entry of an MBR's partition table."""
    return b"\0\xfe\xff\xff" + bytes([kind]) + b"\xfe\xff\xff" + struct.pack("<II", start, sectors)


def _tree(folder: Path, files: tuple[str, ...]) -> Path:
    """``folder``, made with ``files`` in it, which are empty."""
    folder.mkdir()
    for file in files:
        place = folder / file.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    return folder


def _make_ext4(disk: Path, tree: Path, *, start: int = 0, sectors: int = SYSTEM_SECTORS) -> None:
    """Write a plain ext4 of ``tree`` into ``disk``, from the sector ``start`` on."""
    place = f"offset={start * SECTOR}"
    run("/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-d", tree, "-E", place, disk, f"{sectors // 2}k")


def as_next_device(*disks: Path) -> tuple[str, ...]:
    """QEMU's arguments for a machine with ``disks`` that starts the first of them after the medium."""
    words = []
    for number, disk in enumerate(disks, start=1):
        words += [
            "-drive", f"if=none,id=local{number},format=raw,snapshot=on,file={disk}",
            "-device", f"ide-hd,drive=local{number},bus=ide.{number},bootindex={number}",
        ]  # fmt: skip
    return tuple(words)


def ext4_disk(folder: Path, *files: str) -> tuple[str, ...]:
    """QEMU's arguments for a second disk with nothing but a plain ext4 that holds ``files``, which are empty."""
    disk = folder / "disk.img"
    _make_ext4(disk, _tree(folder / "tree", files))
    return as_next_device(disk)
