"""Hosts and groups as ``hosts.yml`` lists them, in the YAML shape that Ansible users know.

``all:`` holds ``hosts:``, ``vars:`` and ``children:``; each child is a group of the same shape. A group may be named
in several places; what is written about it there is taken together.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from isoforge.fleet.inventory.schema import HOST_NAME
from isoforge.fleet.inventory.validate import check_values, problem
from isoforge.problems import Problem, did_you_mean
from isoforge.yaml_tree import Node, Origin, empty

GROUP_NAME = r"[A-Za-z_][A-Za-z0-9_.-]*"
_PARTS = ("hosts", "vars", "children")
_RANGE = re.compile(r"\[(\d+|[A-Za-z]):(\d+|[A-Za-z])(:\d+)?\]")
"""Ansible's pattern for several hosts in one name: ``web[01:10]``."""

_NAMED = 3
"""Groups of a circle that its problem names beside the first."""


@dataclass(kw_only=True)
class Roster:
    """Who is in which group, in the order of writing, over both trees of the inventory.

    What is derived from it is computed once: ask only when it is complete.
    """

    hosts: dict[str, Origin] = field(default_factory=dict)
    groups: dict[str, Origin] = field(default_factory=dict)
    members: dict[str, dict[str, None]] = field(default_factory=dict)
    parents: dict[str, dict[str, None]] = field(default_factory=dict)
    group_values: list[dict[str, list[Node]]] = field(default_factory=list)
    host_values: list[dict[str, list[Node]]] = field(default_factory=list)

    def groups_of(self, host: str) -> tuple[str, ...]:
        """Every group of ``host`` but ``all``: a parent before its children, then by name (as Ansible does)."""
        groups: set[str] = set()
        todo = list(self._memberships.get(host, ()))
        while todo:
            group = todo.pop()
            if group not in groups:
                groups.add(group)
                todo += self.parents.get(group, {})
        return tuple(sorted(groups - {"all"}, key=lambda group: (self.depths.get(group, 0), group)))

    @cached_property
    def depths(self) -> dict[str, int]:
        """How many groups lie above each group, on the longest way up to ``all``; groups in a circle are left out."""
        waiting = {group: len(above) for group, above in self.parents.items()}
        depths = {group: int(group != "all") for group, above in self.parents.items() if not above}
        todo = list(depths)
        while todo:
            group = todo.pop()
            for child in self.children.get(group, ()):
                depths[child] = max(depths.get(child, 0), depths[group] + 1)
                waiting[child] -= 1
                if not waiting[child]:
                    todo.append(child)
        return {group: depth for group, depth in depths.items() if not waiting[group]}

    def hosts_in(self, group: str) -> Iterator[str]:
        """Every host in ``group`` or in a group below it, in the order of writing."""
        within: set[str] = set()
        todo = [group]
        while todo:
            inner = todo.pop()
            if inner not in within:
                within.add(inner)
                todo += self.children.get(inner, ())
        named = {host for inner in within for host in self.members.get(inner, {})}
        return (host for host in self.hosts if group == "all" or host in named)

    @cached_property
    def children(self) -> dict[str, list[str]]:
        """The groups directly below each group that has any."""
        children: dict[str, list[str]] = {}
        for child, above in self.parents.items():
            for parent in above:
                children.setdefault(parent, []).append(child)
        return children

    @cached_property
    def _memberships(self) -> dict[str, list[str]]:
        memberships: dict[str, list[str]] = {}
        for group, hosts in self.members.items():
            for host in hosts:
                memberships.setdefault(host, []).append(group)
        return memberships


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
                message = f"belongs under all: (all.{name})"
                problems.append(problem(node, "", (name,), "group-misplaced", message))
            else:
                _Group(roster, problems).enter(name, node, "")
    problems += _circles(roster)
    return roster


