"""What the actions of a storage list build together: nothing twice, and nothing out of too little."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from isoforge.fleet.check.findings import Findings, items, mapping, text
from isoforge.yaml_limits import KeyPath

FEWEST_MEMBERS = {"0": 2, "1": 2, "4": 3, "5": 3, "6": 4, "10": 2, "stripe": 2, "mirror": 2, "linear": 1}
"""Level of an array → how many devices it needs (mdadm(8), "CREATE MODE")."""

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


def check(findings: Findings, config: Sequence[Any], path: KeyPath) -> None:
    """Report names, numbers and mount points that are used twice, and arrays of too few or repeated members."""
    _check_names(findings, config, path)
    _check_mounts(findings, config, path)
    _check_members(findings, config, path)
    for index, action in enumerate(config):
        if mapping(action).get("type") == "raid":
            _check_array(findings, action, (*path, index))


def _check_names(findings: Findings, config: Sequence[Any], path: KeyPath) -> None:
    seen: set[tuple[Any, ...]] = set()
    for index, action in enumerate(config):
        kind = text(mapping(action).get("type"))
        field, within, noun = _NAMES.get(kind, ("", (), ""))
        name = mapping(action).get(field) if field else None
        if name in (None, "") or not isinstance(name, str | int):
            continue
        key = (kind, *(str(action.get(holder)) for holder in within), name)
        if key in seen:
            where = "".join(f" in {action.get(holder)!r}" for holder in within)
            message = f"an earlier action makes a {noun} {name!r}{where} too"
            findings.error("volume-name-twice", (*path, index, field), message)
        seen.add(key)


def _check_mounts(findings: Findings, config: Sequence[Any], path: KeyPath) -> None:
    taken: dict[str, int] = {}
    for index, action in enumerate(config):
        one = mapping(action)
        field = {"mount": "path", "zpool": "mountpoint"}.get(text(one.get("type")), "")
        written = text(one.get(field)) if field else ""
        if not written.startswith("/"):
            continue
        mount = "/" + "/".join(step for step in written.split("/") if step)
        if mount in taken:
            findings.error("mount-twice", (*path, index, field), f"something else is mounted at {mount} already")
        taken.setdefault(mount, index)


def _check_members(findings: Findings, config: Sequence[Any], path: KeyPath) -> None:
    """A disk or partition that is a member of one array, group or pool cannot be one of another, or formatted too."""
    users: dict[str, str] = {}
    for index, action in enumerate(config):
        one = mapping(action)
        kind = text(one.get("type"))
        fields = {"raid": ("devices", "spare_devices"), "lvm_volgroup": ("devices",), "zpool": ("vdevs",)}
        used = [((*path, index, field, at), member) for field in fields.get(kind, ()) for at, member in
                enumerate(items(one.get(field)))]  # fmt: skip
        if kind in {"format", "dm_crypt"}:
            used.append(((*path, index, "volume"), one.get("volume")))
        for here, member in used:
            if isinstance(member, str) and member in users:
                message = f"{member!r} is used by {users[member]!r} already"
                findings.error("volume-used-twice", here, message)
            elif isinstance(member, str) and member:
                users[member] = text(one.get("id"))


def _check_array(findings: Findings, array: Mapping[str, Any], path: KeyPath) -> None:
    level = str(array.get("raidlevel")).removeprefix("raid")
    members = [member for member in items(array.get("devices")) if isinstance(member, str)]
    fewest = FEWEST_MEMBERS.get(level, 0)
    if len(members) < fewest and "container" not in array:
        message = f"level {array.get('raidlevel')} needs at least {fewest} devices, not {len(members) or 'none'}"
        findings.error("raid-too-few-members", (*path, "devices"), message)
