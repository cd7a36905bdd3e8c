"""A new host in an existing inventory: its line in hosts.yml and its own file, both or neither."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isoforge.atomic import replace_together
from isoforge.errors import InventoryError, OutputError, UsageError
from isoforge.fleet.check.review import review_host
from isoforge.fleet.facts import Facts, host_vars
from isoforge.fleet.inventory.edit_hosts import lines_for, with_host
from isoforge.fleet.inventory.files import TREES, Tree, mapping_of
from isoforge.fleet.inventory.groups import GROUP_NAME
from isoforge.fleet.inventory.load import Host, Inventory, foreseen, survey
from isoforge.fleet.inventory.lock import inventory_lock
from isoforge.fleet.inventory.schema import HOST_NAME
from isoforge.fleet.inventory.validate import check_values
from isoforge.fleet.smbios import both_orders, normalised
from isoforge.iso_layout import DETECT
from isoforge.problems import Problem, did_you_mean, refuse_if_any
from isoforge.regular_file import read_regular
from isoforge.templates import render
from isoforge.workspace import Workspace
from isoforge.yaml_limits import MOST_BYTES
from isoforge.yaml_reader import read
from isoforge.yaml_tree import Node, Origin, empty, plain, planted

FACT_KEYS = ("match", "storage", "hardware", "network")
"""The keys that hardware facts may contain; all other values are the user's to choose."""

PLACEHOLDER = "REPLACE-{}"
"""Stands for the serial number of a host's disk until it is known; different for each host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewHost:
    """A host to add. ``facts`` is YAML as printed by `isoforge discover`, read from ``facts_file``.

    ``overlay`` writes it to inventory-local/. ``address`` includes its prefix length; it replaces the ``dhcp4: true``
    of ``facts``.
    """

    name: str
    profile: str = ""
    group: str = ""
    description: str = ""
    address: str = ""
    gateway: str = ""
    facts: str = ""
    facts_file: str = ""
    overlay: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NewHostResult:
    """The files written, the host's own first, and notes on what is missing before the host can be installed."""

    files: tuple[Path, ...]
    notes: tuple[str, ...]


def add_host(baremetal: Path, new: NewHost) -> NewHostResult:
    """Add ``new`` to the inventory in ``baremetal``.

    Raises ``UsageError`` for invalid names and addresses, ``InventoryError`` for a host that already exists, an unknown
    profile, facts that are invalid or those of another host, and a hosts.yml that cannot be edited safely (with the
    lines to add); ``OutputError`` if it cannot be written. Nothing is changed then.
    """
    _refuse_invalid(new)
    tree = Tree(root=baremetal / TREES[new.overlay], problems=[])
    with inventory_lock(baremetal):
        inventory = survey(baremetal)
        refuse_if_any(one for one in inventory.problems if one.file == str(tree.hosts_file) and not one.hosts)
        _refuse_clashes(baremetal, inventory, new)
        text = _host_file(baremetal, new)
        _refuse_twins(inventory, foreseen(baremetal, new.name, group=new.group, values=_values(text, new)))
        hosts_text = _hosts_file(tree.hosts_file, new)
        own = tree.root / "host_vars" / new.name / "main.yml"
        try:  # a hosts.yml that is a link stays one
            replace_together({own: text.encode(), tree.hosts_file.resolve(): hosts_text.encode()})
        except OutputError as failure:
            raise OutputError(failure.message, hint="nothing was changed") from failure
        host = foreseen(baremetal, new.name, group=new.group, values=empty(Origin(file=str(own), line=0)))
    is_new = new.group and new.group not in inventory.groups
    created = [f"created group {new.group}{did_you_mean(new.group, inventory.groups)}"] if is_new else []
    problems = review_host(host, templates=Workspace(baremetal=baremetal).templates)
    return NewHostResult(files=(own, tree.hosts_file), notes=(*created, *(str(problem) for problem in problems)))


