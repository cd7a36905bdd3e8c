"""The verbs that set things up: a working tree, its hosts, passwords, and this machine."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from isoforge.cli.completion import group_names, profile_names
from isoforge.cli.options import BAREMETAL, Baremetal, Json
from isoforge.cli.tables import print_result, print_table
from isoforge.errors import InventoryError, ToolError, UsageError
from isoforge.fleet.password import Method
from isoforge.regular_file import read_argument

app = typer.Typer()

MAX_FACTS_BYTES = 1 << 20
"""Limit of --from-facts: an endless input is not the facts of a machine."""

MAX_PASSWORD_BYTES = 1 << 16
"""Limit of a password from stdin: an endless input is not a password."""


_FACTS_HINT = "it must be the output of isoforge discover"


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Folder of the new tree; created if it does not exist.")] = Path(),
    age_recipient: Annotated[
        str | None, typer.Option("--age-recipient", help="Public age key to encrypt secrets for.")
    ] = None,
) -> None:
    """Create a working tree with example hosts.

    Writes the commented example inventory, a Makefile, and what keeps secrets encrypted and private files out of git.

    Example: isoforge init my-fleet
    """
    from isoforge.init import create_tree

    for file in create_tree(folder, recipient=age_recipient):
        typer.echo(file)
    typer.echo(_next_steps(folder, has_recipient=age_recipient is not None), err=True)


@app.command("new-host")
def new_host(
    name: Annotated[str, typer.Argument(help="Name of the host.")],
    profile: Annotated[
        str,
        typer.Option(
            "--profile",
            autocompletion=profile_names,
            help="Hardware profile, a file in profiles/hardware/ (default: that of its group).",
        ),
    ] = "",
    group: Annotated[
        str,
        typer.Option("--group", autocompletion=group_names, help="Group of the host; created if it does not exist."),
    ] = "",
    description: Annotated[str, typer.Option("--description", help="Description for the menu.")] = "",
    address: Annotated[
        str,
        typer.Option("--address", metavar="CIDR", help="Static address, for example 192.0.2.11/24 (default: DHCP)."),
    ] = "",
    gateway: Annotated[str, typer.Option("--gateway", metavar="IP", help="Router of --address.")] = "",
    from_facts: Annotated[
        str,
        typer.Option(
            "--from-facts", metavar="FILE", help="Hardware facts of the machine, as discover prints them; - for stdin."
        ),
    ] = "",
    overlay: Annotated[bool, typer.Option("--overlay", help="Write to inventory-local/, which git ignores.")] = False,
    baremetal: Baremetal = BAREMETAL,
) -> None:
    """Add a host to the inventory.

    Adds its name to hosts.yml and writes a commented file for its values.

    Example: isoforge new-host site-a-m710q3 --profile lenovo-m710q --group site_a --from-facts facts.yml
    """
    from isoforge.new_host import NewHost, add_host

    result = add_host(
        baremetal,
        NewHost(
            name=name,
            profile=profile,
            group=group,
            description=description,
            address=address,
            gateway=gateway,
            facts=_read_facts(from_facts) if from_facts else "",
            facts_file="(stdin)" if from_facts == "-" else from_facts,
            overlay=overlay,
        ),
    )
    for file in result.files:
        typer.echo(file)
    for line in result.notes:
        typer.echo(line, err=True)


def _read_facts(file: str) -> str:
    """The text of ``file``, or of stdin for ``-``; ``UsageError`` if it cannot be read or is empty."""
    try:
        most = MAX_FACTS_BYTES + 1
        content = sys.stdin.buffer.read(most) if file == "-" else read_argument(Path(file), most)
        text = content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as failure:
        reason = failure.strerror if isinstance(failure, OSError) else "not valid UTF-8"
        raise UsageError(f"cannot read --from-facts {file}: {reason}") from failure
    if len(content) > MAX_FACTS_BYTES:
        raise UsageError(f"--from-facts {file} is larger than {MAX_FACTS_BYTES} bytes", hint=_FACTS_HINT)
    if not text.strip():
        raise UsageError(f"--from-facts {file} is empty", hint=_FACTS_HINT)
    return text


@app.command()
def discover(
    ssh: Annotated[
        str | None,
        typer.Option("--ssh", metavar="USER@HOST", help="Read the facts of this remote machine, by ssh with a key."),
    ] = None,
    json: Json = False,
) -> None:
    """Collect hardware facts from this or a remote machine.

    Prints serial number, UUID, disks and network cards as host_vars for new-host. Only root may read serial numbers.

    Example: isoforge discover --ssh ubuntu@192.0.2.11 > facts.yml
    """
    from isoforge.discover import discover as collect_facts
    from isoforge.fleet.facts import host_vars

    facts = collect_facts(ssh)
    print_result(asdict(facts) | {"match": facts.match}, lambda: typer.echo(host_vars(facts), nl=False), json=json)
    for warning in facts.warnings:
        typer.echo(f"note: {warning}", err=True)


@app.command()
def passwd(
    method: Annotated[Method, typer.Option("--method", help="Hash method.")] = Method.SHA512,
) -> None:
    """Hash a password for a host's user.

    Prints the hash for identity.password_hash. Asks for the password, or reads it from stdin if that is not a terminal.

    Example: isoforge passwd --method yescrypt
    """
    from isoforge.fleet.password import hashed

    typer.echo(hashed(_ask_password("Password"), method))


@app.command()
def menu_password() -> None:
    """Hash a password for the menu.

    Prints the hash for the file of multi's --menu-password; the user name that GRUB asks for is operator. Asks for the
    password, or reads it from stdin if that is not a terminal.

    Example: isoforge menu-password > menu-password.hash
    """
    from isoforge.image.grub_password import hashed

    typer.echo(hashed(_ask_password("Password for the menu")))


def _ask_password(prompt: str) -> str:
    """The password typed twice, unseen, at a terminal; the one line of stdin if that is not a terminal."""
    if not sys.stdin.isatty():
        return _password_from_stdin()
    return str(typer.prompt(prompt, hide_input=True, confirmation_prompt=True, err=True))


def _password_from_stdin() -> str:
    """The one line of stdin, without its end."""
    try:
        lines = sys.stdin.buffer.read(MAX_PASSWORD_BYTES).decode("utf-8").split("\n")
    except UnicodeDecodeError:
        raise UsageError("the password is not valid UTF-8") from None
    if len(lines) > 2 or lines[1:] not in ([], [""]):
        raise UsageError("the password has more than one line")
    return lines[0]


@app.command()
def doctor(baremetal: Baremetal = BAREMETAL, json: Json = False) -> None:
    """Check this machine for missing programs.

    Shows the command that installs what is missing; exit code 6 if ISOs cannot be built without it.

    Example: isoforge doctor
    """
    from isoforge.doctor import Verdict, examine

    findings = examine(baremetal)
    rows = [(one.verdict, one.name, one.detail, one.fix) for one in findings]
    facts = [asdict(finding) for finding in findings]
    print_result(facts, lambda: print_table(("result", "check", "detail", "fix"), rows), json=json)
    missing = [finding for finding in findings if finding.verdict is Verdict.MISSING]
    if any(finding.name == "git" for finding in missing):
        raise InventoryError("git tracks files that must stay private", hint=missing[-1].fix)
    if missing:
        raise ToolError(f"{missing[0].name}: {missing[0].detail}", hint=missing[0].fix)


def _next_steps(folder: Path, *, has_recipient: bool) -> str:
    key = "~/.config/sops/age/keys.txt"
    overlay = "baremetal/inventory-local/host_vars/site-a-m710q1"
    steps = [
        *([] if folder == Path() else [f"cd {folder}"]),
        *([] if has_recipient else [f"age-keygen -o {key}   # then add its public key to .sops.yaml"]),
        f"mkdir -p {overlay} && sops {overlay}/secrets.sops.yaml   # a host's first secrets",
        "isoforge hosts   # the example hosts: replace them with yours",
        "isoforge discover --ssh USER@MACHINE | isoforge new-host NAME --from-facts -   # or add one of your own",
        "isoforge check   # check them",
        "isoforge multi --all --ubuntu-iso ISO --name first --render",
    ]
    return "\nNext:\n" + "\n".join(f"  {step}" for step in steps)
