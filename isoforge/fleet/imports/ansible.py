"""Ansible's inventories: the JSON of ``ansible-inventory --list``, and inventory files in YAML.

The JSON is the exact form: Ansible itself has then read every file, plugin and group variable.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from isoforge.errors import InventoryError
from isoforge.fleet.imports.source import VAULTED, Entry, Source, ancestors, expanded, refuse
from isoforge.yaml_limits import KeyPath
from isoforge.yaml_reader import read
from isoforge.yaml_tree import Node

MOST_LEVELS = 60
"""How deep the groups of a YAML inventory, or the values of a JSON one, may be nested."""

_OWN_GROUPS = ("all", "ungrouped")
_META = "_meta"


class Roster:
    """Collects the hosts and groups of an inventory that lists them in several places."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.hosts: dict[str, dict[str, Any]] = {}
        self.lines: dict[str, int] = {}
        self.members: dict[str, dict[str, None]] = {}
        self.groups: dict[str, dict[str, Any]] = {}
        self.parents: dict[str, dict[str, None]] = {}

    def host(self, name: str, group: str, values: Mapping[str, Any], line: int = 0) -> None:
        """Add ``values`` to a host, and the host to ``group``."""
        self.hosts.setdefault(name, {}).update(values)
        self.lines.setdefault(name, line)
        groups = self.members.setdefault(name, {})
        if group not in _OWN_GROUPS:
            groups[group] = None

    def group(self, name: str, parent: str = "", values: Mapping[str, Any] | None = None) -> None:
        """Add ``values`` to a group, and the group to ``parent``."""
        if name != "ungrouped":
            self.groups.setdefault(name, {}).update(values or {})
        if parent:
            self.parents.setdefault(name, {})[parent] = None

    def source(self, notes: tuple[str, ...] = ()) -> Source:
        """Everything that was collected."""
        if not self.hosts:
            raise InventoryError(
                f"{self.file} lists no hosts", hint="ansible-inventory --list shows what Ansible finds"
            )
        hosts = [
            Entry(name=name, groups=tuple(self.members[name]), values=values, line=self.lines[name])
            for name, values in self.hosts.items()
        ]
        groups = [
            Entry(name=name, above=ancestors(name, self.parents), values=values) for name, values in self.groups.items()
        ]
        return Source(file=self.file, hosts=tuple(hosts), groups=tuple(groups), notes=notes)


def read_json(text: str, file: str) -> Source:
    """The inventory that ``ansible-inventory --list`` has printed, with or without ``--export``."""
    twice: list[str] = []
    try:
        data = json.loads(text, object_pairs_hook=lambda pairs: _object(pairs, twice))
        _refuse_deep(data)
    except (ValueError, RecursionError) as error:
        reason = "is nested too deeply" if isinstance(error, RecursionError) else f"is not valid JSON: {error}"
        raise InventoryError(f"{file} {reason}", hint="expected the output of ansible-inventory --list") from None
    refuse(file, [f"{file}: {name!r} occurs twice in one object" for name in twice])
    if not isinstance(data, dict) or not ({_META, *_OWN_GROUPS} & data.keys()):
        raise InventoryError(
            f"{file} is not an Ansible inventory", hint="expected the output of ansible-inventory --list"
        )
    roster = Roster(file)
    refuse(file, _json_groups(data, roster))
    return roster.source()


def _refuse_deep(data: Any) -> None:
    """Raise ``RecursionError`` if more than `MOST_LEVELS` objects and arrays are nested."""
    level = [data]
    for _ in range(MOST_LEVELS):
        values = (one.values() if isinstance(one, dict) else one if isinstance(one, list) else () for one in level)
        level = [child for children in values for child in children if isinstance(child, dict | list)]
        if not level:
            return
    raise RecursionError


def _object(pairs: list[tuple[str, Any]], twice: list[str]) -> Any:
    """A JSON object; what Ansible writes for encrypted and unsafe texts is the text, or `VAULTED`."""
    mapping = dict(pairs)
    twice += (
        [key for number, (key, _) in enumerate(pairs) if key in dict(pairs[:number])]
        if len(mapping) < len(pairs)
        else []
    )
    if mapping.keys() == {"__ansible_vault"}:
        return VAULTED
    if mapping.keys() == {"__ansible_unsafe"}:
        return mapping["__ansible_unsafe"]
    return mapping


