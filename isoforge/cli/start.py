"""The verbs for those who start: a working tree, and what the machine lacks."""

from __future__ import annotations

import json as json_format
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from isoforge.cli.options import BAREMETAL, Baremetal, Json
from isoforge.cli.tables import show
from isoforge.errors import InventoryError, ToolError


def add_to(app: typer.Typer) -> None:
    """Give ``app`` the verbs of this module."""
    app.command()(init)
    app.command()(doctor)


def init(
    folder: Annotated[Path, typer.Argument(help="Where the tree goes; made if it is not there.")] = Path(),
    age_recipient: Annotated[
        str | None, typer.Option("--age-recipient", help="Your public age key: secrets are encrypted for it.")
    ] = None,
) -> None:
    """Lay out a first fleet: example hosts, the rule for secrets, and what git must not see.

    Example: isoforge init my-fleet
    """
    from isoforge.starter import start

    for file in start(folder, recipient=age_recipient):
        typer.echo(file)
    typer.echo(_next_steps(folder, has_recipient=age_recipient is not None), err=True)


def doctor(baremetal: Baremetal = BAREMETAL, json: Json = False) -> None:
    """Say what this machine lacks, and the command that installs it; exit code 6 if the main job cannot be done.

    Example: isoforge doctor
    """
    from isoforge.doctor import Verdict, examine

    findings = examine(baremetal)
    if json:
        typer.echo(json_format.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        show(("", "what", "found", "help"), [(one.verdict, one.name, one.told, one.cure) for one in findings])
    missing = [finding for finding in findings if finding.verdict is Verdict.MISSING]
    if any(finding.name == "git" for finding in missing):
        raise InventoryError("git carries away what must stay here", hint=missing[-1].cure)
    if missing:
        raise ToolError(f"{missing[0].name} is missing: {missing[0].told}", hint=missing[0].cure)


def _next_steps(folder: Path, *, has_recipient: bool) -> str:
    key = "~/.config/sops/age/keys.txt"
    overlay = "baremetal/inventory-local/host_vars/site-a-m710q1"
    steps = [
        *([] if folder == Path() else [f"cd {folder}"]),
        *([] if has_recipient else [f"age-keygen -o {key}   # its public half goes into .sops.yaml"]),
        f"mkdir -p {overlay} && sops {overlay}/secrets.sops.yaml   # a host's first secrets",
        "isoforge hosts   # the example hosts: make them yours",
        "isoforge check   # what is wrong with them",
        "isoforge multi --all --ubuntu-iso ISO --name first --render",
    ]
    return "\nNext:\n" + "\n".join(f"  {step}" for step in steps)
