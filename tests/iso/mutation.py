"""Ways to break an ISO: bytes changed in place, texts rewritten within their length, files laid over it by xorriso."""

from __future__ import annotations

import binascii
import hashlib
import os
import re
import shutil
import struct
from pathlib import Path, PurePosixPath

from isoforge.image.sectors import BLOCK, LBA
from isoforge.image.tree import Node, View, read_file, read_tree
from isoforge.run import run

MENU = "/boot/grub/grub.cfg"

ESP_TYPE = bytes.fromhex("28732ac11ff8d211ba4b00a0c93ec93b")
"""The type of an EFI system partition as it is on the disk."""


def node(iso: Path, path: str) -> Node:
    return read_tree(iso)[PurePosixPath(path)]


def with_manifest(iso: Path, copy: Path) -> Path:
    """``copy``, made of ``iso``, with the manifest beside it."""
    shutil.copyfile(iso.with_name("manifest.json"), copy.with_name("manifest.json"))
    return Path(shutil.copyfile(iso, copy))


def put(iso: Path, place: int, content: bytes) -> None:
    """Write ``content`` at byte ``place``."""
    with iso.open("r+b") as file:
        file.seek(place)
        file.write(content)


def get(iso: Path, place: int, size: int) -> bytes:
    with iso.open("rb") as file:
        file.seek(place)
        return file.read(size)


def flip(iso: Path, place: int) -> None:
    """Change one bit of the byte at ``place``."""
    put(iso, place, bytes([get(iso, place, 1)[0] ^ 1]))


def flip_in(iso: Path, path: str, offset: int = 0) -> None:
    """Change one bit of a file."""
    flip(iso, node(iso, path).extent + offset)


def rewrite(iso: Path, path: str, old: str, new: str) -> None:
    """Replace the first ``old`` in a text on the ISO; comments and the texts that the menu prints make room."""
    there = node(iso, path)
    text = read_file(iso, there).decode()
    assert old in text, text
    text = text.replace(old, new, 1)
    if len(text) > there.size:
        text = re.sub(r"^(?:\s*echo|#).*\n", "", text, flags=re.MULTILINE)
    assert len(text) <= there.size, "there is no room for it"
    put(iso, there.extent, text.ljust(there.size, "\n").encode())


def md5(iso: Path, path: str) -> str:
    """The MD5 of a file, as md5sum.txt has it."""
    return hashlib.md5(read_file(iso, node(iso, path)), usedforsecurity=False).hexdigest()


def menu(iso: Path, old: str, new: str) -> None:
    """Replace the first ``old`` in the menu."""
    rewrite(iso, MENU, old, new)


def name_place(iso: Path, name: bytes, view: View) -> int:
    """The place of the Rock Ridge name ``name`` in the directories that ``view`` shows."""
    whole, field = iso.read_bytes(), b"NM" + bytes([5 + len(name), 1, 0])
    place = whole.find(field + name)
    while place >= 0:
        flip(iso, place + len(field))
        shown = any(path.name.encode() == name for path in read_tree(iso, view))
        flip(iso, place + len(field))
        if not shown:
            return place + len(field)
        place = whole.find(field + name, place + 1)
    raise AssertionError(f"{name!r} is not in the {view} view")


def edit_gpt(
    iso: Path,
    number: int,
    *,
    first: int | None = None,
    last: int | None = None,
    kind: bytes | None = None,
    guid: bytes | None = None,
) -> None:
    """Give partition ``number`` another first or last block, type or GUID in both GPTs, with true checksums."""
    other = struct.unpack("<Q", get(iso, LBA + 32, 8))[0]
    for header in (1, other):
        table, count, width = struct.unpack("<QII", get(iso, header * LBA + 72, 16))
        row = table * LBA + (number - 1) * width
        if first is not None:
            put(iso, row + 32, struct.pack("<Q", first))
        if last is not None:
            put(iso, row + 40, struct.pack("<Q", last))
        if kind is not None:
            put(iso, row, kind)
        if guid is not None:
            put(iso, row + 16, guid)
        put(iso, header * LBA + 88, struct.pack("<I", binascii.crc32(get(iso, table * LBA, count * width))))
        sector = get(iso, header * LBA, 92)
        put(iso, header * LBA + 16, struct.pack("<I", binascii.crc32(sector[:16] + bytes(4) + sector[20:])))


def partition_guid(iso: Path, number: int) -> bytes:
    """The GUID of partition ``number`` itself."""
    table = struct.unpack("<Q", get(iso, LBA + 72, 8))[0]
    return get(iso, table * LBA + (number - 1) * 128 + 16, 16)


def catalog(iso: Path) -> int:
    """The place of the El Torito catalog."""
    return int(struct.unpack("<I", get(iso, 17 * BLOCK + 71, 4))[0]) * BLOCK


def remaster(base: Path, iso: Path, files: dict[str, str], *, remove: tuple[str, ...] = ()) -> Path:
    """Write ``iso`` as many do it: ``-boot_image any replay``, with ``files`` laid over ``base``."""
    laid = _laid(iso, files)
    gone = ["-rm", *remove, "--"] if remove else []
    run("xorriso", "-no_rc", "-indev", base, "-outdev", iso, "-boot_image", "any", "replay", *laid, *gone)
    return iso


def grow(iso: Path, mode: str, files: dict[str, str]) -> None:
    """Add ``files`` to ``iso`` in place."""
    run("xorriso", "-no_rc", "-dev", iso, "-boot_image", "any", mode, *_laid(iso, files))


def _laid(iso: Path, files: dict[str, str]) -> list[str | os.PathLike[str]]:
    words: list[str | os.PathLike[str]] = []
    for number, (target, text) in enumerate(files.items()):
        source = iso.with_name(f"{iso.stem}-{number}")
        source.write_text(text)
        words += ["-map", source, target]
    return words
