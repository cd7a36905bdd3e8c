"""Addresses of the `network:` section: of devices, of routers, of DNS servers."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from isoforge.fleet.check.findings import Findings, items, mapping, text
from isoforge.problems import did_you_mean
from isoforge.yaml_limits import KeyPath

MAC = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}|[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){19}")
"""Six bytes, or the twenty of InfiniBand."""

Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Device = tuple[Mapping[str, Any], KeyPath, str]

_EVERYWHERE = frozenset({"default", "0.0.0.0/0", "::/0"})


def static_addresses(device: Mapping[str, Any], path: KeyPath) -> Iterator[tuple[str, KeyPath]]:
    """The static addresses of a device as written, each with its path."""
    for index, address in enumerate(items(device.get("addresses"))):
        for written in address if isinstance(address, dict) else [address]:
            if isinstance(written, str):
                yield written, (*path, "addresses", index)


@lru_cache(maxsize=4096)  # several rules ask for each, and hosts share networks
def parsed(written: str) -> Interface | None:
    """``192.0.2.11/24`` as an interface address; None if it is not one."""
    try:
        return ipaddress.ip_interface(written)
    except ValueError:
        return None


def is_address(written: str) -> bool:
    """Whether ``written`` is an IP address, without prefix length."""
    try:
        ipaddress.ip_address(written)
    except ValueError:
        return False
    return True


def all_addresses(devices: Iterable[Device]) -> dict[Address, str]:
    """Every static address of the machine, and the name of the device that has it."""
    written = [(one, str(path[-1])) for device, path, _ in devices for one, _ in static_addresses(device, path)]
    return {address.ip: name for one, name in written if (address := parsed(one)) is not None}


def check_device(findings: Findings, device: Mapping[str, Any], path: KeyPath, own: Mapping[Address, str]) -> None:
    """The addresses, DNS servers, gateways and routes of one device; ``own`` are `all_addresses` of the machine."""
    for written, here in static_addresses(device, path):
        if flaw := _flaw(written):
            findings.error(flaw[0], here, f"{written!r} {flaw[1]}")
    servers = mapping(device.get("nameservers"))
    for index, written in enumerate(items(servers.get("addresses"))):
        here = (*path, "nameservers", "addresses", index)
        if isinstance(written, str) and not is_address(written):
            findings.error("nameserver-invalid", here, f"{written!r} is not an IP address")
        elif isinstance(written, str) and _is_many_or_none(ipaddress.ip_address(written)):
            findings.error("nameserver-invalid", here, f"{written} is not the address of one machine")
    for key in ("gateway4", "gateway6"):
        gateway = device.get(key)
        if isinstance(gateway, str) and is_address(gateway):
            message = f"is deprecated: write `routes: [{{to: default, via: {gateway}}}]`"
            findings.warning("gateway-deprecated", (*path, key), message)
        elif isinstance(gateway, str):
            findings.error("router-invalid", (*path, key), f"{gateway!r} is not an IP address")
    _check_routes(findings, device, path, own)


def _flaw(written: str) -> tuple[str, str] | None:
    """The id and the sentence of what is wrong with a static address."""
    address = parsed(written)
    if address is None:
        return "address-invalid", "is not an IP address with prefix length (192.0.2.11/24)"
    if "/" not in written:
        return "prefix-length-missing", f"has no prefix length: write {written}/24, or the one your network has"
    if not written.rpartition("/")[2].isdigit():
        length = address.network.prefixlen
        return "prefix-length-invalid", f"must have its netmask as a number: /{length}"
    return _flaw_of_range(address)


def _flaw_of_range(address: Interface) -> tuple[str, str] | None:
    """What is wrong with an address that no machine can have."""
    if address.is_multicast:
        return "address-multicast", "is a multicast address: no machine has it as its own"
    if address.ip.is_unspecified:
        return "address-invalid", "stands for no address"
    if address.ip.is_loopback:
        return "address-invalid", "is a loopback address: every machine has it already, on lo"
    if address.version == 4 and address.ip.is_reserved:
        return "address-invalid", "is in a reserved range (240.0.0.0/4): no machine can use it"
    if address.version == 4 and address.network.prefixlen < 31:
        if address.ip == address.network.network_address:
            return "address-of-network", "is the network itself, not an address in it"
        if address.ip == address.network.broadcast_address:
            return "address-of-broadcast", "is the broadcast address of its network"
    return None


def _check_routes(findings: Findings, device: Mapping[str, Any], path: KeyPath, own: Mapping[Address, str]) -> None:
    networks = [address.network for written, _ in static_addresses(device, path) if (address := parsed(written))]
    for index, one in enumerate(items(device.get("routes"))):
        here = (*path, "routes", index)
        to, via = mapping(one).get("to"), mapping(one).get("via")
        if to is None:
            findings.error("key-missing", (*here, "to"), "is required")
        elif isinstance(to, str) and to != "default" and parsed(to) is None:
            near = did_you_mean(to, ["default"])
            findings.error("route-invalid", (*here, "to"), f"{to!r} is neither a network nor 'default'{near}")
        if isinstance(via, str):
            if _check_router(findings, via, (*here, "via"), own):
                continue
            if mapping(one).get("on-link") is not True and device.get("dhcp4") is not True:
                _check_reachable(findings, via, (*here, "via"), networks)


def _is_many_or_none(address: Address) -> bool:
    return address.is_multicast or address.is_unspecified


def _check_router(findings: Findings, via: str, path: KeyPath, own: Mapping[Address, str]) -> bool:
    """Whether ``via`` cannot be a router, which is reported."""
    if not is_address(via):
        findings.error("router-invalid", path, f"{via!r} is not an IP address")
        return True
    router = ipaddress.ip_address(via)
    if _is_many_or_none(router):
        findings.error("router-invalid", path, f"{via} is not the address of one machine")
    elif router in own:
        message = f"{via} is the address of the machine itself ({own[router]}): give the router's"
        findings.error("router-is-host", path, message)
    return _is_many_or_none(router) or router in own


def _check_reachable(findings: Findings, via: str, path: KeyPath, networks: Iterable[Network]) -> None:
    router = ipaddress.ip_address(via)
    family = [network for network in networks if network.version == router.version]
    if family and not any(router in network for network in family) and not router.is_link_local:
        message = f"{via} is in none of this device's networks: it could not be reached"
        findings.error("router-unreachable", path, message)


def check_shared(findings: Findings, devices: Iterable[Device]) -> None:
    """What two devices of one host must not share: an address, and the default route."""
    holders: dict[str, KeyPath] = {}
    defaults: dict[tuple[object, ...], KeyPath] = {}
    for device, path, _ in devices:
        for written, here in static_addresses(device, path):
            address = parsed(written)
            first = holders.setdefault(str(address.ip), here) if address is not None else here
            if address is not None and first != here:
                message = f"{address.ip} is the address of {str(first[-3])!r} too"
                findings.error("address-twice", here, message)
        for index, route in enumerate(items(device.get("routes"))):
            _check_default(findings, mapping(route), (*path, "routes", index, "via"), defaults)


def _check_default(
    findings: Findings, route: Mapping[str, Any], path: KeyPath, defaults: dict[tuple[object, ...], KeyPath]
) -> None:
    via = route.get("via")
    if text(route.get("to")) not in _EVERYWHERE or not isinstance(via, str) or not is_address(via):
        return
    version = ipaddress.ip_address(via).version
    first = defaults.setdefault((version, str(route.get("metric")), str(route.get("table"))), path)
    device, other = path[-4], first[-4]
    if first != path and other == device:
        message = f"is a second default route for IPv{version}: give it a `metric`, or write it as a route to a network"
        findings.error("default-route-twice", path, message)
    elif other != device:
        message = f"{str(other)!r} has a default route for IPv{version} too: give one of them a higher `metric`"
        findings.warning("default-route-conflict", path, message)
