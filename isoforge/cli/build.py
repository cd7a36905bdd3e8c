"""The verbs that make ISOs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isoforge.cli import logs
from isoforge.cli.completion import host_names
from isoforge.cli.options import (
    BAREMETAL,
    AllHosts,
    Baremetal,
    ForbidSecrets,
    Groups,
    Hosts,
    Json,
    JsonEvents,
    NoGuard,
    OneHost,
    Render,
    Strict,
    Timeout,
    UbuntuIso,
)
from isoforge.cli.password import asked
from isoforge.cli.progress import shown
from isoforge.errors import UsageError

if TYPE_CHECKING:
    from isoforge.forge import BuildResult
    from isoforge.order import Order
    from isoforge.proof.manifest import Manifest

app = typer.Typer()

IN_THE_MANIFEST = frozenset(
    {"name", "host", "group", "all_hosts", "default_host", "grub_timeout", "auto", "no_guard", "unpack", "fast"}
)
"""Parameters of multi that a manifest decides."""


@app.command()
def multi(
    ctx: typer.Context,
    name: Annotated[
        str | None,
        typer.Option("--name", help="What the ISO is called, for example prod-2025-03; needed unless --from."),
    ] = None,
    host: Hosts = None,
    group: Groups = None,
    all_hosts: AllHosts = False,
    ubuntu_iso: UbuntuIso = None,
    default_host: Annotated[
        str | None,
        typer.Option(
            "--default-host", autocompletion=host_names, help="The host that the timeout installs; left out: none."
        ),
    ] = None,
    grub_timeout: Timeout = 30,
    render: Render = False,
    unpack: Annotated[bool, typer.Option("--unpack", help="Take the base ISO apart; slower, same result.")] = False,
    fast: Annotated[
        bool, typer.Option("--fast", help="Leave the SHA-256 of the ISO and of its base out of the manifest.")
    ] = False,
    strict: Strict = False,
    auto: Annotated[
        bool, typer.Option("--auto", help="The timeout starts Detect this machine, which installs the host that fits.")
    ] = False,
    no_guard: NoGuard = False,
    forbid_secrets: ForbidSecrets = False,
    password_file: Annotated[
        Path | None,
        typer.Option(
            "--menu-password",
            metavar="FILE",
            help="A file with the hash of a password for all but the local disk; menu-password makes one.",
        ),
    ] = None,
    again: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="MANIFEST",
            help="Build the ISO of this manifest.json again, from the seeds as they lie there (with --render: rendered"
            " anew), and keep it only if it is the same to the bit. In place of --name, hosts and the menu's options.",
        ),
    ] = None,
    baremetal: Baremetal = BAREMETAL,
    json: Json = False,
    json_events: JsonEvents = False,  # noqa: ARG001 - it acts in its callback
) -> None:
    """Build one ISO whose menu installs each of the hosts.

    Example: isoforge multi --host site-a-m710q1 --host site-a-m710q2 --name prod-2025-03 --render
    """
    from isoforge.image.grub_password import read_hash
    from isoforge.order import Order, rebuild_order
    from isoforge.selection import Selection
    from isoforge.workspace import Workspace

    password_hash = read_hash(password_file) if password_file else ""
    if again:
        _refuse_contradictions(ctx)
        order = rebuild_order(
            _manifest(again),
            workspace=Workspace(baremetal=baremetal),
            base_iso=ubuntu_iso,
            render=render,
            strict=strict,
            forbid_secrets=forbid_secrets,
            password_hash=password_hash,
        )
    else:
        order = Order(
            workspace=Workspace(baremetal=baremetal),
            selection=Selection(hosts=tuple(host or ()), groups=tuple(group or ()), all_hosts=all_hosts),
            name=_required(name),
            base_iso=ubuntu_iso,
            default_host=default_host or None,
            timeout_s=grub_timeout,
            render=render,
            unpack=unpack,
            fast=fast,
            strict=strict,
            auto=auto,
            guard=not no_guard,
            forbid_secrets=forbid_secrets,
            password_hash=password_hash,
        )
    _build(order, json=json)


def _required(name: str | None) -> str:
    if name is None:
        raise UsageError("Missing option '--name'", hint="isoforge multi --help")
    return name


def _refuse_contradictions(ctx: typer.Context) -> None:
    """Raise ``UsageError`` if something was typed beside --from that the manifest decides."""
    typed = [
        str(parameter.opts[0])
        for parameter in ctx.command.params
        if parameter.name in IN_THE_MANIFEST
        and (source := ctx.get_parameter_source(parameter.name))
        and source.name == "COMMANDLINE"
    ]
    if typed:
        raise UsageError(f"--from and {', '.join(typed)} contradict each other", hint="the manifest decides it")


def _manifest(file: Path) -> Manifest:
    from isoforge.proof.manifest import Manifest

    try:
        return Manifest.from_file(file)
    except UnicodeDecodeError as failure:
        raise UsageError(f"{file} is no UTF-8 text", hint="--from wants the manifest.json of an ISO") from failure
    except OSError as failure:
        raise UsageError(f"{file} cannot be read: {failure.strerror}", hint="--from wants a manifest.json") from failure
    except ValueError as failure:
        raise UsageError(f"{file}: {failure}", hint="--from wants the manifest.json of an ISO") from failure


@app.command()
def full(
    host: OneHost,
    ubuntu_iso: UbuntuIso = None,
    grub_timeout: Timeout = 5,
    render: Render = False,
    no_guard: NoGuard = False,
    forbid_secrets: ForbidSecrets = False,
    baremetal: Baremetal = BAREMETAL,
    json: Json = False,
    json_events: JsonEvents = False,  # noqa: ARG001 - it acts in its callback
) -> None:
    """Build an ISO that installs one host hands-free. The timeout starts the installation.

    Example: isoforge full --host site-a-m710q1 --render
    """
    from isoforge.order import Order
    from isoforge.selection import Selection
    from isoforge.workspace import Workspace

    folder = Workspace(baremetal=baremetal).generated / "_full" / host
    order = Order(
        workspace=Workspace(baremetal=baremetal, output_folder=folder),
        selection=Selection(hosts=(host,)),
        name=host,
        base_iso=ubuntu_iso,
        default_host=host,
        timeout_s=grub_timeout,
        render=render,
        guard=not no_guard,
        forbid_secrets=forbid_secrets,
    )
    _build(order, json=json)


@app.command()
def seed(
    host: OneHost,
    render: Render = False,
    no_guard: NoGuard = False,
    baremetal: Baremetal = BAREMETAL,
) -> None:
    """Build a host's small CIDATA ISO: its seed, nothing else.

    It is attached beside the untouched official ISO. Ubuntu's installer finds it by its volume id, and asks once before
    it installs, unless the word `autoinstall` is added to the kernel line.
    Example: isoforge seed --host site-a-m710q1 --render
    """
    from isoforge.forge import seed_iso
    from isoforge.order import Order
    from isoforge.selection import Selection
    from isoforge.workspace import Workspace

    order = Order(
        workspace=Workspace(baremetal=baremetal),
        selection=Selection(hosts=(host,)),
        name=host,
        render=render,
        guard=not no_guard,
    )
    typer.echo(seed_iso(order))


@app.command()
def menu_password() -> None:
    """Ask for a password and print its hash for the menu.

    The hash goes into the file of multi's --menu-password; the user that GRUB asks for is operator.
    Where stdin is no terminal, the password comes from it.

    Example: isoforge menu-password > menu-password.hash
    """
    from isoforge.image.grub_password import hashed

    typer.echo(hashed(asked("Password for the menu")))


@app.command(hidden=True)
def synthetic_base(
    iso: Annotated[Path, typer.Argument(help="Where the ISO goes.")],
    release: Annotated[str, typer.Option("--release", help="Whose layout it has: 22.04, 24.04 or 26.04.")] = "24.04",
    hwe: Annotated[bool, typer.Option("--hwe", help="With a second pair of kernel and initrd.")] = False,
    cache: Annotated[Path, typer.Option("--cache", help="Where scripts/setup.sh put the kernel.")] = Path(".cache"),
) -> None:
    """Make a base ISO with the layout of Ubuntu's live-server, which boots into a probe in place of the installer."""
    from isoforge.proof.boot.probe import find_guest
    from isoforge.proof.boot.synthetic_iso import Release, make_base

    releases = {known.version: known for known in Release}
    if release not in releases:
        raise UsageError(f"no layout of {release} is known", hint=f"one of {', '.join(releases)}")
    make_base(iso, release=releases[release], hwe=hwe, guest=find_guest(cache))
    typer.echo(iso)


