"""Check of the files in which the menu looks up its machine: does each machine get the entry of its own host?"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from isoforge.iso_layout import (
    EMPTY_FIELD,
    GRUB_CFG,
    HOSTS_TABLE,
    LOOKUP_KEYS,
    MACHINES_FOLDER,
    MATCH_KEY_LIMIT,
    MENU_FOLDER,
    TABLE_KEYS,
    entry_id,
    lookup_file,
)
from isoforge.proof.manifest import HostFacts
from isoforge.proof.read.grub import Entry, commands
from isoforge.proof.read.image import Image
from isoforge.proof.verify.case import Case
from isoforge.proof.verify.check import Answer, SkipError, counted, shortened


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One machine in a lookup file: the values that it must have, and the call that follows.

    ``args`` are those of the call that names the host; without any, the machine is only known to match several hosts.
    """

    values: Mapping[str, str]
    args: tuple[str, ...]
    line: int


def machines(case: Case) -> Answer:
    """The menu recognizes every machine whose match keys SMBIOS has: by its own values, and as its own host."""
    hosts = {host.name: host for host in case.the_manifest.hosts}
    table = _table(case.iso)
    files = [path for path in case.iso.tree if MACHINES_FOLDER in path.parents and path.suffix == ".cfg"]
    if not table and not files:
        raise SkipError("no host has match keys")
    menu = case.iso.menus.get(GRUB_CFG)
    entries = {entry.entry_id: entry for entry in (menu.entries if menu else ())}
    numbers = {name: str(number) for number, name in enumerate(hosts, start=1)}
    faults: list[str] = []
    covered: set[tuple[str, str]] = set()
    for path in files:
        key = path.parent.name
        for condition in read_conditions(case.iso.text(path)):
            where = f"{path}:{condition.line}"
            faults += [f"{where}: {fault}" for fault in _in_path(condition, path)]
            if condition.args:
                name = condition.args[0]
                faults += [f"{where}: {fault}" for fault in _in_host(condition, hosts.get(name), numbers, entries)]
                faults += [f"{where}: {fault}" for fault in _in_values(condition.values, name, table)]
            covered.add((key, condition.values.get(key, "")))
    faults += [f"{HOSTS_TABLE}: {fault}" for host in hosts.values() for fault in _in_table(host, table)]
    for name, texts in table.items():
        key = next((key for key in LOOKUP_KEYS if key in texts), "")
        for value in sorted(_spellings(key, texts.get(key, ""))):
            if key and len(value) <= MATCH_KEY_LIMIT and (key, value) not in covered:
                faults.append(f"the menu does not recognize the machine of {name} by its {key} {value}")
    return Answer(detail=f"{counted(len(table), 'host')} in {counted(len(files), 'file')}", faults=shortened(faults))


def _in_table(host: HostFacts, table: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Whether "Detect this machine" compares the same keys as the host's guard: what the manifest names."""
    pairs = dict(text.partition("=")[::2] for text in host.match if text.partition("=")[0] in TABLE_KEYS)
    expected = {key: value.strip(" ").lower() for key, value in pairs.items()}
    own = table.get(host.name, {})
    for key in sorted(expected.keys() | own.keys()) if host.match else ():
        if expected.get(key) != own.get(key):
            value, stated = own.get(key, "missing"), expected.get(key, "none")
            yield f"the {key} of {host.name} is {value}, expected {stated} (manifest)"


def read_conditions(text: str) -> Iterator[Condition]:
    """The conditions of a lookup file and what follows from each."""
    values: dict[str, str] = {}
    line = 0
    for command in commands(text):
        words = command.words
        if words[:1] == ("[",):
            values = dict(_pairs(words[1:]))
            line = command.line
        elif words[:1] == ("isoforge_fits",):
            yield Condition(values=values, args=words[1:], line=line)
        elif words == ("set", "isoforge_several=yes"):
            yield Condition(values=values, args=(), line=line)


def _pairs(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """``x$isoforge_serial = xpc0exmp1 -a …`` as keys and values."""
    for variable, sign, value in zip(words, words[1:], words[2:], strict=False):
        if sign == "=":
            yield variable.removeprefix("x$isoforge_"), value.removeprefix("x")


def _in_path(condition: Condition, path: PurePosixPath) -> Iterator[str]:
    """Whether GRUB, which has one of the values, opens this file."""
    key = path.parent.name
    if key not in condition.values:
        yield f"the condition does not compare the {key}, by which machines are looked up here"
    elif lookup_file(key, condition.values[key]) != path:
        yield f"a machine with the {key} {condition.values[key]!r} is not looked up here"


def _in_host(
    condition: Condition, host: HostFacts | None, numbers: Mapping[str, str], entries: Mapping[str, Entry]
) -> Iterator[str]:
    """Whether the host is one of the manifest, and its entry is in the submenu that the condition names."""
    name, number, file_stem, title = (*condition.args, "", "", "", "")[:4]
    if host is None:
        yield f"{name} is not a host of the manifest"
        return
    if number != numbers[name]:
        yield f"the entry number of {name} is {number}, expected {numbers[name]}"
    entry = entries.get(entry_id(name))
    if entry is None:
        yield f"{name} has no entry in the menu"
    elif entry.file != (file_stem and f"{MENU_FOLDER}/{file_stem}.cfg"):
        expected = file_stem or "the menu itself"
        yield f"the entry of {name} is looked for in {expected}, but is in {entry.file or GRUB_CFG}"
    if file_stem and title != host.title:
        yield f"the title of the entry of {name} is {title!r}, expected {host.title!r}"


def _in_values(values: Mapping[str, str], name: str, table: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Whether the values are the host's match keys, all of them."""
    own = table.get(name, {})
    if foreign := [key for key, value in values.items() if value not in _spellings(key, own.get(key, ""))]:
        key = foreign[0]
        owner = next((other for other, texts in table.items() if texts.get(key) == values[key]), "no host")
        yield f"identifies the machine with the {key} {values[key]!r} as {name}: that {key} belongs to {owner}"
    if missing := own.keys() - values.keys():
        yield f"does not compare the {', '.join(sorted(missing))} of {name}"


def _spellings(key: str, value: str) -> frozenset[str]:
    """``value`` in each of its spellings: some firmware reports a UUID in the other byte order."""
    if key != "uuid":
        return frozenset({value})
    try:
        return frozenset({value, str(uuid.UUID(bytes_le=uuid.UUID(value).bytes))})
    except ValueError:
        return frozenset({value})


def _table(image: Image) -> Mapping[str, Mapping[str, str]]:
    """The SMBIOS match keys of each host that has any, by its name."""
    table = {}
    for line in image.text(HOSTS_TABLE).splitlines():
        name, *fields = line.split("\t")
        texts = {key: field for key, field in zip(TABLE_KEYS, fields, strict=False) if field != EMPTY_FIELD}
        if texts:
            table[name] = texts
    return table
