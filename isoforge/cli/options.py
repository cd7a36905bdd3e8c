"""The options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isoforge.cli import logs
from isoforge.cli.completion import group_names, host_names

Baremetal = Annotated[
    Path,
    typer.Option("--baremetal", envvar="ISOFORGE_BAREMETAL", help="The folder that holds inventory/ and the output."),
]
Hosts = Annotated[
    list[str] | None,
    typer.Option("--host", autocompletion=host_names, help="A host of the inventory; give it once for each host."),
]
OneHost = Annotated[str, typer.Option("--host", autocompletion=host_names, help="The host of the inventory.")]
Groups = Annotated[list[str] | None, typer.Option("--group", autocompletion=group_names, help="All hosts of a group.")]
AllHosts = Annotated[bool, typer.Option("--all", help="All hosts of the inventory.")]
UbuntuIso = Annotated[
    Path | None,
    typer.Option("--ubuntu-iso", help="The official ISO to build on; left out: the only one in files/."),
]
Json = Annotated[bool, typer.Option("--json", help="Print facts as JSON.")]


def _use_json_events(wanted: bool) -> None:
    if wanted:
        logs.use_json()


JsonEvents = Annotated[
    bool,
    typer.Option(
        "--json-events",
        callback=_use_json_events,
        is_eager=True,
        expose_value=False,
        help="Write messages and progress to stderr as JSON, one object a line.",
    ),
]
Render = Annotated[bool, typer.Option("--render", help="Render the hosts' seeds first.")]
Timeout = Annotated[
    int, typer.Option("--grub-timeout", "--timeout", metavar="SECONDS", help="How long the menu waits for a key.")
]

ForbidSecrets = Annotated[
    bool, typer.Option("--forbid-secrets", help="Take secrets in clear, in inventory or seeds, for errors.")
]
NoGuard = Annotated[
    bool, typer.Option("--no-guard", help="Let a host's seed install any machine, whatever its match keys say.")
]
Strict = Annotated[bool, typer.Option("--strict", help="Take warnings for errors.")]

BAREMETAL = Path("baremetal")