def _json_groups(data: dict[str, Any], roster: Roster) -> Iterator[str]:
    """Everything in ``data`` into ``roster``; yields a line for what cannot be read."""
    meta = data.get(_META, {})
    hostvars = meta.get("hostvars", {}) if isinstance(meta, dict) else None
    if not isinstance(hostvars, dict):
        yield f"{roster.file}: _meta.hostvars must be an object"
        return
    for name, group in data.items():
        if name == _META:
            continue
        body = {"hosts": group} if isinstance(group, list) else group
        if not isinstance(body, dict):
            yield f"{roster.file}: group {name!r} must be an object"
            continue
        hosts, children, values = (
            body.get(part) or kind() for part, kind in (("hosts", list), ("children", list), ("vars", dict))
        )
        if not isinstance(values, dict) or not all(isinstance(part, list) for part in (hosts, children)):
            yield f"{roster.file}: group {name!r} must have hosts and children as arrays, and vars as an object"
            continue
        roster.group(name, values=values)
        for child in children:
            roster.group(str(child), "" if name == "all" else name)  # an empty group has no object of its own
        for host in hosts:
            yield from _json_host(str(host), name, hostvars, roster)
    for host in hostvars:
        yield from _json_host(host, "all", hostvars, roster)


def _json_host(host: str, group: str, hostvars: dict[str, Any], roster: Roster) -> Iterator[str]:
    values = hostvars.get(host) or {}
    if not isinstance(values, dict):
        yield f"{roster.file}: the variables of host {host!r} must be an object"
        return
    roster.host(host, group, values)


def read_yaml(text: str, file: str) -> Source:
    """The hosts of an inventory file in YAML, as Ansible's plugin "yaml" reads it, ranges of hosts included."""
    document = read(text, file)
    vaulted = {fault.path for fault in document.faults if fault.id == "ansible-vault"}
    faults = [fault for fault in document.faults if fault.id not in ("ansible-vault", "yaml-tag")]  # !unsafe is text
    refuse(file, [f"{file}:{fault.line or 1}: {fault.message}" for fault in faults])
    root = document.root
    if root is None or root.mapping is None:
        if root is not None and str(root.value).startswith("$ANSIBLE_VAULT"):
            raise InventoryError(f"{file} is encrypted with Ansible Vault", hint="ansible-inventory --list can read it")
        raise InventoryError(
            f"{file} is not an Ansible inventory", hint="expected all: with hosts: and children: below it"
        )
    roster = Roster(file)
    refuse(
        file,
        (line for name, node in root.mapping.items() for line in _yaml_group(name, node, "", roster, vaulted, (name,))),
    )
    return roster.source()


def _yaml_group(
    name: str, node: Node, parent: str, roster: Roster, vaulted: set[KeyPath], path: KeyPath
) -> Iterator[str]:
    where = f"{roster.file}:{node.origin.line}"
    body = {} if node.value is None else node.mapping
    if body is None or len(path) > 2 * MOST_LEVELS:
        yield f"{where}: group {name!r} must be a mapping with hosts, children and vars"
        return
    roster.group(name, "" if parent == "all" else parent)
    for part, child in body.items():
        inner = {} if child.value is None else child.mapping
        below = (*path, part)
        if inner is None or part not in ("hosts", "children", "vars"):
            yield f"{roster.file}:{child.origin.line}: {name}.{part}: a group has hosts, children and vars (mappings)"
        elif part == "vars":
            roster.group(name, values={key: _plain(one, vaulted, (*below, key)) for key, one in inner.items()})
        elif part == "hosts":
            for host, values in inner.items():
                yield from _yaml_host(host, values, name, roster, vaulted, (*below, host))
        else:
            for group, one in inner.items():
                yield from _yaml_group(group, one, name, roster, vaulted, (*below, group))


def _yaml_host(
    pattern: str, node: Node, group: str, roster: Roster, vaulted: set[KeyPath], path: KeyPath
) -> Iterator[str]:
    where = f"{roster.file}:{node.origin.line}"
    if node.value is not None and node.mapping is None:
        yield f"{where}: host {pattern!r} must be a mapping of variables (a colon after its name)"
        return
    values = {key: _plain(child, vaulted, (*path, key)) for key, child in (node.mapping or {}).items()}
    try:
        for name in expanded(pattern):
            roster.host(name, group, values, node.origin.line)
    except ValueError as error:
        yield f"{where}: host {pattern!r}: {error}"


def _plain(node: Node, vaulted: set[KeyPath], path: KeyPath) -> Any:
    """The value of ``node``; `VAULTED` for what Ansible Vault has encrypted (``!vault``)."""
    if isinstance(node.value, dict):
        return {key: _plain(child, vaulted, (*path, key)) for key, child in node.value.items()}
    if isinstance(node.value, list):
        return [_plain(child, vaulted, (*path, number)) for number, child in enumerate(node.value)]
    is_vaulted = isinstance(node.value, str) and node.value.lstrip().startswith("$ANSIBLE_VAULT")
    return VAULTED if is_vaulted or path in vaulted else node.value
