"""The inventory: hosts, and the values of each host with the file and line that every value came from.

Precedence, from the weakest: defaults, ``group_vars/all``, groups (a parent before its children), the hardware
profile, ``host_vars``, secrets. At each of these steps ``inventory/`` is read first and the overlay
``inventory-local/`` wins. Mappings are merged at every depth, lists are replaced, and null takes a key away.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from isoforge.errors import InventoryError
from isoforge.fleet.inventory.files import TREES, Tree
from isoforge.fleet.inventory.groups import Roster, read_roster
from isoforge.fleet.inventory.host import Host, MatchKeys, assembled, is_secret
from isoforge.fleet.inventory.rules import check_host, folded
from isoforge.fleet.inventory.schema import PASSED_ON, filled, shape
from isoforge.fleet.inventory.secrets import hidden, plain_text_secrets, revealed_file
from isoforge.fleet.inventory.validate import check_values, did_you_mean, problem
from isoforge.problems import Problem, Severity, refuse_if_any
from isoforge.yaml_tree import (
    Node,
    Origin,
    Path_,
    dotted,
    empty,
    laid_over,
    without_nulls,
)

__all__ = ["Host", "Inventory", "MatchKeys", "explain", "foreseen", "load_inventory", "revealed", "survey"]

MASK = "(secret)"
"""What is shown in place of a secret value."""

DEFAULT = Origin(file="(default)", line=0)


class Inventory:
    """Every host, in the order of the file. ``problems`` are those found while reading, warnings included."""

    def __init__(self, *, hosts: tuple[Host, ...], roster: Roster, where: Path, problems: tuple[Problem, ...]) -> None:
        self.hosts = hosts
        self.where = where
        self.problems = problems
        self._roster = roster

    @cached_property
    def _by_name(self) -> dict[str, Host]:
        return {host.name: host for host in self.hosts}

    def host(self, name: str) -> Host:
        """The host of that name; ``InventoryError`` if there is none."""
        if name not in self._by_name:
            near = did_you_mean(name, self._by_name)
            raise InventoryError(f"there is no host {name}{near}", hint=f"hosts are written in {self.where}")
        return self._by_name[name]

    def group(self, name: str) -> tuple[Host, ...]:
        """The hosts in that group and in the groups below it; ``InventoryError`` if there is no such group."""
        if name not in self.groups:
            near = did_you_mean(name, self.groups)
            raise InventoryError(f"there is no group {name}{near}", hint=f"groups are written in {self.where}")
        return tuple(self._by_name[host] for host in self._roster.hosts_in(name))

    @property
    def groups(self) -> tuple[str, ...]:
        """The names of all groups, in the order of the file."""
        return tuple(dict.fromkeys(["all", *self._roster.groups]))

    def origin(self, host: str, path: Path_) -> Origin:
        """The file and line that the value at ``path`` of that host came from."""
        return self.host(host).where(path)


def load_inventory(baremetal: Path) -> Inventory:
    """The inventory in ``baremetal``; ``InventoryError`` with every problem if there is an error in it."""
    inventory = survey(baremetal)
    refuse_if_any(inventory.problems)
    return inventory


def survey(baremetal: Path) -> Inventory:
    """The inventory in ``baremetal`` as far as it can be read, its problems in ``problems``.

    Raises ``InventoryError`` only if there is none.
    """
    problems: list[Problem] = []
    trees = [Tree(root=baremetal / name, problems=problems) for name in TREES]
    if not any(tree.hosts_file.is_file() for tree in trees):
        raise InventoryError(f"there is no {trees[0].hosts_file}", hint="isoforge init makes one to start from")
    roster = read_roster([tree.hosts() for tree in trees], problems)
    problems += plain_text_secrets([tree.root for tree in trees])
    reader = _Reader(trees, roster, problems)
    hosts = tuple(reader.host(name) for name in roster.hosts)
    problems += reader.strays()
    problems += folded([one for host in hosts for one in check_host(host)])
    where = next(tree.hosts_file for tree in trees if tree.hosts_file.is_file())
    return Inventory(hosts=hosts, roster=roster, where=where, problems=tuple(dict.fromkeys(problems)))


def foreseen(baremetal: Path, name: str, *, group: str, values: Node) -> Host:
    """The host ``name`` as it would be in ``group`` ("" for none) if its own file held ``values``; nothing is written.

    What is wrong with the rest of the inventory is left to `survey`.
    """
    problems: list[Problem] = []
    trees = [Tree(root=baremetal / tree, problems=problems) for tree in TREES]
    roster = read_roster([tree.hosts() for tree in trees], problems)
    roster.hosts[name] = values.origin
    if group:
        roster.members.setdefault(group, {})[name] = None
    roster.host_values[-1][name] = [values]
    return _Reader(trees, roster, problems).host(name)


def explain(host: Host) -> list[tuple[str, str, str]]:
    """Each value of the host: dotted key, value (masked if it is secret), and where it came from.

    Written values first, in the order of writing; then the defaults that hold because nothing was written.
    """
    rows = []
    for path, leaf in host.node.leaves():
        rows.append((dotted(path), MASK if is_secret(path, leaf) else _shown(leaf.value), str(leaf.origin)))
    written = {row[0] for row in rows}
    for name, child in shape().children.items():
        for path, value in _defaults(filled(None, child), (name,)):
            if dotted(path) not in written and host.node.at(path) is None:
                rows.append((dotted(path), _shown(value), str(DEFAULT)))
    return rows


def revealed(host: Host) -> Host:
    """The host with its encrypted values decrypted (sops), or as it is if it has none.

    Raises ``InventoryError`` for a file that cannot be decrypted or whose values are wrong, without any part of a
    value; ``ToolError`` if sops is not on this machine.
    """
    if host.is_revealed:
        return host
    node, problems = host.node, []
    for path in host.secret_files:
        secrets = revealed_file(path)
        problems += check_values(secrets, f"hosts.{host.name}")
        node = laid_over(node, secrets)
    refuse_if_any(problems)
    shown = assembled(replace(host, node=without_nulls(node, keep=PASSED_ON), is_revealed=True))
    refuse_if_any(check_host(shown))
    return shown


class _Reader:
    """Lays the layers of each host one over another; what several hosts share is laid once."""

    def __init__(self, trees: list[Tree], roster: Roster, problems: list[Problem]) -> None:
        self.trees = trees
        self.roster = roster
        self.problems = problems
        self.chains: dict[tuple[str, ...], Node] = {}
        self.profiles: dict[str, Node] = {}
        self.encrypted: dict[Path, Node] = {}
        self.profile_files = {name: path for tree in trees for name, path in tree.names("profiles/hardware").items()}

    def host(self, name: str) -> Host:
        origin = self.roster.hosts[name]
        groups = self.roster.groups_of(name)
        shared = self.chain(groups)
        own = empty(origin)
        for tree, inline in zip(self.trees, self.roster.host_values, strict=True):
            for node in [*inline.get(name, []), *tree.values("host_vars", name, f"hosts.{name}")]:
                own = laid_over(own, node)
        profile = laid_over(shared, own).at(("hardware_profile",))
        merged = laid_over(laid_over(shared, self.profile(profile, name)), own)
        files = self.secret_files(name, groups)
        for path in files:
            merged = laid_over(merged, self.hidden(path))
        return assembled(
            Host(
                name=name, description="", group=groups[-1] if groups else "", groups=groups, profile="", address="",
                match=MatchKeys(), kernel="ga", kernel_args=(), origin=origin, secret_files=files,
                is_revealed=not files, values={}, node=without_nulls(merged, keep=PASSED_ON),
            )
        )  # fmt: skip

    def chain(self, groups: tuple[str, ...]) -> Node:
        """``all`` and then each of ``groups``, laid one over another."""
        if groups not in self.chains:
            merged = empty(DEFAULT)
            for group in ("all", *groups):
                for tree, inline in zip(self.trees, self.roster.group_values, strict=True):
                    for node in [*inline.get(group, []), *tree.values("group_vars", group, f"groups.{group}")]:
                        merged = laid_over(merged, node)
            self.chains[groups] = merged
        return self.chains[groups]

    def profile(self, chosen: Node | None, host: str) -> Node:
        """The values of the hardware profile that a host has chosen."""
        name = chosen.value if chosen is not None and isinstance(chosen.value, str) else ""
        if not name or chosen is None:
            return empty(DEFAULT)
        if name not in self.profile_files:
            near = did_you_mean(name, self.profile_files)
            text = f"there is no profiles/hardware/{name}.yml{near}"
            self.problems.append(problem(chosen, f"hosts.{host}", ("hardware_profile",), text))
        if name not in self.profiles:
            merged = empty(DEFAULT)
            for tree in self.trees:
                for node in tree.values("profiles/hardware", name, f"profiles.{name}"):
                    merged = laid_over(merged, node)
            again = merged.at(("hardware_profile",))
            if again is not None:
                text = "is for hosts and groups: a profile does not choose a profile"
                self.problems.append(problem(again, f"profiles.{name}", ("hardware_profile",), text))
            self.profiles[name] = merged
        return self.profiles[name]

    def secret_files(self, host: str, groups: tuple[str, ...]) -> tuple[Path, ...]:
        """The encrypted files that count for a host, the weakest first."""
        owners = [*(("group_vars", group) for group in ("all", *groups)), ("host_vars", host)]
        found = (tree.secrets(kind, name) for kind, name in owners for tree in self.trees)
        return tuple(path for path in found if path is not None)

    def hidden(self, path: Path) -> Node:
        """The keys of an encrypted file, read and judged once."""
        if path not in self.encrypted:
            self.encrypted[path] = hidden(path, self.problems)
            self.problems += check_values(self.encrypted[path], f"secrets.{path.parent.name}")
        return self.encrypted[path]

    def strays(self) -> Iterator[Problem]:
        """A warning for each file of values whose host or group nobody wrote down."""
        known = {"host_vars": set(self.roster.hosts), "group_vars": {"all", *self.roster.groups}}
        for tree in self.trees:
            for kind, names in known.items():
                for name, path in tree.names(kind).items():
                    if name not in names and path.name != ".gitkeep":
                        what = kind.removesuffix("_vars")
                        text = f"there is no {what} {name} in hosts.yml{did_you_mean(name, names)}"
                        address = f"{what}s.{name}"
                        yield Problem(file=str(path), address=address, text=text, severity=Severity.WARNING)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value if value and value == value.strip() else repr(value)
    return str(value)


def _defaults(value: Any, path: Path_) -> Iterator[tuple[Path_, Any]]:
    if isinstance(value, dict):
        for key, child in value.items():
            yield from _defaults(child, (*path, key))
    elif value is not None and value not in ("", []):
        yield path, value
