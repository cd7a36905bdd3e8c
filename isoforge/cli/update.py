"""The verb that changes the hosts of a built ISO or of a stick."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isoforge.cli import logs
from isoforge.cli.build import print_build
from isoforge.cli.options import (
    BAREMETAL,
    Add,
    AllHosts,
    Auto,
    Baremetal,
    Colors,
    DefaultHost,
    Fast,
    ForbidSecrets,
    Groups,
    HiddenMenu,
    Hosts,
    Json,
    JsonEvents,
    MenuPassword,
    NoGuard,
    NoReport,
    Render,
    Sign,
    Strict,
    Timeout,
)
from isoforge.cli.progress import progress_bar
from isoforge.cli.tables import print_result
from isoforge.errors import UsageError
from isoforge.image.colors import MenuColors

if TYPE_CHECKING:
    from isoforge.order import Order
    from isoforge.update import StickResult

app = typer.Typer()


@app.command()
def update(
    ctx: typer.Context,
    target: Annotated[Path, typer.Argument(metavar="ISO|DEVICE", help="ISO built by isoforge, or a stick with one.")],
    host: Hosts = None,
    group: Groups = None,
    all_hosts: AllHosts = False,
    name: Annotated[str | None, typer.Option("--name", help="New name of the build (default: as it was).")] = None,
    default_host: DefaultHost = None,
    grub_timeout: Timeout = 30,
    render: Render = False,
    fast: Fast = False,
    strict: Strict = False,
    auto: Auto = False,
    menu_colors: Colors = MenuColors.DEFAULT,
    hidden_menu: HiddenMenu = False,
    no_guard: NoGuard = False,
    no_report: NoReport = False,
    add: Add = None,
    forbid_secrets: ForbidSecrets = False,
    password_file: MenuPassword = None,
    sign: Sign = None,
    force: Annotated[
        Path | None,
        typer.Option(
            "--force", metavar="DEVICE", help="Name the device again if it is not removable, or larger than 2 TB."
        ),
    ] = None,
    baremetal: Baremetal = BAREMETAL,
    json: Json = False,
    json_events: JsonEvents = False,  # noqa: ARG001 - it acts in its callback
) -> None:
    """Change the hosts of a built ISO or stick.

    The official ISO is not needed. The ISO then contains exactly the hosts given, or the ones it had, with their seeds
    as they are now. Everything else that is not given stays: name, default host, timeout. The result is the same as
    that of a new build. On a stick only a few megabytes are written; if that is interrupted, it installs nothing, and
    can be updated again.

    Example: isoforge update /dev/sdX --host site-a-m710q1 --host site-a-m710q2 --render
    """
    from isoforge.added_files import additions_of
    from isoforge.image.grub_password import read_hash
    from isoforge.order import Order
    from isoforge.selection import Selection
    from isoforge.update import order_for
    from isoforge.workspace import Workspace

    order = Order(
        workspace=Workspace(baremetal=baremetal),
        selection=Selection(hosts=tuple(host or ()), groups=tuple(group or ()), all_hosts=all_hosts),
        name=name or "", default_host=default_host or None, timeout_s=grub_timeout, auto=auto,
        password_hash=read_hash(password_file) if password_file else "", render=render, guard=not no_guard,
        report=not no_report, added=additions_of(add or []),
        strict=strict, forbid_secrets=forbid_secrets, fast=fast, sign=sign, menu_colors=menu_colors,
        hidden_menu=hidden_menu,
    )  # fmt: skip
    _update(order_for(target, order, given=_given(ctx)), target, force=force, json=json)


def _update(order: Order, target: Path, *, force: Path | None, json: bool) -> None:
    if target.is_block_device():
        _update_stick(order, target, force=force, json=json)
    elif force:
        raise UsageError(f"--force names a device again; {target} is a file")
    else:
        _update_iso(order, target, json=json)


def _update_iso(order: Order, iso: Path, *, json: bool) -> None:
    from isoforge.update import update_iso

    with progress_bar() as progress:
        built = update_iso(order, iso, progress)
    print_build(built, order, json=json)


def _update_stick(order: Order, device: Path, *, force: Path | None, json: bool) -> None:
    from isoforge.update import update_stick

    if order.sign:
        raise UsageError("--sign signs the manifest.json beside an ISO; a stick has none")
    with progress_bar() as progress:
        result = update_stick(order, device, force=force, listen=progress)
    facts = {"device": str(device), "written": result.written, **json_format.loads(result.manifest.to_json())}
    logs.report(_summary(result), "updated", device=str(device), written=result.written)
    print_result(facts, lambda: typer.echo(device), json=json)


def _given(ctx: typer.Context) -> frozenset[str]:
    """The parameters that were given on the command line."""
    sources = {parameter.name: ctx.get_parameter_source(str(parameter.name)) for parameter in ctx.command.params}
    return frozenset(str(name) for name, source in sources.items() if source and source.name == "COMMANDLINE")


def _summary(result: StickResult) -> str:
    """The result for people."""
    manifest = result.manifest
    lines = [
        f"Updated and verified {result.device}, {result.written} bytes written:",
        f"  Build     {manifest.build_id} ({manifest.name})",
        *(f"  Host      {host.name}" for host in manifest.hosts),
        f"  Timeout   {manifest.timeout_s} s, then {manifest.on_timeout}",
    ]
    return "\n".join(lines)
