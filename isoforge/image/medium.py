"""A graft on a stick replaced by another one on the same base ISO, of which nothing is written.

Whenever the power fails, the stick holds the old build, plain Ubuntu or the new build, or it boots to a sentence that
the update was interrupted: never a mixture that installs. The order sees to that, with a sync after each step, and
because a sector of 512 bytes is written as a whole or not at all:

1. The first sector of the old menu becomes that sentence. It is what every firmware reads, from each view.
2. The base's head: the stick is the official ISO again.
3. What is behind the base, with that sentence in place of the new menu's first sector.
4. The new head.
5. The first sector of the new menu.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from isoforge.image.inside import HEAD, Inside
from isoforge.image.ranges import CHUNK
from isoforge.image.sectors import LBA, open_image, read_volume
from isoforge.image.tree import read_tree
from isoforge.iso_layout import GRUB_CFG
from isoforge.templates import render


class Medium(Protocol):
    """What can be written like a disk: whole sectors, which are on it after ``sync``."""

    def write(self, start: int, content: bytes) -> None:
        """Write ``content`` from byte ``start`` on."""

    def sync(self) -> None:
        """Return when everything that was written is stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """A build on a medium or in a file: its last byte + 1, and the first byte of its menu."""

    end: int
    menu: int


def extent_of(image: Path) -> Extent:
    """Where the ISO on ``image``, a file or a device, ends, and where its menu is; 0 for what it does not have."""
    volume, menu = read_volume(image), read_tree(image).get(GRUB_CFG)
    return Extent(end=volume.size if volume else 0, menu=menu.extent if menu else 0)


def replace_graft(medium: Medium, old: Extent, draft: Path, inside: Inside) -> int:
    """Write the graft ``draft`` over the one on ``medium`` whose extent is ``old``; returns the bytes written.

    Both are grafts on the base ISO that is ``inside``, whose bytes on the medium are neither read nor written; or the
    medium holds that base ISO alone. What a longer old graft leaves behind is overwritten with zeros.
    """
    new, note, written = extent_of(draft), interrupted(), 0
    with open_image(draft) as file:
        for step in _steps(file.fileno(), old, new, inside, note):
            for start, content in step:
                medium.write(start, content)
                written += len(content)
            medium.sync()
    return written


Writes = Iterator[tuple[int, bytes]]
"""Where to write what."""


def _steps(draft: int, old: Extent, new: Extent, inside: Inside, note: bytes) -> Iterator[Writes]:
    if old.menu >= inside.size:
        yield iter([(old.menu, note)])
    yield iter([(0, inside.head)])
    yield _tail(draft, old, new, inside.size, note)
    yield iter([(0, os.pread(draft, HEAD, 0))])
    yield iter([(new.menu, os.pread(draft, LBA, new.menu))])


def _tail(draft: int, old: Extent, new: Extent, start: int, note: bytes) -> Writes:
    yield from _copied(draft, start, new.menu)
    yield new.menu, note
    yield from _copied(draft, new.menu + LBA, new.end)
    for first in range(new.end, old.end, CHUNK):
        yield first, bytes(min(CHUNK, old.end - first))


def _copied(draft: int, start: int, end: int) -> Writes:
    for first in range(start, end, CHUNK):
        yield first, os.pread(draft, min(CHUNK, end - first), first)


def interrupted() -> bytes:
    """The sector with which the menu begins while a medium is updated: GRUB shows a sentence and stays there."""
    return render("interrupted.cfg.j2", {}).encode().ljust(LBA, b"\n")
