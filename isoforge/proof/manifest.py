"""The manifest: what is on an ISO, and from what it was made, in words that a machine can compare."""

from __future__ import annotations

import hashlib
import json
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

LONGEST = 64 << 20
"""How many bytes of a file are read: a host takes about one KiB."""

SCHEMA_VERSION = 1
"""Grows when a key changes its meaning or goes away; a new key leaves it as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFile:
    """A file by its name, its size in bytes and its SHA-256 (None: nobody worked it out, ``--fast``)."""

    file: str
    size: int
    sha256: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseFacts:
    """The base ISO: its file, and what it says of itself; ``modified`` is the date of its file system (16 digits)."""

    title: str
    release: str
    arch: str
    volume_id: str
    modified: str
    file: str | None = None
    size: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """A file on the ISO by its path, and its SHA-256."""

    path: str
    sha256: str


SEED_DIGESTS = {"user-data": "user_data_sha256", "meta-data": "meta_data_sha256", "vendor-data": "vendor_data_sha256"}
"""The files of a seed, and a host's key for the digest of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """One host on the ISO: its entry's title, its kernel line as /proc/cmdline is to show it, its seed's digests.

    ``guarded`` says whether its seed refuses a machine that its match keys do not fit; ``submenu`` are the titles of
    the submenus that its entry lies in, outermost first.
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
    submenu: tuple[str, ...] = ()

    @property
    def seed_digests(self) -> dict[str, str]:
        """The SHA-256 of each file of the seed, by its name."""
        return {file: getattr(self, key) for file, key in SEED_DIGESTS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What one ISO holds.

    ``hosts`` are in menu order; ``default_host`` is what the timeout starts on a machine that the menu does not know
    (None: the local disk, or with ``auto`` "Detect this machine"); ``detect`` says whether there is that entry,
    ``detect_files`` are what it reads and hands on; ``guard`` is False if seeds without guards were asked for;
    ``menu_password`` says whether the menu asks for one; ``medium`` is the casper UUID of the ISO;
    ``replaced`` are the base's files that the build laid its own over, by their path on the ISO; ``source_date_epoch``
    is what the variable of that name gave, None if it was not set; ``unpacked`` says that the base was taken apart,
    which orders files otherwise. What speaks of whole files and of the way and the place in which the build was made
    (``iso``, the base ISO's file, ``source_commit``, ``unpacked``) is None in the copy that lies on the ISO itself,
    which therefore is the same wherever it was made.
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
    auto: bool = False
    menu_password: bool = False
    source_date_epoch: int | None = None
    unpacked: bool | None = None

    def to_json(self) -> str:
        """The manifest as JSON, keys in a fixed order, ``schema_version`` first, a newline last."""
        return json.dumps({"schema_version": SCHEMA_VERSION, **asdict(self)}, indent=2, ensure_ascii=False) + "\n"

    @staticmethod
    def from_file(file: Path) -> Manifest:
        """The manifest in ``file``; ``OSError`` if it cannot be read, else what `from_json` raises."""
        with file.open("rb") as stream:
            return Manifest.from_json(stream.read(LONGEST).decode("utf-8"))

    @staticmethod
    def from_json(text: str) -> Manifest:
        """The manifest that `to_json` wrote; ``ValueError`` if it is of another schema, or no manifest."""
        try:
            told = json.loads(text)
        except json.JSONDecodeError as failure:
            raise ValueError(f"no JSON, or cut off: line {failure.lineno}: {failure.msg}") from failure
        except RecursionError:
            raise ValueError("no manifest: too many lists in one another") from None
        if not isinstance(told, dict) or told.pop("schema_version", None) != SCHEMA_VERSION:
            raise ValueError(f"no manifest of schema version {SCHEMA_VERSION}")
        made: Manifest = _made(Manifest, told, "the manifest")
        return made


def _made(kind: Any, told: object, name: str) -> Any:
    """What JSON has ``told`` as a ``kind``, one of the dataclasses above; ``ValueError`` names what is wrong."""
    if not isinstance(told, dict):
        raise ValueError(f"{name} is of the wrong kind")  # noqa: TRY004 - the file's fault, not the caller's
    wanted = _kinds(kind)
    optional = {each.name for each in fields(kind) if each.default is not MISSING}
    if odd := [*(wanted.keys() - optional - told.keys()), *(told.keys() - wanted.keys())]:
        raise ValueError(
            f"{name} has no {odd[0]}" if odd[0] in wanted else f"{name} has a key {odd[0]!r}, unknown here"
        )
    return kind(**{key: _value(wanted[key], value, key) for key, value in told.items()})


@cache
def _kinds(kind: Any) -> dict[str, Any]:
    """The type of each key of a dataclass."""
    return get_type_hints(kind)


def _value(kind: Any, told: object, key: str) -> Any:
    """``told`` as the value of ``key``, which is of that ``kind``: a type, one of several, a tuple, or a dataclass."""
    choices = get_args(kind) if get_origin(kind) is UnionType else (kind,)
    if type(told) in choices:  # not isinstance: True is no number here
        return told
    for choice in choices:
        if is_dataclass(choice) and isinstance(told, dict):
            return _made(choice, told, key)
        if get_origin(choice) is tuple and isinstance(told, list):
            return tuple(_value(get_args(choice)[0], one, key) for one in told)
    raise ValueError(f"{key} is of the wrong kind")


def image_file(path: Path) -> ImageFile:
    """Name, size and SHA-256 of the file at ``path``, read once."""
    return ImageFile(file=path.name, size=path.stat().st_size, sha256=sha256_of(path))


def sha256_of(path: Path) -> str:
    """The SHA-256 of the file at ``path`` as hex digits."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
