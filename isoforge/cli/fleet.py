"""The verbs that read the inventory."""

from __future__ import annotations

import json as json_format
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isoforge.ci_matrix import GroupBy, JobFormat
from isoforge.cli.completion import host_names
from isoforge.cli.options import (
    BAREMETAL,
    AllHosts,
    Baremetal,
    ForbidSecrets,
    Groups,
    Hosts,
    Json,
    NoGuard,
    NoReport,
    Strict,
)
from isoforge.cli.tables import print_result, print_table
from isoforge.errors import UsageError

if TYPE_CHECKING:
    from isoforge.fleet.inventory.load import Host
    from isoforge.release import Release
    from isoforge.selection import Selection

app = typer.Typer()


@app.command()
@app.command("render", hidden=True)
def gen(
    host: Hosts = None,
    group: Groups = None,
    all_hosts: AllHosts = False,
    strict: Strict = False,
    forbid_secrets: ForbidSecrets = False,
    no_guard: NoGuard = False,
    no_report: NoReport = False,
    baremetal: Baremetal = BAREMETAL,
) -> None:
    """Render the seeds of hosts.

    Writes user-data, meta-data and vendor-data to baremetal/autoinstall/generated/HOST/.

    Example: isoforge gen --host site-a-m710q1
    """
    from isoforge.forge import gen as forge_gen
    from isoforge.selection import Selection
    from isoforge.workspace import Workspace

    folders = forge_gen(
        Workspace(baremetal=baremetal),
        Selection(hosts=tuple(host or ()), groups=tuple(group or ()), all_hosts=all_hosts),
        guard=not no_guard,
        report=not no_report,
        strict=strict,
        forbid_secrets=forbid_secrets,
    )
    for folder in folders:
        typer.echo(folder)


@app.command()
def check(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE]...", help="Seeds written by hand, in place of the inventory.")
    ] = None,
    host: Hosts = None,
    group: Groups = None,
    all_hosts: AllHosts = False,
    ubuntu_iso: Annotated[
        Path | None,
        typer.Option(
            "--ubuntu-iso", metavar="ISO", help="Base ISO to check for (default: the one Ubuntu ISO in files/, if any)."
        ),
    ] = None,
    release: Annotated[
        str | None,
        typer.Option("--release", metavar="RELEASE", help="Release of the base ISO, for example 24.04 or 24.04.2."),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option("--ignore", metavar="ID", help="Do not report warnings with this id; repeat it for more."),
    ] = None,
    strict: Strict = False,
    forbid_secrets: ForbidSecrets = False,
    baremetal: Baremetal = BAREMETAL,
    json: Json = False,
) -> None:
    """Check the inventory, secrets and seeds.

    Reports every problem in one run, with file, line and key; exit code 3 if there is an error.

    Without --host, --group or FILE all hosts are checked. What the base ISO contains is used if it is at hand.
    docs/problems.md lists all ids.
    Example: isoforge check --strict
    """
    from isoforge.forge import base_at_hand, check_files
    from isoforge.forge import check as forge_check
    from isoforge.problems import counted, refuse_if_any
    from isoforge.workspace import Workspace

    base = base_at_hand(ubuntu_iso, _release(release))
    known: Any = {"release": base.release, "base": base.contents}
    ignored = _ignorable(ignore or [])
    if files:
        problems = check_files(files, **known, forbid_secrets=forbid_secrets, ignored=ignored)
    else:
        selection = _selection_or_all(host, group, all_hosts=all_hosts)
        problems = forge_check(
            Workspace(baremetal=baremetal), selection, **known, forbid_secrets=forbid_secrets, ignored=ignored
        )
    if json:
        typer.echo(json_format.dumps([asdict(problem) for problem in problems], indent=2, ensure_ascii=False))
    for problem in problems if not json else ():
        typer.echo(problem)
    if not json and ubuntu_iso is None and base.iso is not None:
        typer.echo(f"Checked for Ubuntu {base.release}, the release of {base.iso}.", err=True)
    refuse_if_any(problems, strict=strict, listed=False)
    if not json:
        typer.echo(f"No errors, {counted(problems)}." if problems else "No problems found.", err=True)


def _release(text: str | None) -> Release | None:
    from isoforge.release import Release

    release = Release.of(text)
    if text is not None and release is None:
        raise UsageError(f"invalid value {text!r} for --release", hint="a release of Ubuntu, such as 24.04 or 24.04.2")
    return release


