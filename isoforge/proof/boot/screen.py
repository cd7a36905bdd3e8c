"""The text console of a machine, read from its serial port: the GRUB menu on it, and pictures of the screen."""

from __future__ import annotations

import codecs
import re
import struct
import zlib
from dataclasses import dataclass

import pyte

from isoforge.iso_layout import BY_ITSELF, THIS_MACHINE
from isoforge.proof.boot.qemu import Firmware

UNFINISHED = re.compile(r"\x1b\[?[0-9;:?]*\Z")
"""The start of an escape sequence at the end of the text received so far."""

COLUMN_FROM_100 = re.compile(r"\x1b\[(\d+);:(\d)H")
"""OVMF counts columns with two digits: it writes 105 as ``:5``, the character that follows 9 (TerminalConOut.c)."""

ESCAPE = re.compile(r"\x1b\[[0-9;:?]*[A-Za-z]")
ERROR = re.compile(r"\berror: [^\r\n]+")
KERNEL = re.compile(r"Linux version |EFI stub: |isoforge-probe ")
"""How the output of a kernel and its guest begins: what GRUB prints is before it."""

MAX_ASCII = 0x7F

UTF_8_FRAME = 0xE2
"""The first byte of every frame character in UTF-8, which SeaBIOS and OVMF since 2023 send; OVMF before: PC-ANSI.

AAVMF, UEFI for arm64, draws the frame with ASCII characters before that.
"""

FRAME_TOP = re.compile(r" *(┌─+┐|/-+\\)$")
FRAME_BOTTOM = re.compile(r" *(└─+┘|\\-+/)$")
COUNTDOWN = re.compile(r"executed automatically in \d+s")

PPM_HEAD = re.compile(rb"P6\s+(\d+)\s+(\d+)\s+255\s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Menu:
    """A GRUB menu on the screen: the titles in view, the highlighted one, and whether a countdown is shown."""

    titles: tuple[str, ...]
    highlighted: str
    countdown: bool


class Screen:
    """A terminal of the size that ``firmware`` uses, fed with the output of the serial port."""

    def __init__(self, firmware: Firmware) -> None:
        # SeaBIOS mirrors an 80x25 text mode; OVMF positions absolutely in up to 128x40.
        columns, rows = (80, 25) if firmware is Firmware.BIOS else (132, 50)
        self._decoder: codecs.IncrementalDecoder | None = None
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.Stream(self._screen)
        self._pending = ""

    def feed(self, chunk: bytes) -> str:
        """Show ``chunk`` and return it as text."""
        text = self._decoded(chunk)
        whole = COLUMN_FROM_100.sub("\x1b[\\1;10\\2H", self._pending + text)
        unfinished = UNFINISHED.search(whole)
        cut = unfinished.start() if unfinished else len(whole)
        self._pending = whole[cut:]
        self._stream.feed(whole[:cut])
        return text

    def _decoded(self, chunk: bytes) -> str:
        """``chunk`` as text. The first non-ASCII character determines the encoding: it belongs to GRUB's frame."""
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
        """The GRUB menu on the screen; None without a menu, or as long as no entry is highlighted."""
        return read_menu(self.lines())


def read_menu(lines: list[str]) -> Menu | None:
    """The GRUB menu on a screen of ``lines``: the rows in its frame; GRUB marks the highlighted one with ``*``."""
    tops = [row for row, line in enumerate(lines) if FRAME_TOP.match(line)]
    bottoms = [row for row, line in enumerate(lines) if FRAME_BOTTOM.match(line)]
    if not tops or bottoms[-1:] <= tops[:1]:
        return None
    # An arrow beside the frame means that there is more to see; by the frame's width it is not part of a title.
    left = len(lines[tops[0]]) - len(lines[tops[0]].lstrip())
    inside = [line[left + 1 : len(lines[tops[0]]) - 1] for line in lines[tops[0] + 1 : bottoms[-1]]]
    rows = [row for row in inside if row.strip()]
    marked = [row for row in rows if row.startswith("*")]
    if len(marked) != 1:
        return None
    return Menu(
        titles=tuple(row[1:].strip() for row in rows),
        highlighted=marked[0][1:].strip(),
        countdown=any(COUNTDOWN.search(line) for line in lines),
    )


def is_entry(title: str, row: str) -> bool:
    """Whether ``row`` of the menu is the entry ``title``, with or without a mark after it.

    GRUB ends a row that is too long with ``..`` or an arrow.
    """
    start = row.removesuffix("..").removesuffix("→")
    titles = (title, title + THIS_MACHINE, title + BY_ITSELF)
    return row in titles or (start != row and any(each.startswith(start) for each in titles))


UNAVOIDABLE = frozenset({"error: file `/boot/' not found.", "error: prohibited by secure boot policy."})
"""What the signed GRUB prints on its own. The first, before it reads anything of the ISO: from a stick, it looks
for its folder on the EFI system partition first. An official ISO prints it too. The second, while the menu looks for
what it has installed: for a partition without a file system that GRUB knows it tries the modules on the medium, which
Secure Boot refuses (grub-core/normal/autofs.c)."""


def ppm_to_png(ppm: bytes) -> bytes:
    """The picture ``ppm`` (binary, 8 bits a colour, as QEMU writes it) as PNG."""
    head = PPM_HEAD.match(ppm)
    if head is None:
        raise ValueError("not a binary PPM picture with 8 bits a colour")
    width, height = int(head[1]), int(head[2])
    pixels = ppm[head.end() :]
    stride = 3 * width
    rows = b"".join(b"\0" + pixels[row * stride : (row + 1) * stride] for row in range(height))
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
            _chunk(b"IDAT", zlib.compress(rows, 6)),
            _chunk(b"IEND", b""),
        ]
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def plain_text(serial: str) -> str:
    """The output of the serial port without escape sequences.

    SeaBIOS moves the cursor to where it is already, in the middle of a word, whenever a timer interrupts it
    (src/sercon.c): ``Enter user<escape sequences>name:``.
    """
    return ESCAPE.sub("", serial)


def printed_errors(serial: str) -> list[str]:
    """The errors that GRUB has printed, from the output of the serial port; each once, without `UNAVOIDABLE`."""
    text = plain_text(serial)
    kernel = KERNEL.search(text)
    matches = ERROR.finditer(text, 0, kernel.start() if kernel else len(text))
    return list(dict.fromkeys(error for match in matches if (error := match.group().strip()) not in UNAVOIDABLE))
