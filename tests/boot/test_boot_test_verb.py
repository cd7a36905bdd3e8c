"""isoforge boot-test: what it says of good ISOs and of bad ones, and the evidence that it leaves."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import sys
import time
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import sh

from isoforge.forge import multi
from isoforge.image.tree import read_tree
from isoforge.order import Order
from isoforge.proof.boot.boot import BootSpec, boot
from isoforge.proof.boot.probe import find_guest
from isoforge.proof.boot.qemu import QEMU, Firmware, Medium
from isoforge.proof.boot.synthetic_iso import make_base
from isoforge.run import run
from isoforge.selection import Selection
from isoforge.workspace import Workspace
from tests.boot.conftest import HOSTS
from tests.boot.live_system import SAYS, live_initrd
from tests.conftest import ROOT, Once
from tests.iso.conftest import Outcome

pytestmark = pytest.mark.boots

TIMEOUT_S = "900"
"""A boot takes ten seconds; on a machine with much else to do it may take this."""

KERNEL = PurePosixPath("/casper/vmlinuz")


def boot_test(iso: Path, *options: str | os.PathLike[str]) -> Outcome:
    """Run the verb on ``iso``."""
    python: Any = sh.Command(sys.executable)
    ran = python(
        "-m",
        "isoforge",
        "boot-test",
        os.fspath(iso),
        *(os.fspath(option) for option in options),
        _in="",
        _tty_out=False,
        _ok_code=list(range(256)),
        _return_cmd=True,
    )
    return Outcome(code=ran.exit_code, out=ran.stdout.decode(), err=ran.stderr.decode())


class Addresses(HTMLParser):
    """Every address that a page leads to or fetches from."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]


def test_a_good_iso_passes_and_leaves_evidence(iso: Path, tmp_path: Path) -> None:
    folder = tmp_path / "evidence"
    ran = boot_test(iso, "--host", HOSTS[1], "--medium", "usb", "--report", folder, "--timeout", TIMEOUT_S)
    assert ran.code == 0, ran.err
    rows = [line.split()[:4] for line in ran.out.splitlines()[1:]]
    assert rows == [[HOSTS[1], "bios", "usb", "ok"], [HOSTS[1], "secureboot", "usb", "ok"]]
    assert_self_contained(folder)
    for firmware in ("bios", "secureboot"):
        assert (folder / f"serial/{HOSTS[1]}-{firmware}-usb.log").read_bytes().count(b"isoforge-probe end") == 1
    told = json.loads((folder / "report.json").read_text())
    promised = json.loads((iso.parent / "manifest.json").read_text())
    assert told["iso"] == promised["iso"]
    host = promised["hosts"][1]
    for one in told["boots"]:
        assert one["report"]["seed"]["user-data"] == host["user_data_sha256"]
        for view in ("device", "partition"):
            assert one["report"]["views"][view][f"{HOSTS[1]}/user-data"] == host["user_data_sha256"]
    page = (folder / "report.html").read_text()
    assert host["user_data_sha256"] in page
    assert promised["iso"]["sha256"] in page
    assert_no_seed_in(folder, iso.parents[1] / "baremetal/autoinstall/generated" / HOSTS[1] / "user-data")


def assert_self_contained(folder: Path) -> None:
    """The page fetches nothing, runs nothing, and holds the picture of each menu."""
    page = Addresses((folder / "report.html").read_text())
    assert "script" not in page.tags
    pictures = [base64.b64decode(address.removeprefix("data:image/png;base64,")) for address in page.found]
    assert pictures == [(folder / f"menu-{firmware}.png").read_bytes() for firmware in ("bios", "secureboot")]
    assert all(picture.startswith(b"\x89PNG\r\n\x1a\n") for picture in pictures)


def assert_no_seed_in(folder: Path, user_data: Path) -> None:
    """No line of a seed that tells anything is in any file of the evidence."""
    lines = {line.strip() for line in user_data.read_text().splitlines() if len(line.strip()) > 24}
    assert lines
    for file in folder.rglob("*"):
        if file.is_file():
            text = file.read_text(errors="replace")
            assert [line for line in lines if line in text] == []


