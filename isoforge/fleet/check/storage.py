"""The `storage:` section: layouts, and the list of actions that takes their place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from isoforge.fleet.check import disks, firmware, schema
from isoforge.fleet.check.document import Route
from isoforge.fleet.check.findings import Findings, mapping, meant, text
from isoforge.fleet.check.releases import Release

STORAGE: Route = ("autoinstall", "storage")
CONFIG: Route = (*STORAGE, "config")

REFERENCES = {
    "disk": ("nvme_controller",),
    "partition": ("device",),
    "format": ("volume",),
    "mount": ("device",),
    "raid": ("devices", "spare_devices", "container"),
    "lvm_volgroup": ("devices",),
    "lvm_partition": ("volgroup",),
    "dm_crypt": ("volume",),
    "zpool": ("vdevs",),
    "zfs": ("pool",),
}
"""Type of action → its fields that hold the id of another action, or a list of ids."""

REFERRED_TYPES = {
    ("mount", "device"): {"format"},
    ("lvm_partition", "volgroup"): {"lvm_volgroup"},
    ("zfs", "pool"): {"zpool"},
    ("partition", "device"): {"disk", "device", "dasd", "raid"},
}
"""Where only actions of some types can be meant."""

SIZE = re.compile(r"(\d+(\.\d+)?|\.\d+)[KMGT]?B?|\d+(\.\d+)?%")
"""curtin's human2bytes, and the installer's percentages; all units are binary (1GB is 2^30 bytes)."""


def check(found: Findings, autoinstall: Mapping[str, Any], release: Release | None, runs_on: str | None) -> None:
    """Everything about storage; ``runs_on`` is the host's firmware (uefi, bios) or None if nobody said it."""
    storage = mapping(autoinstall.get("storage"))
    if "layout" in storage and "config" in storage:
        found.error((*STORAGE, "config"), "is ignored: `layout` stands beside it and wins; keep one of the two")
    if isinstance(storage.get("layout"), dict):
        _check_layout(found, storage["layout"], release)
    elif isinstance(storage.get("config"), list):
        _check_config(found, storage["config"], release)
        if storage["config"]:
            firmware.check(found, storage["config"], CONFIG, runs_on)


def _check_layout(found: Findings, layout: Mapping[str, Any], release: Release | None) -> None:
    route: Route = (*STORAGE, "layout")
    name, mode = text(layout.get("name")), layout.get("mode")
    default: Mapping[str, Any] = {} if mode == "use_gap" else {"size": "largest"}
    disks.check_match(found, layout.get("match", default), (*route, "match"), release)
    if "password" in layout and name in {"direct", "dd"}:
        found.error((*route, "password"), f"encrypts nothing: the layout {name} knows no encryption; use lvm or zfs")
    if "sizing-policy" in layout and name in {"direct", "zfs", "dd"}:
        found.warning((*route, "sizing-policy"), f"has no effect: the layout {name} has no logical volumes")
    if "encrypted" in layout and name in {"lvm", "direct", "zfs", "dd"}:
        found.error((*route, "encrypted"), "belongs to the layout hybrid (TPM); lvm and zfs encrypt with `password`")
    reset = layout.get("reset-partition")
    if isinstance(reset, str) and not SIZE.fullmatch(reset):
        found.error((*route, "reset-partition"), _size_cure(reset))
    if layout.get("reset-partition-only") is True and not reset:
        found.error((*route, "reset-partition-only"), "needs `reset-partition` beside it")


def _check_config(found: Findings, config: list[Any], release: Release | None) -> None:
    if not config:
        found.error(CONFIG, "is empty: there would be no disk to install on")
        return
    known: dict[str, Mapping[str, Any]] = {}
    later = {text(mapping(action).get("id")) for action in config}
    seen_disks: list[tuple[Route, Mapping[str, Any]]] = []
    for index, action in enumerate(config):
        if not isinstance(action, dict):
            continue
        route = (*CONFIG, index)
        _check_fields(found, action, route)
        _check_references(found, action, route, known, later)
        if action.get("type") == "disk":
            disks.check_disk(found, action, route, release)
            seen_disks.append((route, action))
        _check_id(found, action, route, known)
    disks.check_same_disk(found, seen_disks)
    _check_sizes(found, config)


