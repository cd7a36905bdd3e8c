"""What is wrong across hosts: two of them with one name, one address, one disk, or keys that both would match."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from isoforge.fleet.check import document, network
from isoforge.fleet.check.document import Document
from isoforge.fleet.check.findings import address_of, items, mapping, text
from isoforge.fleet.smbios import both_orders, normalised
from isoforge.problems import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A value that must be one host's alone: as ``value`` it is compared, as ``shown`` it is said.

    ``address`` is its path below the host (``autoinstall.identity.hostname``), ``line`` its line in the host's file.
    """

    value: str
    shown: str
    address: str
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetEntry:
    """What of a host must not be like another host's.

    ``name`` is the host's name in the inventory, ``file`` the file its values are in, ``match`` its match keys
    (kind → value: serial, uuid, mac …, MAC addresses with commas between; all of them must fit the machine),
    ``match_line`` where they stand.
    """

    name: str
    file: str
    hostnames: tuple[Told, ...] = ()
    instance_ids: tuple[Told, ...] = ()
    macs: tuple[Told, ...] = ()
    addresses: tuple[Told, ...] = ()
    disks: tuple[Told, ...] = ()
    match: Mapping[str, str] = field(default_factory=dict)
    match_line: int | None = None


_ONE_EACH = (
    ("hostnames", "host name"),
    ("instance_ids", "instance-id"),
    ("macs", "MAC address"),
    ("addresses", "IP address"),
    ("disks", "disk serial"),
)


def entry(
    *,
    name: str,
    file: str,
    user_data: str,
    meta_data: str = "",
    match: Mapping[str, str] | None = None,
    match_line: int | None = None,
) -> FleetEntry:
    """The entry of a host from its seed, in text; what cannot be read is left out, `isoforge.fleet.check` says it."""
    seed = document.read(user_data)
    autoinstall = mapping(mapping(seed.data).get("autoinstall"))
    about = document.read(meta_data)
    return FleetEntry(
        name=name,
        file=file,
        hostnames=tuple(_hostnames(seed, autoinstall)),
        instance_ids=tuple(_instance_ids(about)),
        macs=tuple(_macs(seed, autoinstall)),
        addresses=tuple(_addresses(seed, autoinstall)),
        disks=tuple(_disks(seed, autoinstall)),
        match={key: value for key, value in (match or {}).items() if value},
        match_line=match_line,
    )


def check_fleet(entries: Iterable[FleetEntry]) -> list[Problem]:
    """Every value that two hosts share and must not, and every pair whose match keys could both fit one machine.

    Each problem is told of the later host and names the earlier one.
    """
    fleet = list(entries)
    problems: list[Problem] = []
    for kind, words in _ONE_EACH:
        problems += _shared(fleet, kind, words)
    problems += _overlapping(fleet)
    return problems


def _shared(fleet: list[FleetEntry], kind: str, words: str) -> Iterator[Problem]:
    first: dict[str, FleetEntry] = {}
    for host in fleet:
        told: Told
        for told in getattr(host, kind):
            other = first.setdefault(told.value, host)
            if other is not host:
                yield Problem(
                    file=host.file,
                    line=told.line,
                    address=f"hosts.{host.name}.{told.address}",
                    text=f"{told.shown} is the {words} of hosts.{other.name} too",
                )


def _overlapping(fleet: list[FleetEntry]) -> Iterator[Problem]:
    """Match keys that all of them fit where another host's fit: the machine could be taken for either."""
    keys = [_comparable(host.match) for host in fleet]
    having: dict[tuple[str, str], list[int]] = {}
    for index, pairs in enumerate(keys):
        for pair in pairs:
            having.setdefault(pair, []).append(index)
    for index, pairs in enumerate(keys):
        # Whoever has all of them has the rarest: a serial number is one host's, a product's name that of thousands.
        for other in min((having[pair] for pair in pairs), key=len, default=[]):
            same = keys[other] == pairs
            if other == index or not pairs <= keys[other] or (same and other > index):
                continue
            host, met = fleet[index], fleet[other].name
            said = f"are those of hosts.{met} too" if same else f"fit every machine that hosts.{met} is written for too"
            yield Problem(
                file=host.file,
                line=host.match_line,
                address=f"hosts.{host.name}.match",
                text=f"the match keys {said}: the menu could not tell them apart",
            )


def _comparable(match: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    """Each key with each of its values, in one spelling: MAC addresses apart, a UUID in one of its byte orders."""
    pairs = set()
    for key, value in match.items():
        for one in value.split(",") if key == "mac" else [value]:
            pairs.add((key, min(both_orders(one)) if key == "uuid" else normalised(one)))
    return frozenset(pairs)


def _told(seed: Document, route: document.Route, value: str, shown: str) -> Told:
    return Told(value=value, shown=shown, address=address_of("", route), line=seed.line(route))


def _hostnames(seed: Document, autoinstall: Mapping[str, Any]) -> Iterator[Told]:
    route = ("autoinstall", "identity", "hostname")
    name = text(mapping(autoinstall.get("identity")).get("hostname"))
    if not name:
        route = ("autoinstall", "user-data", "hostname")
        name = text(mapping(autoinstall.get("user-data")).get("hostname"))
    if name:
        yield _told(seed, route, name.casefold(), repr(name))


def _instance_ids(about: Document) -> Iterator[Told]:
    written = mapping(about.data).get("instance-id")
    if isinstance(written, str | int) and written != "":
        yield Told(value=str(written), shown=repr(written), address="meta-data.instance-id")


def _macs(seed: Document, autoinstall: Mapping[str, Any]) -> Iterator[Told]:
    seen: set[str] = set()
    for device, route, _ in network.devices(autoinstall):
        places = (((*route, "match", "macaddress"), mapping(device.get("match"))), ((*route, "macaddress"), device))
        for here, holder in places:
            mac = text(holder.get("macaddress"))
            if network.MAC.fullmatch(mac) and mac.lower() not in seen:
                seen.add(mac.lower())
                yield _told(seed, here, mac.lower(), mac)


def _addresses(seed: Document, autoinstall: Mapping[str, Any]) -> Iterator[Told]:
    seen: set[str] = set()
    for device, route, _ in network.devices(autoinstall):
        for written, here in network.static_addresses(device, route):
            address = network.parsed(written)
            if address is None or address.ip.is_loopback or address.ip.is_link_local or str(address.ip) in seen:
                continue
            seen.add(str(address.ip))
            yield _told(seed, here, str(address.ip), str(address.ip))


def _disks(seed: Document, autoinstall: Mapping[str, Any]) -> Iterator[Told]:
    storage = mapping(autoinstall.get("storage"))
    route: document.Route = ("autoinstall", "storage", "layout", "match")
    holders = [(mapping(storage.get("layout")).get("match"), route)]
    for index, action in enumerate(items(storage.get("config"))):
        if mapping(action).get("type") == "disk":
            here: document.Route = ("autoinstall", "storage", "config", index)
            holders += [(action, here), (action.get("match"), (*here, "match"))]
    seen: set[str] = set()
    for holder, place in holders:
        for at, one in enumerate(holder if isinstance(holder, list) else [holder]):
            serial = text(mapping(one).get("serial"))
            bare = serial.strip("*")
            if len(bare) >= 4 and not set(bare) & set("*?[") and bare not in seen:
                seen.add(bare)
                within = (*place, at, "serial") if isinstance(holder, list) else (*place, "serial")
                yield _told(seed, within, bare, repr(serial))
