"""The menu: what GRUB reads, and what the kernel gets."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from isoforge.image.base import BaseIso
from isoforge.image.entry import MenuEntry
from isoforge.image.layouts import AMD64, ARM64_GPT, Layout
from isoforge.image.match import Match
from isoforge.image.menu import Menu, grub_cfg, loopback_cfg, menu_files, on_this_medium
from isoforge.image.submenus import FLAT, in_menu_order
from isoforge.iso_layout import GRUB_CFG, TITLE_LIMIT
from isoforge.plan import with_build_id
from isoforge.proof.read.grub import read_grub
from isoforge.proof.read.grub_machine import Machine, Medium
from isoforge.proof.read.grub_menu import evaluate, first_state
from isoforge.templates import grub_word, one_line
from tests.unit.image.conftest import GA, HWE

GOLDEN = Path(__file__).parents[2] / "golden/menu"


def menu(*entries: MenuEntry, default_host: str | None = None) -> Menu:
    written = Menu(
        name="prod-2025-03",
        build_id="",
        entries=entries,
        default_host=default_host,
        timeout_s=15,
        about=("what is on it",),
        placeholders=("not specified", "n/a"),
        placeholder_patterns=("[0 .:_-]*",),
    )
    return with_build_id(written, "0123456789ab")


MEDIUM = menu().medium


UUIDS = ("4c4c4544-0043-3010-8052-b4c04f564231", "44454c4c-4300-1030-8052-b4c04f564231")
SERIAL = Match(texts=(("serial", ("it's pf0abc2",)), ("uuid", UUIDS)))
Q1 = MenuEntry(host="site-a-m710q1", description="rack A, slot 1", kernel=GA, match=SERIAL)
Q2 = MenuEntry(host="site-a-m710q2", description='the "other" one; $HOME', kernel=HWE, args=("console=ttyS0,115200n8",))


def kernel_lines(config: str) -> list[str]:
    return [" ".join(entry.linux) for entry in read_grub(config).entries if entry.linux]


FEW = menu(Q1, Q2, default_host="site-a-m710q1")
MANY = menu(
    *in_menu_order(
        [
            MenuEntry(
                host=f"site-a-{number}",
                description="",
                kernel=GA,
                group="rack_1" if number < 14 else "",
                match=Match(texts=(("product", ("m710q",)),) if number < 3 else (("serial", (f"pc0{number}",)),)),
            )
            for number in range(1, FLAT + 2)
        ]
    ),
    default_host="site-a-7",
)


@pytest.mark.parametrize(("name", "example"), [("few", FEW), ("many", MANY)])
def test_what_grub_reads_is_the_golden_text(base: BaseIso, name: str, example: Menu) -> None:
    """After an intended change: ISOFORGE_WRITE_GOLDEN=1 pytest tests/unit/image/test_menu.py, and read the diff."""
    files = {GOLDEN / name / file.relative_to("/"): text for file, text in menu_files(example, base).items()}
    if os.environ.get("ISOFORGE_WRITE_GOLDEN"):
        for file, text in files.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    assert files.keys() == {file for file in (GOLDEN / name).rglob("*") if file.is_file()}
    for file, text in files.items():
        assert text == file.read_text(), file


def test_without_a_default_host_the_timeout_starts_the_local_disk(base: BaseIso) -> None:
    assert "set default=local-disk\n" in grub_cfg(menu(Q1), base)


@pytest.mark.parametrize(("layout", "shim"), [(AMD64, "shimx64.efi"), (ARM64_GPT, "shimaa64.efi")])
def test_the_local_disk_is_started_with_the_shim_of_its_architecture(base: BaseIso, layout: Layout, shim: str) -> None:
    text = grub_cfg(menu(Q1), replace(base, layout=layout))
    assert set(re.findall(r"shim[a-z0-9]+\.efi", text)) == {shim}
    medium = Medium(
        device="cd0", paths={GRUB_CFG: "file", **dict.fromkeys(GRUB_CFG.parents, "directory")}, read=lambda _path: text
    )
    disks = {"hd0,gpt1": frozenset({f"/EFI/ubuntu/{shim}"})}
    start = evaluate(first_state(Machine(platform="efi", disks=disks), medium), str(GRUB_CFG)).start
    assert start is not None
    assert (start.how, start.words) == ("chainloader", (f"/EFI/ubuntu/{shim}",))


def test_clock_of_the_base_never_runs_in_its_submenu(base: BaseIso) -> None:
    assert grub_cfg(menu(Q1), base).count("set timeout=") == 1


def test_no_word_of_the_base_that_is_no_command_is_left(base: BaseIso) -> None:
    assert "grub_platform\n" in base.menu
    assert "\ngrub_platform\n" not in grub_cfg(menu(Q1), base)


def test_loopback_menu_has_no_clock_of_its_own(base: BaseIso) -> None:
    assert "timeout" not in loopback_cfg(menu(Q1, default_host="site-a-m710q1"), base)


def test_every_loopback_line_tells_casper_the_file(base: BaseIso) -> None:
    lines = kernel_lines(loopback_cfg(menu(Q1, Q2), base))
    assert len(lines) == 3
    assert all(line.endswith(" iso-scan/filename=${iso_path} ---") for line in lines)


def test_kernel_gets_the_seed_whole_and_in_front_of_the_dashes(base: BaseIso) -> None:
    lines = kernel_lines(grub_cfg(menu(Q1), base))
    assert lines[0] == (
        "/casper/vmlinuz autoinstall ds=nocloud;s=/cdrom/nocloud/site-a-m710q1/ nopersistent fsck.mode=skip "
        f"uuid={MEDIUM} ---"
    )


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("\tlinux\t/casper/vmlinuz  ---", "\tlinux\t/casper/vmlinuz uuid=U  ---"),
        ("linux /casper/hwe-vmlinuz", "linux /casper/hwe-vmlinuz uuid=U"),
        ("linux /casper/vmlinuz nomodeset --- quiet splash", "linux /casper/vmlinuz uuid=U nomodeset --- quiet splash"),
        ("linux16 /boot/memtest86+.bin", "linux16 /boot/memtest86+.bin"),
        ("initrd /casper/initrd", "initrd /casper/initrd"),
    ],
)
def test_entries_of_the_base_take_no_other_medium_either(line: str, expected: str) -> None:
    assert on_this_medium(f"{line}\n", "U") == f"{expected}\n"


def test_every_line_that_starts_the_live_system_names_the_medium(base: BaseIso) -> None:
    for text in (grub_cfg(menu(Q1, Q2), base), loopback_cfg(menu(Q1, Q2), base)):
        lines = kernel_lines(text)
        assert len(lines) == 3
        assert all(f" uuid={MEDIUM} " in line.partition("---")[0] for line in lines)


def test_two_builds_are_two_media() -> None:
    assert with_build_id(menu(), "0123456789ac").medium != MEDIUM


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("plain-1.2_3", "plain-1.2_3"),
        ("ds=nocloud;s=/x/", r"ds=nocloud\;s=/x/"),
        ("two words", "'two words'"),
        ("it's mine", r"'it'\''s mine'"),
        ("$(reboot)", r"\$\(reboot\)"),
        ("a}b{c", r"a\}b\{c"),
        ("", "''"),
        ("back\\slash", r"back\\slash"),
        ("line\nbreak", "'line\nbreak'"),
    ],
)
def test_a_word_is_quoted_and_reads_back_as_it_was(text: str, word: str) -> None:
    assert grub_word(text) == word
    assert read_grub(f"linux {word}\n").entries[0].linux == (text,)


def test_title_is_one_line_whatever_the_description_holds() -> None:
    assert one_line("a\nb\t c\x1b[31m") == "a b c [31m"
    assert "\n" not in MenuEntry(host="h", description="x\ny", kernel=GA).title


def test_a_title_is_never_longer_than_grub_can_bear() -> None:
    assert len(MenuEntry(host="h", description="x" * 10_000, kernel=GA).title) == TITLE_LIMIT
