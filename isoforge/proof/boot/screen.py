"""What a machine shows on its text console, and the GRUB menu in it, read from the serial port."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

import pyte

from isoforge.iso_layout import BY_ITSELF, THIS_MACHINE
from isoforge.proof.boot.qemu import Firmware

UNFINISHED = re.compile(r"\x1b\[?[0-9;:?]*\Z")
"""The start of an escape sequence at the end of what has come so far."""

COLUMN_FROM_100 = re.compile(r"\x1b\[(\d+);:(\d)H")
"""OVMF counts columns with two digits: it writes 105 as ``:5``, the character that follows 9 (TerminalConOut.c)."""

MAX_ASCII = 0x7F

UTF_8_FRAME = 0xE2
"""The first byte of every frame character in UTF-8, which SeaBIOS and OVMF since 2023 send; OVMF before: PC-ANSI."""

FRAME_TOP = re.compile(r" *┌─+┐$")
FRAME_BOTTOM = re.compile(r" *└─+┘$")
COUNTDOWN = re.compile(r"executed automatically in \d+s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Menu:
    """A GRUB menu as it stood on the screen: the titles in view, the highlighted one, whether a countdown ran."""

    titles: tuple[str, ...]
    highlighted: str
    counting: bool


class Screen:
    """A terminal of the size that ``firmware`` uses; it is fed what comes over the serial port."""

    def __init__(self, firmware: Firmware) -> None:
        # SeaBIOS mirrors an 80x25 text mode; OVMF positions absolutely in up to 128x40.
        columns, rows = (80, 25) if firmware is Firmware.BIOS else (132, 50)
        self._decoder: codecs.IncrementalDecoder | None = None
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.Stream(self._screen)
        self._held = ""

    def feed(self, chunk: bytes) -> str:
        """Show ``chunk`` and return it as text."""
        text = self._decoded(chunk)
        whole = COLUMN_FROM_100.sub("\x1b[\\1;10\\2H", self._held + text)
        unfinished = UNFINISHED.search(whole)
        cut = unfinished.start() if unfinished else len(whole)
        self._held = whole[cut:]
        self._stream.feed(whole[:cut])
        return text

    def _decoded(self, chunk: bytes) -> str:
        """``chunk`` as text. The first character that is not ASCII tells the encoding: it belongs to GRUB's frame."""
        if self._decoder is None:
            foreign = next((byte for byte in chunk if byte > MAX_ASCII), None)
            if foreign is None:
                return chunk.decode("ascii")
            encoding = "utf-8" if foreign == UTF_8_FRAME else "cp437"
            self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        return self._decoder.decode(chunk)

    def lines(self) -> list[str]:
        """The screen, line by line, without blanks at the ends."""
        return [line.rstrip() for line in self._screen.display]

    def menu(self) -> Menu | None:
        """The GRUB menu that is on the screen; None if there is none, or not yet with a highlighted entry."""
        return read_menu(self.lines())


def read_menu(lines: list[str]) -> Menu | None:
    """The GRUB menu on a screen of ``lines``: the rows of its frame, of which GRUB marks the chosen one with ``*``."""
    tops = [row for row, line in enumerate(lines) if FRAME_TOP.match(line)]
    bottoms = [row for row, line in enumerate(lines) if FRAME_BOTTOM.match(line)]
    if not tops or bottoms[-1:] <= tops[:1]:
        return None
    # An arrow beside the frame says that there is more to see; the frame's own width tells it from a title.
    left = len(lines[tops[0]]) - len(lines[tops[0]].lstrip())
    inside = [line[left + 1 : len(lines[tops[0]]) - 1] for line in lines[tops[0] + 1 : bottoms[-1]]]
    rows = [row for row in inside if row.strip()]
    marked = [row for row in rows if row.startswith("*")]
    if len(marked) != 1:
        return None
    return Menu(
        titles=tuple(row[1:].strip() for row in rows),
        highlighted=marked[0][1:].strip(),
        counting=any(COUNTDOWN.search(line) for line in lines),
    )


def names(title: str, shown: str) -> bool:
    """Whether ``shown``, a row of the menu, is the entry ``title``, with a mark behind it or without.

    GRUB ends a row that is too long with ``..`` or an arrow.
    """
    seen = shown.removesuffix("..").removesuffix("→")
    wholes = (title, title + THIS_MACHINE, title + BY_ITSELF)
    return shown in wholes or (seen != shown and any(whole.startswith(seen) for whole in wholes))
