"""Rehearsals with the stand-in installer: one succeeds; each fault ends in one line, a report, and no process left."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sh
import yaml

from isoforge.proof.boot.probe import find_guest
from isoforge.proof.boot.synthetic_iso import make_base
from isoforge.selection import Selection
from tests.boot.conftest import built, example_inventory
from tests.boot.stand_in_installer import stand_in_initrd
from tests.boot.test_boot_test_verb import machines
from tests.conftest import ROOT, Once

pytestmark = pytest.mark.boots

GOOD, FAILING, HANGING = "site-a-m710q1", "site-a-m710q2", "site-b-raid1"

REPORT = '{"state": "installing", "step": "checked"}'

HOSTS: dict[str, dict[str, Any]] = {
    GOOD: {
        "match": {"serial": "PC0EXMP1"},
        "early_commands": [f"echo '{REPORT}' >/dev/virtio-ports/org.isoforge.report"],
    },
    FAILING: {"match": {"serial": "PC0EXMP2"}, "early_commands": ["echo about to fail; exit 1"]},
    HANGING: {"match": {"serial": "PC0EXMP3"}, "early_commands": ["echo about to hang; sleep 100000"]},
}


@pytest.fixture(scope="session")
def stand_in_iso(once: Once) -> Path:
    """An ISO of the three hosts, with the stand-in in place of Ubuntu's installer."""

    def base(folder: Path) -> None:
        guest = find_guest(ROOT / ".cache")
        (folder / "initrd").mkdir()
        make_base(folder / "base.iso", guest=guest, initrd=stand_in_initrd(guest, folder / "initrd"))

    def lay_out(baremetal: Path) -> None:
        example_inventory(baremetal)
        for host, values in HOSTS.items():
            overlay = baremetal / "inventory/host_vars" / host / "main.yml"
            overlay.write_text(yaml.safe_dump({**yaml.safe_load(overlay.read_text()), **values}))

    iso = once("stand-in-base", base) / "base.iso"
    return built(once, iso, "stand-in", lay_out, selection=Selection(hosts=tuple(HOSTS)), timeout_s=2)


def words(iso: Path, host: str, folder: Path, *options: str) -> list[str]:
    """The arguments of a rehearsal with its report in ``folder``."""
    small = ["--base-disk-size", "1G", "--report", os.fspath(folder)]
    return ["-m", "isoforge", "rehearse", os.fspath(iso), "--host", host, *small, *options]


def rehearsed(arguments: list[str], temporary: Path) -> Any:
    """Run the verb; its temporary files are in ``temporary``, where nothing may be left."""
    python: Any = sh.Command(sys.executable)
    temporary.mkdir()
    codes = list(range(256))
    env = {**os.environ, "TMPDIR": os.fspath(temporary)}
    ran = python(*arguments, _env=env, _in="", _tty_out=False, _ok_code=codes, _return_cmd=True)
    assert machines(temporary) == 0
    assert list(temporary.iterdir()) == []
    return ran


def facts_of(folder: Path) -> Any:
    """The one host in the report in ``folder``."""
    assert (folder / "rehearsal.html").is_file()
    (host,) = json.loads((folder / "rehearsal.json").read_text())["hosts"]
    return host


def test_a_host_is_installed_and_left_alone_afterwards(stand_in_iso: Path, tmp_path: Path) -> None:
    folder = tmp_path / "report"
    ran = rehearsed(
        words(stand_in_iso, GOOD, folder, "--firmware", "bios", "--timeout", "900", "--keep"), tmp_path / "tmp"
    )
    host = facts_of(folder)
    assert (ran.exit_code, host["ok"]) == (0, True), ran.stderr.decode()
    assert [stage["name"] for stage in host["stages"]] == ["install", "again", "disk", "other-machine"]
    install, again, disk, other = host["stages"]
    assert install["menu"].endswith("(this machine)") or install["menu"].startswith(f"Install {GOOD}")
    assert {"report: installing checked", "report: installed"} <= {one["step"] for one in install["progress"]}
    assert again["menu"].startswith("Boot the installed system (this build installed it on ")
    assert (again["ended_by"], disk["ended_by"]) == (f"{GOOD} login:", f"{GOOD} login:")
    assert other["menu"].startswith("Boot from local disk")
    assert host["inspected"]["hostname"] == GOOD
    assert host["machine"]["network_cards"][0]["name"] == "enp0s31f6"
    assert (folder / GOOD / "disks/disk1.img").stat().st_size == 1 << 30


@pytest.mark.parametrize(
    ("name", "limit", "difference"),
    [
        (
            FAILING,
            "600",
            "install from the ISO: the installation failed: step early-commands: ended with an error",
        ),
        (HANGING, "30", "install from the ISO: the installation did not end within time limit of 30 s"),
    ],
)
def test_an_installation_that_fails_is_one_line_and_a_report(
    stand_in_iso: Path, tmp_path: Path, name: str, limit: str, difference: str
) -> None:
    folder = tmp_path / "report"
    options = ["--firmware", "bios", "--timeout", limit]
    ran = rehearsed(words(stand_in_iso, name, folder, *options), tmp_path / "tmp")
    assert ran.exit_code == 8
    assert f"  {name}: {difference}\n" in ran.stderr.decode()
    host = facts_of(folder)
    assert [stage["name"] for stage in host["stages"]] == ["install"]
    assert len(host["not_done"]) == 3
    assert (folder / name / "install.png").is_file()


def guests(temporary: Path) -> list[int]:
    """The processes of the QEMUs that work in ``temporary``."""
    found = []
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = command.read_bytes()
        except OSError:
            continue
        if line.startswith(b"qemu") or b"/qemu-system" in line.partition(b"\0")[0]:
            found += [int(command.parent.name)] if os.fsencode(temporary) in line else []
    return found


@pytest.mark.parametrize(
    ("hit", "code", "failure"),
    [
        (lambda child, _: child.signal(signal.SIGINT), 130, "interrupted"),
        (lambda _, guest: os.kill(guest, signal.SIGKILL), 8, "qemu-system-x86_64 was killed by signal 9"),
    ],
    ids=["ctrl-c", "qemu-killed"],
)
def test_a_rehearsal_that_is_ended_leaves_a_report_and_no_machine(
    stand_in_iso: Path, tmp_path: Path, hit: Callable[[Any, int], object], code: int, failure: str
) -> None:
    python: Any = sh.Command(sys.executable)
    temporary, folder = tmp_path / "tmp", tmp_path / "report"
    temporary.mkdir()
    env = {**os.environ, "TMPDIR": os.fspath(temporary)}
    arguments = words(stand_in_iso, HANGING, folder, "--firmware", "bios")
    child = python(*arguments, _env=env, _bg=True, _bg_exc=False, _return_cmd=True, _new_session=False)
    while not list((folder / HANGING).glob("install-menu.png")):
        assert child.is_alive()
        time.sleep(0.1)
    (guest,) = guests(temporary)
    hit(child, guest)
    with pytest.raises(sh.ErrorReturnCode) as ended:
        child.wait()
    assert ended.value.exit_code == code
    assert facts_of(folder)["failure"] == failure
    assert guests(temporary) == []
    assert list(temporary.iterdir()) == []
