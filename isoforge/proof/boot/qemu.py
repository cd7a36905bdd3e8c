"""The virtual machines that boot an ISO: QEMU with a firmware, KVM where it works, the ISO as a CD or USB stick.

Those for amd64 are PCs (q35), those for arm64 QEMU's own machine (virt) with the device of a server's virtual CD."""

from __future__ import annotations

import enum
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from isoforge.errors import ToolError
from isoforge.ownership import temporary_folder
from isoforge.packages import install_hint
from isoforge.run import ExitError, running

QEMU = "qemu-system-x86_64"
QEMU_ARM64 = "qemu-system-aarch64"

PROGRAMS = {"amd64": QEMU, "arm64": QEMU_ARM64}
"""QEMU's program for each architecture, as .disk/info names it."""

MEMORY_MIB = 2048
"""Enough for the initrd of a live system, which needs its size twice while the kernel unpacks it."""

SERIAL_IO_PORT = (0x3F8).to_bytes(2, "little")
"""The first serial port, as SeaBIOS reads where to mirror its screen to (its file etc/sercon-port)."""


class Firmware(enum.StrEnum):
    """What starts the boot records of an ISO."""

    BIOS = "bios"
    UEFI = "uefi"
    SECUREBOOT = "secureboot"


class Medium(enum.StrEnum):
    """How the machine sees the ISO: as a CD (also a BMC's virtual CD), or written to a USB stick."""

    CD = "cd"
    USB = "usb"


OVMF: dict[Firmware, tuple[tuple[str, str], ...]] = {
    Firmware.UEFI: (
        ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
        ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
        ("/usr/share/edk2/ovmf/OVMF_CODE_4M.qcow2", "/usr/share/edk2/ovmf/OVMF_VARS_4M.qcow2"),
    ),
    Firmware.SECUREBOOT: (
        ("/usr/share/OVMF/OVMF_CODE_4M.ms.fd", "/usr/share/OVMF/OVMF_VARS_4M.ms.fd"),
        ("/usr/share/edk2/ovmf/OVMF_CODE.secboot.fd", "/usr/share/edk2/ovmf/OVMF_VARS.secboot.fd"),
        ("/usr/share/edk2/ovmf/OVMF_CODE_4M.secboot.qcow2", "/usr/share/edk2/ovmf/OVMF_VARS_4M.secboot.qcow2"),
    ),
}
"""Code and variables of OVMF on Debian and Ubuntu, then on Fedora; those for Secure Boot have Microsoft's keys."""

AAVMF: dict[Firmware, tuple[tuple[str, str], ...]] = {
    Firmware.UEFI: (
        ("/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"),
        ("/usr/share/edk2/aarch64/QEMU_EFI-pflash.raw", "/usr/share/edk2/aarch64/vars-template-pflash.raw"),
    ),
    Firmware.SECUREBOOT: (("/usr/share/AAVMF/AAVMF_CODE.ms.fd", "/usr/share/AAVMF/AAVMF_VARS.ms.fd"),),
}
"""The same for arm64: Debian's and Ubuntu's AAVMF, then Fedora's, which has no Secure Boot."""

KVM = Path("/dev/kvm")

KVM_LIMIT_S = 1.5
"""Seconds for a guest that tries KVM: a tenth of them is enough where KVM works; where it half works, it never ends."""

EXIT_CODE = bytes.fromhex(
    "b010"  # mov al, 0x10
    "e6f4"  # out 0xf4, al
    "f4"  # stop: hlt
    "ebfd"  # jmp stop
)
"""The code of a boot sector that makes QEMU exit by its device isa-debug-exit."""

EXIT_STATUS = 0x10 * 2 + 1
"""The exit status of QEMU then."""


def find_ovmf(firmware: Firmware, arch: str = "amd64") -> tuple[Path, Path]:
    """The code and the variables of UEFI for ``firmware`` and ``arch``; ``ToolError`` if they are not installed."""
    name, files = ("OVMF", OVMF) if arch == "amd64" else ("AAVMF", AAVMF)
    for code, variables in files[firmware]:
        if Path(code).is_file() and Path(variables).is_file():
            return Path(code), Path(variables)
    raise ToolError(f"{name} for {firmware} is not installed", hint=install_hint(name.lower()))


def qemu_arguments(
    iso: Path | None,
    *,
    firmware: Firmware,
    medium: Medium,
    scratch: Path,
    arch: str = "amd64",
    accelerator: str = "tcg",
    disk_format: str = "raw",
    extra: Sequence[str] = (),
) -> list[str]:
    """The arguments of `PROGRAMS` for one boot of ``iso``, never written to; ``disk_format`` is QEMU's name for it.

    Without an ``iso`` the machine has no medium.

    Everything that it writes goes into the folder ``scratch``: the output of the serial port into `serial_file`, and
    the firmware's variables into a copy. It connects to `qmp_socket`, which must exist. The machine has no network
    card: the firmware would try to boot from it.
    """
    return [
        *_board(arch, firmware),
        "-accel", accelerator,
        "-m", str(MEMORY_MIB),
        "-display", "none",
        "-nic", "none",
        "-monitor", "none",
        "-no-reboot",
        "-chardev", f"file,id=serial,path={_quoted(serial_file(scratch))}",
        "-serial", "chardev:serial",
        "-qmp", f"unix:{_quoted(qmp_socket(scratch))}",
        *_firmware(firmware, scratch, arch),
        *(_medium(iso, medium, disk_format, arch) if iso else []),
        *extra,
    ]  # fmt: skip


