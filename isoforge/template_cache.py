"""Compiled templates kept between runs: Jinja takes longer to compile the shipped ones than to render them."""

from __future__ import annotations

import contextlib
import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
from jinja2.bccache import Bucket, FileSystemBytecodeCache

from isoforge.ownership import others_can_replace, user_cache

if TYPE_CHECKING:
    from collections.abc import Collection


class TemplateCache(FileSystemBytecodeCache):
    """The compiled templates of the folder ``shipped``, in files of ``folder``; without a file, Jinja compiles.

    A user's own templates are not kept: their text may be secret. ``sources`` are the Python files with the filters,
    which Jinja calls while it compiles. A file is used only for the same text, sources and version of Jinja; that of
    Python is Jinja's own care.
    """

    def __init__(self, folder: Path, shipped: Path, sources: Collection[Path]) -> None:
        super().__init__(str(folder), "%s.jinja")
        self._root = f"{shipped}/"
        self._made_by = b"".join([jinja2.__version__.encode(), *(source.read_bytes() for source in sources)])

    def get_cache_key(self, name: str, filename: str | None = None) -> str:
        """The name of the template's file; empty if it is not kept."""
        kept = filename is not None and filename.startswith(self._root)
        return super().get_cache_key(name, filename) if kept else ""

    def get_source_checksum(self, source: str) -> str:
        """What must be the same for a file to be used."""
        return hashlib.sha256(self._made_by + source.encode("utf-8", "surrogatepass")).hexdigest()

    def load_bytecode(self, bucket: Bucket) -> None:
        """Fill ``bucket`` from its file, if there is one that can be read."""
        if bucket.key:
            with contextlib.suppress(OSError):
                super().load_bytecode(bucket)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Write the file of ``bucket``, if that is possible."""
        if bucket.key and not sys.dont_write_bytecode:
            with contextlib.suppress(OSError):
                super().dump_bytecode(bucket)


def template_cache(shipped: Path, sources: Collection[Path]) -> TemplateCache | None:
    """The cache in the user's cache folder; None if there is none, or if another user could put something there: what
    is in it is run."""
    cache = user_cache()
    if cache is None:
        return None
    folder = cache / "templates"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return None if others_can_replace(folder) else TemplateCache(folder, shipped, sources)
    except OSError:
        return None
