"""Menus that start something else than the manifest promises: each is found, and what is harmless is accepted."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from isoforge.proof.read.image import Image
from isoforge.proof.verify import menu_start
from isoforge.proof.verify.case import Case
from isoforge.proof.verify.check import Answer
from tests.iso import mutation as m

FIRST, SECOND = "site-a-m710q1", "site-a-m710q2"
ABOUT, HEADING, LOOKUP = "\nmenuentry 'About", '\nmenuentry "$isoforge_heading"', "\nisoforge_find\n"
SHADOW = "/boot/grub/x86_64-efi/grub.cfg"
INSTALLS = rf"linux /casper/vmlinuz $a ds=nocloud\;s=/cdrom/nocloud/{SECOND}/ ---"
DISK = "--id local-disk --unrestricted {\n\tisoforge_start_local"


def answer(iso: Path, **facts: Any) -> Answer:
    """The answer of the check; ``facts`` are keys of the manifest that have other values."""
    with Image(iso) as image:
        manifest = image.manifest
        return menu_start.start(Case(iso=image, manifest=manifest and replace(manifest, **facts)))


def found(iso: Path) -> str:
    return "\n".join(answer(iso).faults)


def before(place: str, text: str) -> Callable[[Path], None]:
    return lambda iso: m.menu(iso, place, f"\n{text}{place}")


def in_machine_file(old: str, new: str) -> Callable[[Path], None]:
    return lambda iso: m.rewrite(iso, "/isoforge/machines/serial/p1.cfg", old, new)


STARTS_SECOND = "expected local-disk"
MUTATIONS: dict[str, tuple[Callable[[Path], object], str]] = {
    "second default": (before(ABOUT, f"set default=host-{SECOND}"), STARTS_SECOND),
    "second default behind the last entry": (before(ABOUT, "set default=99"), "'99' is not an entry of the menu"),
    "default that is no entry": (before(ABOUT, "default=nothing"), "'nothing' is not an entry of the menu"),
    "default by its number": (before(ABOUT, "set default=3"), STARTS_SECOND),
    "default in if true": (before(ABOUT, f"if true; then set default=host-{SECOND}; fi"), STARTS_SECOND),
    "default in if not false": (before(ABOUT, f"if ! false; then set default=host-{SECOND}; fi"), STARTS_SECOND),
    "default by a variable": (before(ABOUT, f"d=default\nset $d=host-{SECOND}"), STARTS_SECOND),
    "default by a loop": (before(ABOUT, f"for default in local-disk host-{SECOND}; do true; done"), STARTS_SECOND),
    "default by eval": (before(ABOUT, f'eval "set default=host-{SECOND}"'), STARTS_SECOND),
    "default on UEFI only": (
        before(ABOUT, f"if [ $grub_platform = efi ]; then default=host-{SECOND}; fi"), "UEFI, a machine",
    ),
    "default for one machine only": (
        before(ABOUT, f'if [ "$isoforge_serial" = pc0exmp1 ]; then default=host-{SECOND}; fi'),
        f"the machine of {FIRST} (and 3 other cases): GRUB starts",
    ),
    "second timeout": (before(ABOUT, "set timeout=0"), "after 0 s, expected after 15 s"),
    "timeout that never ends": (before(ABOUT, "unset timeout"), "expected after 15 s"),
    "countdown that nobody sees": (
        lambda iso: m.menu(iso, "set timeout_style=menu", "timeout_style=hidden"), "timeout_style is 'hidden'",
    ),
    "timeout by a function": (before(HEADING, "function f {\n\ttimeout=$1\n}\nf 1"), "expected after 15 s"),
    "stamp that is not looked for": (
        lambda iso: m.menu(iso, "set default=installed", "true"),
        f"the machine of {FIRST} that is installed already (and 1 other case): GRUB starts",
    ),
    "stamp of any other build": (
        lambda iso: m.menu(iso, "/boot/isoforge", "/boot/isoforgf"), "that is installed already",
    ),
    "wait before the menu": (before(ABOUT, "sleep --interruptible 30"), "after 45 s, expected after 15 s"),
    "modules looked for elsewhere": (
        before(ABOUT, "set prefix=(hd0)/boot/grub"), "sets prefix to '(hd0)/boot/grub': GRUB does not find its modules",
    ),
    "modules not looked for": (before(ABOUT, "unset prefix"), "sets prefix to None"),
    "password that the manifest does not have": (
        before(ABOUT, "set superusers=x\npassword x y"), "asks for a password after 15 s",
    ),
    "fallback": (before(ABOUT, "set fallback=3"), "sets fallback to '3'"),
    "entry that installs by a variable": (
        lambda iso: m.menu(iso, DISK, DISK.replace("isoforge_start_local", f"a=autoinstall\n\t{INSTALLS}\n\tboot")),
        "which boots /casper/vmlinuz",
    ),
    "function of the local disk defined again": (
        before(HEADING, f"function isoforge_start_local {{\n\ta=autoinstall\n\t{INSTALLS}\n\tboot\n}}"),
        "which boots /casper/vmlinuz",
    ),
    "function of the look-up defined again": (
        before(LOOKUP, f"function isoforge_fits {{\n\tset isoforge_host={SECOND}\n}}"),
        f"expected the entry of {FIRST}",
    ),
    "another field of SMBIOS": (
        lambda iso: m.menu(iso, '"$isoforge_type_1" string 7', '"$isoforge_type_1" string 5'),
        f"expected the entry of {FIRST}",
    ),
    "values that are not normalised": (
        lambda iso: m.menu(iso, "if regexp '[A-Z]'", "if regexp '[#]'"), f"the machine of {FIRST}, in capitals",
    ),
    "placeholder that is a value": (
        lambda iso: m.menu(iso, "set isoforge_text=; fi\n\tdone", f"default=host-{SECOND}; fi\n\tdone"),
        "a machine whose values are",
    ),
    "machine of another host": (
        in_machine_file(f"isoforge_fits {FIRST} 1", f"isoforge_fits {SECOND} 2"), f"expected the entry of {FIRST}",
    ),
    "machine by the opposite": (in_machine_file(" = ", " != "), f"expected the entry of {FIRST}"),
    "machine that is never found": (in_machine_file("isoforge_fits", "true"), f"expected the entry of {FIRST}"),
    "host whose entry boots another seed": (
        lambda iso: m.menu(iso, f"/nocloud/{FIRST}/", f"/nocloud/{SECOND}/"), f"the entry of {FIRST} boots with",
    ),
    "kernel line that a variable changes": (
        lambda iso: m.menu(iso, "nopersistent", "$isoforge_x"), f"the entry of {FIRST} boots with",
    ),
    "another entry that installs": (
        before(ABOUT, f"menuentry x {{\n\ta=autoinstall\n\t{INSTALLS}\n\tinitrd /casper/initrd\n}}"),
        "the entry 'x' installs a machine, but belongs to no host",
    ),
    "command that is not known": (before(ABOUT, "frobnicate"), "frobnicate is not a command that is known here"),
    "decision that depends on the machine": (
        before(ABOUT, "if [ $lockdown = y ]; then timeout=0; fi"), "the value of $lockdown depends on the machine",
    ),
    "decision by a key": (before(ABOUT, "if keystatus --shift; then timeout=0; fi"), "cannot be evaluated"),
    "loop without end": (before(ABOUT, "while true; do true; done"), "more than 100000 commands"),
    "value without end": (before(ABOUT, "a=aa\nwhile true; do a=$a$a; done"), "more than 65536 characters"),
    "syntax error": (before(ABOUT, "if true; then"), "syntax error"),
    "error on the screen": (before(ABOUT, "smbios --type 2 --get-string 7"), "GRUB prints error: no structure matched"),
    "missing file in another menu": (before(ABOUT, "configfile /boot/grub/loopback.cfg"), "expected after 15 s"),
    "timeout in the menu for other GRUBs": (
        lambda iso: m.rewrite(iso, "/boot/grub/loopback.cfg", "export iso_path\n", "set timeout=0\n"),
        "expected to wait for a key",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTATIONS)
def test_what_starts_something_else_is_found(good: Path, tmp_path: Path, name: str) -> None:
    change, words = MUTATIONS[name]
    iso = m.with_manifest(good, tmp_path / "changed.iso")
    change(iso)
    assert words in found(iso)


def test_errors_that_menus_of_earlier_versions_print_are_remarks(good: Path, tmp_path: Path) -> None:
    iso = m.with_manifest(good, tmp_path / "changed.iso")
    m.menu(iso, ABOUT, f"\nsmbios --type 2 --get-string 7{ABOUT}")
    result = answer(iso, isoforge_version="0.1.0")
    assert result.faults == ()
    assert "GRUB prints error: no structure matched the given options" in "\n".join(result.remarks)


def test_a_menu_that_should_ask_for_a_password_and_does_not_is_found(good: Path) -> None:
    faults = "\n".join(answer(good, menu_password=True).faults)
    assert f"the machine of {FIRST} (and 3 other cases): the entry of {FIRST} asks for no password" in faults


HARMLESS = {
    "comment": "# set timeout=0",
    "condition that never holds": "if false; then set timeout=0; fi",
    "condition that is turned round": "if ! true; then set timeout=0; fi",
    "same timeout again": "set timeout=15",
    "function that nobody calls": "menu_color_normal=white/blue",
    "wait in an entry": "menuentry z {\n\tsleep 30\n}",
    "prefix again": "set prefix=(cd0)/boot/grub",
    "value in a block": "menuentry z {\n\tset timeout=0\n}",
    "look-up on another machine": 'if [ "$isoforge_serial" = someone-else ]; then timeout=0; fi',
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_changes_nothing_is_accepted(good: Path, tmp_path: Path, name: str) -> None:
    iso = m.with_manifest(good, tmp_path / "changed.iso")
    m.menu(iso, ABOUT, f"\n{HARMLESS[name]}{ABOUT}")
    assert found(iso) == ""


FILES = {
    "menu that shadows with an empty one": ({SHADOW: "true\n"}, "UEFI, a machine", "GRUB shows no menu"),
    "menu that shadows and leads to another": (
        {SHADOW: "configfile /boot/grub/loopback.cfg\n"}, "UEFI, a machine", "expected after 15 s",
    ),
    "menu that shadows and changes the timeout": (
        {SHADOW: "source /boot/grub/grub.cfg\nset timeout=0\n"}, "UEFI, a machine", "after 0 s",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_menu_that_shadows_is_followed(good: Path, tmp_path: Path, name: str) -> None:
    files, *words = FILES[name]
    iso = m.remaster(good, tmp_path / "changed.iso", files)
    assert all(each in found(iso) for each in words)
    assert "BIOS" not in found(iso)


def test_a_menu_that_shadows_and_leads_on_to_the_menu_is_accepted(good: Path, tmp_path: Path) -> None:
    files = {SHADOW: "source /boot/grub/grub.cfg\n"}
    assert found(m.remaster(good, tmp_path / "changed.iso", files)) == ""


def test_a_file_that_the_menu_sources_is_followed(good: Path, tmp_path: Path) -> None:
    text = good.with_name("copy.iso")
    shutil.copyfile(good, text)
    m.menu(text, ABOUT, f"\nsource /isoforge/more.cfg{ABOUT}")
    assert found(text) == ""
    iso = m.remaster(text, tmp_path / "changed.iso", {"/isoforge/more.cfg": "set timeout=0\n"})
    assert "after 0 s, expected after 15 s" in found(iso)


@pytest.mark.parametrize(
    ("menu", "fault", "remark"),
    [
        ("set timeout=5\nset default=7\n@", "the default '7' is not an entry of the menu", ""),
        ("set timeout=5\nset default=1\n@", "", "BIOS starts 'two' after 5 s: it installs without asking"),
        ("set timeout=5\n@", "", ""),
        ("@set default=1", "", ""),
        ("set timeout=5\nfrobnicate\n@", "", "not evaluated: /boot/grub/grub.cfg:2: frobnicate"),
        ("if true; then", "GRUB shows no menu", "not evaluated"),
        ("while true; do true; done\n@", "", "more than 100000 commands"),
    ],
)  # fmt: skip
def test_of_other_peoples_menus_only_a_default_without_an_entry_is_a_fault(
    noble: Path, tmp_path: Path, menu: str, fault: str, remark: str
) -> None:
    entry = "menuentry {} {{\n linux /casper/vmlinuz {} ---\n initrd /casper/initrd\n}}\n"
    text = menu.replace("@", entry.format("one", "quiet") + entry.format("two", "autoinstall"))
    iso = m.remaster(noble, tmp_path / "other.iso", {m.MENU: text})
    result = answer(iso)
    assert fault in "\n".join(result.faults)
    assert bool(result.faults) == bool(fault)
    assert remark in "\n".join(result.remarks)
    assert bool(result.remarks) == bool(remark)
