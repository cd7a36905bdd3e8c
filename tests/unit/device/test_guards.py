"""Which disks are refused, and which of the reasons a person can override."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from isoforge.device.disks import Disk, Use
from isoforge.device.guards import LARGEST, refusals, refuse_unsafe
from isoforge.errors import OutputError

STICK = Disk(path=Path("/dev/sdc"), number="8:32", size=32 * 10**9, bus="usb", serial="STICK0001", removable=True)


def mounted(*targets: str) -> tuple[Use, ...]:
    return tuple(Use(kind="mount", device="/dev/sdc1", target=target) for target in targets)


def test_a_stick_at_rest_is_not_refused() -> None:
    assert refusals(STICK) == ()
    refuse_unsafe(STICK)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"read_only": True}, "is read-only"),
        ({"uses": mounted("/media/data")}, "is mounted on /media/data"),
        ({"uses": mounted("/boot/efi", "/")}, "holds the running system (mounted on /boot/efi)"),
        ({"uses": mounted("/cdrom")}, "holds the running system (mounted on /cdrom)"),
        (
            {"uses": (Use(kind="swap", device="/dev/sdc2", target="[SWAP]"),)},
            "is in use: /dev/sdc2 is swap space of the running system",
        ),
        ({"uses": (Use(kind="raid1", device="/dev/sdc", target="md0"),)}, "is in use by md0 (raid1)"),
        ({"uses": (Use(kind="lvm", device="/dev/sdc1", target="racks-data"),)}, "is in use by racks-data (lvm)"),
        ({"uses": (Use(kind="crypt", device="/dev/sdc1", target="luks"),)}, "is in use by luks (crypt)"),
    ],
)
def test_a_disk_in_use_is_refused_whatever_is_forced(changes: dict[str, object], reason: str) -> None:
    disk = replace(STICK, **changes)  # type: ignore[arg-type]
    for force in (False, True):
        with pytest.raises(OutputError) as refusal:
            refuse_unsafe(disk, force=force)
        assert refusal.value.message == f"/dev/sdc {reason}"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"removable": False}, "is not removable"),
        ({"size": LARGEST + 512}, "is larger than 2 TB (2.0 TB)"),
        ({"signatures": ("LVM2_member",)}, "is part of a larger volume (LVM2_member)"),
        ({"signatures": ("ext4", "linux_raid_member")}, "is part of a larger volume (linux_raid_member)"),
        ({"sector": 4096}, "has sectors of 4096 bytes: no firmware finds the partitions of an ISO on it"),
    ],
)
def test_a_disk_that_is_hardly_a_stick_is_refused_unless_it_is_named_again(
    changes: dict[str, object], reason: str
) -> None:
    disk = replace(STICK, **changes)  # type: ignore[arg-type]
    with pytest.raises(OutputError) as refusal:
        refuse_unsafe(disk)
    assert refusal.value.message == f"/dev/sdc {reason}"
    assert refusal.value.hint == "if you are sure, name it again: --force /dev/sdc"
    refuse_unsafe(disk, force=True)


def test_a_stick_of_exactly_2_tb_is_not_refused() -> None:
    assert refusals(replace(STICK, size=LARGEST)) == ()


def test_force_does_not_hide_the_other_reasons() -> None:
    disk = replace(STICK, removable=False, uses=mounted("/srv"))
    assert [refusal.forcible for refusal in refusals(disk)] == [False, True]
    with pytest.raises(OutputError, match="is mounted on /srv"):
        refuse_unsafe(disk, force=True)


def test_the_hint_names_what_to_unmount_once() -> None:
    (refusal,) = refusals(replace(STICK, uses=mounted("/media/a", "/media/b")))
    assert refusal.hint == "if nothing on it is needed: umount /dev/sdc1"
