"""The ISO that is to be written to a stick: what it is, and whether it is undamaged."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from isoforge.errors import BaseIsoError, ProofError
from isoforge.image.base import instead_of_a_file, reading
from isoforge.image.sectors import missing_bytes, read_partitions, read_volume
from isoforge.official.origin import Origin, origin_of
from isoforge.proof.manifest import Manifest
from isoforge.proof.read.image import Image, UnreadableError
from isoforge.proof.verify.verify import verify
from isoforge.regular_file import is_present

log = logging.getLogger(__name__)

_CHUNK = 4 << 20

_NOTHING_WRITTEN = "nothing was written"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceIso:
    """An ISO image: its ``size`` in bytes, what it is for people, whether isoforge has built it, and the SHA-256 that
    the manifest beside it has (None without one)."""

    path: Path
    size: int
    description: str
    is_ours: bool
    sha256: str | None


def look_at(path: Path) -> SourceIso:
    """The facts of the ISO at ``path``; ``BaseIsoError`` unless it is a whole ISO image. Reads no large file."""
    with reading(path):
        if not path.is_file():
            raise BaseIsoError(f"{path} {instead_of_a_file(path)}")
        volume = read_volume(path)
        if volume is None:
            raise BaseIsoError(f"{path} is not an ISO image", hint=f"{_NOTHING_WRITTEN}; isoforge multi builds an ISO")
        if missing := missing_bytes(path):
            hint = f"{_NOTHING_WRITTEN}; copy, build or download it again"
            raise BaseIsoError(f"{path} is truncated: {missing} bytes are missing", hint=hint)
        if not read_partitions(path):
            log.warning("warning: %s has no partition table: firmware starts it from a CD, not from a stick", path)
        inside, title = _contents(path)
        beside = _beside(path) if inside else None
        facts = beside.iso if beside and inside and beside.build_id == inside.build_id else None
        hosts = f"{inside.name}: {len(inside.hosts)} hosts on {title}, build {inside.build_id}" if inside else ""
        return SourceIso(
            path=path,
            size=path.stat().st_size,
            description=hosts or title or volume.volume_id,
            is_ours=inside is not None,
            sha256=facts.sha256 if facts else None,
        )


def prove(iso: SourceIso, listen: Callable[[int], object]) -> str:
    """The SHA-256 of ``iso``, which has been read to its end; ``listen`` is called with the bytes that were read.

    Raises ``ProofError`` if it is not what its manifest says, and without the manifest's digest if `verify` finds a
    fault in it; ``BaseIsoError`` if it is an official ISO with other bytes than the signed list says.
    """
    sha256 = _digest(iso.path, listen)
    if iso.sha256 not in (None, sha256):
        text = f"{iso.path} is damaged: its SHA-256 is {sha256}, expected {iso.sha256} (manifest.json)"
        raise ProofError(text, hint=f"{_NOTHING_WRITTEN}; copy it again, or build it again")
    if iso.is_ours and iso.sha256 is None:
        faults = [f"{check.name}: {fault}" for check in verify(iso.path) for fault in check.faults]
        if faults:
            hint = f"{_NOTHING_WRITTEN}; isoforge verify {iso.path} shows all checks"
            raise ProofError(f"{iso.path} is not what it should be", hint=hint, problems=faults)
    if not iso.is_ours and (origin := origin_of(iso.path.resolve(), sha256)).origin is Origin.MODIFIED:
        text = f"{iso.path} is not the official ISO: its SHA-256 {sha256} differs from that in {origin.source}"
        raise BaseIsoError(text, hint=f"{_NOTHING_WRITTEN}; download it again with isoforge fetch")
    return sha256


def _contents(path: Path) -> tuple[Manifest | None, str]:
    """The manifest on the ISO, if isoforge has built it, and the title in its .disk/info."""
    try:
        with Image(path) as image:
            return image.manifest, image.title
    except (UnreadableError, ValueError) as failure:
        raise BaseIsoError(f"{path} is damaged: {failure}", hint=f"{_NOTHING_WRITTEN}; copy it again") from failure


def _beside(path: Path) -> Manifest | None:
    """The manifest.json beside the ISO, if there is one that can be read; `verify` reports what is wrong with it."""
    file = path.with_name("manifest.json")
    try:
        return Manifest.from_file(file) if is_present(file) else None
    except (OSError, ValueError):
        return None


def _digest(path: Path, listen: Callable[[int], object]) -> str:
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            listen(file.tell())
    return digest.hexdigest()
