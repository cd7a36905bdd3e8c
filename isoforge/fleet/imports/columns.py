"""Which column of a table, or variable of another tool, is which key of the inventory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from isoforge.errors import UsageError
from isoforge.fleet.inventory.schema import Kind, find, shape
from isoforge.masking.names import secret_kind
from isoforge.problems import did_you_mean
from isoforge.yaml_limits import KeyPath

CARD = "network.ethernets.lan0"
"""The network card that an imported address is for: "lan0" is a name of ours, its MAC address selects the card."""

NAME, GROUP = "name", "group"
ADDRESS, NETMASK, MAC = "address", "netmask", "mac"

NAMES = ("name", "host", "inventory_hostname", "hostname", "fqdn")
"""The columns that may hold the names of the hosts; the first of them that a table has does."""

COMMON = {
    "address": ADDRESS,
    "asset": "match.asset_tag",
    "asset_tag": "match.asset_tag",
    "authorized_keys": "ssh.authorized_keys",
    "disk": "storage.disk.serial",
    "disk_model": "storage.disk.model",
    "disk_serial": "storage.disk.serial",
    "dns": f"{CARD}.nameservers.addresses",
    "dns_search": f"{CARD}.nameservers.search",
    "dns_servers": f"{CARD}.nameservers.addresses",
    "gateway": f"{CARD}.gateway",
    "group": GROUP,
    "groups": GROUP,
    "ip": ADDRESS,
    "ip_address": ADDRESS,
    "layout": "storage.layout",
    "mac": MAC,
    "mac_address": MAC,
    "memory": "hardware.memory",
    "nameservers": f"{CARD}.nameservers.addresses",
    "netmask": NETMASK,
    "password_hash": "identity.password_hash",
    "prefix": NETMASK,
    "prefix_length": NETMASK,
    "product": "match.product",
    "profile": "hardware_profile",
    "serial": "match.serial",
    "serial_number": "match.serial",
    "service_tag": "match.serial",
    "ssh_keys": "ssh.authorized_keys",
    "subnet_mask": NETMASK,
    "username": "identity.username",
    "uuid": "match.uuid",
}
"""What columns are called in many tables, and the key that each of them is."""

OWN = {
    ADDRESS: f"{CARD}.addresses (with netmask, if it has no /prefix), or dhcp",
    NETMASK: "prefix length or netmask of the address",
    MAC: f"match.mac and, with an address, {CARD}.mac",
    NAME: "the name of the host",
    GROUP: "its groups, separated by blanks, commas, semicolons or |",
}
"""What --column takes beside the keys of the inventory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """``chosen`` is what --column says: the key by column or variable, "" for one to leave out."""

    chosen: dict[str, str]

    def target(self, name: str) -> str | None:
        """The key (or one of `OWN`) that the column ``name`` is; "" if it is to be left out, None if nobody knows."""
        if name in self.chosen:
            return self.chosen[name]
        plain = normal(name)
        if plain in COMMON:
            return COMMON[plain]
        return name if not takes_no_value(name) or name in shape().children else None

    def name_column(self, header: Sequence[str]) -> str | None:
        """The column of ``header`` with the names of the hosts, or None."""
        own = [name for name in header if self.chosen.get(name) == NAME]
        usual = [name for one in NAMES for name in header if normal(name) == one and name not in self.chosen]
        return next(iter([*own, *usual]), None)

    def unknown(self, name: str) -> str:
        """The note that the column or variable ``name`` is not imported."""
        kind = secret_kind(name)
        if kind:
            return f"{name} is not imported: a {kind} belongs into secrets.sops.yaml"
        near = did_you_mean(normal(name), [*COMMON, *shape().children])
        return f"{name} is not imported{near} (--column '{name}=KEY' says what it is)"

    def refuse_absent(self, names: Iterable[str], file: str) -> None:
        """Raise ``UsageError`` if a column of --column is not among ``names``, those of ``file``."""
        names = set(names)
        for name in self.chosen:
            if name not in names:
                raise UsageError(f"--column {name!r}: {file} has no such column or variable{did_you_mean(name, names)}")


def columns_of(options: Iterable[str]) -> Columns:
    """The mapping that the values of --column describe; ``UsageError`` for one that is not ``COLUMN=KEY``."""
    chosen: dict[str, str] = {}
    for option in options:
        name, separator, key = option.rpartition("=")
        name, key = name.strip(), key.strip()
        if not separator or not name:
            raise UsageError(
                f"invalid value {option!r} for --column", hint="expected COLUMN=KEY, as in 'Tag=match.serial'"
            )
        key = COMMON.get(key, key)
        reason = takes_no_value(key) if key and key not in OWN else ""
        if reason:
            raise UsageError(f"--column {option!r}: {reason}", hint="docs/inventory.md lists all keys")
        chosen[name] = key
    return Columns(chosen=chosen)


def path_of(key: str) -> KeyPath:
    """The path of a key as it is written in --column."""
    return tuple(key.split("."))


def takes_no_value(key: str) -> str:
    """Why one value cannot be written at ``key``; "" if it can."""
    path = path_of(key)
    if not all(path) or "*" in path or "[" in key:
        return f"{key!r} is not a key" + (": items of lists cannot be filled from a column" if "[" in key else "")
    at = find(path)
    if at is None:
        return f"unknown key {key!r}{did_you_mean(key, _known_keys())}"
    if at.key.kind in (Kind.MAPPING, Kind.LIST) or (at.key.kind is Kind.ANY_MAPPING and len(path) == 1):
        below = ", ".join(f"{key}.{name}" for name in at.children if name not in ("*", "[]"))
        return f"{key!r} holds several values" + (f": choose one of {below}" if 0 < len(below) < 200 else "")
    return ""


def _known_keys() -> list[str]:
    from isoforge.fleet.inventory.schema import REFERENCE

    return [key.name for key in REFERENCE if "*" not in key.name and "[]" not in key.name]


def normal(name: str) -> str:
    """``Serial Number`` → ``serial_number``."""
    return re.sub(r"[\s.\-/]+", "_", name.strip().lower()).strip("_")
