"""Menus of official ISOs (tests/unit/image/menus): what is kept of their kernel lines, on every machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from isoforge.image.base import BaseIso
from isoforge.image.entry import MenuEntry
from isoforge.image.kernel_variables import Setting, setting_of
from isoforge.image.menu import Menu, grub_cfg, loopback_cfg, menu_files
from isoforge.image.submenus import FLAT, in_menu_order
from isoforge.proof.read.grub import read_grub
from isoforge.proof.read.grub_machine import Machine, Medium, Structure
from isoforge.proof.read.grub_menu import Start, evaluate, every_entry, first_state
from tests.unit.image.conftest import GA, HWE

MENUS = Path(__file__).parent / "menus"
SERVER, DESKTOP_ARM64, SERVER_ARM64 = (
    (MENUS / f"{name}.cfg").read_text()
    for name in ("24.04.4-server-amd64", "24.04.4-desktop-arm64", "26.04-server-arm64")
)
SYSTEM = Structure(kind=1, length=27, strings={7: "PC0EXMP1"}, uuid="")
END = Structure(kind=127, length=4, strings={}, uuid="")
WORDS = "clk_ignore_unused pd_ignore_unused arm64.nopauth"


def processor(name: str | None) -> Structure:
    return Structure(kind=4, length=48, strings={5: name} if name else {}, uuid="")


MACHINES: Mapping[str, tuple[tuple[Structure, ...], str]] = {
    "no SMBIOS": ((), ""),
    "no processor": ((SYSTEM, END), ""),
    "a processor without a name": ((SYSTEM, processor(None), END), ""),
    "another processor": ((SYSTEM, processor("Cortex-A72"), END), ""),
    "a Snapdragon": ((SYSTEM, processor("Snapdragon(R) X Elite"), END), WORDS),
    "a second processor": ((SYSTEM, processor("Cortex-A72"), processor("Snapdragon(R) X"), END), ""),
}


def entries(base: BaseIso, count: int) -> Menu:
    hosts = [
        MenuEntry(host=f"site-a-{number}", description="", kernel=GA, group="a", variables=base.variables(GA))
        for number in range(1, count + 1)
    ]
    return Menu(
        name="n", build_id="0123456789ab", entries=in_menu_order(hosts), default_host=None, timeout_s=15, about=()
    )


@pytest.mark.parametrize(
    ("menu", "ga", "hwe"),
    [
        (SERVER, ((), ()), ((), ())),
        (DESKTOP_ARM64, ((), ("quiet", "splash", "console=tty0")), ((), ())),
        (SERVER_ARM64, (("cmdline",), ("console=tty0",)), (("cmdline",), ("console=tty0",))),
    ],
    ids=["server", "desktop-arm64", "server-arm64"],
)
def test_the_words_that_an_entry_keeps_are_those_of_the_menus_own(
    base: BaseIso, menu: str, ga: tuple[object, object], hwe: tuple[object, object]
) -> None:
    base = replace(base, menu=menu)
    assert (base.variables(GA), base.kept_words(GA)) == ga
    assert (base.variables(HWE), base.kept_words(HWE)) == hwe


def test_menus_of_official_isos_are_read_whole() -> None:
    titles = {
        menu: [entry.title for entry in read_grub(menu).entries] for menu in (SERVER, DESKTOP_ARM64, SERVER_ARM64)
    }
    assert titles[SERVER][1:] == [
        "Ubuntu Server with the HWE kernel", "Boot from next volume", "UEFI Firmware Settings", "Test memory",
    ]  # fmt: skip
    assert titles[DESKTOP_ARM64] == ["Try or Install Ubuntu", "Boot from next volume", "UEFI Firmware Settings"]
    assert len(titles[SERVER_ARM64]) == 4
    assert all(read_grub(menu).problems == () for menu in titles)


@pytest.mark.parametrize("menu", [SERVER, DESKTOP_ARM64])
def test_a_menu_that_sets_nothing_changes_nothing(base: BaseIso, menu: str) -> None:
    assert setting_of(menu) == Setting()
    assert "cmdline" not in grub_cfg(entries(replace(base, menu=menu), 2), replace(base, menu=menu))


@pytest.mark.parametrize("count", [2, FLAT + 2])
@pytest.mark.parametrize("name", MACHINES)
def test_a_host_boots_with_the_words_of_its_machine_and_grub_prints_no_error(
    base: BaseIso, name: str, count: int
) -> None:
    structures, words = MACHINES[name]
    base = replace(base, menu=SERVER_ARM64)
    menu = entries(base, count)
    lines = {tuple(begun.words) for begun in begun_by(base, menu, structures) if "autoinstall" in begun.words}
    assert lines == {
        (str(GA.vmlinuz), *" ".join([entry.kernel_line.split(" ---")[0], words, "---"]).split())
        for entry in menu.entries
    }
    assert all("---" in begun.words for begun in begun_by(base, menu, structures) if begun.how == "linux")


def begun_by(base: BaseIso, menu: Menu, structures: tuple[Structure, ...]) -> list[Start]:
    """What each entry of the menu starts on a machine with that SMBIOS table."""
    texts = menu_files(menu, base)
    paths = dict.fromkeys((*texts, GA.vmlinuz, GA.initrd, HWE.vmlinuz, HWE.initrd), "file")
    paths |= {PurePosixPath(f"/isoforge/build-{menu.build_id}"): "file"}
    folders = {parent: "directory" for path in paths for parent in path.parents}
    medium = Medium(device="cd0", paths=folders | paths, read=lambda path: texts[path])
    machine = Machine(platform="efi", cpu="arm64", structures=structures)
    evaluation = evaluate(first_state(machine, medium), "/boot/grub/grub.cfg")
    assert structures == () or evaluation.errors == ()
    started = list(every_entry(evaluation.state))
    assert all(state.errors == [] for _, state in started)
    return [begun for begun, _ in started]


def test_started_from_a_file_the_entries_are_without_it(base: BaseIso) -> None:
    base = replace(base, menu=SERVER_ARM64)
    assert "$cmdline" not in loopback_cfg(entries(base, 2), base)


@pytest.mark.parametrize(
    "changed",
    [
        SERVER_ARM64.replace("--get-string 5 --set", "--get-uuid 8 --set"),
        SERVER_ARM64.replace(" --set proc_version", ""),
        SERVER_ARM64.replace("\nfi\n", "\n", 1),
    ],
    ids=["another-getter", "printed", "open-if"],
)
def test_a_setting_in_an_unknown_form_is_left_to_the_base_menu_with_a_warning(
    changed: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert setting_of(changed) == Setting()
    assert "in an unknown way" in caplog.text
