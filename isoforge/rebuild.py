"""A build repeated: what a manifest says an ISO was, against what comes out this time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from isoforge.errors import BaseIsoError, ProofError
from isoforge.proof.manifest import HostFacts, Manifest, sha256_of

_NOT_COMPARED = {"hosts", "iso", "build_id", "medium", "source_commit", "unpacked", "base_iso", "detect_files"}
"""Keys that follow from others, or speak of the place where a build was made."""

_WORDS = {"isoforge_version": "isoforge", "xorriso_version": "xorriso"}
"""How keys are called in a sentence; the others by their own name."""

LISTED = 5
"""How many hosts a sentence names before it counts the rest."""


def refuse_other_base(wanted: Manifest | None, base: Path) -> None:
    """Raise ``BaseIsoError`` if ``base`` is another file than ``wanted`` was built from, by size or by SHA-256.

    The size is looked at first, so that a wrong ISO is refused before gigabytes of it are read.
    """
    if wanted is None or not base.is_file():  # a base that is not there has a better sentence elsewhere
        return
    meant = wanted.base_iso
    size = base.stat().st_size
    hint = f"take {meant.title}"
    if meant.size is not None and size != meant.size:
        raise BaseIsoError(f"{base} is not the manifest's base ISO: {size} bytes, not {meant.size}", hint=hint)
    if meant.sha256 is not None and (found := sha256_of(base)) != meant.sha256:
        raise BaseIsoError(f"{base} is not the manifest's base ISO: SHA-256 {found}, not {meant.sha256}", hint=hint)


def refuse_difference(wanted: Manifest | None, told: Manifest) -> None:
    """Raise ``ProofError`` with one sentence that names whatever makes ``told`` another build than ``wanted``.

    ``told`` is a plan's manifest, which knows no ISO yet, or that of a draft, whose SHA-256 then has to be the same.
    """
    if wanted is None:
        return
    found = [*_settings(wanted, told), *_base(wanted, told), *_hosts(wanted, told)]
    if not found and wanted.build_id != told.build_id:
        found = ["the menu, a template or what detects machines: no key of the manifest tells which"]
    if not found and told.iso and wanted.iso and told.iso.sha256 != wanted.iso.sha256:
        found = [f"its bytes alone: SHA-256 {told.iso.sha256}, not {wanted.iso.sha256}"]
    if found:
        raise ProofError(
            f"the ISO {wanted.name} would not be the same again, so none was kept; it differs in {'; '.join(found)}"
        )


def _settings(wanted: Manifest, told: Manifest) -> Iterator[str]:
    now = asdict(told)
    for key, before in asdict(wanted).items():
        if key not in _NOT_COMPARED and now[key] != before:
            yield f"{_WORDS.get(key, key)} ({now[key]}, was {before})"


def _base(wanted: Manifest, told: Manifest) -> Iterator[str]:
    for key in ("title", "volume_id", "modified"):
        before, now = getattr(wanted.base_iso, key), getattr(told.base_iso, key)
        if before != now:
            yield f"the base ISO's {key.replace('_', ' ')} ({now}, was {before})"


def _hosts(wanted: Manifest, told: Manifest) -> Iterator[str]:
    before = {host.name: host for host in wanted.hosts}
    now = {host.name: host for host in told.hosts}
    if list(before) != list(now):
        yield f"the hosts ({_named(list(now))}, were {_named(list(before))})"
    both = [name for name in before if name in now]
    if seeds := [name for name in both if before[name].seed_digests != now[name].seed_digests]:
        yield f"the seed of {_named(seeds)}"
    if entries := [name for name in both if _entry(before[name]) != _entry(now[name])]:
        yield f"the menu's entry of {_named(entries)}"


def _entry(host: HostFacts) -> tuple[object, ...]:
    """What the menu shows and starts; ``uuid=`` on the kernel line follows from the build id, as the medium does."""
    words = (word for word in host.kernel_line.split() if not word.startswith("uuid="))
    return (host.title, host.kernel, host.initrd, *words)


def _named(names: list[str]) -> str:
    rest = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {rest} more" if rest > 0 else "")
