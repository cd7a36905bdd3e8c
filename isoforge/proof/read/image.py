"""An ISO image whose parts are read when they are first needed, and once."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from types import TracebackType

from isoforge.errors import BaseIsoError
from isoforge.image.base import instead_of_a_file
from isoforge.image.eltorito import BootCatalog, read_boot_catalog
from isoforge.image.layouts import Layout, expected
from isoforge.image.sectors import (
    BLOCK,
    SYSTEM_AREA_BLOCKS,
    Gpt,
    Partition,
    Volume,
    mbr_partitions,
    read_gpt,
    read_volume,
    size_of,
)
from isoforge.image.tree import Node, View, read_tree
from isoforge.iso_layout import CASPER_UUID, DISK_INFO, GRUB_CFG, ISOFORGE_FOLDER, LOOPBACK_CFG, MANIFEST
from isoforge.proof.manifest import Manifest
from isoforge.proof.read.grub import BootMenu, read_grub, read_isolinux
from isoforge.regular_file import naming

GRUB_MENUS = (GRUB_CFG, LOOPBACK_CFG)
"""The menus that GRUB shows."""

TEXT_LIMIT = 16 << 20
"""Bytes that are read of a text: no menu and no seed is longer, unless its directory record is broken."""


_ROOT = Node(kind="directory")

_MOUNTED = PurePosixPath("/cdrom")
"""Where the live system mounts the medium (casper)."""

_LINKS = 40
"""Links that Linux follows to reach one file (include/linux/namei.h, MAXSYMLINKS)."""


class UnreadableError(Exception):
    """The directories of an ISO cannot be read, nor anything that depends on them; the reason is the cause."""


class Image:
    """An ISO image at ``path``, open for reading until the block is left.

    Raises ``BaseIsoError`` if it is not an ISO image. Whatever depends on its tree raises `UnreadableError` if the
    directories cannot be read.
    """

    def __init__(self, path: Path) -> None:
        if not (path.is_file() or path.is_block_device()):
            raise BaseIsoError(f"{path} {instead_of_a_file(path)}")
        volume = read_volume(path)
        if volume is None:
            raise BaseIsoError(f"{path} is not an ISO image")
        self.path = path
        self.volume: Volume = volume
        self.size = size_of(path)
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
    def partitions(self) -> tuple[Partition, ...]:
        """The partitions of its GPT or, without one, of its MBR."""
        return self.gpt.partitions if self.gpt else mbr_partitions(self.path)

    @functools.cached_property
    def tree(self) -> Mapping[PurePosixPath, Node]:
        """Its files, directories and links as a CD drive shows them."""
        try:
            return read_tree(self.path)
        except BaseIsoError as failure:
            raise UnreadableError("the directories cannot be read") from failure

    @functools.cached_property
    def usb_tree(self) -> Mapping[PurePosixPath, Node]:
        """The same as the first partition of a USB stick shows them; ``BaseIsoError`` if it cannot be read."""
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
        """The text of .disk/info; empty if there is none."""
        return self.text(DISK_INFO).strip()

    @functools.cached_property
    def layout(self) -> Layout:
        """The boot layout that an ISO of its architecture should have; that of amd64 if it names none."""
        return expected(self.title, has_gpt=self.gpt is not None)

    @functools.cached_property
    def casper_uuids(self) -> frozenset[str]:
        """The UUIDs by which the live system recognizes its medium."""
        paths = (path for path in self.tree if str(path).startswith(CASPER_UUID))
        return frozenset(self.text(path).strip() for path in paths)

    @functools.cached_property
    def menus(self) -> Mapping[PurePosixPath, BootMenu]:
        """Its boot menus by the file that they are read from."""
        grub = {path: read_grub(self.text(path), self._sourced) for path in GRUB_MENUS if path in self.tree}
        folder = PurePosixPath("/isolinux")
        configs = sorted(path for path in self.tree if path.parent == folder and path.suffix == ".cfg")
        return {**grub, **{path: read_isolinux(self.text(path)) for path in configs}}

    def _sourced(self, file: str) -> str | None:
        """The text of a file that a menu of ours sources, None if it is missing; empty for other menus' files."""
        path = PurePosixPath(file)
        if ISOFORGE_FOLDER not in path.parents:
            return ""
        return self.text(path) if path in self.tree else None

    def bytes_at(self, start: int, size: int) -> bytes:
        """``size`` bytes from byte ``start`` on, fewer at the end of the image, none behind it."""
        if not 0 <= start < self.size:
            return b""  # an address on a broken ISO may be larger than any file
        with naming(self.path):
            return os.pread(self._handle, min(size, self.size - start), start)

    def find(self, path: PurePosixPath, *, grub: bool = False) -> Node | None:
        """What is at ``path``, links on the way and at its end followed; None if nothing is.

        An absolute link leads into the ISO for ``grub``. In the live system it leads off the medium, which is mounted
        at /cdrom.
        """
        if (node := self.tree.get(path)) is not None and node.kind != "link":
            return node
        parts, here, links = list(reversed(path.parts[1:])), PurePosixPath("/"), 0
        while parts:
            step = parts.pop()
            here = here.parent if step == ".." else here / step
            node = self._at(here)
            if node is None or node.kind != "link":
                if node is None:
                    return None
                continue
            links += 1
            target = PurePosixPath(node.target)
            if target.is_absolute() and not grub:
                if not target.is_relative_to(_MOUNTED):
                    return None
                target = PurePosixPath("/", target.relative_to(_MOUNTED))
            if links > _LINKS:
                return None
            here = PurePosixPath("/") if target.is_absolute() else here.parent
            parts += [part for part in reversed(target.parts) if part != "/"]
        return self._at(here)

    def _at(self, path: PurePosixPath) -> Node | None:
        return _ROOT if path == PurePosixPath("/") else self.tree.get(path)

    def content(self, path: PurePosixPath) -> bytes:
        """The content of the small file at ``path``; ``BaseIsoError`` if it is missing, too large or not a file."""
        node = self.find(path)
        if node is None or node.kind != "file":
            raise BaseIsoError(f"{path} is missing")
        if node.extent + node.size > self.size:
            raise BaseIsoError(f"{path} extends beyond the end of the image")
        if node.size > TEXT_LIMIT:
            raise BaseIsoError(f"{path} is too large: {node.size} bytes, the limit is {TEXT_LIMIT}")
        return self.bytes_at(node.extent, node.size)

    def text(self, path: PurePosixPath) -> str:
        """The text of the file at ``path``, undecodable bytes escaped; empty if there is none."""
        if self.find(path) is None:
            return ""
        return self.content(path).decode("utf-8", errors="surrogateescape")
