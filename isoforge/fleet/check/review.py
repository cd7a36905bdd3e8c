"""A fleet under review: everything that is wrong with it, in one run, each thing once, where a person wrote it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
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
from isoforge.fleet.inventory.host import Host, assembled
from isoforge.fleet.inventory.load import Inventory, revealed
from isoforge.fleet.inventory.validate import WRONG_TYPE, check_values
from isoforge.fleet.seed.origins import Origins, origins_of, same_key
from isoforge.fleet.seed.render import Seed, render_seed
from isoforge.fleet.seed.staleness import templates_digest
from isoforge.problems import HOST, Problem, Severity, folded, without
from isoforge.release import Release
from isoforge.yaml_limits import KeyPath, load
from isoforge.yaml_reader import Document, read
from isoforge.yaml_tree import HIDDEN, dotted, undotted
from isoforge.yaml_tree import without as without_value

TEMPLATE_FAILED = "template-failed"

_UNUSABLE = (WRONG_TYPE, "invalid-choice")

_DECISIVE = {("storage", "layout"), ("storage", "firmware")}
"""Values on which it depends what may be written beside them."""

_ABSENCE = ("-missing", "-empty", "-mounted", "-impossible", "disk-any-of-machine", WRONG_TYPE)
"""How the ids of problems end that report something missing, which may be missing because it was invalid."""

_WHOLE_FILE = ("yaml-", "file-unreadable", "encoding-wrong", "ansible-vault", WRONG_TYPE)
"""How the ids of problems begin that, without a key, say that nothing of a file could be read."""

_LOGIN = {"ssh-login-impossible": "login-missing"}
"""Kinds of problems that another one has reported already, for the whole host."""

_META_DATA = {"instance-id": "instance_id", "local-hostname": "hostname"}
"""Key of meta-data → the inventory's."""


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
    ignored: Collection[str]
    problems: list[Problem]
    templates_sha256: str = field(init=False)
    seeds: list[Seed] = field(default_factory=list)
    failures: list[TemplateError] = field(default_factory=list)
    entries: dict[str, FleetEntry] = field(default_factory=dict)
    places: dict[str, Callable[[Finding], Problem]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.templates_sha256 = templates_digest(self.templates)

    def review(self, host: Host, wrong: Sequence[Problem]) -> None:
        """Review ``host``, of whose values ``wrong`` is known already."""
        unread: list[Problem] = []
        host = _usable(revealed(host, unread), wrong)
        files = {one.file for one in wrong if one.severity is Severity.ERROR}
        self.problems += [one for one in unread if one.file not in files]  # what is wrong with the file explains it
        spoilt = _spoilt((*wrong, *unread))
        spoilt |= {path for path, leaf in host.node.leaves() if leaf.value is HIDDEN}
        found = [
            _at(host, one)
            for one in check_host(host, release=self.release, base=self.base)
            if not _follows(one.id, one.path, spoilt)
        ]
        try:
            seed = render_seed(
                host,
                templates=self.templates,
                release=self.release,
                guard=self.guard,
                templates_sha256=self.templates_sha256,
            )
        except TemplateError as failure:
            self.failures.append(failure)
            message = failure.message
            file = _template(self.templates)
            found.append(Problem(id=TEMPLATE_FAILED, file=file, scope=HOST + host.name, message=message))
        else:
            self.seeds.append(seed)
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
        origins: Origins | None = None

        def place(one: Finding, *, in_meta_data: bool = False) -> Problem:
            nonlocal origins
            if in_meta_data or one.path == ("instance-id",):
                return _at(host, replace(one, path=(_META_DATA.get(str(one.path[0]), "hostname"),)))
            if one.path in IN_INVENTORY:
                return _at(host, one)
            if path := same_key(host, seed, one.path):
                return _at(host, replace(one, path=path))
            if origins is None:
                options: Any = {"templates": self.templates, "release": self.release, "guard": self.guard}
                origins = origins_of(host, seed, **options)
            path = origins.of(one.path)
            if path is None:
                return _problem(one, file=_template(self.templates), line=None, host=host, path=one.path)
            return _at(host, replace(one, path=path))

        self.places[host.name] = place
        self.entries[host.name] = entry_of(host, seed.document or {}, about.document.data)
        found = [place(one) for one in findings.all] + [place(one, in_meta_data=True) for one in about.all]
        seen: set[tuple[Any, ...]] = set()
        for one in found:
            path = undotted(one.key)
            again = (one.id, one.file, one.line, one.key, one.message)
            ids = (one.id, _LOGIN.get(one.id))
            known = any(id_ in ids and (id_ != one.id or other[: len(path)] == path) for id_, other in reported)
            if again not in seen and not known and not _follows(one.id, path, spoilt):
                yield one
            seen.add(again)


def review_inventory(
    inventory: Inventory,
    hosts: Iterable[Host],
    *,
    templates: Sequence[Path],
    release: Release | None,
    base: BaseContents | None = None,
    guard: bool = True,
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
    known: Any = {"templates": templates, "release": release, "base": base, "guard": guard}
    reviewer = _Reviewer(**known, ignored=ignored, problems=without(read_problems, ignored))
    errors = [one for one in read_problems if one.severity is Severity.ERROR]
    for host in hosts:
        reviewer.review(host, inventory.problems_of([host]) if errors else ())
    for entry, finding in check_fleet(reviewer.entries.values()):
        reviewer.problems.append(reviewer.places[entry.name](finding))
    return Review(problems=folded(reviewer.problems), seeds=tuple(reviewer.seeds), failures=tuple(reviewer.failures))


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
            problems.append(_at(host, finding))
        else:
            file = file.with_name("meta-data") if finding.path == ("instance-id",) else file
            problems.append(
                _problem(finding, file=str(file), line=document.line(finding.path), host=host, path=finding.path)
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
        spoilt = _spoilt(wrong)
        own = check_host(_usable(host, wrong), release=release, base=base)
        found = [_at(host, one) for one in own if not _follows(one.id, one.path, spoilt)]
        ignored = host.values["ignore"]
        problems += without(found, ignored if isinstance(ignored, list) else ())
    return folded(problems)


def review_host(host: Host, *, templates: Sequence[Path]) -> list[Problem]:
    """Every problem of one host by itself, as `review_inventory` reports it."""
    reviewer = _Reviewer(templates=templates, release=None, base=None, guard=True, ignored=(), problems=[])
    reviewer.review(host, ())
    return reviewer.problems


def _usable(host: Host, wrong: Sequence[Problem]) -> Host:
    """``host`` without the values whose type is wrong, or that no choice has: no template could make use of them."""
    if not any(one.id in _UNUSABLE for one in wrong):
        return host
    node = host.node
    for one in check_values(node, ""):
        if one.id in _UNUSABLE:
            node = without_value(node, undotted(one.key))
    return assembled(replace(host, node=node))


def _spoilt(wrong: Iterable[Problem]) -> set[KeyPath]:
    """The paths of values that are ``wrong``; the empty one stands for a file that could not be read at all."""
    return {undotted(one.key) for one in wrong if one.key or one.id.startswith(_WHOLE_FILE)}


def _follows(id_: str, path: KeyPath, spoilt: Collection[KeyPath]) -> bool:
    """Whether a problem at ``path`` may follow from values that are wrong, or hidden, already: these come first."""
    if any(one and path[: len(one)] == one for one in spoilt):
        return True
    if path[:1] == ("storage",) and len(path) <= 2 and _DECISIVE.intersection(spoilt):
        return not id_.startswith(("secret-", "passphrase-"))
    if id_ in ("login-missing", "login-impossible", "ssh-login-impossible") and any(
        one[:1] == ("ssh",) for one in spoilt
    ):
        return True
    return id_.endswith(_ABSENCE) and any(one[: len(path)] == path or not one for one in spoilt)


def _at(host: Host, one: Finding) -> Problem:
    """The problem at the inventory's path of ``one``."""
    origin = host.where(one.path)
    return _problem(one, file=origin.file, line=origin.line or None, host=host, path=one.path)


def _problem(one: Finding, *, file: str, line: int | None, host: Host, path: KeyPath) -> Problem:
    return Problem(
        id=one.id,
        file=file,
        line=line,
        scope=HOST + host.name,
        key=dotted(path),
        message=one.message,
        severity=one.severity,
        leak=one.leak,
    )


def _template(templates: Sequence[Path]) -> str:
    """The template that a host's user-data is made from."""
    return str(next((path for folder in templates if (path := folder / "user-data.j2").is_file()), "user-data.j2"))
