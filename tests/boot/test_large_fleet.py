"""A thousand hosts on one ISO: the menu is there within seconds, leads to each of them and knows each machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from isoforge.forge import multi
from isoforge.image.entry import BY_ITSELF, THIS_MACHINE
from isoforge.order import Order
from isoforge.proof.boot import Trial, boot
from isoforge.proof.machine import Firmware, Medium
from isoforge.proof.manifest import HostFacts
from isoforge.proof.screen import names
from scripts.large_fleet import large_fleet
from tests.boot.conftest import manifest_of
from tests.conftest import Once

pytestmark = pytest.mark.boots

HOSTS = 1000
DEFAULT = "site-a-00321"
LOCAL_DISK = "Boot from local disk (installs nothing)"


@pytest.fixture(scope="session")
def large(once: Once, bootable_base: Path) -> Path:
    """An ISO of a thousand hosts, a group of 200 among them."""

    def make(folder: Path) -> None:
        large_fleet(folder / "baremetal", HOSTS, a_group=200)
        order = Order(
            baremetal=folder / "baremetal",
            every_host=True,
            base_iso=bootable_base,
            name="large",
            default_host=DEFAULT,
            timeout_s=5,
            render=True,
            folder=folder / "iso",
        )
        multi(order)

    return once("large-boot", make) / "iso/ubuntu-autoinstall-large.iso"


def facts(iso: Path, number: int) -> HostFacts:
    return manifest_of(iso).hosts[number - 1]


def test_a_host_in_the_middle_is_reached_through_its_submenus(large: Path) -> None:
    host = facts(large, 550)
    assert len(host.submenu) == 2
    choose = (*host.submenu, host.title)
    seen = boot(Trial(iso=large, firmware=Firmware.SECUREBOOT, medium=Medium.CD, choose=choose))
    default = facts(large, 321)
    assert seen.menu.highlighted == default.title + BY_ITSELF
    assert seen.menu.titles[2:4] == (LOCAL_DISK, "rack_1: 200 hosts, site-a-00001 to site-a-00200")
    assert seen.report
    assert seen.report.secure_boot == "on"
    assert seen.report.kernel_line == f"BOOT_IMAGE={host.kernel} {host.kernel_line}"
    assert seen.report.seed["user-data"] == host.user_data_sha256


def test_a_machine_that_the_menu_knows_is_installed_from_the_top_of_it(large: Path) -> None:
    host = facts(large, 777)
    trial = Trial(
        iso=large,
        firmware=Firmware.BIOS,
        medium=Medium.USB,
        extra_qemu_args=("-smbios", "type=1,serial= pc00777 "),
    )
    seen = boot(trial)
    assert seen.menu.counting
    assert names("This machine: serial pc00777 -> site-a-00777", seen.menu.titles[0])
    assert seen.menu.highlighted == seen.menu.titles[1] == host.title + THIS_MACHINE
    assert seen.report
    assert seen.report.kernel_line == f"BOOT_IMAGE={host.kernel} {host.kernel_line}"
    assert seen.report.seed["user-data"] == host.user_data_sha256
