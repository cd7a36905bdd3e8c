"""A machine's own disk that says so when it is started, on BIOS and on UEFI with Secure Boot."""

from __future__ import annotations

from pathlib import Path

from isoforge.proof.synthetic import SIGNED
from isoforge.run import run

SAYS = "The local disk was started."

SIGNED_GRUB = Path("/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed")
"""The signed GRUB of an installed system: it reads its menu from its own disk, not from a CD."""

SECTOR = 512
ESP_START = 2048
ESP_SECTORS = 32768

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


def make_local_disk(disk: Path, *, boot_programs: str = "boot/bootx64.efi") -> None:
    """Write ``disk``: a boot sector that prints `SAYS`, and an ESP whose GRUB prints it.

    ``boot_programs`` is where shim lies below /EFI: where firmware looks on its own, or where an installer puts it.
    """
    partition = b"\0\xfe\xff\xff\xef\xfe\xff\xff" + ESP_START.to_bytes(4, "little") + ESP_SECTORS.to_bytes(4, "little")
    code = PRINT_AND_STOP + SAYS.encode() + b"\r\n\0"
    with disk.open("wb") as image:
        image.write(code.ljust(446, b"\0") + partition.ljust(64, b"\0") + b"\x55\xaa")
        image.truncate((ESP_START + ESP_SECTORS) * SECTOR)
    esp = f"{disk}@@{ESP_START * SECTOR}"
    run("mformat", "-i", esp, "-T", str(ESP_SECTORS), "::")
    run("mmd", "-i", esp, "::/EFI", "::/EFI/boot", "::/EFI/debian", "::/EFI/ubuntu")
    shim = next(place for place in SIGNED["bootx64.efi"] if Path(place).is_file())
    run("mcopy", "-i", esp, shim, f"::/EFI/{boot_programs}")
    run("mcopy", "-i", esp, SIGNED_GRUB, f"::/EFI/{Path(boot_programs).parent}/grubx64.efi")
    for distribution in ("debian", "ubuntu"):
        menu = f"echo '{SAYS}'\nsleep 600\n"
        run("mcopy", "-i", esp, "-", f"::/EFI/{distribution}/grub.cfg", stdin=menu)


def as_second_device(disk: Path) -> tuple[str, ...]:
    """QEMU's arguments for a machine with ``disk`` that starts it after the medium."""
    return (
        "-drive", f"if=none,id=local,format=raw,snapshot=on,file={disk}",
        "-device", "ide-hd,drive=local,bus=ide.1,bootindex=1",
    )  # fmt: skip


def ext4_disk(folder: Path, *files: str) -> tuple[str, ...]:
    """QEMU's arguments for a second disk with a plain ext4 that holds ``files``, which are empty."""
    tree = folder / "tree"
    for file in files:
        place = tree / file.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    disk = folder / "disk.img"
    run("/sbin/mke2fs", "-q", "-t", "ext4", "-d", tree, disk, "16M")
    return (
        "-drive", f"if=none,id=installed,format=raw,snapshot=on,file={disk}",
        "-device", "ide-hd,drive=installed,bus=ide.1,bootindex=1",
    )  # fmt: skip
