"""A thousand hosts on one ISO: the menu is there within seconds, leads to each of them and knows each machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from isoforge.image.grub_password import hashed
from isoforge.iso_layout import BY_ITSELF, THIS_MACHINE
from isoforge.proof.boot.boot import BootResult, BootSpec, boot
from isoforge.proof.boot.qemu import Firmware, Medium
from isoforge.proof.boot.screen import is_entry
from isoforge.proof.manifest import HostFacts
from isoforge.selection import EVERY_HOST
from scripts.large_fleet import large_fleet
from tests.boot.conftest import built, manifest_of
from tests.boot.local_disk import ext4_disk
from tests.conftest import Once

pytestmark = pytest.mark.boots

HOSTS = 1000
DEFAULT = "site-a-00321"
LOCAL_DISK = "Boot from local disk (installs nothing)"
DETECT = "Detect this machine and install its host"
ASKS = "Enter username:"
KNOWN = ("-smbios", "type=1,serial=PC00021")


def grouped(
    once: Once,
    base: Path,
    name: str,
    hosts: int,
    a_group: int,
    *,
    default_host: str | None = None,
    auto: bool = False,
    password_hash: str = "",
) -> Path:
    """An ISO of so many ``hosts``, in groups of ``a_group``."""

    def lay_out(baremetal: Path) -> None:
        large_fleet(baremetal, hosts, a_group=a_group)

    return built(
        once,
        base,
        name,
        lay_out,
        selection=EVERY_HOST,
        default_host=default_host,
        auto=auto,
        password_hash=password_hash,
    )


@pytest.fixture(scope="session")
def large(once: Once, bootable_base: Path) -> Path:
    """An ISO of a thousand hosts, a group of 200 among them."""
    return grouped(once, bootable_base, "large", HOSTS, 200, default_host=DEFAULT)


@pytest.fixture(scope="session")
def guarded(once: Once, bootable_base: Path) -> Path:
    """An ISO with a menu password, of hosts that are just too many for a flat menu."""
    password_hash = hashed("open sesame", salt=b"salt" * 4, rounds=1000)
    return grouped(once, bootable_base, "guarded", 30, 15, password_hash=password_hash)


def on_bios(iso: Path, *, menu_path: tuple[str, ...] = (), machine: tuple[str, ...] = (), says: str = "") -> BootResult:
    """What is result of ``iso`` on a stick; ``says`` is what is waited for."""
    spec = BootSpec(
        iso=iso,
        firmware=Firmware.BIOS,
        medium=Medium.USB,
        menu_path=menu_path,
        extra_qemu_args=machine,
        local_disk_text=says,
    )
    return boot(spec)


def facts(iso: Path, number: int) -> HostFacts:
    return manifest_of(iso).hosts[number - 1]


def test_a_host_in_the_middle_is_reached_through_its_submenus(large: Path) -> None:
    host = facts(large, 550)
    assert len(host.submenu) == 2
    menu_path = (*host.submenu, host.title)
    result = boot(BootSpec(iso=large, firmware=Firmware.SECUREBOOT, medium=Medium.CD, menu_path=menu_path))
    default = facts(large, 321)
    assert result.menu.highlighted == default.title + BY_ITSELF
    assert result.menu.titles[2:5] == (LOCAL_DISK, DETECT, "rack_1: 200 hosts, site-a-00001 to site-a-00200")
    assert result.report
    assert result.report.secure_boot == "on"
    assert result.report.kernel_line == f"BOOT_IMAGE={host.kernel} {host.kernel_line}"
    assert result.report.seed["user-data"] == host.user_data_sha256


def test_a_machine_that_the_menu_knows_is_installed_from_the_top_of_it(large: Path) -> None:
    host = facts(large, 777)
    result = on_bios(large, machine=("-smbios", "type=1,serial= pc00777 "))
    assert result.menu.countdown
    assert is_entry("This machine: serial pc00777 -> site-a-00777", result.menu.titles[0])
    assert result.menu.highlighted == result.menu.titles[1] == host.title + THIS_MACHINE
    assert result.report
    assert result.report.kernel_line == f"BOOT_IMAGE={host.kernel} {host.kernel_line}"
    assert result.report.seed["user-data"] == host.user_data_sha256


def test_with_auto_an_unknown_machine_detects_itself_from_the_top_of_the_menu(once: Once, bootable_base: Path) -> None:
    result = on_bios(grouped(once, bootable_base, "many-groups", 30, 2, auto=True))
    assert result.menu.titles[1] == LOCAL_DISK
    assert result.menu.highlighted == result.menu.titles[2] == DETECT
    assert result.report
    assert result.report.seed_folder == "/cdrom/nocloud/isoforge-detect/"


def test_a_menu_password_is_asked_for_by_submenu_and_shortcut(guarded: Path) -> None:
    assert on_bios(guarded, menu_path=facts(guarded, 20).submenu, says=ASKS).fallback_message == ASKS
    result = on_bios(guarded, machine=KNOWN, says=ASKS)
    assert result.menu.highlighted == facts(guarded, 21).title + THIS_MACHINE
    assert result.fallback_message == ASKS


def test_the_installed_system_comes_before_the_shortcut_and_needs_no_password(guarded: Path, tmp_path: Path) -> None:
    disk = ext4_disk(tmp_path, f"/isoforge/{manifest_of(guarded).build_id}-site-a-00021")
    result = on_bios(guarded, machine=(*disk, *KNOWN), says=ASKS)
    assert result.menu.highlighted == result.menu.titles[1] == "Boot the installed system (this build installed it)"
    assert is_entry(facts(guarded, 21).title, result.menu.titles[2])
    assert "No bootable device" in result.fallback_message
