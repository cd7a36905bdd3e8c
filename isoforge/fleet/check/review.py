"""A fleet under review: everything that is wrong with it, in one run, each thing once, where a person wrote it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from isoforge.base_contents import BaseContents
from isoforge.errors import TemplateError
from isoforge.fleet.check import metadata
from isoforge.fleet.check.across_hosts import IN_INVENTORY, FleetEntry, check_fleet, entry_of
from isoforge.fleet.check.engine import check_meta_data, check_user_data, examine
from isoforge.fleet.check.findings import Finding, Findings
from isoforge.fleet.check.host_rules import check_host
from isoforge.fleet.check.machine import machine_of
from isoforge.fleet.check.placement import (
    follows,
    in_meta_data,
    problem_at,
    problem_of,
    spoilt_by,
    usable,
    user_data_template,
)
from isoforge.fleet.inventory.host import Host
from isoforge.fleet.inventory.load import Inventory, revealed
from isoforge.fleet.seed.origins import Origins, origins_of, same_key
from isoforge.fleet.seed.render import Seed, render_seed
from isoforge.fleet.seed.scripts import every_script
from isoforge.fleet.seed.staleness import templates_digest
from isoforge.halves import in_halves
from isoforge.problems import HOST, Problem, Severity, folded, without
from isoforge.release import Release
from isoforge.yaml_limits import KeyPath, load
from isoforge.yaml_reader import Document, read
from isoforge.yaml_tree import HIDDEN, undotted

TEMPLATE_FAILED = "template-failed"

FEWEST_TO_SHARE = 200
"""From so many hosts on the review is shared with a second process: less would not be worth starting it."""

_LOGIN = {"ssh-login-impossible": "login-missing"}
"""Kinds of problems that another one has reported already, for the whole host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What a review has found: ``problems`` in order, and the ``seeds`` of the hosts that could be rendered.

    ``failures`` are the templates' own, which are among the problems too.
    """

    problems: list[Problem]
    seeds: tuple[Seed, ...] = ()
    failures: tuple[TemplateError, ...] = ()


@dataclass(slots=True, kw_only=True)
class _Reviewer:
    """What the review of one host needs to know of the rest."""

    templates: Sequence[Path]
    release: Release | None
    base: BaseContents | None
    guard: bool
    report: bool
    ignored: Collection[str]
    problems: list[Problem] = field(default_factory=list)
    templates_sha256: str = field(init=False)
    scripts: Mapping[str, str] | None = field(init=False)
    seeds: list[Seed] = field(default_factory=list)
    failures: list[TemplateError] = field(default_factory=list)
    entries: list[FleetEntry] = field(default_factory=list)
    origins: tuple[str, Origins] | None = None

    def __post_init__(self) -> None:
        self.templates_sha256 = templates_digest(self.templates)
        try:
            self.scripts = every_script(self.templates)
        except TemplateError:  # each host's own rendering reports it
            self.scripts = None

    def review(self, host: Host, wrong: Sequence[Problem]) -> None:
        """Review ``host``, of whose values ``wrong`` is known already."""
        unread: list[Problem] = []
        host = usable(revealed(host, unread), wrong)
        files = {one.file for one in wrong if one.severity is Severity.ERROR}
        self.problems += [one for one in unread if one.file not in files]  # what is wrong with the file explains it
        spoilt = spoilt_by((*wrong, *unread))
        spoilt |= {path for path, leaf in host.node.leaves() if leaf.value is HIDDEN}
        found = [
            problem_at(host, one)
            for one in check_host(host, release=self.release, base=self.base)
            if not follows(one.id, one.path, spoilt)
        ]
        try:
            seed = render_seed(
                host,
                templates=self.templates,
                release=self.release,
                guard=self.guard,
                report=self.report,
                templates_sha256=self.templates_sha256,
                scripts=self.scripts,
            )
        except TemplateError as failure:
            self.failures.append(failure)
            message = failure.message
            file = user_data_template(self.templates)
            found.append(Problem(id=TEMPLATE_FAILED, file=file, scope=HOST + host.name, message=message))
        else:
            self.seeds.append(replace(seed, document=None))
            reported = {(one.id, undotted(one.key)) for one in found}
            errors = [undotted(one.key) for one in found if one.severity is Severity.ERROR]
            spoilt |= {path for path in errors if path[:1] in (("identity",), ("storage",)) and len(path) > 1}
            found += self.review_seed(host, seed, spoilt, reported)
        ignored = host.values["ignore"]
        self.problems += without(found, {*self.ignored, *(ignored if isinstance(ignored, list) else ())})

    def review_seed(
        self, host: Host, seed: Seed, spoilt: set[KeyPath], reported: set[tuple[str, KeyPath]]
    ) -> Iterator[Problem]:
        """What is wrong with the rendered ``seed``, less what follows from values known to be wrong."""
        findings = Findings(Document(content=seed.document), release=self.release, base=self.base, **machine_of(host))
        examine(findings)
        about = Findings(Document(content=load(seed.meta_data.decode())))
        metadata.check(about)
        self.entries.append(entry_of(host, seed.document or {}, about.document.data))
        found = [self.place(host, seed, one) for one in findings.all]
        found += [in_meta_data(host, one) for one in about.all]
        seen: set[tuple[Any, ...]] = set()
        for one in found:
            path = undotted(one.key)
            again = (one.id, one.file, one.line, one.key, one.message)
            ids = (one.id, _LOGIN.get(one.id))
            known = any(id_ in ids and (id_ != one.id or other[: len(path)] == path) for id_, other in reported)
            if again not in seen and not known and not follows(one.id, path, spoilt):
                yield one
            seen.add(again)

    def place(self, host: Host, seed: Seed, one: Finding) -> Problem:
        """The problem that ``one`` is, a finding in the user-data of ``seed`` or across hosts: where it was written."""
        if one.path == ("instance-id",):
            return in_meta_data(host, one)
        if one.path in IN_INVENTORY:
            return problem_at(host, one)
        if path := same_key(host, seed, one.path):
            return problem_at(host, replace(one, path=path))
        if self.origins is None or self.origins[0] != host.name:
            options: Any = {"templates": self.templates, "release": self.release, "guard": self.guard}
            self.origins = (host.name, origins_of(host, seed, **options, report=self.report))
        path = self.origins[1].of(one.path)
        if path is None:
            return problem_of(one, file=user_data_template(self.templates), line=None, host=host, path=one.path)
        return problem_at(host, replace(one, path=path))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """The review of some hosts: their problems, seeds, failures of templates, and what must not be another host's."""

    problems: list[Problem]
    seeds: list[Seed]
    failures: list[TemplateError]
    entries: list[FleetEntry]


