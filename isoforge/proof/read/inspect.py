"""The contents of an ISO, ours or anyone's: release, boot layout, menu, hosts and their seeds."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from isoforge.errors import BaseIsoError, OutputError, UsageError
from isoforge.image.base import reading
from isoforge.image.eltorito import BootImage
from isoforge.image.inside import inside_of
from isoforge.iso_layout import (
    BASIC_DATA_TYPE,
    CASPER,
    ESP_TYPE,
    ISO_9660_TYPE,
    ISOFORGE_FOLDER,
    MANIFEST,
    SEED_FILES,
    SEEDS_FOLDER,
)
from isoforge.masking.document import masked
from isoforge.proof.manifest import Manifest, sha256
from isoforge.proof.read.image import Image, UnreadableError
from isoforge.proof.read.kernel_args import masked_line, seed_folder

NOCLOUD_FILES = (*SEED_FILES, "network-config")
"""The files of a seed that NoCloud reads (cloud-init, DataSourceNoCloud)."""

_PARTITION_TYPES = {ESP_TYPE: "EFI system", BASIC_DATA_TYPE: "basic data", ISO_9660_TYPE: "ISO 9660"}
_TITLE = re.compile(r"\S+ (?P<release>\d\d\.\d\d(?:\.\d+){0,2})\b.* (?P<arch>[\w+]+) \([^)]*\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelFacts:
    """A kernel of the live system with its initrd; None if it has none."""

    vmlinuz: str
    initrd: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionFacts:
    """A partition of the GPT or, without one, of the MBR: number, name of the type, first byte and size in bytes."""

    number: int
    type: str
    start: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFacts:
    """An entry of a boot menu; ``submenu`` are the titles of the submenus around it, outermost first."""

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
    """A host, named after the folder of its seed; ``entries`` are the titles of its menu entries."""

    name: str
    folder: str
    entries: tuple[str, ...]
    files: tuple[SeedFile, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """The contents of an ISO; empty strings for what it lacks, ``manifest`` None if isoforge did not make it.

    ``base_origin`` is the origin of its base ISO, as the manifest.json beside it states; empty without one.
    ``inside_size`` is the size in bytes of the base ISO that it contains; None if it is not a graft.
    """

    file: str
    size: int
    volume_id: str
    modified: str
    title: str
    release: str
    arch: str
    kernels: tuple[KernelFacts, ...]
    partitions: tuple[PartitionFacts, ...]
    boot_records: tuple[BootImage, ...]
    menu: tuple[EntryFacts, ...]
    hosts: tuple[HostSeed, ...]
    manifest: Manifest | None
    base_origin: str = ""
    inside_size: int | None = None


def inspect(iso: Path) -> Contents:
    """The contents of the ISO at ``iso``; only its directories and small files are read.

    Raises ``BaseIsoError`` if it is not an ISO image, or its directories cannot be read.
    """
    with reading(iso), Image(iso) as image:
        try:
            found = contents(image)
            inside = inside_of(iso, image.tree)
            return replace(
                found, base_origin=_base_origin(iso, found.manifest), inside_size=inside.size if inside else None
            )
        except UnreadableError as reason:
            raise BaseIsoError(f"{iso}: {reason}", hint="run `isoforge verify` for the details") from reason


def without_secrets(iso: Contents) -> Contents:
    """``iso`` with the secrets in its kernel lines masked."""
    menu = (replace(entry, kernel_line=entry.kernel_line and masked_line(entry.kernel_line)) for entry in iso.menu)
    return replace(iso, menu=tuple(menu))


def contents(image: Image) -> Contents:
    """The contents of the open ``image``; `UnreadableError` if its directories cannot be read."""
    title = _TITLE.match(image.title)
    return Contents(
        file=image.path.name,
        size=image.size,
        volume_id=image.volume.volume_id,
        modified=image.volume.modified,
        title=image.title,
        release=title["release"] if title else "",
        arch=title["arch"] if title else "",
        kernels=tuple(_kernels(image)),
        partitions=tuple(
            PartitionFacts(
                number=part.number,
                type=_PARTITION_TYPES.get(part.type_guid, part.type_guid),
                start=part.start,
                size=part.end - part.start,
            )
            for part in image.partitions
        ),
        boot_records=image.boot_catalog.images if image.boot_catalog else (),
        menu=tuple(_entries(image)),
        hosts=tuple(_hosts(image)),
        manifest=manifest_inside(image),
    )


def _kernels(image: Image) -> Iterator[KernelFacts]:
    casper = sorted(path for path in image.tree if path.parent == CASPER)
    for path in casper:
        prefix, vmlinuz, _ = path.name.partition("vmlinuz")
        if vmlinuz:
            initrds = [other for other in casper if other.name.partition("initrd")[:2] == (prefix, "initrd")]
            yield KernelFacts(vmlinuz=str(path), initrd=str(initrds[0]) if initrds else None)


def _entries(image: Image) -> Iterator[EntryFacts]:
    for path, menu in image.menus.items():
        for entry in menu.entries:
            yield EntryFacts(
                menu=str(path),
                title=entry.title,
                submenu=entry.inside,
                kernel=entry.linux[0] if entry.linux else None,
                initrd=entry.initrd,
                kernel_line=entry.kernel_line if entry.linux else None,
            )


def _hosts(image: Image) -> Iterator[HostSeed]:
    """Every folder that a kernel line names as its seed, and every one below /nocloud."""
    titles: dict[PurePosixPath, list[str]] = {}
    for path, menu in image.menus.items():
        for entry in menu.entries:
            for folder in filter(None, map(seed_folder, entry.linux)):
                entries = titles.setdefault(folder, [])
                if not path.name.startswith("loopback") and entry.title not in entries:
                    entries.append(entry.title)
    for path, node in image.tree.items():
        if path.parent == SEEDS_FOLDER and node.kind == "directory":
            titles.setdefault(path, [])
    for folder, entries in titles.items():
        files = [file for name in NOCLOUD_FILES if _is_file(image, file := folder / name)]
        contents_of = [(file, image.content(file)) for file in files]
        yield HostSeed(
            name=folder.name or "/",
            folder=f"{folder}/".replace("//", "/"),
            entries=tuple(entries),
            files=tuple(SeedFile(path=str(file), size=len(text), sha256=sha256(text)) for file, text in contents_of),
        )


def _is_file(image: Image, path: PurePosixPath) -> bool:
    node = image.find(path)
    return node is not None and node.kind == "file"


def manifest_inside(image: Image) -> Manifest | None:
    """The manifest on the ISO; None if there is none that can be read."""
    try:
        return image.manifest
    except (ValueError, BaseIsoError):
        return None


def _base_origin(iso: Path, inside: Manifest | None) -> str:
    """The origin of the base ISO by the manifest.json beside ``iso``, if that is the manifest of the same build."""
    try:
        beside = Manifest.from_file(iso.with_name("manifest.json")) if inside else None
    except (OSError, ValueError):
        return ""
    same = beside is not None and inside is not None and beside.build_id == inside.build_id
    return (beside.base_iso.origin or "") if beside and same else ""


def seed_text(iso: Path, host: str, *, show_secrets: bool = False) -> str:
    """The seed of ``host`` on ``iso`` as text: each file that is not empty, below a line with its path.

    Secrets are masked unless ``show_secrets``. Raises ``UsageError`` if the ISO has no seed of that name.
    """
    seeds = {seed.name: seed for seed in inspect(iso).hosts}
    if host not in seeds:
        raise UsageError(f"{iso.name} has no seed of {host}", hint=f"seeds on it: {', '.join(seeds) or 'none'}")
    parts = []
    with reading(iso), Image(iso) as image:
        for file in seeds[host].files:
            if file.size:
                text = image.text(PurePosixPath(file.path))
                text = text.encode("utf-8", errors="surrogateescape").decode("utf-8", errors="replace")
                parts.append(f"# {file.path}\n{text if show_secrets else masked(text)}".rstrip("\n") + "\n")
    return "\n".join(parts)


def extract(iso: Path, folder: Path) -> tuple[Path, ...]:
    """Write seeds, menus and manifest of ``iso`` into ``folder``, at the paths they have on it; the files written.

    They contain secrets: files get the mode 0600, folders 0700. Raises ``OutputError`` if ``folder`` exists and is not
    an empty folder.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder} already exists", hint="name a new folder, or an empty one")
    hosts = inspect(iso).hosts
    with Image(iso) as image:
        folders = {PurePosixPath(host.folder) for host in hosts} - {PurePosixPath("/")}
        in_folders = {path for path, node in image.tree.items() if path.parent in folders and node.kind == "file"}
        paths = in_folders | {PurePosixPath(file.path) for host in hosts for file in host.files} | image.menus.keys()
        paths |= {path for path in image.tree if ISOFORGE_FOLDER in path.parents and path.suffix == ".cfg"}
        paths |= {MANIFEST} & image.tree.keys()
        texts = {path: image.content(path) for path in sorted(paths)}
    targets = []
    for path, content in texts.items():
        target = folder / path.relative_to("/")
        for parent in reversed([target.parent, *target.parent.parents]):
            if not parent.exists():
                parent.mkdir(mode=0o700)
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
        targets.append(target)
    return tuple(targets)