class _Group:
    """Walks one tree's groups into the roster."""

    def __init__(self, roster: Roster, problems: list[Problem]) -> None:
        self.roster = roster
        self.problems = problems

    def enter(self, name: str, node: Node, parent: str) -> None:
        scope = f"groups.{name}"
        if not re.fullmatch(GROUP_NAME, name):
            message = f"invalid group name {name!r}: use letters, digits, '_', '-' and '.', a letter or '_' first"
            self.problems.append(problem(node, scope, (), "group-name-invalid", message))
            return
        self.roster.groups.setdefault(name, node.origin)
        self.roster.members.setdefault(name, {})
        above = self.roster.parents.setdefault(name, {})
        if parent:
            above[parent] = None
        for part, child in self.entries(node, scope):
            if part == "vars":
                self.values(self.roster.group_values[-1].setdefault(name, []), child, scope)
            elif part == "hosts":
                for host, values in self.entries(child, f"{scope}.hosts"):
                    self.host(name, host, values)
            elif part == "children":
                for inner, group in self.entries(child, f"{scope}.children"):
                    self.enter(inner, group, name)
            else:
                message = f"unknown key: a group has hosts, vars and children{did_you_mean(part, _PARTS)}"
                self.problems.append(problem(child, scope, (part,), "key-unknown", message))

    def host(self, group: str, name: str, node: Node) -> None:
        scope = f"hosts.{name}"
        if not re.fullmatch(HOST_NAME, name):
            self.problems.append(_bad_name(name, node, scope))
            return
        self.roster.hosts.setdefault(name, node.origin)
        self.roster.members[group][name] = None
        self.values(self.roster.host_values[-1].setdefault(name, []), node, scope)

    def values(self, into: list[Node], node: Node, scope: str) -> None:
        if node.value is None:
            return
        self.problems += check_values(node, scope)
        if isinstance(node.value, dict):
            into.append(node)

    def entries(self, node: Node, scope: str) -> Iterator[tuple[str, Node]]:
        if node.value is None:
            node = empty(node.origin)
        if not isinstance(node.value, dict):
            message = "must be a mapping: write each name on its own line with a colon after it"
            self.problems.append(problem(node, scope, (), "wrong-type", message))
            return
        yield from node.value.items()


def _bad_name(name: str, node: Node, scope: str) -> Problem:
    if _RANGE.search(name):
        first = ", ".join(itertools.islice(_expanded(name), 3))
        message = f"ranges of hosts are not supported: write each host on its own line ({first}, …)"
        return problem(node, scope, (), "ansible-range", message)
    message = f"invalid host name {name!r}: use letters, digits, '.', '_' and '-', at most 63 characters"
    return problem(node, scope, (), "host-name-invalid", message)


def _expanded(name: str) -> Iterator[str]:
    """The names that Ansible makes of the first range in ``name``."""
    pattern = _RANGE.search(name)
    if pattern is None:
        return
    start, end = pattern[1], pattern[2]
    numbers = start.isdigit() and end.isdigit()
    values = range(int(start), int(end) + 1) if numbers else range(ord(start), ord(end) + 1)
    for value in values:
        text = str(value).zfill(len(start)) if numbers else chr(value)
        yield name[: pattern.start()] + text + name[pattern.end() :]


def _circles(roster: Roster) -> Iterator[Problem]:
    """A problem for each set of groups that contain one another, at the first of them."""
    order = {group: number for number, group in enumerate(roster.groups)}
    for circle in _strongly_connected(roster):
        first, *others = sorted(circle, key=order.__getitem__)
        if others or first in roster.parents[first]:
            names = ", ".join(others[:_NAMED]) + (f" and {len(others) - _NAMED} more" if len(others) > _NAMED else "")
            message = "contains itself" + (f", through {names}" if others else "")
            origin = roster.groups[first]
            yield Problem(
                id="group-circle", file=origin.file, line=origin.line, scope=f"groups.{first}", message=message
            )


def _strongly_connected(roster: Roster) -> Iterator[list[str]]:
    """The groups in circles and below them, in sets within which each contains each other (Kosaraju's algorithm)."""
    groups = [group for group in roster.groups if group not in roster.depths]
    left = set(groups)
    finished = [group for start in groups for group in _reached(start, roster.children, left)]
    left = set(finished)
    for start in reversed(finished):
        if start in left:
            yield list(_reached(start, roster.parents, left))


def _reached(start: str, edges: Mapping[str, Iterable[str]], left: set[str]) -> Iterator[str]:
    """The groups of ``left`` to which ``edges`` lead from ``start``, each behind all that it leads to; ``left`` loses
    them."""
    path = [(start, iter(edges.get(start, ())))] if start in left else []
    left.discard(start)
    while path:
        group, following = path[-1]
        successor = next((one for one in following if one in left), None)
        if successor is None:
            path.pop()
            yield group
        else:
            left.remove(successor)
            path.append((successor, iter(edges.get(successor, ()))))
