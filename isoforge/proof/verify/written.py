"""A medium that an ISO was written to: whether it is in order as a whole, in both views, and for its own size."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from isoforge.errors import BaseIsoError
from isoforge.proof.read.image import Image
from isoforge.proof.verify.case import Case
from isoforge.proof.verify.check import check
from isoforge.proof.verify.verify import STRUCTURE


def faults_of_copy(device: Path, iso: Path) -> tuple[str, ...]:
    """What is wrong with the structure of ``device`` but not with that of ``iso``, which was written to it.

    Compares boot records, partition table and menu, and the directories as a CD drive and as the first partition of a
    stick show them; reads no large file. Raises ``OSError`` if one of them cannot be read.
    """
    faults = _faults(device)
    return tuple(sorted(faults - _faults(iso))) if faults else ()


def _faults(path: Path) -> set[str]:
    try:
        with Image(path) as image:
            case = Case(iso=image)
            checks = [check(name, partial(question, case)) for name, question in STRUCTURE.items()]
    except BaseIsoError as failure:
        return {failure.message.removeprefix(f"{path} ")}
    return {f"{one.name}: {fault}" for one in checks for fault in one.faults}
