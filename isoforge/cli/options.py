"""The options of the verbs that several share, or that are long to describe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isoforge.cli import logs
from isoforge.cli.completion import group_names, host_names
from isoforge.image.colors import MenuColors


def _use_json_events(enabled: bool) -> None:
    if enabled:
        logs.use_json()


Baremetal = Annotated[
    Path,
    typer.Option("--baremetal", envvar="ISOFORGE_BAREMETAL", help="Folder of the inventory/ and of the output."),
]
Hosts = Annotated[
    list[str] | None,
    typer.Option("--host", autocompletion=host_names, help="Host of the inventory; repeat it for more hosts."),
]
OneHost = Annotated[str, typer.Option("--host", autocompletion=host_names, help="Host of the inventory.")]
Groups = Annotated[
    list[str] | None,
    typer.Option("--group", autocompletion=group_names, help="All hosts of this group; repeat it for more groups."),
]
AllHosts = Annotated[bool, typer.Option("--all", help="All hosts of the inventory.")]
UbuntuIso = Annotated[
    Path | None,
    typer.Option("--ubuntu-iso", help="Official Ubuntu ISO to build on (default: the only one in files/)."),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
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
Render = Annotated[bool, typer.Option("--render", help="Render the seeds of the hosts first.")]
Timeout = Annotated[
    int, typer.Option("--grub-timeout", "--timeout", metavar="SECONDS", help="How long the menu waits for a key.")
]

Name = Annotated[
    str | None, typer.Option("--name", help="Name of the ISO, for example prod-2025-03; required without --from.")
]
DefaultHost = Annotated[
    str | None,
    typer.Option(
        "--default-host",
        autocompletion=host_names,
        help="Host to install when the menu times out (default: boot the local disk).",
    ),
]
Unpack = Annotated[bool, typer.Option("--unpack", help="Unpack the base ISO and repack it: slower, same files.")]
Fast = Annotated[bool, typer.Option("--fast", help="Do not compute the SHA-256 of the ISO and of its base.")]
Auto = Annotated[
    bool, typer.Option("--auto", help="When the menu times out, detect the machine and install the matching host.")
]
MenuPassword = Annotated[
    Path | None,
    typer.Option(
        "--menu-password",
        metavar="FILE",
        help="File with a password hash (see menu-password) that protects every entry but the local disk.",
    ),
]
Add = Annotated[
    list[str] | None,
    typer.Option("--add", metavar="SRC=/DEST", help="Put this file or folder onto the ISO; repeat it for more."),
]
Hook = Annotated[
    Path | None,
    typer.Option("--hook", metavar="SCRIPT", help="Run this script in the unpacked base ISO (with --unpack)."),
]
Colors = Annotated[MenuColors, typer.Option("--menu-colors", help="Colours of the menu.")]
HiddenMenu = Annotated[
    bool, typer.Option("--hidden-menu", help="Show the menu only when Esc or F4 is pressed before the timeout.")
]
Sign = Annotated[
    Path | None,
    typer.Option(
        "--sign",
        metavar="KEY",
        help="SSH key that signs manifest.json, into manifest.json.sig: a private key, or the public key of one in"
        " ssh-agent.",
    ),
]
RebuildFrom = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="MANIFEST",
        help="Rebuild the ISO described by this manifest.json and fail unless the result is byte-identical."
        " Replaces --name, the hosts and the menu's options; uses the rendered seeds, or with --render new ones.",
    ),
]

ForbidSecrets = Annotated[
    bool, typer.Option("--forbid-secrets", help="Fail if the inventory or a seed contains a plain-text secret.")
]
NoGuard = Annotated[
    bool, typer.Option("--no-guard", help="Let a host's seed install any machine, whatever its match keys are.")
]
NoReport = Annotated[
    bool, typer.Option("--no-report", help="Leave out of the seeds that they report how the installation ended.")
]
Strict = Annotated[bool, typer.Option("--strict", help="Treat warnings as errors.")]
ShowSecrets = Annotated[
    bool, typer.Option("--show-secrets", help="Show password hashes, keys and tokens instead of ***.")
]

BAREMETAL = Path("baremetal")
