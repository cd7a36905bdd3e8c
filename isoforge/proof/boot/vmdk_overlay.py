"""An ISO whose initrd does not contain the probe, shown to a machine with the probe appended to that initrd.

The machine is given a VMDK disk that is composed of the ISO's own sectors. Only the directory records of the initrds
differ: they point into the largest squashfs file, where the initrd's own sectors appear again, followed by the probe.
Boot records, partitions, menus, kernels and seeds are read from the ISO itself. The ISO is not changed.
"""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from isoforge.errors import BaseIsoError
from isoforge.image.sectors import BLOCK, LBA
from isoforge.image.tree import Node, View, read_tree, view_start
from isoforge.iso_layout import CASPER
from isoforge.proof.boot import cpio
from isoforge.proof.boot.probe import probe
from isoforge.regular_file import naming
from isoforge.templates import shipped_templates

VMDK = "vmdk"
"""The disk format that QEMU can compose of parts of plain files."""

SMALL_INITRD = 64 << 20
"""Bytes: an initrd that consists of the probe is smaller; a larger one, of a live system, need not be unpacked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BootImage:
    """The disk that a machine boots in place of an ISO: ``image``, whose format is QEMU's ``disk_format``.

    ``initrds`` are the files that the probe is appended to (none: the ISO contains it and is used unchanged);
    ``hidden`` is the file whose space they take.
    """

    image: Path
    disk_format: str = "raw"
    initrds: tuple[PurePosixPath, ...] = ()
    hidden: PurePosixPath | None = None

    def __str__(self) -> str:
        if not self.initrds:
            return "the unchanged ISO, whose initrd is the probe"
        names = " and ".join(map(str, self.initrds))
        return f"the ISO's own sectors, with the probe appended to {names}, which take the space of {self.hidden}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """``size`` bytes of the file ``source`` from byte ``offset`` on, which appear at byte ``start`` of the disk."""

    start: int
    size: int
    source: str
    offset: int

    @property
    def end(self) -> int:
        """The first byte after it."""
        return self.start + self.size


def boot_image(iso: Path, tree: Mapping[PurePosixPath, Node], folder: Path, arch: str = "amd64") -> BootImage:
    """The disk to boot so that the probe starts from ``iso``, which is for ``arch`` and whose files are ``tree``.

    New parts are written into ``folder`` (about the size of the probe); the ISO is only read. Raises ``BaseIsoError``
    if the ISO has no initrd under /casper, or no squashfs file large enough to hide.
    """
    initrds = {path: node for path, node in tree.items() if _is_initrd(path, node)}
    if not initrds:
        raise BaseIsoError(f"{iso} has no initrd under {CASPER}")
    with iso.open("rb") as file:
        if all(
            is_probe(_read(iso, file.fileno(), min(node.size, SMALL_INITRD), node.extent)) for node in initrds.values()
        ):
            return BootImage(image=iso)
        hidden, overlay = _overlay(iso, file.fileno(), tree, initrds, folder, arch)
    (folder / "iso").symlink_to(iso.resolve())
    image = folder / f"{iso.stem}.{VMDK}"
    image.write_text(descriptor(composed(overlay, iso.stat().st_size)), "utf-8")
    return BootImage(image=image, disk_format=VMDK, initrds=tuple(sorted(initrds)), hidden=hidden)


def _read(iso: Path, handle: int, size: int, offset: int) -> bytes:
    with naming(iso):
        return os.pread(handle, size, offset)


def is_probe(initrd: bytes) -> bool:
    """Whether ``initrd`` is the one of a synthetic base ISO: it starts this very probe, and nothing else."""
    if initrd[:2] != b"\x1f\x8b":
        return False
    try:
        return (shipped_templates() / "probe/init").read_bytes() in gzip.decompress(initrd)
    except (OSError, EOFError, zlib.error):
        return False


def _is_initrd(path: PurePosixPath, node: Node) -> bool:
    return path.parent == CASPER and "initrd" in path.name and node.kind == "file" and node.size > 0


def _overlay(
    iso: Path,
    handle: int,
    tree: Mapping[PurePosixPath, Node],
    initrds: Mapping[PurePosixPath, Node],
    folder: Path,
    arch: str,
) -> tuple[PurePosixPath, list[Segment]]:
    """The file that is hidden, and the segments that differ from the ISO; new bytes are written into ``folder``."""
    archive = cpio.initrd(probe(arch=arch))
    layers = {path: node for path, node in tree.items() if path.parent == CASPER and path.suffix == ".squashfs"}
    hidden = max(layers, key=lambda path: layers[path].size, default=None)
    needed = sum(node.size + len(archive) + 2 * BLOCK for node in initrds.values())
    if hidden is None or layers[hidden].size < needed:
        raise BaseIsoError(f"{iso} has no squashfs file under {CASPER} of {needed >> 20} MiB or more")
    free = layers[hidden].extent
    overlay: list[Segment] = []
    moves: dict[tuple[int, int], tuple[int, int]] = {}
    for number, node in enumerate(initrds.values()):
        whole = node.size - node.size % LBA
        # The kernel accepts another archive at a multiple of four bytes, with zeros before it.
        rest = _padded(_read(iso, handle, node.size - whole, node.extent + whole)) + archive
        tail = folder / f"probe-{number}"
        tail.write_bytes(_padded(rest))
        overlay.append(Segment(start=free, size=whole, source="iso", offset=node.extent))
        overlay.append(Segment(start=free + whole, size=tail.stat().st_size, source=tail.name, offset=0))
        moves[node.extent, node.size] = (free, whole + len(rest))
        free = overlay[-1].end + -overlay[-1].end % BLOCK
    overlay += _records(iso, handle, moves, folder / "records")
    return hidden, overlay


def _records(iso: Path, handle: int, moves: Mapping[tuple[int, int], tuple[int, int]], file: Path) -> Iterator[Segment]:
    """The directory blocks, in both views, whose records state the extent and size of the files in ``moves``.

    In a record, these are at bytes 2 and 10, each in both byte orders (ECMA-119, 9.1).
    """
    blocks: dict[int, bytearray] = {}
    for view in View:
        try:
            start, tree = view_start(iso, view), read_tree(iso, view)
        except BaseIsoError:
            continue  # a medium without this view: a boot that needs it fails and shows why
        for node in tree.values():
            if (new := moves.get((node.extent, node.size))) is None:
                continue
            for position in node.records:
                first = position - position % BLOCK
                content = blocks.setdefault(first, bytearray(_read(iso, handle, BLOCK, first)))
                for offset, number in ((2, (new[0] - start) // BLOCK), (10, new[1])):
                    struct.pack_into("<I", content, position - first + offset, number)
                    struct.pack_into(">I", content, position - first + offset + 4, number)
    file.write_bytes(b"".join(blocks.values()))
    for number, first in enumerate(blocks):
        yield Segment(start=first, size=BLOCK, source=file.name, offset=number * BLOCK)


def composed(overlay: Iterable[Segment], size: int) -> Iterator[Segment]:
    """The ``size`` bytes of the ISO with ``overlay`` over it, from the first segment to the last."""
    end = 0
    for segment in sorted(overlay, key=lambda segment: segment.start):
        if segment.start > end:
            yield Segment(start=end, size=segment.start - end, source="iso", offset=end)
        if segment.size:
            yield segment
        end = segment.end
    if end < size:
        yield Segment(start=end, size=size - end, source="iso", offset=end)


def descriptor(segments: Iterable[Segment]) -> str:
    """The text with which QEMU shows ``segments`` as one disk (VMware Virtual Disk Format 1.1, descriptor file)."""
    extents = [f'RW {segment.size // LBA} FLAT "{segment.source}" {segment.offset // LBA}\n' for segment in segments]
    head = '# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType="twoGbMaxExtentFlat"\n'
    return head + "".join(extents)


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % LBA)
