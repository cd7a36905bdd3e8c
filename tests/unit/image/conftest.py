"""A base ISO as it is read, without an ISO."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from isoforge.image.base import BaseIso, Kernel
from isoforge.image.layouts import AMD64

GA = Kernel(flavour="ga", vmlinuz=PurePosixPath("/casper/vmlinuz"), initrd=PurePosixPath("/casper/initrd"))
HWE = Kernel(flavour="hwe", vmlinuz=PurePosixPath("/casper/hwe-vmlinuz"), initrd=PurePosixPath("/casper/hwe-initrd"))

BASE_MENU = """\
set timeout=30

loadfont unicode

menuentry "Try or Install Ubuntu Server" {
	set gfxpayload=keep
	linux	/casper/vmlinuz  ---
	initrd	/casper/initrd
}
grub_platform
if [ "$grub_platform" = "efi" ]; then
menuentry 'UEFI Firmware Settings' {
	fwsetup
}
fi
"""
BASE_LOOPBACK = """\
menuentry "Try or Install Ubuntu Server" {
	set gfxpayload=keep
	linux	/casper/vmlinuz  iso-scan/filename=${iso_path} ---
	initrd	/casper/initrd
}
"""


@pytest.fixture
def base() -> BaseIso:
    return BaseIso(
        path=Path("base.iso"),
        title='Ubuntu-Server 24.04 LTS "Noble Numbat" - Release amd64 (20240423)',
        release="24.04",
        arch="amd64",
        volume_id="Ubuntu-Server 24.04 LTS amd64",
        modified="2024042312000000",
        kernels=(GA, HWE),
        boot_records=Path("boot-records"),
        layout=AMD64,
        replay_args=(),
        menu=BASE_MENU,
        loopback_menu=BASE_LOOPBACK,
        md5sums="",
    )
