"""The verb that receives reports and shows the fleet."""

from __future__ import annotations

import json as json_format
import resource
import ssl
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isoforge.cli import logs
from isoforge.cli.options import BAREMETAL, Baremetal, Json
from isoforge.cli.tables import print_table
from isoforge.errors import OutputError, UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from isoforge.reports.store import HostState, Store

app = typer.Typer()

STYLES = {"failed": "bold red", "unknown": "bold red", "installing": "blue", "installed": "green", "waiting": "dim"}
HEADINGS = ("host", "state", "details", "build")


@app.command()
def collect(
    manifests: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[MANIFEST]...", help="manifest.json of each build (default: all below --baremetal)."),
    ] = None,
    listen: Annotated[
        str, typer.Option("--listen", metavar="ADDRESS:PORT", help="Where to receive reports.")
    ] = "0.0.0.0:8480",
    certificate: Annotated[
        Path | None, typer.Option("--tls-certificate", metavar="FILE", help="Certificate (PEM), for https.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option("--tls-key", metavar="FILE", help="Its private key, if it is in another file.")
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="DIR", help="Import the reports of a stick that is mounted there, and end."),
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Show what was received until now, and end.")] = False,
    store_file: Annotated[
        Path | None,
        typer.Option("--store", metavar="FILE", help="Where reports are kept (default: below --baremetal)."),
    ] = None,
    no_page: Annotated[bool, typer.Option("--no-page", help="Do not offer the web page.")] = False,
    baremetal: Baremetal = BAREMETAL,
    json: Json = False,
) -> None:
    """Receive reports and show which hosts are done.

    The state of each host is shown in the terminal, and on a web page at the same address: waiting, installing,
    installed or failed. Press Ctrl-C to end; nothing is lost, and the next start continues. With --json, the state is
    printed and nothing is received.

    Example: isoforge collect --listen 192.0.2.10:8480
    """
    from isoforge.reports.sources import builds_of, reports_in
    from isoforge.reports.store import Store
    from isoforge.workspace import Workspace

    workspace = Workspace(baremetal=baremetal)
    address, port = _address(listen)
    tls = _tls(certificate, key)
    builds = builds_of(manifests or (), workspace)
    reports, faults = reports_in(source) if source else ([], [])
    store = Store(store_file or workspace.generated / "_collect" / "reports.sqlite", builds)
    try:
        if source:
            added = store.add([(report, report.time or time.time()) for report in reports])
            for fault in faults:
                logs.report(f"warning: {fault}", "warning")
            logs.report(f"{sum(added)} new reports of {len(added)} in {source}", "imported", new=sum(added))
        if source or show or json:
            _print(store.fleet(), json=json)
        else:
            import asyncio

            asyncio.run(_receive(store, address=address, port=port, tls=tls, with_page=not no_page))
    finally:
        store.close()


async def _receive(store: Store, *, address: str, port: int, tls: ssl.SSLContext | None, with_page: bool) -> None:
    from isoforge.reports.server import receiving

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        async with receiving(store, address=address, port=port, tls=tls, with_page=with_page) as actual:
            scheme = "https" if tls else "http"
            host = f"[{address}]" if ":" in address else address
            logs.report(f"Receiving at {scheme}://{host}:{actual}/", "receiving", port=actual)
            await (_live(store) if sys.stdout.isatty() else _lines(store))
    except OSError as failure:
        raise OutputError(f"cannot listen at {address}:{port}: {failure.strerror}") from failure


async def _live(store: Store) -> None:
    """Show the fleet as a table that changes in place."""
    from asyncio import sleep

    from rich.live import Live

    with Live(_table(store.fleet()), auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            live.update(_table(store.fleet()), refresh=True)
            await sleep(1)


async def _lines(store: Store) -> None:
    """Print a line for each change, where stdout is no terminal."""
    from asyncio import sleep

    before: set[tuple[str, str, str, str]] = set()
    while True:
        now = {(one.host, one.state, one.step, one.reason) for one in store.fleet()}
        for change in sorted(now - before):
            typer.echo("\t".join(change))
        sys.stdout.flush()
        before = now
        await sleep(1)


def _table(fleet: list[HostState]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(*HEADINGS, box=None, title=_summary(fleet), title_justify="left")
    for one, row in zip(fleet, _rows(fleet), strict=True):
        table.add_row(*(Text(cell, style=STYLES[one.state] if cell == one.state else "") for cell in row))
    return table


def _summary(fleet: list[HostState]) -> str:
    counts = {state: sum(one.state == state for one in fleet) for state in STYLES}
    return ", ".join(f"{count} {state}" for state, count in counts.items() if count) or "no hosts"


def _rows(fleet: list[HostState]) -> list[tuple[str, str, str, str]]:
    from isoforge.reports.page import detail

    now = time.time()
    return [(one.host, one.state, detail(one, now=now), one.build_name or one.build) for one in fleet]


def _print(fleet: list[HostState], *, json: bool) -> None:
    if json:
        typer.echo(json_format.dumps([asdict(one) for one in fleet], indent=2))
    else:
        print_table(HEADINGS, _rows(fleet))


def _address(text: str) -> tuple[str, int]:
    address, colon, port = text.rpartition(":")
    if not colon or not address or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise UsageError(f"invalid value {text!r} for --listen", hint="write ADDRESS:PORT, for example 192.0.2.10:8480")
    return address.removeprefix("[").removesuffix("]"), int(port)


def _tls(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if certificate is None:
        if key is not None:
            raise UsageError("--tls-key needs --tls-certificate")
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as failure:
        reason = failure.strerror or "not a certificate with its key in PEM form"
        raise UsageError(f"cannot use {certificate} for https: {reason}") from failure
    return context
