"""The verb that boots an ISO."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from isoforge.cli.completion import host_names
from isoforge.cli.options import Json
from isoforge.cli.progress import Progress, shown
from isoforge.cli.tables import show
from isoforge.errors import ProofError, ToolError, UsageError

if TYPE_CHECKING:
    from isoforge.proof.boot.qemu import Firmware, Medium
    from isoforge.proof.boot.run import Booted, Evidence

app = typer.Typer()

Choice = TypeVar("Choice", "Firmware", "Medium")

EXTRA = {"pyte", "qemu"}
"""The modules of the extra that this verb needs."""


@app.command("boot-test")
def boot_test(
    iso: Annotated[Path, typer.Argument(help="An ISO that isoforge made.")],
    host: Annotated[
        list[str] | None,
        typer.Option("--host", autocompletion=host_names, help="A host on the ISO; give it once for each."),
    ] = None,
    every_host: Annotated[bool, typer.Option("--all", help="Every host on the ISO; left out: a sample.")] = False,
    firmware: Annotated[str, typer.Option("--firmware", help="Out of bios, uefi, secureboot.")] = "bios,secureboot",
    medium: Annotated[str, typer.Option("--medium", help="Out of cd, usb.")] = "cd,usb",
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", min=1, help="How many machines run at a time; left out: one a core, up to 4."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="DIR", help="Keep report.html, pictures and serial logs there.")
    ] = None,
    timeout: Annotated[float, typer.Option("--timeout", min=1, help="Seconds that one boot may take.")] = 300,
    json: Json = False,
) -> None:
    """Boot an ISO's entries in QEMU and compare what came.

    What each machine got is held against the manifest: exit code 8 if it differs.

    Example: isoforge boot-test ubuntu-autoinstall-prod.iso --all --report evidence
    """
    try:
        from isoforge.proof.boot.evidence import prepare, to_json, write_evidence
        from isoforge.proof.boot.qemu import Firmware, Medium
        from isoforge.proof.boot.run import Round
        from isoforge.proof.boot.run import boot_test as proof_boot_test
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] in EXTRA:
            raise ToolError(f"boot tests need {missing.name}", hint="pip install 'isoforge[boot]'") from None
        raise
    order = Round(
        iso=iso,
        hosts=tuple(host or ()),
        every_host=every_host,
        firmwares=_listed("--firmware", firmware, Firmware),
        media=_listed("--medium", medium, Medium),
        jobs=jobs,
        timeout_s=timeout,
        folder=report,
    )
    if report:
        prepare(report)
    with shown() as progress:
        evidence = proof_boot_test(order, partial(_tell, progress))
    page = write_evidence(evidence, report) if report else None
    if json:
        typer.echo(to_json(evidence), nl=False)
    else:
        _show(evidence)
    if page:
        typer.echo(f"evidence for people: {page}", err=True)
    _refuse_failed(evidence)


def _listed(option: str, text: str, kind: type[Choice]) -> tuple[Choice, ...]:
    """The choices named in ``text`` with commas between them, each once."""
    try:
        return tuple(dict.fromkeys(kind(word.strip()) for word in text.split(",")))
    except ValueError:
        known = ", ".join(kind)
        raise UsageError(f"{option} {text} cannot be meant", hint=f"out of {known}, with commas between them") from None


def _tell(progress: Progress, done: int, count: int, last: Booted | None) -> None:
    """Each boot as it ends."""
    if last is not None:
        ended = "failed" if last.differences else "ok"
        progress.note(f"{done}/{count} {last.host} on {last.firmware} from {last.medium}: {ended}")
    progress.step("booting", done, count, counted="boots")


def _show(evidence: Evidence) -> None:
    rows = [
        (
            one.host,
            one.firmware,
            one.medium,
            "failed" if one.differences else "ok",
            f"{one.seconds:.0f}",
            "\n".join(one.differences),
        )
        for one in evidence.booted
    ]
    show(("host", "firmware", "medium", "result", "seconds", "difference"), rows)
    typer.echo(f"booted: {', '.join(evidence.hosts)} ({evidence.chosen})", err=True)
    if len(evidence.hosts) < len(evidence.manifest.hosts):
        typer.echo("--all boots every host", err=True)


def _refuse_failed(evidence: Evidence) -> None:
    if problems := evidence.problems:
        failed = sum(bool(one.differences) for one in evidence.booted)
        raise ProofError(
            f"{failed} of {len(evidence.booted)} boots are not what the manifest promises", problems=problems
        )
