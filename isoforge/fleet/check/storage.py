"""The `storage:` section: layouts, and the list of actions that takes their place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from isoforge.fleet.check import disks, schema
from isoforge.fleet.check.findings import Findings, mapping, text
from isoforge.fleet.check.plan import machine_disks, play, sizes
from isoforge.fleet.check.plan.capacity import LARGEST_DISK
from isoforge.fleet.check.plan.sizes import SIZE
from isoforge.problems import did_you_mean
from isoforge.yaml_limits import KeyPath

STORAGE: KeyPath = ("autoinstall", "storage")
CONFIG: KeyPath = (*STORAGE, "config")

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


def check(findings: Findings, autoinstall: Mapping[str, Any]) -> None:
    """Everything about storage."""
    storage = mapping(autoinstall.get("storage"))
    if "layout" in storage and "config" in storage:
        message = "is ignored, because `layout` takes precedence: keep one of the two"
        findings.error("storage-config-ignored", (*STORAGE, "config"), message)
    elif "version" in storage and not {"layout", "config"} & storage.keys():
        message = "has neither `layout` nor `config`: nothing would be mounted at /"
        findings.error("storage-empty", STORAGE, message)
    elif storage and storage.keys() <= {"swap", "grub"}:
        message = "has neither `layout` nor `config`: the installer takes the largest disk, with lvm"
        findings.warning("storage-by-default", STORAGE, message)
    swap = sizes.parsed(mapping(storage.get("swap")).get("size"))
    if swap is not None and (swap.bytes or 0) >= LARGEST_DISK:
        message = f"{sizes.readable(swap.bytes or 0)} is larger than any disk"
        findings.error("size-too-large", (*STORAGE, "swap", "size"), message)
    if isinstance(storage.get("layout"), dict):
        _check_layout(findings, storage)
    elif isinstance(storage.get("config"), list):
        _check_config(findings, storage["config"])
        _check_swap(findings, storage)
        if storage["config"]:
            play.check(findings, storage["config"], CONFIG, version=2 if storage.get("version") == 2 else 1)


def _check_layout(findings: Findings, storage: Mapping[str, Any]) -> None:
    path: KeyPath = (*STORAGE, "layout")
    layout = storage["layout"]
    name = text(layout.get("name"))
    if "match" in layout or layout.get("mode") != "use_gap":
        match = layout.get("match", {"size": "largest"})
        disks.check_match(findings, match, (*path, "match"))
        if layout.get("mode") != "use_gap" and not layout.get("reset-partition-only"):
            machine_disks.check_layout(findings, match, (*path, "match"))
    if "password" in layout and name in {"direct", "dd"}:
        message = f"has no effect: the layout {name} cannot encrypt; use lvm or zfs"
        findings.error("layout-not-encrypted", (*path, "password"), message)
    if "sizing-policy" in layout and name in {"direct", "zfs", "dd"}:
        message = f"has no effect: the layout {name} has no logical volumes"
        findings.warning("sizing-policy-ignored", (*path, "sizing-policy"), message)
    if "encrypted" in layout and name in {"lvm", "direct", "zfs", "dd"}:
        message = "is for the layout hybrid (TPM); lvm and zfs encrypt with `password`"
        findings.error("layout-not-encrypted", (*path, "encrypted"), message)
    _check_reset(findings, layout, path, name)
    if name == "zfs" and _wants_swap(storage):
        message = "is ignored: ZFS cannot hold a swap file, and the installer makes a swap partition of its own"
        findings.warning("swap-on-zfs", (*STORAGE, "swap", "size"), message)


def _wants_swap(storage: Mapping[str, Any]) -> bool:
    return mapping(storage.get("swap")).get("size", 0) not in (0, "0")


def _check_swap(findings: Findings, storage: Mapping[str, Any]) -> None:
    """A swap file lies on /, and curtin leaves it out where that is a dataset of ZFS."""
    root = [
        one
        for one in map(mapping, storage["config"])
        if one.get("type") in ("zfs", "zpool")
        and "/" in (one.get("mountpoint"), mapping(one.get("properties")).get("mountpoint"))
    ]
    if root and _wants_swap(storage):
        message = "is ignored: ZFS cannot hold a swap file; add a partition with `fstype: swap`"
        findings.warning("swap-on-zfs", (*STORAGE, "swap", "size"), message)


def _check_reset(findings: Findings, layout: Mapping[str, Any], path: KeyPath, name: str) -> None:
    reset = layout.get("reset-partition")
    if isinstance(reset, str) and not SIZE.fullmatch(reset):
        findings.error("size-invalid", (*path, "reset-partition"), _bad_size(reset))
    if layout.get("reset-partition-only") is True and not reset:
        message = "needs `reset-partition` beside it"
        findings.error("key-needs-another", (*path, "reset-partition-only"), message)
    elif layout.get("reset-partition-only") is True and name == "direct":
        message = "does not work with the layout direct: the installer fails"
        findings.error("reset-partition-only-direct", (*path, "reset-partition-only"), message)


def _check_config(findings: Findings, config: list[Any]) -> None:
    if not config:
        findings.error("value-empty", CONFIG, "is empty: there would be no disk to install on")
        return
    known: dict[str, Mapping[str, Any]] = {}
    later = {text(mapping(action).get("id")) for action in config}
    seen_disks: list[tuple[KeyPath, Mapping[str, Any]]] = []
    for index, action in enumerate(config):
        if not isinstance(action, dict):
            continue
        path = (*CONFIG, index)
        _check_fields(findings, action, path)
        _check_references(findings, action, path, known, later)
        if action.get("type") == "disk":
            disks.check_disk(findings, action, path)
            seen_disks.append((path, action))
        _check_id(findings, action, path, known)
    disks.check_same_disk(findings, seen_disks)
    _check_sizes(findings, config)


def _check_id(
    findings: Findings, action: Mapping[str, Any], path: KeyPath, known: dict[str, Mapping[str, Any]]
) -> None:
    name = text(action.get("id"))
    if name in known:
        findings.error("action-id-twice", (*path, "id"), f"an earlier action has the id {name!r} too")
    elif name:
        known[name] = action


@cache
def _actions() -> Mapping[str, tuple[schema.Validator, Mapping[str, Any]]]:
    """Type of action → its validator and its schema, made once."""
    common = {"id": {"type": "string", "minLength": 1}, "type": {"type": "string"}}
    actions: dict[str, tuple[schema.Validator, Mapping[str, Any]]] = {}
    for name, action in schema.load("storage")["actions"].items():
        whole = {**action, "additionalProperties": False, "properties": {**common, **action["properties"]}}
        actions[name] = (schema.make(whole), whole)
    return actions


def _check_fields(findings: Findings, action: Mapping[str, Any], path: KeyPath) -> None:
    known = _actions()
    kind = action.get("type")
    if kind is None:
        findings.error("key-missing", (*path, "type"), "is required")
    elif not isinstance(kind, str) or kind not in known:
        message = f"unknown action {kind!r}, which the installer drops{did_you_mean(str(kind), known)}"
        findings.error("action-unknown", (*path, "type"), message)
    else:
        schema.check(findings, action, path, known[kind][0])


def _check_references(
    findings: Findings,
    action: Mapping[str, Any],
    path: KeyPath,
    known: Mapping[str, Mapping[str, Any]],
    later: set[str],
) -> None:
    kind = text(action.get("type"))
    for field in REFERENCES.get(kind, ()):
        value = action.get(field)
        listed = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
        for index, name in listed:
            here = (*path, field) if index is None else (*path, field, index)
            if not isinstance(name, str) or not name:
                continue
            if name in known:
                wanted = REFERRED_TYPES.get((kind, field))
                got = text(known[name].get("type"))
                if wanted and got not in wanted and got in _actions():
                    message = f"{name!r} is a {got}, but must be a {' or '.join(sorted(wanted))}"
                    findings.error("action-of-wrong-type", here, message)
            elif name in later:
                message = f"{name!r} is defined further down: an action must come after those it names"
                findings.error("action-too-early", here, message)
            else:
                near = did_you_mean(name, [one for one in later if one])
                findings.error("action-id-unknown", here, f"no action has the id {name!r}{near}")


def _check_sizes(findings: Findings, config: list[Any]) -> None:
    holders = {"partition": "device", "lvm_partition": "volgroup"}
    last: dict[tuple[str, str], int] = {}
    for index, action in enumerate(config):
        kind = text(mapping(action).get("type"))
        if kind in holders and action.get("flag") != "logical":
            last[kind, text(action.get(holders[kind]))] = index
    for index, action in enumerate(config):
        kind = text(mapping(action).get("type"))
        if kind not in holders:
            continue
        holder = text(action.get(holders[kind]))
        is_last = last.get((kind, holder)) in (index, None) or not holder or action.get("flag") == "logical"
        if flaw := _size_flaw(action, is_last=is_last):
            findings.error(flaw[0], (*CONFIG, index, *(["size"] if "size" in action else [])), flaw[1])


def _size_flaw(action: Mapping[str, Any], *, is_last: bool) -> tuple[str, str] | None:
    """The id and the sentence of what is wrong with the size of a partition or a logical volume."""
    size = action.get("size")
    if size is None and action["type"] == "lvm_partition":
        message = "has no size and would take all remaining space, but another volume follows"
        return None if is_last else ("size-rest-not-last", message)
    if size is None:
        return ("size-invalid", "is empty: write 512M, 20G or -1 for all remaining space") if "size" in action else None
    if isinstance(size, str):
        return _size_text_flaw(size)
    if sizes.has_no_unit(size):
        return "size-invalid", f"{size} is a number of bytes: write a unit, such as {size}G"
    whole = isinstance(size, int | float) and not isinstance(size, bool) and float(size).is_integer()
    if not whole:
        return "size-invalid", "must be a whole number of bytes, or text such as 512M or 20G"
    if size == 0 or (size < 0 and size != -1):
        what = "is 0" if size == 0 else "is negative"
        return "size-invalid", f"{what}: write 512M or 20G, or -1 for all remaining space"
    if size == -1 and not is_last and action.get("flag") != "extended":
        holder = "partition of a disk" if action["type"] == "partition" else "volume of a group"
        return "size-rest-not-last", f"-1 (all remaining space) is for the last {holder}; another one follows"
    return None


def _size_text_flaw(size: str) -> tuple[str, str] | None:
    if not SIZE.fullmatch(size):
        return "size-invalid", _bad_size(size)
    if sizes.has_no_unit(size):
        return "size-invalid", f"{size} is a number of bytes: write a unit, such as {size.rstrip('B')}G"
    if sizes.parsed(size) is None:
        return "size-invalid", f"{size!r} is 0: write 512M or 20G, or the number -1 for all remaining space"
    return None


def _bad_size(size: str) -> str:
    if size.strip() == "-1":
        return "must be the number -1, without quotes"
    if re.fullmatch(r"\d*\.\d+%", size):
        return f"{size!r} is not a size: a percentage is a whole number, such as 12%"
    bare = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT])I?B?\s*", size.upper())
    if bare:
        return f"{size!r} is not a size: write {bare[1]}{bare[2]} (all units are binary)"
    return f"{size!r} is not a size: write a number of bytes, or text such as 512M, 1.5G or 50%"
