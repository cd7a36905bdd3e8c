"""An inventory of another tool as plain data, and what is wrong with it: one line for each mistake."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from isoforge.errors import InventoryError
from isoforge.fleet.inventory.groups import GROUP_NAME
from isoforge.fleet.inventory.schema import HOST_NAME
from isoforge.iso_layout import DETECT
from isoforge.problems import did_you_mean, one_line

MOST_HOSTS = 10_000
"""How many hosts are imported at once: a range such as web[1:99999999] was not meant."""

_RANGE = re.compile(r"\[(?:(\d+):(\d+)|([A-Za-z]):([A-Za-z]))(?::(\d+))?\]")
"""Ansible's pattern for several hosts in one name: ``web[01:10]`` (its documentation, "Adding ranges of hosts")."""


class Vaulted:
    """Stands for a value that Ansible Vault has encrypted."""

    def __repr__(self) -> str:
        return "(Ansible Vault)"


VAULTED = Vaulted()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One host, or one group, of the other inventory.

    ``values`` are its variables or columns as that inventory has them, `VAULTED` where encrypted; ``groups`` the groups
    that list a host, ``above`` the groups above a group, outermost first. ``line`` is where it is in ``file`` (from 1;
    0 where that is not known).
    """

    name: str
    groups: tuple[str, ...] = ()
    above: tuple[str, ...] = ()
    values: Mapping[str, Any] = field(repr=False)
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What the file ``file`` holds; ``notes`` are what was left out of it, a line each.

    ``is_table`` for a CSV, whose cells are texts in which several values may stand.
    """

    file: str
    hosts: tuple[Entry, ...]
    groups: tuple[Entry, ...] = ()
    notes: tuple[str, ...] = ()
    is_table: bool = False


def refuse(file: str, mistakes: Iterable[str]) -> None:
    """Raise ``InventoryError`` with a line for each of ``mistakes``, if there are any."""
    lines = [one_line(line) for line in dict.fromkeys(mistakes)]
    if lines:
        count = f"{len(lines)} mistake{'s' if len(lines) > 1 else ''}"
        raise InventoryError(f"{one_line(file)} has {count}; nothing was imported", problems=lines)


def refuse_invalid_names(source: Source, *, hosts: Iterable[str], groups: Iterable[str]) -> None:
    """Raise ``InventoryError`` for names that cannot be a host or group beside those of the inventory.

    ``hosts`` and ``groups`` are the names that the inventory has.
    """
    refuse(source.file, _invalid_names(source, tuple(hosts), {"all", "ungrouped", *groups}))


def _invalid_names(source: Source, hosts: tuple[str, ...], groups: set[str]) -> Iterator[str]:
    lines: dict[str, Entry] = {}
    known = {name.lower(): name for name in hosts}
    new_groups = {group for host in source.hosts for group in host.groups} | {one.name for one in source.groups}
    for host in source.hosts:
        where = place(source, host)
        before = lines.setdefault(host.name.lower(), host)
        if before is not host:
            yield f"{where}: host {host.name!r} is listed twice (also as {before.name!r} in line {before.line})"
        elif not re.fullmatch(HOST_NAME, host.name) or host.name.endswith((".", "-")) or host.name == DETECT:
            yield f"{where}: invalid host name {host.name!r}: use letters, digits, hyphens and dots, at most 63"
        elif known.get(host.name.lower(), host.name) != host.name:
            yield f"{where}: {host.name!r} differs from host {known[host.name.lower()]!r} in upper and lower case only"
        elif host.name in groups | new_groups:
            yield f"{where}: {host.name!r} would be both a host and a group"
    for group in sorted(new_groups - {"all"}):
        if not re.fullmatch(GROUP_NAME, group):
            yield f"{source.file}: invalid group name {group!r}: use letters, digits and underscores, a letter first"
        elif group in hosts:
            yield f"{source.file}: {group!r} would be both a host and a group{did_you_mean(group, groups)}"


def place(source: Source, entry: Entry) -> str:
    """``inventory.csv:3``, where ``entry`` is."""
    return f"{source.file}:{entry.line}" if entry.line else source.file


def expanded(name: str) -> list[str]:
    """The names that Ansible makes of the ranges in ``name``; a name without one is itself.

    Raises ``ValueError`` with the reason for a range that has no end, or more than `MOST_HOSTS` names.
    """
    names = [name]
    while (range_ := _RANGE.search(names[0])) is not None:
        first, last = (range_[1], range_[2]) if range_[1] else (range_[3], range_[4])
        begin, end = (int(first), int(last)) if range_[1] else (ord(first), ord(last))
        steps = range(begin, end + 1, max(int(range_[5] or 1), 1))
        if not steps:
            raise ValueError(f"the range {range_[0]} is empty")
        if len(steps) * len(names) > MOST_HOSTS:
            raise ValueError(f"the range {range_[0]} has more than {MOST_HOSTS} hosts")
        texts = [str(number).zfill(len(first)) if range_[1] else chr(number) for number in steps]
        names = [_RANGE.sub(text, one, count=1) for one in names for text in texts]
    return names


def ancestors(group: str, parents: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """The groups above ``group`` on the way through the first parent of each, outermost first; ``all`` is left out."""
    path: list[str] = []
    at = next(iter(parents.get(group, ())), None)
    while at is not None and at != "all" and at not in path and at != group:
        path.insert(0, at)
        at = next(iter(parents.get(at, ())), None)
    return tuple(path)
