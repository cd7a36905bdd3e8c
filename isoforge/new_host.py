"""A new host in an inventory that is there: its line in hosts.yml and its own file, both or neither."""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isoforge.atomic import locked, replace_together
from isoforge.errors import InventoryError, OutputError, UsageError
from isoforge.fleet.check.review import review_host
from isoforge.fleet.facts import Facts, host_vars
from isoforge.fleet.inventory.edit_hosts import lines_for, with_host
from isoforge.fleet.inventory.files import TREES, Tree, mapping_of
from isoforge.fleet.inventory.groups import GROUP_NAME
from isoforge.fleet.inventory.load import Host, Inventory, foreseen, survey
from isoforge.fleet.inventory.schema import HOST_NAME
from isoforge.fleet.inventory.validate import check_values
from isoforge.fleet.smbios import both_orders, normalised
from isoforge.iso_layout import DETECT
from isoforge.problems import Problem, did_you_mean, refuse_if_any
from isoforge.templates import render
from isoforge.workspace import Workspace
from isoforge.yaml_reader import read
from isoforge.yaml_tree import Node, Origin, empty, plain, planted

FOUND = ("match", "storage", "network")
"""The keys that facts about a machine may hold; the rest is for people to decide."""

PLACEHOLDER = "REPLACE-{}"
"""What stands for the serial number of a host's disk before somebody knows it: another one for each host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """A host to be added. ``facts`` is YAML as `isoforge discover` prints it, from ``facts_file``.

    ``overlay`` puts it into inventory-local/. ``address`` has its prefix length; with ``facts`` it takes the place of
    their ``dhcp4: true``.
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
class Added:
    """What was written, the host's own file first, and what is still to be done before the host can be installed."""

    files: tuple[Path, ...]
    to_do: tuple[str, ...]


def add_host(baremetal: Path, new: Newcomer) -> Added:
    """Add ``new`` to the inventory in ``baremetal``.

    Raises ``UsageError`` for names and addresses that are none, ``InventoryError`` for a host that is there already, a
    profile that is not, facts that are wrong or another host's, and a hosts.yml that cannot be edited safely (with the
    lines to add); ``OutputError`` if it cannot be written. Nothing has changed then.
    """
    _refuse_words(new)
    tree = Tree(root=baremetal / TREES[new.overlay], problems=[])
    with _alone(baremetal):
        inventory = survey(baremetal)
        about = [one for one in inventory.problems if one.file == str(tree.hosts_file)]
        refuse_if_any(one for one in about if not one.hosts)
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
    created = [f"group {new.group} is new{did_you_mean(new.group, inventory.groups)}"] if is_new else []
    problems = review_host(host, templates=Workspace(baremetal=baremetal).templates)
    return Added(files=(own, tree.hosts_file), to_do=(*created, *(str(problem) for problem in problems)))


def _refuse_words(new: Newcomer) -> None:
    """``UsageError`` that names every word which cannot be meant."""
    wrong = []
    if not re.fullmatch(HOST_NAME, new.name) or new.name == DETECT or "_" in new.name or new.name.endswith(("-", ".")):
        wrong.append(f"{new.name!r} is no name for a host: letters, digits and hyphens, at most 63")
    if new.group and not re.fullmatch(GROUP_NAME, new.group):
        wrong.append(f"{new.group!r} is no name for a group: letters, digits and underscores")
    if new.profile and not re.fullmatch(HOST_NAME, new.profile):
        wrong.append(f"{new.profile!r} is no name of a profile")
    given = f"{new.address} {new.gateway}".strip()
    try:
        interface = ipaddress.ip_interface(new.address) if new.address else None
        gateway = ipaddress.ip_address(new.gateway) if new.gateway else None
        if "%" in given:
            wrong.append(f"{given} names a card after %: leave that out")
        elif gateway is not None and interface is None:
            wrong.append(f"the gateway {gateway} needs an --address beside it")
        elif interface is not None and "/" not in new.address:
            wrong.append(f"{new.address} lacks its prefix length, as in {new.address}/24")
        elif gateway is not None and interface is not None and gateway not in interface.network:
            wrong.append(f"the gateway {gateway} is not in the network of --address {new.address}")
    except ValueError:
        wrong.append(f"{given} is no address: --address 192.0.2.11/24 --gateway 192.0.2.1")
    if wrong:
        raise UsageError("; ".join(wrong))


