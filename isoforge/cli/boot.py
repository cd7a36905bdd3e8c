"""The verb that boots an ISO."""

from __future__ import annotations

import json as json_format
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from isoforge.cli.completion import host_names
from isoforge.cli.options import Json
from isoforge.cli.progress import Progress, progress_bar
from isoforge.cli.tables import print_result, print_table
from isoforge.errors import ProofError, ToolError, UsageError

if TYPE_CHECKING:
    from isoforge.proof.boot.qemu import Firmware, Medium
    from isoforge.proof.boot.run import BootOutcome, Evidence

app = typer.Typer()

Choice = TypeVar("Choice", "Firmware", "Medium")

EXTRA = {"pyte", "qemu"}
"""The modules of the optional dependencies that this verb needs."""

HostsOnIso = Annotated[
    list[str] | None,
    typer.Option("--host", autocompletion=host_names, help="Host on the ISO; repeat it for more hosts."),
]
Report = Annotated[
    Path | None,
    typer.Option("--report", metavar="DIR", help="Write report.html, screenshots and serial logs to this folder."),
]
FirmwareList = Annotated[
    str | None,
    typer.Option(
        "--firmware",
        metavar="LIST",
        help="Comma-separated list of bios, uefi, secureboot (default: bios,secureboot; arm64: secureboot).",
    ),
]


@app.command("boot-test")
def boot_test(
    iso: Annotated[Path, typer.Argument(metavar="ISO", help="ISO built by isoforge.")],
    host: HostsOnIso = None,
    all_hosts: Annotated[bool, typer.Option("--all", help="All hosts on the ISO (default: a sample).")] = False,
    firmware: FirmwareList = None,
    medium: Annotated[
        str, typer.Option("--medium", metavar="LIST", help="Comma-separated list of cd, usb.")
    ] = "cd,usb",
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", min=1, metavar="N", help="Machines to run at a time (default: one a core, up to 4)."),
    ] = None,
    report: Report = None,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=1, help="Time limit of one boot.")
    ] = 300,
    json: Json = False,
) -> None:
    """Boot the menu entries of an ISO in QEMU.

    Compares the kernel line and the seed that each machine receives with the manifest; exit code 8 if they differ.

    Example: isoforge boot-test ubuntu-autoinstall-prod.iso --all --report evidence
    """
    try:
        from isoforge.proof.boot.evidence import prepare, to_json, write_evidence
        from isoforge.proof.boot.qemu import Firmware, Medium
        from isoforge.proof.boot.run import BootRequest
        from isoforge.proof.boot.run import boot_test as proof_boot_test
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] in EXTRA:
            raise ToolError(
                f"boot-test needs the Python package {missing.name}", hint="pip install 'isoforge[boot]'"
            ) from None
        raise
    order = BootRequest(
        iso=iso,
        hosts=tuple(host or ()),
        every_host=all_hosts,
        firmwares=None if firmware is None else _listed("--firmware", firmware, Firmware),
        media=_listed("--medium", medium, Medium),
        jobs=jobs,
        timeout_s=timeout,
        folder=report,
    )
    if report:
        prepare(report)
    with progress_bar() as progress:
        evidence = proof_boot_test(order, partial(_report, progress))
    page = write_evidence(evidence, report) if report else None
    print_result(json_format.loads(to_json(evidence)), partial(_print, evidence), json=json)
    if page:
        typer.echo(f"report: {page}", err=True)
    _refuse_failed(evidence)


def _listed(option: str, text: str, kind: type[Choice]) -> tuple[Choice, ...]:
    """The choices in the comma-separated ``text``, each once."""
    words = [word.strip() for word in text.split(",")]
    for word in words:
        if word not in list(kind):
            raise UsageError(f"invalid value {word!r} for {option} (choose from {', '.join(kind)})")
    return tuple(dict.fromkeys(map(kind, words)))


def _report(progress: Progress, done: int, count: int, last: BootOutcome | None) -> None:
    """Report each boot as it ends."""
    if last is not None:
        result = "failed" if last.differences else "ok"
        progress.note(f"{done}/{count} {last.host} on {last.firmware} from {last.medium}: {result}")
    progress.step("booting", done, count, counted="boots")


def _print(evidence: Evidence) -> None:
    rows = [
        (
            one.host,
            one.firmware,
            one.medium,
            "failed" if one.differences else "ok",
            f"{one.seconds:.0f}",
            "\n".join(one.differences),
        )
        for one in evidence.boots
    ]
    print_table(("host", "firmware", "medium", "result", "seconds", "difference"), rows)
    typer.echo(f"booted: {', '.join(evidence.hosts)} ({evidence.selection})", err=True)
    if len(evidence.hosts) < len(evidence.manifest.hosts):
        typer.echo("to boot all hosts, use --all", err=True)


def _refuse_failed(evidence: Evidence) -> None:
    if problems := evidence.problems:
        failed = sum(bool(one.differences) for one in evidence.boots)
        raise ProofError(f"{failed} of {len(evidence.boots)} boots differ from the manifest", problems=problems)
