"""Checks of all volume descriptors, of a CD's view and of a stick's: names, sizes, path tables, Joliet's tree."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from isoforge.errors import BaseIsoError
from isoforge.image.descriptors import Descriptor, has_udf, read_descriptors
from isoforge.image.sectors import BLOCK, Partition
from isoforge.image.tree import Node, View, read_joliet, view_start
from isoforge.iso_layout import CIDATA
from isoforge.proof.read.fat import Fat, FatError
from isoforge.proof.read.image import Image
from isoforge.proof.verify.case import Case
from isoforge.proof.verify.cd_boot import is_seed_iso
from isoforge.proof.verify.check import Answer, counted, shortened

_VIEWS = {View.DEVICE: "CD view", View.PARTITION: "USB view"}


def descriptors(case: Case) -> Answer:
    """No descriptor makes the medium a seed, and each one's size, path table and tree are those of the tree on it."""
    faults: list[str] = []
    remarks: list[str] = []
    count = 0
    for view, name in _VIEWS.items():
        try:
            start = view_start(case.iso.path, view)
            tree = case.iso.tree if view is View.DEVICE else case.iso.usb_tree
        except BaseIsoError:
            continue  # other checks report partitions and trees that cannot be read
        if view is View.PARTITION and start == 0:
            continue
        if has_udf(case.iso.path, start):
            (faults if case.manifest or case.base else remarks).append(f"the {name} is UDF too: Linux reads that")
        for descriptor in read_descriptors(case.iso.path, start):
            count += 1
            where = f"the {'Joliet' if descriptor.is_joliet else 'primary'} volume descriptor of the {name}"
            faults += [f"{where} {problem}" for problem in _problems(case, descriptor, start, tree)]
        try:
            joliet = read_joliet(case.iso.path, view) or {}
        except BaseIsoError as failure:
            remarks.append(f"Joliet's tree of the {name} cannot be read: {failure.message}")
        else:
            faults += [
                f"{path} in Joliet's tree of the {name} is another file than the one that Linux reads"
                for path in _differences(joliet, tree)
            ]
    seeds = [f"partition {part.number} is called CIDATA: cloud-init takes it for a seed" for part in _seeds(case)]
    (faults if case.manifest or case.base else remarks).extend(seeds)
    return Answer(detail=counted(count, "volume descriptor"), faults=shortened(faults), remarks=tuple(remarks))


def _seeds(case: Case) -> Iterator[Partition]:
    """The partitions but the first, which has the tree of the ISO, that cloud-init takes for a seed by their names."""
    for part in case.iso.partitions:
        if part.number != 1 and CIDATA in (name.upper() for name in _names(case.iso, part.start)):
            yield part


def _names(image: Image, start: int) -> Iterator[str]:
    """What the file system at byte ``start`` is called, if it is one that cloud-init looks at: FAT or ISO 9660
    (cloud-init, DataSourceNoCloud.py)."""
    with contextlib.suppress(FatError):
        yield from Fat(lambda offset, size: image.bytes_at(start + offset, size)).labels()
    yield from (each.volume_id for each in read_descriptors(image.path, start))


def _problems(case: Case, descriptor: Descriptor, start: int, tree: Mapping[PurePosixPath, Node]) -> Iterator[str]:
    if descriptor.volume_id.upper() == CIDATA and not is_seed_iso(case.iso):
        yield f"is called {descriptor.volume_id}: cloud-init takes the medium itself for a seed"
    end = start + descriptor.blocks * BLOCK
    if end > case.iso.size and (start or descriptor.is_joliet):  # the first one's is the size of the whole image
        yield f"claims {end - case.iso.size} bytes more than the image has"
    yield from descriptor.problems
    if case.manifest and not descriptor.is_joliet:
        directories = 1 + sum(node.kind == "directory" for node in tree.values())
        if descriptor.directories not in (None, directories):
            yield f"has a path table of {descriptor.directories} directories, expected {directories}"


def _differences(joliet: Mapping[PurePosixPath, Node], tree: Mapping[PurePosixPath, Node]) -> Iterator[PurePosixPath]:
    for path, node in joliet.items():
        expected = tree.get(path)
        if expected is None or node.kind != "file":
            continue  # Joliet shortens long names and has no links
        if (node.extent, node.size) != (expected.extent, expected.size):
            yield path
