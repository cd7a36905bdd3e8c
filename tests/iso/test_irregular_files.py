"""Pipes, sockets, devices, directories and links that lead nowhere, wherever a file is expected: one clear error."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from isoforge.cli.main import main

MEMORY = 200 << 20
"""Bytes that a command may take more than the test has already."""

HANG_S = 60
"""Seconds after which a command counts as hanging: a busy machine may be slow, a pipe without a writer never ends."""


def _socket(path: Path) -> None:
    with contextlib.chdir(path.parent), socket.socket(socket.AF_UNIX) as listening:  # its path may be too long
        listening.bind(path.name)


KINDS: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a socket": _socket,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a directory": Path.mkdir,
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to nothing": lambda path: path.symlink_to("nothing"),
}

Q1 = "site-a-m710q1"
GENERATED = "baremetal/autoinstall/generated"
BUILD = ("multi", "--host", Q1, "--ubuntu-iso", "base.iso", "--name", "n")
LOCAL = "baremetal/inventory-local"

# What is replaced, the command that reads it, its exit code.
CASES: list[tuple[str, tuple[str, ...], int]] = [
    ("baremetal/inventory/hosts.yml", ("check",), 3),
    ("baremetal/inventory/hosts.yml", ("hosts",), 3),
    ("baremetal/inventory/hosts.yml", ("new-host", "web-1"), 3),
    (f"{LOCAL}/hosts.yml", ("check",), 3),
    (f"{LOCAL}/hosts.yml", ("new-host", "web-1", "--overlay"), 3),
    ("baremetal/inventory/group_vars/all/main.yml", ("check",), 3),
    ("baremetal/inventory/group_vars/all/more.yml", ("gen", "--all"), 3),
    (f"baremetal/inventory/host_vars/{Q1}.yml", ("check",), 3),
    ("baremetal/inventory/profiles/hardware/lenovo-m710q.yml", ("check",), 3),
    (f"{LOCAL}/host_vars/{Q1}/secrets.sops.yaml", ("check",), 3),
    (f"{LOCAL}/host_vars/{Q1}/secrets.sops.yaml", BUILD, 3),
    ("baremetal/templates/user-data.j2", ("gen", "--host", Q1), 4),
    ("baremetal/templates/storage/mine.j2", ("gen", "--host", Q1), 4),
    (f"{GENERATED}/{Q1}/user-data", BUILD, 3),
    (f"{GENERATED}/{Q1}/meta-data", BUILD, 3),
    (f"{GENERATED}/{Q1}/vendor-data", BUILD, 3),
    ("base.iso", BUILD, 5),
    ("base.iso", ("verify", "good/good.iso", "--base", "base.iso"), 5),
    ("base.iso", ("diff", "base.iso", "base.iso"), 5),
    ("base.iso", ("inspect", "base.iso"), 5),
    ("base.iso", ("inspect", "base.iso", "--markdown"), 5),
    ("base.iso", ("boot-test", "base.iso"), 5),
    ("files/ubuntu.iso", ("multi", "--host", Q1, "--name", "n"), 5),
    ("good/manifest.json", ("verify", "good/good.iso"), 8),
    ("good/manifest.json", ("boot-test", "good/good.iso"), 8),
    ("other.json", ("verify", "good/good.iso", "--manifest", "other.json"), 8),
    ("other.json", ("multi", "--from", "other.json", "--ubuntu-iso", "base.iso"), 2),
    ("facts.yml", ("new-host", "web-1", "--from-facts", "facts.yml"), 2),
    ("hash", (*BUILD, "--menu-password", "hash"), 2),
    ("user-data", ("check", "user-data"), 3),
    ("meta-data", ("check", "meta-data"), 3),
]  # fmt: skip


@pytest.fixture
def folder(fleet: Path, noble: Path, good: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The fleet's folder with a base ISO, an ISO of ours with its manifest, and a rendered seed."""
    (fleet / "good").mkdir()
    (fleet / "base.iso").hardlink_to(noble)
    (fleet / "good/good.iso").hardlink_to(good)
    shutil.copy(good.with_name("manifest.json"), fleet / "good")
    shutil.copytree(good.parents[2] / Q1, fleet / GENERATED / Q1)
    monkeypatch.chdir(fleet)
    return fleet


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """A hang and a memory hog become errors in the block; the signals that `main` handles are reset after it."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    data = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    limits = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (data + MEMORY, limits[1]))
    signal.signal(signal.SIGALRM, lambda *_: pytest.fail(f"still running after {HANG_S} s"))
    signal.alarm(HANG_S)
    try:
        yield
    finally:
        signal.alarm(0)
        resource.setrlimit(resource.RLIMIT_DATA, limits)
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.parametrize(("path", "command", "code"), CASES, ids=[f"{path} {command[0]}" for path, command, _ in CASES])
def test_what_is_not_a_file_is_one_error_of_whoever_gave_it(
    folder: Path,
    path: str,
    command: tuple[str, ...],
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    monkeypatch.setattr(sys, "argv", ["isoforge", *command])
    for kind, put in KINDS.items():
        put(file)
        with bounded(), pytest.raises(SystemExit) as end:
            main()
        output = capsys.readouterr()
        errors = [line for line in output.err.splitlines() if line.startswith("error: ")]
        is_named = file.name in output.out + output.err and "Errno" not in output.out + output.err
        assert (kind, end.value.code, len(errors), is_named) == (kind, code, 1, True), output
        file.rmdir() if kind == "a directory" else file.unlink()
