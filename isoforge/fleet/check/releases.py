"""Which key of an autoinstall document came with which Ubuntu release."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from isoforge.fleet.check import installers
from isoforge.fleet.check.findings import Findings, items, mapping
from isoforge.fleet.check.installers import Known, Since
from isoforge.yaml_limits import KeyPath


def check(findings: Findings, autoinstall: Mapping[str, Any]) -> None:
    """Report which keys the base ISO's installer does not know yet; nothing if its release is not known.

    The ISO of a point release carries a newer installer than the first ISO of its series, so that there a later key
    is only a warning, where it is not known for certain.
    """
    release = findings.release
    if release is None:
        return
    for path, since, what in _used(autoinstall):
        known = since.known(release)
        if known is Known.YES:
            continue
        lead = f"{what} needs Ubuntu {since.first} or later; the installer of {release}"
        if path[-1] in installers.IGNORED_WITH_A_WARNING:
            findings.warning("key-ignored-by-release", ("autoinstall", *path), f"{lead} ignores it")
        elif known is Known.MAYBE:
            findings.warning("key-maybe-too-new", ("autoinstall", *path), f"{lead} may not know it")
        else:
            findings.error("key-too-new", ("autoinstall", *path), f"{lead} does not know it")


def _used(autoinstall: Mapping[str, Any]) -> Iterator[tuple[KeyPath, Since, str]]:
    for path, since in installers.KEYS.items():
        value: Any = autoinstall
        for step in path:
            value = mapping(value).get(str(step), _ABSENT)
        if value is not _ABSENT:
            yield path, since, f"`{'.'.join(map(str, path))}`"
    storage = mapping(autoinstall.get("storage"))
    layout = mapping(storage.get("layout"))
    name = layout.get("name")
    if isinstance(name, str) and name in installers.LAYOUTS:
        yield ("storage", "layout", "name"), installers.LAYOUTS[name], f"the layout {name}"
    yield from _used_in_match(layout.get("match"), ("storage", "layout", "match"))
    for index, action in enumerate(items(storage.get("config"))):
        yield from _used_in_match(mapping(action).get("match"), ("storage", "config", index, "match"))
        kind = mapping(action).get("type")
        if isinstance(kind, str) and kind in installers.ACTIONS:
            yield ("storage", "config", index, "type"), installers.ACTIONS[kind], f"the storage action {kind}"


def _used_in_match(match: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Since, str]]:
    if isinstance(match, list):
        yield path, installers.MATCH_LIST, "a list of matches"
        for index, one in enumerate(match):
            yield from _used_in_match(one, (*path, index))
    for key in mapping(match):
        if key in installers.MATCH_KEYS:
            yield (*path, key), installers.MATCH_KEYS[key], f"the match key {key}"


_ABSENT = object()
