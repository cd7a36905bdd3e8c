"""The verbs that take a built ISO back to the official one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isoforge.cli import logs
from isoforge.cli.options import Json, JsonEvents
from isoforge.cli.progress import progress_bar
from isoforge.cli.tables import print_result

if TYPE_CHECKING:
    from isoforge.restore import Restored

app = typer.Typer()


@app.command()
def restore(
    iso: Annotated[Path, typer.Argument(metavar="ISO", help="ISO built by isoforge, or a stick with one.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="File to write (default: the official ISO's own name)."),
    ] = None,
    json: Json = False,
    json_events: JsonEvents = False,  # noqa: ARG001 - it acts in its callback
) -> None:
    """Extract the official ISO from a built one.

    The result is byte-identical to the ISO that was built on. Its SHA-256 is compared with the manifest.json beside the
    built ISO, and with the lists that Ubuntu has signed, as far as they are at hand. If it differs, nothing is kept.

    Example: isoforge restore ubuntu-autoinstall-prod-2025-03.iso --output ubuntu-24.04-live-server-amd64.iso
    """
    from isoforge.restore import restore as take_out

    with progress_bar() as progress:
        result = take_out(
            iso,
            output,
            lambda done, total: progress.step("writing the official ISO", done, total),
        )
    facts = {
        "iso": str(result.iso),
        "size": result.size,
        "sha256": result.sha256,
        "expected": result.expected,
        "origin": result.origin.origin.value,
        "official_name": result.origin.name or None,
    }
    logs.report(_summary(result), "restored", **facts)
    print_result(facts, lambda: typer.echo(result.iso), json=json)


def _summary(result: Restored) -> str:
    """The result for people."""
    from isoforge.official.origin import description

    known = "as the manifest states" if result.expected else "no manifest beside the ISO states it"
    lines = [
        "Restored the official ISO:",
        f"  ISO        {result.iso}",
        f"  Size       {result.size} bytes",
        f"  SHA-256    {result.sha256} ({known})",
        f"  Origin     {description(result.origin.origin, result.origin.name)}",
    ]
    return "\n".join(lines)
