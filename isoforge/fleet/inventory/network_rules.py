"""Whether a host's network devices are what they say, and refer to each other rightly."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from isoforge.fleet.inventory.validate import did_you_mean
from isoforge.fleet.inventory.view import View
from isoforge.problems import Problem
from isoforge.yaml_tree import Path_

SECTIONS = ("ethernets", "bonds", "bridges", "vlans")
_LONGEST_NAME = 15
"""IFNAMSIZ less the final zero (linux/if.h)."""


def check_network(view: View) -> Iterator[Problem]:
    """What is wrong with ``network``."""
    names: dict[str, str] = {}
    for section in SECTIONS:
        for name in view.entries("network", section):
            path = ("network", section, name)
            if name in names:
                yield view.error(path, f"there is a {name} in network.{names[name]} already")
            names.setdefault(name, section)
            yield from _check_device(view, path)
    yield from _check_references(view, names)
    yield from _check_macs(view)


def _check_device(view: View, path: Path_) -> Iterator[Problem]:
    section, name = str(path[1]), str(path[2])
    is_made = section != "ethernets" or view.has(*path, "mac")
    given = view.text(*path, "set-name") or name
    if is_made and (len(given.encode()) > _LONGEST_NAME or not given.isprintable() or set(given) & set(" /:")):
        yield view.error(path, f"a device's name has at most {_LONGEST_NAME} characters, no blank, / or :")
    if view.has(*path, "set-name") and not (view.has(*path, "mac") or view.has(*path, "match")):
        yield view.error((*path, "set-name"), "needs a mac (or match) to find the card by")
    networks = []
    for where, address in view.texts(*path, "addresses"):
        try:
            networks.append(_interface(address).network)
        except ValueError as wrong:
            yield view.error(where, str(wrong))
    yield from _check_gateways(view, path, networks)
    yield from _check_overrides(view, path)
    for where, address in view.texts(*path, "nameservers", "addresses"):
        if not _is_address(address):
            yield view.error(where, f"{address!r} is not an IP address")
    for number, _ in enumerate(view.items(*path, "routes")):
        yield from _check_route(view, (*path, "routes", number))


def _check_overrides(view: View, path: Path_) -> Iterator[Problem]:
    """systemd-networkd has one set for both families; netplan 0.106 refuses two that differ."""
    if not (view.true(*path, "dhcp4") and view.true(*path, "dhcp6")):
        return
    four, six = (view.entries(*path, f"{family}-overrides") for family in ("dhcp4", "dhcp6"))
    for key in dict.fromkeys([*four, *six]):
        if key not in four or key not in six or four[key].value != six[key].value:
            text = f"must say the same of {key} as dhcp4-overrides does, since both are used"
            yield view.error((*path, "dhcp6-overrides"), text)


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _interface(address: str) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface:
    """``192.0.2.11/24``; ValueError says what is wrong with it."""
    if "/" not in address:
        raise ValueError(f"{address!r} lacks its prefix length, as in {address}/24")
    try:
        interface = ipaddress.ip_interface(address)
    except ValueError:
        raise ValueError(f"{address!r} is not an IP address with its prefix length") from None
    if not address.rpartition("/")[2].isdigit():
        raise ValueError(f"{address!r}: write the netmask as a number, /{interface.network.prefixlen}")
    return interface


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _check_gateways(view: View, path: Path_, networks: list[Network]) -> Iterator[Problem]:
    families = set()
    for where, text in view.texts(*path, "gateway"):
        if not _is_address(text):
            yield view.error(where, f"{text!r} is not an IP address")
            continue
        gateway = ipaddress.ip_address(text)
        if gateway.version in families:
            yield view.error(where, f"is a second gateway for IPv{gateway.version}: write the other one as a route")
        families.add(gateway.version)
        same_family = [network for network in networks if network.version == gateway.version]
        if same_family and not gateway.is_link_local and not any(gateway in network for network in same_family):
            yield view.error(where, f"{text} is in none of this device's networks")


def _check_route(view: View, path: Path_) -> Iterator[Problem]:
    to, via = view.text(*path, "to"), view.text(*path, "via")
    if not view.has(*path, "to"):
        yield view.error((*path, "to"), "is missing: a route leads somewhere (default for everywhere)")
    elif to and to != "default":
        try:
            ipaddress.ip_network(to, strict=False)
        except ValueError:
            yield view.error((*path, "to"), f"{to!r} is not a network, as 198.51.100.0/24")
    if via and not _is_address(via):
        yield view.error((*path, "via"), f"{via!r} is not an IP address")


def _check_references(view: View, names: dict[str, str]) -> Iterator[Problem]:
    for section in ("bonds", "bridges"):
        for name in view.entries("network", section):
            for where, member in view.texts("network", section, name, "interfaces"):
                yield from _check_reference(view, where, member, names)
    for name in view.entries("network", "vlans"):
        path = ("network", "vlans", name)
        number = view.number(*path, "id")
        if not view.has(*path, "id") or (number is not None and not 1 <= number <= 4094):
            yield view.error((*path, "id"), "a VLAN's id is a number from 1 to 4094")
        if not view.has(*path, "link"):
            yield view.error((*path, "link"), "is missing: which device does the VLAN run on?")
        for where, link in view.texts(*path, "link"):
            yield from _check_reference(view, where, link, names)


def _check_reference(view: View, path: Path_, device: str, names: dict[str, str]) -> Iterator[Problem]:
    if device not in names:
        near = did_you_mean(device, names)
        yield view.error(
            path, f"there is no device {device} under network{near}; netplan needs it there, if only as {{}}"
        )


def _check_macs(view: View) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for name in view.entries("network", "ethernets"):
        for key in (("mac",), ("match", "macaddress")):
            mac = view.text("network", "ethernets", name, *key).lower()
            if mac and seen.setdefault(mac, name) != name:
                yield view.error(("network", "ethernets", name, *key), f"is the MAC address of {seen[mac]}, too")
