"""The verb that takes hosts over from another inventory."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isoforge.cli.completion import group_names
from isoforge.cli.options import BAREMETAL, Baremetal, Json
from isoforge.cli.tables import print_result
from isoforge.errors import UsageError
from isoforge.fleet.imports.formats import Format
from isoforge.problems import one_line
from isoforge.regular_file import read_argument

if TYPE_CHECKING:
    from isoforge.import_hosts import Change, ImportResult

app = typer.Typer()

MOST_BYTES = 64 << 20
"""Limit of the inventory that is imported: a larger or endless input is none."""


@app.command("import")
def import_(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Inventory of Ansible, or a CSV; - for stdin.")],
    format_: Annotated[
        Format | None,
        typer.Option(
            "--format", help="Format of FILE; ansible is what ansible-inventory --list prints (default: by its name)."
        ),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            "--column",
            metavar="COLUMN=KEY",
            help="Key of the inventory that a column or variable is; without KEY it is left out. Repeat it for more.",
        ),
    ] = None,
    group: Annotated[
        str,
        typer.Option("--group", autocompletion=group_names, help="Group for all hosts; created if it does not exist."),
    ] = "",
    update: Annotated[bool, typer.Option("--update", help="Also replace values that differ.")] = False,
    overlay: Annotated[bool, typer.Option("--overlay", help="Write to inventory-local/, which git ignores.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and write nothing.")] = False,
    baremetal: Baremetal = BAREMETAL,
    json: Json = False,
) -> None:
    """Import hosts from an Ansible inventory or a CSV.

    Adds new hosts, groups and values, and prints them as a unified diff. Values that differ are shown, and replaced
    only with --update. Secrets are never copied.

    Example: isoforge import racks.csv --column Rack=vars.rack --dry-run
    """
    from isoforge.fleet.imports.columns import columns_of
    from isoforge.fleet.imports.read import read_source
    from isoforge.import_hosts import import_hosts

    columns = columns_of(column or [])
    name = "(stdin)" if file == "-" else file
    source = read_source(_content(file), name, format_, columns)
    result = import_hosts(baremetal, source, columns, group=group, overlay=overlay, update=update, dry_run=dry_run)
    facts = asdict(result) | {
        "files": [str(path) for path in result.files],
        "written": bool(result.files and not dry_run),
    }
    print_result(facts, lambda: _print(result), json=json)
    for line in (*result.secrets, *result.notes):
        typer.echo(f"note: {one_line(line)}", err=True)
    typer.echo(_summary(result, dry_run=dry_run), err=True)


def _content(file: str) -> bytes:
    try:
        content = sys.stdin.buffer.read(MOST_BYTES + 1) if file == "-" else read_argument(Path(file), MOST_BYTES + 1)
    except OSError as failure:
        raise UsageError(f"cannot read {one_line(file)}: {failure.strerror}") from failure
    if len(content) > MOST_BYTES:
        raise UsageError(f"{one_line(file)} is larger than {MOST_BYTES >> 20} MiB")
    return content


def _print(result: ImportResult) -> None:
    typer.echo(one_line(result.diff, keep="\n\t"), nl=False)
    if result.pending:
        typer.echo("# These values differ; --update replaces them:")
        for change in result.changes:
            if change.state == "differs":
                typer.echo(f"# {_line(change)}")
        typer.echo(one_line(result.pending, keep="\n\t"), nl=False)


def _line(change: Change) -> str:
    now = "(secret)" if change.current is None else change.current
    return one_line(f"{change.owner}.{change.key}: {now} ({change.place}) -> {change.imported}")


def _summary(result: ImportResult, *, dry_run: bool) -> str:
    """``2 new hosts, 1 new value, 3 values that differ, 4 unchanged; 5 files written``."""
    states = [change.state for change in result.changes]
    counts = (
        (len(result.hosts), "new host", "new hosts"),
        (states.count("new"), "new value", "new values"),
        (states.count("differs"), "value that differs", "values that differ"),
        (len(result.unchanged), "unchanged", "unchanged"),
    )
    parts = [f"{count} {one if count == 1 else several}" for count, one, several in counts if count]
    files = f"{len(result.files)} file{'s' if len(result.files) != 1 else ''}"
    end = f"{files} would be written (--dry-run)" if dry_run else f"{files} written"
    return f"{', '.join(parts) or 'nothing to import'}; {end}"
