"""Real block devices: opened exclusively, written past the page cache, refused while in use."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sh

from isoforge.device.block import CHUNK, open_exclusively
from isoforge.device.disks import disk_at
from isoforge.device.guards import refuse_unsafe
from isoforge.errors import OutputError
from tests.iso.loop import loop_device, needs_loop_devices

pytestmark = needs_loop_devices

SIZE = 24 << 20


@pytest.fixture
def image(tmp_path: Path) -> Path:
    file = tmp_path / "disk"
    with file.open("wb") as stream:
        stream.truncate(SIZE)
    return file


@pytest.fixture
def device(image: Path) -> Iterator[Path]:
    with loop_device(image) as path:
        yield path


def test_what_is_written_is_on_the_disk_and_what_is_read_comes_from_it(device: Path, image: Path) -> None:
    content = os.urandom(CHUNK + 512 * 3)
    with open_exclusively(disk_at(device)) as disk:
        assert disk.size == SIZE
        disk.write(512, content)
        disk.sync()
        assert disk.read(512, len(content)) == content
        disk.drop_cache()
        assert device.read_bytes()[512 : 512 + len(content)] == content
        assert disk.reread_partitions() in (True, False)
    assert image.read_bytes() == bytes(512) + content + bytes(SIZE - 512 - len(content))


def test_a_file_is_written_to_the_same_place_with_zeros_behind_its_end(device: Path, tmp_path: Path) -> None:
    with tempfile.TemporaryFile(dir=tmp_path) as file:
        file.write(b"a" * 700)
        file.flush()
        with open_exclusively(disk_at(device)) as disk:
            disk.write(0, b"z" * 2048)
            disk.write_from(file.fileno(), 512, 1024)
            assert disk.read(0, 2048) == b"z" * 512 + b"a" * 188 + bytes(1024 - 188) + b"z" * 512


def test_parts_of_sectors_and_places_behind_the_end_are_mistakes(device: Path) -> None:
    with open_exclusively(disk_at(device)) as disk:
        for start, size in ((1, 512), (0, 100), (SIZE, 512)):
            with pytest.raises(ValueError, match="are not sectors"):
                disk.write(start, bytes(size))


def test_nobody_else_opens_it_in_that_time(device: Path) -> None:
    facts = disk_at(device)
    with open_exclusively(facts):
        with pytest.raises(OutputError, match=f"{device} is in use"), open_exclusively(facts):
            pass
        mkfs: Any = sh.Command("mkfs.ext4", ["/usr/sbin", "/sbin"])
        with pytest.raises(sh.ErrorReturnCode):
            mkfs("-q", device)


def test_another_disk_under_the_same_name_is_refused(device: Path) -> None:
    facts = disk_at(device)
    assert facts.sequence is not None
    for other in (replace(facts, sequence=facts.sequence - 1), replace(facts, serial="1"), replace(facts, size=512)):
        with pytest.raises(OutputError, match="is another disk than a moment ago"), open_exclusively(other):
            pass


def test_a_read_only_disk_is_refused(image: Path) -> None:
    with loop_device(image, "--read-only") as device:
        facts = disk_at(device)
        with pytest.raises(OutputError, match="is read-only"):
            refuse_unsafe(facts, force=True)


def test_a_mounted_disk_is_refused_by_its_facts_and_by_the_kernel(device: Path, tmp_path: Path) -> None:
    sh.Command("mkfs.ext4", ["/usr/sbin", "/sbin"])("-q", "-L", "DATA", device)
    folder = tmp_path / "mounted"
    folder.mkdir()
    sh.Command("mount")(device, folder)
    try:
        facts = disk_at(device)
        assert facts.contents == ("ext4 'DATA'",)
        with pytest.raises(OutputError, match=f"{device} is mounted on {folder}"):
            refuse_unsafe(facts, force=True)
        with pytest.raises(OutputError, match=f"{device} is in use"), open_exclusively(facts):
            pass
    finally:
        sh.Command("umount")(folder)


def test_swap_space_is_refused(device: Path) -> None:
    sbin = ["/usr/sbin", "/sbin"]
    sh.Command("mkswap", sbin)("-q", device)
    sh.Command("swapon", sbin)(device)
    try:
        with pytest.raises(OutputError, match="is swap space of the running system"):
            refuse_unsafe(disk_at(device), force=True)
    finally:
        sh.Command("swapoff", sbin)(device)


def test_a_disk_that_another_program_has_locked_is_refused(device: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("isoforge.device.block._PATIENCE_S", 0.0)
    handle = os.open(device, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(OutputError, match="is locked by another program"), open_exclusively(disk_at(device)):
            pass
    finally:
        os.close(handle)


def test_a_disk_that_fails_is_an_error_that_names_it(image: Path) -> None:
    with loop_device(image) as device, open_exclusively(disk_at(device)) as disk:
        os.truncate(image, SIZE // 2)  # what a broken disk does from there on
        with pytest.raises(OutputError, match=f"cannot read {device}: Input/output error"):
            disk.read(SIZE - 512, 512)
