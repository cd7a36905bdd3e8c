"""The verbs for those who start: a working tree, a host in it, what a machine is, and what this one lacks."""

from __future__ import annotations

import json as json_format
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from isoforge.cli.completion import group_names, profile_names
from isoforge.cli.options import BAREMETAL, Baremetal, Json
from isoforge.cli.password import asked
from isoforge.cli.tables import show
from isoforge.errors import InventoryError, ToolError, UsageError

app = typer.Typer()

LONGEST_FACTS = 1 << 20
"""How many bytes facts may have: what comes without end tells of no machine."""


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where the tree goes; made if it is not there.")] = Path(),
    age_recipient: Annotated[
        str | None, typer.Option("--age-recipient", help="Your public age key: secrets are encrypted for it.")
    ] = None,
) -> None:
    """Lay out a first fleet in a folder.

    Example hosts, the rule for secrets, what git must not see, and a Makefile.

    Example: isoforge init my-fleet
    """
    from isoforge.init import start

    for file in start(folder, recipient=age_recipient):
        typer.echo(file)
    typer.echo(_next_steps(folder, has_recipient=age_recipient is not None), err=True)


@app.command("new-host")
def new_host(
    name: Annotated[str, typer.Argument(help="What the host is called.")],
    profile: Annotated[
        str,
        typer.Option(
            "--profile",
            autocompletion=profile_names,
            help="The machine's type, a file in profiles/hardware/; left out: what its group says.",
        ),
    ] = "",
    group: Annotated[
        str,
        typer.Option("--group", autocompletion=group_names, help="The group it belongs to, made if it is new."),
    ] = "",
    description: Annotated[str, typer.Option("--description", help="A few words for the menu.")] = "",
    address: Annotated[
        str, typer.Option("--address", metavar="CIDR", help="A static address, as 192.0.2.11/24; left out: DHCP.")
    ] = "",
    gateway: Annotated[str, typer.Option("--gateway", metavar="IP", help="The router, beside --address.")] = "",
    from_facts: Annotated[
        str, typer.Option("--from-facts", metavar="FILE", help="What discover printed about the machine; - for stdin.")
    ] = "",
    overlay: Annotated[bool, typer.Option("--overlay", help="Into inventory-local/, which git does not see.")] = False,
    baremetal: Baremetal = BAREMETAL,
) -> None:
    """Add a host to the inventory.

    Its line goes into hosts.yml, and it gets a commented file of its own.

    Example: isoforge new-host site-a-m710q3 --profile lenovo-m710q --group site_a --from-facts facts.yml
    """
    from isoforge.new_host import Newcomer, add_host

    added = add_host(
        baremetal,
        Newcomer(
            name=name,
            profile=profile,
            group=group,
            description=description,
            address=address,
            gateway=gateway,
            facts=_told(from_facts) if from_facts else "",
            facts_file="(stdin)" if from_facts == "-" else from_facts,
            overlay=overlay,
        ),
    )
    for file in added.files:
        typer.echo(file)
    for line in added.to_do:
        typer.echo(line, err=True)


def _told(file: str) -> str:
    """The text of ``file``, or of stdin for ``-``; ``UsageError`` if it cannot be read or says nothing."""
    try:
        with sys.stdin.buffer if file == "-" else Path(file).open("rb") as stream:
            told = stream.read(LONGEST_FACTS + 1)
        if len(told) > LONGEST_FACTS:
            raise UsageError(f"--from-facts {file} holds more than facts about one machine")
        text = told.decode("utf-8")
    except (OSError, UnicodeDecodeError) as failure:
        reason = failure.strerror if isinstance(failure, OSError) else "it is no text"
        raise UsageError(f"--from-facts {file} cannot be read: {reason}") from failure
    if not text.strip():
        raise UsageError(f"--from-facts {file} is empty", hint="isoforge discover prints what belongs there")
    return text


@app.command()
def discover(
    ssh: Annotated[
        str | None, typer.Option("--ssh", metavar="USER@HOST", help="Ask another machine, by ssh with a key.")
    ] = None,
    json: Json = False,
) -> None:
    """Tell what a machine is, as facts for new-host.

    Serial number, UUID, disks and network cards, written as host_vars.

    Run it on the machine itself (as root, which alone may read serial numbers), or let ssh do so.
    Example: isoforge discover --ssh ubuntu@192.0.2.11 > facts.yml
    """
    from isoforge.discover import discover as ask
    from isoforge.fleet.facts import host_vars

    facts = ask(ssh)
    if json:
        typer.echo(json_format.dumps(asdict(facts) | {"match": facts.match}, indent=2, ensure_ascii=False))
    else:
        typer.echo(host_vars(facts), nl=False)
    for warning in facts.warnings:
        typer.echo(f"note: {warning}", err=True)


@app.command()
def passwd(
    method: Annotated[str, typer.Option("--method", help="Out of sha512, yescrypt.")] = "sha512",
) -> None:
    """Ask for a password and print its hash for a host's user.

    The hash is for identity.password_hash. Where stdin is no terminal, the password comes from it.

    Example: isoforge passwd --method yescrypt
    """
    from isoforge.fleet.password import Method, hashed

    if method not in [one.value for one in Method]:
        raise UsageError(f"--method {method} is not known", hint=f"out of {', '.join(Method)}")
    typer.echo(hashed(asked("Password"), Method(method)))


@app.command()
def doctor(baremetal: Baremetal = BAREMETAL, json: Json = False) -> None:
    """Say what this machine lacks, and how to install it.

    Exit code 6 if the main job cannot be done.

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
        "isoforge discover --ssh USER@MACHINE | isoforge new-host NAME --from-facts -   # or add one of your own",
        "isoforge check   # what is wrong with them",
        "isoforge multi --all --ubuntu-iso ISO --name first --render",
    ]
    return "\nNext:\n" + "\n".join(f"  {step}" for step in steps)
