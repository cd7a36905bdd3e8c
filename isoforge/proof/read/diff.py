"""The differences between two ISOs: volume, hosts, seeds, menu, boot records, files."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from pathlib import Path, PurePosixPath

from isoforge.errors import BaseIsoError
from isoforge.image.base import reading
from isoforge.iso_layout import build_marker
from isoforge.masking.document import masked
from isoforge.proof.manifest import Manifest
from isoforge.proof.read.boot_parts import REWRITTEN, BootParts, boot_parts
from isoforge.proof.read.image import Image, UnreadableError
from isoforge.proof.read.inspect import Contents, EntryFacts, HostSeed, SeedFile, contents
from isoforge.proof.read.kernel_args import masked_line
from isoforge.proof.read.read_once import Other, read_once

FIRST_ONLY, SECOND_ONLY = "only in the first", "only in the second"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One difference between two ISOs.

    ``part`` is volume, hosts, seeds, menu, boot records or files; ``subject`` is what differs in it, ``change`` how.
    ``diff`` is a unified diff of a seed, empty for everything else. Secrets are masked in both.
    """

    part: str
    subject: str
    change: str
    diff: str = ""


def differences(
    one: Path,
    two: Path,
    *,
    show_secrets: bool = False,
    listen: Callable[[float], object] = lambda _done: None,
) -> tuple[Difference, ...]:
    """Every difference of the ISO ``two`` from ``one`` that matters.

    Addresses and dates do not matter: compared are what firmware starts, what the menu shows, and the paths and the
    content of all files. That the build ids differ is reported once, not for each entry whose kernel line contains
    one. Both ISOs are read once. ``listen`` is called with the share that is done (0 to 1). Raises ``BaseIsoError`` if
    either is not a readable ISO image.
    """
    with reading(one, two), ExitStack() as stack:
        images = [stack.enter_context(Image(path)) for path in (one, two)]
        try:
            before, after = (contents(image) for image in images)
            builds = (before.manifest, after.manifest)
            markers = {str(build_marker(build.build_id)) for build in builds if build} if all(builds) else set()
            return (
                *_in_volume(before, after),
                *_in_build(*builds),
                *_in_boot_parts(boot_parts(images[0]), boot_parts(images[1])),
                *_in_hosts(before, after),
                *_in_seeds(images, before, after, show_secrets=show_secrets),
                *_in_menu(_without_build(before), _without_build(after), show_secrets=show_secrets),
                *(difference for difference in _in_files(images, listen) if difference.subject not in markers),
            )
        except UnreadableError as reason:
            raise BaseIsoError(f"{one} and {two} cannot be compared: {reason}") from reason


def _in_volume(before: Contents, after: Contents) -> Iterator[Difference]:
    for key in ("volume_id", "title"):
        old, new = getattr(before, key), getattr(after, key)
        if old != new:
            yield Difference(part="volume", subject=key, change=f"{old!r} → {new!r}")


def _in_build(before: Manifest | None, after: Manifest | None) -> Iterator[Difference]:
    """The ids of two builds of isoforge, which every entry of their menus contains."""
    for key, subject in (("build_id", "build"), ("medium", "medium")):
        old, new = (getattr(manifest, key) if manifest else None for manifest in (before, after))
        if old and new and old != new:
            yield Difference(part="volume", subject=subject, change=f"{old} → {new}")


def _without_build(iso: Contents) -> Contents:
    """``iso`` with placeholders in its menu for the ids of its build."""
    if iso.manifest is None:
        return iso
    placeholders = ((iso.manifest.build_id, "(build)"), (iso.manifest.medium, "(medium)"))

    def without(text: str) -> str:
        for own, placeholder in placeholders:
            text = text.replace(own, placeholder) if own else text
        return text

    entries = (
        replace(entry, title=without(entry.title), kernel_line=entry.kernel_line and without(entry.kernel_line))
        for entry in iso.menu
    )
    return replace(iso, menu=tuple(entries))


def _in_boot_parts(before: BootParts, after: BootParts) -> Iterator[Difference]:
    for key in fields(BootParts):
        old, new = getattr(before, key.name), getattr(after, key.name)
        if old != new:
            change = f"{old or 'none'} → {new or 'none'}"
            yield Difference(part="boot records", subject=key.name.replace("_", " "), change=change)


