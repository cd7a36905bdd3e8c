"""The probe on an ISO whose initrd does not carry it: it rides behind that initrd, and the ISO itself stays as it is.

A machine is shown a medium that is laid together from the ISO's own sectors. Only the directory records of the
initrds are other ones: they lead to a place inside the largest squashfs file, where the initrd's own sectors are seen
again and the probe behind them. Boot records, partitions, menus, kernels and seeds are read from the ISO at the places
where they lie on it.
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
from isoforge.image.sectors import BLOCK, LBA, SYSTEM_AREA_BLOCKS
from isoforge.image.tree import Node, View, view_start
from isoforge.iso_layout import CASPER
from isoforge.proof.boot import cpio
from isoforge.proof.boot.probe import probe
from isoforge.templates import shipped_templates

VMDK = "vmdk"
"""The disk format that QEMU can lay together from stretches of plain files."""

SMALL_INITRD = 64 << 20
"""Bytes: an initrd that is made of the probe is smaller, that of a live system need not be unpacked to tell."""

_PLACE = struct.Struct("<I")
_DIRECTORY = 0x02

SHORTEST = 34
"""Bytes of the shortest directory record; what comes after the last one of a block is empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a machine is shown in place of an ISO: ``image`` in the ``disk_format`` that QEMU calls it.

    ``initrds`` are the files that the probe rides behind (none: the ISO has it, and is shown as it is), ``hidden`` is
    the file whose place they took.
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
class Stretch:
    """``size`` bytes of the file ``source`` from byte ``offset`` on, which the medium shows at byte ``start``."""

    start: int
    size: int
    source: str
    offset: int

    @property
    def end(self) -> int:
        """The first byte behind it."""
        return self.start + self.size


def show(iso: Path, tree: Mapping[PurePosixPath, Node], folder: Path) -> Shown:
    """What a machine is to be shown so that the probe starts from ``iso``, whose files are ``tree``.

    What it takes is written into ``folder``, about as much as the probe; the ISO is only read. Raises ``BaseIsoError``
    if the ISO has no initrd under /casper, or no squashfs file large enough to hide.
    """
    initrds = {place: node for place, node in tree.items() if _is_initrd(place, node)}
    if not initrds:
        raise BaseIsoError(f"{iso} has no initrd under {CASPER}")
    with iso.open("rb") as file:
        if all(
            is_probe(os.pread(file.fileno(), min(node.size, SMALL_INITRD), node.extent)) for node in initrds.values()
        ):
            return Shown(image=iso)
        place, stretches = _laid(iso, file.fileno(), tree, initrds, folder)
    (folder / "iso").symlink_to(iso.resolve())
    image = folder / f"{iso.stem}.{VMDK}"
    image.write_text(descriptor(stretches), "utf-8")
    return Shown(image=image, disk_format=VMDK, initrds=tuple(sorted(initrds)), hidden=place)


def is_probe(initrd: bytes) -> bool:
    """Whether ``initrd`` is the one of a synthetic base ISO: it starts this very probe, and nothing else."""
    if initrd[:2] != b"\x1f\x8b":
        return False
    try:
        return (shipped_templates() / "probe/init").read_bytes() in gzip.decompress(initrd)
    except (OSError, EOFError, zlib.error):
        return False


def _is_initrd(place: PurePosixPath, node: Node) -> bool:
    return place.parent == CASPER and "initrd" in place.name and node.kind == "file" and node.size > 0


