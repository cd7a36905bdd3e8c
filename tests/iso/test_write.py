"""`isoforge write` on loop devices: what it refuses, what it writes, and what it reports when something goes wrong."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sh
import typer

from isoforge.cli.main import _hints, app
from isoforge.device.block import refuse_occupied
from isoforge.device.disks import disk_at
from isoforge.errors import BaseIsoError, OutputError, ProofError
from isoforge.proof.manifest import sha256_of
from isoforge.run import run
from isoforge.write import HEAD, Stick, order_of, refuse_failed, write
from tests.iso import mutation as m
from tests.iso.conftest import Cli, Outcome
from tests.iso.faults import said, small_file_system
from tests.iso.loop import loop_device, needs_loop_devices

pytestmark = needs_loop_devices

SIZE = 64 << 20
OLD = b"the old content of the stick".ljust(512)


def blank(file: Path, size: int = SIZE) -> Path:
    """A stick in use until now: an old GPT, and content at its front and its end."""
    with file.open("wb") as stream:
        stream.truncate(size)
    if size >= SIZE:
        run("sgdisk", "--clear", "--new=1:0:0", file)
    m.put(file, 3 << 20 if size > 4 << 20 else 0, OLD)
    return file


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return blank(tmp_path / "stick.img")


@pytest.fixture
def stick(image: Path) -> Iterator[Path]:
    with loop_device(image) as device:
        yield device


def content(file: Path) -> str:
    return sha256_of(file)


def written(cli: Cli, iso: Path, *devices: Path, **env: str) -> Outcome:
    force = [word for device in dict.fromkeys(devices) for word in ("--force", device)]
    return cli("write", iso, *devices, *force, "--yes", "--json", **env)


def attempt(iso: Path, *devices: Path, at: str = "", act: Callable[[], object] = bool) -> tuple[Stick, ...]:
    """Write ``iso`` as the verb does; ``act`` is called once when the phase begins whose name begins with ``at``."""
    lock = threading.Lock()
    done: list[str] = []

    def listen(phase: str, _done: int, _total: int) -> None:
        with lock:
            if at and phase.startswith(at) and not done:
                done.append(phase)
                act()

    sticks = write(order_of(iso, devices, force=devices), listen)[1]
    refuse_failed(sticks)
    return sticks


def test_a_stick_holds_the_iso_and_no_old_gpt(cli: Cli, good: Path, stick: Path, image: Path) -> None:
    m.put(image, SIZE - (1 << 20), OLD)
    outcome = written(cli, good, stick)
    assert outcome.code == 0, outcome.err
    result = json.loads(outcome.out)
    assert (result["iso"], result["size"], result["sha256"]) == (str(good), good.stat().st_size, content(good))
    (device,) = result["devices"]
    assert (device["device"], device["ok"], device["error"], device["dropped_gpt"]) == (str(stick), True, None, True)
    assert "the backup of an older partition table" in outcome.err
    assert image.read_bytes()[: good.stat().st_size] == good.read_bytes()
    assert image.read_bytes()[-(1 << 20) :] == bytes(1 << 20)
    again = json.loads(written(cli, good, stick).out)
    assert again["devices"][0]["dropped_gpt"] is False


def test_any_iso_can_be_written_also_to_a_stick_of_its_very_size(cli: Cli, noble: Path, tmp_path: Path) -> None:
    size = noble.stat().st_size
    with loop_device(blank(tmp_path / "exact.img", size)) as device:
        outcome = written(cli, noble, device)
        assert outcome.code == 0, outcome.err
    assert content(tmp_path / "exact.img") == content(noble)


def test_several_sticks_are_written_at_once_and_one_by_two_names_once(
    cli: Cli, good: Path, stick: Path, tmp_path: Path
) -> None:
    link = tmp_path / "by-id"
    link.symlink_to(stick)
    with loop_device(blank(tmp_path / "other.img")) as other:
        outcome = written(cli, good, stick, link, other)
        assert outcome.code == 0, outcome.err
        assert [device["device"] for device in json.loads(outcome.out)["devices"]] == [str(stick), str(other)]
    size = good.stat().st_size
    for file in ("stick.img", "other.img"):
        assert (tmp_path / file).read_bytes()[:size] == good.read_bytes()


def test_the_serial_or_name_must_be_typed(good: Path, stick: Path, image: Path) -> None:
    before = content(image)
    isoforge: Any = sh.Command(sys.executable).bake("-m", "isoforge", "write", good, stick, "--force", stick)
    for answer, code, words in (
        ("sda\n", 2, f"that is not the name of {stick}: nothing was written"),
        ("\n", 2, "that is not the name of"),
        ("", 2, f"{stick} was not confirmed: nothing was written"),
    ):
        ran = isoforge(_in=answer, _ok_code=[code], _return_cmd=True)
        assert ran.stdout == b""
        assert words in ran.stderr.decode()
        assert content(image) == before
    ran = isoforge(_in=f"{stick.name}\n", _return_cmd=True)
    assert ran.stdout.decode() == f"{stick}\n"
    assert "now on it: gpt, no partitions" in ran.stderr.decode()


def test_without_a_device_the_disks_are_listed_and_nothing_is_written(cli: Cli, good: Path) -> None:
    outcome = cli("write", good, "--json")
    assert outcome.code == 2
    assert "Missing argument 'DEVICE': nothing was written" in outcome.err
    listed = cli("write", "--list", "--json")
    assert (listed.code, listed.out) == (0, outcome.out)
    system = [disk for disk in json.loads(listed.out)["devices"] if "running system" in " ".join(disk["refusals"])]
    assert system, "the disk with / is listed, with the reason why it is not offered"
    said(cli("write"), 2, "Missing argument 'ISO'")
    said(cli("write", good, "--list"), 2, "cannot be combined")


def test_what_is_not_a_stick_is_refused_and_stays_as_it_was(
    cli: Cli, good: Path, stick: Path, image: Path, tmp_path: Path
) -> None:
    before, file = content(image), tmp_path / "file"
    file.write_bytes(b"x")
    said(cli("write", good, stick, "--yes"), 7, f"{stick} is not removable", f"--force {stick}")
    said(cli("write", good, stick, "--yes", "--force", "/dev/loop-none"), 7, "/dev/loop-none does not exist")
    said(cli("write", good, file, "--yes", "--force", file), 7, f"{file} is not a block device")
    said(cli("write", good, tmp_path / "sdx", "--yes"), 7, "does not exist")
    with loop_device(blank(tmp_path / "other.img")) as other:
        said(cli("write", good, stick, "--yes", "--force", other), 2, f"--force {other} is not one of the devices")
        said(cli("write", good, stick, other, "--yes", "--force", stick), 7, f"{other} is not removable")
    with loop_device(blank(tmp_path / "small.img", good.stat().st_size - 512)) as small:
        said(written(cli, good, small), 7, f"{small} is too small")
    assert content(image) == before
    assert not (tmp_path / "sdx").exists()


def test_a_mounted_stick_is_refused_whatever_is_forced(cli: Cli, good: Path, stick: Path, tmp_path: Path) -> None:
    run("mkfs.ext4", "-q", "-F", stick)
    folder = tmp_path / "mounted"
    folder.mkdir()
    run("mount", stick, folder)
    try:
        said(written(cli, good, stick), 7, f"{stick} is mounted on {folder}", f"umount {stick}")
    finally:
        run("umount", folder)


def test_an_iso_that_is_damaged_is_not_written(cli: Cli, good: Path, stick: Path, tmp_path: Path) -> None:
    before = content(stick)
    text, short = tmp_path / "text.iso", tmp_path / "short.iso"
    text.write_bytes(b"no ISO" * 9000)
    shutil.copyfile(good, short)
    os.truncate(short, good.stat().st_size - 4096)
    said(written(cli, text, stick), 5, "is not an ISO image", "nothing was written")
    said(written(cli, short, stick), 5, "is truncated: 4096 bytes are missing")
    said(written(cli, tmp_path / "none.iso", stick), 5, "does not exist")
    said(written(cli, tmp_path, stick), 5, "is a directory")
    copy = m.with_manifest(good, tmp_path / "copy.iso")
    m.flip_in(copy, "/casper/vmlinuz")
    said(written(cli, copy, stick), 8, "is damaged: its SHA-256 is", "nothing was written")
    copy.with_name("manifest.json").unlink()
    outcome = written(cli, copy, stick)
    assert (outcome.code, outcome.out) == (8, "")
    assert "md5sum: " in outcome.err
    assert "/casper/vmlinuz" in outcome.err
    assert content(stick) == before


def test_without_permission_the_hint_names_root_and_the_group(stick: Path) -> None:
    reader, writer = os.pipe()
    facts = disk_at(stick)
    group = stick.stat().st_gid
    os.chown(stick, 0, 6)
    stick.chmod(0o660)
    child = os.fork()
    if not child:
        try:
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            refuse_occupied(facts)
        except OutputError as refusal:
            os.write(writer, str(refusal).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    text = os.read(reader, 4096).decode()
    os.close(reader)
    os.chown(stick, 0, group)
    assert f"no permission to write to {stick}" in text
    assert "sudo" in text
    assert "the group disk" in text


def test_the_command_line_leaves_permissions_to_the_recipe(
    good: Path, stick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, *mode, **more: path != stick and real(path, *mode, **more))
    command: Any = typer.main.get_command(app)
    with pytest.raises(OutputError, match=f"no permission to write to {stick}"):
        command.main(["write", str(good), str(stick), "--force", str(stick), "--yes"], standalone_mode=False)


def incomplete(stick: Path) -> str:
    return f"{stick} is now incomplete and does not boot: write it again"


def test_a_stick_that_fails_is_incomplete_and_does_not_boot(cli: Cli, good: Path, tmp_path: Path) -> None:
    folder = tmp_path / "full"
    folder.mkdir()
    with small_file_system(folder, 8):
        file = folder / "stick.img"
        with file.open("wb") as stream:
            stream.truncate(SIZE)
        with loop_device(file) as broken:
            outcome = written(cli, good, broken)
            assert outcome.code == 7
            assert [line.partition(": ")[0] for line in outcome.err.splitlines()] == ["error", "hint"]
            assert f"cannot write to {broken}: " in outcome.err
            assert incomplete(broken) in outcome.err
            assert json.loads(outcome.out)["devices"][0]["ok"] is False
            assert broken.read_bytes()[:HEAD] == bytes(HEAD)


def test_one_of_several_that_fails_leaves_the_others_good(cli: Cli, good: Path, stick: Path, tmp_path: Path) -> None:
    folder = tmp_path / "full"
    folder.mkdir()
    with small_file_system(folder, 8):
        file = folder / "stick.img"
        with file.open("wb") as stream:
            stream.truncate(SIZE)
        with loop_device(file) as broken:
            outcome = written(cli, good, broken, stick)
            assert outcome.code == 7
            assert "error: 1 of 2 devices failed" in outcome.err
            assert incomplete(broken) in outcome.err
            results = json.loads(outcome.out)["devices"]
            assert [(device["device"], device["ok"]) for device in results] == [
                (str(broken), False),
                (str(stick), True),
            ]
    assert (tmp_path / "stick.img").read_bytes()[: good.stat().st_size] == good.read_bytes()


def test_an_iso_that_changes_while_it_is_written_is_an_error_of_the_iso(
    good: Path, stick: Path, tmp_path: Path
) -> None:
    copy = m.with_manifest(good, tmp_path / "copy.iso")
    with pytest.raises(BaseIsoError, match="changed while it was read") as failure:
        attempt(copy, stick, at="writing", act=lambda: m.flip_in(copy, "/casper/vmlinuz"))
    assert str(stick) in _hints(failure.value)
    os.truncate(copy, copy.stat().st_size)


def test_a_stick_that_loses_bytes_is_found_and_does_not_boot(good: Path, stick: Path, image: Path) -> None:
    at = good.stat().st_size // 2
    with pytest.raises(ProofError, match=f"{stick} differs from the ISO from byte {at} on") as failure:
        attempt(good, stick, at="reading back", act=lambda: m.flip(image, at))
    assert incomplete(stick) in _hints(failure.value)
    assert image.read_bytes()[:HEAD] == bytes(HEAD)


def test_a_stick_that_cannot_be_read_back_is_an_error_of_the_stick(good: Path, stick: Path, image: Path) -> None:
    with pytest.raises(OutputError, match=f"cannot read {stick}") as failure:
        attempt(good, stick, at="reading back", act=lambda: os.truncate(image, 0))
    assert f"{stick} was written but not read back" in _hints(failure.value)


def test_another_program_that_opens_the_stick_first_keeps_it(good: Path, stick: Path, image: Path) -> None:
    before = content(image)
    order = order_of(good, [stick], force=[stick])
    handle = os.open(stick, os.O_RDONLY | os.O_EXCL)
    try:
        with pytest.raises(OutputError, match=f"{stick} is in use"):
            write(order, lambda _phase, _done, _total: None)
        with pytest.raises(OutputError, match=f"{stick} is in use"):
            order_of(good, [stick], force=[stick])
    finally:
        os.close(handle)
    assert content(image) == before


@pytest.mark.parametrize(
    ("number", "code", "words"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_signal_ends_it_in_time_and_says_that_the_stick_is_incomplete(
    noble: Path, tmp_path: Path, number: int, code: int, words: str
) -> None:
    padded, file = tmp_path / noble.name, tmp_path / "large.img"
    shutil.copyfile(noble, padded)
    for path in (padded, file):
        with path.open("ab") as stream:
            stream.truncate(1 << 30)
    with loop_device(file) as device:
        lines: list[str] = []
        child: Any = sh.Command(sys.executable)(
            "-m", "isoforge", "write", padded, device, "--force", device, "--yes", "--json-events",
            _bg=True, _bg_exc=False, _return_cmd=True,
            _err=lines.append,
        )  # fmt: skip
        deadline = time.monotonic() + 60
        while not any("writing" in line for line in lines):
            assert time.monotonic() < deadline, lines
            time.sleep(0.01)
        os.kill(child.pid, number)
        with pytest.raises((sh.ErrorReturnCode, sh.SignalException)):
            child.wait()
        assert child.exit_code == code
        end = json.loads(lines[-1])
        assert (end["exit_code"], end["message"], end["hint"]) == (code, words, incomplete(device))
        assert m.get(device, 0, HEAD) == bytes(HEAD)
        refuse_occupied(disk_at(device))
