"""The initrd of a STAND-IN for Ubuntu's installer: it installs by a seed, and is the system that it installs."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

from isoforge.proof.boot import cpio
from isoforge.proof.boot.probe import MEDIUM_DRIVERS, Guest, find_busybox, in_load_order
from isoforge.proof.boot.synthetic_iso import GRUB, SIGNED
from isoforge.run import run
from tests.boot.local_disk import SIGNED_GRUB

HERE = Path(__file__).parent

DRIVERS = (*MEDIUM_DRIVERS, "crc32c_generic", "ext4", "virtio_console")

PROGRAMS = (Path("/sbin/sfdisk"), Path("/sbin/mke2fs"))

ESP_SECTORS = 32768

FIND_MENU = "search --set=root --file /boot/stand-in\nconfigfile /boot/grub/grub.cfg\n"


def stand_in_initrd(guest: Guest, folder: Path) -> bytes:
    """The initrd; files are made in ``folder``."""
    return cpio.initrd([cpio.console(), *_own(), *_drivers(guest), *_programs(), *_boot_programs(folder)])


def _own() -> Iterator[cpio.Member]:
    yield cpio.file("init", (HERE / "init").read_bytes(), executable=True)
    yield cpio.file("stand-in/commands.awk", (HERE / "commands.awk").read_bytes())
    yield cpio.file("stand-in/busybox", find_busybox("amd64").read_bytes(), executable=True)


def _drivers(guest: Guest) -> Iterator[cpio.Member]:
    modules = list(in_load_order(guest, DRIVERS))
    names = [module.name.partition(".")[0].replace("-", "_") for module in modules]
    yield cpio.file("stand-in/modules", "".join(f"{name}\n" for name in names).encode())
    for name, module in zip(names, modules, strict=True):
        yield cpio.file(f"stand-in/{name}.ko", module.read_bytes())


def _programs() -> Iterator[cpio.Member]:
    """Partitioning and making file systems are left to the real programs, with all that they are linked to."""
    libraries = {one for program in PROGRAMS for one in re.findall(r"(/\S+) \(0x", run("ldd", program))}
    for program in PROGRAMS:
        yield cpio.file(str(program).removeprefix("/"), program.resolve().read_bytes(), executable=True)
    for library in sorted(libraries):
        yield cpio.file(library.removeprefix("/"), Path(library).read_bytes(), executable=True)


def _boot_programs(folder: Path) -> Iterator[cpio.Member]:
    """What an installed system is started by: an ESP for UEFI, and GRUB for a BIOS."""
    esp = folder / "esp.img"
    run("mformat", "-i", esp, "-C", "-T", str(ESP_SECTORS), "-h", "2", "-s", "32", "::")
    run("mmd", "-i", esp, "::/EFI", *(f"::/EFI/{name}" for name in ("boot", "debian", "ubuntu")))
    shim = next(place for place in SIGNED["bootx64.efi"] if Path(place).is_file())
    for place, name in (("boot", "bootx64.efi"), ("ubuntu", "shimx64.efi")):
        run("mcopy", "-i", esp, shim, f"::/EFI/{place}/{name}")
        run("mcopy", "-i", esp, SIGNED_GRUB, f"::/EFI/{place}/grubx64.efi")
    for place in ("debian", "ubuntu"):
        run("mcopy", "-i", esp, "-", f"::/EFI/{place}/grub.cfg", stdin=FIND_MENU)
    core = folder / "core.img"
    options = ["-O", "i386-pc", "-d", str(GRUB / "i386-pc"), "-p", "(,msdos2)/boot/grub", "-o", str(core)]
    run("grub-mkimage", *options, "biosdisk", "part_msdos", "ext2", "linux", "normal", "configfile")
    yield cpio.file("stand-in/esp.gz", gzip.compress(esp.read_bytes(), compresslevel=6, mtime=0))
    yield cpio.file("stand-in/boot.img", (GRUB / "i386-pc/boot.img").read_bytes())
    yield cpio.file("stand-in/core.img", core.read_bytes())
