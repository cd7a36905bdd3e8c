"""What arrays, volume groups, pools and encrypted volumes are made of, and whether it can be made like this.

Source: curtin's handlers of raid, lvm_volgroup, dm_crypt and zpool, which break off where these rules are broken;
lvm(8) and zpoolconcepts(7) for names.
"""

from __future__ import annotations

import re

from isoforge.fleet.check.findings import Findings, items
from isoforge.fleet.check.plan.actions import MEMBERS, Action, Plan

FEWEST_MEMBERS = {"0": 2, "1": 2, "5": 3, "6": 4, "10": 4, "stripe": 2, "mirror": 2, "container": 2}
"""Level of an array → how many devices the installer and curtin require: mdadm would make a level 10 of two."""

_NO_SPARES = frozenset({"0", "stripe", "linear"})

_LVM_NAME = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9+_.][A-Za-z0-9+_.-]{0,126}")
_LV_RESERVED = re.compile(
    r"(snapshot|pvmove).*|.*_(cdata|cmeta|corig|cpool|cvol|mimage|mlog|pmspare|rimage|rmeta|tdata|tmeta|vdata|vorigin).*"
)
_POOL_NAME = re.compile(r"(?!(mirror|raidz|draid|spare)|(log|c\d.*)$)[A-Za-z][A-Za-z0-9_.: -]*")
_NAMES = {
    "lvm_volgroup": ("name", _LVM_NAME, "letters, digits, + _ . and -, not starting with -"),
    "lvm_partition": ("name", _LVM_NAME, "letters, digits, + _ . and -, not starting with -"),
    "dm_crypt": ("dm_name", re.compile(r"[^/\s]{1,127}"), "up to 127 characters without spaces and slashes"),
    "zpool": (
        "pool",
        _POOL_NAME,
        "letters, digits, _ . : and -, starting with a letter, but not a word that zpool reserves",
    ),
}

_SYSTEM_USES = {"bios_grub": "GRUB stores its core image there", "prep": "the firmware loads GRUB from there",
                "extended": "it holds the logical partitions"}  # fmt: skip


def check(findings: Findings, plan: Plan) -> None:
    """Report devices that cannot be made from what they name."""
    for action in plan.actions:
        if action.kind in MEMBERS and not action.is_preserved:
            _check_members(findings, action)
        if action.kind == "raid":
            _check_array(findings, action)
        if action.kind == "dm_crypt" and not action.is_preserved:
            _check_key(findings, action)
        _check_name(findings, action)
        _check_used_whole(findings, plan, action)


def _check_members(findings: Findings, action: Action) -> None:
    key = MEMBERS[action.kind][0]
    if action.fields.get(key) == [] and action.kind != "raid":  # which has too few members then
        findings.error("value-empty", action.at(key), "is empty: at least one device is needed")


def _check_array(findings: Findings, array: Action) -> None:
    written = array.fields.get("raidlevel")
    level = str(written).removeprefix("raid")
    if level in ("4", "linear"):
        use = "5" if level == "4" else "0, or a volume group"
        message = f"the installer does not support level {written}: use {use}"
        findings.error("raid-level-unsupported", array.at("raidlevel"), message)
    members = [member for member in items(array.fields.get("devices")) if isinstance(member, str)]
    fewest = FEWEST_MEMBERS.get(level, 0)
    if len(members) < fewest and "container" not in array.fields:
        message = f"level {written} needs at least {fewest} devices, not {len(members) or 'none'}"
        findings.error("raid-too-few-members", array.at("devices"), message)
    if level in _NO_SPARES and items(array.fields.get("spare_devices")):
        message = f"level {written} has no redundancy, so that a spare can replace nothing: remove it"
        findings.error("raid-spares-impossible", array.at("spare_devices"), message)


def _check_key(findings: Findings, action: Action) -> None:
    key, keyfile = (action.fields.get(name) for name in ("key", "keyfile"))
    if key not in (None, "") and keyfile not in (None, ""):
        message = "is given in addition to `key`: only one of the two can be used"
        findings.error("luks-key-twice", action.at("keyfile"), message)
    elif key in (None, "") and keyfile in (None, ""):
        message = "is required, or `keyfile`, to encrypt with"
        findings.error("key-missing", action.at("key"), message)


def _check_name(findings: Findings, action: Action) -> None:
    key, form, words = _NAMES.get(action.kind, ("", None, ""))
    name = action.text(key)
    if form is None or not name:
        return
    if not form.fullmatch(name) and action.kind in ("lvm_volgroup", "lvm_partition"):
        findings.error("lvm-name-invalid", action.at(key), f"{name!r} is not a valid name: use {words}")
    elif not form.fullmatch(name):
        findings.error("volume-name-invalid", action.at(key), f"{name!r} is not a valid name: use {words}")
    elif action.kind == "lvm_partition" and _LV_RESERVED.fullmatch(name):
        findings.error("lvm-name-invalid", action.at(key), f"{name!r} is a name that LVM reserves")


def _check_used_whole(findings: Findings, plan: Plan, action: Action) -> None:
    """A device that is formatted, encrypted or a member of another cannot have partitions, nor a use of its own."""
    if action.kind in ("partition", "lvm_partition", "mount", "zfs"):
        return
    for one in plan.below(action):
        path = _reference(action, one.id)
        if one.kind != "lvm_volgroup" and plan.parts.get(one.id) and not one.is_preserved:
            message = f"{one.id!r} has partitions, so it cannot be used as a whole"
            findings.error("volume-used-twice", path, message)
        elif one.kind == "partition" and one.text("flag") in _SYSTEM_USES:
            flag = one.text("flag")
            message = f"{one.id!r} has the flag {flag} ({_SYSTEM_USES[flag]}): it cannot hold data"
            findings.error("volume-used-twice", path, message)


def _reference(action: Action, name: str) -> tuple[str | int, ...]:
    for key in ("volume", *MEMBERS.get(action.kind, ())):
        value = action.fields.get(key)
        if value == name:
            return action.at(key)
        for index, item in enumerate(items(value)):
            if item == name:
                return action.at(key, index)
    return action.path
