"""Check of the files in which the menu looks up whose machine it runs on: does each get its own host's entry?"""

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
from isoforge.proof.verify.check import Found, SkipError, counted
from isoforge.proof.verify.files import shortened


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One machine as a file knows it: the values that it must have, and what is said to follow from them.

    ``args`` are those of the call that names the host; without any the machine is only known not to be another's.
    """

    values: Mapping[str, str]
    args: tuple[str, ...]
    line: int


def machines(case: Case) -> Found:
    """Every machine whose match keys SMBIOS tells is known to the menu, under its own values, as its own host."""
    hosts = {host.name: host for host in case.the_manifest.hosts}
    table = _table(case.iso)
    files = [place for place in case.iso.tree if MACHINES_FOLDER in place.parents and place.suffix == ".cfg"]
    if not table and not files:
        raise SkipError("no host has match keys")
    menu = case.iso.menus.get(GRUB_CFG)
    entries = {entry.entry_id: entry for entry in (menu.entries if menu else ())}
    numbers = {name: str(number) for number, name in enumerate(hosts, start=1)}
    faults: list[str] = []
    met: set[tuple[str, str]] = set()
    for place in files:
        for told in read_cases(case.iso.text(place)):
            where = f"{place}:{told.line}"
            faults += [f"{where}: {fault}" for fault in _in_place(told, place)]
            if told.args:
                name = told.args[0]
                faults += [f"{where}: {fault}" for fault in _in_host(told, hosts.get(name), numbers, entries)]
                faults += [f"{where}: {fault}" for fault in _in_values(told.values, name, table)]
            key = place.parent.name
            met.add((key, told.values.get(key, "")))
    for name, texts in table.items():
        looked_up = next((key for key in LOOKUP_KEYS if key in texts), "")
        for value in sorted(_same(looked_up, texts.get(looked_up, ""))):
            if looked_up and len(value) <= MATCH_KEY_LIMIT and (looked_up, value) not in met:
                faults.append(f"the menu does not know the machine of {name} by its {looked_up} {value}")
    return Found(compared=f"{counted(len(table), 'host')} in {counted(len(files), 'file')}", faults=shortened(faults))


def read_cases(text: str) -> Iterator[Known]:
    """The conditions of a file and what follows from each."""
    values: dict[str, str] = {}
    line = 0
    for command in commands(text):
        words = command.words
        if words[:1] == ("[",):
            values = dict(_pairs(words[1:]))
            line = command.line
        elif words[:1] == ("isoforge_fits",):
            yield Known(values=values, args=words[1:], line=line)
        elif words == ("set", "isoforge_several=yes"):
            yield Known(values=values, args=(), line=line)


def _pairs(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """``x$isoforge_serial = xpc0exmp1 -a …`` as keys and values."""
    for variable, sign, value in zip(words, words[1:], words[2:], strict=False):
        if sign == "=":
            yield variable.removeprefix("x$isoforge_"), value.removeprefix("x")


def _in_place(told: Known, place: PurePosixPath) -> Iterator[str]:
    """Whether GRUB, which has one of the values, opens this file."""
    key = place.parent.name
    if lookup_file(key, told.values.get(key, "")) != place:
        yield f"a machine with the {key} {told.values.get(key, 'that it does not ask for')!r} is not looked up here"


def _in_host(
    told: Known, host: HostFacts | None, numbers: Mapping[str, str], entries: Mapping[str, Entry]
) -> Iterator[str]:
    """Whether the host that is named is one, and its entry is where it is said to be."""
    name, number, shelf, title = (*told.args, "", "", "", "")[:4]
    if host is None:
        yield f"{name} is no host of the manifest"
        return
    if number != numbers[name]:
        yield f"{name} is said to be entry {number}, and is {numbers[name]}"
    entry = entries.get(entry_id(name))
    if entry is None:
        yield f"{name} has no entry in the menu"
    elif entry.file != (shelf and f"{MENU_FOLDER}/{shelf}.cfg"):
        yield f"the entry of {name} is said to be in {shelf or 'the menu itself'}, and is in {entry.file or GRUB_CFG}"
    if shelf and title != host.title:
        yield f"the entry of {name} is offered as {title!r}, and is {host.title!r}"


def _in_values(values: Mapping[str, str], name: str, table: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Whether the values are the host's match keys, all of them."""
    own = table.get(name, {})
    if strange := [key for key, value in values.items() if value not in _same(key, own.get(key, ""))]:
        owner = next((other for other, texts in table.items() if texts.get(strange[0]) == values[strange[0]]), "nobody")
        yield f"takes the machine with the {strange[0]} {values[strange[0]]!r} for {name}: that is {owner}'s"
    if missing := own.keys() - values.keys():
        yield f"does not ask for the {', '.join(sorted(missing))} of {name}"


def _same(key: str, value: str) -> frozenset[str]:
    """``value`` in each of its spellings: some firmware tells a UUID in the other byte order."""
    if key != "uuid":
        return frozenset({value})
    try:
        return frozenset({value, str(uuid.UUID(bytes_le=uuid.UUID(value).bytes))})
    except ValueError:
        return frozenset({value})


def _table(image: Image) -> Mapping[str, Mapping[str, str]]:
    """The SMBIOS match keys of each host, by its name; hosts without any are left out."""
    found = {}
    for line in image.text(HOSTS_TABLE).splitlines():
        name, *fields = line.split("\t")
        texts = {key: field for key, field in zip(TABLE_KEYS, fields, strict=False) if field != EMPTY_FIELD}
        if texts:
            found[name] = texts
    return found
