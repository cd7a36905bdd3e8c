"""What a partition table can hold: how many partitions, with which numbers and flags.

Source: curtin's partition handlers of its storage formats 1 and 2, and the installer's limits for each kind of table.
"""

from __future__ import annotations

from collections.abc import Sequence

from isoforge.fleet.check.findings import Findings
from isoforge.fleet.check.plan.actions import FAT, Action, Plan

_LIMITS = {"gpt": 128, "msdos": 4, "vtoc": 3}


def check(findings: Findings, plan: Plan) -> None:
    """Report partitions that their disk's table cannot hold, or not in this way."""
    for holder in plan.of("disk", "raid", "device"):
        table = holder.text("ptable")
        parts = plan.parts.get(holder.id, ())
        if table not in _LIMITS or not parts:
            continue
        _check_flags(findings, parts, table, is_version_1=plan.version == 1)
        _check_numbers(findings, [part for part in parts if not _is_logical(part, table)], table)
        if plan.version == 1 and not holder.is_preserved:
            _check_first(findings, parts)
    _check_esp(findings, plan)


def _is_logical(part: Action, table: str) -> bool:
    """A partition that exists already may be a logical one without the flag: its number shows it."""
    number = part.fields.get("number")
    is_beyond = isinstance(number, int) and number > _LIMITS["msdos"]
    return part.text("flag") == "logical" or (table == "msdos" and part.is_preserved and is_beyond)


def _check_flags(findings: Findings, parts: Sequence[Action], table: str, *, is_version_1: bool) -> None:
    extended = [part for part in parts if part.text("flag") == "extended"]
    for part in parts:
        flag, message = part.text("flag"), ""
        if flag in ("extended", "logical") and table != "msdos":
            message = f"{flag} partitions exist only in msdos tables: remove the flag"
        elif flag == "logical" and not any(one.number < part.number for one in extended):
            missing = "needs an extended partition (`flag: extended`) above it on the same disk"
            findings.error("extended-missing", part.at("flag"), missing)
        elif flag == "extended" and part is not extended[0]:
            message = f"the disk already has an extended partition, {extended[0].id!r}"
        elif flag == "prep" and table == "msdos":
            message = "PReP partitions need `ptable: gpt`"
        if message:
            findings.error("partition-flag-impossible", part.at("flag"), message)
        elif flag == "logical" and part.fields.get("size") == -1 and is_version_1:
            message = "-1 (all remaining space) does not work for a logical partition: write its size"
            findings.error("size-rest-not-last", part.at("size"), message)


def _check_numbers(findings: Findings, parts: Sequence[Action], table: str) -> None:
    limit = _LIMITS[table]
    for count, part in enumerate(parts, 1):
        number = part.fields.get("number")
        is_number = isinstance(number, int) and not isinstance(number, bool)
        if is_number and not 1 <= number <= limit:  # type: ignore[operator]
            message = f"{number} is not a valid partition number for {table} (1 to {limit})"
            findings.error("partition-number-impossible", part.at("number"), message)
            return
        if count > limit:
            more = "; use `ptable: gpt`" if table == "msdos" else ""
            message = f"is partition number {count} of the disk, but {table} has room for {limit}{more}"
            findings.error("partitions-too-many", part.path, message)
            return


def _check_first(findings: Findings, parts: Sequence[Action]) -> None:
    """curtin looks for the partition before any but the first, and breaks off if there is none."""
    numbers = [part.fields.get("number") for part in parts if part.text("flag") != "logical"]
    whole = [number for number in numbers if isinstance(number, int) and not isinstance(number, bool)]
    if whole and len(whole) == len(numbers) and min(whole) > 1:
        part = next(part for part in parts if part.fields.get("number") == min(whole))
        message = f"is {min(whole)}, but the first partition of a disk must have number 1"
        findings.error("partition-number-impossible", part.at("number"), message)


def _check_esp(findings: Findings, plan: Plan) -> None:
    """An EFI system partition in an msdos table: curtin does not give it the type by which firmware finds it."""
    mount = plan.mounts.get("/boot/efi")
    if mount is None or mount.format is None or mount.fstype not in FAT or findings.firmware == "bios":
        return
    for esp in plan.below(mount.format):
        disk = plan.named(esp, esp.fields.get("device"))
        for_bios = findings.firmware is None and disk is not None and disk.fields.get("grub_device") is True
        if disk is not None and disk.text("ptable") == "msdos" and not disk.is_preserved and not for_bios:
            message = "UEFI does not recognize an EFI system partition in an msdos table: use `ptable: gpt`"
            findings.error("esp-on-msdos", disk.at("ptable"), message)