def test_a_bare_semicolon_is_told_with_host_and_difference(iso: Path, tmp_path: Path) -> None:
    menu = tmp_path / "grub.cfg"
    run("xorriso", "-osirrox", "on", "-indev", iso, "-extract", "/boot/grub/grub.cfg", menu)
    text = menu.read_text()
    menu.chmod(0o600)
    menu.write_text(text.replace("ds=nocloud\\;s=", "ds=nocloud;s="))
    assert menu.read_text() != text
    broken = tmp_path / "broken.iso"
    replay = ["-boot_image", "any", "replay"]
    run("xorriso", "-indev", iso, "-outdev", broken, *replay, "-update", menu, "/boot/grub/grub.cfg")
    mode = ["--host", HOSTS[0], "--firmware", "bios", "--medium", "cd", "--timeout", TIMEOUT_S]
    ran = boot_test(broken, *mode, "--json")
    assert ran.code == 8
    (one,) = json.loads(ran.out)["boots"]
    assert (one["host"], one["ok"]) == (HOSTS[0], False)
    assert one["report"]["kernel_line"] == "BOOT_IMAGE=/casper/vmlinuz autoinstall ds=nocloud"
    assert [said.split(" is ")[0] for said in one["differences"]] == [
        f"the guest found no medium with the UUID {one['report']['uuid']}",
        "kernel line",
        "seed folder",
        "user-data",
        "meta-data",
        "vendor-data",
    ]
    assert f"{HOSTS[0]} on bios from cd: kernel line is" in ran.err


@pytest.fixture(scope="session")
def live_iso(once: Once) -> Path:
    """An ISO of fifty hosts, made from a base that has a live system's initrd in place of the probe."""

    def make(folder: Path) -> None:
        guest = find_guest(ROOT / ".cache")
        (folder / "initrd").mkdir()
        base = folder / "base.iso"
        make_base(base, guest=guest, initrd=live_initrd(guest, folder / "initrd"), filler_bytes=32 << 20)
        shutil.copytree(ROOT / "baremetal/inventory", folder / "baremetal/inventory")
        add_hosts(folder / "baremetal/inventory")
        order = Order(
            workspace=Workspace(baremetal=folder / "baremetal", output_folder=folder / "iso"),
            selection=Selection(groups=("fifty",)),
            base_iso=base,
            name="fifty",
            default_host="host-31",
            timeout_s=60,
            render=True,
        )
        multi(order)

    return once("live-iso", make) / "iso/ubuntu-autoinstall-fifty.iso"


def add_hosts(inventory: Path) -> None:
    """Fifty hosts of one type in a group of their own."""
    names = [f"host-{number:02}" for number in range(1, 51)]
    hosts = inventory / "hosts.yml"
    listed = "".join(f"        {name}:\n" for name in names)
    hosts.write_text(hosts.read_text().rstrip() + f"\n    fifty:\n      hosts:\n{listed}")
    (inventory / "group_vars/fifty").mkdir()
    shutil.copy(inventory / "group_vars/site_a/main.yml", inventory / "group_vars/fifty/main.yml")
    text = (inventory / "host_vars/site-a-m710q1/main.yml").read_text()
    for number, name in enumerate(names, start=1):
        own = text.replace("PC0EXMP1", f"PC1EX{number:03}").replace("S4EXAMPLE0001", f"S4EXAMPLE1{number:03}")
        own = own.replace("192.0.2.11/24", f"192.0.2.{number + 100}/24").replace("number 1", f"number {number}")
        (inventory / "host_vars" / name).mkdir()
        (inventory / "host_vars" / name / "main.yml").write_text(own)


def test_fifty_hosts_are_sampled_and_the_probe_rides_behind_a_live_systems_initrd(live_iso: Path) -> None:
    before = live_iso.stat().st_mtime_ns
    ran = boot_test(live_iso, "--firmware", "bios", "--medium", "usb", "--timeout", TIMEOUT_S, "--json")
    told = json.loads(ran.out)
    assert ran.code == 0, told["boots"]
    assert told["hosts"] == ["host-01", "host-31", "host-50"]
    assert told["selection"] == "a sample of 50 hosts: the first, the last, the default host"
    assert "probe appended to /casper/initrd" in told["boot_image"]
    for one in told["boots"]:
        assert one["report"]["failed_modules"] == []
        assert len(one["report"]["views"]["partition"]) >= 150
    assert live_iso.stat().st_mtime_ns == before


