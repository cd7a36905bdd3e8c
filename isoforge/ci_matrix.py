"""A fleet split into builds: one ISO for each site, so that a CI system makes them side by side."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from isoforge.errors import InventoryError, UsageError
from isoforge.fleet.inventory.load import Host, Inventory
from isoforge.order import LONGEST_NAME

GITHUB_JOBS = 256
"""The jobs that GitHub makes of one matrix at most ("Running variations of jobs in a workflow")."""

_UNGROUPED = "ungrouped"


class By(StrEnum):
    """What gets an ISO of its own."""

    GROUP = "group"
    HOST = "host"


class Form(StrEnum):
    """Who reads the jobs."""

    GITHUB = "github"
    GITLAB = "gitlab"
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One build: what its ISO is called, its hosts, and the words by which ``isoforge multi`` takes just these."""

    name: str
    hosts: tuple[str, ...]
    args: tuple[str, ...]


def jobs(inventory: Inventory, hosts: Sequence[Host], *, by: By = By.GROUP, size: int | None = None) -> list[Job]:
    """The builds that install ``hosts`` of ``inventory``, each host in exactly one.

    ``by`` group puts a host into the job of its innermost group; ``size`` is how many hosts a job has at most. Raises
    ``InventoryError`` if there is no host.
    """
    if not hosts:
        raise InventoryError("there is no host to build an ISO for", hint=f"hosts are written in {inventory.where}")
    sites: dict[str, list[str]] = {}
    for host in hosts:
        sites.setdefault(host.name if by is By.HOST else host.group, []).append(host.name)
    made: list[Job] = []
    taken: set[str] = set()
    for site, names in sites.items():
        parts = [names[start : start + (size or len(names))] for start in range(0, len(names), size or len(names))]
        for number, part in enumerate(parts, 1):
            name = _free(f"{site}-{number}" if len(parts) > 1 else site, taken)
            made.append(Job(name=name, hosts=tuple(part), args=tuple(_words(inventory, site, part, by=by))))
    return made


def _words(inventory: Inventory, site: str, names: Sequence[str], *, by: By) -> Iterator[str]:
    """``--group`` where that takes these hosts and no others, otherwise every host by its name."""
    if by is By.GROUP and site and [host.name for host in inventory.group(site)] == list(names):
        yield from ("--group", site)
    else:
        for name in names:
            yield from ("--host", name)


def _free(wanted: str, taken: set[str]) -> str:
    """A name for an ISO, near to ``wanted`` and not among those ``taken``, to which it is added."""
    plain = re.sub(r"^[^A-Za-z0-9]+", "", wanted) or _UNGROUPED
    name, number = plain[:LONGEST_NAME], 1
    while name.lower() in taken:
        number += 1
        ending = f".{number}"
        name = plain[: LONGEST_NAME - len(ending)] + ending
    taken.add(name.lower())
    return name


def written(made: Sequence[Job], form: Form) -> str:
    """The jobs as ``form`` reads them, with a newline at the end.

    Raises ``UsageError`` if there are more than GitHub takes.
    """
    if form is Form.GITHUB:
        return _github(made)
    if form is Form.GITLAB:
        return _gitlab(made)
    return json.dumps([asdict(job) for job in made], indent=2) + "\n"


def _github(made: Sequence[Job]) -> str:
    """One line for ``$GITHUB_OUTPUT`` and ``fromJSON``."""
    if len(made) > GITHUB_JOBS:
        raise UsageError(
            f"{len(made)} jobs are more than the {GITHUB_JOBS} that GitHub takes",
            hint="choose sites with --group, and give each its own workflow run; or larger jobs: --by group, --size",
        )
    rows = [{"name": job.name, "hosts": " ".join(job.hosts), "args": " ".join(job.args)} for job in made]
    return json.dumps({"include": rows}, separators=(",", ":")) + "\n"


def _gitlab(made: Sequence[Job]) -> str:
    """A child pipeline; each job extends ``.isoforge``, which says how an ISO is built.

    Jobs of their own, not ``parallel: matrix``: that takes 200 of them, and puts every value into a job's name, which
    may have 255 characters (GitLab, "CI/CD YAML syntax reference").
    """
    parts = [f"# {len(made)} ISOs; .isoforge says how each is built.\n"]
    for job in made:
        values = {"NAME": job.name, "HOSTS": " ".join(job.hosts), "ARGS": " ".join(job.args)}
        lines = [f"    {key}: {json.dumps(value)}\n" for key, value in values.items()]
        parts.append(f"{json.dumps('iso ' + job.name)}:\n  extends: .isoforge\n  variables:\n{''.join(lines)}")
    return "\n".join(parts)
