"""The recipes of `isoforge fetch`: an official ISO downloaded, or one that is already here checked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from isoforge.errors import BaseIsoError, OutputError
from isoforge.image.base import instead_of_a_file, reading
from isoforge.image.sectors import read_volume
from isoforge.official.download import Listener, download
from isoforge.official.images import Wanted, recognized
from isoforge.official.origin import Origin, OriginFacts, cache_list, judged, keep_list, lists_for, origin_of, own_list
from isoforge.official.sums import SIGNATURE, SIZE_LIMIT, SUMS, SigningKey, SumsList, shipped_key
from isoforge.official.web import NetworkError, NotFoundError, Web
from isoforge.ownership import refuse_foreign_link
from isoforge.regular_file import is_present
from isoforge.signature import SignatureError

_OFFLINE = "without a network, put SHA256SUMS and SHA256SUMS.gpg of its release beside the ISO"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficialIso:
    """An ISO that is official: ``name`` in the list ``source`` (a URL or a path), signed by the key ``signed_by``.

    ``downloaded``: it was not here before.
    """

    iso: Path
    name: str
    size: int
    sha256: str
    source: str
    signed_by: str
    downloaded: bool


def fetch(
    wanted: Wanted, *, folder: Path, mirror: str | None, listen: Listener, web: Web | None = None,
    key: SigningKey | None = None,
) -> OfficialIso:  # fmt: skip
    """The wanted ISO in ``folder``, downloaded from ``mirror`` (default: Ubuntu's servers) unless it is there.

    One that exists is read and compared with the signed list, and never replaced; for a point release with its list
    beside it or in the cache, no network is needed. Raises `NetworkError`,
    ``BaseIsoError`` if the list is not signed by Ubuntu, does not name the ISO, or the ISO differs from it, and
    ``OutputError`` if it cannot be written.
    """
    if here := _at_hand(wanted, folder, key, listen):
        return here
    web = web or Web()
    sums, name = _find(wanted, web, mirror, key, listen)
    sha256 = sums.digests[name]
    goal = folder / name
    refuse_foreign_link(goal)
    exists = is_present(goal)
    if exists:
        _refuse_other_content(goal, sha256, listen)
    else:
        download(web, f"{sums.source.removesuffix(SUMS)}{name}", goal, sha256=sha256, listen=listen)
    cache_list(sums)
    if not is_present(own_list(goal)):
        keep_list(sums, own_list(goal))
    return _official(goal, name, sha256, sums.source, key, downloaded=not exists)


def _at_hand(wanted: Wanted, folder: Path, key: SigningKey | None, listen: Listener) -> OfficialIso | None:
    """The wanted point release, if it is in ``folder`` and a signed list at hand has its digest."""
    goal = folder / wanted.exact_name if wanted.exact_name else None
    if goal is None or not goal.is_file() or not any(lists_for(goal)):
        return None
    refuse_foreign_link(goal)
    sha256 = _digest(goal, listen)
    local = origin_of(goal, sha256, key=key)
    is_it = local.origin is Origin.OFFICIAL and local.name == goal.name
    return _official(goal, goal.name, sha256, local.source, key) if is_it else None


def verify(
    iso: Path, *, mirror: str | None, listen: Listener, web: Web | None = None, key: SigningKey | None = None
) -> OfficialIso:
    """The ISO at ``iso`` if it is official: by a signed list beside it or in the cache, or else one of ``mirror``.

    Raises ``BaseIsoError`` if it is not, `NetworkError` if no list could be read.
    """
    if not iso.is_file():
        raise BaseIsoError(f"{iso} {instead_of_a_file(iso)}", hint="isoforge fetch downloads an official ISO")
    sha256 = _digest(iso, listen)
    local = origin_of(iso.resolve(), sha256, key=key)
    if local.origin is Origin.OFFICIAL:
        return _official(iso, local.name, sha256, local.source, key)
    volume = read_volume(iso)
    wanted = recognized(iso.name, volume.volume_id if volume else "")
    if wanted is None:
        hint = "the name of an official ISO has the form ubuntu-24.04.4-live-server-amd64.iso"
        raise BaseIsoError(f"{iso} is not an official ISO: neither its name nor its volume id names one", hint=hint)
    try:
        judgment = _judgment(iso.name, sha256, wanted, web or Web(), mirror, key, listen)
    except NetworkError as failure:
        if local.origin is Origin.MODIFIED:
            raise _not_official(iso, sha256, local) from failure
        raise NetworkError(failure.message, hint=_OFFLINE) from failure
    if judgment.origin is not Origin.OFFICIAL:
        raise _not_official(iso, sha256, local if local.origin is Origin.MODIFIED else judgment)
    return _official(iso, judgment.name, sha256, judgment.source, key)


def _judgment(
    name: str, sha256: str, wanted: Wanted, web: Web, mirror: str | None, key: SigningKey | None, listen: Listener
) -> OriginFacts:
    """What the lists of the mirrors say of the ISO; a list that has its digest ends the search."""
    best = OriginFacts(origin=Origin.UNKNOWN)
    for sums in _lists(wanted, web, mirror, key, listen):
        facts = judged(sums, name, sha256, key=key)
        if facts.origin is not Origin.UNKNOWN:
            best = facts
        if not best.source:
            best = OriginFacts(origin=Origin.UNKNOWN, source=sums.source)
        if facts.origin is Origin.OFFICIAL:
            cache_list(sums)
            break
    return best


def _find(
    wanted: Wanted, web: Web, mirror: str | None, key: SigningKey | None, listen: Listener
) -> tuple[SumsList, str]:
    """The first list that names the wanted ISO, and the name."""
    sources = []
    for sums in _lists(wanted, web, mirror, key, listen):
        name = wanted.newest(sums.digests)
        if name:
            return sums, name
        sources.append(sums.source)
    hint = "check the release, --arch and --desktop: not every release has every ISO"
    raise BaseIsoError(f"{', '.join(sources)}: no {wanted.words} in the list", hint=hint)


def _lists(
    wanted: Wanted, web: Web, mirror: str | None, key: SigningKey | None, listen: Listener
) -> Iterator[SumsList]:
    """The signed lists of the folders that may have the wanted ISO; `NotFoundError` if there is none."""
    missing: list[str] = []
    folders = wanted.folders(mirror)
    for folder in folders:
        url = f"{folder}/{SUMS}"
        listen(f"reading {url}", 0, 0)
        try:
            sums = SumsList(
                source=url, text=web.read(url, SIZE_LIMIT), signature=web.read(f"{folder}/{SIGNATURE}", SIZE_LIMIT)
            )
        except NotFoundError as failure:
            missing.append(failure.message)
            continue
        try:
            sums.require_signature(key)
        except SignatureError as failure:
            hint = "the mirror, or a proxy on the way, has changed or truncated it: try another --mirror"
            raise BaseIsoError(str(failure), hint=hint) from failure
        yield sums
    if len(missing) == len(folders):
        raise NotFoundError(missing[0], hint="check the release and the --mirror")


def _refuse_other_content(goal: Path, sha256: str, listen: Listener) -> None:
    if not goal.is_file():
        raise OutputError(f"{goal} already exists and is not a regular file", hint="move it away")
    found = _digest(goal, listen)
    if found != sha256:
        raise BaseIsoError(
            f"{goal} already exists and is not the official ISO: SHA-256 {found}, but the signed list says {sha256}",
            hint="move it away, or remove it, and run the command again",
        )


def _digest(iso: Path, listen: Listener) -> str:
    """The SHA-256 of the file ``iso``."""
    digest = hashlib.sha256()
    with reading(iso), iso.open("rb") as file:
        size = iso.stat().st_size
        while chunk := file.read(1 << 20):
            digest.update(chunk)
            listen(f"checking {iso.name}", min(size, file.tell()), size)
    return digest.hexdigest()


def _official(
    iso: Path, name: str, sha256: str, source: str, key: SigningKey | None, *, downloaded: bool = False
) -> OfficialIso:
    return OfficialIso(
        iso=iso,
        name=name,
        size=iso.stat().st_size,
        sha256=sha256,
        source=source,
        signed_by=(key or shipped_key()).fingerprint,
        downloaded=downloaded,
    )


def _not_official(iso: Path, sha256: str, facts: OriginFacts) -> BaseIsoError:
    if facts.origin is Origin.MODIFIED:
        text = f"{iso} is not the official ISO: its SHA-256 {sha256} differs from that in {facts.source}"
        return BaseIsoError(text, hint="it was modified, or not downloaded completely: download it with isoforge fetch")
    return BaseIsoError(
        f"{iso} is not a known official ISO: {facts.source} does not contain its SHA-256 {sha256}",
        hint="download an official one with isoforge fetch",
    )