def test_the_probe_rides_under_secure_boot_from_a_cd(live_iso: Path) -> None:
    mode = ["--host", "host-02", "--firmware", "secureboot", "--medium", "cd", "--timeout", TIMEOUT_S, "--json"]
    ran = boot_test(live_iso, *mode)
    (one,) = json.loads(ran.out)["boots"]
    assert (ran.code, one["differences"]) == (0, [])
    assert one["report"]["secure_boot"] == "on"
    assert len(one["report"]["views"]["partition"]) >= 150


def test_a_guest_that_stays_silent_fails_in_time(iso: Path, tmp_path: Path) -> None:
    dead = tmp_path / "dead.iso"
    shutil.copyfile(iso, dead)
    with dead.open("r+b") as image:  # without its boot sector no loader takes a kernel
        image.seek(read_tree(dead)[KERNEL].extent)
        image.write(bytes(2048))
    mode = ["--host", HOSTS[0], "--firmware", "bios", "--medium", "cd", "--timeout", "30"]
    ran = boot_test(dead, *mode, "--report", tmp_path / "evidence")
    assert ran.code == 8
    assert "no report from the guest within 30 s" in ran.out
    assert (tmp_path / f"evidence/serial/{HOSTS[0]}-bios-cd.log").stat().st_size > 0
    assert "no report from the guest" in (tmp_path / "evidence/report.html").read_text()


def test_terminated_it_leaves_no_machine_and_nothing_else_behind(iso: Path, tmp_path: Path) -> None:
    python: Any = sh.Command(sys.executable)
    env = {**os.environ, "TMPDIR": os.fspath(tmp_path)}
    mode = ["--host", HOSTS[0], "--firmware", "bios", "--medium", "cd"]
    child = python(
        "-m", "isoforge", "boot-test", os.fspath(iso), *mode, _env=env, _bg=True, _bg_exc=False, _return_cmd=True
    )
    while not list(tmp_path.glob("isoforge-*/serial.log")):
        assert child.is_alive()
        time.sleep(0.1)
    assert machines(tmp_path) == 1
    child.signal(signal.SIGTERM)
    with pytest.raises(sh.ErrorReturnCode_143):
        child.wait()
    assert machines(tmp_path) == 0
    assert list(tmp_path.iterdir()) == []


def machines(folder: Path) -> int:
    """How many QEMUs work in ``folder``."""
    count = 0
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = command.read_bytes()
        except OSError:
            continue
        count += QEMU.encode() in words and os.fsencode(folder) in words
    return count


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--host", "nobody"], ("nobody is not on the ISO", f"{HOSTS[0]}, {HOSTS[1]}")),
        (["--firmware", "openfirmware"], ("--firmware", "bios, uefi, secureboot")),
        (["--host", HOSTS[0], "--all"], ("--host", "--all", "cannot be combined")),
    ],
)
def test_invalid_options_are_refused_before_anything_boots(
    iso: Path, options: list[str], words: tuple[str, ...]
) -> None:
    ran = boot_test(iso, *options)
    assert (ran.code, ran.out) == (2, "")
    for word in words:
        assert word in re.sub(r"\s+", " ", ran.err)


def test_an_iso_without_a_manifest_cannot_be_compared(bootable_base: Path) -> None:
    ran = boot_test(bootable_base)
    assert ran.code == 5
    assert "has no manifest" in ran.err


def test_without_the_probe_the_live_system_starts_its_own_init(live_iso: Path) -> None:
    manifest = json.loads((live_iso.parent / "manifest.json").read_text())
    host = manifest["hosts"][0]
    menu_path = (*host["submenu"], host["title"])
    spec = BootSpec(
        iso=live_iso, firmware=Firmware.BIOS, medium=Medium.CD, menu_path=menu_path, timeout_s=900, local_disk_text=SAYS
    )
    assert boot(spec).fallback_message == SAYS
