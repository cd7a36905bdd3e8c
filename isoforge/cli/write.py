"""The verb that writes an ISO to sticks."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isoforge.cli import logs
from isoforge.cli.completion import device_paths
from isoforge.cli.options import Json, JsonEvents
from isoforge.cli.progress import progress_bar
from isoforge.cli.tables import print_result, print_table
from isoforge.errors import UsageError

if TYPE_CHECKING:
    from isoforge.device.disks import Disk
    from isoforge.device.guards import Refusal
    from isoforge.write import Stick, WriteOrder

app = typer.Typer()

Iso = Annotated[
    Path | None, typer.Argument(metavar="ISO", help="ISO to write, built by isoforge or by any other tool.")
]
Devices = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[DEVICE]...",
        readable=False,  # without permission, the recipe says which group or command helps
        autocompletion=device_paths,
        help="Whole disk to overwrite, such as /dev/sdb or a link in /dev/disk/by-id; give several to write them"
        " at once (default: list the disks).",
    ),
]
Force = Annotated[
    list[Path] | None,
    typer.Option(
        "--force",
        metavar="DEVICE",
        readable=False,
        autocompletion=device_paths,
        help="Name a device again that is not removable, is larger than 2 TB or is part of a RAID or LVM volume,"
        " to overwrite it all the same. A disk in use is never overwritten.",
    ),
]


@app.command()
def write(
    iso: Iso = None,
    device: Devices = None,
    list_disks: Annotated[
        bool, typer.Option("--list", help="List the disks that can be written to, and why others cannot.")
    ] = False,
    force: Force = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for the serial of each device.")] = False,
    json: Json = False,
    json_events: JsonEvents = False,  # noqa: ARG001 - it acts in its callback
) -> None:
    """Write an ISO to a stick and read it back.

    The ISO is checked first, with the digest in the manifest.json beside it if there is one. A disk that is mounted or
    in use, or that holds the running system, is refused; before anything else is overwritten, its serial must be
    typed. The stick is read back from the stick itself: every byte, and the files as a CD drive and as a machine
    that starts from USB see them. A stick that was not written to its end does not boot.

    Needs root, or the group that may write to disks (on most systems: disk). Without DEVICE, or with --list, prints
    the disks that can be written to.

    Example: isoforge write ubuntu-autoinstall-prod-2025-03.iso /dev/sdb
    """
    from isoforge import write as recipe

    if list_disks:
        if iso is not None or force or yes:
            raise UsageError("--list cannot be combined with ISO, DEVICE, --force and --yes")
        _print_candidates(recipe.candidates(), json=json)
        return
    if iso is None:
        raise UsageError("Missing argument 'ISO'", hint="isoforge write --help")
    if not device:
        _print_candidates(recipe.candidates(), json=json)
        raise UsageError("Missing argument 'DEVICE': nothing was written", hint=f"isoforge write {iso} DEVICE")
    order = recipe.order_of(iso, device, force=force or ())
    if not yes:
        _confirm(order)
    with progress_bar() as progress:
        sha256, sticks = recipe.write(order, progress.step)
    facts = {"iso": str(iso), "size": order.iso.size, "sha256": sha256, "devices": [_result(stick) for stick in sticks]}
    for stick in sticks:
        if stick.proven:
            logs.report(_summary(stick, order.iso.size, sha256), "written", **_result(stick))
    print_result(facts, lambda: _print_paths(sticks), json=json)
    recipe.refuse_failed(sticks)


def _confirm(order: WriteOrder) -> None:
    """Ask for the serial of each disk; ``UsageError`` if the answer is another one, or if there is nobody to answer."""
    for disk in order.disks:
        typer.echo(f"{disk.name} will be overwritten with {order.iso.path} ({order.iso.description}):", err=True)
        typer.echo(f"  {_description(disk)}", err=True)
        typer.echo(f"  now on it: {', '.join(disk.contents) or 'nothing that is known'}", err=True)
        what = "serial" if disk.serial else "name"
        typer.echo(f"Type its {what} to continue: ", nl=False, err=True)
        answer = sys.stdin.readline()
        if not sys.stdin.isatty():
            typer.echo(err=True)
        if not answer:
            raise UsageError(f"{disk.path} was not confirmed: nothing was written", hint="--yes does not ask")
        if answer.strip().casefold() != disk.answer.casefold():
            hint = f"is {disk.path} the disk that you mean? isoforge write --list shows all of them"
            raise UsageError(f"that is not the {what} of {disk.path}: nothing was written", hint=hint)


def _print_candidates(disks: Sequence[tuple[Disk, tuple[Refusal, ...]]], *, json: bool) -> None:
    facts = [
        {
            "device": str(disk.path),
            "link": disk.link,
            "size": disk.size,
            "bus": disk.bus,
            "model": disk.model,
            "serial": disk.serial,
            "removable": disk.removable,
            "contents": list(disk.contents),
            "refusals": [refusal.reason for refusal in reasons],
        }
        for disk, reasons in disks
    ]
    print_result({"devices": facts}, lambda: _print_table(disks), json=json)


def _print_table(disks: Sequence[tuple[Disk, tuple[Refusal, ...]]]) -> None:
    """The disks that can be written to; on stderr the others, and why."""
    rows = [
        (disk.path, _gigabytes(disk.size), disk.bus, disk.model, disk.serial, "\n".join(disk.contents))
        for disk, reasons in disks
        if not reasons
    ]
    if rows:
        print_table(("device", "size", "bus", "model", "serial", "contents"), rows)
    else:
        typer.echo("no disk that can be written to: plug in a stick", err=True)
    for disk, reasons in disks:
        if reasons:
            typer.echo(f"not offered: {disk.path}, {_description(disk)}: {reasons[0].reason}", err=True)


def _description(disk: Disk) -> str:
    serial = f"serial {disk.serial}" if disk.serial else "no serial"
    return ", ".join(filter(None, (disk.model, _gigabytes(disk.size), disk.bus, serial)))


def _gigabytes(size: int) -> str:
    return f"{size / 10**9:.1f} GB" if size >= 10**9 else f"{size / 10**6:.0f} MB"


def _result(stick: Stick) -> dict[str, object]:
    """What has happened to a stick, for programs."""
    return {
        "device": str(stick.disk.path),
        "link": stick.disk.link,
        "model": stick.disk.model,
        "serial": stick.disk.serial,
        "ok": stick.proven,
        "error": stick.failure.message if stick.failure else None,
        "write_seconds": round(stick.seconds, 2) if stick.written else None,
        "dropped_gpt": stick.dropped_gpt,
    }


def _summary(stick: Stick, size: int, sha256: str) -> str:
    """The same for people."""
    lines = [
        f"Written and read back: {stick.disk.name}",
        f"  SHA-256   {sha256}, of the first {size} bytes of the stick",
        "  Views     as a CD and as a USB stick in order",
        f"  Speed     {size / 10**6 / max(stick.seconds, 0.001):.1f} MB/s, {stick.seconds:.1f} s of writing",
    ]
    if stick.dropped_gpt:
        lines.append("  Removed   the backup of an older partition table at the end of the stick")
    return "\n".join(lines)


def _print_paths(sticks: Sequence[Stick]) -> None:
    for stick in sticks:
        if stick.proven:
            sys.stdout.write(f"{stick.disk.path}\n")
