"""The machine of a rehearsal is the one that the host's match keys and its seed ask for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from isoforge.proof.rehearse.disks import digest, fill, make
from isoforge.proof.rehearse.machine import GIB, machine_for, qemu_extra, size_bytes
from isoforge.proof.rehearse.watch import read_reports
from tests.conftest import ROOT

SEEDS = ROOT / "tests/golden/seeds"
MATCH = ("serial=PC0,EXMP1", "uuid=4c4c4544-0043-3010-8052-b4c04f564231", "mac=00:00:5e:00:53:0a")


def seed_of(name: str) -> dict[str, Any]:
    section: dict[str, Any] = yaml.safe_load((SEEDS / f"{name}.user-data").read_text())["autoinstall"]
    return section


def test_disk_and_card_are_those_of_the_seed() -> None:
    machine = machine_for(seed_of("site-a-m710q1"), MATCH, disk_bytes=20 * GIB)
    assert [(disk.serial, disk.size) for disk in machine.disks] == [("S4EXAMPLE0001", 20 * GIB)]
    assert [(card.mac, card.name) for card in machine.cards] == [("00:00:5e:00:53:0a", "enp0s31f6")]
    words = qemu_extra(machine, [Path("a,b.img")])
    assert "type=1,serial=PC0,,EXMP1" in words
    assert "e1000e,romfile=,netdev=net0,id=card0,mac=00:00:5e:00:53:0a,addr=1f.6" in words
    assert "if=none,id=disk1,format=raw,discard=unmap,file=a,,b.img" in words
    assert "ide-hd,drive=disk1,bootindex=1,serial=S4EXAMPLE0001,bus=ide.1" in words


def test_a_mirror_has_two_disks_with_room_for_its_partitions() -> None:
    seed = seed_of("raid1-uefi")
    machine = machine_for(seed, (), disk_bytes=GIB)
    listed = [item for item in seed["storage"]["config"] if item["type"] == "disk"]
    assert len(machine.disks) == len(listed) == 2
    assert len({disk.serial for disk in machine.disks}) == 2
    fixed = sum(
        size_bytes(item["size"])
        for item in seed["storage"]["config"]
        if item["type"] == "partition" and item["device"] == listed[0]["id"]
    )
    assert machine.disks[0].size > max(fixed, GIB)


@pytest.mark.parametrize("seed", [path.name.removesuffix(".user-data") for path in sorted(SEEDS.iterdir())])
def test_every_seed_has_a_machine_and_a_stranger_shares_nothing_but_disks(seed: str) -> None:
    machine = machine_for(seed_of(seed), MATCH, disk_bytes=GIB)
    stranger = machine.stranger()
    assert machine.disks
    assert stranger.disks == machine.disks
    assert not set(stranger.smbios.values()) & set(machine.smbios.values())
    assert not {card.mac for card in stranger.cards} & {card.mac for card in machine.cards}


@pytest.mark.parametrize(
    ("match", "serial", "model", "kind"),
    [
        ({"serial": "*S4EX*"}, "S4EX", "", "sd"),
        ({"serial": "Samsung_SSD_980_S64ANS0T1"}, "S64ANS0T1", "Samsung SSD 980", "sd"),
        ({"path": "/dev/nvme0n1"}, "", "", "nvme"),
        ({"path": "/dev/disk/by-id/ata-QEMU_HARDDISK_QM1"}, "QM1", "QEMU HARDDISK", "sd"),
        ({"size": "largest"}, "", "", "sd"),
    ],
)
def test_a_disk_is_made_so_that_the_match_selects_it(match: dict[str, str], serial: str, model: str, kind: str) -> None:
    seed = {"storage": {"layout": {"name": "direct", "match": match}}}
    (disk,) = machine_for(seed, (), disk_bytes=GIB).disks
    assert (disk.serial, disk.model, disk.kind) == (serial, model, kind)


def test_a_card_whose_name_cannot_be_had_is_noted() -> None:
    machine = machine_for({"network": {"ethernets": {"enp3s0": {}, "eno1": {}}}}, (), disk_bytes=GIB)
    assert [note.split()[3] for note in machine.notes] == ["enp3s0"]


@pytest.mark.parametrize(
    ("text", "size"), [("1G", GIB), ("512MB", 512 << 20), (1048576, 1 << 20), (-1, 0), ("50%", 0), (None, 0)]
)
def test_sizes_are_those_of_a_storage_plan(text: object, size: int) -> None:
    assert size_bytes(text) == size


def test_one_changed_byte_changes_the_digest_and_a_hole_filled_with_zeros_does_not(tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    make(image, 64 << 20)
    fill(image)
    before = digest(image)
    with image.open("r+b") as disk:
        disk.seek(32 << 20)
        disk.write(bytes(1 << 20))
    assert digest(image) == before
    with image.open("r+b") as disk:
        disk.seek((33 << 20) + 5)
        disk.write(b"\1")
    assert digest(image) != before


def test_a_line_of_the_port_that_is_no_report_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "reports").write_bytes(
        b'{"state": "installing", "step": "storage"}\n\xff nonsense\n[1]\n{"state": "inst'
    )
    assert read_reports(tmp_path / "reports") == ({"state": "installing", "step": "storage"},)
    assert read_reports(tmp_path / "missing") == ()
