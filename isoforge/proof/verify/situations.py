"""The machines that a menu is evaluated for: whose values SMBIOS has on each, and which host that is."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from isoforge.iso_layout import EMPTY_FIELD, LOOKUP_KEYS, MATCH_KEY_LIMIT, TABLE_KEYS
from isoforge.proof.read.grub_machine import END_OF_TABLE, Machine, Structure
from isoforge.proof.read.image import Image

_FIELDS = {"product": (1, 5), "serial": (1, 7), "baseboard_serial": (2, 7), "asset_tag": (3, 8)}
"""Where SMBIOS has the text of each key: the type of the structure, the offset in it (SMBIOS 3.7, 7.2 to 7.4)."""

PLACEHOLDERS = ("To be filled by O.E.M.", "Default string", "None", "Not Specified", "0123456789", " ", "00000000")
"""What firmware has where nobody has set a value."""

SAMPLE = 16
"""Hosts, evenly spread, whose values are also tried in other spellings and in part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A host by the values that its machine must have; ``decided`` by them, or by its MAC addresses only."""

    name: str
    values: Mapping[str, str]
    decided: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """A machine: what it is, its SMBIOS table, and the host that the menu must take it for (None: no host).

    ``disks`` are its partitions by GRUB's names, each with the files on it. ``installed``: one has the stamp of this
    build, which must not install the machine again.
    """

    title: str
    structures: tuple[Structure, ...]
    host: str | None
    disks: Mapping[str, frozenset[str]] = field(default_factory=dict)
    installed: bool = False


def read_table(text: str) -> tuple[Known, ...]:
    """The hosts of hosts.tsv whose match keys SMBIOS has."""
    known = []
    for line in text.splitlines():
        name, *fields = line.split("\t")
        columns = zip(TABLE_KEYS, fields, strict=False)
        values = {key: value for key, value in columns if value != EMPTY_FIELD}
        macs = [field for field in fields[len(TABLE_KEYS) :] if field != EMPTY_FIELD]
        if values and all(len(value) <= MATCH_KEY_LIMIT and value.isascii() for value in values.values()):
            known.append(Known(name=name, values=values, decided=not macs or any(key != "product" for key in values)))
    return tuple(known)


def bare_machine(image: Image, platform: str) -> Machine:
    """A machine without any values that boots ``image`` with the firmware that GRUB calls ``platform``."""
    cpus = {start.grub_platform: start.grub_cpu for start in image.layout.starts}
    return Machine(platform=platform, cpu=cpus.get(platform, ""), structures=structures({}))


def structures(values: Mapping[str, str]) -> tuple[Structure, ...]:
    """An SMBIOS table with the ``values``; one without a main board's has no structure for it, as QEMU's has none."""
    strings: dict[int, dict[int, str]] = {0: {4: "BIOS"}, 1: {4: "Maker"}, 3: {4: "Maker"}, 4: {}}
    for key, value in values.items():
        if key in _FIELDS:
            kind, offset = _FIELDS[key]
            strings.setdefault(kind, {4: "Maker"})[offset] = value
    return (
        *(Structure(kind=kind, strings=strings[kind], uuid=values.get("uuid", "")) for kind in sorted(strings)),
        Structure(kind=END_OF_TABLE, length=4),
    )


class Hosts:
    """The hosts with match keys, found by the values of a machine."""

    def __init__(self, known: Sequence[Known]) -> None:
        self.known = known
        self.by_values: dict[frozenset[tuple[str, str]], list[Known]] = {}
        for host in known:
            self.by_values.setdefault(_canonical(host.values), []).append(host)

    def match(self, values: Mapping[str, str]) -> str | None:
        """The only host that a machine with these ``values`` can be; None if no host has them, or several may."""
        pairs = sorted(_canonical(values))
        subsets = (itertools.combinations(pairs, size) for size in range(1, len(pairs) + 1))
        matches = [host for subset in itertools.chain(*subsets) for host in self.by_values.get(frozenset(subset), ())]
        return matches[0].name if len(matches) == 1 and matches[0].decided else None

    def situations(self, chosen: Sequence[Known]) -> Iterator[Situation]:
        """No host's machine, those of the ``chosen`` hosts, and for some of them other spellings and combinations."""
        yield self._situation("a machine without any values", {})
        yield self._situation("a machine of no host", dict.fromkeys(LOOKUP_KEYS, "unlisted-value"))
        for text in PLACEHOLDERS:
            yield self._situation(f"a machine whose values are {text!r}", dict.fromkeys(_FIELDS, text))
        for host in chosen:
            yield self._situation(f"the machine of {host.name}", host.values)
        sample = chosen[:: max(1, len(chosen) // SAMPLE)]
        for host in sample:
            written = {key: f" {value.upper()} " if key != "uuid" else value for key, value in host.values.items()}
            yield self._situation(f"the machine of {host.name}, in capitals", written, host.values)
            swapped = {key: _swapped(value) if key == "uuid" else value for key, value in host.values.items()}
            if swapped != host.values:
                yield self._situation(f"the machine of {host.name}, its UUID in the other byte order", swapped)
            for key in host.values if len(host.values) > 1 else ():
                part = {other: value for other, value in host.values.items() if other != key}
                yield self._situation(f"the machine of {host.name} without its {key}", part)
        for one, other in itertools.pairwise(sample):
            both = {**one.values, **other.values}
            if len(both) == len(one.values) + len(other.values):
                yield self._situation(f"a machine with the values of {one.name} and {other.name}", both)

    def installed(self, chosen: Sequence[Known], build_id: str, default_stamp: str) -> Iterator[Situation]:
        """Machines that this build has installed already: of some hosts, and of no host if the timeout installs it.

        ``default_stamp`` is the name of the stamp of what the timeout installs on a machine of no host; empty if that
        is nothing.
        """
        for host in chosen[:: max(1, len(chosen) // SAMPLE)]:
            if self.match(host.values) == host.name:
                yield self._stamped(f"the machine of {host.name}", host.values, f"{build_id}-{host.name}")
        if default_stamp:
            yield self._stamped("a machine of no host", {}, default_stamp)

    def _stamped(self, title: str, values: Mapping[str, str], stamp: str) -> Situation:
        disks = {"hd0": frozenset[str](), "hd1,gpt2": frozenset({f"/boot/isoforge/{stamp}"})}
        situation = self._situation(f"{title} that is installed already", values)
        return replace(situation, disks=disks, installed=True)

    def _situation(self, title: str, written: Mapping[str, str], values: Mapping[str, str] | None = None) -> Situation:
        return Situation(title=title, structures=structures(written), host=self.match(values or written))


def _canonical(values: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    """``values`` with the UUID in one of its two byte orders, whichever it has."""
    return frozenset((key, min(value, _swapped(value)) if key == "uuid" else value) for key, value in values.items())


def _swapped(value: str) -> str:
    """A UUID in the other byte order; any other text as it is."""
    try:
        return str(uuid.UUID(bytes_le=uuid.UUID(value).bytes))
    except ValueError:
        return value
