"""Whether an ISO is official: its SHA-256 in the signed lists beside it and in the user's cache. No network is used."""

from __future__ import annotations

import enum
import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from isoforge.atomic import replace_together
from isoforge.errors import OutputError, ToolError
from isoforge.official.sums import SIGNATURE, SIZE_LIMIT, SUMS, SigningKey, SumsList
from isoforge.ownership import user_cache
from isoforge.regular_file import read_regular
from isoforge.signature import SignatureError

log = logging.getLogger(__name__)

MAX_CACHED = 200
"""How many lists of the cache are read, the latest first."""


class Origin(enum.StrEnum):
    """Where an ISO comes from, as far as the lists at hand show."""

    OFFICIAL = "official"
    """A list that Ubuntu has signed contains its SHA-256."""
    LISTED = "listed"
    """A list without a valid signature contains its SHA-256."""
    MODIFIED = "modified"
    """A list that Ubuntu has signed contains its name, with another SHA-256."""
    UNKNOWN = "unknown"
    """No list contains it, or its SHA-256 was not computed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginFacts:
    """The origin of an ISO; ``name`` is the name that the list has for it, ``source`` the list (both may be empty)."""

    origin: Origin
    name: str = ""
    source: str = ""


UNKNOWN = OriginFacts(origin=Origin.UNKNOWN)


def origin_of(iso: Path, sha256: str | None, *, key: SigningKey | None = None) -> OriginFacts:
    """The origin of the file ``iso`` with that digest, from the lists beside it and in the cache."""
    if sha256 is None:
        return UNKNOWN
    best = UNKNOWN
    for sums in lists_for(iso):
        facts = judged(sums, iso.name, sha256, key=key)
        if facts.origin is Origin.OFFICIAL:
            return facts
        if best.origin is Origin.UNKNOWN or (best.origin is Origin.LISTED and facts.origin is Origin.MODIFIED):
            best = facts
    return best


def warned_origin(iso: Path, sha256: str | None) -> OriginFacts:
    """The origin of a base ISO, with a warning if it is known to be modified."""
    facts = origin_of(iso, sha256)
    if facts.origin is Origin.MODIFIED:
        cure = "download it again with isoforge fetch, unless you changed it"
        log.warning("warning: %s is not the official ISO of that name (%s): %s", iso, facts.source, cure)
    return facts


def judged(sums: SumsList, name: str, sha256: str, *, key: SigningKey | None = None) -> OriginFacts:
    """What ``sums`` says of the file ``name`` with that digest."""
    digests = sums.digests
    names = [listed for listed, digest in digests.items() if digest == sha256]
    if not names and name not in digests:
        return UNKNOWN
    listed = name if name in names or not names else names[0]
    try:
        sums.require_signature(key)
    except (SignatureError, ToolError) as failure:  # without gpgv no signature counts
        log.info("%s", failure)
        return OriginFacts(origin=Origin.LISTED, name=listed, source=sums.source) if names else UNKNOWN
    return OriginFacts(origin=Origin.OFFICIAL if names else Origin.MODIFIED, name=listed, source=sums.source)


def description(origin: str | None, name: str | None, *, has_digest: bool = True) -> str:
    """The origin in words; ``name`` is that of the list."""
    return {
        Origin.OFFICIAL: f"official: {name} in the SHA256SUMS that Ubuntu has signed",
        Origin.LISTED: f"not proven: {name} in a SHA256SUMS without a valid signature",
        Origin.MODIFIED: f"MODIFIED: not the {name} in the SHA256SUMS that Ubuntu has signed",
    }.get(
        Origin(origin or Origin.UNKNOWN),
        "unknown: no SHA256SUMS contains it (isoforge fetch --verify)" if has_digest else "unknown (--fast)",
    )


def lists_for(iso: Path) -> Iterator[SumsList]:
    """The lists beside ``iso``, its own one first, then those in the cache."""
    yield from _readable((own_list(iso), iso.with_name(SUMS)))
    yield from _readable(_cached())


def own_list(iso: Path) -> Path:
    """Where `isoforge fetch` keeps the list of ``iso``, with the signature in ``….gpg``; its name is the ISO's own, as
    each series has its list."""
    return iso.with_name(f"{iso.name}.{SUMS}")


def keep_list(sums: SumsList, path: Path) -> None:
    """Write ``sums`` to ``path``, and the signature beside it; raises ``OutputError``."""
    replace_together({path: sums.text, _signature_of(path): sums.signature}, durable=False)


def cache_list(sums: SumsList) -> None:
    """Keep the valid list ``sums`` in the cache, if that is possible."""
    cache = cache_folder()
    if cache is None:
        return
    try:
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        keep_list(sums, cache / f"{hashlib.sha256(sums.text).hexdigest()[:16]}.{SUMS}")
    except (OSError, OutputError) as failure:
        log.info("not kept in the cache: %s", failure)


def _cached() -> list[Path]:
    """The lists in the cache, the latest first; none if it cannot be read, as in the home of another user."""
    cache = cache_folder()
    if cache is None:
        return []
    try:
        dated = [(path.stat().st_mtime_ns, path) for path in cache.glob(f"*.{SUMS}")]
    except OSError as failure:
        log.info("the cache %s is not used: %s", cache, failure.strerror)
        return []
    return [path for _, path in sorted(dated, reverse=True)[:MAX_CACHED]]


def cache_folder() -> Path | None:
    """The folder of the lists that were fetched; None without a home."""
    cache = user_cache()
    return cache / "lists" if cache else None


def _readable(paths: tuple[Path, ...] | list[Path]) -> Iterator[SumsList]:
    for path in paths:
        try:
            text = read_regular(path, SIZE_LIMIT)
        except OSError:
            continue
        try:
            signature = read_regular(_signature_of(path), SIZE_LIMIT)
        except OSError:
            signature = b""
        yield SumsList(source=str(path), text=text, signature=signature)


def _signature_of(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(SUMS) + SIGNATURE)
