"""The case that checks are about: an ISO, and what it is held against."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from isoforge.proof.manifest import Manifest
from isoforge.proof.read.image import Image
from isoforge.proof.read.read_once import Reading
from isoforge.proof.verify.check import SkipError

NO_BASE = "no base ISO was given"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An ISO, and what it is held against.

    ``base`` is the base ISO if it is at hand; ``manifest`` is what the ISO is to hold, if anything says it: ``beside``
    it or ``inside``; ``staged`` are the files that a build has just written, ``boot_records`` those that xorriso took
    out of the base for it, by name; ``reading`` is what reading the whole ISO gave, None where only its structure is
    asked.
    """

    iso: Image
    base: Image | None = None
    manifest: Manifest | None = None
    beside: Manifest | None = None
    inside: Manifest | None = None
    manifest_faults: tuple[str, ...] = ()
    staged: Mapping[PurePosixPath, bytes] = field(default_factory=dict)
    boot_records: Mapping[str, bytes] = field(default_factory=dict)
    reading: Reading | None = None

    @property
    def the_base(self) -> Image:
        """The base ISO; the check is skipped where there is none."""
        if self.base is None:
            raise SkipError(NO_BASE)
        return self.base

    @property
    def the_manifest(self) -> Manifest:
        """What the ISO is to hold; the check is skipped where nothing says it."""
        if self.manifest is None:
            raise SkipError("no manifest tells what should be there")
        return self.manifest

    @property
    def the_reading(self) -> Reading:
        """What reading the whole ISO gave; the check is skipped where that was not asked."""
        if self.reading is None:
            raise SkipError("the content of large files was not read")
        return self.reading


def sha256(content: bytes) -> str:
    """The SHA-256 of ``content`` as hex digits."""
    return hashlib.sha256(content).hexdigest()
