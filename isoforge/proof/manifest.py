"""The manifest: what an ISO contains and what it was built from, as JSON."""

from __future__ import annotations

import hashlib
import json
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from isoforge.iso_layout import FILES_TABLE
from isoforge.regular_file import naming, read_regular

SIZE_LIMIT = 64 << 20
"""Bytes that a file may have: a host takes about one KiB."""

SCHEMA_VERSION = 1
"""Incremented when a key changes its meaning or is removed; not for a new key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFile:
    """A file by its name, its size in bytes and its SHA-256 (None: not computed, ``--fast``)."""

    file: str
    size: int
    sha256: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BootDigest:
    """The SHA-256 of a part that firmware starts, without the addresses that every writer of ISOs chooses anew."""

    part: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseFacts:
    """The base ISO: its file, and how it identifies itself; ``modified`` is the date of its file system (16 digits).

    ``origin`` says whether it is official (`official.origin.Origin`), and ``official_name`` is what Ubuntu's list calls
    it. Both depend on the lists on the machine that built the ISO, so they are None in the copy on the ISO.
    ``boot`` are digests of what firmware starts (`read.boot_parts.boot_digests`), by name.
    """

    title: str
    release: str
    arch: str
    volume_id: str
    modified: str
    file: str | None = None
    size: int | None = None
    sha256: str | None = None
    origin: str | None = None
    official_name: str | None = None
    boot: tuple[BootDigest, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """A file on the ISO by its path, and its SHA-256."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HookFacts:
    """The script that changed the unpacked base ISO: its file name and SHA-256, and what it did: the files that it
    changed or added, and the paths that it removed."""

    name: str
    sha256: str
    changed: tuple[FileFacts, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFileFacts:
    """A file for a host's installed system: its path on the ISO and SHA-256, and the path, owner and mode it gets."""

    path: str
    sha256: str
    target: str
    owner: str
    mode: str


SEED_DIGESTS = {"user-data": "user_data_sha256", "meta-data": "meta_data_sha256", "vendor-data": "vendor_data_sha256"}
"""The files of a seed, and a host's key for the digest of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """One host on the ISO: its entry's title, its kernel line as in /proc/cmdline, the digests of its seed.

    ``guarded``: its seed refuses a machine that does not have the keys of ``match`` (KEY=VALUE). ``submenu`` are the
    titles of the submenus around its entry, outermost first. ``files`` are for its installed system, as the table with
    the digest ``files_table_sha256`` lists them (None: there are none).
    """

    name: str
    title: str
    kernel: str
    initrd: str
    kernel_line: str
    seed: str
    user_data_sha256: str
    meta_data_sha256: str
    vendor_data_sha256: str
    guarded: bool = False
    match: tuple[str, ...] = ()
    submenu: tuple[str, ...] = ()
    files: tuple[TargetFileFacts, ...] = ()
    files_table_sha256: str | None = None

    @property
    def file_digests(self) -> dict[str, str]:
        """The SHA-256 of each file for the installed system, and of their table, by the path on the ISO."""
        table = {f"{self.seed}{FILES_TABLE}": self.files_table_sha256} if self.files_table_sha256 else {}
        return table | {file.path: file.sha256 for file in self.files}

    @property
    def seed_digests(self) -> dict[str, str]:
        """The SHA-256 of each file of the seed, by its name."""
        return {file: getattr(self, key) for file, key in SEED_DIGESTS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The contents of one ISO, and what it was built from.

    ``hosts`` are in menu order. ``default_host`` is what the timeout starts on a machine that the menu does not
    recognize (None: the local disk, or with ``auto`` "Detect this machine"); ``detect``: the menu has that entry;
    ``detect_files`` are the files that it reads; ``scripts`` are those that the seeds call. ``added`` are the files of
    --add, ``hook`` is that of --hook. ``report``: the seeds report how an installation ended; ``report_files`` are what
    that needs on the medium, and ``report_token_sha256`` is the digest of the token that goes with it (None: nothing is
    sent to a server). ``guard`` is False for seeds built with --no-guard; ``menu_password``: the menu asks for one;
    ``menu_colors`` are its colours, and a ``hidden_menu`` shows up for Esc; ``medium`` is the casper UUID of the ISO.
    ``replaced`` are the paths of the base ISO's files that the build has replaced; ``source_date_epoch`` is the
    environment variable of that name, None if it was not set. ``base_head`` is the file with the first bytes of the
    base ISO, on an ISO that contains all its other bytes as well (None: it does not). ``method`` is how the ISO was
    written (`image.repack.Method`): a graft contains the base ISO, and the others order files in two ways. What depends
    on whole files and on where and how the build ran (``iso``, the base ISO's file, ``source_commit``, ``method``) is
    None in the copy on the ISO itself, so that it is the same wherever it is built.
    """

    name: str
    build_id: str
    iso: ImageFile | None = None
    base_iso: BaseFacts
    hosts: tuple[HostFacts, ...]
    default_host: str | None
    timeout_s: int
    replaced: tuple[str, ...]
    isoforge_version: str
    xorriso_version: str
    source_commit: str | None = None
    medium: str = ""
    guard: bool = True
    detect: bool = False
    detect_files: tuple[FileFacts, ...] = ()
    scripts: tuple[FileFacts, ...] = ()
    report: bool = True
    report_files: tuple[FileFacts, ...] = ()
    report_token_sha256: str | None = None
    auto: bool = False
    menu_password: bool = False
    menu_colors: str = "default"
    hidden_menu: bool = False
    added: tuple[FileFacts, ...] = ()
    hook: HookFacts | None = None
    source_date_epoch: int | None = None
    base_head: FileFacts | None = None
    method: str | None = None

    @property
    def on_timeout(self) -> str:
        """What the timeout starts on a machine that the menu does not recognize."""
        return "Detect this machine" if self.auto else self.default_host or "the local disk"

    def to_json(self) -> str:
        """The manifest as JSON, keys in a fixed order, ``schema_version`` first, a newline last."""
        return json.dumps({"schema_version": SCHEMA_VERSION, **asdict(self)}, indent=2, ensure_ascii=False) + "\n"

    @staticmethod
    def from_file(file: Path) -> Manifest:
        """The manifest in ``file``; ``OSError`` if it cannot be read, else what `from_json` raises."""
        return Manifest.from_json(read_regular(file, SIZE_LIMIT).decode("utf-8"))

    @staticmethod
    def from_json(text: str) -> Manifest:
        """The manifest that `to_json` wrote; ``ValueError`` if it is not one, or of another schema."""
        try:
            document = json.loads(text)
        except json.JSONDecodeError as failure:
            raise ValueError(f"not valid JSON, or truncated: line {failure.lineno}: {failure.msg}") from failure
        except RecursionError:
            raise ValueError("not a manifest: nested too deeply") from None
        if not isinstance(document, dict) or document.pop("schema_version", None) != SCHEMA_VERSION:
            raise ValueError(f"not a manifest of schema version {SCHEMA_VERSION}")
        if "unpacked" in document:  # in older manifests
            document["method"] = {True: "unpack", False: "repack"}.get(document.pop("unpacked"))
        manifest: Manifest = _record(Manifest, document, "the manifest")
        return manifest


def _record(kind: Any, document: object, name: str) -> Any:
    """The JSON object ``document`` as a ``kind``, one of the dataclasses above; ``ValueError`` names what is wrong."""
    if not isinstance(document, dict):
        raise ValueError(f"{name} is of the wrong type")  # noqa: TRY004 - the file's fault, not the caller's
    types = _types(kind)
    optional = {each.name for each in fields(kind) if each.default is not MISSING}
    if missing := types.keys() - optional - document.keys():
        raise ValueError(f"{name} has no {min(missing)}")
    if unknown := document.keys() - types.keys():
        raise ValueError(f"{name} has the unknown key {min(unknown)!r}")
    return kind(**{key: _value(types[key], value, key) for key, value in document.items()})


@cache
def _types(kind: Any) -> dict[str, Any]:
    """The type of each key of a dataclass."""
    return get_type_hints(kind)


def _value(kind: Any, value: object, key: str) -> Any:
    """The JSON ``value`` of ``key`` as a ``kind``: a type, one of several, a tuple, or a dataclass."""
    choices = get_args(kind) if get_origin(kind) is UnionType else (kind,)
    if type(value) in choices:  # not isinstance: True is not a number here
        return value
    for choice in choices:
        if is_dataclass(choice) and isinstance(value, dict):
            return _record(choice, value, key)
        if get_origin(choice) is tuple and isinstance(value, list):
            return tuple(_value(get_args(choice)[0], one, key) for one in value)
    raise ValueError(f"{key} is of the wrong type")


def image_file(path: Path) -> ImageFile:
    """Name, size and SHA-256 of the file at ``path``, read once."""
    return ImageFile(file=path.name, size=path.stat().st_size, sha256=sha256_of(path))


def sha256_of(path: Path) -> str:
    """The SHA-256 of the file at ``path`` as hex digits."""
    with naming(path), path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def sha256(content: bytes) -> str:
    """The SHA-256 of ``content`` as hex digits."""
    return hashlib.sha256(content).hexdigest()
