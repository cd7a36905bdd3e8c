"""Whether what a list of storage actions makes can be booted: by UEFI, by BIOS, or not at all.

Source: the installer's final requirements on storage. Something is mounted at ``/``; for UEFI an EFI system partition
(FAT32, mounted at /boot/efi) carries ``grub_device: true``; for BIOS the disk carries it, and on GPT has a partition
with the flag ``bios_grub``. One list cannot serve both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isoforge.fleet.check.findings import Findings, mapping, text
from isoforge.fleet.check.plan.actions import Plan
from isoforge.yaml_limits import KeyPath

_FAT = frozenset({"fat32", "vfat", "fat", "fat16"})


def check(findings: Findings, config: list[Any], plan: Plan) -> None:
    """Check the actions of ``config``, which make the ``plan``, for the host's firmware, if it is known."""
    actions = [action for action in config if isinstance(action, dict)]
    path = plan.path
    _check_root(findings, plan)
    _check_tables(findings, config, path)
    if any(action.get("type") == "dasd" or action.get("flag") == "prep" for action in actions):
        return  # s390x and ppc64el boot by other rules
    uefi, bios = _serves_uefi(actions), _serves_bios(actions)
    if not uefi and not bios:
        findings.error("storage-not-bootable", path, f"no firmware could boot this: {_missing(actions)}")
    elif findings.firmware == "uefi" and not uefi:
        message = "boots on BIOS only, but the host has UEFI: make an EFI system partition the grub_device"
        findings.error("storage-for-other-firmware", path, message)
    elif findings.firmware == "bios" and not bios:
        message = "boots on UEFI only, but the host has BIOS: make the disk the grub_device (bios_grub on GPT)"
        findings.error("storage-for-other-firmware", path, message)
    elif findings.firmware is None and not uefi:
        message = "boots on BIOS only, and few machines start that way; a `layout` serves both"
        findings.warning("storage-for-bios-only", path, message)


def _of(actions: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [action for action in actions if action.get("type") == kind]


def _check_root(findings: Findings, plan: Plan) -> None:
    if "/" in plan.mounts:
        return
    for one in plan.of("zfs", "zpool"):
        keys = ("properties", "mountpoint") if one.kind == "zfs" else ("mountpoint",)
        holder = mapping(one.fields.get("properties")) if one.kind == "zfs" else one.fields
        if holder.get("mountpoint") == "/":
            message = "is not mounted: the installer counts only `canmount: on` (the default is off)"
            findings.error("root-not-mounted", one.at(*keys), message)
            return
    findings.error("root-not-mounted", plan.path, "nothing is mounted at /, where the system goes")


def _esps(actions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The partitions that are formatted as FAT and mounted at /boot/efi."""
    mounted = {text(action.get("device")) for action in _of(actions, "mount") if action.get("path") == "/boot/efi"}
    formatted = {
        text(action.get("volume"))
        for action in _of(actions, "format")
        if text(action.get("id")) in mounted and text(action.get("fstype")) in _FAT
    }
    return [action for action in _of(actions, "partition") if text(action.get("id")) in formatted]


def _serves_uefi(actions: list[dict[str, Any]]) -> bool:
    return any(esp.get("grub_device") is True and _is_esp(esp, actions) for esp in _esps(actions))


def _is_esp(partition: Mapping[str, Any], actions: list[dict[str, Any]]) -> bool:
    tables = {text(action.get("id")): action.get("ptable") for action in _of(actions, "disk")}
    marked = text(partition.get("flag")) in {"boot", "esp"} or bool(partition.get("partition_type"))
    return marked or tables.get(text(partition.get("device"))) == "msdos" or partition.get("preserve") is True


def _serves_bios(actions: list[dict[str, Any]]) -> bool:
    for disk in [*_of(actions, "disk"), *_of(actions, "raid")]:
        if disk.get("grub_device") is not True:
            continue
        parts = [action for action in _of(actions, "partition") if action.get("device") == disk.get("id")]
        if disk.get("ptable") == "msdos" or any(part.get("flag") == "bios_grub" for part in parts):
            return True
    return False


def _missing(actions: list[dict[str, Any]]) -> str:
    esps = _esps(actions)
    if esps and not any(esp.get("grub_device") is True for esp in esps):
        return "the EFI system partition needs `grub_device: true`"
    if esps:
        return "the EFI system partition needs `flag: boot`"
    if any(part.get("flag") == "bios_grub" for part in _of(actions, "partition")):
        return "the disk with the bios_grub partition needs `grub_device: true`"
    if any(text(part.get("flag")) in {"boot", "esp"} for part in _of(actions, "partition")):
        return "the partition with `flag: boot` must be formatted as fat32 and mounted at /boot/efi"
    return "it has no EFI system partition (fat32, at /boot/efi) and no disk with `grub_device: true` and bios_grub"


def _check_tables(findings: Findings, config: list[Any], path: KeyPath) -> None:
    """A disk that gets partitions must be given a partition table, unless it keeps the one it has."""
    parents = {text(mapping(action).get("device")) for action in config if mapping(action).get("type") == "partition"}
    for index, action in enumerate(config):
        one = mapping(action)
        bare = one.get("type") == "disk" and one.get("preserve") is not True and not one.get("ptable")
        if bare and text(one.get("id")) in parents:
            message = "gets partitions, but no partition table: add `ptable: gpt`"
            findings.warning("partition-table-missing", (*path, index), message)
