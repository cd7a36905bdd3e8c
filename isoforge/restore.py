"""The official ISO extracted from a built one, byte-identical."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from isoforge.atomic import refuse_without_room
from isoforge.errors import BaseIsoError, OutputError, ProofError
from isoforge.image.base import reading
from isoforge.image.digests import extract
from isoforge.image.inside import Inside, inside_of
from isoforge.image.sectors import read_volume
from isoforge.official.images import name_of
from isoforge.official.origin import Origin, OriginFacts, origin_of
from isoforge.proof.manifest import BaseFacts, Manifest, sha256_of
from isoforge.staging import publish, staging_directory


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """The base ISO that was taken out: the file, its SHA-256, and whether lists or a manifest know it.

    ``expected`` is the SHA-256 that the manifest beside the built ISO has for it, None if there is none.
    """

    iso: Path
    size: int
    sha256: str
    expected: str | None
    origin: OriginFacts


def restore(
    iso: Path, output: Path | None = None, listen: Callable[[int, int], object] = lambda _done, _total: None
) -> Restored:
    """Write the base ISO inside ``iso``, a file or a stick, to ``output``, and check its SHA-256.

    By default ``output`` has the base's own name, in the current directory. It is written under a temporary name, and
    kept only if the digest is the one that the manifest beside ``iso`` or a signed list of Ubuntu's states, where there
    is one. Raises ``BaseIsoError`` if ``iso`` contains no base ISO, ``OutputError`` if ``output`` exists with another
    content or cannot be written, ``ProofError`` if the digest is another one.
    """
    with reading(iso):
        inside = require_inside(iso)
        facts = facts_beside(iso)
        name = base_name(iso, facts)
        goal = output or Path(name)
        if goal.exists() and goal.samefile(iso):
            raise OutputError(f"{goal} is the ISO to restore itself", hint="choose another --output")
        with ExitStack() as stack:
            staging = stack.enter_context(staging_directory(goal))
            refuse_without_room(staging, inside.size)
            draft = staging / goal.name
            sha256 = extract(draft, iso, inside, listen=listen)
            origin = origin_of(iso.with_name(name), sha256)
            expected = facts.sha256 if facts else None
            _refuse_other(iso, sha256, expected, origin)
            if goal.exists():
                if goal.stat().st_size != inside.size or sha256_of(goal) != sha256:
                    raise OutputError(f"{goal} already exists, with another content", hint="choose another --output")
            else:
                draft.chmod(0o644)
                publish({draft: goal})
    return Restored(iso=goal, size=inside.size, sha256=sha256, expected=expected, origin=origin)


def require_inside(iso: Path) -> Inside:
    """The base ISO inside the file or device ``iso``; ``BaseIsoError`` if there is none."""
    if not (iso.is_file() or iso.is_block_device()):
        raise BaseIsoError(f"{iso} does not exist, or is neither a file nor a block device")
    if read_volume(iso) is None:
        raise BaseIsoError(f"{iso} is not an ISO image")
    inside = inside_of(iso)
    if inside is None:
        raise BaseIsoError(
            f"{iso} does not contain its base ISO", hint='only an ISO whose manifest says "method": "graft" does'
        )
    return inside


def facts_beside(iso: Path) -> BaseFacts | None:
    """What the manifest.json beside ``iso`` says of the base ISO, if there is one of this ISO."""
    try:
        manifest = Manifest.from_file(iso.with_name("manifest.json"))
    except (OSError, ValueError):
        return None
    return manifest.base_iso if manifest.iso and manifest.iso.file == iso.name else None


def base_name(iso: Path, facts: BaseFacts | None) -> str:
    """The file name of the base ISO, as far as it is known."""
    volume = read_volume(iso)
    known = (facts.official_name or facts.file) if facts else None
    return Path(known or (volume and name_of(volume.volume_id)) or f"{iso.stem}-base.iso").name


def _refuse_other(iso: Path, sha256: str, expected: str | None, origin: OriginFacts) -> None:
    if expected is not None and sha256 != expected:
        raise ProofError(f"the base ISO inside {iso} is damaged: SHA-256 {sha256}, expected {expected} (manifest)")
    if expected is None and origin.origin is Origin.MODIFIED:
        raise ProofError(f"the base ISO inside {iso} is not {origin.name} as published: SHA-256 {sha256}")
