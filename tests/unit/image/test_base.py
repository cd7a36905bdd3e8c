"""What a report of xorriso becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from isoforge.errors import BaseIsoError
from isoforge.image.base import replay_args

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


def test_volume_id_and_date_are_the_builds_own() -> None:
    args = replay_args(BASE, REPORT)
    assert "-V" not in args
    assert not any("modification-date" in arg for arg in args)


def test_esp_keeps_its_size_and_finds_its_new_place() -> None:
    args = replay_args(BASE, REPORT)
    assert args[args.index("-e") + 1] == "--interval:appended_partition_2:all::"
    assert args[-2:] == ("-boot-load-size", "10144")


def test_a_quote_in_the_path_survives() -> None:
    args = replay_args(BASE, REPORT)
    assert args[args.index("--grub2-mbr") + 1] == "--interval:local_fs:0s-15s:zero_mbrpt,zero_gpt:/isos/it's here.iso"


@pytest.mark.parametrize("gone", ["--grub2-mbr", "-append_partition", "-appended_part_as_gpt"])
def test_another_layout_is_refused(gone: str) -> None:
    report = "\n".join(line for line in REPORT.splitlines() if not line.startswith(gone))
    with pytest.raises(BaseIsoError, match=f"missing: {gone}"):
        replay_args(BASE, report)


def test_a_report_of_an_old_xorriso_is_refused() -> None:
    with pytest.raises(BaseIsoError, match="regular GPT"):
        replay_args(BASE, REPORT + "-part_like_isohybrid\n")
