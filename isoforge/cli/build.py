"""The verbs that write ISOs."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isoforge.cli import logs
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
    Hook,
    Hosts,
    Json,
    JsonEvents,
    MenuPassword,
    Name,
    NoGuard,
    NoReport,
    OneHost,
    RebuildFrom,
    Render,
    Sign,
    Strict,
    Timeout,
    UbuntuIso,
    Unpack,
)
from isoforge.cli.progress import progress_bar
from isoforge.cli.tables import print_result
from isoforge.errors import UsageError
from isoforge.image.colors import MenuColors

if TYPE_CHECKING:
    from isoforge.forge import BuildResult
    from isoforge.order import Order
    from isoforge.proof.manifest import Manifest

app = typer.Typer()

SET_BY_MANIFEST = frozenset(
    {"name", "host", "group", "all_hosts", "default_host", "grub_timeout", "auto", "no_guard", "unpack", "fast"}
    | {"menu_colors", "hidden_menu", "no_report"}
)
"""Parameters of multi that --from takes from the manifest."""


@app.command()
def multi(
    ctx: typer.Context,
    name: Name = None,
    host: Hosts = None,
    group: Groups = None,
    all_hosts: AllHosts = False,
    ubuntu_iso: UbuntuIso = None,
    default_host: DefaultHost = None,
    grub_timeout: Timeout = 30,
    render: Render = False,
    unpack: Unpack = False,
    hook: Hook = None,
    add: Add = None,
    fast: Fast = False,
    strict: Strict = False,
    auto: Auto = False,
    no_guard: NoGuard = False,
    no_report: NoReport = False,
    forbid_secrets: ForbidSecrets = False,
    password_file: MenuPassword = None,
    menu_colors: Colors = MenuColors.DEFAULT,
    hidden_menu: HiddenMenu = False,
    sign: Sign = None,
    manifest: RebuildFrom = None,
    baremetal: Baremetal = BAREMETAL,
    json: Json = False,
    json_events: JsonEvents = False,  # noqa: ARG001 - it acts in its callback
) -> None:
    """Build one ISO whose menu installs each of the hosts.

    Example: isoforge multi --host site-a-m710q1 --host site-a-m710q2 --name prod-2025-03 --render
    """
    from isoforge.added_files import additions_of
    from isoforge.image.grub_password import read_hash
    from isoforge.order import Order, rebuild_order
    from isoforge.selection import Selection
    from isoforge.workspace import Workspace

    workspace, password_hash = Workspace(baremetal=baremetal), read_hash(password_file) if password_file else ""
    added = additions_of(add or [])
    if manifest:
        _refuse_contradictions(ctx)
        order = rebuild_order(
            _read_manifest(manifest), workspace=workspace, base_iso=ubuntu_iso, render=render, strict=strict,
            forbid_secrets=forbid_secrets, password_hash=password_hash, sign=sign, added=added, hook=hook,
        )  # fmt: skip
    else:
        selection = Selection(hosts=tuple(host or ()), groups=tuple(group or ()), all_hosts=all_hosts)
        order = Order(
            workspace=workspace, selection=selection, name=_required(name), base_iso=ubuntu_iso,
            default_host=default_host or None, timeout_s=grub_timeout, auto=auto, password_hash=password_hash,
            render=render, guard=not no_guard, report=not no_report, strict=strict,
            forbid_secrets=forbid_secrets, unpack=unpack, fast=fast, sign=sign, menu_colors=menu_colors,
            hidden_menu=hidden_menu, added=added, hook=hook,
        )  # fmt: skip
    _build(order, json=json)


def _required(name: str | None) -> str:
    if name is None:
        raise UsageError("Missing option '--name'", hint="isoforge multi --help")
    return name


def _refuse_contradictions(ctx: typer.Context) -> None:
    """Raise ``UsageError`` if --from is used with an option that it replaces."""
    options = [
        str(parameter.opts[0])
        for parameter in ctx.command.params
        if parameter.name in SET_BY_MANIFEST
        and (source := ctx.get_parameter_source(parameter.name))
        and source.name == "COMMANDLINE"
    ]
    if options:
        raise UsageError(
            f"--from and {', '.join(options)} cannot be combined", hint="the manifest determines these options"
        )


def _read_manifest(file: Path) -> Manifest:
    from isoforge.proof.manifest import Manifest

    hint = "--from needs the manifest.json of an ISO"
    try:
        return Manifest.from_file(file)
    except UnicodeDecodeError as failure:
        raise UsageError(f"{file} is not valid UTF-8", hint=hint) from failure
    except OSError as failure:
        raise UsageError(f"cannot read {file}: {failure.strerror}", hint=hint) from failure
    except ValueError as failure:
        raise UsageError(f"{file}: {failure}", hint=hint) from failure


@app.command()
def full(
    host: OneHost,
    ubuntu_iso: UbuntuIso = None,
    grub_timeout: Timeout = 5,
    render: Render = False,
    no_guard: NoGuard = False,
    no_report: NoReport = False,
    forbid_secrets: ForbidSecrets = False,
    sign: Sign = None,
    baremetal: Baremetal = BAREMETAL,
    json: Json = False,
    json_events: JsonEvents = False,  # noqa: ARG001 - it acts in its callback
) -> None:
    """Build an ISO that installs one host without a key press.

    The host is installed when the menu times out.

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
        report=not no_report,
        forbid_secrets=forbid_secrets,
        sign=sign,
    )
    _build(order, json=json)


