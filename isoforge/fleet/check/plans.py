"""Storage plans that the installer accepts, and that break off after the disks were wiped.

Source: what parted, LVM, cryptsetup, mkfs and grub-install refuse when curtin calls them for such a plan.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from isoforge.fleet.check.findings import Findings, items, mapping, text
from isoforge.yaml_limits import KeyPath

Action = Mapping[str, Any]

_MOST_PRIMARIES = 4
"""Primary and extended partitions that an MBR has room for."""

_LEAST_FAT32 = 34 * 1024**2
"""Bytes of the smallest FAT32 (65,525 clusters, and the tables)."""

_LVM_NAME = re.compile(r"[A-Za-z0-9+_.][A-Za-z0-9+_.-]*")
"""What a volume group or a logical volume may be called (lvm(8), "VALID NAMES")."""

_HOLDERS = {"volume": ("format", "dm_crypt"), "devices": ("raid", "lvm_volgroup"), "vdevs": ("zpool",)}
"""Field → the types of actions that take the whole device which it names."""

_BELOW = ("device", "volume", "volgroup", "devices")
"""Fields that lead from an action to what it lies on."""

_UNITS = {"K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}

LEAST_BYTES = 1024**2
"""A size below this is not meant as bytes."""


def check(findings: Findings, config: Sequence[Any], path: KeyPath) -> None:
    """Report what a plan asks for that no program could do."""
    actions = {text(one.get("id")): one for one in map(mapping, config) if text(one.get("id"))}
    _check_whole_devices(findings, config, path)
    _check_partitions(findings, config, path, actions)
    _check_boot(findings, config, path, actions)
    for index, one in enumerate(map(mapping, config)):
        match one.get("type"):
            case "dm_crypt" if one.get("preserve") is not True and not (one.get("key") or one.get("keyfile")):
                findings.error("key-missing", (*path, index, "key"), "is required, or `keyfile`, to encrypt with")
            case "lvm_volgroup" | "lvm_partition" if text(one.get("name")):
                _check_lvm_name(findings, one["name"], (*path, index, "name"))
            case "partition" | "lvm_partition" if 0 < (_bytes(one.get("size")) or 0) < LEAST_BYTES:
                message = f"{one['size']} is a number of bytes: write a unit, such as {one['size']}G"
                findings.error("size-invalid", (*path, index, "size"), message)
            case "mount":
                _check_mount(findings, one, (*path, index, "path"), actions)


def _check_lvm_name(findings: Findings, name: str, path: KeyPath) -> None:
    if not _LVM_NAME.fullmatch(name) or name in (".", ".."):
        message = f"{name!r} is not a name that LVM accepts: letters, digits and + _ . -, no hyphen first"
        findings.error("lvm-name-invalid", path, message)


def _check_whole_devices(findings: Findings, config: Sequence[Any], path: KeyPath) -> None:
    """A disk with partitions has no room for anything else."""
    parents = {text(one.get("device")) for one in map(mapping, config) if one.get("type") == "partition"} - {""}
    for index, one in enumerate(map(mapping, config)):
        for field, types in _HOLDERS.items():
            if one.get("type") not in types:
                continue
            value = one.get(field)
            for at, name in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if isinstance(name, str) and name in parents:
                    here = (*path, index, field) if at is None else (*path, index, field, at)
                    message = f"{name!r} has partitions, so that it cannot be used as a whole: name one of them"
                    findings.error("volume-used-twice", here, message)


def _check_partitions(findings: Findings, config: Sequence[Any], path: KeyPath, actions: Mapping[str, Action]) -> None:
    primaries: dict[str, int] = {}
    shares: dict[str, float] = {}
    extended: set[str] = set()
    for index, one in enumerate(map(mapping, config)):
        disk, here = text(one.get("device")), (*path, index)
        if one.get("type") != "partition" or not disk:
            continue
        if mapping(actions.get(disk)).get("ptable") == "msdos":
            extended |= {disk} if one.get("flag") == "extended" else set()
            if one.get("flag") == "logical" and disk not in extended:
                message = "needs an extended partition (`flag: extended`) above it on the same disk"
                findings.error("extended-missing", (*here, "flag"), message)
            elif one.get("flag") != "logical":
                primaries[disk] = primaries.get(disk, 0) + 1
                if primaries[disk] == _MOST_PRIMARIES + 1:
                    message = f"is partition number {_MOST_PRIMARIES + 1} of a disk with `ptable: msdos`: use gpt"
                    findings.error("partitions-too-many", here, message)
        size = text(one.get("size"))
        if re.fullmatch(r"\d+(\.\d+)?%", size):
            before = shares.get(disk, 0)
            shares[disk] = before + float(size[:-1])
            if shares[disk] > 100 >= before:
                message = f"is more than is left: the partitions of {disk!r} take {shares[disk]:g}% so far"
                findings.error("size-invalid", (*here, "size"), message)
        if (
            one.get("grub_device") is True
            and one.get("flag") != "prep"
            and LEAST_BYTES <= (_bytes(one.get("size")) or 0) < _LEAST_FAT32
        ):
            message = "is too small for an EFI system partition: FAT32 takes 34M at least, and 1G leaves room"
            findings.error("esp-too-small", (*here, "size"), message)


def _bytes(size: Any) -> float | None:
    """The bytes of a size that is written with a unit, or as a number; None for what depends on the disk."""
    if isinstance(size, int) and not isinstance(size, bool):
        return size
    written = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)B?", text(size))
    return float(written[1]) * _UNITS.get(written[2], 1) if written else None


def _check_mount(findings: Findings, mount: Action, path: KeyPath, actions: Mapping[str, Action]) -> None:
    formatted = mapping(actions.get(text(mount.get("device"))))
    if formatted.get("fstype") == "swap" and text(mount.get("path")).startswith("/"):
        message = 'is swap space, which has no place in the tree: write `path: ""`'
        findings.error("mount-invalid", path, message)
    elif mount.get("path") == "/" and formatted.get("fstype") in ("fat32", "vfat", "fat", "fat16", "fat12", "ntfs"):
        message = f"the system cannot be installed on {formatted['fstype']}, which has no owners and rights: use ext4"
        findings.error("root-on-fat", path, message)


def _check_boot(findings: Findings, config: Sequence[Any], path: KeyPath, actions: Mapping[str, Action]) -> None:
    """GRUB is installed without support for encrypted disks: what holds /boot must not be on one."""
    mounts = {
        text(one.get("path")): index for index, one in enumerate(map(mapping, config)) if one.get("type") == "mount"
    }
    index = mounts.get("/boot", mounts.get("/"))
    if index is not None and any(one.get("type") == "dm_crypt" for one in _beneath(mapping(config[index]), actions)):
        where = "/boot" if "/boot" in mounts else "/, and with it /boot,"
        message = f"{where} is encrypted, where GRUB cannot be installed: mount a plain partition at /boot"
        findings.error("boot-encrypted", (*path, index), message)


def _beneath(action: Action, actions: Mapping[str, Action]) -> Iterator[Action]:
    """Every action that ``action`` builds on, at any depth."""
    todo, seen = [action], set[str]()
    while todo:
        one = todo.pop()
        yield one
        for field in _BELOW:
            value = one.get(field)
            names = [name for name in (items(value) or [value]) if isinstance(name, str)]
            todo += [actions[name] for name in names if name in actions and name not in seen]
            seen.update(names)
