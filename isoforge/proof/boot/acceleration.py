"""Whether KVM works on this machine: only a guest that has run can tell."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import sh

from isoforge.errors import ToolError
from isoforge.proof.boot.qemu import QEMU
from isoforge.run import running

KVM = Path("/dev/kvm")

LIMIT_S = 1.5
"""Seconds that the guest may take: it needs a tenth of them where KVM works, and never ends where it half works."""

LEAVE = bytes.fromhex(
    "b010"  # mov al, 0x10
    "e6f4"  # out 0xf4, al
    "f4"  # stop: hlt
    "ebfd"  # jmp stop
)
"""A boot sector's code that makes QEMU end by its device isa-debug-exit."""

LEFT = 0x10 * 2 + 1
"""The exit code that QEMU then gives."""


def accelerator() -> str:
    """``kvm`` if a guest runs under it, with the system management mode that Secure Boot needs; else ``tcg``.

    A machine that is a guest itself may have a /dev/kvm that is slower than plain emulation, or hangs.
    """
    return "kvm" if os.access(KVM, os.R_OK | os.W_OK) and runs_under("kvm") else "tcg"


def runs_under(name: str, *, limit_s: float = LIMIT_S) -> bool:
    """Whether a guest gets through its BIOS to the first sector of its disk under the accelerator ``name`` in time."""
    with tempfile.TemporaryDirectory(prefix="isoforge-") as folder:
        disk = Path(folder, "disk")
        disk.write_bytes(LEAVE.ljust(510, b"\0") + b"\x55\xaa" + bytes(1 << 20))
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
                guest.wait(timeout=limit_s)
        except sh.ErrorReturnCode as end:
            return bool(end.exit_code == LEFT)
        except (sh.TimeoutException, ToolError):
            return False
    return False
