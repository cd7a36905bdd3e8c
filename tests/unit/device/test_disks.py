"""Disks as lsblk reports them: recorded on a virtual machine with SATA, USB, NVMe, virtio and SD disks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from isoforge.device import disks as module
from isoforge.device.disks import Disk, Use, disk_at, disk_of, facts_of, is_disk
from isoforge.errors import OutputError

RECORD = Path(__file__).with_name("lsblk-2.38.json")


def nodes() -> dict[str, Any]:
    return {node["name"]: node for node in json.loads(RECORD.read_text("utf-8"))["blockdevices"]}


def disk(name: str, device_type: str = "", **changes: object) -> Disk:
    return disk_of({**nodes()[name], **changes}, device_type=device_type)


def test_an_iso_on_a_usb_stick_is_shown_with_its_label_and_without_its_partitions() -> None:
    stick = disk("sdc")
    assert stick == Disk(
        path=Path("/dev/sdc"),
        number="8:32",
        size=512 << 20,
        bus="usb",
        model="QEMU HARDDISK",
        serial="STICK0001",
        removable=True,
        contents=("iso9660 'Ubuntu-Server 24.04 LTS amd64'",),
        signatures=("iso9660", "vfat"),
    )


def test_partitions_are_shown_with_type_and_label() -> None:
    assert disk("sdd").contents == ("sdd1 vfat 'DATA'",)
    assert disk("sdb").contents == ("sdb1 ext4 'root'", "sdb2 swap")


def test_mount_points_and_swap_of_partitions_are_uses_of_the_disk() -> None:
    assert disk("sdb").uses == (
        Use(kind="mount", device="/dev/sdb1", target="/mnt"),
        Use(kind="swap", device="/dev/sdb2", target="[SWAP]"),
    )


def test_what_is_on_top_of_a_disk_is_a_use_of_it() -> None:
    assert disk("vda").uses == (Use(kind="raid1", device="/dev/vda", target="md0"),)


def test_lsblk_before_2_37_has_one_mount_point_and_before_2_33_texts_for_numbers() -> None:
    node = {"name": "sdb", "path": "/dev/sdb", "maj:min": "8:16", "type": "disk", "size": "1024", "rm": "1", "ro": "0",
            "hotplug": "1", "mountpoint": "/media/x", "tran": "usb", "model": None}  # fmt: skip
    old = disk_of(node)
    assert (old.size, old.removable, old.read_only, old.model) == (1024, True, False, "")
    assert old.uses == (Use(kind="mount", device="/dev/sdb", target="/media/x"),)


@pytest.mark.parametrize(
    ("name", "bus", "removable"),
    [
        ("sda", "sata", False),
        ("sdc", "usb", True),
        ("sde", "usb", True),
        ("mmcblk0", "mmc", True),
        ("vda", "virtio", False),
        ("nvme0n1", "nvme", False),
    ],
)
def test_disks_on_hot_plug_buses_are_removable(name: str, bus: str, removable: bool) -> None:
    assert (disk(name, "SD").bus, disk(name, "SD").removable) == (bus, removable)


def test_a_soldered_emmc_is_not_removable() -> None:
    assert not disk("mmcblk0", "MMC").removable


def test_a_person_confirms_with_the_serial_or_without_one_with_the_name() -> None:
    assert disk("sdc").answer == "STICK0001"
    assert disk("sdc", serial=None).answer == "sdc"


def test_labels_from_blkid_are_as_they_were_given() -> None:
    export = "DEVNAME=/dev/sdb\nLABEL=Ubuntu-Server\\ 24.04\\ LTS\nTYPE=iso9660\nEMPTY=\n"
    assert facts_of(export) == {
        "DEVNAME": "/dev/sdb",
        "LABEL": "Ubuntu-Server 24.04 LTS",
        "TYPE": "iso9660",
        "EMPTY": "",
    }


def test_md_arrays_partitions_and_empty_readers_are_not_disks() -> None:
    assert not is_disk(nodes()["vda"]["children"][0])
    assert not is_disk(nodes()["sdb"]["children"][0])
    assert not is_disk({**nodes()["sdc"], "size": 0})
    assert not is_disk({**nodes()["sdc"], "name": "zram0"})


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The recorded machine; the folder that is its /dev/disk/by-id."""
    monkeypatch.setattr(module, "_lsblk", lambda: list(nodes().values()))
    monkeypatch.setattr(module, "_add_signatures", lambda _tree: None)
    monkeypatch.setattr(module, "BY_ID", tmp_path)
    monkeypatch.setattr(module, "_SYSFS", tmp_path / "none")
    return tmp_path


def at(number: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every path be the block device with this number."""
    monkeypatch.setattr(module, "_number_at", lambda _path: number)


def test_a_link_in_by_id_is_the_disk_that_it_leads_to_and_names_it(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("usb-QEMU_HARDDISK_STICK0001-0:0", "wwn-0x5000c500"):
        (machine / name).symlink_to("/dev/sdc")
    at("8:32", monkeypatch)
    by_name, by_link = disk_at(Path("/dev/sdc")), disk_at(machine / "wwn-0x5000c500")
    assert by_name.link == "usb-QEMU_HARDDISK_STICK0001-0:0"
    assert (by_link.path, by_link.link) == (Path("/dev/sdc"), "wwn-0x5000c500")
    assert by_name.number == by_link.number
    assert by_name.name == "/dev/sdc (usb-QEMU_HARDDISK_STICK0001-0:0)"


@pytest.mark.parametrize(
    ("number", "message", "hint"),
    [
        ("8:17", "/dev/x is a partition of /dev/sdb, not a whole disk", "name the whole disk: /dev/sdb"),
        ("9:0", "/dev/x is not a whole disk but of type raid1", ""),
        ("11:0", "/dev/x has no medium, or lsblk does not list it", ""),
    ],
)
@pytest.mark.usefixtures("machine")
def test_what_is_not_a_whole_disk_is_refused(
    number: str, message: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(number, monkeypatch)
    with pytest.raises(OutputError) as refusal:
        disk_at(Path("/dev/x"))
    assert refusal.value.message == message
    assert hint in refusal.value.hint


def test_files_links_and_missing_devices_are_refused(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_bytes(b"x")
    link.symlink_to("nowhere")
    for path, reason in (
        (file, "is not a block device"),
        (link, "is a link to nowhere, which does not exist"),
        (tmp_path / "sdx", "does not exist"),
        (Path("/dev/null"), "is not a block device"),
    ):
        with pytest.raises(OutputError, match=f"{path} {reason}"):
            disk_at(path)
    assert not (tmp_path / "sdx").exists()