def serial_file(scratch: Path) -> Path:
    """The output of the guest's first serial port. A file, as QEMU drops what a socket's reader is late for."""
    return scratch / "serial.log"


def qmp_socket(scratch: Path) -> Path:
    """The socket that QEMU connects to for its control protocol (QMP)."""
    return scratch / "qmp.sock"


def _board(arch: str, firmware: Firmware) -> list[str]:
    """The machine. The one for arm64 has no screen, USB and keyboard of its own; `max` would be a slow processor."""
    if arch == "arm64":
        extras = [word for device in ("ramfb", "qemu-xhci", "usb-kbd") for word in ("-device", device)]
        return ["-machine", "virt", "-cpu", "cortex-a72", *extras]
    return ["-machine", "q35,smm=on" if firmware is Firmware.SECUREBOOT else "q35"]


def _firmware(firmware: Firmware, scratch: Path, arch: str) -> list[str]:
    if firmware is Firmware.BIOS:
        port = scratch / "sercon-port"
        port.write_bytes(SERIAL_IO_PORT)
        return ["-fw_cfg", f"name=etc/sercon-port,file={_quoted(port)}"]
    code, pristine = find_ovmf(firmware, arch)
    variables = scratch / pristine.name
    shutil.copyfile(pristine, variables)
    in_smm = firmware is Firmware.SECUREBOOT and arch == "amd64"
    guarded = ["-global", "driver=cfi.pflash01,property=secure,value=on"] if in_smm else []
    return [
        *guarded,
        "-drive", f"if=pflash,unit=0,format={_format(code)},readonly=on,file={_quoted(code)}",
        "-drive", f"if=pflash,unit=1,format={_format(variables)},file={_quoted(variables)}",
    ]  # fmt: skip


def _medium(iso: Path, medium: Medium, disk_format: str, arch: str) -> list[str]:
    if medium is Medium.CD:
        drive = "ide-cd" if arch == "amd64" else "usb-storage"  # a BMC's virtual CD is on USB
        return [
            "-drive", f"if=none,id=medium,media=cdrom,format={disk_format},readonly=on,file={_quoted(iso)}",
            "-device", f"{drive},drive=medium,bootindex=0",
        ]  # fmt: skip
    # A live system tries to write to a USB stick; the snapshot takes the writes and is deleted.
    return [
        "-drive", f"if=none,id=medium,format={disk_format},snapshot=on,file={_quoted(iso)}",
        *(["-device", "qemu-xhci"] if arch == "amd64" else []),
        "-device", "usb-storage,drive=medium,removable=on,bootindex=0",
    ]  # fmt: skip


def _format(image: Path) -> str:
    return "qcow2" if image.suffix == ".qcow2" else "raw"


def _quoted(path: Path) -> str:
    """``path`` inside a QEMU option, where a comma is written twice."""
    return str(path).replace(",", ",,")


def accelerator(arch: str = "amd64") -> str:
    """``kvm`` if a guest runs under it, with the system management mode that Secure Boot needs; else ``tcg``.

    A machine that is a guest itself may have a /dev/kvm that is slower than plain emulation, or hangs. Guests for arm64
    are always emulated.
    """
    if arch != "amd64":
        return "tcg"
    return "kvm" if os.access(KVM, os.R_OK | os.W_OK) and runs_under("kvm") else "tcg"


def runs_under(name: str, *, limit_s: float = KVM_LIMIT_S) -> bool:
    """Whether a guest gets through its BIOS to the first sector of its disk under the accelerator ``name`` in time."""
    with temporary_folder() as folder:
        disk = folder / "disk"
        disk.write_bytes(EXIT_CODE.ljust(510, b"\0") + b"\x55\xaa" + bytes(1 << 20))
        arguments = [
            "-machine", "q35,smm=on",
            "-accel", name,
            "-m", "64",
            "-display", "none",
            "-nic", "none",
            "-monitor", "none",
            "-serial", "none",
            "-no-reboot",
            "-device", "isa-debug-exit,iobase=0xf4,iosize=1",
            "-drive", f"if=none,id=disk,format=raw,snapshot=on,file={disk}",
            "-device", "ide-hd,drive=disk,bootindex=0",
        ]  # fmt: skip
        try:
            with running(QEMU, *arguments) as guest:
                guest.wait(limit_s)
        except ExitError as end:
            return end.status == EXIT_STATUS
        except (TimeoutError, ToolError):
            return False
    return False