def _refuse_invalid(new: NewHost) -> None:
    """Raise one ``UsageError`` that lists every invalid name and address."""
    wrong = []
    if not re.fullmatch(HOST_NAME, new.name) or new.name == DETECT or "_" in new.name or new.name.endswith(("-", ".")):
        wrong.append(f"invalid host name {new.name!r} (use letters, digits and hyphens, at most 63)")
    if new.group and not re.fullmatch(GROUP_NAME, new.group):
        wrong.append(f"invalid group name {new.group!r} (use letters, digits and underscores)")
    if new.profile and not re.fullmatch(HOST_NAME, new.profile):
        wrong.append(f"invalid profile name {new.profile!r} (use the name of a file in profiles/hardware/)")
    addresses = f"{new.address} {new.gateway}".strip()
    try:
        interface = ipaddress.ip_interface(new.address) if new.address else None
        gateway = ipaddress.ip_address(new.gateway) if new.gateway else None
        if "%" in addresses:
            wrong.append(f"{addresses} contains a zone (%card): remove it")
        elif gateway is not None and interface is None:
            wrong.append(f"--gateway {gateway} needs --address")
        elif interface is not None and "/" not in new.address:
            wrong.append(f"--address {new.address} has no prefix length (for example {new.address}/24)")
        elif gateway is not None and interface is not None and gateway not in interface.network:
            wrong.append(f"--gateway {gateway} is not in the network of --address {new.address}")
    except ValueError:
        wrong.append(f"invalid address: {addresses} (for example --address 192.0.2.11/24 --gateway 192.0.2.1)")
    if wrong:
        raise UsageError("; ".join(wrong))


def _refuse_clashes(baremetal: Path, inventory: Inventory, new: NewHost) -> None:
    """Raise ``InventoryError`` if the host already exists in any way, or its profile does not."""
    for host in inventory.hosts:
        if host.name == new.name:
            raise InventoryError(f"host {new.name} already exists in {host.origin}", hint="choose another name")
        if host.name.lower() == new.name.lower():
            text = f"{new.name} differs from {host.name} in upper and lower case only"
            raise InventoryError(text, hint="choose another name: some file systems treat the two as the same")
    groups = {"all", "ungrouped", new.group, *inventory.groups}
    if new.name in groups or new.group in [host.name for host in inventory.hosts]:
        name = new.name if new.name in groups else new.group
        raise InventoryError(f"{name} would be both a host and a group", hint="choose another name for one of them")
    trees = [Tree(root=baremetal / name, problems=[]) for name in TREES]
    for tree in trees:
        path = tree.names("host_vars").get(new.name)
        if path:
            text = f"{path} already exists, but hosts.yml has no host {new.name}"
            raise InventoryError(text, hint="remove it, or add the host to hosts.yml")
    profiles = [name for tree in trees for name in tree.names("profiles/hardware")]
    if new.profile and new.profile not in profiles:
        known = f"choose from {', '.join(sorted(set(profiles)))}" if profiles else "profiles/hardware/ is empty"
        raise InventoryError(f"unknown profile {new.profile!r}{did_you_mean(new.profile, profiles)}", hint=known)


def _host_file(baremetal: Path, new: NewHost) -> str:
    """The text of the host's main.yml."""
    if new.facts:
        _refuse_facts(new)
        facts = _static(new) if new.address else new.facts
    else:
        own = {"hardware_profile": new.profile} if new.profile else {}
        host = foreseen(baremetal, new.name, group=new.group, values=planted(own, Origin(file="", line=0)))
        has_disk = any(host.node.at(path) for path in (("storage", "disk"), ("storage", "disks")))
        facts = host_vars(
            Facts(),
            placeholder="" if has_disk else PLACEHOLDER.format(new.name),
            address=new.address,
            gateway=new.gateway,
        )
    values: dict[str, Any] = {
        "name": new.name,
        "description": new.description,
        "profile": new.profile,
        "facts": facts if facts.endswith("\n") else facts + "\n",
    }
    return render("init/host.yml.j2", values)


