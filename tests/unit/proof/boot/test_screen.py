"""GRUB's menu is read from what comes over the serial port, however it is cut into pieces."""

from __future__ import annotations

import pytest

from isoforge.proof.boot.qemu import Firmware
from isoforge.proof.boot.screen import Menu, Screen, is_entry, printed_errors, read_menu

FRAMED = """\
                 GNU GRUB  version 2.12

 ┌────────────────────────────────┐
 │ Boot from local disk           │
 │*Install web-1                  │
 │ Install web-2 with a long na.. │↓
 │                                │
 └────────────────────────────────┘

      Use the ↑ and ↓ keys to select which entry is highlighted.
   The highlighted entry will be executed automatically in 12s.
""".splitlines()

TITLES = ("Boot from local disk", "Install web-1", "Install web-2 with a long na..")


def test_rows_of_the_frame_are_the_entries_and_the_star_marks_one() -> None:
    assert read_menu(FRAMED) == Menu(titles=TITLES, highlighted="Install web-1", countdown=True)


def test_without_a_countdown_the_menu_waits() -> None:
    menu = read_menu(FRAMED[:-1])
    assert menu
    assert not menu.countdown


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["BdsDxe: loading Boot0001"],
        [line.replace("*", " ") for line in FRAMED],
        FRAMED[:6],
        [line.replace(" Boot", "*Boot") for line in FRAMED],
    ],
    ids=["nothing", "firmware", "no highlight", "half a frame", "two highlights"],
)
def test_what_is_no_finished_menu_is_none(lines: list[str]) -> None:
    assert read_menu(lines) is None


def test_a_title_that_grub_cut_is_known_by_its_start() -> None:
    assert is_entry("Install web-2 with a long name", TITLES[2])
    assert is_entry("Install web-1", "Install web-1")
    assert is_entry("Install web-1", "Install web-1 (this machine)")
    assert is_entry("Install web-1", "Install web-1 (starts by itse→")
    assert not is_entry("Install web-1", "Install web-1 (starts by itse")
    assert not is_entry("Install web-10", "Install web-1")
    assert not is_entry("Install web-3 with a long name", TITLES[2])


def ovmf_menu(encoding: str) -> bytes:
    """A menu as OVMF sends it: positions, colors, and column 105 written as ``:5``."""
    wide = 104
    rows = [b"BdsDxe: starting\r\n\x1b[2J\x1b[01;01H\x1b[04;02H" + f"┌{'─' * wide}┐".encode(encoding)]
    side = "│".encode(encoding)
    for row, text in enumerate((b"*First", b" Second"), start=5):
        middle = b"\x1b[0m\x1b[30m\x1b[47m" + text.ljust(wide)
        rows.append(b"\x1b[%02d;02H" % row + side + middle + b"\x1b[%02d;:7H" % row + side)
    rows.append(b"\x1b[07;02H" + f"└{'─' * wide}┘".encode(encoding) + b"\x1b[05;:6H")
    return b"".join(rows)


@pytest.mark.parametrize("encoding", ["cp437", "utf-8"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 16, 4096])
def test_ovmfs_screen_is_read_whatever_its_encoding_and_in_whatever_pieces(size: int, encoding: str) -> None:
    screen = Screen(Firmware.SECUREBOOT)
    raw = ovmf_menu(encoding)
    for start in range(0, len(raw), size):
        screen.feed(raw[start : start + size])
    assert screen.menu() == Menu(titles=("First", "Second"), highlighted="First", countdown=False)


def test_seabios_sends_its_frame_in_utf_8() -> None:
    screen = Screen(Firmware.BIOS)
    text = "\x1b[2J\x1b[01;01H" + "\r\n".join(["┌────────┐", "│*Entry  │", "└────────┘"])
    for byte in text.encode():
        screen.feed(bytes([byte]))
    assert screen.menu() == Menu(titles=("Entry",), highlighted="Entry", countdown=False)


def test_a_menu_on_arm64_has_a_frame_of_ascii_characters() -> None:
    screen = Screen(Firmware.SECUREBOOT)
    screen.feed(
        b"\x1b[2J\x1b[01;01H" + b"\r\n".join([b" /--------\\", b" | First  |", b" |*Second |", b" \\--------/"])
    )
    assert screen.menu() == Menu(titles=("First", "Second"), highlighted="Second", countdown=False)


def test_errors_that_grub_prints_are_read_each_once_and_those_of_the_kernel_are_not() -> None:
    printed = "Booting\r\n\x1b[37m\x1b[40merror: no such device: /x.\r\n\rerror: no such device: /x.\r\n"
    assert printed_errors(printed) == ["error: no such device: /x."]
    assert printed_errors("error: a.\r\n\x1b[2J[    0.0] Linux version 6.8\r\nerror: b.\r\n") == ["error: a."]
    assert printed_errors("error: file `/boot/' not found.\r\nerror: file `/boot/x' not found.\r\n") == [
        "error: file `/boot/x' not found."
    ]
    assert printed_errors("BdsDxe: Error: Image\r\n0 errors\r\n") == []


def test_modules_that_secure_boot_refuses_are_not_counted() -> None:
    printed = "error: prohibited by secure boot policy.\r\nerror: no such device: /x.\r\n"
    assert printed_errors(printed) == ["error: no such device: /x."]
