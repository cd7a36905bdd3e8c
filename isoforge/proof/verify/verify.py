"""The proof by reading: an ISO compared with its manifest and its base ISO, one check after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath

from isoforge.errors import BaseIsoError
from isoforge.halves import in_halves
from isoforge.image.base import reading
from isoforge.image.layouts import PartitionTable
from isoforge.image.tree import Node
from isoforge.iso_layout import MANIFEST
from isoforge.proof.manifest import Manifest
from isoforge.proof.read.image import Image, UnreadableError
from isoforge.proof.read.read_once import Other, Reading, read_once
from isoforge.proof.verify import (
    base_inside,
    boot_records,
    cd_boot,
    descriptors,
    files,
    kernel_lines,
    machine_lookup,
    menu_start,
)
from isoforge.proof.verify.case import Case
from isoforge.proof.verify.check import Answer, Check, Outcome, SkipError, check
from isoforge.regular_file import is_present
from isoforge.signature import SignatureError, read_signers, signed_by

STRUCTURE: Mapping[str, Callable[[Case], Answer]] = {
    "volume": boot_records.volume,
    "descriptors": descriptors.descriptors,
    "directories": files.directories,
    "partitions": boot_records.partitions,
    "system-area": boot_records.system_area,
    "el-torito": cd_boot.el_torito,
    "esp": boot_records.esp,
    "views": files.views,
    "shadowing": files.shadowing,
    "kernel-lines": kernel_lines.kernel_lines,
    "menu": kernel_lines.menu,
    "machines": machine_lookup.machines,
    "start": menu_start.start,
    "seeds": files.seeds,
    "md5sum": files.md5sum,
    "base-files": files.base_files,
}
"""The checks that do not read large files, by name."""

AFTER_A_BUILD: Mapping[str, Callable[[Case], Answer]] = {
    "staged": files.staged,
    "boot-records": boot_records.extracted,
}
"""The checks that need what a build has staged and what xorriso has extracted from the base ISO."""


def verify(
    iso: Path,
    *,
    base: Path | None = None,
    manifest: Path | None = None,
    signer: Path | None = None,
    listen: Callable[[float], object] = lambda _done: None,
) -> tuple[Check, ...]:
    """Do all checks of ``iso``, which is read to its end once.

    ``base`` is the ISO that it was made from. ``manifest`` is the file that lists what it should contain (default: the
    manifest.json beside it, if there is one, or else the one on the ISO itself). ``signer`` is who must have signed
    that file: a public key, or a list of allowed signers. ``listen`` is called with the share
    that has been read (0 to 1). Nothing is unpacked or written. Raises ``BaseIsoError`` if ``iso`` or ``base`` is not
    an ISO image.
    """
    signers = read_signers(signer) if signer else None
    with reading(iso, *([base] if base else [])), ExitStack() as stack:
        image = stack.enter_context(Image(iso))
        old = stack.enter_context(Image(base)) if base else None
        case = _with_manifest(Case(iso=image, base=old), manifest)
        case = replace(case, reading=_read(case, listen))
        questions = {**STRUCTURE, **OF_ALL_BYTES, "anchor": lambda case: anchor(case, signers)}
        return tuple(_ask(questions, case))


def structural(
    iso: Path,
    *,
    base: Path,
    manifest: Manifest,
    staged: Mapping[PurePosixPath, bytes],
    boot_records: Mapping[str, bytes],
) -> tuple[Check, ...]:
    """Do the checks of ``iso``, which a build has just written, that do not read its large files.

    ``base`` is the ISO that it was made from, ``manifest`` what it should contain, ``staged`` the files that replace
    or extend the base's, ``boot_records`` those of the base as xorriso extracted them. The base's files are compared
    by type and size, the staged files and the boot records byte by byte. Raises ``BaseIsoError`` if ``base`` is not an
    ISO image; if ``iso`` is not one, that is a failed check.
    """
    with ExitStack() as stack:
        old = stack.enter_context(Image(base))
        try:
            image = stack.enter_context(Image(iso))
        except BaseIsoError as failure:
            faults = (failure.message,)
            return (Check(name="volume", outcome=Outcome.FAILED, detail="volume descriptor", faults=faults),)
        case = Case(iso=image, base=old, manifest=manifest, staged=staged, boot_records=boot_records)
        return tuple(_ask({**STRUCTURE, **AFTER_A_BUILD}, case))


def _ask(questions: Mapping[str, Callable[[Case], Answer]], case: Case) -> Iterator[Check]:
    """The answers in the order of the ``questions``; of a large fleet, the menu takes as long as all the others."""

    def answers(names: Sequence[tuple[str, ...]]) -> list[Check]:
        return [check(name, lambda name=name: questions[name](case)) for some in names for name in some]  # type: ignore[misc]

    others = tuple(name for name in questions if name != "start")
    is_large = case.manifest is not None and len(case.manifest.hosts) >= menu_start.FEWEST_TO_SHARE
    if is_large:
        with suppress(UnreadableError, BaseIsoError):
            _ = case.iso.tree  # which both need
    parts = in_halves(answers, [("start",), others], least=2 if is_large else None)
    by_name = {one.name: one for part in parts for one in part}
    return (by_name[name] for name in questions)


def _with_manifest(case: Case, path: Path | None) -> Case:
    """``case`` with the manifest at ``path`` or beside the ISO, or else the one inside, and what is wrong with them."""
    faults = []
    inside = beside = None
    try:
        inside = case.iso.manifest
    except (ValueError, BaseIsoError) as failure:
        faults.append(f"{MANIFEST} cannot be read: {failure}")
    except UnreadableError:
        pass
    file = path or case.iso.path.with_name("manifest.json")
    try:
        if path or is_present(file):
            beside = Manifest.from_file(file)
    except (ValueError, OSError) as failure:
        if path or inside or faults:
            faults.append(f"{file} cannot be read: {getattr(failure, 'strerror', None) or failure}")
    return replace(
        case,
        manifest=beside or inside,
        beside=beside,
        inside=inside,
        manifest_file=file if beside else None,
        manifest_faults=tuple(faults),
    )


def _read(case: Case, listen: Callable[[float], object]) -> Reading:
    """Read the whole ISO: all its files for md5sum.txt, those that the base ISO has too for the comparison with it."""
    inside = None
    try:
        files: Mapping[PurePosixPath, Node] = case.iso.tree
        other = Other(path=case.base.path, files=case.base.tree) if case.base else None
        with suppress(BaseIsoError):  # the check of that name raises it again
            inside = case.base_inside
    except UnreadableError:
        files, other = {}, None
    expected = case.beside.iso.size if case.beside and case.beside.iso else case.iso.size
    size = min(expected, case.iso.size)
    restored = case.booted.restored if case.booted else lambda chunk, _offset: chunk
    return read_once(case.iso.path, files, other=other, inside=inside, size=size, restored=restored, listen=listen)


def manifests(case: Case) -> Answer:
    """The manifests on the ISO and beside it agree, and name this ISO and this base ISO."""
    faults = list(case.manifest_faults)
    if case.manifest is None:
        if faults:
            return Answer(detail="manifest", faults=tuple(faults))
        raise SkipError("no manifest: isoforge did not make this ISO, or the manifest was removed")
    if MANIFEST not in case.iso.tree:
        faults.append(f"{MANIFEST} is not on the ISO")
    elif case.inside and case.beside:
        faults += _in_both(case.inside, _as_inside(case.beside))
    facts = case.manifest.base_iso
    if case.iso.title != facts.title:
        faults.append(f".disk/info is {case.iso.title!r}, expected {facts.title!r} (manifest)")
    if case.base:
        expected = (facts.title, facts.volume_id, facts.modified)
        if expected != (case.base.title, case.base.volume.volume_id, case.base.volume.modified):
            faults.append(f"{case.base.path.name} is not the base ISO of the manifest")
        elif facts.size not in (None, case.base.size):
            faults.append(f"{case.base.path.name} has {case.base.size} bytes, expected {facts.size} (manifest)")
    where = "on the ISO and beside it" if case.beside else "on the ISO"
    return Answer(detail=f"manifest {where}, build {case.manifest.build_id}", faults=tuple(faults))


def _as_inside(manifest: Manifest) -> Manifest:
    """A manifest as it is written onto the ISO: without what depends on where and how the build ran."""
    facts = replace(manifest.base_iso, file=None, size=None, sha256=None, origin=None, official_name=None)
    return replace(manifest, iso=None, source_commit=None, method=None, base_iso=facts)


def _in_both(inside: Manifest, beside: Manifest) -> Iterator[str]:
    if inside.build_id != beside.build_id:
        yield f"the manifest beside the ISO is of build {beside.build_id}, the one on the ISO of {inside.build_id}"
        return
    for key in Manifest.__dataclass_fields__:
        if getattr(inside, key) != getattr(beside, key):
            yield f"the manifests on the ISO and beside it differ in {key}"


def digest(case: Case) -> Answer:
    """The whole ISO has the size and the SHA-256 of the manifest beside it."""
    expected = case.beside.iso if case.beside else None
    if expected is None:
        raise SkipError("no manifest beside the ISO has its SHA-256")
    behind = case.iso.size - expected.size
    ends_there = case.booted is not None or _ends_at(case.iso, expected.size)
    is_dump = behind > 0 and ends_there and expected.sha256 is not None  # the first part is proven by its SHA-256
    if behind and not is_dump:
        fault = f"the ISO has {case.iso.size} bytes, expected {expected.size} (manifest)"
        return Answer(detail=f"{case.iso.size} bytes", faults=(fault,))
    if expected.sha256 is None:
        raise SkipError("SHA-256 not computed (--fast); the size is that of the manifest beside the ISO")
    sha256 = case.the_reading.sha256
    fault = f"the SHA-256 of the ISO is {sha256}, expected {expected.sha256} (manifest)"
    remarks = (f"{behind} bytes follow the ISO, as on a larger stick",) if behind else ()
    if case.booted:
        remarks = (case.booted.remark, *remarks)
        fault += ", also with the GPT that the ISO had"
    faults = (fault,) if sha256 != expected.sha256 else ()
    return Answer(detail=f"{expected.size} bytes, SHA-256 {sha256[:12]}…", faults=faults, remarks=remarks)


def _ends_at(iso: Image, size: int) -> bool:
    """Whether the partition table fits an ISO of ``size`` bytes: a GPT names its end, a DOS label only partitions."""
    if iso.gpt is not None:
        return iso.gpt.end == size
    return iso.layout.table is PartitionTable.DOS and 0 < max((part.end for part in iso.partitions), default=0) <= size


OF_ALL_BYTES: Mapping[str, Callable[[Case], Answer]] = {
    "inside": base_inside.inside,
    "manifest": manifests,
    "digest": digest,
}
"""The checks that need the whole ISO to be read, or what lies beside it."""


def anchor(case: Case, signers: str | None) -> Answer:
    """What all the other checks rest on: anyone who can change that as well as the ISO is not noticed."""
    if signers is not None:
        return _signature(case, signers)
    if case.beside and case.manifest_file:
        detail = f"{case.manifest_file.name} beside the ISO: keep it where nobody else can write, or sign it (--sign)"
        return Answer(detail=detail)
    if case.inside:
        remark = "anyone who changed the ISO may have changed the manifest on it too: keep manifest.json, or sign it"
        return Answer(detail="the manifest on the ISO itself", remarks=(remark,))
    if case.base:
        return Answer(detail=f"the base ISO {case.base.path.name}")
    raise SkipError("nothing to compare the ISO with: it was only checked whether its parts fit together")


def _signature(case: Case, signers: str) -> Answer:
    """The manifest beside the ISO is signed by the signer, and has the SHA-256 that covers every byte of the ISO."""
    detail = "signature of the manifest"
    if case.manifest_file is None:
        return Answer(detail=detail, faults=("no manifest.json beside the ISO: there is nothing that could be signed",))
    try:
        name = signed_by(case.manifest_file, signers)
    except SignatureError as failure:
        return Answer(detail=detail, faults=(str(failure),))
    iso = case.beside.iso if case.beside else None
    remarks = (
        () if iso and iso.sha256 else ("the manifest has no SHA-256 of the ISO (--fast): only its files are proven",)
    )
    return Answer(detail=f"{case.manifest_file.name}, signed by {name}", remarks=remarks)
