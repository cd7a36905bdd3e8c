"""The `network:` section: netplan, which the installer passes on unread and which is refused only on the machine."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any

from isoforge.fleet.check import schema
from isoforge.fleet.check.document import Route
from isoforge.fleet.check.findings import Findings, items, mapping, meant

NETWORK: Route = ("autoinstall", "network")

DEVICE_TYPES = ("ethernets", "wifis", "modems", "bridges", "bonds", "vlans", "vrfs", "dummy-devices",
                "virtual-ethernets", "tunnels", "nm-devices")  # fmt: skip

MAC = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}|[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){19}")
"""Six bytes, or the twenty of InfiniBand."""

_MAC_WORDS = frozenset({"permanent", "random", "stable", "stable-ssid", "preserve"})

Address = ipaddress.IPv4Interface | ipaddress.IPv6Interface


def check(found: Findings, autoinstall: Mapping[str, Any]) -> None:
    """Everything about the network, in the flat form and in the nested one (``network: {network: …}``)."""
    network = autoinstall.get("network")
    if not isinstance(network, dict):
        return
    route, body = inner(network)
    if "network" in network:
        for key in network:
            if key != "network":
                found.error((*NETWORK, key), "stands beside a nested `network:`; put all of it into one of the two")
    if not isinstance(body, dict):
        found.error(route, f"must be a mapping, not {schema.kind(body)}")
        return
    schema.check(found, body, route, schema.validator("netplan"))
    for device, here, _ in devices(autoinstall):
        _check_addresses(found, device, here)
        _check_routes(found, device, here)
        _check_hardware(found, device, here)
    _check_references(found, autoinstall, body)


def inner(network: Mapping[str, Any]) -> tuple[Route, Any]:
    """The body of the netplan document and its route, without the extra `network:` that 20.04 asked for."""
    if "network" in network:
        return (*NETWORK, "network"), network["network"]
    return NETWORK, network


def devices(autoinstall: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Route, str]]:
    """Every device of the network with its route and its type."""
    route, body = inner(mapping(autoinstall.get("network")))
    for kind in DEVICE_TYPES:
        for name, device in mapping(mapping(body).get(kind)).items():
            if isinstance(device, dict):
                yield device, (*route, kind, name), kind


def static_addresses(device: Mapping[str, Any], route: Route) -> Iterator[tuple[str, Route]]:
    """The static addresses of a device as written, each with its route."""
    for index, address in enumerate(items(device.get("addresses"))):
        for written in address if isinstance(address, dict) else [address]:
            if isinstance(written, str):
                yield written, (*route, "addresses", index)


def parsed(written: str) -> Address | None:
    """``192.0.2.11/24`` as an interface address; None if it is none."""
    try:
        return ipaddress.ip_interface(written)
    except ValueError:
        return None


def _is_address(written: str) -> bool:
    try:
        ipaddress.ip_address(written)
    except ValueError:
        return False
    return True


def _check_addresses(found: Findings, device: Mapping[str, Any], route: Route) -> None:
    for written, here in static_addresses(device, route):
        if said := _flaw(written):
            found.error(here, f"{written!r} {said}")
    nameservers = mapping(device.get("nameservers"))
    for index, written in enumerate(items(nameservers.get("addresses"))):
        if isinstance(written, str) and not _is_address(written):
            found.error((*route, "nameservers", "addresses", index), f"{written!r} is not an address")
    for key in ("gateway4", "gateway6"):
        gateway = device.get(key)
        if isinstance(gateway, str):
            if _is_address(gateway):
                found.warning((*route, key), f"is deprecated: write `routes: [{{to: default, via: {gateway}}}]`")
            else:
                found.error((*route, key), f"{gateway!r} is not an address")


def _flaw(written: str) -> str:
    """What is wrong with a static address, or nothing."""
    address = parsed(written)
    if address is None:
        return "is not an address with prefix length (192.0.2.11/24)"
    if "/" not in written:
        return f"has no prefix length: write {written}/24, or what your network has"
    if address.version == 4 and address.network.prefixlen < 31:
        if address.ip == address.network.network_address:
            return "is the network itself, not an address in it"
        if address.ip == address.network.broadcast_address:
            return "is the broadcast address of its network"
    return ""


def _check_routes(found: Findings, device: Mapping[str, Any], route: Route) -> None:
    near = [address.network for written, _ in static_addresses(device, route) if (address := parsed(written))]
    for index, one in enumerate(items(device.get("routes"))):
        here = (*route, "routes", index)
        to, via = mapping(one).get("to"), mapping(one).get("via")
        if to is None:
            found.error((*here, "to"), "is missing")
        elif isinstance(to, str) and to != "default" and parsed(to) is None:
            found.error((*here, "to"), f"{to!r} is neither a network nor 'default'{meant(to, ['default'])}")
        if not isinstance(via, str):
            continue
        if not _is_address(via):
            found.error((*here, "via"), f"{via!r} is not an address")
            continue
        gateway = ipaddress.ip_address(via)
        family = [network for network in near if network.version == gateway.version]
        reachable = any(gateway in network for network in family) or gateway.is_link_local
        if family and not reachable and mapping(one).get("on-link") is not True and device.get("dhcp4") is not True:
            found.warning((*here, "via"), f"{via} is in no network of this device: it could not be reached")


def _check_hardware(found: Findings, device: Mapping[str, Any], route: Route) -> None:
    wanted = mapping(device.get("match")).get("macaddress")
    if isinstance(wanted, str) and not MAC.fullmatch(wanted):
        found.error((*route, "match", "macaddress"), f"{wanted!r} is not a MAC address (00:00:5e:00:53:01)")
    given = device.get("macaddress")
    if isinstance(given, str) and given not in _MAC_WORDS and not MAC.fullmatch(given):
        found.error((*route, "macaddress"), f"{given!r} is not a MAC address (00:00:5e:00:53:01)")
    if "set-name" in device and not device.get("match"):
        found.error((*route, "set-name"), "needs `match:` beside it, which says what device is renamed")


def _check_references(found: Findings, autoinstall: Mapping[str, Any], body: Mapping[str, Any]) -> None:
    known = {name for kind in DEVICE_TYPES for name in mapping(body.get(kind))}
    held: dict[str, str] = {}
    for device, route, kind in devices(autoinstall):
        link = device.get("link")
        if isinstance(link, str) and link not in known:
            found.error((*route, "link"), f"no device is called {link!r} here{meant(link, known)}")
        for index, member in enumerate(items(device.get("interfaces"))):
            here = (*route, "interfaces", index)
            if not isinstance(member, str):
                continue
            if member not in known:
                found.error(here, f"no device is called {member!r} here{meant(member, known)}")
            elif kind in {"bonds", "bridges"}:
                if member in held:
                    found.error(here, f"{member!r} is in {held[member]!r} already")
                held[member] = str(route[-1])
        primary = mapping(device.get("parameters")).get("primary")
        if isinstance(primary, str) and primary not in items(device.get("interfaces")):
            found.error((*route, "parameters", "primary"), f"{primary!r} is not among the interfaces of this bond")