def _refuse_clashes(baremetal: Path, inventory: Inventory, new: Newcomer) -> None:
    """``InventoryError`` if the host is there already in any way, or its profile is not."""
    for host in inventory.hosts:
        if host.name == new.name:
            raise InventoryError(f"there is a host {new.name} already, in {host.origin}", hint="nothing has changed")
        if host.name.lower() == new.name.lower():
            text = f"{new.name} differs from {host.name} in capitals only"
            raise InventoryError(text, hint="people and file systems take them for the same")
    groups = {"all", "ungrouped", new.group, *inventory.groups}
    if new.name in groups or new.group in [host.name for host in inventory.hosts]:
        name = new.name if new.name in groups else new.group
        raise InventoryError(f"{name} would be both a host and a group", hint="take another name for one of them")
    trees = [Tree(root=baremetal / name, problems=[]) for name in TREES]
    for tree in trees:
        place = tree.names("host_vars").get(new.name)
        if place:
            text = f"{place} is there already, for a host that hosts.yml does not name"
            raise InventoryError(text, hint="move it away, or write the host into hosts.yml")
    profiles = [name for tree in trees for name in tree.names("profiles/hardware")]
    if new.profile and new.profile not in profiles:
        known = f"there are: {', '.join(sorted(set(profiles)))}" if profiles else "there are none"
        raise InventoryError(f"there is no profile {new.profile}{did_you_mean(new.profile, profiles)}", hint=known)


def _host_file(baremetal: Path, new: Newcomer) -> str:
    """The text of the host's main.yml."""
    if new.facts:
        _refuse_facts(new)
        facts = _static(new) if new.address else new.facts
    else:
        said = {"hardware_profile": new.profile} if new.profile else {}
        host = foreseen(baremetal, new.name, group=new.group, values=planted(said, Origin(file="", line=0)))
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


def _refuse_facts(new: Newcomer) -> None:
    """``InventoryError`` with everything that is wrong with the facts."""
    problems: list[Problem] = []
    node = mapping_of(read(new.facts, new.facts_file), new.facts_file, problems)
    if node is not None and node.mapping is not None:
        for key, child in node.mapping.items():
            if key not in FOUND:
                message = f"facts about a machine are {', '.join(FOUND)}: write this into the host's file later"
                line = child.origin.line
                problems.append(Problem(id="key-unknown", file=new.facts_file, line=line, key=key, message=message))
        problems += check_values(node, "facts")
    elif not problems:
        text = "is no YAML as isoforge discover prints it"
        problems.append(Problem(id="wrong-type", file=new.facts_file, message=text))
    refuse_if_any(dict.fromkeys(problems))


def _static(new: Newcomer) -> str:
    """The facts with the static address in place of their one ``dhcp4: true``."""
    lines = new.facts.splitlines()
    places = [number for number, line in enumerate(lines) if re.match(r" +dhcp4: true\b", line)]
    if len(places) != 1:
        raise UsageError(
            f"--address takes the place of one `dhcp4: true`, and the facts have {len(places) or 'none'}",
            hint="write the address into the host's file afterwards",
        )
    before, line, after = lines[: places[0]], lines[places[0]], lines[places[0] + 1 :]
    indent = line[: len(line) - len(line.lstrip(" "))]
    gateway = f'gateway: "{new.gateway}"' if new.gateway else "# gateway: …"
    static = [f'addresses: ["{new.address}"]', gateway, "# nameservers:", "#   addresses: […]"]
    return "\n".join([*before, *(indent + one for one in static), *after]) + "\n"


def _values(text: str, new: Newcomer) -> Node:
    """What the host's file will say; ``InventoryError`` if facts and words together are no file of values."""
    problems: list[Problem] = []
    file = f"host_vars/{new.name}/main.yml"
    node = mapping_of(read(text, file), file, problems)
    refuse_if_any(problems)
    return node if node is not None and node.mapping is not None else empty(Origin(file="", line=0))


def _refuse_twins(inventory: Inventory, new: Host) -> None:
    """``InventoryError`` if another host is already known by the same serial number or UUID, or has the same disk."""
    for host in inventory.hosts:
        for key in ("serial", "uuid"):
            mine, other = getattr(new.match, key), getattr(host.match, key)
            if mine and other and normalised(mine) in both_orders(other):
                raise InventoryError(f"{host.name} is this machine already: match.{key} {other}", hint=str(host.origin))
        mine, other = (_serial(one) for one in (new, host))
        if mine and mine == other:
            raise InventoryError(f"{host.name} has this disk already: storage.disk.serial {other}")


def _serial(host: Host) -> str:
    node = host.node.at(("storage", "disk", "serial"))
    return str(plain(node)) if node is not None else ""


def _hosts_file(file: Path, new: Newcomer) -> str:
    """hosts.yml with the host in it; ``InventoryError`` says what to add where it cannot be edited."""
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            text = stream.read()
    except FileNotFoundError:
        text = "# Machines of your own: hosts that git does not see. The shape is that of ../inventory/hosts.yml.\n"
    except (OSError, UnicodeDecodeError) as failure:
        raise InventoryError(f"{file} cannot be read: {failure}") from failure
    edited = with_host(text, new.name, new.group)
    if edited is None:
        raise InventoryError(
            f"{file} is written in a way that is not edited by program; nothing has changed",
            hint=f"write the host into it yourself: {lines_for(new.name, new.group)}",
        )
    return edited


@contextlib.contextmanager
def _alone(baremetal: Path) -> Iterator[None]:
    """Wait for another process that adds a host, whose line in hosts.yml would be overwritten."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError, OutputError):  # no inventory, as `survey` reports, or no locks
            stack.enter_context(locked(baremetal, wait=True))
        yield
