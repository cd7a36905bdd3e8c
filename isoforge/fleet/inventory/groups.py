"""Hosts and groups as ``hosts.yml`` tells them, in the YAML shape that Ansible users know.

``all:`` holds ``hosts:``, ``vars:`` and ``children:``; each child is a group of the same shape. A group may be
named in several places; what is written about it there is taken together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from isoforge.fleet.inventory.schema import HOST_NAME
from isoforge.fleet.inventory.validate import check_values, did_you_mean, problem
from isoforge.problems import Problem
from isoforge.yaml_tree import Node, Origin, empty

GROUP_NAME = r"[A-Za-z_][A-Za-z0-9_.-]*"
_PARTS = ("hosts", "vars", "children")


@dataclass(slots=True, kw_only=True)
class Roster:
    """Who is in which group, in the order of writing, over both trees of the inventory."""

    hosts: dict[str, Origin] = field(default_factory=dict)
    groups: dict[str, Origin] = field(default_factory=dict)
    members: dict[str, dict[str, None]] = field(default_factory=dict)
    parents: dict[str, dict[str, None]] = field(default_factory=dict)
    group_values: list[dict[str, list[Node]]] = field(default_factory=list)
    host_values: list[dict[str, list[Node]]] = field(default_factory=list)

    def groups_of(self, host: str) -> tuple[str, ...]:
        """Every group that ``host`` is in but ``all``: a parent before its children, then by name (as Ansible does)."""
        found: set[str] = set()
        todo = [group for group, hosts in self.members.items() if host in hosts]
        while todo:
            group = todo.pop()
            if group not in found:
                found.add(group)
                todo += self.parents.get(group, {})
        return tuple(sorted(found - {"all"}, key=lambda group: (self.depth(group), group)))

    def depth(self, group: str, below: tuple[str, ...] = ()) -> int:
        """How many groups lie above ``group``, on the longest way up to ``all``."""
        if group == "all" or group in below:
            return 0
        above = self.parents.get(group) or {"all": None}
        return 1 + max(self.depth(parent, (*below, group)) for parent in above)

    def hosts_in(self, group: str) -> Iterator[str]:
        """Every host in ``group`` or in a group below it, in the order of writing."""
        within = {group}
        grown = True
        while grown:
            more = {child for child, above in self.parents.items() if within & above.keys()} - within
            within |= more
            grown = bool(more)
        named = {host for inner in within for host in self.members.get(inner, {})}
        return (host for host in self.hosts if group == "all" or host in named)


def read_roster(documents: list[Node | None], problems: list[Problem]) -> Roster:
    """The roster of the ``hosts.yml`` of each tree, the overlay's last; its problems go into ``problems``."""
    roster = Roster()
    for document in documents:
        roster.group_values.append({})
        roster.host_values.append({})
        if document is None or not isinstance(document.value, dict):
            continue
        for name, node in document.value.items():
            if name in _PARTS:
                problems.append(problem(node, "", (name,), "belongs under all:, as all.hosts or all.children"))
            else:
                _Group(roster, problems).enter(name, node, "")
    _refuse_circles(roster, problems)
    return roster


class _Group:
    """Walks one tree's groups into the roster."""

    def __init__(self, roster: Roster, problems: list[Problem]) -> None:
        self.roster = roster
        self.problems = problems

    def enter(self, name: str, node: Node, parent: str) -> None:
        address = f"groups.{name}"
        if not re.fullmatch(GROUP_NAME, name):
            text = f"{name!r} is not a group name: letters, digits and underscores"
            self.problems.append(problem(node, address, (), text))
            return
        self.roster.groups.setdefault(name, node.origin)
        self.roster.members.setdefault(name, {})
        above = self.roster.parents.setdefault(name, {})
        if parent:
            above[parent] = None
        for part, child in self.entries(node, address):
            if part == "vars":
                self.values(self.roster.group_values[-1].setdefault(name, []), child, address)
            elif part == "hosts":
                for host, values in self.entries(child, f"{address}.hosts"):
                    self.host(name, host, values)
            elif part == "children":
                for inner, group in self.entries(child, f"{address}.children"):
                    self.enter(inner, group, name)
            else:
                text = f"unknown key{did_you_mean(part, _PARTS)}; a group has hosts, vars and children"
                self.problems.append(problem(child, address, (part,), text))

    def host(self, group: str, name: str, node: Node) -> None:
        address = f"hosts.{name}"
        if not re.fullmatch(HOST_NAME, name):
            text = f"{name!r} is not a host name: letters, digits, dots, underscores and hyphens, at most 63"
            self.problems.append(problem(node, address, (), text))
            return
        self.roster.hosts.setdefault(name, node.origin)
        self.roster.members[group][name] = None
        self.values(self.roster.host_values[-1].setdefault(name, []), node, address)

    def values(self, into: list[Node], node: Node, address: str) -> None:
        if node.value is None:
            return
        self.problems += check_values(node, address)
        if isinstance(node.value, dict):
            into.append(node)

    def entries(self, node: Node, address: str) -> Iterator[tuple[str, Node]]:
        if node.value is None:
            node = empty(node.origin)
        if not isinstance(node.value, dict):
            self.problems.append(problem(node, address, (), "must be a mapping: write each name with a colon after it"))
            return
        yield from node.value.items()


def _refuse_circles(roster: Roster, problems: list[Problem]) -> None:
    for group, origin in roster.groups.items():
        todo, seen = list(roster.parents.get(group, {})), set()
        while todo:
            parent = todo.pop()
            if parent == group:
                text = "is a group below itself"
                problems.append(Problem(file=origin.file, line=origin.line, address=f"groups.{group}", text=text))
                break
            if parent not in seen:
                seen.add(parent)
                todo += roster.parents.get(parent, {})