def _laid(
    iso: Path,
    handle: int,
    tree: Mapping[PurePosixPath, Node],
    initrds: Mapping[PurePosixPath, Node],
    folder: Path,
) -> tuple[PurePosixPath, list[Stretch]]:
    """The file that is hidden, and the whole medium in stretches; what is new in them is written into ``folder``."""
    riding = cpio.initrd(probe())
    layers = {place: node for place, node in tree.items() if place.parent == CASPER and place.suffix == ".squashfs"}
    hidden = max(layers, key=lambda place: layers[place].size, default=None)
    needed = sum(node.size + len(riding) + 2 * BLOCK for node in initrds.values())
    if hidden is None or layers[hidden].size < needed:
        raise BaseIsoError(f"{iso} has no squashfs file under {CASPER} of {needed >> 20} MiB or more")
    free = layers[hidden].extent
    over: list[Stretch] = []
    moved: dict[tuple[int, int], tuple[int, int]] = {}
    for number, node in enumerate(initrds.values()):
        whole = node.size - node.size % LBA
        # The kernel takes another archive from a multiple of four bytes on, and zeros before it.
        rest = _filled(os.pread(handle, node.size - whole, node.extent + whole)) + riding
        tail = folder / f"probe-{number}"
        tail.write_bytes(_filled(rest))
        over.append(Stretch(start=free, size=whole, source="iso", offset=node.extent))
        over.append(Stretch(start=free + whole, size=tail.stat().st_size, source=tail.name, offset=0))
        moved[node.extent, node.size] = (free, whole + len(rest))
        free = over[-1].end + -over[-1].end % BLOCK
    over += _records(iso, handle, moved, folder / "records")
    return hidden, list(in_order(over, iso.stat().st_size))


def _records(iso: Path, handle: int, moved: Mapping[tuple[int, int], tuple[int, int]], file: Path) -> Iterator[Stretch]:
    """The blocks of directories, of both views, that tell where the ``moved`` files lie, and how long they are."""
    blocks: dict[int, bytearray] = {}
    for view in View:
        try:
            start = view_start(iso, view)
        except BaseIsoError:
            continue  # no partition, no view through it: whoever needs it will miss it
        for position, block, size in file_records(handle, start):
            if (new := moved.get((start + block * BLOCK, size))) is None:
                continue
            at = position - position % BLOCK
            content = blocks.setdefault(at, bytearray(os.pread(handle, BLOCK, at)))
            struct.pack_into("<I", content, position - at + 2, (new[0] - start) // BLOCK)
            struct.pack_into(">I", content, position - at + 6, (new[0] - start) // BLOCK)
            struct.pack_into("<I", content, position - at + 10, new[1])
            struct.pack_into(">I", content, position - at + 14, new[1])
    file.write_bytes(b"".join(blocks.values()))
    for number, at in enumerate(blocks):
        yield Stretch(start=at, size=BLOCK, source=file.name, offset=number * BLOCK)


def file_records(handle: int, start: int) -> Iterator[tuple[int, int, int]]:
    """Each file's directory record in the view from byte ``start`` on: its first byte, and its file's block and size.

    (ECMA-119, 9.1: length, -, first block, bytes …; a record does not cross a block, 6.8.1.1.)
    """
    volume = os.pread(handle, BLOCK, start + SYSTEM_AREA_BLOCKS * BLOCK)
    waiting = [(_number(volume, 158), _number(volume, 166))]
    seen = set(waiting)
    while waiting:
        block, size = waiting.pop()
        first = start + block * BLOCK
        directory = os.pread(handle, size, first)
        place = 0
        while place < len(directory):
            if directory[place] < SHORTEST:
                place += BLOCK - place % BLOCK
                continue
            found = _number(directory, place + 2), _number(directory, place + 10)
            if not directory[place + 25] & _DIRECTORY:
                yield first + place, *found
            elif found not in seen:
                seen.add(found)
                waiting.append(found)
            place += directory[place]


def in_order(over: Iterable[Stretch], size: int) -> Iterator[Stretch]:
    """The ``size`` bytes of the ISO with ``over`` laid over it, from the first stretch to the last."""
    here = 0
    for stretch in sorted(over, key=lambda stretch: stretch.start):
        if stretch.start > here:
            yield Stretch(start=here, size=stretch.start - here, source="iso", offset=here)
        if stretch.size:
            yield stretch
        here = stretch.end
    if here < size:
        yield Stretch(start=here, size=size - here, source="iso", offset=here)


def descriptor(stretches: Iterable[Stretch]) -> str:
    """The text that tells QEMU to show ``stretches`` as one disk (VMware Virtual Disk Format 1.1, descriptor file)."""
    extents = [f'RW {stretch.size // LBA} FLAT "{stretch.source}" {stretch.offset // LBA}\n' for stretch in stretches]
    head = '# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType="twoGbMaxExtentFlat"\n'
    return head + "".join(extents)


def _filled(content: bytes) -> bytes:
    return content + bytes(-len(content) % LBA)


def _number(content: bytes, place: int) -> int:
    return int(_PLACE.unpack_from(content, place)[0])