@app.command()
def seed(
    host: OneHost,
    render: Render = False,
    no_guard: NoGuard = False,
    no_report: NoReport = False,
    baremetal: Baremetal = BAREMETAL,
) -> None:
    """Build a host's CIDATA ISO, which holds its seed only.

    Attach it beside the untouched official ISO: Ubuntu's installer finds it by its volume id. The installer asks for
    confirmation once, unless the word `autoinstall` is added to the kernel line.

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
        report=not no_report,
    )
    typer.echo(seed_iso(order))


@app.command(hidden=True)
def synthetic_base(
    iso: Annotated[Path, typer.Argument(help="File to write.")],
    release: Annotated[
        str, typer.Option("--release", help="Release whose layout it has: 22.04, 24.04 or 26.04.")
    ] = "24.04",
    hwe: Annotated[bool, typer.Option("--hwe", help="Add a second pair of kernel and initrd.")] = False,
    cache: Annotated[Path, typer.Option("--cache", help="Where scripts/setup.sh put the kernel.")] = Path(".cache"),
) -> None:
    """Build a base ISO with the layout of Ubuntu's live-server ISO that boots into a probe, not into the installer."""
    from isoforge.proof.boot.probe import find_guest
    from isoforge.proof.boot.synthetic_iso import Release, make_base

    releases = {known.version: known for known in Release}
    if release not in releases:
        raise UsageError(f"invalid value {release!r} for --release (choose from {', '.join(releases)})")
    make_base(iso, release=releases[release], hwe=hwe, guest=find_guest(cache))
    typer.echo(iso)


def _build(order: Order, *, json: bool) -> None:
    from isoforge.forge import multi as forge_multi

    with progress_bar() as progress:
        result = forge_multi(order, progress)
    print_build(result, order, json=json)


def print_build(result: BuildResult, order: Order, *, json: bool) -> None:
    """Report the ISO that was built for ``order``: for people on stderr, its path or manifest on stdout."""
    manifest = result.manifest
    logs.report(
        _summary(result, order),
        "built",
        iso=str(result.iso),
        manifest=str(result.manifest_file),
        summary=str(result.summary),
        sha256=manifest.iso.sha256 if manifest.iso else None,
        size=result.iso.stat().st_size,
    )
    print_result(json_format.loads(manifest.to_json()), lambda: typer.echo(result.iso), json=json)


def _summary(result: BuildResult, order: Order) -> str:
    """The result of a build for people."""
    from isoforge.forge import words_of

    manifest = result.manifest
    size = manifest.iso.size if manifest.iso else 0
    on_timeout = "boots the local disk; a machine that the menu recognises by its match keys is INSTALLED"
    if manifest.auto:
        on_timeout = "the host that matches the machine is INSTALLED"
    elif manifest.default_host:
        on_timeout = f"{manifest.default_host} is INSTALLED"
    lines = [
        f"Built and verified one ISO for {_count(len(manifest.hosts), 'host')}:",
        f"  ISO       {result.iso}",
        f"  Size      {size} bytes ({size / (1 << 20):.1f} MiB)",
        f"  SHA-256   {(manifest.iso and manifest.iso.sha256) or 'not computed (--fast)'}",
        *(["  Rebuild   reproduced byte-identical to the manifest"] if order.rebuild_of else []),
        f"  Base      {manifest.base_iso.title}",
        f"            {words_of(manifest.base_iso)}",
        *(f"  Host      {host.name}" for host in manifest.hosts),
        f"  Timeout   {manifest.timeout_s} s, then {on_timeout}",
        f"  Summary   {result.summary}",
    ]
    return "\n".join(lines)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
