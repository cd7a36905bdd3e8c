"""A fleet under review: its inventory, the seeds made from it, and what no two hosts may share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from isoforge.errors import InventoryError, TemplateError
from isoforge.fleet.check import check_meta_data, check_user_data
from isoforge.fleet.check.across_hosts import FleetEntry, check_fleet, entry
from isoforge.fleet.inventory.load import Host, Inventory
from isoforge.fleet.seed.render import Seed, render_seed
from isoforge.problems import Problem, Severity
from isoforge.yaml_tree import Path_

_STEP = re.compile(r"\[(\d+)\]|\"([^\"]*)\"|([^.\[\]]+)")


def review_inventory(
    inventory: Inventory, hosts: Iterable[Host], *, templates: Sequence[Path], generated: Path, release: str | None
) -> list[Problem]:
    """Every problem of ``hosts``: of what was written, of the seeds rendered from it in memory, and between hosts.

    Problems of the inventory as a whole are always among them. A host whose values are wrong already is not rendered.
    Nothing is written, and no part of a secret is told.
    """
    problems = list(inventory.problems)
    hosts = list(hosts)
    names = {host.name for host in hosts}
    wrong = {name for one in problems if one.severity is Severity.ERROR for name in one.hosts_among(names)}
    seeds, sound = [], []
    for host in hosts:
        if host.name in wrong:
            continue
        try:
            seeds.append(render_seed(host, templates=templates, release=release))
            sound.append(host)
        except (InventoryError, TemplateError) as failure:
            said = {str(problem) for problem in problems}
            problems += [problem for problem in _told(failure, host) if problem.text not in said]
    return problems + review_seeds(sound, seeds, generated=generated, release=release, rendered=True)


def review_seeds(
    hosts: Iterable[Host], seeds: Iterable[Seed], *, generated: Path, release: str | None, rendered: bool
) -> list[Problem]:
    """Every problem of the ``seeds`` of ``hosts``, and between them; ``release`` is the base ISO's, if it is known.

    A ``rendered`` seed's problem is told where the inventory has the value, if it came from there as it is.
    """
    problems: list[Problem] = []
    fleet: list[FleetEntry] = []
    for host, seed in zip(hosts, seeds, strict=True):
        folder = generated / host.name
        about = f"hosts.{host.name}"
        firmware = {"uefi": "uefi", "bios": "bios"}.get(str(host.values["storage"]["firmware"]))
        found = check_user_data(
            seed.user_data, file=str(folder / "user-data"), address=about, release=release, firmware=firmware
        )
        problems += [_at_home(problem, host) for problem in found] if rendered else found
        problems += check_meta_data(seed.meta_data, file=str(folder / "meta-data"), address=about)
        fleet.append(_entry(host, seed, folder))
    return problems + check_fleet(fleet)


def _entry(host: Host, seed: Seed, folder: Path) -> FleetEntry:
    keys = {
        key: value if isinstance(value, str) else ",".join(sorted(value)) for key, value in asdict(host.match).items()
    }
    return entry(
        name=host.name,
        file=str(folder / "user-data"),
        user_data=seed.user_data.decode("utf-8", errors="replace"),
        meta_data=seed.meta_data.decode("utf-8", errors="replace"),
        match=keys,
    )


def _at_home(problem: Problem, host: Host) -> Problem:
    """``problem`` with the place in the inventory that its value came from, if it stands there under the same keys."""
    path = _path(problem.address.removeprefix(f"hosts.{host.name}."))
    if host.node.at(path[:2]) is None:
        return replace(problem, line=None)
    origin = host.node.nearest(path).origin
    return replace(problem, file=origin.file, line=origin.line or None)


def _path(address: str) -> Path_:
    return tuple(int(item) if item else quoted or key for item, quoted, key in _STEP.findall(address))


def _told(failure: InventoryError | TemplateError, host: Host) -> list[Problem]:
    """What stopped the rendering of ``host``, as problems of it."""
    lines = failure.problems if isinstance(failure, InventoryError) and failure.problems else (str(failure),)
    origin = host.origin
    return [Problem(file=origin.file, line=origin.line, address=f"hosts.{host.name}", text=line) for line in lines]
