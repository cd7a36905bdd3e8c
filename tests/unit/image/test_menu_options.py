"""The options of the menu: serial ports, order, colours, a hidden menu, and the check of the medium."""

from __future__ import annotations

from dataclasses import replace

import pytest

from isoforge.image.base import BaseIso
from isoforge.image.colors import MenuColors
from isoforge.image.entry import MenuEntry
from isoforge.image.menu import grub_cfg, loopback_cfg
from isoforge.image.serial_ports import HOSTS_A_PATTERN, serial_ports, shared_console
from isoforge.proof.read.grub import read_grub
from tests.unit.image.conftest import GA
from tests.unit.image.test_menu import Q1, Q2, menu

S1 = replace(Q1, serial_console="ttyS1,115200")


def test_the_serial_console_is_the_last_console_behind_the_dashes() -> None:
    assert S1.kernel_line.endswith(" --- console=tty0 console=ttyS1,115200")
    kept = replace(S1, kept=("quiet", "console=tty0", "mitigations=off"))
    assert kept.kernel_line.endswith(" --- quiet console=tty0 mitigations=off console=ttyS1,115200")
    assert Q1.kernel_line.endswith(" ---")


@pytest.mark.parametrize(
    ("console", "port"),
    [
        ("ttyS0", (0, "")),
        ("ttyS1,115200", (1, "--speed=115200")),
        ("ttyS3,9600e7", (3, "--speed=9600 --parity=even --word=7")),
        ("ttyAMA0,115200", None),
        ("ttyS4,115200", None),
        ("", None),
    ],
)
def test_grub_gets_the_ports_that_it_can_drive(console: str, port: tuple[int, str] | None) -> None:
    ports = list(serial_ports([replace(Q1, serial_console=console)]))
    assert [(one.unit, one.options) for one in ports] == ([port] if port else [])
    assert shared_console([replace(Q1, serial_console=console)]) == console


def test_hosts_with_other_ports_are_told_apart_by_name() -> None:
    many = [MenuEntry(host=f"web.{number}", description="", kernel=GA, serial_console="ttyS0") for number in range(250)]
    (port,) = serial_ports([*many, Q1])
    assert len(port.hosts) == -(-250 // HOSTS_A_PATTERN)
    assert port.hosts[0].startswith("^(web[.]0|web[.]1|")
    assert shared_console([*many, Q1]) == ""


def test_the_port_is_opened_for_its_host_only_unless_all_hosts_have_it(base: BaseIso) -> None:
    shared = grub_cfg(replace(menu(S1), signed_serial=True), base)
    assert 'if [ "x$isoforge_serial_port" = xyes ]; then\n\tserial --unit=1 --speed=115200\n' in shared
    own = grub_cfg(menu(S1, Q2), base)
    assert "isoforge_serial_port=\n" in own
    assert 'regexp \\^\\(site-a-m710q1\\)\\$ "$isoforge_host"' in own
    assert "serial --unit" not in grub_cfg(menu(Q1, Q2), base)


def test_colours_and_a_hidden_menu(base: BaseIso) -> None:
    plain = read_grub(grub_cfg(menu(Q1), base)).variables
    assert (plain["timeout_style"], plain["menu_color_normal"]) == (("menu",), ("white/black",))
    changed = read_grub(grub_cfg(replace(menu(Q1), colors=MenuColors.AMBER, hidden=True), base)).variables
    assert (changed["timeout_style"], changed["menu_color_highlight"]) == (("hidden",), ("black/brown",))


def test_the_medium_can_be_checked(base: BaseIso) -> None:
    with_sums = replace(base, md5sums="0  ./x\n")
    for text, extra in (
        (grub_cfg(menu(Q1), with_sums), []),
        (loopback_cfg(menu(Q1), with_sums), ["iso-scan/filename=${iso_path}"]),
    ):
        (entry,) = [one for one in read_grub(text).entries if one.entry_id == "check-medium"]
        assert list(entry.linux[1:]) == ["nopersistent", f"uuid={menu().medium}", *extra, "---"]
    assert "check-medium" not in grub_cfg(menu(Q1), base)


def test_a_title_of_its_own_is_one_line(base: BaseIso) -> None:
    entry = replace(Q1, fixed_title="Rack 1\nslot 2")
    assert "\n" not in entry.title
    assert entry.title in [one.title for one in read_grub(grub_cfg(menu(entry), base)).entries]
