"""The one line of .disk/info: which Ubuntu an ISO is."""

from __future__ import annotations

import re
from dataclasses import dataclass

from isoforge.release import Release

_FORM = re.compile(
    r"(?P<product>Ubuntu(?:-Server)?) (?P<release>\d\d\.\d\d(?:\.\d+){0,2})(?: LTS)?(?: \"[^\"]*\")?"
    r" - (?P<status>\S.*) (?P<arch>[a-z][a-z0-9]*(?:\+[a-z0-9-]+)*) \((?P<serial>[^)]*)\)"
)

SERVER = "Ubuntu-Server"


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskInfo:
    """The parts of .disk/info: ``product`` is Ubuntu-Server or Ubuntu (Desktop), ``release`` like 24.04.4 or 24.04.4.1.

    ``status`` is Release, or Daily, Beta, … for an ISO that was not published as one. ``arch`` may name a variant after
    a plus (arm64+largemem). ``serial`` is the day of the build, and a number if that day had several.
    """

    product: str
    release: Release
    status: str
    arch: str
    serial: str

    @property
    def is_server(self) -> bool:
        """Whether it is the live-server ISO, and not Desktop."""
        return self.product == SERVER


def read_disk_info(title: str) -> DiskInfo | None:
    """The parts of ``title``; None if it is not Ubuntu's."""
    match = _FORM.fullmatch(title.strip())
    release = Release.of(match["release"]) if match else None
    if match is None or release is None:
        return None
    return DiskInfo(
        product=match["product"],
        release=release,
        status=match["status"],
        arch=match["arch"],
        serial=match["serial"],
    )
