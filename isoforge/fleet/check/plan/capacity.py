"""Plays a plan through from the disks upwards: how large every device becomes at most, and whether all of it fits.

How large a disk is, only the machine knows, or the inventory, if it lists the machine's disks; what is built on
partitions of a given size is known, and so is that no part exceeds the whole. Source: the installer's model of storage
(percentages, the rest, LVM, RAID and LUKS overhead) and curtin's block-meta (a partition needs a size; lvcreate rounds
up to extents).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from isoforge.fleet.check.findings import Findings, items
from isoforge.fleet.check.plan.actions import Action, Plan
from isoforge.fleet.check.plan.sizes import MIB, Size, down, parsed, readable, up

LARGEST_DISK = 1 << 50
"""No disk, and no array of disks in one machine, holds 1 PiB (2^50 bytes)."""

MSDOS_LIMIT = 2 << 40
"""An msdos partition table counts sectors of 512 bytes with 32 bits: what lies beyond 2 TiB cannot be addressed."""

EXTENT = 4 * MIB
"""LVM hands out space in extents of this size."""

_TABLE = {"gpt": 2 * MIB, "msdos": MIB, "vtoc": MIB}
_LUKS_HEADER = 16 * MIB
_NOUNS = {"lvm_volgroup": "volume group", "raid": "array", "partition": "extended partition"}


@dataclass(slots=True, kw_only=True)
class Capacity:
    """``most`` is the size in bytes that a device (by its id) has at most; no entry if nothing is known of it. It
    starts with the disks whose size is known."""

    findings: Findings
    plan: Plan
    most: dict[str, int] = field(default_factory=dict)

    def play(self) -> dict[str, int]:
        """Build the devices of the plan one after another, and report what does not fit."""
        for action in self.plan.actions:
            most = self._made_of(action)
            if most is not None:
                self.most[action.id] = most
            parts = self.plan.parts.get(action.id, ())
            if not parts or self.plan.by_id.get(action.id) is not action:
                continue
            if action.kind == "lvm_volgroup":
                self._share(action, parts, most, EXTENT)
            else:
                self._share_table(action, parts, most)
        return self.most

    def _made_of(self, action: Action) -> int | None:
        """How large a device is that is made of others, at most."""
        if action.is_preserved:
            return None
        below = self.plan.below(action)
        known = [self.most[one.id] for one in below if one.id in self.most]
        if action.kind == "dm_crypt" and known:
            return max(known[0] - _LUKS_HEADER, 0)
        if action.kind == "lvm_volgroup" and below and len(known) == len(below):
            return sum(max(down(size - MIB, EXTENT), 0) for size in known)
        if action.kind == "raid":
            members = [self.plan.named(action, one) for one in items(action.fields.get("devices"))]
            sizes = [self.most[one.id] for one in members if one is not None and one.id in self.most]
            return _array(str(action.fields.get("raidlevel")).removeprefix("raid"), len(members), sizes)
        return self.most.get(action.id)

    def _share_table(self, holder: Action, parts: Sequence[Action], most: int | None) -> None:
        """Divide a device with a partition table; logical partitions lie within the extended one."""
        logical = [part for part in parts if part.text("flag") == "logical"]
        outer = [part for part in parts if part.text("flag") != "logical"]
        room = None if most is None else max(down(most) - _TABLE.get(holder.text("ptable"), MIB), 0)
        self._share(holder, outer, room, MIB)
        if holder.text("ptable") == "msdos" and not holder.is_preserved:
            self._limit_msdos(outer)
        extended = next((part for part in outer if part.text("flag") == "extended"), None)
        if extended is not None and logical:
            self._share(extended, logical, self.most.get(extended.id), MIB)

    def _limit_msdos(self, parts: Iterable[Action]) -> None:
        end = 0
        for part in parts:
            size = parsed(part.fields.get("size"))
            end += size.bytes or 0 if size is not None else 0
            if end > MSDOS_LIMIT:
                message = "ends beyond 2 TiB, the limit of an msdos partition table: use `ptable: gpt`"
                self.findings.error("size-too-large", part.at("size"), message)
                return

    def _share(self, holder: Action, parts: Sequence[Action], room: int | None, unit: int) -> None:
        """Divide ``room`` bytes of ``holder`` (None: not known) among ``parts``, in whole ``unit``s."""
        new = [(part, size) for part in parts if (size := parsed(part.fields.get("size"))) is not None]
        if holder.is_preserved or any(part.is_preserved for part, _ in new):
            room = None  # how much of it is in use is unknown
        used = percent = shared = 0
        for part, size in new:
            if size.rest:
                continue
            percent += size.percent or 0
            share = None if room is None else down(room * (size.percent or 0) // 100)
            used += up(size.bytes or 0, unit)
            shared += up(share or 0, unit)
            flaw = _flaw(_name(holder), size, used, percent, None if room is None else (room, used + shared))
            if flaw is not None:
                self.findings.error(flaw[0], part.at("size"), flaw[1])
                return
            result = size.bytes if size.bytes is not None else share
            if result is not None:
                self.most[part.id] = result
        rest = [part for part, size in new if size.rest]
        if len(rest) == 1:
            self._give_rest(holder, rest[0], percent, None if room is None else room - used - shared, unit)
        elif holder.kind == "lvm_volgroup" and percent == 100 and room is None and len(new) > 1:
            message = "is rounded up to whole extents, as the others are, and 100% together mostly do not fit: use -1"
            self.findings.warning("size-rounded-up", new[-1][0].at("size"), message)

    def _give_rest(self, holder: Action, part: Action, percent: int, left: int | None, unit: int) -> None:
        """Give ``part`` what is ``left`` (None: not known) after the others have taken ``percent`` of all of it."""
        if left is not None:
            self.most[part.id] = left = down(left, unit)
        else:
            left = unit if percent < 100 else 0
        if left < unit and not part.is_preserved:
            where = part.at("size") if "size" in part.fields else part.path
            message = f"takes all remaining space of the {_name(holder)}, but none is left"
            self.findings.error("size-too-large", where, message)


def _name(holder: Action) -> str:
    return f"{_NOUNS.get(holder.kind, 'disk')} {holder.id!r}"


def _flaw(
    name: str, size: Size, used: int, percent: int, room_and_total: tuple[int, int] | None
) -> tuple[str, str] | None:
    """The id and the message if ``size`` does not fit, or None.

    ``used`` bytes and ``percent`` include it, as does the total that is needed of the room, where this is known.
    """
    if size.bytes is not None and size.bytes >= LARGEST_DISK:
        return "size-too-large", f"{readable(size.bytes)} is larger than any disk"
    if size.percent is not None and size.percent > 100:
        return "size-invalid", f"is {size.percent}% of the {name}: 100% is all of it"
    if percent > 100:
        return "size-invalid", f"does not fit: with it, {percent}% of the {name} are needed"
    if percent == 100 and used:
        return "size-too-large", f"does not fit: 100% of the {name} and {readable(used)} more are needed"
    if room_and_total is not None and room_and_total[1] > room_and_total[0]:
        room, total = room_and_total
        has, needs = readable(room), readable(total)
        if has == needs:
            has, needs = f"{room // MIB}M", f"{-(-total // MIB)}M"
        return "size-too-large", f"does not fit: the {name} has {has}, but {needs} are needed"
    return None


def _array(level: str, count: int, sizes: list[int]) -> int | None:
    """How large an array of ``count`` devices is at most; of some of them the ``sizes`` are known."""
    sizes = [max(size - _md_offset(size), 0) for size in sizes]
    if level in ("0", "stripe", "linear", "container"):
        return sum(sizes) if sizes and len(sizes) == count else None
    if not sizes:
        return None
    shares = {"1": 1, "mirror": 1, "4": count - 1, "5": count - 1, "6": count - 2, "10": count // 2}
    return min(sizes) * max(shares.get(level, count), 0)


def _md_offset(size: int) -> int:
    """Where the data of a member of ``size`` bytes begins: behind the superblock, a bitmap and space for reshaping.

    mdadm's metadata 1.2 reserves a thousandth of the device, between 1 and 128 MiB, as a power of two.
    """
    headroom = 128 * MIB
    while headroom > MIB and headroom << 10 > size:
        headroom >>= 1
    return headroom + MIB
