"""Which key of an autoinstall document came with which Ubuntu release."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from isoforge.fleet.check.findings import Findings, items, mapping
from isoforge.release import Release
from isoforge.yaml_limits import KeyPath

SINCE: Mapping[KeyPath, str] = {
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

IGNORED_BEFORE = frozenset({"kernel-crash-dumps"})
"""Keys that earlier installers drop with a warning: nothing else goes wrong (seen with the one of 24.04)."""


def check(findings: Findings, autoinstall: Mapping[str, Any]) -> None:
    """Report which keys the base ISO's installer does not know yet; nothing if its release is not known.

    The ISO of a point release carries a newer installer than the first ISO of its series, so that there a later key
    is only a warning, where it is not known for certain.
    """
    release = findings.release
    if release is None:
        return
    for path, since, what in _used(autoinstall):
        needed = Release.of(since)
        if needed is None or not _newer(needed, release):
            continue
        backported = path[-1] in IN_24_04_1 and release.series == "24.04"
        if backported and release.point:
            continue
        lead = f"{what} needs Ubuntu {since} or later; the installer of {release}"
        refreshed = bool(release.point) and (release.series != "22.04" or release.has_newer_installer)
        unsure = (needed.point is not None or refreshed) and path[-1] not in IN_NO_POINT_RELEASE
        if path[-1] in IGNORED_BEFORE:
            findings.warning("key-ignored-by-release", ("autoinstall", *path), f"{lead} ignores it")
        elif unsure or backported:
            findings.warning("key-maybe-too-new", ("autoinstall", *path), f"{lead} may not know it")
        else:
            findings.error("key-too-new", ("autoinstall", *path), f"{lead} does not know it")


def _newer(needed: Release, release: Release) -> bool:
    if needed.series != release.series:
        return needed.series > release.series
    return (needed.point or 0) > (release.point or 0)


def _used(autoinstall: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str, str]]:
    for path, since in SINCE.items():
        value: Any = autoinstall
        for step in path:
            value = mapping(value).get(str(step), _ABSENT)
        if value is not _ABSENT:
            yield path, since, f"`{'.'.join(map(str, path))}`"
    storage = mapping(autoinstall.get("storage"))
    layout = mapping(storage.get("layout"))
    name = layout.get("name")
    if isinstance(name, str) and name in LAYOUT_SINCE:
        yield ("storage", "layout", "name"), LAYOUT_SINCE[name], f"the layout {name}"
    yield from _used_in_match(layout.get("match"), ("storage", "layout", "match"))
    for index, action in enumerate(items(storage.get("config"))):
        yield from _used_in_match(mapping(action).get("match"), ("storage", "config", index, "match"))


def _used_in_match(match: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str, str]]:
    if isinstance(match, list):
        yield path, MATCH_LIST_SINCE, "a list of matches"
        for index, one in enumerate(match):
            yield from _used_in_match(one, (*path, index))
    for key in mapping(match):
        if key in MATCH_SINCE:
            yield (*path, key), MATCH_SINCE[key], f"the match key {key}"


_ABSENT = object()
