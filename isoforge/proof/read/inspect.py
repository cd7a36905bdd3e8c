"""What an ISO is: its release, how it boots, its menu, its hosts and their seeds; anybody's ISO, not only ours."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from isoforge.errors import BaseIsoError, OutputError, UsageError
from isoforge.iso_layout import BASIC_DATA_TYPE, CASPER, ESP_TYPE, ISOFORGE_FOLDER, MANIFEST, SEED_FILES, SEEDS_FOLDER
from isoforge.proof.manifest import BaseFacts, Manifest
from isoforge.proof.read.image import Image
from isoforge.proof.read.mask import masked
from isoforge.proof.verify.case import sha256
from isoforge.proof.verify.check import SkipError
from isoforge.proof.verify.kernel_lines import seed_folder

NOCLOUD_FILES = (*SEED_FILES, "network-config")
"""The files of a seed that NoCloud reads (cloud-init, DataSourceNoCloud)."""

_PARTITION_TYPES = {ESP_TYPE: "EFI system", BASIC_DATA_TYPE: "basic data"}
_TITLE = re.compile(r"\S+ (?P<release>\d\d\.\d\d(?:\.\d+)?)\b.* (?P<arch>\w+) \([^)]*\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelFacts:
    """A kernel of the live system with its initrd; None where it has none."""

    vmlinuz: str
    initrd: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionFacts:
    """A GPT partition: its number, the name of its type, first byte and size in bytes."""

    number: int
    type: str
    start: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BootFacts:
    """An El Torito boot record: for which platform, first byte of its image and size in bytes as the catalog tells."""

    platform: str
    start: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFacts:
    """An entry of a boot menu; ``submenu`` are the titles of the menus it lies in, outermost first."""

    menu: str
    title: str
    submenu: tuple[str, ...]
    kernel: str | None
    initrd: tuple[str, ...]
    kernel_line: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedFile:
    """A file of a seed."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSeed:
    """A host, or whatever else a seed's folder is called; ``entries`` are the titles of its menu entries."""

    name: str
    folder: str
    entries: tuple[str, ...]
    files: tuple[SeedFile, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What isoforge's manifest on the ISO says of how it was made."""

    name: str
    build_id: str
    isoforge_version: str
    base_iso: BaseFacts
    default_host: str | None
    timeout_s: int
    auto: bool

    @property
    def on_timeout(self) -> str:
        """What the menu starts by itself on a machine that it does not know."""
        return "Detect this machine" if self.auto else self.default_host or "the local disk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What an ISO is; empty strings where it does not tell, ``made`` None if isoforge did not make it."""

    file: str
    size: int
    volume_id: str
    modified: str
    title: str
    release: str
    arch: str
    kernels: tuple[KernelFacts, ...]
    partitions: tuple[PartitionFacts, ...]
    boot_records: tuple[BootFacts, ...]
    menu: tuple[EntryFacts, ...]
    hosts: tuple[HostSeed, ...]
    made: Made | None


def inspect(iso: Path) -> Contents:
    """What the ISO at ``iso`` is; only its directories and small files are read.

    Raises ``BaseIsoError`` if it is no ISO image, or its directories cannot be read.
    """
    with Image(iso) as image:
        try:
            return contents(image)
        except SkipError as reason:
            raise BaseIsoError(f"{iso}: {reason}", hint="isoforge verify tells more") from reason


def contents(image: Image) -> Contents:
    """What the open ``image`` is."""
    told = _TITLE.match(image.title)
    return Contents(
        file=image.path.name,
        size=image.size,
        volume_id=image.volume.volume_id,
        modified=image.volume.modified,
        title=image.title,
        release=told["release"] if told else "",
        arch=told["arch"] if told else "",
        kernels=tuple(_kernels(image)),
        partitions=tuple(
            PartitionFacts(
                number=part.number,
                type=_PARTITION_TYPES.get(part.type_guid, part.type_guid),
                start=part.start,
                size=part.end - part.start,
            )
            for part in (image.gpt.partitions if image.gpt else ())
        ),
        boot_records=tuple(
            BootFacts(platform=record.platform, start=record.start, size=record.size)
            for record in (image.boot_catalog.images if image.boot_catalog else ())
        ),
        menu=tuple(_entries(image)),
        hosts=tuple(_hosts(image)),
        made=_made(image),
    )


def _kernels(image: Image) -> Iterator[KernelFacts]:
    casper = sorted(place for place in image.tree if place.parent == CASPER)
    for place in casper:
        prefix, found, _ = place.name.partition("vmlinuz")
        if found:
            initrds = [other for other in casper if other.name.partition("initrd")[:2] == (prefix, "initrd")]
            yield KernelFacts(vmlinuz=str(place), initrd=str(initrds[0]) if initrds else None)


def _entries(image: Image) -> Iterator[EntryFacts]:
    for place, menu in image.menus.items():
        for entry in menu.entries:
            yield EntryFacts(
                menu=str(place),
                title=entry.title,
                submenu=entry.inside,
                kernel=entry.linux[0] if entry.linux else None,
                initrd=entry.initrd,
                kernel_line=entry.kernel_line if entry.linux else None,
            )


def _hosts(image: Image) -> Iterator[HostSeed]:
    """Every folder that a kernel line names as its seed, and every one below /nocloud."""
    titles: dict[PurePosixPath, list[str]] = {}
    for place, menu in image.menus.items():
        for entry in menu.entries:
            for folder in filter(None, map(seed_folder, entry.linux)):
                named = titles.setdefault(folder, [])
                if not place.name.startswith("loopback") and entry.title not in named:
                    named.append(entry.title)
    for place, node in image.tree.items():
        if place.parent == SEEDS_FOLDER and node.kind == "directory":
            titles.setdefault(place, [])
    for folder, entries in titles.items():
        files = [folder / name for name in NOCLOUD_FILES if folder / name in image.tree]
        digests = [(file, image.content(file)) for file in files]
        yield HostSeed(
            name=folder.name or "/",
            folder=f"{folder}/".replace("//", "/"),
            entries=tuple(entries),
            files=tuple(SeedFile(path=str(file), size=len(text), sha256=sha256(text)) for file, text in digests),
        )


def manifest_inside(image: Image) -> Manifest | None:
    """The manifest on the ISO; None if there is none that can be read."""
    try:
        return image.manifest
    except (ValueError, BaseIsoError):
        return None


def _made(image: Image) -> Made | None:
    manifest = manifest_inside(image)
    if manifest is None:
        return None
    return Made(
        name=manifest.name,
        build_id=manifest.build_id,
        isoforge_version=manifest.isoforge_version,
        base_iso=manifest.base_iso,
        default_host=manifest.default_host,
        timeout_s=manifest.timeout_s,
        auto=manifest.auto,
    )


def seed_text(iso: Path, host: str, *, show_secrets: bool = False) -> str:
    """The seed of ``host`` on ``iso`` for people: each file that is not empty under a line with its path.

    Secrets are masked unless ``show_secrets``. Raises ``UsageError`` if the ISO has no seed of that name.
    """
    seeds = {seed.name: seed for seed in inspect(iso).hosts}
    if host not in seeds:
        raise UsageError(f"{iso.name} has no seed of {host}", hint=f"it has {', '.join(seeds) or 'none at all'}")
    parts = []
    with Image(iso) as image:
        for file in seeds[host].files:
            if file.size:
                text = image.text(PurePosixPath(file.path))
                text = text.encode("utf-8", errors="surrogateescape").decode("utf-8", errors="replace")
                parts.append(f"# {file.path}\n{text if show_secrets else masked(text)}".rstrip("\n") + "\n")
    return "\n".join(parts)


def extract(iso: Path, folder: Path) -> tuple[Path, ...]:
    """Write seeds, menus and manifest of ``iso`` into ``folder`` as they lie on the ISO, and return their paths.

    The files hold secrets: they get the mode 0600, their folders 0700. Raises ``OutputError`` if ``folder`` is there
    already and not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder} is there already", hint="give a folder that is not there, or an empty one")
    hosts = inspect(iso).hosts
    with Image(iso) as image:
        folders = {PurePosixPath(host.folder) for host in hosts} - {PurePosixPath("/")}
        inside = {place for place, node in image.tree.items() if place.parent in folders and node.kind == "file"}
        places = inside | {PurePosixPath(file.path) for host in hosts for file in host.files} | image.menus.keys()
        places |= {place for place in image.tree if ISOFORGE_FOLDER in place.parents and place.suffix == ".cfg"}
        places |= {MANIFEST} & image.tree.keys()
        texts = {place: image.content(place) for place in sorted(places)}
    written = []
    for place, content in texts.items():
        target = folder / place.relative_to("/")
        for parent in reversed([target.parent, *target.parent.parents]):
            if not parent.exists():
                parent.mkdir(mode=0o700)
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
        written.append(target)
    return tuple(written)
