"""The inventory: hosts, and the values of each host with the file and line that every value came from.

Precedence, from the weakest: defaults, ``group_vars/all``, groups (a parent before its children), the hardware
profile, ``host_vars``, secrets. At each of these steps ``inventory/`` is read first and the overlay
``inventory-local/`` wins. Mappings are merged at every depth, lists are replaced, and null takes a key away.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from isoforge.errors import InventoryError
from isoforge.fleet.inventory.files import TREES, Tree
from isoforge.fleet.inventory.groups import Roster, read_roster
from isoforge.fleet.inventory.host import Host, MatchKeys, assembled
from isoforge.fleet.inventory.schema import PASSED_ON
from isoforge.fleet.inventory.secrets import SecretsError, hidden, owner, plain_text_secrets, revealed_file
from isoforge.fleet.inventory.validate import check_values, problem
from isoforge.problems import HOST, Problem, Severity, did_you_mean, folded, refuse_if_any
from isoforge.regular_file import is_present
from isoforge.yaml_limits import KeyPath
from isoforge.yaml_tree import Node, Origin, empty, laid_over, without_nulls

__all__ = ["Host", "Inventory", "MatchKeys", "foreseen", "group_values", "load_inventory", "revealed", "survey"]

UNSET = Origin(file="", line=0)


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
            raise InventoryError(f"unknown host {name!r}{near}", hint=f"hosts are listed in {self.where}")
        return self._by_name[name]

    def group(self, name: str) -> tuple[Host, ...]:
        """The hosts in that group and in the groups below it; ``InventoryError`` if there is no such group."""
        if name not in self.groups:
            near = did_you_mean(name, self.groups)
            raise InventoryError(f"unknown group {name!r}{near}", hint=f"groups are listed in {self.where}")
        return tuple(self._by_name[host] for host in self._roster.hosts_in(name))

    @property
    def groups(self) -> tuple[str, ...]:
        """The names of all groups, in the order of the file."""
        return tuple(dict.fromkeys(["all", *self._roster.groups]))

    def origin(self, host: str, path: KeyPath) -> Origin:
        """The file and line that the value at ``path`` of that host came from."""
        return self.host(host).where(path)

    def problems_of(self, hosts: Iterable[Host]) -> list[Problem]:
        """Those of `problems` that concern ``hosts``: their own, their groups', their profiles', and whole files'.

        Of all hosts these are all problems, those of files and groups that no host has included.
        """
        hosts = list(hosts)
        names = {host.name for host in hosts}
        if names == self._by_name.keys():
            return list(self.problems)
        scopes = {f"{HOST}{name}" for name in names} | {"", "groups.all"}
        scopes |= {f"groups.{group}" for host in hosts for group in host.groups}
        scopes |= {f"profiles.{host.profile}" for host in hosts}
        own = [one for one in self.problems if one.scope in scopes or names & set(one.hosts)]
        return [_about(one, names) if one.hosts else one for one in own]


def _about(one: Problem, names: set[str]) -> Problem:
    """``one``, which is about hosts, less those that are not among ``names``."""
    first, *others = [host for host in one.hosts if host in names]
    return replace(one, scope=f"{HOST}{first}", also=tuple(others))


def load_inventory(baremetal: Path) -> Inventory:
    """The inventory in ``baremetal``; ``InventoryError`` with every problem if a file of it cannot be understood."""
    inventory = survey(baremetal)
    refuse_if_any(inventory.problems)
    return inventory


def survey(baremetal: Path) -> Inventory:
    """The inventory in ``baremetal`` as far as it can be read, its problems in ``problems``.

    Raises ``InventoryError`` only if there is none, or if a folder of it cannot be read.
    """
    try:
        return _survey(baremetal)
    except OSError as failure:  # a folder that is closed to this user
        raise InventoryError(f"cannot read {failure.filename or baremetal}: {failure.strerror}") from failure


def _survey(baremetal: Path) -> Inventory:
    problems: list[Problem] = []
    trees = [Tree(root=baremetal / name, problems=problems) for name in TREES]
    if not any(is_present(tree.hosts_file) for tree in trees):
        strays = [one for tree in trees for one in tree.strays() if one.severity is Severity.ERROR]
        hint = strays[0].message if strays else "isoforge init creates one to start from"
        raise InventoryError(f"no inventory: {trees[0].hosts_file} does not exist", hint=hint)
    roster = read_roster([tree.hosts() for tree in trees], problems)
    problems += plain_text_secrets([tree.root for tree in trees])
    reader = _Reader(trees, roster, problems)
    hosts = tuple(reader.host(name) for name in roster.hosts)
    problems += [*reader.strays(), *(one for tree in trees for one in tree.strays())]
    where = next(tree.hosts_file for tree in trees if is_present(tree.hosts_file))
    if not hosts and not any(one.severity is Severity.ERROR for one in problems):
        message = "lists no hosts: write their names under `all:` and `hosts:`, each with a colon after it"
        problems.append(Problem(id="no-hosts", file=str(where), message=message, severity=Severity.WARNING))
    return Inventory(hosts=hosts, roster=roster, where=where, problems=tuple(folded(problems)))


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


def group_values(baremetal: Path, groups: Iterable[str]) -> dict[str, Node]:
    """What the inventory in ``baremetal`` says about each of ``groups`` itself, without the groups above it."""
    problems: list[Problem] = []
    trees = [Tree(root=baremetal / tree, problems=problems) for tree in TREES]
    roster = read_roster([tree.hosts() for tree in trees], problems)
    merged = {}
    for group in groups:
        merged[group] = empty(UNSET)
        for tree, inline in zip(trees, roster.group_values, strict=True):
            for node in [*inline.get(group, []), *tree.values("group_vars", group, f"groups.{group}")]:
                merged[group] = laid_over(merged[group], node)
    return merged


def revealed(host: Host, problems: list[Problem]) -> Host:
    """The host with its encrypted values decrypted (sops), or as it is if it has none.

    A file that cannot be decrypted, or whose values are wrong, goes into ``problems`` without any part of a value, and
    what it holds stays hidden. Raises ``ToolError`` if sops is not on this machine.
    """
    if host.is_revealed:
        return host
    node, before = host.node, len(problems)
    for path in host.secret_files:
        try:
            secrets = revealed_file(path)
        except SecretsError as error:
            message = f"{error.reason} ({error.hint})"
            problems.append(Problem(id="secrets-unreadable", file=str(path), scope=owner(path), message=message))
            continue
        problems += check_values(secrets, owner(path))
        node = laid_over(node, secrets)
    is_revealed = len(problems) == before
    return assembled(replace(host, node=without_nulls(node, keep=PASSED_ON), is_revealed=is_revealed))


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
            for node in [*inline.get(name, []), *tree.values("host_vars", name, f"{HOST}{name}")]:
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
            merged = empty(UNSET)
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
            return empty(UNSET)
        if name not in self.profile_files:
            message = f"profiles/hardware/{name}.yml does not exist{did_you_mean(name, self.profile_files)}"
            self.problems.append(problem(chosen, f"{HOST}{host}", ("hardware_profile",), "profile-unknown", message))
        if name not in self.profiles:
            merged = empty(UNSET)
            for tree in self.trees:
                for node in tree.values("profiles/hardware", name, f"profiles.{name}"):
                    merged = laid_over(merged, node)
            again = merged.at(("hardware_profile",))
            if again is not None:
                message = "a profile cannot choose a profile: this key is for hosts and groups"
                path = ("hardware_profile",)
                self.problems.append(problem(again, f"profiles.{name}", path, "profile-in-profile", message))
            self.profiles[name] = merged
        return self.profiles[name]

    def secret_files(self, host: str, groups: tuple[str, ...]) -> tuple[Path, ...]:
        """The encrypted files that count for a host, the weakest first."""
        owners = [*(("group_vars", group) for group in ("all", *groups)), ("host_vars", host)]
        paths = (tree.secrets(kind, name) for kind, name in owners for tree in self.trees)
        return tuple(path for path in paths if path is not None)

    def hidden(self, path: Path) -> Node:
        """The keys of an encrypted file, read and judged once."""
        if path not in self.encrypted:
            self.encrypted[path] = hidden(path, self.problems)
            self.problems += check_values(self.encrypted[path], owner(path))
        return self.encrypted[path]

    def strays(self) -> Iterator[Problem]:
        """A warning for each file of values whose host or group is not listed."""
        known = {"host_vars": set(self.roster.hosts), "group_vars": {"all", *self.roster.groups}}
        for tree in self.trees:
            for kind, names in known.items():
                for name, path in tree.names(kind).items():
                    if name not in names and path.name != ".gitkeep":
                        what = kind.removesuffix("_vars")
                        other = "group" if what == "host" else "host"
                        cure = did_you_mean(name, names)
                        if name in known[f"{other}_vars"]:
                            cure = f"; it is a {other}: move the file to {other}_vars"
                        message = f"hosts.yml has no {what} {name}{cure}"
                        yield Problem(
                            id=f"{what}-unlisted", file=str(path), scope=f"{what}s.{name}", message=message,
                            severity=Severity.WARNING,
                        )  # fmt: skip