def _ignorable(ids: list[str]) -> list[str]:
    from isoforge.fleet.check.catalogue import ignorable, kinds
    from isoforge.problems import did_you_mean

    for id_ in ids:
        if id_ not in kinds():
            near = did_you_mean(id_, kinds())
            raise UsageError(f"unknown problem id {id_!r} for --ignore{near}", hint="docs/problems.md lists all ids")
        if id_ not in ignorable():
            raise UsageError(f"{id_!r} is an error: --ignore is for warnings only")
    return ids


def _selection_or_all(host: list[str] | None, group: list[str] | None, *, all_hosts: bool = False) -> Selection:
    """What --host, --group and --all select; all hosts without any of them."""
    from isoforge.selection import EVERY_HOST, Selection

    selection = Selection(hosts=tuple(host or ()), groups=tuple(group or ()), all_hosts=all_hosts)
    return EVERY_HOST if selection.is_empty else selection


@app.command()
@app.command("list-hosts", hidden=True)
def hosts(
    host: Annotated[
        str | None, typer.Argument(metavar="[HOST]", autocompletion=host_names, help="One host (default: all).")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show the file and line of each value of HOST.")] = False,
    baremetal: Baremetal = BAREMETAL,
    json: Json = False,
) -> None:
    """List the hosts of the inventory.

    Shows group, profile, address, match keys, and whether the seed is rendered.

    Example: isoforge hosts site-a-m710q1 --explain
    """
    from isoforge.fleet.inventory.load import load_inventory
    from isoforge.workspace import Workspace

    if explain and host is None:
        raise UsageError("--explain needs a host", hint="use: isoforge hosts HOST --explain")
    generated = Workspace(baremetal=baremetal).generated
    inventory = load_inventory(baremetal)
    chosen = inventory.hosts if host is None else (inventory.host(host),)
    if explain:
        _explain(chosen[0], json=json)
        return
    rows = [{**_facts(known), "rendered": (generated / known.name / "user-data").is_file()} for known in chosen]
    print_result(rows, lambda: _print_hosts(rows), json=json)


@app.command()
def plan(
    job_format: Annotated[
        JobFormat, typer.Option("--format", help="github: one line for a matrix; gitlab: a child pipeline.")
    ] = JobFormat.JSON,
    by: Annotated[
        GroupBy, typer.Option("--by", help="Build one ISO for each group, or for each host.")
    ] = GroupBy.GROUP,
    size: Annotated[
        int | None,
        typer.Option("--size", min=1, metavar="N", help="Maximum number of hosts on one ISO (default: no limit)."),
    ] = None,
    host: Hosts = None,
    group: Groups = None,
    baremetal: Baremetal = BAREMETAL,
) -> None:
    """Split the fleet into builds for a CI system.

    Prints one build for each group, with the arguments that multi needs. Without --host and --group, the builds cover
    all hosts.

    Example: isoforge plan --format github --size 50
    """
    from isoforge.ci_matrix import format_jobs, split_jobs
    from isoforge.collect import chosen_hosts
    from isoforge.fleet.inventory.load import load_inventory

    inventory = load_inventory(baremetal)
    chosen = chosen_hosts(inventory, _selection_or_all(host, group))
    typer.echo(format_jobs(split_jobs(inventory, chosen, by=by, size=size), job_format), nl=False)


def _explain(host: Host, *, json: bool) -> None:
    from isoforge.fleet.inventory.explain import explain

    rows = explain(host)
    facts = [{"key": key, "value": value, "origin": origin} for key, value, origin in rows]
    print_result(facts, lambda: print_table(("key", "value", "origin"), rows), json=json)


def _facts(host: Host) -> dict[str, object]:
    match = {key: value for key, value in asdict(host.match).items() if value}
    return {
        "name": host.name,
        "description": host.description,
        "group": host.group,
        "profile": host.profile,
        "address": host.address,
        "match": match,
    }


def _print_hosts(rows: list[dict[str, object]]) -> None:
    cells = []
    for row in rows:
        match = row["match"]
        keys = [f"{key} {_listed(value)}" for key, value in match.items()] if isinstance(match, dict) else []
        seed = "rendered" if row["rendered"] else ""
        cells.append((row["name"], row["group"], row["profile"], row["address"], "\n".join(keys), seed))
    print_table(("host", "group", "profile", "address", "match keys", "seed"), cells)


def _listed(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
