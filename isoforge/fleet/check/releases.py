"""Which key of an autoinstall document came with which Ubuntu release."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from isoforge.fleet.check.document import Route
from isoforge.fleet.check.findings import Findings, items, mapping


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Release:
    """An Ubuntu release, as the base ISO says it: ``point`` is None if the number has two parts only."""

    year: int
    month: int
    point: int | None = None

    @classmethod
    def of(cls, text: str | None) -> Release | None:
        """``24.04.2`` → Release(24, 4, 2); None for None and for anything that is no release number."""
        found = re.match(r"(\d{2})\.(\d{2})(?:\.(\d+))?(?!\d)", text or "")
        if found is None:
            return None
        year, month, point = found.groups()
        return cls(year=int(year), month=int(month), point=None if point is None else int(point))

    def before(self, text: str) -> bool:
        """Whether this release came before the series ``text`` (``23.10``)."""
        other = Release.of(text)
        return other is not None and (self.year, self.month) < (other.year, other.month)

    @property
    def refreshed(self) -> bool:
        """Whether this is a late point release (22.04.4 and on), whose ISO carries the installer of 23.10 or newer."""
        return not self.before("22.04") and (self.point or 0) >= 4

    def __str__(self) -> str:
        series = f"{self.year}.{self.month:02}"
        return series if self.point is None else f"{series}.{self.point}"


SINCE: Mapping[Route, str] = {
    ("drivers",): "22.04",
    ("kernel",): "22.04",
    ("shutdown",): "22.04",
    ("timezone",): "22.04",
    ("ubuntu-advantage",): "22.04",
    ("source",): "22.04.1",
    ("ubuntu-pro",): "22.04.1",
    ("source", "id"): "23.04",
    ("codecs",): "23.04",
    ("active-directory",): "23.04",
    ("apt", "mirror-selection"): "23.04",
    ("apt", "fallback"): "23.04",
    ("storage", "layout", "mode"): "23.10",
    ("storage", "layout", "sizing-policy"): "23.10",
    ("storage", "layout", "reset-partition"): "23.10",
    ("storage", "layout", "reset-partition-only"): "24.04",
    ("storage", "layout", "recovery-key"): "24.04",
    ("oem",): "24.04",
    ("kernel-crash-dumps",): "24.10",
    ("storage", "layout", "ptable"): "25.04",
    ("zdevs",): "25.04",
    ("identity", "groups"): "26.04",
}
"""First release whose installer knows the key (the first tag of the installer whose schema lists it)."""

LAYOUT_SINCE = {"zfs": "23.10", "hybrid": "23.10", "dd": "23.10"}
MATCH_SINCE = {"vendor": "22.04", "id_path": "23.10", "devpath": "23.10", "install-media": "23.10"}
MATCH_LIST_SINCE = "24.10"

IN_24_04_1 = frozenset({"ptable", "match"})
"""What the point releases of 24.04 have although it came later: it was put on their branch too."""

IN_NO_POINT_RELEASE = frozenset({"zdevs", "groups"})


def check(found: Findings, autoinstall: Mapping[str, Any], release: Release | None) -> None:
    """Say which keys the installer of ``release`` does not know yet; nothing if it is None.

    The ISO of a point release carries a newer installer than the first ISO of its series, so that there a later key
    is only a warning, where it is not known for certain.
    """
    if release is None:
        return
    for route, since, what in _used(autoinstall):
        needed = Release.of(since)
        if needed is None or not _newer(needed, release):
            continue
        backported = route[-1] in IN_24_04_1 and (release.year, release.month) == (24, 4)
        if backported and release.point:
            continue
        said = f"{what} came with {since}; the installer of {release}"
        unsure = (needed.point is not None or bool(release.point)) and route[-1] not in IN_NO_POINT_RELEASE
        if unsure or backported:
            found.warning(("autoinstall", *route), f"{said} may not know it")
        else:
            found.error(("autoinstall", *route), f"{said} does not know it")


def _newer(needed: Release, release: Release) -> bool:
    series = (needed.year, needed.month)
    if series != (release.year, release.month):
        return series > (release.year, release.month)
    return (needed.point or 0) > (release.point or 0)


def _used(autoinstall: Mapping[str, Any]) -> Iterator[tuple[Route, str, str]]:
    for route, since in SINCE.items():
        value: Any = autoinstall
        for step in route:
            value = mapping(value).get(str(step), _ABSENT)
        if value is not _ABSENT:
            yield route, since, f"`{'.'.join(map(str, route))}`"
    storage = mapping(autoinstall.get("storage"))
    layout = mapping(storage.get("layout"))
    name = layout.get("name")
    if isinstance(name, str) and name in LAYOUT_SINCE:
        yield ("storage", "layout", "name"), LAYOUT_SINCE[name], f"the layout {name}"
    yield from _used_in_match(layout.get("match"), ("storage", "layout", "match"))
    for index, action in enumerate(items(storage.get("config"))):
        yield from _used_in_match(mapping(action).get("match"), ("storage", "config", index, "match"))


def _used_in_match(match: Any, route: Route) -> Iterator[tuple[Route, str, str]]:
    if isinstance(match, list):
        yield route, MATCH_LIST_SINCE, "a list of matches"
        for index, one in enumerate(match):
            yield from _used_in_match(one, (*route, index))
    for key in mapping(match):
        if key in MATCH_SINCE:
            yield (*route, key), MATCH_SINCE[key], f"the match key {key}"


_ABSENT = object()
