"""The keys below ``network:``: netplan's own, and two shorthands (``mac``, ``gateway``).

Source of the names: netplan's YAML reference, version 0.104 (Ubuntu 22.04). What is not here goes into the raw
``autoinstall:`` mapping.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Row = tuple[str, str, str, dict[str, Any]]

_MAC = {"form": "a MAC address"}


def _device(name: str) -> Iterator[Row]:
    """What every sort of device may have."""
    yield f"{name}.dhcp4", "BOOLEAN", "get an IPv4 address by DHCP", {}
    yield f"{name}.dhcp6", "BOOLEAN", "get an IPv6 address by DHCP", {}
    yield f"{name}.addresses", "TEXTS", "static addresses, each with its prefix length (192.0.2.11/24)", {}
    yield f"{name}.gateway", "TEXT_OR_TEXTS", "shorthand: default route; one for IPv4, one for IPv6", {}
    yield f"{name}.nameservers", "MAPPING", "DNS", {}
    yield f"{name}.nameservers.addresses", "TEXTS", "DNS servers", {}
    yield f"{name}.nameservers.search", "TEXTS", "search domains", {}
    yield f"{name}.routes", "LIST", "static routes", {}
    yield f"{name}.routes[].to", "TEXT", "destination network, or default", {}
    yield f"{name}.routes[].via", "TEXT", "the router's address", {}
    yield f"{name}.routes[].from", "TEXT", "source address", {}
    yield f"{name}.routes[].metric", "INTEGER", "the lowest metric is preferred", {}
    yield f"{name}.routes[].table", "INTEGER", "routing table", {}
    yield (
        f"{name}.routes[].on-link",
        "BOOLEAN",
        "the router is reachable although no address is in its network",
        {},
    )
    yield f"{name}.routes[].mtu", "INTEGER", "MTU on this route, in bytes", {}
    types = ("unicast", "anycast", "blackhole", "broadcast", "local", "multicast", "nat", "prohibit", "throw",
             "unreachable", "xresolve")  # fmt: skip
    yield f"{name}.routes[].type", "TEXT", "unicast, blackhole, prohibit …", {"form": ", ".join(types)}
    yield f"{name}.routes[].scope", "TEXT", "global, link or host", {"form": ", ".join(("global", "link", "host"))}
    yield f"{name}.routing-policy", "LIST", "source-based routing", {}
    yield f"{name}.routing-policy[].from", "TEXT", "source network", {}
    yield f"{name}.routing-policy[].to", "TEXT", "destination network", {}
    yield f"{name}.routing-policy[].table", "INTEGER", "routing table", {}
    yield f"{name}.routing-policy[].priority", "INTEGER", "rules with a lower number are evaluated first", {}
    yield f"{name}.mtu", "INTEGER", "MTU, in bytes", {}
    yield f"{name}.optional", "BOOLEAN", "do not wait for it at boot, two minutes if it has no cable", {}
    yield f"{name}.accept-ra", "BOOLEAN", "accept IPv6 router advertisements", {}
    yield f"{name}.ipv6-privacy", "BOOLEAN", "temporary IPv6 addresses", {}
    yield f"{name}.link-local", "TEXTS", "ipv4, ipv6, both or none", {"form": "ipv4 or ipv6"}
    yield f"{name}.macaddress", "TEXT", "MAC address to set on the device", _MAC
    yield (
        f"{name}.dhcp-identifier",
        "TEXT",
        "the identifier of the DHCP client",
        {"form": ", ".join(("mac", "duid"))},
    )
    yield f"{name}.critical", "BOOLEAN", "keep its configuration when the network service stops", {}
    for family in ("dhcp4", "dhcp6"):
        over = f"{name}.{family}-overrides"
        yield over, "MAPPING", f"what to use from {family.upper()}", {}
        for flag in ("use-dns", "use-ntp", "use-hostname", "use-mtu", "use-routes", "send-hostname"):
            yield f"{over}.{flag}", "BOOLEAN", flag.replace("-", " "), {}
        yield f"{over}.hostname", "TEXT", "the name to send", {}
        yield f"{over}.use-domains", "ANY", "use search domains: true, false or route", {}
        yield f"{over}.route-metric", "INTEGER", "metric of its routes", {}


def _ethernet(name: str) -> Iterator[Row]:
    yield name, "MAPPING", "a network card, by its name in the live system or, with mac, by a name of your choice", {}
    yield f"{name}.mac", "TEXT", "shorthand: select the card by its MAC address and rename it", _MAC
    yield f"{name}.match", "MAPPING", "select the card by its properties", {}
    yield f"{name}.match.macaddress", "TEXT", "its MAC address", _MAC
    yield f"{name}.match.name", "TEXT", "its current name, a glob", {}
    yield f"{name}.match.driver", "TEXT_OR_TEXTS", "its kernel driver, a glob", {}
    yield f"{name}.set-name", "TEXT", "its new name", {}
    yield f"{name}.wakeonlan", "BOOLEAN", "wake on LAN", {}
    yield from _device(name)


_BOND_MODES = ("balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb")


def _bond(name: str) -> Iterator[Row]:
    yield name, "MAPPING", "several cards combined into one device", {}
    yield f"{name}.interfaces", "TEXTS", "the cards, by their names under ethernets", {}
    yield from _device(name)
    own = f"{name}.parameters"
    yield own, "MAPPING", "how it works", {}
    yield f"{own}.mode", "TEXT", "active-backup, 802.3ad …", {"form": ", ".join(_BOND_MODES)}
    yield f"{own}.lacp-rate", "TEXT", "how often LACP packets are sent", {"form": ", ".join(("slow", "fast"))}
    yield f"{own}.mii-monitor-interval", "INTEGER", "how often the link is checked, in milliseconds", {}
    yield f"{own}.min-links", "INTEGER", "minimum number of links that must be up", {}
    policies = ("layer2", "layer3+4", "layer2+3", "encap2+3", "encap3+4", "vlan+srcmac")
    yield f"{own}.transmit-hash-policy", "TEXT", "how the card is selected for a packet", {"form": ", ".join(policies)}
    yield f"{own}.primary", "TEXT", "the preferred card (active-backup)", {}
    yield f"{own}.up-delay", "INTEGER", "wait before a link counts as up, in milliseconds", {}
    yield f"{own}.down-delay", "INTEGER", "wait before it counts as down, in milliseconds", {}
    when = ("always", "better", "failure")
    yield f"{own}.primary-reselect-policy", "TEXT", "when the primary takes over again", {"form": ", ".join(when)}
    yield (
        f"{own}.fail-over-mac-policy",
        "TEXT",
        "which MAC address the bond uses",
        {"form": ", ".join(("none", "active", "follow"))},
    )


def _vlan(name: str) -> Iterator[Row]:
    yield name, "MAPPING", "a VLAN on top of another device", {}
    yield f"{name}.id", "INTEGER", "the VLAN's number, 1 to 4094", {}
    yield f"{name}.link", "TEXT", "the device below it", {}
    yield from _device(name)


def _bridge(name: str) -> Iterator[Row]:
    yield name, "MAPPING", "a bridge, for virtual machines", {}
    yield f"{name}.interfaces", "TEXTS", "the devices on it", {}
    yield from _device(name)
    yield f"{name}.parameters", "MAPPING", "how it works", {}
    yield f"{name}.parameters.stp", "BOOLEAN", "spanning tree", {}
    yield f"{name}.parameters.priority", "INTEGER", "its priority in the spanning tree", {}
    yield f"{name}.parameters.forward-delay", "INTEGER", "in seconds", {}
    yield f"{name}.parameters.hello-time", "INTEGER", "in seconds", {}
    yield f"{name}.parameters.max-age", "INTEGER", "in seconds", {}
    yield f"{name}.parameters.ageing-time", "INTEGER", "in seconds", {}


def _netplan() -> Iterator[Row]:
    yield "network", "MAPPING", "network configuration in netplan's format (default: DHCP on every card)", {}
    yield "network.ethernets", "MAPPING", "network cards", {}
    yield from _ethernet("network.ethernets.*")
    yield "network.bonds", "MAPPING", "bonds", {}
    yield from _bond("network.bonds.*")
    yield "network.bridges", "MAPPING", "bridges", {}
    yield from _bridge("network.bridges.*")
    yield "network.vlans", "MAPPING", "VLANs", {}
    yield from _vlan("network.vlans.*")


NETPLAN: tuple[Row, ...] = tuple(_netplan())
"""Name, kind, meaning and further fields of each key (`isoforge.fleet.inventory.schema.Key`)."""
