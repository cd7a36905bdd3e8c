"""The synthetic base ISO boots as Ubuntu's does, in every mode; a machine that fails is told from one that boots."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from isoforge.errors import ProofError, ToolError
from isoforge.proof.boot.boot import BootResult, BootSpec, boot
from isoforge.proof.boot.qemu import Firmware, Medium
from isoforge.proof.boot.synthetic_iso import Release, casper_uuid, make_base
from isoforge.run import run

pytestmark = pytest.mark.boots

OFFICIAL = "Try or Install Ubuntu Server"
SECURE_BOOT = {Firmware.BIOS: {"absent"}, Firmware.UEFI: {"off", "absent"}, Firmware.SECUREBOOT: {"on"}}
"""What the guest reads; an OVMF without keys has the variable or, since 2024, has not."""


MODES = [
    (Firmware.BIOS, Medium.CD),
    (Firmware.BIOS, Medium.USB),
    (Firmware.UEFI, Medium.CD),
    (Firmware.SECUREBOOT, Medium.CD),
    (Firmware.SECUREBOOT, Medium.USB),
]


@pytest.mark.parametrize(("firmware", "medium"), MODES)
def test_official_entry_boots(bootable_base: Path, firmware: Firmware, medium: Medium, tmp_path: Path) -> None:
    picture = tmp_path / "menu.png"
    spec = BootSpec(iso=bootable_base, firmware=firmware, medium=medium, menu_path=(OFFICIAL,))
    result = boot(spec, screenshot=picture)
    assert result.menu.titles[0] == result.menu.highlighted == OFFICIAL
    assert ("UEFI Firmware Settings" in result.menu.titles) == (firmware is not Firmware.BIOS)
    assert result.menu.countdown
    assert picture.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert_probe_saw_the_base(result)


def assert_probe_saw_the_base(result: BootResult) -> None:
    report = result.report
    assert report is not None
    assert report.kernel_line == "BOOT_IMAGE=/casper/vmlinuz ---"
    assert report.secure_boot in SECURE_BOOT[result.spec.firmware]
    assert report.firmware == ("bios" if result.spec.firmware is Firmware.BIOS else "uefi")
    assert report.uuid == str(casper_uuid(Release.NOBLE, "generic"))
    assert report.on_partition == (result.spec.medium is Medium.USB)
    assert report.failed_modules == ()
    assert (report.seed_folder, report.seed, report.views) == ("", {}, {"device": {}, "partition": {}})


def test_an_entry_that_is_not_there_is_named_with_those_that_are(bootable_base: Path) -> None:
    spec = BootSpec(iso=bootable_base, firmware=Firmware.BIOS, medium=Medium.CD, menu_path=("Install web-1",))
    with pytest.raises(ProofError, match="no entry 'Install web-1'") as caught:
        boot(spec)
    assert list(caught.value.problems) == [OFFICIAL, "Test memory"]


def test_an_entry_beyond_the_edge_of_the_screen_is_found(bootable_base: Path, tmp_path: Path) -> None:
    entry = "menuentry 'Install web-{0}' {{\n linux /casper/vmlinuz number={0} ---\n initrd /casper/initrd\n}}\n"
    menu = tmp_path / "grub.cfg"
    menu.write_text("set timeout=20\nset default=1\n" + "".join(entry.format(number) for number in range(1, 31)))
    iso = tmp_path / "long.iso"
    replay = ["-boot_image", "any", "replay"]
    run("xorriso", "-indev", bootable_base, "-outdev", iso, *replay, "-update", menu, "/boot/grub/grub.cfg")
    result = boot(BootSpec(iso=iso, firmware=Firmware.BIOS, medium=Medium.CD, menu_path=("Install web-19",)))
    assert "Install web-19" not in result.menu.titles
    assert result.report
    assert result.report.kernel_line == "BOOT_IMAGE=/casper/vmlinuz number=19 ---"


def test_a_guest_that_stays_silent_fails_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_base(tmp_path / "dead.iso")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    before = (tmp_path / "dead.iso").read_bytes()
    spec = BootSpec(
        iso=tmp_path / "dead.iso", firmware=Firmware.BIOS, medium=Medium.USB, menu_path=(OFFICIAL,), timeout_s=8
    )
    with pytest.raises(ProofError, match="no report from the guest within 8 s") as caught:
        boot(spec, log=tmp_path / "serial.log")
    assert any("error" in line for line in caught.value.problems)
    assert "GNU GRUB" in (tmp_path / "serial.log").read_text()
    assert list(scratch.iterdir()) == []
    assert (tmp_path / "dead.iso").read_bytes() == before


def test_what_qemu_refuses_is_told_in_its_own_words(bootable_base: Path) -> None:
    spec = BootSpec(
        iso=bootable_base, firmware=Firmware.BIOS, medium=Medium.CD, extra_qemu_args=("-device", "no-such-device")
    )
    with pytest.raises(ToolError, match="no-such-device"):
        boot(spec)
