"""The case that the checks are about: an ISO, and what it is compared with."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from isoforge.image.inside import Inside, inside_of
from isoforge.proof.manifest import Manifest
from isoforge.proof.read.image import Image
from isoforge.proof.read.read_once import Reading
from isoforge.proof.verify.booted_stick import BootedStick, booted_stick
from isoforge.proof.verify.check import SkipError


@dataclass(frozen=True, kw_only=True)
class Case:
    """An ISO, and what it is compared with.

    ``base`` is the base ISO, if there is one. ``manifest`` is what the ISO should contain, None if unknown: the one
    ``beside`` the ISO, in ``manifest_file``, or else the one ``inside``. ``staged`` are the files that a build has just
    written, ``boot_records`` those that xorriso extracted from the base for it, by name. ``reading`` is the result of
    reading the whole ISO, None where only its structure is checked.
    """

    iso: Image
    base: Image | None = None
    manifest: Manifest | None = None
    beside: Manifest | None = None
    inside: Manifest | None = None
    manifest_file: Path | None = None
    manifest_faults: tuple[str, ...] = ()
    staged: Mapping[PurePosixPath, bytes] = field(default_factory=dict)
    boot_records: Mapping[str, bytes] = field(default_factory=dict)
    reading: Reading | None = None

    @functools.cached_property
    def booted(self) -> BootedStick | None:
        """What was changed by starting the stick that the ISO was written to; None if it is an ISO as it was built."""
        facts = self.beside.iso if self.beside else None
        return booted_stick(self.iso, facts.size) if facts else None

    @functools.cached_property
    def base_inside(self) -> Inside | None:
        """The base ISO inside a graft; None if it is something else, ``BaseIsoError`` if its head is damaged."""
        return inside_of(self.iso.path, self.iso.tree)

    @property
    def the_base(self) -> Image:
        """The base ISO; without one the check is skipped."""
        if self.base is None:
            raise SkipError("no base ISO was given")
        return self.base

    @property
    def the_manifest(self) -> Manifest:
        """What the ISO should contain; where that is unknown the check is skipped."""
        if self.manifest is None:
            raise SkipError("no manifest lists what the ISO should contain")
        return self.manifest

    @functools.cached_property
    def boot_digests(self) -> Mapping[str, str]:
        """The digests of what firmware starts, by part, as they must be: the manifest's, if no base ISO is given.

        Manifests of older versions have none.
        """
        facts = self.manifest.base_iso.boot if self.manifest and not self.base else ()
        return {digest.part: digest.sha256 for digest in facts}

    @property
    def the_reading(self) -> Reading:
        """The result of reading the whole ISO; without one the check is skipped."""
        if self.reading is None:
            raise SkipError("the content of large files was not read")
        return self.reading
