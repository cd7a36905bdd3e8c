"""The machines that an ISO is booted on: QEMU with a firmware, and the ISO as a CD or as a stick."""

from __future__ import annotations

import enum
import shutil
from collections.abc import Sequence
from pathlib import Path

from isoforge.errors import ToolError

QEMU = "qemu-system-x86_64"

MEMORY_MIB = 2048
"""Enough for the initrd of a live system: it is there twice while the kernel unpacks it."""

SERIAL_IO_PORT = (0x3F8).to_bytes(2, "little")
"""The first serial port, as SeaBIOS reads where to mirror its screen to (its file etc/sercon-port)."""


class Firmware(enum.StrEnum):
    """What starts the boot records of an ISO."""

    BIOS = "bios"
    UEFI = "uefi"
    SECUREBOOT = "secureboot"


class Medium(enum.StrEnum):
    """How the machine sees the ISO: as a CD (a BMC's virtual one too), or written to a USB stick."""

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


def find_ovmf(firmware: Firmware) -> tuple[Path, Path]:
    """OVMF's code and its variables for ``firmware``; ``ToolError`` if they are not on this machine."""
    for code, variables in OVMF[firmware]:
        if Path(code).is_file() and Path(variables).is_file():
            return Path(code), Path(variables)
    raise ToolError(
        f"there is no OVMF for {firmware} on this machine",
        hint="apt-get install ovmf, or dnf install edk2-ovmf",
    )


def qemu_arguments(
    iso: Path,
    *,
    firmware: Firmware,
    medium: Medium,
    scratch: Path,
    accelerator: str = "tcg",
    disk_format: str = "raw",
    extra: Sequence[str] = (),
) -> list[str]:
    """The arguments of QEMU for one boot of ``iso``, which is never written to; ``disk_format`` is QEMU's word for it.

    Everything it writes goes into the folder ``scratch``: the serial port into `serial_file`, and a copy of the
    firmware's variables is made there. It calls `qmp_socket`, on which someone has to listen. There is no network
    card: the firmware would try it.
    """
    return [
        "-machine", "q35,smm=on" if firmware is Firmware.SECUREBOOT else "q35",
        "-accel", accelerator,
        "-m", str(MEMORY_MIB),
        "-display", "none",
        "-nic", "none",
        "-monitor", "none",
        "-no-reboot",
        "-chardev", f"file,id=serial,path={_quoted(serial_file(scratch))}",
        "-serial", "chardev:serial",
        "-qmp", f"unix:{_quoted(qmp_socket(scratch))}",
        *_firmware(firmware, scratch),
        *_medium(iso, medium, disk_format),
        *extra,
    ]  # fmt: skip


def serial_file(scratch: Path) -> Path:
    """What the guest wrote to its first serial port. A file takes all; into a socket QEMU drops what nobody reads."""
    return scratch / "serial.log"


def qmp_socket(scratch: Path) -> Path:
    """Where QEMU calls to be operated (QMP)."""
    return scratch / "qmp.sock"


def _firmware(firmware: Firmware, scratch: Path) -> list[str]:
    if firmware is Firmware.BIOS:
        port = scratch / "sercon-port"
        port.write_bytes(SERIAL_IO_PORT)
        return ["-fw_cfg", f"name=etc/sercon-port,file={_quoted(port)}"]
    code, pristine = find_ovmf(firmware)
    variables = scratch / pristine.name
    shutil.copyfile(pristine, variables)
    guarded = ["-global", "driver=cfi.pflash01,property=secure,value=on"] if firmware is Firmware.SECUREBOOT else []
    return [
        *guarded,
        "-drive", f"if=pflash,unit=0,format={_format(code)},readonly=on,file={_quoted(code)}",
        "-drive", f"if=pflash,unit=1,format={_format(variables)},file={_quoted(variables)}",
    ]  # fmt: skip


def _medium(iso: Path, medium: Medium, disk_format: str) -> list[str]:
    if medium is Medium.CD:
        return [
            "-drive", f"if=none,id=medium,media=cdrom,format={disk_format},readonly=on,file={_quoted(iso)}",
            "-device", "ide-cd,drive=medium,bootindex=0",
        ]  # fmt: skip
    # A stick can be written to, and a live system tries; the snapshot takes what it writes and is thrown away.
    return [
        "-drive", f"if=none,id=medium,format={disk_format},snapshot=on,file={_quoted(iso)}",
        "-device", "qemu-xhci",
        "-device", "usb-storage,drive=medium,removable=on,bootindex=0",
    ]  # fmt: skip


def _format(image: Path) -> str:
    return "qcow2" if image.suffix == ".qcow2" else "raw"


def _quoted(path: Path) -> str:
    """``path`` inside a QEMU option, where a comma is written twice."""
    return str(path).replace(",", ",,")
