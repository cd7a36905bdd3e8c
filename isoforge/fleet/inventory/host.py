"""One host: what the rest of isoforge asks about it, and the tree of values it is made from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from isoforge.fleet.inventory.schema import filled, find, shape
from isoforge.yaml_limits import KeyPath
from isoforge.yaml_tree import Node, Origin, dotted, plain


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchKeys:
    """What tells one machine from all others: SMBIOS texts and MAC addresses; empty where nothing was written."""

    serial: str = ""
    uuid: str = ""
    product: str = ""
    asset_tag: str = ""
    baseboard_serial: str = ""
    mac: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One host of the inventory.

    ``groups`` are all its groups but ``all``, a parent before its children; ``group`` is the innermost ("" without
    one). ``address`` is the first static address without its prefix length, "dhcp", or "" if nothing was written.
    ``values`` is what templates see: every key of the reference, defaults filled in, None where there is none.
    ``kernel_args`` are the words before the ``---`` of the kernel line, ``target_kernel_args`` those behind it.
    Encrypted values are not in it before `revealed` has put them there. Neither they nor any other secret is part
    of the repr. ``node`` is the same with the place of each value, without defaults.
    """

    name: str
    description: str
    group: str
    groups: tuple[str, ...]
    profile: str
    address: str
    match: MatchKeys
    kernel: str
    kernel_args: tuple[str, ...]
    origin: Origin
    target_kernel_args: tuple[str, ...] = ()
    serial_console: str = ""
    menu_title: str = ""
    menu_order: int = 0
    secret_files: tuple[Path, ...] = ()
    is_revealed: bool = False
    values: Mapping[str, Any] = field(repr=False)
    node: Node = field(repr=False)

    def where(self, path: KeyPath = ()) -> Origin:
        """The file and line of the value at ``path``, or of the nearest one above it that was written."""
        nearest = self.node.nearest(path)
        return self.origin if nearest is self.node else nearest.origin

    def secret_paths(self) -> frozenset[str]:
        """The dotted keys whose values must not be shown."""
        return frozenset(dotted(path) for path, leaf in self.node.leaves() if is_secret(path, leaf))


def is_secret(path: KeyPath, node: Node) -> bool:
    """Whether the value at ``path`` is one not to be shown: it was encrypted, or its key says so."""
    at = find(path)
    return node.secret or (at is not None and at.key.secret)


def assembled(host: Host) -> Host:
    """The host with the fields that follow from its node."""
    values = filled(plain(host.node), shape())
    match = values["match"] if isinstance(values["match"], dict) else {}
    texts = {key: value for key, value in match.items() if key != "mac" and isinstance(value, str)}
    mac = match.get("mac")
    macs = [mac] if isinstance(mac, str) else mac if isinstance(mac, list) else []
    console = _text(values["serial_console"])
    menu = values["menu"] if isinstance(values["menu"], dict) else {}
    order = menu.get("order")
    flags = [word for key, word in _FLAGS.items() if values[key] is True]
    return replace(
        host,
        description=_text(values["description"]),
        profile=_text(values["hardware_profile"]),
        address=_address(values["network"]),
        match=MatchKeys(**texts, mac=tuple(one for one in macs if isinstance(one, str))),
        kernel=_text(values["kernel"]),
        kernel_args=tuple(dict.fromkeys([*_texts(values["kernel_args"]), *flags])),
        target_kernel_args=tuple(_texts(values["target_kernel_args"])),
        serial_console=console,
        menu_title=_text(menu.get("title")),
        menu_order=order if isinstance(order, int) else 0,
        values=MappingProxyType(values),
    )


_FLAGS = {"safe_graphics": "nomodeset", "toram": "toram"}
"""Keys that stand for a word of the live system's kernel line."""


def _texts(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _address(network: Any) -> str:
    """The first static address in the order of netplan's sections, "dhcp", or ""."""
    fallback = ""
    if not isinstance(network, dict):
        return fallback
    for section in ("ethernets", "bonds", "bridges", "vlans"):
        devices = network.get(section)
        for device in devices.values() if isinstance(devices, dict) else ():
            if not isinstance(device, dict):
                continue
            addresses = device.get("addresses")
            if isinstance(addresses, list) and addresses and isinstance(addresses[0], str):
                return re.sub(r"/.*", "", addresses[0])
            if device.get("dhcp4") or device.get("dhcp6"):
                fallback = "dhcp"
    return fallback
