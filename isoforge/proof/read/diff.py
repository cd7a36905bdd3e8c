"""What two ISOs have in common is not told; what differs is: hosts, seeds, menu, boot records, files."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from pathlib import Path, PurePosixPath

from isoforge.errors import BaseIsoError
from isoforge.iso_layout import build_marker
from isoforge.proof.manifest import Manifest
from isoforge.proof.read.image import Image
from isoforge.proof.read.inspect import Contents, EntryFacts, HostSeed, SeedFile, contents, manifest_inside
from isoforge.proof.read.mask import masked
from isoforge.proof.read.read_once import Other, read_once
from isoforge.proof.verify.boot_records import Booting, booting
from isoforge.proof.verify.check import SkipError
from isoforge.proof.verify.files import REWRITTEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One difference: in which ``part`` (volume, hosts, seeds, menu, boot records, files), of what, and which.

    ``diff`` is a unified diff of a seed with its secrets masked, empty for everything else.
    """

    part: str
    subject: str
    what: str
    diff: str = ""


def differences(
    one: Path,
    two: Path,
    *,
    show_secrets: bool = False,
    listen: Callable[[float], object] = lambda _done: None,
) -> tuple[Difference, ...]:
    """Everything in which the ISO ``two`` differs from ``one``; empty if nothing does that matters.

    Addresses do not matter, nor do dates: what is compared is what firmware starts, what the menu shows, and the
    names and the content of all files. That two builds are two is told once, not for each entry whose kernel line
    names its own medium. Both are read once. ``listen`` hears how much of it is done (0 to 1). Raises
    ``BaseIsoError`` if either is no ISO image that can be read.
    """
    with ExitStack() as stack:
        images = [stack.enter_context(Image(path)) for path in (one, two)]
        try:
            before, after = (contents(image) for image in images)
            builds = tuple(manifest_inside(image) for image in images)
            marks = {str(build_marker(build.build_id)) for build in builds if build} if all(builds) else set()
            return (
                *_in_volume(before, after),
                *_in_build(*builds),
                *_in_boot_records(booting(images[0]), booting(images[1])),
                *_in_hosts(before, after),
                *_in_seeds(images, before, after, show_secrets=show_secrets),
                *_in_menu(_neutral(before, builds[0]), _neutral(after, builds[1])),
                *(found for found in _in_files(images, listen) if found.subject not in marks),
            )
        except SkipError as reason:
            raise BaseIsoError(f"{one} and {two} cannot be compared: {reason}") from reason


def _in_volume(before: Contents, after: Contents) -> Iterator[Difference]:
    for key in ("volume_id", "title"):
        old, new = getattr(before, key), getattr(after, key)
        if old != new:
            yield Difference(part="volume", subject=key, what=f"{old!r} → {new!r}")


def _in_build(before: Manifest | None, after: Manifest | None) -> Iterator[Difference]:
    """That the two are two builds of isoforge, which shows in every entry of their menus."""
    for key, subject in (("build_id", "build"), ("medium", "medium")):
        old, new = (getattr(told, key) if told else None for told in (before, after))
        if old and new and old != new:
            yield Difference(part="volume", subject=subject, what=f"{old} → {new}")


def _neutral(told: Contents, build: Manifest | None) -> Contents:
    """``told`` with words in place of what its menu says only because the build is that one."""
    if build is None:
        return told

    def without(text: str) -> str:
        for own, word in ((build.build_id, "(build)"), (build.medium, "(medium)")):
            text = text.replace(own, word) if own else text
        return text

    entries = (
        replace(entry, title=without(entry.title), kernel_line=entry.kernel_line and without(entry.kernel_line))
        for entry in told.menu
    )
    return replace(told, menu=tuple(entries))


def _in_boot_records(before: Booting, after: Booting) -> Iterator[Difference]:
    for key in fields(Booting):
        old, new = getattr(before, key.name), getattr(after, key.name)
        if old != new:
            what = f"{old or 'none'} → {new or 'none'}"
            yield Difference(part="boot records", subject=key.name.replace("_", " "), what=what)


