"""Which key of the `network:` section came with which version of netplan, and which Ubuntu has that version.

Sources: netplan(5) of 0.106, which dates keys; the release notes of 0.107, 1.0 and 1.1; and `netplan generate` of
0.106, which refuses every key below that is newer (a test asks it). Each series of Ubuntu got later versions as
updates, which are on the ISOs of its later point releases.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from isoforge.fleet.check.findings import Findings, items, mapping
from isoforge.fleet.check.installers import Known, Since
from isoforge.yaml_limits import KeyPath

VERSIONS: Mapping[str, Since] = {
    "0.105": Since(first="22.10", perhaps=("22.04.1",), source="packages by series; 22.04 has 0.104"),
    "0.106": Since(first="23.04", perhaps=("22.04.1",), source="packages by series"),
    "0.107": Since(first="23.10", source="packages by series; jammy-updates ends with 0.106.1"),
    "1.0": Since(first="24.04", source="packages by series"),
    "1.1": Since(first="24.10", perhaps=("24.04.1",), source="packages by series; noble-updates has 1.1.2"),
}
"""Version of netplan → the first Ubuntu that has it."""

TYPES: Mapping[str, str] = {"vrfs": "0.105", "dummy-devices": "0.107", "virtual-ethernets": "0.107"}
"""Type of device → the version of netplan that brought it."""

_VXLAN = ("id", "link", "type-of-service", "mac-learning", "ageing", "aging", "limit", "arp-proxy", "notifications",
          "short-circuit", "checksums", "extensions", "port-range", "flow-label", "do-not-fragment")  # fmt: skip

KEYS: Mapping[str, str] = {
    "neigh-suppress": "0.105",
    "hairpin": "1.0",
    "port-mac-learning": "1.0",
    "ra-overrides": "1.1",
}
"""Key of a device of any type → its version."""

KEYS_OF_TYPE: Mapping[str, Mapping[str, str]] = {
    "ethernets": {"infiniband-mode": "0.105"},
    "wifis": {"regulatory-domain": "0.105"},
    "tunnels": dict.fromkeys(_VXLAN, "0.105"),
}
"""Type of device → key of it → its version."""

BOND_PARAMETERS: Mapping[str, str] = {"all-members-active": "0.106", "packets-per-member": "0.106"}
ROUTE_KEYS: Mapping[str, str] = {"advertised-mss": "0.107"}

VALUES: Mapping[str, Mapping[str, str]] = {
    "macaddress": dict.fromkeys(("permanent", "random", "stable", "stable-ssid", "preserve"), "0.107"),
    "mode": {"vxlan": "0.105"},
    "key-management": {"sae": "0.107", "psk-sha256": "0.107", "eap-sha256": "1.0", "eap-suite-b-192": "1.0"},
    "method": {"leap": "1.0", "pwd": "1.0"},
}
"""Key → value of it → its version."""

Use = tuple[KeyPath, str, str]
"""A path in the document, its version of netplan, and what to call it."""


def check(findings: Findings, body: Mapping[str, Any], path: KeyPath) -> None:
    """Report what the netplan of the base ISO's release refuses in the ``body`` of the network, which is at ``path``.

    netplan then refuses all of it: the live system and the installed one would have no network.
    """
    release = findings.release
    if release is None:
        return
    for where, version, what in newer(body, path):
        since = VERSIONS[version]
        known = since.known(release)
        lead = f"{what} needs netplan {version} (Ubuntu {since.first} or later)"
        if known is Known.NO:
            findings.error("network-key-too-new", where, f"{lead}: that of {release} refuses the whole network")
        elif known is Known.MAYBE:
            findings.warning("key-maybe-too-new", where, f"{lead}, which {release} may not have")


def newer(body: Mapping[str, Any], path: KeyPath) -> Iterator[Use]:
    """Everything in ``body`` that netplan 0.104 does not know."""
    for kind, devices in body.items():
        here = (*path, kind)
        if kind in TYPES:
            yield here, TYPES[kind], f"`{kind}`"
        for name, device in mapping(devices).items():
            yield from _of_device(mapping(device), (*here, name), kind)


def _of_device(device: Mapping[str, Any], path: KeyPath, kind: str) -> Iterator[Use]:
    if kind in ("bridges", "bonds") and "parameters" in device:
        yield from _of_keys(mapping(device["parameters"]), (*path, "parameters"), BOND_PARAMETERS)
    is_vxlan = kind == "tunnels" and device.get("mode") == "vxlan"
    if is_vxlan:
        yield (*path, "mode"), VALUES["mode"]["vxlan"], "a tunnel with `mode: vxlan`"
    yield from _of_keys(device, path, {**KEYS, **({} if is_vxlan else KEYS_OF_TYPE.get(kind, {}))})
    for index, route in enumerate(items(device.get("routes"))):
        yield from _of_keys(mapping(route), (*path, "routes", index), ROUTE_KEYS)
    yield from _of_values(device, path, ("macaddress",))
    yield from _of_values(mapping(device.get("auth")), (*path, "auth"), ("key-management", "method"))
    for name, point in mapping(device.get("access-points")).items():
        auth = mapping(mapping(point).get("auth"))
        yield from _of_values(auth, (*path, "access-points", name, "auth"), ("key-management", "method"))


def _of_keys(holder: Mapping[str, Any], path: KeyPath, versions: Mapping[str, str]) -> Iterator[Use]:
    for key in holder:
        if key in versions:
            yield (*path, key), versions[key], f"`{key}`"


def _of_values(holder: Mapping[str, Any], path: KeyPath, keys: tuple[str, ...]) -> Iterator[Use]:
    for key in keys:
        value = holder.get(key)
        if isinstance(value, str) and value in VALUES[key]:
            yield (*path, key), VALUES[key][value], f"`{key}: {value}`"