def _build(order: Order, *, json: bool) -> None:
    from isoforge.forge import multi as forge_multi

    with shown() as progress:
        built = forge_multi(order, progress)
    facts = {"iso": str(built.iso), "manifest": str(built.manifest_file), "summary": str(built.summary)}
    iso = built.manifest.iso
    logs.report(
        _account(built, order), "built", **facts, sha256=iso.sha256 if iso else None, size=built.iso.stat().st_size
    )
    if json:
        typer.echo(built.manifest.to_json(), nl=False)
    else:
        typer.echo(built.iso)


def _account(built: BuildResult, order: Order) -> str:
    """The end of a build in words for a person."""
    manifest = built.manifest
    size = manifest.iso.size if manifest.iso else 0
    on_timeout = "boots the local disk; a machine that the menu knows by its match keys is INSTALLED"
    if manifest.auto:
        on_timeout = "the host that the machine turns out to be is INSTALLED"
    elif manifest.default_host:
        on_timeout = f"{manifest.default_host} is INSTALLED"
    lines = [
        f"One ISO for {_count(len(manifest.hosts), 'host')}, read back and found as meant:",
        f"  ISO       {built.iso}",
        f"  Size      {size} bytes ({size / (1 << 20):.1f} MiB)",
        f"  SHA-256   {(manifest.iso and manifest.iso.sha256) or 'not worked out (--fast)'}",
        *(["  Again     the same ISO, bit for bit, as the manifest's"] if order.rebuild_of else []),
        f"  Base      {manifest.base_iso.title}",
        *(f"  Host      {host.name}" for host in manifest.hosts),
        f"  Timeout   {manifest.timeout_s} s, then {on_timeout}",
        f"  Memo      {built.summary}",
    ]
    return "\n".join(lines)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
