"""Which disks must not be written to: those that are in use, and those that are hardly a stick."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from isoforge.device.disks import Disk
from isoforge.errors import OutputError

LARGEST = 2 * 10**12
"""Bytes of the largest disk that is taken for a stick."""

SECTOR = 512
"""Bytes of the sectors in which the partition table of an ISO counts: firmware finds no partition on other disks."""

_SYSTEM = ("/boot", "/efi", "/usr", "/var", "/nix", "/ostree", "/sysroot", "/cdrom", "/run/live", "/run/initramfs")
"""Mount points of a running system besides /: the last four are those of live systems."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A reason not to write to a disk, as the end of a sentence about it, and what to do; ``forcible`` ones can be
    overridden by a person who names the disk a second time."""

    reason: str
    hint: str
    forcible: bool = False


def refusals(disk: Disk) -> tuple[Refusal, ...]:
    """Every reason not to write to ``disk``, those that nothing overrides first; empty if it is a stick at rest."""
    return (*_in_use(disk), *_unfit(disk))


def refuse_unsafe(disk: Disk, *, force: bool = False) -> None:
    """Raise ``OutputError`` for the first of `refusals`; ``force`` overrides those that can be."""
    for refusal in refusals(disk):
        if not (force and refusal.forcible):
            raise OutputError(f"{disk.name} {refusal.reason}", hint=refusal.hint)


def _in_use(disk: Disk) -> Iterator[Refusal]:
    if disk.read_only:
        yield Refusal(reason="is read-only", hint="is its write-protect switch on?")
    system = [use.target for use in disk.uses if use.kind == "mount" and _is_system(use.target)]
    swap = [use.device for use in disk.uses if use.kind == "swap"]
    mounts = [use for use in disk.uses if use.kind == "mount"]
    holders = [use for use in disk.uses if use.kind not in ("mount", "swap")]
    if system:
        yield Refusal(reason=f"holds the running system (mounted on {system[0]})", hint="choose another disk")
    elif mounts:
        targets = ", ".join(use.target for use in mounts)
        devices = " ".join(dict.fromkeys(use.device for use in mounts if use.device.startswith(str(disk.path))))
        hint = f"if nothing on it is needed: umount {devices}" if devices else "unmount what is on it first"
        yield Refusal(reason=f"is mounted on {targets}", hint=hint)
    if swap:
        yield Refusal(reason=f"is in use: {swap[0]} is swap space of the running system", hint="choose another disk")
    if holders:
        names = ", ".join(f"{use.target} ({use.kind})" for use in holders)
        yield Refusal(reason=f"is in use by {names}", hint="choose another disk, or stop what uses it")


def _unfit(disk: Disk) -> Iterator[Refusal]:
    hint = f"if you are sure, name it again: --force {disk.path}"
    members = [kind for kind in disk.signatures if kind.endswith("_member") or kind == "bcache"]
    if members:
        yield Refusal(reason=f"is part of a larger volume ({', '.join(members)})", hint=hint, forcible=True)
    if not disk.removable:
        yield Refusal(reason="is not removable", hint=hint, forcible=True)
    if disk.size > LARGEST:
        reason = f"is larger than 2 TB ({disk.size / 10**12:.1f} TB)"
        yield Refusal(reason=reason, hint=hint, forcible=True)
    if disk.sector != SECTOR:
        reason = f"has sectors of {disk.sector} bytes: no firmware finds the partitions of an ISO on it"
        yield Refusal(reason=reason, hint=hint, forcible=True)


def _is_system(target: str) -> bool:
    path = PurePosixPath(target)
    return target == "/" or any(path.is_relative_to(folder) for folder in _SYSTEM)