def _refuse_facts(new: NewHost) -> None:
    """Raise one ``InventoryError`` that lists everything that is wrong with the facts."""
    problems: list[Problem] = []
    node = mapping_of(read(new.facts, new.facts_file), new.facts_file, problems)
    if node is not None and node.mapping is not None:
        for key, child in node.mapping.items():
            if key not in FACT_KEYS:
                message = f"hardware facts have {', '.join(FACT_KEYS)} only: move this to the host's file afterwards"
                line = child.origin.line
                problems.append(Problem(id="key-unknown", file=new.facts_file, line=line, key=key, message=message))
        problems += check_values(node, "facts")
    elif not problems:
        text = "must be the output of isoforge discover"
        problems.append(Problem(id="wrong-type", file=new.facts_file, message=text))
    refuse_if_any(dict.fromkeys(problems), subject=f"the facts file {new.facts_file}")


def _static(new: NewHost) -> str:
    """The facts with the static address in place of their one ``dhcp4: true``."""
    lines = new.facts.splitlines()
    positions = [number for number, line in enumerate(lines) if re.match(r" +dhcp4: true\b", line)]
    if len(positions) != 1:
        raise UsageError(
            f"--address replaces one `dhcp4: true`, but the facts have {len(positions) or 'none'}",
            hint="add the address to the host's file afterwards",
        )
    position = positions[0]
    before, line, after = lines[:position], lines[position], lines[position + 1 :]
    indent = line[: len(line) - len(line.lstrip(" "))]
    gateway = f'gateway: "{new.gateway}"' if new.gateway else "# gateway: …"
    static = [f'addresses: ["{new.address}"]', gateway, "# nameservers:", "#   addresses: […]"]
    return "\n".join([*before, *(indent + one for one in static), *after]) + "\n"


def _values(text: str, new: NewHost) -> Node:
    """The values of the host's new file; ``InventoryError`` if facts and options together are not valid YAML."""
    problems: list[Problem] = []
    file = f"host_vars/{new.name}/main.yml"
    node = mapping_of(read(text, file), file, problems)
    refuse_if_any(problems)
    return node if node is not None and node.mapping is not None else empty(Origin(file="", line=0))


def _refuse_twins(inventory: Inventory, new: Host) -> None:
    """Raise ``InventoryError`` if another host has the same serial number, UUID or disk."""
    for host in inventory.hosts:
        for key in ("serial", "uuid"):
            mine, other = getattr(new.match, key), getattr(host.match, key)
            if mine and other and normalised(mine) in both_orders(other):
                raise InventoryError(f"host {host.name} has the same match.{key}: {other}", hint=f"see {host.origin}")
        mine, other = (_serial(one) for one in (new, host))
        if mine and mine == other:
            raise InventoryError(f"host {host.name} has the same disk serial: {other}", hint=f"see {host.origin}")


def _serial(host: Host) -> str:
    node = host.node.at(("storage", "disk", "serial"))
    return str(plain(node)) if node is not None else ""


def _hosts_file(file: Path, new: NewHost) -> str:
    """hosts.yml with the host added; ``InventoryError`` with the lines to add if it cannot be edited."""
    try:
        text = read_regular(file, MOST_BYTES).decode("utf-8")
    except FileNotFoundError:
        text = "# Hosts that git does not track, in the format of ../inventory/hosts.yml.\n"
    except (OSError, UnicodeDecodeError) as failure:
        reason = failure.strerror if isinstance(failure, OSError) else "not valid UTF-8"
        raise InventoryError(f"cannot read {file}: {reason}") from failure
    edited = with_host(text, new.name, new.group)
    if edited is None:
        raise InventoryError(
            f"{file} cannot be edited automatically; nothing was changed",
            hint=f"add the host yourself: {lines_for(new.name, new.group)}",
        )
    return edited
