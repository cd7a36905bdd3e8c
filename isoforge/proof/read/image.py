"""An ISO that is asked questions: each part of it is read when a question needs it, and once."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from types import TracebackType

from isoforge.errors import BaseIsoError
from isoforge.image.base import instead_of_a_file
from isoforge.image.eltorito import BootCatalog, read_boot_catalog
from isoforge.image.sectors import BLOCK, SYSTEM_AREA_BLOCKS, Gpt, Volume, read_gpt, read_volume
from isoforge.image.tree import Node, View, read_tree
from isoforge.iso_layout import CASPER_UUID, DISK_INFO, GRUB_CFG, ISOFORGE_FOLDER, LOOPBACK_CFG, MANIFEST
from isoforge.proof.manifest import Manifest
from isoforge.proof.read.grub import BootMenu, read_grub, read_isolinux
from isoforge.proof.verify.check import SkipError

GRUBS = (GRUB_CFG, LOOPBACK_CFG)
"""The menus that GRUB shows."""

TEXT_LIMIT = 16 << 20
"""Bytes: no menu and no seed is longer, and a broken directory may say so."""


class Image:
    """An ISO image at ``path``, open for reading until it is closed.

    ``BaseIsoError`` if there is no ISO image at all. A part that depends on the tree raises ``SkipError`` when the
    tree is unreadable: one check of its own tells that.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise BaseIsoError(f"{path} {instead_of_a_file(path)}")
        volume = read_volume(path)
        if volume is None:
            raise BaseIsoError(f"{path} is not an ISO image")
        self.path = path
        self.volume: Volume = volume
        self.size = path.stat().st_size
        self._handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __enter__(self) -> Image:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._handle)

    @functools.cached_property
    def gpt(self) -> Gpt | None:
        """Its GPT; None if it has none."""
        return read_gpt(self.path)

    @functools.cached_property
    def tree(self) -> Mapping[PurePosixPath, Node]:
        """Its files, directories and links as a CD drive shows them."""
        try:
            return read_tree(self.path)
        except BaseIsoError as failure:
            raise SkipError("the directories cannot be read") from failure

    @functools.cached_property
    def stick(self) -> Mapping[PurePosixPath, Node]:
        """The same as a stick's first partition shows it; ``BaseIsoError`` if it cannot be read."""
        return read_tree(self.path, View.PARTITION)

    @functools.cached_property
    def boot_catalog(self) -> BootCatalog | None:
        """Its El Torito boot records; None if it has none."""
        return read_boot_catalog(self.path)

    @functools.cached_property
    def system_area(self) -> bytes:
        """The sectors before the volume descriptor."""
        return self.bytes_at(0, SYSTEM_AREA_BLOCKS * BLOCK)

    @functools.cached_property
    def manifest(self) -> Manifest | None:
        """The manifest on it; None if it has none, ``ValueError`` or ``BaseIsoError`` if it cannot be read."""
        return Manifest.from_json(self.text(MANIFEST)) if MANIFEST in self.tree else None

    @functools.cached_property
    def title(self) -> str:
        """What .disk/info says; empty if there is none."""
        return self.text(DISK_INFO).strip()

    @functools.cached_property
    def casper_uuids(self) -> frozenset[str]:
        """The UUIDs by which the live system knows its medium."""
        named = (place for place in self.tree if str(place).startswith(CASPER_UUID))
        return frozenset(self.text(place).strip() for place in named)

    @functools.cached_property
    def menus(self) -> Mapping[PurePosixPath, BootMenu]:
        """Its boot menus by the file that they are read from."""
        grub = {place: read_grub(self.text(place), self._sourced) for place in GRUBS if place in self.tree}
        folder = PurePosixPath("/isolinux")
        names = sorted(place for place in self.tree if place.parent == folder and place.suffix == ".cfg")
        return {**grub, **{place: read_isolinux(self.text(place)) for place in names}}

    def _sourced(self, file: str) -> str | None:
        """The text of a file that a menu of ours sources; of other menus' files nothing is known."""
        place = PurePosixPath(file)
        if ISOFORGE_FOLDER not in place.parents:
            return ""
        return self.text(place) if place in self.tree else None

    def bytes_at(self, start: int, size: int) -> bytes:
        """``size`` bytes from byte ``start`` on, fewer at the end of the image."""
        return os.pread(self._handle, size, start)

    def content(self, place: PurePosixPath) -> bytes:
        """The content of the small file at ``place``; ``BaseIsoError`` if there is none, or it is no small file."""
        node = self.tree.get(place)
        if node is None or node.kind != "file":
            raise BaseIsoError(f"{place} is missing")
        if node.extent + node.size > self.size:
            raise BaseIsoError(f"{place} ends behind the image")
        if node.size > TEXT_LIMIT:
            raise BaseIsoError(f"{place} is too large to be what it should be")
        return self.bytes_at(node.extent, node.size)

    def text(self, place: PurePosixPath) -> str:
        """The text of the file at ``place``, undecodable bytes escaped; empty if there is none."""
        if place not in self.tree:
            return ""
        return self.content(place).decode("utf-8", errors="surrogateescape")
