"""The verbs about the fleet as people wrote it down."""

from __future__ import annotations

import json as json_format
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from isoforge.cli.options import BAREMETAL, Baremetal, EveryHost, Groups, Hosts, Json

if TYPE_CHECKING:
    from isoforge.fleet.inventory import Host


def add_to(app: typer.Typer) -> None:
    """Give ``app`` the verbs of this module."""
    app.command()(gen)
    app.command("render", hidden=True)(gen)
    app.command()(hosts)
    app.command("list-hosts", hidden=True)(hosts)


def gen(
    host: Hosts = None,
    group: Groups = None,
    every_host: EveryHost = False,
    baremetal: Baremetal = BAREMETAL,
) -> None:
    """Render user-data and meta-data of hosts into baremetal/autoinstall/generated/.

    Example: isoforge gen --host site-a-m710q1
    """
    from isoforge.forge import gen as forge_gen
    from isoforge.order import Order

    order = Order(
        baremetal=baremetal,
        name="gen",
        hosts=tuple(host or ()),
        groups=tuple(group or ()),
        every_host=every_host,
    )
    for folder in forge_gen(order):
        typer.echo(folder)


def hosts(baremetal: Baremetal = BAREMETAL, json: Json = False) -> None:
    """List the hosts of the inventory: group, profile, address, match keys, and whether a seed is rendered.

    Example: isoforge hosts
    """
    from isoforge.fleet.inventory import load_inventory
    from isoforge.order import Order

    generated = Order(baremetal=baremetal, name="hosts").generated
    rows = [
        {**_facts(host), "rendered": (generated / host.name / "user-data").is_file()}
        for host in load_inventory(baremetal).hosts
    ]
    if json:
        typer.echo(json_format.dumps(rows, indent=2, ensure_ascii=False))
    else:
        _table(rows)


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


def _table(rows: list[dict[str, object]]) -> None:
    """The hosts as a table: as wide as the terminal, or as wide as it needs to be where there is none."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 200, highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("host", "group", "profile", "address", "matched by", "rendered"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        match = row["match"]
        keys = [f"{key} {_listed(value)}" for key, value in match.items()] if isinstance(match, dict) else []
        rendered = "yes" if row["rendered"] else "no"
        cells = [row["name"], row["group"], row["profile"], row["address"], "\n".join(keys) or "-", rendered]
        table.add_row(*(escape(str(cell) or "-") for cell in cells))
    console.print(table)


def _listed(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
