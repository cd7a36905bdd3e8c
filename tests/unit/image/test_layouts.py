"""Boot layouts: recognised in a report of xorriso, and written again."""

from __future__ import annotations

from pathlib import Path

import pytest

from isoforge.errors import BaseIsoError, ToolError
from isoforge.image.layouts import AMD64, ARM64_DOS, ARM64_GPT, Layout, expected, recognised

REPORT = """\
-V 'Ubuntu-Server 24.04.1 LTS amd64'
--modification-date='2024082715212300'
--grub2-mbr --interval:local_fs:0s-15s:zero_mbrpt,zero_gpt:'/isos/it'"'"'s here.iso'
--protective-msdos-label
-partition_cyl_align off
-partition_offset 16
--mbr-force-bootable
-append_partition 2 28732ac11ff8d211ba4b00a0c93ec93b --interval:local_fs:5406916d-5417059d::'/isos/it'"'"'s here.iso'
-appended_part_as_gpt
-iso_mbr_part_type a2a0d0ebe5b9334487c068b6b72699c7
-c '/boot.catalog'
-b '/boot/grub/i386-pc/eltorito.img'
-no-emul-boot
-boot-load-size 4
-boot-info-table
--grub2-boot-info
-eltorito-alt-boot
-e '--interval:appended_partition_2_start_1351729s_size_10144d:all::'
-no-emul-boot
-boot-load-size 10144
"""
BASE = Path("base.iso")


ARM64_REPORT = """\
-V 'Ubuntu 24.04.4 LTS arm64'
--modification-date='2026021001455100'
-partition_cyl_align all
-partition_offset 16
-append_partition 2 0xef --interval:local_fs:6900544d-6914047d::'base.iso'
-G --interval:local_fs:0s-15s:zero_mbrpt:'base.iso'
-iso_mbr_part_type 0xcd
-c '/boot/boot.cat'
-e '--interval:appended_partition_2_start_1725136s_size_13504d:all::'
-no-emul-boot
-boot-load-size 13504
"""
ARM64_GPT_REPORT = """\
-V 'Ubuntu-Server 26.04 LTS arm64'
--protective-msdos-label
-partition_cyl_align off
-partition_offset 16
--mbr-force-bootable
-append_partition 2 28732ac11ff8d211ba4b00a0c93ec93b --interval:local_fs:5406916d-5417059d::'base.iso'
-appended_part_as_gpt
-G --interval:local_fs:0s-15s:zero_mbrpt,zero_gpt:'base.iso'
-iso_mbr_part_type a2a0d0ebe5b9334487c068b6b72699c7
-c '/boot/boot.cat'
-e '--interval:appended_partition_2_start_1351729s_size_10144d:all::'
-no-emul-boot
-boot-load-size 10144
"""


def replay_args(report: str) -> tuple[str, ...]:
    return recognised(BASE, "amd64", report)[1]


@pytest.mark.parametrize(
    ("arch", "report", "layout"),
    [("amd64", REPORT, AMD64), ("arm64", ARM64_REPORT, ARM64_DOS), ("arm64", ARM64_GPT_REPORT, ARM64_GPT)],
)
def test_each_layout_is_recognised_in_its_report(arch: str, report: str, layout: Layout) -> None:
    assert recognised(BASE, arch, report)[0] is layout


def test_an_arm64_esp_keeps_its_size_because_nothing_is_aligned_to_cylinders() -> None:
    args = recognised(BASE, "arm64", ARM64_REPORT)[1]
    assert args[:4] == ("-partition_cyl_align", "off", "-partition_offset", "16")
    assert args[-4:] == ("--interval:appended_partition_2:all::", "-no-emul-boot", "-boot-load-size", "13504")


def test_volume_id_and_date_are_the_builds_own() -> None:
    args = replay_args(REPORT)
    assert "-V" not in args
    assert not any("modification-date" in arg for arg in args)


def test_esp_keeps_its_size_and_finds_its_new_place() -> None:
    args = replay_args(REPORT)
    assert args[args.index("-e") + 1] == "--interval:appended_partition_2:all::"
    assert args[-2:] == ("-boot-load-size", "10144")


def test_a_quote_in_the_path_survives() -> None:
    args = replay_args(REPORT)
    assert args[args.index("--grub2-mbr") + 1] == "--interval:local_fs:0s-15s:zero_mbrpt,zero_gpt:/isos/it's here.iso"


@pytest.mark.parametrize("gone", ["--grub2-mbr", "-append_partition", "-appended_part_as_gpt"])
def test_another_layout_is_refused(gone: str) -> None:
    report = "\n".join(line for line in REPORT.splitlines() if not line.startswith(gone))
    with pytest.raises(BaseIsoError, match=f"missing: {gone}"):
        replay_args(report)


@pytest.mark.parametrize("odd", ["-b /boot/grub/i386-pc/eltorito.img", "--grub2-mbr interval"])
@pytest.mark.parametrize("report", [ARM64_REPORT, ARM64_GPT_REPORT])
def test_an_arm64_iso_that_a_bios_would_start_is_refused(report: str, odd: str) -> None:
    with pytest.raises(BaseIsoError, match="unexpected: "):
        recognised(BASE, "arm64", report + odd)


def test_isolinux_is_refused_as_out_of_support() -> None:
    with pytest.raises(BaseIsoError, match=r"isolinux.*20\.04 did: these are out of standard support"):
        replay_args("-V 'Ubuntu-Server 20.04.6 LTS amd64'\n-isohybrid-mbr --interval:local_fs:0s-15s::'base.iso'\n")


def test_a_report_of_an_old_xorriso_asks_for_a_newer_one() -> None:
    with pytest.raises(ToolError, match="too old: it misreads the boot records") as failure:
        replay_args(REPORT + "-part_like_isohybrid\n")
    assert "1.5.4 or later" in failure.value.hint


@pytest.mark.parametrize(
    ("title", "has_gpt", "layout"),
    [
        ('Ubuntu-Server 24.04.4 LTS "Noble Numbat" - Release amd64 (20260210)', True, AMD64),
        ('Ubuntu 24.04.4 LTS "Noble Numbat" - Release arm64 (20260210)', False, ARM64_DOS),
        ('Ubuntu-Server 26.04.1 LTS "Resolute Raccoon" - Release arm64+largemem (20260826)', True, ARM64_GPT),
        ("", True, AMD64),
    ],
)
def test_the_layout_to_expect_follows_from_architecture_and_partition_table(
    title: str, has_gpt: bool, layout: Layout
) -> None:
    assert expected(title, has_gpt=has_gpt) is layout


def test_arm64_is_started_by_uefi_alone() -> None:
    assert AMD64.platforms == ("BIOS", "UEFI")
    assert AMD64.firmwares == ("bios", "uefi", "secureboot")
    for layout in (ARM64_DOS, ARM64_GPT):
        assert layout.platforms == ("UEFI",)
        assert layout.firmwares == ("uefi", "secureboot")
        assert str(layout.shadowing_menu) == "/boot/grub/arm64-efi/grub.cfg"
        assert layout.boot_programs == ("bootaa64.efi", "grubaa64.efi", "mmaa64.efi")