def review_inventory(
    inventory: Inventory,
    hosts: Iterable[Host],
    *,
    templates: Sequence[Path],
    release: Release | None,
    base: BaseContents | None = None,
    guard: bool = True,
    report: bool = True,
    ignored: Collection[str] = (),
) -> Review:
    """Every problem of ``hosts``: of what was written, of the seeds rendered from it in memory, and between hosts.

    A mistake is reported where it was written: file, line and inventory key, also if only the rendered seed shows it;
    what a template made up keeps the seed's path. Warnings with an id among ``ignored``, or in a host's ``ignore``, are
    left out. ``base`` is what the base ISO contains, if it is at hand. Nothing is written, and no part of a secret is
    in a problem. Raises ``ToolError`` if a host has secrets and sops is missing.
    """
    hosts = list(hosts)
    read_problems = inventory.problems_of(hosts)
    known: Any = {"templates": templates, "release": release, "base": base, "guard": guard, "report": report}
    errors = [one for one in read_problems if one.severity is Severity.ERROR]

    def wrong(host: Host) -> Sequence[Problem]:
        return inventory.problems_of([host]) if errors else ()

    def review(some: Sequence[Host]) -> _Part:
        reviewer = _Reviewer(**known, ignored=ignored)
        for host in some:
            reviewer.review(host, wrong(host))
        return _Part(
            problems=reviewer.problems,
            seeds=reviewer.seeds,
            failures=reviewer.failures,
            entries=reviewer.entries,
        )

    parts = in_halves(review, hosts, least=FEWEST_TO_SHARE if not any(host.secret_files for host in hosts) else None)
    problems = without(read_problems, ignored) + [one for part in parts for one in part.problems]
    seeds = {seed.host: seed for part in parts for seed in part.seeds}
    by_name = {host.name: host for host in hosts}
    reviewer = _Reviewer(**known, ignored=ignored)
    for entry, finding in check_fleet(one for part in parts for one in part.entries):
        host, seed = by_name[entry.name], seeds[entry.name]
        host = usable(revealed(host, []), wrong(host))
        problems.append(reviewer.place(host, replace(seed, document=load(seed.user_data.decode())), finding))
    failures = tuple(one for part in parts for one in part.failures)
    return Review(problems=folded(problems), seeds=tuple(seeds.values()), failures=failures)


def review_seeds(
    hosts: Iterable[Host],
    seeds: Iterable[Seed],
    *,
    generated: Path,
    release: Release | None,
    base: BaseContents | None = None,
) -> list[Problem]:
    """Every problem of the ``seeds`` of ``hosts`` as they lie in ``generated``, and between them."""
    problems: list[Problem] = []
    entries, places = [], {}
    for host, seed in zip(hosts, seeds, strict=True):
        file, scope = generated / host.name / "user-data", HOST + host.name
        known: Any = {"release": release, "base": base, **machine_of(host)}
        problems += check_user_data(seed.user_data, file=str(file), scope=scope, **known)
        problems += check_meta_data(seed.meta_data, file=str(file.with_name("meta-data")), scope=scope)
        user_data, meta_data = (
            read(text.decode("utf-8", errors="replace")) for text in (seed.user_data, seed.meta_data)
        )
        entries.append(entry_of(host, user_data.data, meta_data.data))
        places[host.name] = (host, file, user_data)
    for entry, finding in check_fleet(entries):
        host, file, document = places[entry.name]
        if finding.path in IN_INVENTORY:
            problems.append(problem_at(host, finding))
        else:
            file = file.with_name("meta-data") if finding.path == ("instance-id",) else file
            problems.append(
                problem_of(finding, file=str(file), line=document.line(finding.path), host=host, path=finding.path)
            )
    return problems


def review_hosts(
    inventory: Inventory, hosts: Iterable[Host], *, release: Release | None = None, base: BaseContents | None = None
) -> list[Problem]:
    """What is wrong with ``hosts`` themselves, whatever their seeds are."""
    hosts = list(hosts)
    problems = inventory.problems_of(hosts)
    for host in hosts:
        wrong = inventory.problems_of([host]) if problems else []
        spoilt = spoilt_by(wrong)
        own = check_host(usable(host, wrong), release=release, base=base)
        found = [problem_at(host, one) for one in own if not follows(one.id, one.path, spoilt)]
        ignored = host.values["ignore"]
        problems += without(found, ignored if isinstance(ignored, list) else ())
    return folded(problems)


def review_host(host: Host, *, templates: Sequence[Path]) -> list[Problem]:
    """Every problem of one host by itself, as `review_inventory` reports it."""
    known: Any = {"release": None, "base": None, "guard": True, "report": True}
    reviewer = _Reviewer(templates=templates, **known, ignored=(), problems=[])
    reviewer.review(host, ())
    return reviewer.problems
