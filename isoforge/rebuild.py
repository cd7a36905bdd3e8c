"""A build repeated: the manifest of the first ISO, compared with the base ISO and the result of the new build."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from isoforge.errors import BaseIsoError, ProofError
from isoforge.proof.manifest import HostFacts, Manifest, sha256_of

_NOT_COMPARED = {
    *("hosts", "iso", "build_id", "medium", "source_commit", "method", "base_iso", "detect_files", "scripts"),
    *("report_files", "report_token_sha256"),
}
"""Keys that follow from others, or depend on where the build was done."""

_WORDS = {"isoforge_version": "isoforge", "xorriso_version": "xorriso"}
"""Names of keys in messages; the others appear as they are."""

LISTED = 5
"""The most hosts that a message names; the rest are counted."""


def refuse_other_base(original: Manifest | None, base: Path) -> None:
    """Raise ``BaseIsoError`` if ``base`` differs from the base ISO of ``original`` in size or SHA-256.

    The size is compared first, so that a wrong ISO is refused before gigabytes of it are read.
    """
    if original is None or not base.is_file():  # `read_base` reports a missing base
        return
    expected = original.base_iso
    size = base.stat().st_size
    hint = f"use {expected.title}"
    if expected.size is not None and size != expected.size:
        raise BaseIsoError(f"{base} is not the manifest's base ISO: {size} bytes, not {expected.size}", hint=hint)
    sha256 = expected.sha256 and sha256_of(base)
    if sha256 != expected.sha256:
        raise BaseIsoError(f"{base} is not the manifest's base ISO: SHA-256 {sha256}, not {expected.sha256}", hint=hint)


def refuse_difference(original: Manifest | None, manifest: Manifest) -> None:
    """Raise ``ProofError`` with every difference between the build of ``manifest`` and that of ``original``.

    ``manifest`` is that of a plan, without an ISO, or that of a draft, whose SHA-256 is then compared too.
    """
    if original is None:
        return
    differences = [*_settings(original, manifest), *_base(original, manifest), *_hosts(original, manifest)]
    if not differences and original.build_id != manifest.build_id:
        differences = ["the menu, a template or the detection of machines, which the manifest does not list"]
    if not differences and manifest.iso and original.iso and manifest.iso.sha256 != original.iso.sha256:
        differences = [f"its bytes only: SHA-256 {manifest.iso.sha256}, not {original.iso.sha256}"]
    if differences:
        raise ProofError(
            f"the rebuilt ISO {original.name} differs from its manifest and was not kept: {'; '.join(differences)}"
        )


def _settings(original: Manifest, manifest: Manifest) -> Iterator[str]:
    now = asdict(manifest)
    for key, before in asdict(original).items():
        if key not in _NOT_COMPARED and now[key] != before:
            yield f"{_WORDS.get(key, key)} ({now[key]}, was {before})"


def _base(original: Manifest, manifest: Manifest) -> Iterator[str]:
    for key in ("title", "volume_id", "modified"):
        before, now = getattr(original.base_iso, key), getattr(manifest.base_iso, key)
        if before != now:
            yield f"the base ISO's {key.replace('_', ' ')} ({now}, was {before})"


def _hosts(original: Manifest, manifest: Manifest) -> Iterator[str]:
    before = {host.name: host for host in original.hosts}
    now = {host.name: host for host in manifest.hosts}
    if list(before) != list(now):
        yield f"the hosts ({_named(list(now))}, were {_named(list(before))})"
    both = [name for name in before if name in now]
    if seeds := [name for name in both if before[name].seed_digests != now[name].seed_digests]:
        yield f"the seed of {_named(seeds)}"
    if entries := [name for name in both if _entry(before[name]) != _entry(now[name])]:
        yield f"the menu entry of {_named(entries)}"


def _entry(host: HostFacts) -> tuple[object, ...]:
    """The facts of the menu entry, without ``uuid=`` on the kernel line, which follows from the build id."""
    words = (word for word in host.kernel_line.split() if not word.startswith("uuid="))
    return (host.title, host.kernel, host.initrd, *words)


def _named(names: list[str]) -> str:
    rest = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {rest} more" if rest > 0 else "")
