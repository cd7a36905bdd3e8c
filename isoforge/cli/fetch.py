"""The verb that downloads and checks official ISOs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isoforge.cli import logs
from isoforge.cli.options import Json, JsonEvents
from isoforge.cli.progress import progress_bar
from isoforge.cli.tables import print_result
from isoforge.errors import UsageError

if TYPE_CHECKING:
    from isoforge.fetch import OfficialIso

app = typer.Typer()


@app.command()
def fetch(
    release: Annotated[
        str | None,
        typer.Argument(metavar="[RELEASE]", help="Series (24.04: its newest point release) or release (24.04.4)."),
    ] = None,
    arch: Annotated[str, typer.Option("--arch", help="Architecture: amd64, arm64 or arm64+largemem.")] = "amd64",
    desktop: Annotated[bool, typer.Option("--desktop", help="Desktop in place of live-server.")] = False,
    mirror: Annotated[
        str | None,
        typer.Option(
            "--mirror",
            metavar="URL",
            help="Mirror to use: the folder that contains 24.04/ (default: Ubuntu's own servers).",
        ),
    ] = None,
    folder: Annotated[Path, typer.Option("--folder", help="Folder for the ISO.")] = Path("files"),
    verify: Annotated[
        Path | None,
        typer.Option("--verify", metavar="ISO", help="Download nothing; check that this ISO is an official one."),
    ] = None,
    json: Json = False,
    json_events: JsonEvents = False,  # noqa: ARG001 - it acts in its callback
) -> None:
    """Download an official Ubuntu ISO and check it.

    The ISO must have the SHA-256 that Ubuntu's signed list states. A download that was interrupted is continued. An ISO
    that already exists is read and checked, and not downloaded again. The variables https_proxy, http_proxy and
    no_proxy are honoured.

    Example: isoforge fetch 24.04
    """
    from isoforge import fetch as recipe
    from isoforge.official.images import checked_mirror, wanted

    address = checked_mirror(mirror) if mirror is not None else None
    if verify is not None:
        if release is not None or desktop or arch != "amd64":
            raise UsageError("--verify cannot be combined with RELEASE, --arch and --desktop")
        with progress_bar() as progress:
            result = recipe.verify(verify, mirror=address, listen=progress.step)
    elif release is None:
        raise UsageError("Missing argument 'RELEASE'", hint="isoforge fetch --help")
    else:
        order = wanted(release, arch=arch, desktop=desktop)
        with progress_bar() as progress:
            result = recipe.fetch(order, folder=folder, mirror=address, listen=progress.step)
    facts = {**asdict(result), "iso": str(result.iso)}
    logs.report(_summary(result), "fetched", **facts)
    print_result(facts, lambda: typer.echo(result.iso), json=json)


def _summary(result: OfficialIso) -> str:
    """The result for people."""
    lines = [
        f"{'Downloaded and verified' if result.downloaded else 'Verified'} an official ISO:",
        f"  ISO        {result.iso}",
        f"  Size       {result.size} bytes",
        f"  SHA-256    {result.sha256}",
        f"  Listed     as {result.name} in {result.source}",
        f"  Signed by  {result.signed_by}",
    ]
    return "\n".join(lines)