def _in_hosts(before: Contents, after: Contents) -> Iterator[Difference]:
    old, new = ([host.name for host in told.hosts] for told in (before, after))
    yield from (Difference(part="hosts", subject=name, what="only in the first") for name in old if name not in new)
    yield from (Difference(part="hosts", subject=name, what="only in the second") for name in new if name not in old)


def _in_seeds(images: list[Image], before: Contents, after: Contents, *, show_secrets: bool) -> Iterator[Difference]:
    new = {host.name: host for host in after.hosts}
    for host in before.hosts:
        if host.name not in new:
            continue
        old_files, new_files = _files(host), _files(new[host.name])
        for name in sorted(old_files.keys() | new_files.keys()):
            one, two = old_files.get(name), new_files.get(name)
            if one is None or two is None:
                what = "only in the first" if two is None else "only in the second"
                yield Difference(part="seeds", subject=f"{host.name}/{name}", what=what)
            elif one.sha256 != two.sha256:
                diff = _seed_diff(images, one.path, two.path, show_secrets=show_secrets)
                hidden = "" if diff else ", only in what is masked"
                what = f"SHA-256 {one.sha256[:12]}… → {two.sha256[:12]}…{hidden}"
                yield Difference(part="seeds", subject=f"{host.name}/{name}", what=what, diff=diff)


def _files(host: HostSeed) -> dict[str, SeedFile]:
    return {PurePosixPath(file.path).name: file for file in host.files}


def _seed_diff(images: list[Image], one: str, two: str, *, show_secrets: bool) -> str:
    before, after = (_lines(image, place, show_secrets) for image, place in zip(images, (one, two), strict=True))
    return "\n".join(difflib.unified_diff(before, after, fromfile=f"first{one}", tofile=f"second{two}", lineterm=""))


def _lines(image: Image, place: str, show_secrets: bool) -> list[str]:
    text = image.content(PurePosixPath(place)).decode("utf-8", errors="replace")
    return (text if show_secrets else masked(text)).splitlines()


def _in_menu(before: Contents, after: Contents) -> Iterator[Difference]:
    old, new = ({(entry.menu, *entry.submenu, entry.title): entry for entry in told.menu} for told in (before, after))
    for key in [*old, *(key for key in new if key not in old)]:
        one, two = old.get(key), new.get(key)
        subject = f"{PurePosixPath(key[0]).name}: {' > '.join(key[1:])}"
        if one is None or two is None:
            yield Difference(part="menu", subject=subject, what=f"only in the {'first' if two is None else 'second'}")
        elif one != two:
            yield Difference(part="menu", subject=subject, what=f"{_line(one)} → {_line(two)}")
    if old.keys() == new.keys() and list(old) != list(new):
        yield Difference(part="menu", subject="entries", what="stand in another order")


def _line(entry: EntryFacts) -> str:
    return " ".join([entry.kernel or "no kernel", entry.kernel_line or "", f"({' '.join(entry.initrd)})"])


def _in_files(images: list[Image], listen: Callable[[float], object]) -> Iterator[Difference]:
    one, two = images
    reading = read_once(
        one.path, one.tree, other=Other(path=two.path, files=two.tree), without_md5=one.tree.keys(), listen=listen
    )
    for path, node in one.tree.items():
        other = two.tree.get(path)
        if other is None:
            yield Difference(part="files", subject=str(path), what="only in the first")
        elif (node.kind, node.target) != (other.kind, other.target):
            yield Difference(part="files", subject=str(path), what=f"{node.kind} → {other.kind} {other.target}".strip())
        elif path not in REWRITTEN and node.size != other.size:
            yield Difference(part="files", subject=str(path), what=f"{node.size} bytes → {other.size} bytes")
        elif path not in REWRITTEN and path in reading.differing:
            yield Difference(part="files", subject=str(path), what=f"other content, {node.size} bytes")
    for path in sorted(two.tree.keys() - one.tree.keys()):
        yield Difference(part="files", subject=str(path), what="only in the second")
