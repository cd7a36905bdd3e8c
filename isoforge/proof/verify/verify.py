"""The proof by reading: an ISO against its manifest and its base, one question after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path, PurePosixPath

from isoforge.errors import BaseIsoError
from isoforge.image.tree import Node
from isoforge.iso_layout import MANIFEST
from isoforge.proof.manifest import Manifest
from isoforge.proof.read.image import Image
from isoforge.proof.read.read_once import Other, Reading, read_once
from isoforge.proof.verify import boot_records, files, kernel_lines, machine_lookup
from isoforge.proof.verify.case import Case
from isoforge.proof.verify.check import Check, Found, Outcome, SkipError, check

STRUCTURE: Mapping[str, Callable[[Case], Found]] = {
    "volume": boot_records.volume,
    "directories": files.directories,
    "partitions": boot_records.partitions,
    "system-area": boot_records.system_area,
    "el-torito": boot_records.el_torito,
    "esp": boot_records.esp,
    "views": files.views,
    "shadowing": files.shadowing,
    "kernel-lines": kernel_lines.kernel_lines,
    "menu": kernel_lines.menu,
    "machines": machine_lookup.machines,
    "seeds": files.seeds,
    "md5sum": files.md5sum,
    "base-files": files.base_files,
}
"""The questions that need no reading of large files, by name."""

AFTER_A_BUILD: Mapping[str, Callable[[Case], Found]] = {
    "staged": files.staged,
    "boot-records": boot_records.taken_out,
}
"""What only a build can ask, which knows what it has staged and what xorriso took out of the base."""


def verify(
    iso: Path,
    *,
    base: Path | None = None,
    manifest: Path | None = None,
    listen: Callable[[float], object] = lambda _done: None,
) -> tuple[Check, ...]:
    """Ask ``iso`` everything, and read it once to the end for that.

    ``base`` is the ISO that it was made from, ``manifest`` the file that says what it should hold (left out: the
    manifest.json beside it, if there is one; then the one on the ISO itself); ``listen`` hears how much is read (0 to
    1). Nothing is unpacked or written. Raises ``BaseIsoError`` if ``iso`` or ``base`` is no ISO image at all.
    """
    with ExitStack() as stack:
        image = stack.enter_context(Image(iso))
        old = stack.enter_context(Image(base)) if base else None
        case = _with_manifest(Case(iso=image, base=old), manifest)
        case = replace(case, reading=_read(case, listen))
        questions = {**STRUCTURE, "manifest": manifests, "digest": digest}
        return tuple(_ask(questions, case))


def structural(
    iso: Path,
    *,
    base: Path,
    manifest: Manifest,
    staged: Mapping[PurePosixPath, bytes],
    boot_records: Mapping[str, bytes],
) -> tuple[Check, ...]:
    """Ask ``iso``, which a build has just written, whatever does not take reading its large files.

    ``base`` is the ISO that it was made from, ``manifest`` what it should hold, ``staged`` the files that were laid
    over the base, ``boot_records`` those of the base as xorriso took them out. Of the base's files kind and size are
    compared, of the staged ones and the boot records every byte. Raises ``BaseIsoError`` if ``base`` is no ISO image;
    if ``iso`` is none, that is a failed check.
    """
    with ExitStack() as stack:
        old = stack.enter_context(Image(base))
        try:
            image = stack.enter_context(Image(iso))
        except BaseIsoError as failure:
            told = (failure.message,)
            return (Check(name="volume", outcome=Outcome.FAILED, compared="volume descriptor", faults=told),)
        case = Case(iso=image, base=old, manifest=manifest, staged=staged, boot_records=boot_records)
        return tuple(_ask({**STRUCTURE, **AFTER_A_BUILD}, case))


def _ask(questions: Mapping[str, Callable[[Case], Found]], case: Case) -> Iterator[Check]:
    for name, question in questions.items():
        yield check(name, lambda question=question: question(case))  # type: ignore[misc]


def _with_manifest(case: Case, place: Path | None) -> Case:
    """``case`` with the manifest beside the ISO, or else the one inside; what is wrong with either is kept."""
    faults = []
    inside = beside = None
    try:
        inside = case.iso.manifest
    except (ValueError, BaseIsoError) as failure:
        faults.append(f"{MANIFEST} cannot be read: {failure}")
    except SkipError:
        pass
    file = place or case.iso.path.with_name("manifest.json")
    try:
        if place or file.is_file():
            beside = Manifest.from_file(file)
    except (ValueError, OSError) as failure:
        if place or inside or faults:
            faults.append(f"{file} cannot be read: {failure}")
    return replace(case, manifest=beside or inside, beside=beside, inside=inside, manifest_faults=tuple(faults))


def _read(case: Case, listen: Callable[[float], object]) -> Reading:
    """Read the whole ISO: all its files for md5sum.txt, and those that the base has too against the base's."""
    try:
        files: Mapping[PurePosixPath, Node] = case.iso.tree
        other = Other(path=case.base.path, files=case.base.tree) if case.base else None
    except SkipError:
        files, other = {}, None
    return read_once(case.iso.path, files, other=other, listen=listen)


