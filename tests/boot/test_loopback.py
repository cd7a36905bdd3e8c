"""The ISO as a file on somebody's stick, whose own GRUB shows its loopback.cfg."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from isoforge.proof.boot.boot import BootSpec, boot
from isoforge.proof.boot.qemu import Firmware, Medium
from tests.boot.conftest import HOSTS, manifest_of
from tests.boot.local_disk import as_next_device, make_disk

pytestmark = pytest.mark.boots

PLACE = "/isos/fleet.iso"
MENU = f"""
set iso_path="{PLACE}"
export iso_path
search --no-floppy --set=root --file "$iso_path"
loopback loop "$iso_path"
set root=(loop)
configfile /boot/grub/loopback.cfg
"""


def test_an_entry_of_the_file_gets_its_own_line_and_the_files_name(iso: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "isos").mkdir(parents=True)
    os.link(iso, tree / PLACE[1:])
    make_disk(tmp_path / "stick.img", tree=tree, menu=MENU, sectors=iso.stat().st_size // 512 + 32768)
    host = next(host for host in manifest_of(iso).hosts if host.name == HOSTS[1])
    spec = BootSpec(
        iso=tmp_path / "stick.img",
        firmware=Firmware.SECUREBOOT,
        medium=Medium.USB,
        menu_path=(host.title,),
        extra_qemu_args=as_next_device(iso),  # the guest looks for it on devices only, and would wait for it
    )
    result = boot(spec)
    assert not result.menu.countdown
    assert result.report
    words = host.kernel_line.removesuffix(" ---")
    assert result.report.kernel_line == f"BOOT_IMAGE={host.kernel} {words} iso-scan/filename={PLACE} ---"
    assert result.report.seed == host.seed_digests
