"""Files of the inventory that a host's installed system gets: they travel beside its seed.

In a seed's folder they are ``files/0001`` and so on, beside ``files/table`` (`seed_format.FileRow`). A late-command,
given the digest of the table, copies them to /target: the script ``isoforge-files``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from isoforge.fleet.inventory.files import TREES
from isoforge.fleet.inventory.host import Host
from isoforge.fleet.seed.scripts import command
from isoforge.iso_layout import FILES_TABLE
from isoforge.regular_file import read_regular
from isoforge.seed_format import FILES, FileRow, sha256_of, table_of
from isoforge.yaml_tree import Node

FOLDER = "files"
"""The folder of ``inventory/`` and ``inventory-local/`` with the sources."""

MOST_BYTES = 64 << 20
"""What one file, and all files of a host, may have: they are held in memory, and copied for each host."""

OWNER, MODE = "root:root", "0644"
SECRET_MODE = "0600"  # noqa: S105  a mode of files, not a password


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFile:
    """One file for the installed system: its absolute path there, what it holds, its owner and mode (octal)."""

    target: str
    content: bytes = field(repr=False)
    owner: str
    mode: str


def target_files(host: Host) -> tuple[TargetFile, ...]:
    """The files of ``host`` in the order of their paths. What cannot be read is empty: the check reports it."""
    return tuple(sorted(_files(host), key=lambda file: file.target))


def _files(host: Host) -> Iterator[TargetFile]:
    node = host.node.at(("files",))
    for target, entry in (node.mapping or {}).items() if node is not None else ():
        values = entry.mapping or {}
        texts = {key: one.value if isinstance(one.value, str) else "" for key, one in values.items()}
        try:
            content = read_source(values["source"]) if "source" in values else texts.get("content", "").encode()
        except (OSError, ValueError):
            content = b""
        is_secret = "content" in values and values["content"].secret
        mode = texts.get("mode") or (SECRET_MODE if is_secret else MODE)
        yield TargetFile(target=target, content=content, owner=texts.get("owner") or OWNER, mode=mode)


def source_digests(host: Host) -> list[list[str]]:
    """The path of each file of ``host`` that has a source, and the SHA-256 of that; secrets are not asked for."""
    node = host.node.at(("files",))
    with_source = {target for target, entry in (node.mapping or {}).items() if entry.at(("source",))} if node else set()
    return [[file.target, sha256_of(file.content)] for file in target_files(host) if file.target in with_source]


def read_source(source: Node) -> bytes:
    """The content of the file that ``source`` names in a folder ``files/`` of the inventory, the overlay's first.

    Raises ``ValueError`` with the reason for a path that leads out of the folder, ``OSError`` if it cannot be read.
    """
    name = source.value if isinstance(source.value, str) else ""
    path = Path(name)
    if not name or path.is_absolute() or ".." in path.parts or not name.isprintable():
        raise ValueError(f"{name!r} is not a path below {FOLDER}/")
    folders = [folder / FOLDER for folder in _trees(source)]
    found = next((folder for folder in folders if (folder / path).exists() or (folder / path).is_symlink()), None)
    if found is None:
        where = " or ".join(str(folder) for folder in folders)
        raise ValueError(f"{name} does not exist in {where}")
    if not (found / path).resolve().is_relative_to(found.resolve()):
        raise ValueError(f"{found / path} is a link that leads out of {found}")
    return read_regular(found / path, MOST_BYTES)


def _trees(node: Node) -> list[Path]:
    """The trees of the inventory that ``node`` was written in, the overlay first."""
    file = Path(node.origin.file)
    root = next((folder for folder in file.parents if folder.name in TREES), file.parent)
    return [root.with_name(name) for name in reversed(TREES)]


def files_beside_seed(host: Host) -> dict[str, bytes]:
    """The files beside the seed of ``host`` by their path in its folder; empty for a host without files."""
    files = target_files(host)
    if not files:
        return {}
    names = [f"{number:04}" for number in range(1, len(files) + 1)]
    rows = [
        FileRow(name=name, sha256=sha256_of(file.content), mode=file.mode, owner=file.owner, target=file.target)
        for name, file in zip(names, files, strict=True)
    ]
    contents = {f"{FOLDER}/{name}": file.content for name, file in zip(names, files, strict=True)}
    return {FILES_TABLE: table_of(rows), **contents}


def files_command(
    host: Host, beside: Mapping[str, bytes], templates: Sequence[Path], scripts: Mapping[str, str] | None = None
) -> list[str]:
    """The late-command that copies the files ``beside`` the seed to the installed system; empty if there are none."""
    if FILES_TABLE not in beside:
        return []
    return command(FILES, host.name, templates, host.name, sha256_of(beside[FILES_TABLE]), scripts=scripts)
