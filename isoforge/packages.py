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
"""What installs packages, by the names that a distribution gives to itself and its like (os-release(5))."""

PACKAGES = {
    "apt-get install": {
        "grub-mkimage": "grub-common grub-pc-bin",
        "qemu-system-x86_64": "qemu-system-x86",
        "gpgv": "gpgv",
        "ssh": "openssh-client",
    },
    "dnf install": {
        "grub-mkimage": "grub2-tools-minimal grub2-pc-modules",
        "qemu-system-x86_64": "qemu-system-x86",
        "gpgv": "gnupg2",
        "ssh": "openssh-clients",
    },
    "zypper install": {
        "grub-mkimage": "grub2 grub2-i386-pc",
        "qemu-system-x86_64": "qemu-x86",
        "gpgv": "gpg2",
        "ssh": "openssh-clients",
    },
    "pacman -S": {
        "xorriso": "libisoburn",
        "grub-mkimage": "grub",
        "qemu-system-x86_64": "qemu-system-x86",
        "gpgv": "gnupg",
        "ssh": "openssh",
    },
    "apk add": {
        "grub-mkimage": "grub grub-bios",
        "qemu-system-x86_64": "qemu-system-x86_64",
        "gpgv": "gpgv",
        "ssh": "openssh-client",
    },
}
"""Which package brings a program, where it is called otherwise than in `EVERYWHERE`."""

EVERYWHERE = {
    "xorriso": "xorriso",
    "git": "git",
    "mformat": "mtools",
    "mmd": "mtools",
    "mcopy": "mtools",
    "modinfo": "kmod",
    "age": "age",
    "age-keygen": "age",
}

PYTHON = {"sops": "pip install 'isoforge[secrets]'"}
"""What comes as a part of isoforge itself."""


def cure(program: str, system: Mapping[str, str] | None = None) -> str:
    """The command that installs ``program`` on this machine, or a question where it is not known.

    ``system`` is what os-release says; this machine's if left out.
    """
    if program in PYTHON:
        return PYTHON[program]
    installer = _installer(_release() if system is None else system)
    package = PACKAGES[installer].get(program) or EVERYWHERE.get(program)
    return f"{installer} {package}" if package else "is it installed, and on PATH?"


def _installer(system: Mapping[str, str]) -> str:
    """That of the distribution, of one that it is like, or Debian's."""
    names = [system.get("ID", ""), *system.get("ID_LIKE", "").split()]
    known = (INSTALLERS.get(name) or INSTALLERS.get(name.partition("-")[0]) for name in names)
    return next((installer for installer in known if installer), INSTALLERS["debian"])


def _release() -> Mapping[str, str]:
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}
