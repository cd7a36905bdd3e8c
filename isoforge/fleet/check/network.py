"""The `network:` section: netplan, which the installer passes on unread and which is refused only on the machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from isoforge.fleet.check import addresses, netplan_versions, schema
from isoforge.fleet.check.addresses import MAC
from isoforge.fleet.check.findings import Findings, items, mapping
from isoforge.fleet.check.installers import KEEPS_SECRETS_FROM_LOGS
from isoforge.problems import did_you_mean
from isoforge.yaml_limits import KeyPath

NETWORK: KeyPath = ("autoinstall", "network")

DEVICE_TYPES = ("ethernets", "wifis", "modems", "bridges", "bonds", "vlans", "vrfs", "dummy-devices",
                "virtual-ethernets", "tunnels", "nm-devices")  # fmt: skip

_PHYSICAL = frozenset({"ethernets", "wifis", "modems", "nm-devices"})
"""Types whose names are only keys of the document; the others are the names of devices that netplan creates."""

_LONGEST_NAME = 15
"""IFNAMSIZ less the final zero (linux/if.h)."""

_MAC_WORDS = frozenset({"permanent", "random", "stable", "stable-ssid", "preserve"})

_TRUE = (True, "true", "yes", "on", "y")
"""How netplan spells truth."""


def check(findings: Findings, autoinstall: Mapping[str, Any]) -> None:
    """Everything about the network, in the flat form and in the nested one (``network: {network: …}``)."""
    network = autoinstall.get("network")
    if not isinstance(network, dict):
        return
    path, body = inner(network)
    if "network" in network:
        for key in network:
            if key != "network":
                message = "is outside the nested `network:`: put everything into one of the two"
                findings.error("network-twice", (*NETWORK, key), message)
    if not isinstance(body, dict):
        findings.error("wrong-type", path, f"must be a mapping, not {schema.kind(body)}")
        return
    schema.check(findings, body, path, schema.validator("netplan"))
    netplan_versions.check(findings, body, path)
    names: dict[str, KeyPath] = {}
    own = addresses.all_addresses(devices(autoinstall))
    for device, here, kind in devices(autoinstall):
        _check_name(findings, here, kind, names)
        addresses.check_device(findings, device, here, own)
        _check_hardware(findings, device, here)
        _check_overrides(findings, device, here)
    _check_references(findings, autoinstall, body)
    addresses.check_shared(findings, devices(autoinstall))
    _check_logs(findings, autoinstall)
    _check_waits(findings, autoinstall)
    _check_macs(findings, autoinstall)
    _check_vlans(findings, autoinstall)


def inner(network: Mapping[str, Any]) -> tuple[KeyPath, Any]:
    """The body of the netplan document and its path, without the extra `network:` that 20.04 asked for."""
    if "network" in network:
        return (*NETWORK, "network"), network["network"]
    return NETWORK, network


def devices(autoinstall: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], KeyPath, str]]:
    """Every device of the network with its path and its type."""
    path, body = inner(mapping(autoinstall.get("network")))
    for kind in DEVICE_TYPES:
        for name, device in mapping(mapping(body).get(kind)).items():
            if isinstance(device, dict):
                yield device, (*path, kind, name), kind


def macs(device: Mapping[str, Any], path: KeyPath) -> Iterator[tuple[str, KeyPath]]:
    """The MAC addresses that a device is found by or is given, in small letters, each with its path."""
    places = (((*path, "match", "macaddress"), mapping(device.get("match"))), ((*path, "macaddress"), device))
    for here, holder in places:
        mac = holder.get("macaddress")
        if isinstance(mac, str) and MAC.fullmatch(mac):
            yield mac.lower(), here


def _check_name(findings: Findings, path: KeyPath, kind: str, names: dict[str, KeyPath]) -> None:
    name = str(path[-1])
    if name in names:
        message = f"a device called {name!r} exists already under {names[name][-2]}"
        findings.error("device-name-twice", path, message)
    names.setdefault(name, path)
    too_long = len(name.encode()) > _LONGEST_NAME
    if kind not in _PHYSICAL and (too_long or not name.isprintable() or set(name) & set(" /:")):
        message = f"invalid device name {name!r}: at most {_LONGEST_NAME} characters, without spaces, / and :"
        findings.error("device-name-invalid", path, message)


def _check_hardware(findings: Findings, device: Mapping[str, Any], path: KeyPath) -> None:
    wanted = mapping(device.get("match")).get("macaddress")
    if isinstance(wanted, str):
        _check_mac(findings, wanted, (*path, "match", "macaddress"))
    address = device.get("macaddress")
    if isinstance(address, str) and address not in _MAC_WORDS:
        _check_mac(findings, address, (*path, "macaddress"))
    if "set-name" in device and not device.get("match"):
        message = "needs `match:` beside it, which selects the device to rename"
        findings.error("set-name-without-match", (*path, "set-name"), message)


def _check_mac(findings: Findings, mac: str, path: KeyPath) -> None:
    if not MAC.fullmatch(mac):
        findings.error("mac-invalid", path, f"invalid MAC address {mac!r}: expected one such as 00:00:5e:00:53:01")
    elif len(mac) == 17 and int(mac[:2], 16) & 1:
        findings.error("mac-multicast", path, f"{mac} is a multicast address: no network card has it")


def _check_overrides(findings: Findings, device: Mapping[str, Any], path: KeyPath) -> None:
    """systemd-networkd has one set for both families; netplan 0.106 refuses two that differ."""
    if device.get("dhcp4") not in _TRUE or device.get("dhcp6") not in _TRUE:
        return
    four, six = (mapping(device.get(f"{family}-overrides")) for family in ("dhcp4", "dhcp6"))
    for key in dict.fromkeys([*four, *six]):
        if key not in four or key not in six or four[key] != six[key]:
            message = f"must have the same {key} as dhcp4-overrides, since DHCP is used for both families"
            findings.error("dhcp-overrides-differ", (*path, "dhcp6-overrides"), message)


def _check_references(findings: Findings, autoinstall: Mapping[str, Any], body: Mapping[str, Any]) -> None:
    known = {name for kind in DEVICE_TYPES for name in mapping(body.get(kind))}
    held: dict[str, str] = {}
    for device, path, kind in devices(autoinstall):
        members = items(device.get("interfaces"))
        _check_named(findings, device.get("link"), (*path, "link"), known)
        for index, member in enumerate(members):
            here = (*path, "interfaces", index)
            if _check_named(findings, member, here, known) and kind in {"bonds", "bridges"}:
                if member in held:
                    findings.error("device-in-two", here, f"{member!r} is in {held[member]!r} already")
                held[member] = str(path[-1])
        primary = mapping(device.get("parameters")).get("primary")
        if isinstance(primary, str) and primary not in members:
            message = f"{primary!r} is not among the interfaces of this bond"
            findings.error("bond-primary-unknown", (*path, "parameters", "primary"), message)


def _check_named(findings: Findings, name: Any, path: KeyPath, known: set[str]) -> bool:
    """Whether ``name`` is that of another device of the network; what is wrong with it is reported."""
    if not isinstance(name, str):
        return False
    if name in path[:-1]:
        findings.error("device-in-itself", path, f"{name!r} cannot be built on itself")
    elif name not in known:
        near = did_you_mean(name, known)
        message = f"no device called {name!r} under network, where it must be, if only as {{}}{near}"
        findings.error("device-unknown", path, message)
    return name in known and name not in path[:-1]


def _check_macs(findings: Findings, autoinstall: Mapping[str, Any]) -> None:
    """Two cards that are found by one MAC address: which one gets which name and address is left to chance."""
    holders: dict[str, str] = {}
    for device, path, kind in devices(autoinstall):
        if kind not in _PHYSICAL:
            continue  # a bond or a VLAN may well take the address of a card
        for mac, here in macs(device, path):
            other = holders.setdefault(mac, str(path[-1]))
            if other != path[-1]:
                findings.error("mac-twice", here, f"{mac} is the MAC address of {other!r} too")


def _check_vlans(findings: Findings, autoinstall: Mapping[str, Any]) -> None:
    seen: Counter[tuple[Any, Any]] = Counter()
    for device, path, kind in devices(autoinstall):
        if kind == "vlans" and isinstance(device.get("id"), int) and isinstance(device.get("link"), str):
            seen[device["link"], device["id"]] += 1
            if seen[device["link"], device["id"]] == 2:
                message = f"{device['link']!r} has a VLAN with the id {device['id']} already"
                findings.error("vlan-id-twice", (*path, "id"), message)


def _check_waits(findings: Findings, autoinstall: Mapping[str, Any]) -> None:
    """Cards without a cable that systemd-networkd-wait-online(8) waits for, two minutes at each boot (LP#2063331).

    One card has a cable, and must be waited for: services would start before the network does. So a single card, and a
    pattern that may fit a single card, are left alone.
    """
    cards = [
        (device, path)
        for device, path, kind in devices(autoinstall)
        if kind == "ethernets" and (device.get("dhcp4") in _TRUE or device.get("dhcp6") in _TRUE)
    ]
    waited = [path for device, path in cards if device.get("optional") not in _TRUE]
    if len(waited) > 1:
        message = "without a cable in this second card, each boot takes two minutes longer: add `optional: true`"
        findings.warning("network-may-wait", waited[1], message)


def _check_logs(findings: Findings, autoinstall: Mapping[str, Any]) -> None:
    """Keys of networks that the installer of the base ISO leaves in the logs of the installed system."""
    release = findings.release
    if release is None or KEEPS_SECRETS_FROM_LOGS.holds(release):
        return
    first_boot = mapping(autoinstall.get("user-data"))
    if any(
        "/var/log/installer" in str(command)
        for name in ("bootcmd", "runcmd")
        for command in items(first_boot.get(name))
    ):
        return  # which removes them, or takes them elsewhere
    for device, path, _ in devices(autoinstall):
        for here in _network_keys(device, path):
            message = (
                f"the installer of {release} leaves this in /var/log/installer of the machine (CVE-2025-14551): use a"
                " base ISO of 24.04.5, 26.04 or later, or remove the logs on the first boot, with `runcmd` in user-data"
            )
            findings.warning("secret-in-installer-logs", here, message)
            return


def _network_keys(device: Mapping[str, Any], path: KeyPath) -> Iterator[KeyPath]:
    """The paths of the passwords of a device: for 802.1X, and for Wi-Fi networks."""
    holders: list[tuple[KeyPath, Mapping[str, Any]]] = [(path, device)]
    for name, point in mapping(device.get("access-points")).items():
        holders.append(((*path, "access-points", name), mapping(point)))
    for here, holder in holders:
        auth = mapping(holder.get("auth"))
        yield from ((*here, "auth", key) for key in ("password", "client-key-password") if auth.get(key))
        if len(here) > len(path) and holder.get("password"):
            yield (*here, "password")
