"""A stick that has been booted has another partition and another GPT: verify names that, and proves the rest."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from isoforge.errors import ForgeError
from isoforge.image.layouts import ARM64_DOS
from isoforge.image.sectors import LBA, mbr_partitions
from isoforge.proof.boot.synthetic_iso import Kind, make_base
from isoforge.proof.verify.verify import verify
from isoforge.run import run
from tests.iso import mutation as m
from tests.iso.conftest import Cli
from tests.iso.test_kinds import CACHE, FOLDER, HOST, needs_arm64

MEDIUM = 96 << 20
"""Bytes of the stick."""


def append_with_sfdisk(stick: Path) -> None:
    """As casper does it (scripts/casper-helpers, find_or_create_persistent_partition)."""
    layout = stick.with_name("layout")
    layout.write_text("start=, size=\n")
    run("sh", "-c", 'sfdisk --no-reread --quiet --append "$1" < "$2"', "sh", stick, layout)


def append_with_sgdisk(stick: Path) -> None:
    run("sgdisk", "--move-second-header", stick)
    run("sgdisk", "--new=4:0:0", "--typecode=4:8300", "--change-name=4:writable", stick)


TOOLS = {"sfdisk": append_with_sfdisk, "sgdisk": append_with_sgdisk}


def booted(good: Path, folder: Path, tool: str) -> Path:
    """A medium with the ISO ``good``, its manifest beside it, as the first start leaves it."""
    stick = m.with_manifest(good, folder / "stick.img")
    os.truncate(stick, MEDIUM)
    TOOLS[tool](stick)
    row = struct.unpack("<QQ", m.get(stick, 2 * LBA + 3 * 128 + 32, 16))
    assert row[1] > row[0]
    partition = folder / "partition"
    with partition.open("wb") as file:
        file.truncate((row[1] - row[0] + 1) * LBA)
    run("mkfs.ext4", "-q", "-L", "writable", partition)
    with partition.open("rb") as source, stick.open("r+b") as target:
        target.seek(row[0] * LBA)
        target.write(source.read())
    return stick


def faults(stick: Path, base: Path | None = None) -> list[tuple[str, str]]:
    return [(check.name, fault) for check in verify(stick, base=base) for fault in check.faults]


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("with_base", [True, False])
def test_a_stick_that_was_booted_is_proven(good: Path, noble: Path, tmp_path: Path, tool: str, with_base: bool) -> None:
    checks = verify(booted(good, tmp_path, tool), base=noble if with_base else None)
    assert [(check.name, check.faults) for check in checks if check.faults] == []
    (digest,) = (check for check in checks if check.name == "digest")
    assert "partition 4 'writable' was added behind the ISO" in "\n".join(digest.remarks)


@needs_arm64
def test_a_stick_with_a_dos_label_that_was_booted_is_proven(cli: Cli, fleet: Path, tmp_path: Path) -> None:
    base = tmp_path / "arm64.iso"
    make_base(base, kind=Kind(layout=ARM64_DOS), cache=CACHE)
    outcome = cli("multi", "--host", HOST, "--ubuntu-iso", base, "--name", "n", "--render")
    assert outcome.code == 0, outcome.err
    stick = fleet / FOLDER / "ubuntu-autoinstall-n.iso"
    size = stick.stat().st_size
    os.truncate(stick, MEDIUM)
    append_with_sfdisk(stick)
    (added,) = (part for part in mbr_partitions(stick) if part.number == 3)
    assert added.start < size < added.end  # it begins in the padding of the ISO
    place, blocks = f"offset={added.start}", f"{(MEDIUM - added.start) >> 10}k"
    run("mkfs.ext4", "-q", "-F", "-L", "writable", "-E", place, stick, blocks)
    checks = verify(stick, base=base)
    assert [(check.name, check.faults) for check in checks if check.faults] == []
    (digest,) = (check for check in checks if check.name == "digest")
    assert "partition 3 'writable' was added behind the ISO: the stick has been booted" in digest.remarks
    for byte in (100, 446 + 4, added.start - LBA):  # boot code, type of partition 1, the end of the ESP
        m.flip(stick, byte)
        assert "digest" in {name for name, _ in faults(stick, base)}
        m.flip(stick, byte)


def test_a_stick_whose_gpt_alone_was_moved_is_proven(good: Path, tmp_path: Path) -> None:
    stick = m.with_manifest(good, tmp_path / "stick.img")
    os.truncate(stick, MEDIUM)
    run("sgdisk", "--move-second-header", stick)
    checks = verify(stick)
    assert [(check.name, check.faults) for check in checks if check.faults] == []
    assert "the GPT was moved to the end of the medium" in str(checks)


@pytest.mark.parametrize("tool", TOOLS)
def test_a_byte_of_the_iso_that_has_another_value_is_found(good: Path, noble: Path, tmp_path: Path, tool: str) -> None:
    stick = booted(good, tmp_path, tool)
    m.flip_in(stick, "/casper/vmlinuz")
    assert {"digest", "md5sum", "base-files"} <= {name for name, _ in faults(stick, noble)}


BROKEN = {
    "type of partition 1": {"number": 1, "kind": bytes(range(16))},
    "GUID of partition 2": {"number": 2, "guid": bytes(range(16))},
    "end of partition 1": {"number": 1, "last": 4000},
    "end of partition 3": {"number": 3, "last": 1 << 12},
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_changed_entry_of_the_iso_s_own_partitions_is_found(good: Path, tmp_path: Path, name: str) -> None:
    stick = booted(good, tmp_path, "sfdisk")
    m.edit_gpt(stick, **BROKEN[name])  # type: ignore[arg-type]
    assert "digest" in {check for check, _ in faults(stick)}


def test_boot_code_that_has_another_byte_is_found(good: Path, tmp_path: Path) -> None:
    stick = booted(good, tmp_path, "sfdisk")
    m.flip(stick, 100)
    assert "digest" in {check for check, _ in faults(stick)}


@pytest.fixture
def loop_device(good: Path, tmp_path: Path) -> Iterator[Path]:
    stick = booted(good, tmp_path, "sfdisk")
    try:
        device = Path(run("losetup", "--find", "--show", stick).strip())
    except ForgeError as failure:
        pytest.skip(f"no loop devices here: {failure.message}")
    try:
        yield device
    finally:
        run("losetup", "--detach", device)


def test_a_device_is_read_like_a_file(good: Path, noble: Path, loop_device: Path) -> None:
    checks = verify(loop_device, base=noble, manifest=good.with_name("manifest.json"))
    assert [(check.name, check.faults) for check in checks if check.faults] == []
    assert "partition 4 'writable' was added behind the ISO" in str(checks)
