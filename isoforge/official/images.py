"""Which ISO is wanted: its name in Ubuntu's lists, and the folders of the mirrors whose lists may name it."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from isoforge.errors import UsageError
from isoforge.release import OLDEST_DESKTOP, OLDEST_SERVER, Release

AMD64 = "amd64"
ARCHES = (AMD64, "arm64", "arm64+largemem")
"""Architectures of live-server ISOs; largemem has kernels with pages of 64 KiB (ubuntu-cdimage, etc/default-arches)."""

RELEASES = "https://releases.ubuntu.com"
CDIMAGE = "https://cdimage.ubuntu.com/releases"
OLD_RELEASES = "https://old-releases.ubuntu.com/releases"
"""Ubuntu's servers: current ISOs for amd64, current ones for other architectures, superseded point releases."""

_NAME = re.compile(
    r"ubuntu-(?P<release>\d\d\.\d\d(?:\.\d+){0,2})-(?P<product>live-server|desktop)-(?P<arch>[a-z0-9]+(?:\+[a-z]+)?)\.iso"
)
_VOLUME_ID = re.compile(r"Ubuntu(?P<server>-Server)? (?P<release>\d\d\.\d\d(?:\.\d+){0,2})(?: LTS)? (?P<arch>\S+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An official ISO: the newest point release of a series (``24.04``), or exactly one (``24.04.4``)."""

    release: Release
    arch: str = AMD64
    desktop: bool = False

    @property
    def words(self) -> str:
        """The ISO in words: ``Ubuntu 24.04 live-server for amd64``."""
        return f"Ubuntu {self.release} {_product(self.desktop)} for {self.arch}"

    @property
    def exact_name(self) -> str | None:
        """The name of the ISO, if a point release is wanted: then no list has to say which is the newest."""
        is_exact = self.release.point is not None
        return f"ubuntu-{self.release}-{_product(self.desktop)}-{self.arch}.iso" if is_exact else None

    def newest(self, names: Collection[str]) -> str | None:
        """The name among ``names`` that is wanted, that of the newest point release; None if there is none."""
        matches = [
            (_order(match["release"]), name)
            for name in names
            if (match := _NAME.fullmatch(name))
            and (match["product"], match["arch"]) == (_product(self.desktop), self.arch)
            and match["release"] in (str(self.release), *self._points(match["release"]))
        ]
        return max(matches)[1] if matches else None

    def folders(self, mirror: str | None) -> list[str]:
        """The folders whose lists may name the ISO, the likeliest first: of ``mirror``, or of Ubuntu's servers.

        A series has its folder, ``24.04/`` on releases.ubuntu.com and ``24.04/release/`` on cdimage.ubuntu.com, with
        the ISOs of the last point releases; older ones have folders of their own, ``24.04.2/``, on old-releases.
        """
        series, exact = self.release.series, str(self.release)
        paths = [f"{series}/release", series] if self.arch != AMD64 else [series, f"{series}/release"]
        own = [exact, f"{exact}/release"] if exact != series else []
        if mirror is not None:
            return [f"{mirror}/{path}" for path in (*paths, *own)]
        servers = [CDIMAGE, RELEASES] if self.arch != AMD64 else [RELEASES, CDIMAGE]
        current = [f"{server}/{path}" for server, path in zip(servers, paths, strict=True)]
        return [*current, *(f"{OLD_RELEASES}/{path}" for path in (exact, series) if own)]

    def _points(self, release: str) -> list[str]:
        """``release`` if it is a point release of the wanted series."""
        return [release] if self.release.point is None and release.startswith(f"{self.release.series}.") else []


def wanted(release: str, *, arch: str = AMD64, desktop: bool = False) -> Wanted:
    """The ISO that somebody asks for; ``UsageError`` if there is none such, or none that isoforge can build on."""
    parsed = Release.of(release)
    if parsed is None:
        raise UsageError(f"invalid release {release!r}", hint="use a series such as 24.04, or a release: 24.04.4")
    if arch not in ARCHES:
        raise UsageError(f"invalid value {arch!r} for --arch (choose from {', '.join(ARCHES)})")
    oldest = OLDEST_DESKTOP if desktop else OLDEST_SERVER
    if parsed.before(oldest):
        raise UsageError(f"Ubuntu {_product(desktop)} {release} is not supported", hint=f"use {oldest} or later")
    if desktop and arch.endswith("+largemem"):
        raise UsageError(f"--desktop and --arch {arch} cannot be combined", hint="only live-server exists for it")
    return Wanted(release=parsed, arch=arch, desktop=desktop)


def recognized(name: str, volume_id: str) -> Wanted | None:
    """The official ISO that a file called ``name`` claims to be, or by its volume id; None if by neither."""
    by_name, by_volume = _NAME.fullmatch(name), _VOLUME_ID.fullmatch(volume_id)
    if by_name:
        release, arch, desktop = by_name["release"], by_name["arch"], by_name["product"] == "desktop"
    elif by_volume:
        release, arch, desktop = by_volume["release"], by_volume["arch"], by_volume["server"] is None
    else:
        return None
    parsed = Release.of(release)
    return Wanted(release=parsed, arch=arch, desktop=desktop) if parsed else None


def name_of(volume_id: str) -> str | None:
    """The name under which Ubuntu publishes the ISO with this volume id; None if it is not one of Ubuntu's.

    Daily and beta ISOs have the volume id of the release that they precede.
    """
    match = _VOLUME_ID.fullmatch(volume_id)
    if match is None:
        return None
    return f"ubuntu-{match['release']}-{_product(match['server'] is None)}-{match['arch']}.iso"


def checked_mirror(url: str) -> str:
    """The address of a mirror without a slash at its end; ``UsageError`` if it is not valid.

    Plain HTTP is accepted: what counts is the signature of the list.
    """
    hint = "use the address of the folder that contains 24.04/, such as https://releases.ubuntu.com"
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 80) > 0
    except ValueError:
        valid = False
    if not valid or not url.isascii() or not url.isprintable() or " " in url:
        raise UsageError("invalid address for --mirror", hint=hint)
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise UsageError("the address for --mirror must not contain a password, a query or a fragment", hint=hint)
    return url.rstrip("/")


def _product(desktop: bool) -> str:
    return "desktop" if desktop else "live-server"


def _order(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in release.split("."))
