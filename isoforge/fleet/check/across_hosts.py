"""What is wrong across hosts: two of them with one name, one address, one disk, or keys that both would match."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from isoforge.fleet.check import network
from isoforge.fleet.check.addresses import parsed, static_addresses
from isoforge.fleet.check.findings import Finding, items, mapping, text
from isoforge.fleet.inventory.host import Host
from isoforge.fleet.smbios import both_orders, normalised
from isoforge.problems import Severity
from isoforge.yaml_limits import KeyPath


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnValue:
    """A value that must be one host's alone: compared as ``value``, printed as ``text``; ``path`` is the seed's."""

    value: str
    text: str
    path: KeyPath


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seed:
    """The documents of a host's seed: the autoinstall section of its user-data, and its meta-data; and the ``title`` of
    its entry in the menu, "" for the usual one."""

    autoinstall: Mapping[str, Any]
    meta_data: Mapping[str, Any]
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetEntry:
    """What of a host must not be like another host's.

    ``name`` is the host's name in the inventory, ``values`` are those of its seed, by the id of the problem that two
    hosts with the same value are, and ``match`` its match keys (kind → value: serial, uuid, mac …, MAC addresses with
    commas between; all must fit the machine).
    """

    name: str
    values: Mapping[str, tuple[OwnValue, ...]]
    match: Mapping[str, str]


def entry_of(host: Host, user_data: Any, meta_data: Any) -> FleetEntry:
    """What is compared of ``host``, whose seed has the documents ``user_data`` and ``meta_data``."""
    keys = {
        key: value if isinstance(value, str) else ",".join(sorted(value)) for key, value in asdict(host.match).items()
    }
    match = {key: value for key, value in keys.items() if value}
    return fleet_entry(host.name, match=match, user_data=user_data, meta_data=meta_data, title=host.menu_title)


def fleet_entry(name: str, *, match: Mapping[str, str], user_data: Any, meta_data: Any, title: str = "") -> FleetEntry:
    """What is compared of the host called ``name`` with those match keys and the documents of its seed."""
    section = mapping(mapping(user_data).get("autoinstall"))
    seed = _Seed(autoinstall=section, meta_data=mapping(meta_data), title=title)
    values = {id_: own for id_, _, find in _ONE_EACH if (own := tuple(find(seed)))}
    return FleetEntry(name=name, values=values, match=match)


MATCH: KeyPath = ("match",)
TITLE: KeyPath = ("menu", "title")
IN_INVENTORY = (MATCH, TITLE)
"""Where findings about match keys and titles lie: in the inventory, for a seed does not have them."""


def check_fleet(entries: Iterable[FleetEntry]) -> Iterator[tuple[FleetEntry, Finding]]:
    """Every value that two hosts share and must not, and every pair whose match keys could both fit one machine.

    Each finding is the later host's and names the earlier one.
    """
    fleet = list(entries)
    for id_, noun, _ in _ONE_EACH:
        yield from _shared(fleet, id_, noun)
    yield from _overlapping(fleet)


def _shared(fleet: list[FleetEntry], id_: str, noun: str) -> Iterator[tuple[FleetEntry, Finding]]:
    first: dict[str, FleetEntry] = {}
    for host in fleet:
        seen: set[str] = set()
        for own in host.values.get(id_, ()):
            other = first.setdefault(own.value, host)
            if other is not host and own.value not in seen:
                message = f"{own.text} is the {noun} of hosts.{other.name} too"
                yield host, Finding(id=id_, path=own.path, message=message, severity=Severity.ERROR)
            seen.add(own.value)


def _overlapping(fleet: list[FleetEntry]) -> Iterator[tuple[FleetEntry, Finding]]:
    """Match keys that all of them fit where another host's fit: the machine could be taken for either."""
    keys = [_comparable(host.match) for host in fleet]
    having: dict[tuple[str, str], list[int]] = {}
    for index, pairs in enumerate(keys):
        for pair in pairs:
            having.setdefault(pair, []).append(index)
    for index, pairs in enumerate(keys):
        # A machine that has all of them has the rarest: a serial number is that of one host, a product name of many.
        for other in min((having[pair] for pair in pairs), key=len, default=[]):
            same = keys[other] == pairs
            if other == index or not pairs <= keys[other] or (same and other > index):
                continue
            host, rival = fleet[index], fleet[other].name
            joined = ", ".join(f"{key} {value}" for key, value in host.match.items())
            what = f"are those of hosts.{rival} too" if same else f"fit every machine of hosts.{rival} too"
            message = f"the match keys ({joined}) {what}: the menu could not tell the two apart"
            yield host, Finding(id="match-shared", path=MATCH, message=message, severity=Severity.ERROR)


def _comparable(match: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    """Each key with each of its values, in one spelling: MAC addresses apart, a UUID in one of its byte orders."""
    pairs = set()
    for key, value in match.items():
        for one in value.split(",") if key == "mac" else [value] if value else []:
            pairs.add((key, min(both_orders(one)) if key == "uuid" else normalised(one)))
    return frozenset(pairs)


def _host_names(host: _Seed) -> Iterator[OwnValue]:
    for section in ("identity", "user-data"):
        name = text(mapping(host.autoinstall.get(section)).get("hostname"))
        if name:
            yield OwnValue(value=name.casefold(), text=repr(name), path=("autoinstall", section, "hostname"))
            return


def _instance_ids(host: _Seed) -> Iterator[OwnValue]:
    written = host.meta_data.get("instance-id")
    if isinstance(written, str | int) and written != "":
        yield OwnValue(value=str(written), text=repr(written), path=("instance-id",))


def _macs(host: _Seed) -> Iterator[OwnValue]:
    for device, path, _ in network.devices(host.autoinstall):
        for mac, here in network.macs(device, path):
            yield OwnValue(value=mac, text=mac, path=here)


def _addresses(host: _Seed) -> Iterator[OwnValue]:
    for device, path, _ in network.devices(host.autoinstall):
        for written, here in static_addresses(device, path):
            address = parsed(written)
            if address is not None and not address.ip.is_loopback and not address.ip.is_link_local:
                yield OwnValue(value=str(address.ip), text=str(address.ip), path=here)


def _disks(host: _Seed) -> Iterator[OwnValue]:
    storage = mapping(host.autoinstall.get("storage"))
    path: KeyPath = ("autoinstall", "storage", "layout", "match")
    holders = [(mapping(storage.get("layout")).get("match"), path)]
    for index, action in enumerate(items(storage.get("config"))):
        if mapping(action).get("type") == "disk":
            here: KeyPath = ("autoinstall", "storage", "config", index)
            holders += [(action, here), (action.get("match"), (*here, "match"))]
    for holder, above in holders:
        for at, one in enumerate(holder if isinstance(holder, list) else [holder]):
            serial = text(mapping(one).get("serial"))
            bare = serial.strip("*")
            if len(bare) >= 4 and not set(bare) & set("*?["):
                within = (*above, at, "serial") if isinstance(holder, list) else (*above, "serial")
                yield OwnValue(value=bare, text=repr(bare), path=within)


def _titles(host: _Seed) -> Iterator[OwnValue]:
    title = " ".join(host.title.split())
    if title:
        yield OwnValue(value=title.casefold(), text=repr(title), path=TITLE)


_ONE_EACH = (
    ("menu-title-shared", "title", _titles),
    ("host-name-shared", "host name", _host_names),
    ("instance-id-shared", "instance-id", _instance_ids),
    ("mac-shared", "MAC address", _macs),
    ("address-shared", "IP address", _addresses),
    ("disk-serial-shared", "disk serial", _disks),
)
