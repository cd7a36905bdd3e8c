"""A fleet split into builds, one ISO for each group or host, that a CI system runs in parallel."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from isoforge.errors import InventoryError, UsageError
from isoforge.iso_layout import MAX_NAME_LENGTH

if TYPE_CHECKING:  # the command line offers the formats in its help: what reads YAML is imported later
    from isoforge.fleet.inventory.load import Host, Inventory

GITHUB_JOBS = 256
"""The maximum number of jobs that GitHub generates from one matrix ("Running variations of jobs in a workflow")."""

_UNGROUPED = "ungrouped"


class GroupBy(StrEnum):
    """What gets an ISO of its own."""

    GROUP = "group"
    HOST = "host"


class JobFormat(StrEnum):
    """For which CI system the jobs are written."""

    GITHUB = "github"
    GITLAB = "gitlab"
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One build: the name of its ISO, its hosts, and the options with which ``isoforge multi`` selects just these."""

    name: str
    hosts: tuple[str, ...]
    args: tuple[str, ...]


def split_jobs(
    inventory: Inventory, hosts: Sequence[Host], *, by: GroupBy = GroupBy.GROUP, size: int | None = None
) -> list[Job]:
    """The builds that install ``hosts`` of ``inventory``, each host in exactly one.

    ``by`` group puts a host into the job of its innermost group; ``size`` is the maximum number of hosts in a job.
    Raises ``InventoryError`` if there is no host.
    """
    if not hosts:
        raise InventoryError("no hosts in the inventory", hint=f"add hosts to {inventory.where}")
    sites: dict[str, list[str]] = {}
    for host in hosts:
        sites.setdefault(host.name if by is GroupBy.HOST else host.group, []).append(host.name)
    jobs: list[Job] = []
    used_names: set[str] = set()
    for site, names in sites.items():
        parts = [names[start : start + (size or len(names))] for start in range(0, len(names), size or len(names))]
        for number, part in enumerate(parts, 1):
            name = _unique(f"{site}-{number}" if len(parts) > 1 else site, used_names)
            jobs.append(Job(name=name, hosts=tuple(part), args=tuple(_options(inventory, site, part, by=by))))
    return jobs


def _options(inventory: Inventory, site: str, names: Sequence[str], *, by: GroupBy) -> Iterator[str]:
    """``--group`` where that selects these hosts and no others, otherwise every host by its name."""
    if by is GroupBy.GROUP and site and [host.name for host in inventory.group(site)] == list(names):
        yield from ("--group", site)
    else:
        for name in names:
            yield from ("--host", name)


def _unique(preferred: str, used_names: set[str]) -> str:
    """A valid ISO name close to ``preferred`` that is not in ``used_names``, to which it is added."""
    plain = re.sub(r"^[^A-Za-z0-9]+", "", preferred) or _UNGROUPED
    name, number = plain[:MAX_NAME_LENGTH], 1
    while name.lower() in used_names:
        number += 1
        ending = f".{number}"
        name = plain[: MAX_NAME_LENGTH - len(ending)] + ending
    used_names.add(name.lower())
    return name


def format_jobs(jobs: Sequence[Job], job_format: JobFormat) -> str:
    """The jobs as text in ``job_format``, with a newline at the end.

    Raises ``UsageError`` if there are more than GitHub allows.
    """
    if job_format is JobFormat.GITHUB:
        return _github(jobs)
    if job_format is JobFormat.GITLAB:
        return _gitlab(jobs)
    return json.dumps([asdict(job) for job in jobs], indent=2) + "\n"


def _github(jobs: Sequence[Job]) -> str:
    """One line for ``$GITHUB_OUTPUT`` and ``fromJSON``."""
    if len(jobs) > GITHUB_JOBS:
        raise UsageError(
            f"the plan has {len(jobs)} jobs; GitHub allows at most {GITHUB_JOBS} in a matrix",
            hint="use larger jobs (--by group, --size), or one workflow for each --group",
        )
    rows = [{"name": job.name, "hosts": " ".join(job.hosts), "args": " ".join(job.args)} for job in jobs]
    return json.dumps({"include": rows}, separators=(",", ":")) + "\n"


def _gitlab(jobs: Sequence[Job]) -> str:
    """A child pipeline; each job extends ``.isoforge``, which defines how an ISO is built.

    Separate jobs, not ``parallel: matrix``: that allows 200 of them, and puts every value into a job's name, which
    may have 255 characters (GitLab, "CI/CD YAML syntax reference").
    """
    parts = [f"# {len(jobs)} ISOs; the job .isoforge defines how each is built.\n"]
    for job in jobs:
        values = {"NAME": job.name, "HOSTS": " ".join(job.hosts), "ARGS": " ".join(job.args)}
        lines = [f"    {key}: {json.dumps(value)}\n" for key, value in values.items()]
        parts.append(f"{json.dumps('iso ' + job.name)}:\n  extends: .isoforge\n  variables:\n{''.join(lines)}")
    return "\n".join(parts)
