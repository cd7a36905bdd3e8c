"""What a plan makes twice, or uses twice: names, numbers, mount points, and the devices that something is made from."""

from __future__ import annotations

from typing import Any

from isoforge.fleet.check.findings import Findings, items
from isoforge.fleet.check.plan.actions import MEMBERS, Action, Plan
from isoforge.yaml_limits import KeyPath

_NAMES = {
    "lvm_volgroup": ("name", (), "volume group"),
    "lvm_partition": ("name", ("volgroup",), "logical volume"),
    "raid": ("name", (), "array"),
    "dm_crypt": ("dm_name", (), "encrypted volume"),
    "zpool": ("pool", (), "pool"),
    "zfs": ("volume", ("pool",), "dataset"),
    "partition": ("number", ("device",), "partition"),
}
"""Type of action → the field that names what it makes, the fields within which that name is its own, and its kind."""


def check(findings: Findings, plan: Plan) -> None:
    """Report names, numbers and mount points that are used twice, and devices that two others are made from."""
    _check_names(findings, plan)
    _check_mounts(findings, plan)
    _check_users(findings, plan)


def _check_names(findings: Findings, plan: Plan) -> None:
    seen: set[tuple[Any, ...]] = set()
    for action in plan.actions:
        field, within, noun = _NAMES.get(action.kind, ("", (), ""))
        name = action.fields.get(field) if field else None
        if name in (None, "") or not isinstance(name, str | int):
            continue
        key = (action.kind, *(str(action.fields.get(holder)) for holder in within), name)
        if key in seen:
            where = "".join(f" in {action.fields.get(holder)!r}" for holder in within)
            message = f"an earlier action creates the {noun} {name!r}{where} as well"
            findings.error("volume-name-twice", action.at(field), message)
        seen.add(key)


def _check_mounts(findings: Findings, plan: Plan) -> None:
    paths: set[str] = set()
    for mount in plan.all_mounts:
        if mount.path in paths:
            findings.error("mount-twice", mount.where, f"something else is mounted at {mount.path} already")
        paths.add(mount.path)


def _check_users(findings: Findings, plan: Plan) -> None:
    """A device that is a member of an array, group or pool cannot be one of another, nor be formatted as well."""
    users: dict[str, str] = {}
    for action in plan.actions:
        for path, name in _used(action):
            if name in users:
                findings.error("volume-used-twice", path, f"{name!r} is used by {users[name]!r} already")
            else:
                users[name] = action.id


def _used(action: Action) -> list[tuple[KeyPath, str]]:
    """The ids of the devices that ``action`` takes for itself, with the paths where they are written."""
    used: list[tuple[KeyPath, Any]] = [
        (action.at(field, index), member)
        for field in MEMBERS.get(action.kind, ())
        for index, member in enumerate(items(action.fields.get(field)))
    ]
    if action.kind in ("format", "dm_crypt"):
        used.append((action.at("volume"), action.fields.get("volume")))
    return [(path, name) for path, name in used if isinstance(name, str) and name]
