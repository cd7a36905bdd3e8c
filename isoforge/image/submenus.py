"""Menus longer than a screen: hosts are in submenus by group, in large groups by ranges of names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TypeVar

from isoforge.image.entry import MenuEntry
from isoforge.iso_layout import LOOPBACK_FOLDER, MENU_FOLDER

FLAT = 24
"""The most hosts in a flat list: about a screenful."""

MAX_LINES = 100
"""The most lines in a submenu: a few screens."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Submenu:
    """A submenu: of ``entries``, which are in a file of their own, or of other submenus ``inside`` it."""

    title: str
    entry_id: str
    entries: tuple[MenuEntry, ...] = ()
    inside: tuple[Submenu, ...] = ()

    @property
    def hosts(self) -> tuple[MenuEntry, ...]:
        """Every entry in it, at any depth."""
        return self.entries or tuple(entry for submenu in self.inside for entry in submenu.hosts)

    @property
    def file_stem(self) -> str:
        """The name of the file with its entries, without suffix: that of its first host, so it is unique."""
        return self.entries[0].host

    @property
    def file(self) -> PurePosixPath:
        """The path of that file on the ISO."""
        return MENU_FOLDER / f"{self.file_stem}.cfg"

    @property
    def loopback_file(self) -> PurePosixPath:
        """The path of the file with the same entries for GRUBs that start the ISO as a file."""
        return LOOPBACK_FOLDER / f"{self.file_stem}.cfg"

    def leaves(self, above: tuple[Submenu, ...] = ()) -> Iterator[tuple[Submenu, ...]]:
        """The path to each submenu that has entries: the submenus it is in, outermost first, and itself."""
        path = (*above, self)
        if self.entries:
            yield path
        for submenu in self.inside:
            yield from submenu.leaves(path)


def submenus_of(entries: Sequence[MenuEntry]) -> tuple[Submenu, ...]:
    """The submenus for ``entries``; empty if they fit in a flat list.

    Groups come in the order of their first hosts, hosts without a group last; within a group hosts are sorted by name,
    in which numbers count as numbers.
    """
    if len(entries) <= FLAT:
        return ()
    groups: dict[str, list[MenuEntry]] = {}
    for entry in sorted(entries, key=lambda entry: not entry.group):
        groups.setdefault(entry.group, []).append(entry)
    submenus = [_of_group(group, sorted(members, key=_by_name)) for group, members in groups.items()]
    names = list(groups)
    while len(submenus) > MAX_LINES:
        submenus = [
            Submenu(
                title=f"groups {part_names[0]} to {part_names[-1]}: {_counted(part)}",
                entry_id=f"groups-{part_names[0]}",
                inside=tuple(part),
            )
            for part, part_names in zip(_parts(submenus), _parts(names), strict=True)
        ]
        names = [submenu.entry_id.removeprefix("groups-") for submenu in submenus]
    return tuple(submenus)


def in_menu_order(entries: Sequence[MenuEntry]) -> tuple[MenuEntry, ...]:
    """``entries`` as the menu shows them, from the first line of the first submenu to the last of the last."""
    submenus = submenus_of(entries)
    return tuple(entry for submenu in submenus for entry in submenu.hosts) if submenus else tuple(entries)


def _of_group(group: str, members: list[MenuEntry]) -> Submenu:
    """The submenu of a group; that of a large group contains ranges of names."""
    first, last = members[0].host, members[-1].host
    names = f"{first} to {last}" if len(members) > 1 else first
    title = f"{group or 'in no group'}: {len(members)} host{'s' * (len(members) > 1)}, {names}"
    entry_id = f"group-{group}"
    if len(members) <= MAX_LINES:
        return Submenu(title=title, entry_id=entry_id, entries=tuple(members))
    ranges = [_range(entries=tuple(part)) for part in _parts(members)]
    while len(ranges) > MAX_LINES:
        ranges = [_range(inside=tuple(part)) for part in _parts(ranges)]
    return Submenu(title=title, entry_id=entry_id, inside=tuple(ranges))


def _range(*, entries: tuple[MenuEntry, ...] = (), inside: tuple[Submenu, ...] = ()) -> Submenu:
    hosts = Submenu(title="", entry_id="", entries=entries, inside=inside).hosts
    return Submenu(
        title=f"{hosts[0].host} to {hosts[-1].host}: {len(hosts)} hosts",
        entry_id=f"from-{hosts[0].host}",
        entries=entries,
        inside=inside,
    )


def _parts(items: Sequence[T]) -> list[Sequence[T]]:
    """``items`` in parts of about the same length, none longer than `MAX_LINES`."""
    count = -(-len(items) // MAX_LINES)
    return [items[len(items) * part // count : len(items) * (part + 1) // count] for part in range(count)]


def _by_name(entry: MenuEntry) -> list[str | int]:
    """web-9 comes before web-10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"([0-9]+)", entry.host)]


def _counted(submenus: Sequence[Submenu]) -> str:
    return f"{sum(len(submenu.hosts) for submenu in submenus)} hosts"
