"""The verb that installs hosts in virtual machines."""

from __future__ import annotations

import json as json_format
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isoforge.cli.boot import EXTRA, HostsOnIso
from isoforge.cli.options import Json
from isoforge.cli.progress import Progress, progress_bar
from isoforge.cli.tables import print_result, print_table
from isoforge.errors import ProofError, ToolError, UsageError

if TYPE_CHECKING:
    from isoforge.proof.rehearse.run import RehearsalEvidence

app = typer.Typer()

LEAST_DISK_BYTES = 256 << 20

FirmwareName = Annotated[
    str | None, typer.Option("--firmware", metavar="NAME", help="bios, uefi or secureboot (default: secureboot).")
]
DiskSize = Annotated[
    str, typer.Option("--base-disk-size", metavar="SIZE", help="Smallest size of a disk, such as 20G.")
]
TimeLimit = Annotated[
    float, typer.Option("--timeout", metavar="SECONDS", min=1, help="Time limit of the installation.")
]
Report = Annotated[
    Path | None,
    typer.Option("--report", metavar="DIR", help="Write the report, screenshots and serial logs to this folder."),
]


@app.command("rehearse")
def rehearse(
    iso: Annotated[Path, typer.Argument(metavar="ISO", help="ISO built by isoforge.")],
    host: HostsOnIso = None,
    all_hosts: Annotated[bool, typer.Option("--all", help="All hosts on the ISO.")] = False,
    firmware: FirmwareName = None,
    medium: Annotated[str, typer.Option("--medium", metavar="NAME", help="cd or usb.")] = "cd",
    base_disk_size: DiskSize = "20G",
    timeout: TimeLimit = 3600,
    jobs: Annotated[int, typer.Option("--jobs", min=1, metavar="N", help="Hosts to install at a time.")] = 1,
    report: Report = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the disks, in the folder of --report.")] = False,
    json: Json = False,
) -> None:
    """Install hosts in QEMU, as their machines would.

    Then starts each machine again with the ISO (it must not be installed again) and from its disk alone, and starts
    the ISO on another machine (nothing may be written). Exit code 8 if anything differs from the manifest and the seed.

    Example: isoforge rehearse ubuntu-autoinstall-prod.iso --host site-a-m710q1 --report rehearsal
    """
    try:
        from isoforge.proof.boot.qemu import Firmware, Medium
        from isoforge.proof.rehearse.evidence import prepare, to_json, write_evidence
        from isoforge.proof.rehearse.machine import size_bytes
        from isoforge.proof.rehearse.run import RehearsalRequest
        from isoforge.proof.rehearse.run import rehearse as proof_rehearse
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] in EXTRA:
            raise ToolError(
                f"rehearse needs the Python package {missing.name}", hint="pip install 'isoforge[boot]'"
            ) from None
        raise
    _refuse_unlisted("--firmware", firmware, list(Firmware))
    _refuse_unlisted("--medium", medium, list(Medium))
    size = size_bytes(base_disk_size)
    _refuse_small(base_disk_size, size)
    order = RehearsalRequest(
        iso=iso,
        hosts=tuple(host or ()),
        every_host=all_hosts,
        firmware=None if firmware is None else Firmware(firmware),
        medium=Medium(medium),
        jobs=jobs,
        timeout_s=timeout,
        disk_bytes=size,
        folder=report,
        keep=keep,
    )
    if report:
        prepare(report)

    def write(evidence: RehearsalEvidence) -> None:
        if report:
            typer.echo(f"report: {write_evidence(evidence, report)}", err=True)

    with progress_bar() as progress:
        evidence = proof_rehearse(order, partial(_report, progress), write)
    print_result(json_format.loads(to_json(evidence)), partial(_print, evidence), json=json)
    _refuse_failed(evidence)


def _refuse_unlisted(option: str, value: str | None, choices: Sequence[str]) -> None:
    if value is not None and value not in choices:
        raise UsageError(f"invalid value {value!r} for {option} (choose from {', '.join(choices)})")


def _refuse_small(text: str, size: int) -> None:
    if size < LEAST_DISK_BYTES:
        raise UsageError(f"invalid value {text!r} for --base-disk-size: a size such as 20G, at least 256M")


def _report(progress: Progress, host: str, step: str) -> None:
    """Report each step as it comes."""
    if host:
        progress.note(f"{host}: {step}")
    else:
        typer.echo(step, err=True)


def _print(evidence: RehearsalEvidence) -> None:
    rows = [
        (one.host, one.firmware, "ok" if one.ok else "failed", f"{one.seconds:.0f}", "\n".join(one.problems))
        for one in evidence.rehearsals
    ]
    print_table(("host", "firmware", "result", "seconds", "difference"), rows)


def _refuse_failed(evidence: RehearsalEvidence) -> None:
    failed = sum(not one.ok for one in evidence.rehearsals)
    if failed:
        raise ProofError(f"{failed} of {len(evidence.rehearsals)} rehearsals failed", problems=evidence.problems)
