"""The fleet mustered: hosts chosen, their seeds rendered or read, and everything about them checked."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from isoforge.errors import InventoryError, ToolError
from isoforge.fleet.check import check_meta_data, check_user_data
from isoforge.fleet.check.document import MOST_BYTES
from isoforge.fleet.check.review import review_inventory, review_seeds
from isoforge.fleet.inventory.load import Host, Inventory, load_inventory, survey
from isoforge.fleet.seed.guard import match_pairs
from isoforge.fleet.seed.render import Seed, is_stale, read_seed, render_seed, write_seed
from isoforge.order import Order
from isoforge.problems import Problem, Severity, judged, refuse_if_any
from isoforge.run import run
from isoforge.selection import EVERY_HOST, Selection, refuse_selection
from isoforge.workspace import Workspace

log = logging.getLogger(__name__)


def gen(
    workspace: Workspace,
    selection: Selection,
    *,
    guard: bool = True,
    strict: bool = False,
    forbid_secrets: bool = False,
) -> list[Path]:
    """Render the seeds of the hosts of ``selection`` into ``generated/<host>/`` and return those folders.

    Every host is rendered and checked before the first file is written: an ``InventoryError`` or ``TemplateError``
    leaves what was there. Warnings go to the log.
    """
    refuse_selection(selection)
    hosts = collect_hosts(workspace, selection, strict=strict, forbid_secrets=forbid_secrets)
    generated = workspace.generated
    seeds = [render_seed(host, templates=workspace.templates, guard=guard) for host in hosts]
    problems = review_seeds(hosts, seeds, generated=generated, release=None, rendered=True)
    refuse_problems(problems, strict=strict, forbid_secrets=forbid_secrets)
    return [write_seed(seed, generated) for seed in seeds]


def check(
    workspace: Workspace,
    selection: Selection = EVERY_HOST,
    *,
    release: str | None = None,
    forbid_secrets: bool = False,
) -> list[Problem]:
    """Every problem of the hosts of ``selection``, errors and warnings; nothing is written.

    ``release`` is that of the base ISO which the seeds are meant for. Raises ``InventoryError`` only where there is no
    inventory, or no such host.
    """
    inventory = survey(workspace.baremetal)
    problems = review_inventory(
        inventory,
        chosen_hosts(inventory, selection),
        templates=workspace.templates,
        generated=workspace.generated,
        release=release,
    )
    return judged([*problems, *tracked(workspace.baremetal)], forbid_secrets=forbid_secrets)


def check_files(files: Iterable[Path], *, release: str | None = None, forbid_secrets: bool = False) -> list[Problem]:
    """Every problem of seed files that were written by hand: ``meta-data`` by that name, anything else as user-data."""
    problems: list[Problem] = []
    for file in files:
        try:
            with file.open("rb") as opened:
                content = opened.read(MOST_BYTES + 1)
        except OSError as failure:
            raise InventoryError(f"{file} cannot be read: {failure.strerror}") from failure
        if file.name == "meta-data":
            problems += check_meta_data(content, file=str(file))
        else:
            problems += check_user_data(content, file=str(file), release=release)
    return judged(problems, forbid_secrets=forbid_secrets)


def tracked(baremetal: Path) -> list[Problem]:
    """What git would carry away although it must stay here: files of the overlay, seeds and ISOs."""
    private = ("inventory-local", "autoinstall/generated")
    try:
        listed = run("git", "-C", baremetal, "ls-files", "-z", "--", *private)
    except ToolError:  # no git, or no repository: nothing is tracked
        return []
    text = "is tracked by git: `git rm --cached -- FILE` ends that; change the secrets in it, the history keeps them"
    return [
        Problem(file=str(baremetal / name), address=name, text=text.replace("FILE", str(baremetal / name)))
        for name in listed.split("\0")
        if name
    ]


def refuse_problems(problems: Sequence[Problem], *, strict: bool, forbid_secrets: bool) -> None:
    """Log the warnings among ``problems``, and raise ``InventoryError`` for the errors (all of them, if strict)."""
    problems = judged(problems, forbid_secrets=forbid_secrets)
    for problem in problems:
        if problem.severity is Severity.WARNING and not strict:
            log.warning("%s", problem)
    refuse_if_any(problems, strict=strict)


def collect_hosts(
    workspace: Workspace, selection: Selection, *, strict: bool = False, forbid_secrets: bool = False
) -> tuple[Host, ...]:
    """The hosts of ``selection`` from the inventory; ``InventoryError`` with everything that is wrong."""
    inventory = load_inventory(workspace.baremetal)
    hosts = chosen_hosts(inventory, selection)
    refuse_problems(concerning(hosts, inventory.problems), strict=strict, forbid_secrets=forbid_secrets)
    return hosts


def concerning(hosts: Iterable[Host], problems: Iterable[Problem]) -> list[Problem]:
    """Those of ``problems`` that are about one of ``hosts``, or about no host in particular."""
    names = {host.name for host in hosts}
    return [
        problem for problem in problems if not problem.address.startswith("hosts.") or any(problem.hosts_among(names))
    ]


def chosen_hosts(inventory: Inventory, selection: Selection) -> tuple[Host, ...]:
    """The hosts of ``selection``, each once: by name, by group, or all of them."""
    named = [inventory.host(name) for name in selection.hosts]
    grouped = [host for group in selection.groups for host in inventory.group(group)]
    every = inventory.hosts if selection.all_hosts else ()
    return tuple({host.name: host for host in (*named, *grouped, *every)}.values())


def collect_seeds(order: Order, hosts: tuple[Host, ...], release: str | None) -> tuple[Seed, ...]:
    """The seed of each host, checked: rendered for the base's release (None: not known) and kept, or as it is."""
    templates, generated = order.workspace.templates, order.workspace.generated
    seeds: list[Seed] = []

    def one_by_one() -> Iterator[Seed]:
        for host in hosts:
            if order.render:
                seeds.append(render_seed(host, templates=templates, release=release, guard=order.guard))
            else:
                seeds.append(read_seed(generated, host.name))
            yield seeds[-1]

    # Each is reviewed as soon as it is there, while it is known what its text holds.
    problems = review_seeds(hosts, one_by_one(), generated=generated, release=release, rendered=order.render)
    if not order.render:
        problems += [*stale(order, hosts, release), *unguarded(order, hosts, seeds)]
    refuse_problems(problems, strict=order.strict, forbid_secrets=order.forbid_secrets)
    if order.render:
        for seed in seeds:
            write_seed(seed, generated)
    return tuple(seeds)


def stale(order: Order, hosts: tuple[Host, ...], release: str | None) -> list[Problem]:
    """A warning for each host whose rendered seed is not what would be rendered now."""
    reasons = {
        host.name: is_stale(host, order.workspace.generated, order.workspace.templates, release=release)
        for host in hosts
    }
    return [
        Problem(
            file=str(order.workspace.generated / name / "user-data"),
            address=f"hosts.{name}",
            text=f"{reason}; --render renders it again",
            severity=Severity.WARNING,
        )
        for name, reason in reasons.items()
        if reason
    ]


def unguarded(order: Order, hosts: Iterable[Host], seeds: Iterable[Seed]) -> list[Problem]:
    """A warning for each host with match keys whose seed would install any machine although a guard is wanted."""
    return [
        Problem(
            file=str(order.workspace.generated / host.name / "user-data"),
            address=f"hosts.{host.name}.match",
            text="its seed has no guard and would install any machine; --render renders it again",
            severity=Severity.WARNING,
        )
        for host, seed in zip(hosts, seeds, strict=True)
        if order.guard and match_pairs(host.match) and not seed.guarded
    ]
