"""The fleet collected: hosts selected, their seeds rendered or read, and everything about them checked."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isoforge.base_contents import BaseContents
from isoforge.errors import BaseIsoError, InventoryError, ToolError, UsageError
from isoforge.fleet.check.engine import check_meta_data, check_user_data
from isoforge.fleet.check.review import TEMPLATE_FAILED, review_hosts, review_inventory, review_seeds
from isoforge.fleet.inventory.host import Host
from isoforge.fleet.inventory.load import Inventory, survey
from isoforge.fleet.seed.guard import match_pairs
from isoforge.fleet.seed.render import Seed, is_stale, read_seed, write_seed
from isoforge.image.base import refuse_unless_whole
from isoforge.image.sources import read_release
from isoforge.order import Order, find_base_iso
from isoforge.problems import HOST, Problem, Severity, judged, refuse_if_any, without
from isoforge.regular_file import read_argument
from isoforge.release import Release
from isoforge.run import run
from isoforge.seed_format import has_report
from isoforge.selection import EVERY_HOST, Selection, refuse_selection
from isoforge.workspace import Workspace
from isoforge.yaml_limits import MOST_BYTES

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """The selected hosts, and their inventory."""

    inventory: Inventory
    hosts: tuple[Host, ...]


def gen(
    workspace: Workspace,
    selection: Selection,
    *,
    guard: bool = True,
    report: bool = True,
    strict: bool = False,
    forbid_secrets: bool = False,
) -> list[Path]:
    """Render the seeds of the hosts of ``selection`` into ``generated/<host>/`` and return those folders.

    Every host is rendered and checked before the first file is written: an ``InventoryError`` or ``TemplateError``
    leaves what was there. Warnings go to the log.
    """
    refuse_selection(selection)
    fleet = collect_hosts(workspace, selection)
    seeds = rendered(workspace, fleet, guard=guard, report=report, strict=strict, forbid_secrets=forbid_secrets)
    return [write_seed(seed, workspace.generated) for seed in seeds]


def check(
    workspace: Workspace,
    selection: Selection = EVERY_HOST,
    *,
    release: Release | None = None,
    base: BaseContents | None = None,
    forbid_secrets: bool = False,
    ignored: Collection[str] = (),
) -> list[Problem]:
    """Every problem of the hosts of ``selection``, errors and warnings; nothing is written.

    ``release`` is that of the base ISO which the seeds are for, and ``base`` what it contains, if they are known;
    ``ignored`` are ids of warnings not to report. Raises ``InventoryError`` only where there is no inventory, or no
    such host.
    """
    fleet = collect_hosts(workspace, selection)
    review = review_inventory(
        fleet.inventory, fleet.hosts, templates=workspace.templates, release=release, base=base, ignored=ignored
    )
    return judged([*review.problems, *tracked(workspace.baremetal)], forbid_secrets=forbid_secrets)


def check_files(
    files: Iterable[Path],
    *,
    release: Release | None = None,
    base: BaseContents | None = None,
    forbid_secrets: bool = False,
    ignored: Collection[str] = (),
) -> list[Problem]:
    """Every problem of seed files that were written by hand: ``meta-data`` by that name, anything else as user-data."""
    problems: list[Problem] = []
    for file in files:
        try:
            content = read_argument(file, MOST_BYTES + 1)
        except OSError as failure:
            raise InventoryError(f"cannot read {file}: {failure.strerror}") from failure
        if file.name == "meta-data":
            problems += check_meta_data(content, file=str(file))
        else:
            problems += check_user_data(content, file=str(file), release=release, base=base)
    return judged(without(problems, ignored), forbid_secrets=forbid_secrets)


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseAtHand:
    """What is known of the base ISO that seeds are checked for: its ``release``, and of an ISO its ``contents``."""

    iso: Path | None = None
    release: Release | None = None
    contents: BaseContents | None = None


def base_at_hand(iso: Path | None, release: Release | None) -> BaseAtHand:
    """The base ISO to check seeds for: ``iso``, or the ``release`` alone, or the one ISO in ``files/``, or nothing.

    Raises ``UsageError`` if both are given, ``BaseIsoError`` if ``iso`` cannot be read or is not an ISO of Ubuntu.
    """
    if iso is not None and release is not None:
        raise UsageError("--ubuntu-iso and --release cannot be combined", hint="the ISO contains its release")
    if iso is None and release is not None:
        return BaseAtHand(release=release)
    try:
        found = iso or find_base_iso()
        if iso is not None:
            refuse_unless_whole(iso)
        release, contents = read_release(found)
    except BaseIsoError:
        if iso is not None:
            raise
        return BaseAtHand()
    return BaseAtHand(iso=found, release=release, contents=contents)


def tracked(baremetal: Path) -> list[Problem]:
    """The private files that git would publish: those of the overlay, seeds and ISOs."""
    private = ("inventory-local", "autoinstall/generated")
    try:
        listed = run("git", "-C", baremetal, "ls-files", "-z", "--", *private)
    except ToolError:  # no git, or no repository: nothing is tracked
        return []
    return [_tracked(baremetal / name) for name in listed.split("\0") if name]


def _tracked(path: Path) -> Problem:
    fix = f"run `git rm --cached -- {path}`, and replace the secrets in it: they stay in the history"
    return Problem(id="private-file-tracked", file=str(path), message=f"is tracked by git: {fix}")


def refuse_problems(problems: Sequence[Problem], *, strict: bool, forbid_secrets: bool) -> None:
    """Log the warnings among ``problems``, and raise ``InventoryError`` for the errors (all of them, if strict)."""
    problems = judged(problems, forbid_secrets=forbid_secrets)
    for problem in problems:
        if problem.severity is Severity.WARNING and not strict:
            log.warning("%s", problem)
    refuse_if_any(problems, strict=strict)


def collect_hosts(workspace: Workspace, selection: Selection) -> Fleet:
    """The hosts of ``selection``; ``InventoryError`` if there is no inventory, or no such host or group."""
    inventory = survey(workspace.baremetal)
    return Fleet(inventory=inventory, hosts=chosen_hosts(inventory, selection))


def chosen_hosts(inventory: Inventory, selection: Selection) -> tuple[Host, ...]:
    """The hosts of ``selection``, each once: by name, by group, or all of them."""
    named = [inventory.host(name) for name in selection.hosts]
    grouped = [host for group in selection.groups for host in inventory.group(group)]
    every = inventory.hosts if selection.all_hosts else ()
    return tuple({host.name: host for host in (*named, *grouped, *every)}.values())


def collect_seeds(
    order: Order, fleet: Fleet, release: Release | None, base: BaseContents | None = None
) -> tuple[Seed, ...]:
    """The seed of each host, checked: rendered for the base's release (None: not known) and kept, or as it is.

    Raises ``InventoryError`` with everything that is wrong with hosts and seeds, ``TemplateError`` if that is a
    template's fault alone.
    """
    workspace, strict, forbid_secrets = order.workspace, order.strict, order.forbid_secrets
    if order.render:
        seeds = rendered(
            workspace,
            fleet,
            release=release,
            base=base,
            guard=order.guard,
            report=order.report,
            strict=strict,
            forbid_secrets=forbid_secrets,
        )
        for seed in seeds:
            write_seed(seed, workspace.generated)
        return seeds
    problems = review_hosts(fleet.inventory, fleet.hosts, release=release, base=base)
    refuse_if_any(problems)
    seeds = tuple(read_seed(workspace.generated, host.name) for host in fleet.hosts)
    problems += review_seeds(fleet.hosts, seeds, generated=workspace.generated, release=release, base=base)
    problems += stale(workspace, fleet.hosts, release)
    problems += unguarded(workspace, fleet.hosts, seeds) if order.guard else []
    refuse_problems(problems, strict=strict, forbid_secrets=forbid_secrets)
    return seeds


def rendered(
    workspace: Workspace,
    fleet: Fleet,
    *,
    release: Release | None = None,
    base: BaseContents | None = None,
    guard: bool,
    report: bool,
    strict: bool,
    forbid_secrets: bool,
) -> tuple[Seed, ...]:
    """The seeds of ``fleet``, rendered and checked; raises as `collect_seeds`."""
    known: Any = {"templates": workspace.templates, "release": release, "base": base, "guard": guard, "report": report}
    review = review_inventory(fleet.inventory, fleet.hosts, **known)
    others = [one for one in review.problems if one.id != TEMPLATE_FAILED]
    if review.failures and not any(one.severity is Severity.ERROR for one in others):
        raise review.failures[0]
    refuse_problems(review.problems, strict=strict, forbid_secrets=forbid_secrets)
    return review.seeds


def refuse_unwanted(order: Order, seeds: tuple[Seed, ...]) -> None:
    """Raise ``UsageError`` if the order is for seeds without guards or reports, but a rendered seed has one."""
    unwanted = {
        "guard": [] if order.guard else [seed.host for seed in seeds if seed.guarded],
        "report": [] if order.report else [seed.host for seed in seeds if has_report(seed.user_data)],
    }
    for what, names in unwanted.items():
        if names:
            raise UsageError(
                f"--no-{what}: the rendered seed of {names[0]} contains a {what}",
                hint=f"add --render, or render it again with `isoforge gen --no-{what}`",
            )


def stale(workspace: Workspace, hosts: tuple[Host, ...], release: Release | None) -> list[Problem]:
    """A warning for each host whose rendered seed is not what would be rendered now."""
    reasons = {host.name: is_stale(host, workspace.generated, workspace.templates, release=release) for host in hosts}
    return [
        Problem(
            id="seed-stale",
            file=str(workspace.generated / name / "user-data"),
            scope=HOST + name,
            message=f"{reason}; --render renders it again",
            severity=Severity.WARNING,
        )
        for name, reason in reasons.items()
        if reason
    ]


def unguarded(workspace: Workspace, hosts: Iterable[Host], seeds: Iterable[Seed]) -> list[Problem]:
    """A warning for each host with match keys whose seed has no guard."""
    return [
        Problem(
            id="guard-missing",
            file=str(workspace.generated / host.name / "user-data"),
            scope=HOST + host.name,
            message="the seed has no guard and would install any machine; --render renders it again",
            severity=Severity.WARNING,
        )
        for host, seed in zip(hosts, seeds, strict=True)
        if match_pairs(host.match) and not seed.guarded
    ]
