"""Storage plans are played through: sizes from the disks upwards, in the inventory's own words and in curtin's."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from isoforge.fleet.check.engine import check_user_data
from isoforge.fleet.check.findings import Findings
from isoforge.fleet.check.plan.actions import read
from isoforge.fleet.check.plan.capacity import Capacity
from isoforge.fleet.check.plan.sizes import GIB, MIB, Size, parsed, readable
from isoforge.release import Release
from isoforge.yaml_reader import Document
from tests.unit.fleet.conftest import Write, reviewed

CORPUS = Path(__file__).parents[3] / "corpus"
PLANS = [path.read_text(encoding="utf-8") for path in sorted(CORPUS.glob("*/plan-*.user-data"))]

PARTITIONS = "storage:\n  layout: partitions\n  firmware: uefi\n  disk: {serial: S4TEST01}\n"
RAID1 = "storage:\n  layout: raid1\n  firmware: uefi\n  disks: [{serial: S4TEST01}, {serial: S4TEST02}]\n"


@pytest.mark.parametrize(
    ("storage", "problem"),
    [
        (PARTITIONS + "  esp_size: 1M\n", "esp-too-small 5 storage.esp_size"),
        (PARTITIONS + "  esp_size: 1048576\n", "esp-too-small 5 storage.esp_size"),
        (RAID1 + "  esp_size: 99M\n", "esp-too-small 5 storage.esp_size"),
        (PARTITIONS + "  passphrase: $x\n  boot_size: 200M\n", "size-too-small 6 storage.boot_size"),
        (
            PARTITIONS + "  partitions:\n    - {mount: /, size: 1M}\n    - {mount: /srv}\n",
            "size-too-small 6 storage.partitions[0].size",
        ),
        (
            RAID1 + "  partitions:\n    - {mount: /, size: 1G}\n    - {mount: /srv}\n",
            "size-too-small 6 storage.partitions[0].size",
        ),
        (
            PARTITIONS + "  partitions:\n    - {mount: /boot, size: 200M}\n    - {mount: /}\n",
            "size-too-small 6 storage.partitions[0].size",
        ),
        (
            PARTITIONS + "  partitions:\n    - {mount: swap, size: 4K}\n    - {mount: /}\n",
            "size-too-small 6 storage.partitions[0].size",
        ),
        (
            PARTITIONS + "  partitions:\n    - {mount: /, size: 0}\n    - {mount: /srv}\n",
            "size-invalid 6 storage.partitions[0].size",
        ),
        (
            PARTITIONS + "  partitions:\n    - {mount: /, size: 5000T}\n    - {mount: /srv}\n",
            "size-too-large 6 storage.partitions[0].size",
        ),
        (PARTITIONS + "  swap: 5000T\n", "size-too-large 5 storage.swap"),
        (
            PARTITIONS + "  partitions:\n    - {mount: /, size: 20G}\n    - {mount: /etc}\n",
            "mount-impossible 7 storage.partitions[1].mount",
        ),
        (
            PARTITIONS + "  partitions:\n    - {mount: /, options: 'noatime, nodev'}\n",
            "mount-options-invalid 6 storage.partitions[0].options",
        ),
    ],
)
def test_what_would_not_fit_is_refused_in_the_inventorys_own_words(one_host: Write, storage: str, problem: str) -> None:
    found = [f"{one.id} {one.line} {one.key}" for one in reviewed(one_host(storage)) if one.severity == "error"]
    assert found == [problem]


@pytest.mark.parametrize(
    "storage",
    [
        PARTITIONS + "  esp_size: 100M\n",
        PARTITIONS + "  partitions:\n    - {mount: /boot, size: 512M}\n    - {mount: /}\n",
        PARTITIONS + "  partitions:\n    - {mount: /, size: 4G}\n    - {mount: swap, size: 1G}\n    - {mount: /srv}\n",
        RAID1 + "  partitions:\n    - {mount: /, size: 10G}\n    - {mount: /srv, format: xfs}\n",
        PARTITIONS.replace("uefi", "bios") + "  esp_size: 1M\n",
    ],
)
def test_what_fits_is_left_alone(one_host: Write, storage: str) -> None:
    assert [str(one) for one in reviewed(one_host(storage), release="24.04")] == []


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ("512M", Size(bytes=512 * MIB)),
        ("1.5GB", Size(bytes=3 * GIB // 2)),
        (4194304, Size(bytes=4 * MIB)),
        ("4194304B", Size(bytes=4 * MIB)),
        (20, None),
        ("20", None),
        ("12%", Size(percent=12)),
        (-1, Size(rest=True)),
        (None, Size(rest=True)),
        ("12.5%", None),
        ("0%", None),
        ("0M", None),
        ("9" * 5000, None),
        ("1GiB", None),
        (-2, None),
        (0.5, None),
        (True, None),
        (float("nan"), None),
        (float("inf"), None),
    ],
)
def test_a_size_is_read_as_the_installer_reads_it(value: Any, size: Size | None) -> None:
    assert parsed(value) == size


def test_a_size_is_shown_as_people_write_it() -> None:
    sizes = [512, 50 << 10, MIB, 3 * GIB // 2, 5000 << 40]
    assert [readable(size) for size in sizes] == ["512 bytes", "50K", "1M", "1.5G", "5000T"]


def played(*actions: str) -> tuple[dict[str, int], list[str]]:
    """The sizes in MiB that the devices have at most, and what was found."""
    findings = Findings(Document())
    plan = read([yaml.safe_load(action) for action in actions], ("config",))
    most = Capacity(findings=findings, plan=plan).play()
    return {name: size // MIB for name, size in most.items()}, [str(one.id) for one in findings.all]


DISKS = [f"{{type: disk, id: d{n}, ptable: gpt}}" for n in range(4)]
MEMBERS = [f"{{type: partition, id: p{n}, device: d{n}, size: 10G}}" for n in range(4)]


@pytest.mark.parametrize(
    ("level", "count", "size"),
    [("0", 2, 20462), ("raid1", 2, 10231), (5, 3, 20462), ("6", 4, 20462), (10, 4, 20462)],
)
def test_an_array_is_as_large_as_its_level_makes_of_its_members(level: str | int, count: int, size: int) -> None:
    members = [f"p{n}" for n in range(count)]
    most, found = played(*DISKS, *MEMBERS, f"{{type: raid, id: md, name: md0, raidlevel: {level}, devices: {members}}}")
    assert (most["md"], found) == (size, [])


def test_a_mirror_of_a_known_and_an_unknown_device_is_no_larger_than_the_known_one() -> None:
    rest = "{type: partition, id: rest, device: d1, size: -1}"
    md = "{type: raid, id: md, name: md0, raidlevel: 1, devices: [p0, rest]}"
    assert played(*DISKS, MEMBERS[0], rest, md)[0]["md"] == 10231
    assert "md" not in played(*DISKS, MEMBERS[0], rest, md.replace("1,", "0,"))[0]


def test_luks_and_lvm_take_their_share_of_what_they_lie_on() -> None:
    most, found = played(
        DISKS[0],
        MEMBERS[0],
        "{type: dm_crypt, id: crypt, volume: p0, key: x}",
        "{type: lvm_volgroup, id: vg, name: vg, devices: [crypt]}",
        "{type: lvm_partition, id: half, name: half, volgroup: vg, size: 50%}",
        "{type: lvm_partition, id: rest, name: rest, volgroup: vg, size: -1}",
    )
    assert (most["crypt"], most["vg"], most["half"], most["rest"]) == (10224, 10220, 5110, 5108)
    assert found == []


def test_nothing_is_concluded_about_a_disk_that_keeps_what_is_on_it() -> None:
    kept = "{type: disk, id: d0, ptable: gpt, preserve: true}"
    parts = [f"{{type: partition, id: p{n}, device: d0, size: 80%}}" for n in range(1)]
    assert played(kept, *parts)[1] == []


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(PLANS), st.randoms(use_true_random=False))
def test_actions_in_any_order_and_number_are_judged_and_never_fail(text: str, chance: random.Random) -> None:
    document = yaml.safe_load(text)
    config = document["autoinstall"]["storage"]["config"]
    document["autoinstall"]["storage"]["config"] = chance.choices(config, k=chance.randint(1, 30))
    content = "#cloud-config\n" + yaml.safe_dump(document)
    assert all(str(one) for one in check_user_data(content.encode(), file="user-data"))


def test_of_many_volumes_that_do_not_fit_the_first_one_is_reported() -> None:
    volumes = [f"{{type: lvm_partition, id: l{n}, name: l{n}, volgroup: vg, size: 1G}}" for n in range(50)]
    findings = Findings(Document())
    actions = [DISKS[0], MEMBERS[0], "{type: lvm_volgroup, id: vg, name: vg, devices: [p0]}", *volumes]
    Capacity(findings=findings, plan=read([yaml.safe_load(action) for action in actions], ("config",))).play()
    assert [one.path for one in findings.all] == [("config", 12, "size")]


@pytest.mark.parametrize("name", ["plan-esp-of-one-megabyte", "plan-root-on-btrfs-for-26-10"])
def test_a_plan_is_judged_again_where_it_matters_and_not_for_another_disk(name: str) -> None:
    bad = (CORPUS / "bad" / f"{name}.user-data").read_bytes()
    for _ in range(2):
        ids = [one.id for one in check_user_data(bad, file="x", release=Release.of("26.10"), firmware="uefi")]
        assert ids in (["esp-too-small"], ["boot-not-ext4"])
        sound = bad.replace(b"1M", b"1G").replace(b"btrfs", b"ext4")
        for text in (sound, sound.replace(b"S4EXAMPLE0001", b"S4EXAMPLE0002")):
            assert check_user_data(text, file="x", release=Release.of("26.10"), firmware="uefi") == []