def manifests(case: Case) -> Found:
    """The manifest on the ISO and the one beside it tell the same, and the base and the ISO are those they name."""
    faults = list(case.manifest_faults)
    if case.manifest is None:
        if faults:
            return Found(compared="manifest", faults=tuple(faults))
        raise SkipError("there is no manifest: isoforge did not make this ISO, or it was taken away")
    if MANIFEST not in case.iso.tree:
        faults.append(f"{MANIFEST} is not on the ISO")
    elif case.inside and case.beside:
        faults += _in_both(case.inside, _without_places(case.beside))
    facts = case.manifest.base_iso
    if case.iso.title != facts.title:
        faults.append(f".disk/info says {case.iso.title!r}, the manifest {facts.title!r}")
    if case.base:
        told = (facts.title, facts.volume_id, facts.modified)
        if told != (case.base.title, case.base.volume.volume_id, case.base.volume.modified):
            faults.append(f"{case.base.path.name} is not the base ISO that the manifest names")
        elif facts.size not in (None, case.base.size):
            faults.append(f"{case.base.path.name} has {case.base.size} bytes, the manifest says {facts.size}")
    places = "on the ISO and beside it" if case.beside else "on the ISO"
    return Found(compared=f"manifest {places}, build {case.manifest.build_id}", faults=tuple(faults))


def _without_places(manifest: Manifest) -> Manifest:
    """A manifest as it goes onto the ISO: without what speaks of files and places outside of it."""
    facts = replace(manifest.base_iso, file=None, size=None, sha256=None)
    return replace(manifest, iso=None, source_commit=None, unpacked=None, base_iso=facts)


def _in_both(inside: Manifest, beside: Manifest) -> Iterator[str]:
    if inside.build_id != beside.build_id:
        yield f"the manifest beside the ISO is of build {beside.build_id}, the one on it of {inside.build_id}"
        return
    for key in Manifest.__dataclass_fields__:
        if getattr(inside, key) != getattr(beside, key):
            yield f"the manifests on the ISO and beside it differ in {key}"


def digest(case: Case) -> Found:
    """The whole ISO is the one that the manifest beside it speaks of."""
    told = case.beside.iso if case.beside else None
    if told is None:
        raise SkipError("no manifest beside the ISO tells its SHA-256")
    if case.iso.size != told.size:
        wrong = f"the ISO has {case.iso.size} bytes, the manifest says {told.size}"
        return Found(compared=f"{case.iso.size} bytes", faults=(wrong,))
    if told.sha256 is None:
        raise SkipError("the manifest beside the ISO tells its size and no SHA-256: it was built with --fast")
    found = case.the_reading.sha256
    faults = [f"the SHA-256 of the ISO is {found}, the manifest says {told.sha256}"] if found != told.sha256 else []
    return Found(compared=f"{case.iso.size} bytes, SHA-256 {found[:12]}…", faults=tuple(faults))
