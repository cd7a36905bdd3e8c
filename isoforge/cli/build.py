"""The verbs that make ISOs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isoforge.cli.options import (
    BAREMETAL,
    Baremetal,
    EveryHost,
    ForbidSecrets,
    Groups,
    Hosts,
    Json,
    NoGuard,
    OneHost,
    Render,
    Strict,
    Timeout,
    UbuntuIso,
)

if TYPE_CHECKING:
    from isoforge.forge import Built, Step
    from isoforge.order import Order


def add_to(app: typer.Typer) -> None:
    """Give ``app`` the verbs of this module."""
    app.command()(multi)
    app.command()(full)
    app.command()(seed)
    app.command()(menu_password)


def multi(
    name: Annotated[str, typer.Option("--name", help="What the ISO is called, for example prod-2025-03.")],
    host: Hosts = None,
    group: Groups = None,
    every_host: EveryHost = False,
    ubuntu_iso: UbuntuIso = None,
    default_host: Annotated[
        str | None, typer.Option("--default-host", help="The host that the timeout installs; left out: none.")
    ] = None,
    grub_timeout: Timeout = 30,
    render: Render = False,
    unpack: Annotated[bool, typer.Option("--unpack", help="Take the base ISO apart; slower, same result.")] = False,
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
    baremetal: Baremetal = BAREMETAL,
    json: Json = False,
) -> None:
    """Build one ISO whose menu installs each of the hosts.

    Example: isoforge multi --host site-a-m710q1 --host site-a-m710q2 --name prod-2025-03 --render
    """
    from isoforge.image.password import read_hash
    from isoforge.order import Order

    _build(
        Order(
            baremetal=baremetal,
            name=name,
            hosts=tuple(host or ()),
            groups=tuple(group or ()),
            every_host=every_host,
            base_iso=ubuntu_iso,
            default_host=default_host or None,
            timeout_s=grub_timeout,
            render=render,
            unpack=unpack,
            strict=strict,
            auto=auto,
            guard=not no_guard,
            forbid_secrets=forbid_secrets,
            password_hash=read_hash(password_file) if password_file else "",
        ),
        json=json,
    )


def full(
    host: OneHost,
    ubuntu_iso: UbuntuIso = None,
    grub_timeout: Timeout = 5,
    render: Render = False,
    no_guard: NoGuard = False,
    forbid_secrets: ForbidSecrets = False,
    baremetal: Baremetal = BAREMETAL,
    json: Json = False,
) -> None:
    """Build an ISO for one host that installs it hands-free: the timeout starts the installation.

    Example: isoforge full --host site-a-m710q1 --render
    """
    from isoforge.order import Order

    order = Order(
        baremetal=baremetal,
        hosts=(host,),
        name=host,
        base_iso=ubuntu_iso,
        default_host=host,
        timeout_s=grub_timeout,
        render=render,
        guard=not no_guard,
        forbid_secrets=forbid_secrets,
        folder=baremetal / "autoinstall" / "generated" / "_full" / host,
    )
    _build(order, json=json)


def seed(
    host: OneHost,
    render: Render = False,
    baremetal: Baremetal = BAREMETAL,
) -> None:
    """Build one host's small CIDATA ISO, to be attached beside the untouched official ISO.

    Ubuntu's installer finds it by its volume id and asks once before it installs, unless the word `autoinstall` is
    added to the kernel line. Example: isoforge seed --host site-a-m710q1 --render
    """
    from isoforge.forge import seed_iso
    from isoforge.order import Order

    typer.echo(seed_iso(Order(baremetal=baremetal, name=host, hosts=(host,), render=render)))


def menu_password() -> None:
    """Ask for a password and print its hash, for multi's --menu-password; the user that GRUB asks for is operator.

    Example: isoforge menu-password > menu-password.hash
    """
    from isoforge.image.password import hashed

    typer.echo(hashed(typer.prompt("Password for the menu", hide_input=True, confirmation_prompt=True, err=True)))


def _build(order: Order, *, json: bool) -> None:
    from isoforge.forge import multi as forge_multi

    built = forge_multi(order, _Progress())
    if json:
        typer.echo(built.manifest.to_json(), nl=False)
        return
    _account(built)
    typer.echo(built.iso)


class _Progress:
    """Shows on a terminal what a build is doing; elsewhere it is quiet."""

    def __init__(self) -> None:
        self._shown = ""

    def __call__(self, step: Step) -> None:
        words = f"{step.phase} {step.done / step.total:4.0%}" if step.total else step.phase
        if sys.stderr.isatty() and words != self._shown:
            typer.echo(f"\r\x1b[K{words}", err=True, nl=False)
            self._shown = words


def _account(built: Built) -> None:
    """The end of a build in words for a person, on stderr."""
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
        f"  SHA-256   {manifest.iso.sha256 if manifest.iso else ''}",
        f"  Base      {manifest.base_iso.title}",
        *(f"  Host      {host.name}" for host in manifest.hosts),
        f"  Timeout   {manifest.timeout_s} s, then {on_timeout}",
        f"  Memo      {built.summary}",
    ]
    clear = "\r\x1b[K" if sys.stderr.isatty() else ""
    typer.echo(clear + "\n".join(lines), err=True)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
