"""The values of an imported host or group as keys of the inventory."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from isoforge.fleet.imports.columns import ADDRESS, CARD, GROUP, MAC, NAME, NETMASK, Columns, path_of
from isoforge.fleet.imports.source import VAULTED, Entry, Source, place
from isoforge.fleet.inventory.schema import Kind, find
from isoforge.fleet.inventory.validate import check_values
from isoforge.masking.names import secret_kind
from isoforge.masking.tree import found_in
from isoforge.yaml_limits import KeyPath
from isoforge.yaml_tree import Origin, dotted, planted

TRUE, FALSE = ("true", "yes", "on", "y", "1"), ("false", "no", "off", "n", "0")

_BY_LINE = ("ssh.authorized_keys", "kernel_args", "early_commands", "late_commands", "error_commands")
"""Lists whose items may contain blanks and commas: in a cell, each stands on a line of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What is imported of one host or group: ``leaves`` are the values by their paths.

    ``secrets`` are a line for each value that belongs into an encrypted file, ``mistakes`` one for each that cannot be
    used, ``unknown`` the names of the columns or variables that no key is known for.
    """

    leaves: dict[KeyPath, Any]
    secrets: tuple[str, ...] = ()
    mistakes: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def imported(entry: Entry, source: Source, columns: Columns, *, folder: str) -> Imported:
    """The values of ``entry``; ``folder`` is where its encrypted values belong, as in ``host_vars/web-1``.

    No secret is among them: not what Ansible Vault has encrypted, not what is secret by its key, name or form.
    """
    parts = _Parts(leaves={}, special={}, secrets=[], unknown=[])
    mistakes: list[str] = []
    for name, value in entry.values.items():
        target = columns.target(name)
        if target is None:
            parts.unknown.append(name)
        elif target not in ("", NAME, GROUP) and value is not None:
            mistakes += parts.add(name, target, value, folder)
    try:
        typed = {path: _typed(path, value) for path, value in (parts.leaves | _network(parts.special)).items()}
        mistakes += _invalid(typed)
    except ValueError as error:
        typed = {}
        mistakes.append(str(error))
    where = f"{place(source, entry)}: {entry.name}: "
    return Imported(
        leaves=typed,
        secrets=tuple(where + line for line in parts.secrets),
        mistakes=tuple(where + line for line in mistakes),
        unknown=tuple(parts.unknown),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """The values of one host or group as they are sorted."""

    leaves: dict[KeyPath, Any]
    special: dict[str, str]
    secrets: list[str]
    unknown: list[str]

    def add(self, name: str, target: str, value: Any, folder: str) -> Iterator[str]:
        """Sort the column or variable ``name``, which is the key ``target``; yields what is wrong with it."""
        is_special = target in (ADDRESS, NETMASK, MAC)
        for path, leaf in _leaves(path_of(target), value).items():
            kind = _secret_kind(name if not isinstance(value, dict) else "", path, leaf)
            key = name if not isinstance(value, dict) else dotted(path)
            if kind:
                what = "is encrypted with Ansible Vault" if kind == _VAULT else f"is or holds a {kind}"
                self.secrets.append(f"{key} {what}: put it into {folder}/secrets.sops.yaml")
            elif any(isinstance(text, str) and "{{" in text for text in _walk(leaf)):
                yield f"{key} is a template of Ansible: leave it out (--column '{name}=')"
            elif is_special:
                self.special[target] = str(leaf).strip()
            else:
                self.leaves[path] = leaf


def tree_of(leaves: dict[KeyPath, Any]) -> dict[str, Any]:
    """The mapping in which each value is at its path; ``ValueError`` if one is at a path and another below it."""
    tree: dict[str, Any] = {}
    for path, value in leaves.items():
        at: Any = tree
        for step in path[:-1]:
            if not isinstance(at.setdefault(str(step), {}), dict):
                raise _conflict(path)
            at = at[str(step)]
        if isinstance(at.get(str(path[-1])), dict):
            raise _conflict(path)
        at[str(path[-1])] = value
    return tree


def _conflict(path: KeyPath) -> ValueError:
    return ValueError(f"{dotted(path)}: there is a value above or below it, too")


_VAULT = "vault"


def _secret_kind(name: str, path: KeyPath, value: Any) -> str:
    """What kind of secret ``value`` is or holds, which ``name`` and ``path`` may say; "" if it is not a secret."""
    if any(leaf is VAULTED for leaf in _walk(value)):
        return _VAULT
    at = find(path)
    if at is not None and at.key.secret:
        return secret_kind(str(path[-1])) or "secret"
    by_name = secret_kind(name) or secret_kind(str(path[-1]))
    if by_name and isinstance(value, str | int | float) and not isinstance(value, bool):
        return by_name
    return next((found.kind for found in found_in({str(path[-1]): value})), "")


def _walk(value: Any) -> Iterator[Any]:
    """``value`` and every value in it."""
    yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _walk(child)


def _leaves(path: KeyPath, value: Any) -> dict[KeyPath, Any]:
    """``value`` by paths: mappings are taken apart as far as the inventory knows their keys, lists are one value."""
    if not isinstance(value, dict) or not value:
        return {path: value}
    return {below: leaf for key, child in value.items() for below, leaf in _leaves((*path, str(key)), child).items()}


def _network(special: dict[str, str]) -> dict[KeyPath, Any]:
    """The values for address, netmask and MAC address; ``ValueError`` with the reason if they are none."""
    leaves: dict[KeyPath, Any] = {}
    address, netmask, mac = (special.get(name, "") for name in (ADDRESS, NETMASK, MAC))
    if netmask and not address:
        raise ValueError("has a netmask, but no address")
    if address.lower() == "dhcp":
        leaves[path_of(f"{CARD}.dhcp4")] = True
    elif address:
        leaves[path_of(f"{CARD}.addresses")] = [_with_prefix(address, netmask)]
    if mac:
        leaves[("match", "mac")] = _mac(mac)
        if address:
            leaves[path_of(f"{CARD}.mac")] = _mac(mac)
    return leaves


def _with_prefix(address: str, netmask: str) -> str:
    """``192.0.2.11/24``."""
    if "/" in address:
        text = address
    elif netmask:
        text = f"{address}/{netmask.lstrip('/')}"
    else:
        raise ValueError(f"the address {address} has no prefix length (write {address}/24, or add a column netmask)")
    try:
        interface = ipaddress.ip_interface(text)
    except ValueError:
        raise ValueError(f"invalid address {text!r}") from None
    return interface.with_prefixlen


def _mac(text: str) -> str:
    """A MAC address as Linux writes it, from ``00-00-5E-00-53-01``, ``0000.5e00.5301`` or ``00005e005301``."""
    digits = re.sub(r"[-:.\s]", "", text).lower()
    if not re.fullmatch(r"[0-9a-f]{12}", digits):
        raise ValueError(f"invalid MAC address {text!r}")
    return ":".join(re.findall("..", digits))


def _typed(path: KeyPath, value: Any) -> Any:
    """``value`` as the key at ``path`` takes it, where it is only written in another way."""
    at = find(path)
    if at is None:
        return value
    kind = at.key.kind
    if isinstance(value, int | float) and not isinstance(value, bool) and kind in (Kind.TEXT, Kind.TEXT_OR_TEXTS):
        return str(value)
    if not isinstance(value, str):
        return value
    text = value.strip()
    if kind in (Kind.TEXTS, Kind.TEXT_OR_TEXTS, Kind.COMMANDS):
        pattern = r"\s*\n\s*" if dotted(path) in _BY_LINE else r"[\s,;]+"
        items = [item for item in re.split(pattern, text) if item]
        return items[0] if kind is Kind.TEXT_OR_TEXTS and len(items) == 1 else items
    if kind is Kind.BOOLEAN and text.lower() in (*TRUE, *FALSE):
        return text.lower() in TRUE
    if kind is Kind.INTEGER and re.fullmatch(r"-?[0-9]{1,18}", text):
        return int(text)
    if kind is Kind.SIZE:
        size = re.fullmatch(r"([0-9.]+)\s*([KMGTkmgt])?i?[Bb]?", text)
        return int(text) if text.isdigit() else f"{size[1]}{(size[2] or '').upper()}" if size else text
    return text


def _invalid(leaves: dict[KeyPath, Any]) -> Iterator[str]:
    """A line for each value that the inventory would not take."""
    for problem in check_values(planted(tree_of(leaves), Origin(file="", line=0)), ""):
        yield f"{problem.key}: {problem.message}"