def _in_hosts(before: Contents, after: Contents) -> Iterator[Difference]:
    old, new = (dict.fromkeys(host.name for host in iso.hosts) for iso in (before, after))
    yield from (Difference(part="hosts", subject=name, change=FIRST_ONLY) for name in old if name not in new)
    yield from (Difference(part="hosts", subject=name, change=SECOND_ONLY) for name in new if name not in old)


def _in_seeds(images: list[Image], before: Contents, after: Contents, *, show_secrets: bool) -> Iterator[Difference]:
    new = {host.name: host for host in after.hosts}
    for host in before.hosts:
        if host.name not in new:
            continue
        old_files, new_files = _files(host), _files(new[host.name])
        for name in sorted(old_files.keys() | new_files.keys()):
            one, two = old_files.get(name), new_files.get(name)
            if one is None or two is None:
                change = FIRST_ONLY if two is None else SECOND_ONLY
                yield Difference(part="seeds", subject=f"{host.name}/{name}", change=change)
            elif one.sha256 != two.sha256:
                diff = _seed_diff(images, one.path, two.path, show_secrets=show_secrets)
                hidden = "" if diff else ", only in masked secrets"
                change = f"SHA-256 {one.sha256[:12]}… → {two.sha256[:12]}…{hidden}"
                yield Difference(part="seeds", subject=f"{host.name}/{name}", change=change, diff=diff)


def _files(host: HostSeed) -> dict[str, SeedFile]:
    return {PurePosixPath(file.path).name: file for file in host.files}


def _seed_diff(images: list[Image], one: str, two: str, *, show_secrets: bool) -> str:
    before, after = (_lines(image, path, show_secrets) for image, path in zip(images, (one, two), strict=True))
    return "\n".join(difflib.unified_diff(before, after, fromfile=f"first{one}", tofile=f"second{two}", lineterm=""))


def _lines(image: Image, path: str, show_secrets: bool) -> list[str]:
    text = image.content(PurePosixPath(path)).decode("utf-8", errors="replace")
    return (text if show_secrets else masked(text)).splitlines()


def _in_menu(before: Contents, after: Contents, *, show_secrets: bool) -> Iterator[Difference]:
    old, new = ({(entry.menu, *entry.submenu, entry.title): entry for entry in iso.menu} for iso in (before, after))
    for key in [*old, *(key for key in new if key not in old)]:
        one, two = old.get(key), new.get(key)
        subject = f"{PurePosixPath(key[0]).name}: {' > '.join(key[1:])}"
        if one is None or two is None:
            yield Difference(part="menu", subject=subject, change=FIRST_ONLY if two is None else SECOND_ONLY)
        elif one != two:
            lines = [_line(entry, show_secrets=show_secrets) for entry in (one, two)]
            hidden = ", only in masked secrets" if lines[0] == lines[1] else ""
            yield Difference(part="menu", subject=subject, change=f"{' → '.join(lines)}{hidden}")
    if old.keys() == new.keys() and list(old) != list(new):
        yield Difference(part="menu", subject="entries", change="in another order")


def _line(entry: EntryFacts, *, show_secrets: bool) -> str:
    line = entry.kernel_line or ""
    line = line if show_secrets else masked_line(line)
    return " ".join([entry.kernel or "no kernel", line, f"({' '.join(entry.initrd)})"])


def _in_files(images: list[Image], listen: Callable[[float], object]) -> Iterator[Difference]:
    one, two = images
    reading = read_once(
        one.path, one.tree, other=Other(path=two.path, files=two.tree), without_md5=one.tree.keys(), listen=listen
    )
    for path, node in one.tree.items():
        other = two.tree.get(path)
        change = ""
        if other is None:
            change = FIRST_ONLY
        elif (node.kind, node.target) != (other.kind, other.target):
            change = f"{node.kind} → {other.kind} {other.target}".strip()
        elif path not in REWRITTEN and node.size != other.size:
            change = f"{node.size} bytes → {other.size} bytes"
        elif path not in REWRITTEN and path in reading.differing:
            change = f"different content, {node.size} bytes"
        if change:
            yield Difference(part="files", subject=str(path), change=change)
    for path in sorted(two.tree.keys() - one.tree.keys()):
        yield Difference(part="files", subject=str(path), change=SECOND_ONLY)
