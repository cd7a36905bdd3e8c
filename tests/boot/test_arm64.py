"""ISOs for arm64 on QEMU's arm64 machine: the menu knows the machine, its entry gets its seed, the guard stops others.

Emulated, each boot takes half a minute: these are the few that nothing else can show.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from isoforge.image.layouts import ARM64_DOS, ARM64_GPT, Layout
from isoforge.proof.boot.boot import BootResult, BootSpec, boot
from isoforge.proof.boot.expectations import differences
from isoforge.proof.boot.probe import find_guest
from isoforge.proof.boot.qemu import Firmware, Medium
from isoforge.proof.boot.synthetic_iso import Kind, Release, make_base
from tests.boot.conftest import BOTH, HOSTS, built, example_inventory, manifest_of
from tests.boot.test_guard import UUID, fact, make_guarded
from tests.conftest import ROOT, Once

CACHE = ROOT / ".cache"
IN_CI = os.environ.get("CI") == "true"
pytestmark = [
    pytest.mark.boots,
    pytest.mark.skipif(not (IN_CI or (CACHE / "arm64-boot/stamp").is_file()), reason="scripts/setup.sh arm64"),
]

KINDS = {ARM64_DOS.name: Kind(layout=ARM64_DOS), ARM64_GPT.name: Kind(layout=ARM64_GPT, release=Release.RESOLUTE)}
TIMEOUT_S = 600


def base_of(once: Once, layout: Layout) -> Path:
    """The synthetic base ISO of that ``layout``, with a kernel and the probe in it."""
    guest = find_guest(CACHE, "arm64")
    made = once(
        f"base-{layout.name}",
        lambda folder: make_base(folder / "a.iso", kind=KINDS[layout.name], guest=guest, cache=CACHE),
    )
    return made / "a.iso"


def booted(iso: Path, title: str, medium: Medium, serial: str) -> BootResult:
    """``iso`` on a machine with that ``serial``, with Secure Boot."""
    return boot(
        BootSpec(
            iso=iso,
            firmware=Firmware.SECUREBOOT,
            medium=medium,
            arch="arm64",
            menu_path=(title,),
            timeout_s=TIMEOUT_S,
            extra_qemu_args=("-smbios", f"type=1,serial={serial},uuid={UUID}"),
        )
    )


@pytest.mark.parametrize(("layout", "medium"), [(ARM64_DOS, Medium.CD), (ARM64_GPT, Medium.USB)])
def test_the_menu_knows_the_machine_and_its_entry_gets_what_the_manifest_promises(
    once: Once, layout: Layout, medium: Medium
) -> None:
    iso = built(once, base_of(once, layout), layout.name, example_inventory, selection=BOTH)
    host = next(host for host in manifest_of(iso).hosts if host.name == HOSTS[0])
    result = booted(iso, host.title, medium, "pc0exmp1")
    assert differences(result, host, manifest_of(iso)) == ()
    assert result.menu.highlighted.startswith(host.title)
    assert result.menu.countdown


def test_the_guard_stops_another_machine_and_the_console_says_why(once: Once) -> None:
    def make(folder: Path) -> None:
        make_guarded(folder, base_of(once, ARM64_DOS), find_guest(CACHE, "arm64"), console=ARM64_DOS.console)

    result = booted(once("guarded-arm64", make) / "guarded.iso", "by-serial", Medium.USB, "PF0ABC2")
    assert fact(result, "early-command") == "1"
    said = result.serial.replace("\r", "")
    assert "isoforge: STOPPED. This machine is not host by-serial.\n" in said
    assert "  serial: PC0EXMP1 (does not match)\n" in said
    assert "  serial: PF0ABC2\n" in said