def _check_id(found: Findings, action: Mapping[str, Any], route: Route, known: dict[str, Mapping[str, Any]]) -> None:
    name = text(action.get("id"))
    if name in known:
        found.error((*route, "id"), f"{name!r} is the id of an earlier action too")
    elif name:
        known[name] = action


@cache
def _actions() -> Mapping[str, tuple[schema.Validator, Mapping[str, Any]]]:
    """Type of action → its validator and its schema, made once."""
    common = {"id": {"type": "string", "minLength": 1}, "type": {"type": "string"}}
    made: dict[str, tuple[schema.Validator, Mapping[str, Any]]] = {}
    for name, action in schema.load("storage")["actions"].items():
        whole = {**action, "additionalProperties": False, "properties": {**common, **action["properties"]}}
        made[name] = (schema.make(whole), whole)
    return made


def _check_fields(found: Findings, action: Mapping[str, Any], route: Route) -> None:
    known = _actions()
    kind = action.get("type")
    if kind is None:
        found.error((*route, "type"), "is missing")
    elif not isinstance(kind, str) or kind not in known:
        said = f"{kind!r} is no action that the installer knows: it would be dropped{meant(str(kind), known)}"
        found.error((*route, "type"), said)
    else:
        schema.check(found, action, route, known[kind][0])


def _check_references(
    found: Findings, action: Mapping[str, Any], route: Route, known: Mapping[str, Mapping[str, Any]], later: set[str]
) -> None:
    kind = text(action.get("type"))
    for field in REFERENCES.get(kind, ()):
        value = action.get(field)
        listed = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
        for index, name in listed:
            here = (*route, field) if index is None else (*route, field, index)
            if not isinstance(name, str) or not name:
                continue
            if name in known:
                wanted = REFERRED_TYPES.get((kind, field))
                got = text(known[name].get("type"))
                if wanted and got not in wanted and got in _actions():
                    found.error(here, f"{name!r} is a {got}, but must be a {' or '.join(sorted(wanted))}")
            elif name in later:
                found.error(here, f"{name!r} is defined further down: an action must come after those it names")
            else:
                found.error(here, f"no action has the id {name!r}{meant(name, [one for one in later if one])}")


def _check_sizes(found: Findings, config: list[Any]) -> None:
    last: dict[str, int] = {}
    for index, action in enumerate(config):
        if mapping(action).get("type") == "partition" and text(action.get("device")):
            last[action["device"]] = index
    for index, action in enumerate(config):
        sized = text(mapping(action).get("type")) in {"partition", "lvm_partition"}
        if sized and action.get("size") is not None:
            is_last = last.get(text(action.get("device"))) == index
            if said := _size_flaw(action, is_last):
                found.error((*CONFIG, index, "size"), said)


def _size_flaw(action: Mapping[str, Any], is_last: bool) -> str:
    """What is wrong with the size of a partition or a logical volume, or nothing."""
    size = action["size"]
    if isinstance(size, str):
        return "" if SIZE.fullmatch(size) else _size_cure(size)
    if (
        not isinstance(size, int | float)
        or isinstance(size, bool)
        or (isinstance(size, float) and not size.is_integer())
    ):
        return "must be a whole number of bytes, or text as 512M or 20G"
    if size < 0 and size != -1:
        return "is negative: only -1 is taken, for all that is left"
    ends = is_last or action["type"] != "partition" or action.get("flag") == "extended" or not action.get("device")
    if size == -1 and not ends:
        return "-1 (all that is left) is for the last partition of a disk; another one follows"
    return ""


def _size_cure(size: str) -> str:
    if size.strip() == "-1":
        return "must be the number -1, without quotes"
    bare = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT])I?B?\s*", size.upper())
    if bare:
        return f"{size!r} is not a size: write {bare[1]}{bare[2]} (all units are binary)"
    return f"{size!r} is not a size: write a number of bytes, or text as 512M, 1.5G or 50%"
