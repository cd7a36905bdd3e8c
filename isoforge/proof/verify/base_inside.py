"""The check of the base ISO inside: whether all its bytes are there, and whether they are the published ones."""

from __future__ import annotations

from isoforge.image.inside import head_of
from isoforge.official.images import name_of
from isoforge.official.origin import Origin, OriginFacts, origin_of
from isoforge.proof.verify.case import Case
from isoforge.proof.verify.check import Answer, SkipError


def inside(case: Case) -> Answer:
    """The base ISO inside a graft has the SHA-256 that Ubuntu has published, or that of the manifest beside the ISO.

    It is computed from the ISO alone: the base's first bytes are a file on it, all others are where they were.
    """
    base = case.base_inside
    if base is None:
        if case.manifest and case.manifest.base_head:
            return Answer(detail="the base ISO inside", faults=(f"{case.manifest.base_head.path} is missing",))
        raise SkipError("this ISO does not contain its base ISO: it was not built as a graft")
    sha256 = case.the_reading.base_sha256 or ""
    facts = case.beside.base_iso if case.beside else None
    expected = facts.sha256 if facts else None
    guess = name_of(case.iso.volume.volume_id) or case.iso.path.name
    name = (facts and (facts.official_name or facts.file)) or guess
    origin = origin_of(case.iso.path.with_name(name), sha256)
    faults = []
    if expected and sha256 != expected:
        faults.append(f"the base ISO inside has the SHA-256 {sha256}, expected {expected} (manifest)")
    elif not expected and origin.origin is Origin.MODIFIED:
        faults.append(
            f"the base ISO inside is not {origin.name} as published: its SHA-256 is not the one in SHA256SUMS"
        )
    if case.base and head_of(case.base.path) != base.head:
        faults.append(f"the base ISO inside is not {case.base.path.name}")
    if case.manifest and case.manifest.base_head is None:
        faults.append("the ISO contains its base ISO, the manifest states that it does not")
    remarks = () if expected or origin.origin is not Origin.UNKNOWN else (f"no SHA256SUMS at hand lists {sha256}",)
    return Answer(detail=_words(name, base.size, sha256, origin, expected), faults=tuple(faults), remarks=remarks)


def _words(name: str, size: int, sha256: str, origin: OriginFacts, expected: str | None) -> str:
    if origin.origin is Origin.OFFICIAL:
        return f"inside: {origin.name}, as published by Ubuntu (signed SHA256SUMS)"
    if sha256 == expected:
        return f"inside: {name}, {size} bytes, as the manifest states"
    if origin.origin is Origin.LISTED:
        return f"inside: {origin.name}, as listed in a SHA256SUMS without a valid signature"
    return f"inside: {name}, {size} bytes, SHA-256 {sha256[:12]}…"
