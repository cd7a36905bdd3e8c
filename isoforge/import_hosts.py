"""Hosts of another inventory as a change of this one: what is new is added, what differs only on request."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from isoforge.atomic import replace_together
from isoforge.errors import InventoryError, OutputError
from isoforge.fleet.imports.columns import Columns
from isoforge.fleet.imports.source import Entry, Source, refuse, refuse_invalid_names
from isoforge.fleet.imports.values import Imported, imported, tree_of
from isoforge.fleet.inventory.edit_hosts import flow, with_hosts, with_value
from isoforge.fleet.inventory.files import SECRETS_NAMES, TREES, Tree
from isoforge.fleet.inventory.load import Inventory, group_values, survey
from isoforge.fleet.inventory.lock import inventory_lock
from isoforge.masking.document import masked
from isoforge.problems import refuse_if_any
from isoforge.regular_file import read_regular
from isoforge.yaml_limits import MOST_BYTES, KeyPath
from isoforge.yaml_tree import HIDDEN, Node, dotted, plain

_NEW_HOSTS_FILE = "# Hosts that git does not track, in the format of ../inventory/hosts.yml.\n"
_AS_WRITTEN = ("mac", "uuid", "macaddress")
"""Keys whose values are the same in upper and lower case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One value that is to change: ``state`` is ``new`` or ``differs``, ``current`` the value that is there now, at
    ``place`` (file and line). ``owner`` is ``hosts.NAME`` or ``groups.NAME``."""

    owner: str
    key: str
    state: str
    imported: Any
    current: Any = None
    place: str = ""


@dataclass(kw_only=True)
class ImportResult:
    """What an import has changed, or would change.

    ``hosts`` are the new hosts, ``changes`` the values of hosts and groups that exist, ``unchanged`` those that already
    are as imported. ``diff`` is what was written (or would be, in a dry run), ``pending`` what ``update`` would change
    beyond it. ``notes`` and ``secrets`` are what was not imported, a line each. ``files`` are the files written.
    """

    hosts: list[str] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    diff: str = ""
    pending: str = ""


def import_hosts(
    baremetal: Path,
    source: Source,
    columns: Columns,
    *,
    group: str = "",
    overlay: bool = False,
    update: bool = False,
    dry_run: bool = False,
) -> ImportResult:
    """Add the hosts, groups and values of ``source`` to the inventory in ``baremetal``, all of them or none.

    ``group`` is one for all hosts, ``overlay`` writes to inventory-local/, ``update`` replaces values that differ, and
    ``dry_run`` writes nothing. Raises ``InventoryError`` with a line for each mistake in ``source``, and for a file
    that cannot be edited safely; ``OutputError`` if it cannot be written. Nothing is changed then.
    """
    columns.refuse_absent((name for one in (*source.hosts, *source.groups) for name in one.values), source.file)
    with inventory_lock(baremetal):
        inventory = survey(baremetal)
        tree = Tree(root=baremetal / TREES[overlay], problems=[])
        refuse_if_any(one for one in inventory.problems if one.file == str(tree.hosts_file) and not one.hosts)
        names = [host.name for host in inventory.hosts]
        refuse_invalid_names(source, hosts=names, groups=(group, *inventory.groups) if group else inventory.groups)
        importer = _Importer(baremetal, tree, inventory, source, columns)
        importer.collect(group)
        added = importer.texts(update=False)
        updated = importer.texts(update=True)
        result = importer.result
        goal = updated if update else added
        result.diff = _diff(importer.before, goal)
        result.pending = "" if update else _diff(importer.before | added, updated)
        changed = {path: text.encode() for path, text in goal.items() if text != importer.before.get(path)}
        result.files = [*changed]
        if changed and not dry_run:
            try:
                replace_together({path.resolve() if path.exists() else path: text for path, text in changed.items()})
            except OutputError as failure:
                raise OutputError(failure.message, hint="nothing was changed") from failure
    return result


class _Importer:
    """Compares the source with the inventory, and makes the new texts of its files."""

    def __init__(self, baremetal: Path, tree: Tree, inventory: Inventory, source: Source, columns: Columns) -> None:
        self.tree = tree
        self.trees = [Tree(root=baremetal / name, problems=[]) for name in TREES]
        self.inventory = inventory
        self.source = source
        self.columns = columns
        self.result = ImportResult(notes=[*source.notes])
        self.before: dict[Path, str] = {}
        self.new_files: dict[Path, str] = {}
        self.edits: list[tuple[Path, KeyPath, Any, str]] = []
        self.members: dict[str, list[str]] = {}
        self.mistakes: list[str] = []
        self.unknown: dict[str, None] = {}
        self.groups = group_values(baremetal, [one.name for one in source.groups])
        self.known = {host.name: host for host in inventory.hosts}

    def collect(self, group: str) -> None:
        """Compare every host and group of the source."""
        for entry in self.source.groups:
            node = self.groups[entry.name]
            self.one(entry, "group", node if node.value else None)
        for entry in self.source.hosts:
            host = self.known.get(entry.name)
            self.one(entry, "host", host.node if host else None)
            if host is None:
                self.result.hosts.append(entry.name)
            for name in dict.fromkeys([*entry.groups, *([group] if group else [])]) or ([""] if host is None else []):
                if host is None or name not in host.groups:
                    self.members.setdefault(name, []).append(entry.name)
        refuse(self.source.file, self.mistakes)
        self.result.notes += [self.columns.unknown(name) for name in self.unknown if not name.startswith("ansible_")]
        connection = [name for name in self.unknown if name.startswith("ansible_")]
        if connection:
            self.result.notes.append(f"{', '.join(connection)}: Ansible's connection variables are not imported")

    def one(self, entry: Entry, kind: str, node: Node | None) -> None:
        """Compare one host or group with what the inventory says about it."""
        folder = f"{kind}_vars/{entry.name}"
        values = imported(entry, self.source, self.columns, folder=folder)
        self.mistakes += values.mistakes
        self.result.secrets += values.secrets
        self.unknown |= dict.fromkeys(values.unknown)
        if node is None:
            self.new(entry, kind, values)
            return
        states = [
            self.compare(f"{kind}s.{entry.name}", folder, path, value, node) for path, value in values.leaves.items()
        ]
        if not any(states):
            self.result.unchanged.append(f"{kind}s.{entry.name}")

    def new(self, entry: Entry, kind: str, values: Imported) -> None:
        """A file for a host or group of which the inventory says nothing."""
        stray = next((path for tree in self.trees if (path := tree.names(f"{kind}_vars").get(entry.name))), None)
        if stray is not None and kind == "host":
            self.mistakes.append(f"{stray} already exists, but hosts.yml has no host {entry.name}: remove it")
        elif values.leaves or kind == "host":
            body = yaml.safe_dump(tree_of(values.leaves), sort_keys=False, allow_unicode=True) if values.leaves else ""
            title = "Host" if kind == "host" else "Group"
            note = f"# {title} {entry.name}, imported from {Path(self.source.file).name}.\n"
            self.new_files[self.tree.root / f"{kind}_vars" / entry.name / "main.yml"] = note + body

    def compare(self, owner: str, folder: str, path: KeyPath, value: Any, node: Node) -> bool:
        """Note how ``value`` changes what ``node`` says at ``path``; whether it does."""
        current = node.at(path)
        if current is not None and current.value is HIDDEN:
            self.result.notes.append(f"{owner}: {dotted(path)} is encrypted in {current.origin}, which is not changed")
            return False
        if current is not None and current.value is not None and _same(path, plain(current), value):
            return False
        state = "new" if current is None or current.value is None else "differs"
        file = self.tree.root / folder / "main.yml"
        single = self.tree.root / f"{folder}.yml"
        if single.is_file() and not file.is_file():
            file = single
        if state == "differs" and current is not None:
            file = self.home(folder, current) or file
        at = str(current.origin) if state == "differs" and current is not None else ""
        now = plain(current) if state == "differs" and current is not None and not current.secret else None
        self.result.changes.append(
            Change(owner=owner, key=dotted(path), state=state, imported=value, current=now, place=at)
        )
        self.edits.append((file, path, value, state))
        return True

    def home(self, folder: str, current: Node) -> Path | None:
        """The file that ``current`` is written in, if it is one of the host's (or group's) own."""
        file = Path(current.origin.file)
        for tree in self.trees:
            own = tree.root / folder
            if file.parent == own or file in (own.with_name(own.name + ".yml"), own.with_name(own.name + ".yaml")):
                return None if file.name in SECRETS_NAMES else file
        return None

    def texts(self, *, update: bool) -> dict[Path, str]:
        """The new texts of all files that change; with ``update``, also where values differ."""
        texts = dict(self.new_files)
        for file in self.new_files:
            self.before.setdefault(file, "")
        for file, path, value, state in self.edits:
            if state == "differs" and not update:
                continue
            text = texts.get(file, self.text(file))
            edited = with_value(text, [str(step) for step in path], value)
            if edited is None:
                line = f"{dotted(path)}: {flow(value)}"
                raise InventoryError(
                    f"{file} cannot be edited automatically; nothing was changed", hint=f"write there: {line}"
                )
            texts[file] = edited
        if self.members:
            texts[self.tree.hosts_file] = self.hosts_text()
        return texts

    def hosts_text(self) -> str:
        """hosts.yml with every new host, and every host in its new groups."""
        file = self.tree.hosts_file
        text = self.text(file) or _NEW_HOSTS_FILE
        above = {one.name: one.above for one in self.source.groups}
        for group, hosts in self.members.items():
            edited = with_hosts(text, hosts, group, above.get(group, ()))
            if edited is None:
                place = f"in the group {group}" if group else "under all: hosts:"
                raise InventoryError(
                    f"{file} cannot be edited automatically; nothing was changed",
                    hint=f"add these hosts {place} yourself: {', '.join(hosts[:10])}{', …' if len(hosts) > 10 else ''}",
                )
            text = edited
        return text

    def text(self, file: Path) -> str:
        """What ``file`` holds now, "" if there is none."""
        if file not in self.before:
            try:
                self.before[file] = read_regular(file, MOST_BYTES).decode("utf-8")
            except FileNotFoundError:
                self.before[file] = ""
            except (OSError, UnicodeDecodeError) as failure:
                reason = failure.strerror if isinstance(failure, OSError) else "not valid UTF-8"
                raise InventoryError(f"cannot read {file}: {reason}") from failure
        return self.before[file]


def _same(path: KeyPath, current: Any, value: Any) -> bool:
    """Whether two values of the key at ``path`` mean the same."""
    if isinstance(current, list) != isinstance(value, list):  # one MAC address, or a list of one
        current, value = (one if isinstance(one, list) else [one] for one in (current, value))
    if path[-1] in _AS_WRITTEN:
        current, value = (_lower(one) for one in (current, value))
    return bool(current == value)


def _lower(value: Any) -> Any:
    return [_lower(one) for one in value] if isinstance(value, list) else str(value).lower()


def _diff(before: Mapping[Path, str], after: Mapping[Path, str]) -> str:
    """The change of all files as a unified diff, secrets masked."""
    return "".join(line for path in sorted(after) for line in _file_diff(path, before.get(path, ""), after[path]))


def _file_diff(path: Path, before: str, after: str) -> Iterator[str]:
    if before == after:
        return
    sides: Iterable[list[str]] = (masked(text).splitlines(keepends=True) if text else [] for text in (before, after))
    old, new = sides
    for line in difflib.unified_diff(old, new, str(path) if before else "/dev/null", str(path)):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
