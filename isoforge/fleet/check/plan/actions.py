"""A list of storage actions as a plan: which device holds which, and what is mounted where."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from isoforge.fleet.check.findings import items, mapping, text
from isoforge.yaml_limits import KeyPath

FAT = frozenset({"fat", "fat12", "fat16", "fat32", "vfat"})

MEMBERS = {"raid": ("devices", "spare_devices"), "lvm_volgroup": ("devices",), "zpool": ("vdevs",)}
"""Type of action → its fields that list the devices it is made of."""

_BELOW = {"format": "volume", "dm_crypt": "volume", "mount": "device", "partition": "device",
          "lvm_partition": "volgroup", "zfs": "pool"}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One action: its ``number`` in the list, its ``path`` in the document, and its fields as they were written."""

    number: int
    id: str
    kind: str
    path: KeyPath
    fields: Mapping[str, Any]

    def text(self, key: str) -> str:
        """The text of a field, or ""."""
        return text(self.fields.get(key))

    @property
    def is_preserved(self) -> bool:
        """Whether what the action names exists already and is kept."""
        return self.fields.get("preserve") is True

    def at(self, *keys: str | int) -> KeyPath:
        """The path of a field in the document."""
        return (*self.path, *keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A file system in the tree of the installed system. ``where`` is what to look at, ``fstype`` "" if unknown.

    ``format`` is None for a ZFS dataset, and for a device that is not formatted by the plan.
    """

    path: str
    where: KeyPath
    fstype: str
    format: Action | None = None


@dataclass(slots=True, kw_only=True)
class Plan:
    """The actions in order, and how they hang together.

    ``version`` is the one of curtin's format (1 or 2), ``by_id`` holds the first action of each id, ``parts`` the
    partitions or logical volumes by the id of what holds them, ``mounts`` the first mount of each path, and ``lower``
    what `below` has found.
    """

    path: KeyPath
    actions: list[Action] = field(default_factory=list)
    version: int = 1
    by_id: dict[str, Action] = field(default_factory=dict)
    parts: defaultdict[str, list[Action]] = field(default_factory=lambda: defaultdict(list))
    all_mounts: list[Mount] = field(default_factory=list)
    mounts: dict[str, Mount] = field(default_factory=dict)
    lower: dict[int, list[Action]] = field(default_factory=dict)

    def of(self, *kinds: str) -> Iterator[Action]:
        """The actions of some types."""
        return (action for action in self.actions if action.kind in kinds)

    def named(self, action: Action, name: Any) -> Action | None:
        """The action that ``name`` means in ``action``; None if there is none before it."""
        one = self.by_id.get(text(name))
        return one if one is not None and one.number < action.number else None

    def below(self, action: Action) -> list[Action]:
        """What ``action`` is made from, one level down."""
        if (known := self.lower.get(action.number)) is not None:
            return known
        names = [action.fields.get(_BELOW[action.kind])] if action.kind in _BELOW else []
        for key in MEMBERS.get(action.kind, ()):
            names += items(action.fields.get(key))
        lower = [one for name in names if (one := self.named(action, name)) is not None]
        return self.lower.setdefault(action.number, lower)

    def stack(self, action: Action) -> Iterator[Action]:
        """``action`` and everything below it, down to the disks."""
        seen = {action.number}
        work = [action]
        while work:
            one = work.pop()
            yield one
            lower = [below for below in self.below(one) if below.number not in seen]
            seen.update(below.number for below in lower)
            work += lower


def read(config: Sequence[Any], path: KeyPath, *, version: int = 1) -> Plan:
    """The plan that the list of actions at ``path`` makes; what is not an action of the right form is left out."""
    plan = Plan(path=path, version=version)
    for number, fields in enumerate(config):
        name = text(mapping(fields).get("id"))
        action = Action(
            number=number, id=name, kind=text(mapping(fields).get("type")), path=(*path, number), fields=mapping(fields)
        )
        plan.actions.append(action)
        plan.by_id.setdefault(name, action)
        holder = {"partition": "device", "lvm_partition": "volgroup"}.get(action.kind)
        if holder and (parent := plan.named(action, fields.get(holder))) is not None:
            plan.parts[parent.id].append(action)
    for action in plan.actions:
        if (mount := _mount(plan, action)) is not None:
            plan.all_mounts.append(mount)
            plan.mounts.setdefault(mount.path, mount)
    return plan


def _mount(plan: Plan, action: Action) -> Mount | None:
    if action.kind == "mount":
        written = action.text("path")
        of = plan.named(action, action.fields.get("device"))
        fstype = of.text("fstype") if of is not None and of.kind == "format" else ""
        file_system = of if of is not None and of.kind == "format" else None
        mount = Mount(path=normal(written), where=action.at("path"), fstype=fstype, format=file_system)
        return mount if written.startswith("/") else None
    if action.kind in ("zpool", "zfs") and mounted_zfs(action):
        key: tuple[str, ...] = ("mountpoint",) if action.kind == "zpool" else ("properties", "mountpoint")
        value = action.fields if action.kind == "zpool" else mapping(action.fields.get("properties"))
        written = text(value.get("mountpoint")) or action.text("volume")
        if written.startswith("/"):
            return Mount(path=normal(written), where=action.at(*key), fstype="zfs")
    return None


def mounted_zfs(action: Action) -> bool:
    """Whether the installer takes a pool or dataset for mounted: only ``canmount: on`` counts, and off is default."""
    properties = mapping(action.fields.get("fs_properties" if action.kind == "zpool" else "properties"))
    return properties.get("canmount") in ("on", True)


def normal(path: str) -> str:
    """A mount point without doubled or trailing slashes."""
    return "/" + "/".join(step for step in path.split("/") if step)
