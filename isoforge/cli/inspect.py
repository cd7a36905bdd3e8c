"""The verbs that look at ISOs: what is on one, whether it is true, in what two differ."""

from __future__ import annotations

import json as json_format
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isoforge.cli.options import Json
from isoforge.cli.progress import shown
from isoforge.cli.tables import show
from isoforge.errors import ProofError, UsageError

if TYPE_CHECKING:
    from isoforge.proof.read.diff import Difference
    from isoforge.proof.read.inspect import Contents
    from isoforge.proof.verify.check import Check

app = typer.Typer()

Iso = Annotated[Path, typer.Argument(metavar="ISO", help="The ISO; anybody's, not only one of isoforge.")]
ShowSecrets = Annotated[
    bool, typer.Option("--show-secrets", help="Show password hashes, keys and tokens instead of ***.")
]


@app.command()
def verify(
    iso: Iso,
    base: Annotated[
        Path | None,
        typer.Option("--base", help="The official ISO it was made from: boot records and files are compared."),
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option("--manifest", help="What it should hold; left out: the manifest.json beside it.")
    ] = None,
    json: Json = False,
) -> None:
    """Check an ISO by reading it: the proof before booting.

    Boot records, both views of the tree, seeds, menu, checksums, in one read.

    One line a check, with what was compared; exit code 8 if any failed. Nothing is unpacked, no root is needed.
    Example: isoforge verify ubuntu-autoinstall-prod-2025-03.iso --base ubuntu-24.04-live-server-amd64.iso
    """
    from isoforge.proof.verify.verify import verify as proof_verify

    with shown() as progress:
        checks = proof_verify(iso, base=base, manifest=manifest, listen=progress.reading(iso))
    failed = [check for check in checks if check.faults]
    if json:
        _print_json({"iso": str(iso), "ok": not failed, "checks": [asdict(check) for check in checks]})
    else:
        _print_checks(checks)
    if failed:
        names = ", ".join(check.name for check in failed)
        raise ProofError(f"{iso.name} is not what it should be: {len(failed)} of {len(checks)} checks failed ({names})")


@app.command()
def inspect(
    iso: Iso,
    seed: Annotated[
        str | None, typer.Option("--seed", metavar="HOST", help="Print the seed of this host, its secrets masked.")
    ] = None,
    show_secrets: ShowSecrets = False,
    extract: Annotated[
        Path | None,
        typer.Option("--extract", metavar="DIR", help="Write seeds, menus and manifest into this new folder (0700)."),
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print base, hosts and digests as Markdown tables, for a pull request.")
    ] = False,
    json: Json = False,
) -> None:
    """Say what an ISO is, and what is on it.

    Release, kernels, boot layout, menu with kernel lines, hosts with seed digests.

    Works on official ISOs and on everybody's remasters. Example: isoforge inspect ubuntu-24.04-live-server-amd64.iso
    """
    from isoforge.proof.read import inspect

    if sum((seed is not None, extract is not None, markdown, json)) > 1:
        raise UsageError("--seed, --extract, --markdown and --json cannot be combined", hint="give one of them")
    if seed is not None:
        typer.echo(_printable(inspect.seed_text(iso, seed, show_secrets=show_secrets)), nl=False)
    elif extract is not None:
        for file in inspect.extract(iso, extract):
            _say(str(file))
    elif markdown:
        from isoforge.cli.markdown import contents_markdown
        from isoforge.proof.manifest import sha256_of

        typer.echo(contents_markdown(inspect.inspect(iso), sha256_of(iso)), nl=False)
    elif json:
        _print_json(asdict(inspect.inspect(iso)))
    else:
        _print_contents(inspect.inspect(iso))


@app.command()
def diff(
    one: Annotated[Path, typer.Argument(metavar="A.iso", help="The first ISO.")],
    two: Annotated[Path, typer.Argument(metavar="B.iso", help="The second ISO.")],
    show_secrets: ShowSecrets = False,
    json: Json = False,
) -> None:
    """Say in what two ISOs differ.

    Boot records, hosts, seeds, menu, files.

    Exit code 0 if nothing differs, 8 if something does. Seeds are shown as a unified diff with secrets masked.
    Addresses and dates are not compared. Example: isoforge diff prod-2025-02.iso prod-2025-03.iso
    """
    from isoforge.proof.read.diff import differences

    with shown() as progress:
        found = differences(one, two, show_secrets=show_secrets, listen=progress.reading(one, two))
    if json:
        _print_json({"one": str(one), "two": str(two), "differences": [asdict(difference) for difference in found]})
    else:
        _print_differences(found)
    if found:
        raise ProofError(
            f"{one.name} and {two.name} differ in {len(found)} ways"
            if len(found) > 1
            else f"{one.name} and {two.name} differ in one way"
        )


def _print_json(facts: object) -> None:
    typer.echo(json_format.dumps(facts, indent=2, ensure_ascii=False))


def _print_checks(checks: Iterable[Check]) -> None:
    checks = tuple(checks)
    width = max(len(check.name) for check in checks)
    for check in checks:
        _say(f"{check.outcome:<8}{check.name:<{width}}  {check.detail}")
        for fault in check.faults:
            _say(f"          {fault}")
        for remark in check.remarks:
            _say(f"          (harmless) {remark}")


def _print_differences(found: Iterable[Difference]) -> None:
    part = ""
    for difference in found:
        if difference.part != part:
            part = difference.part
            _say(part)
        _say(f"  {difference.subject}: {difference.change}")
        for line in difference.diff.splitlines():
            _say(f"    {line}")


def _print_contents(told: Contents) -> None:
    made = told.manifest
    facts = [
        ("file", f"{told.file}, {told.size} bytes"),
        ("title", told.title or "none: no .disk/info"),
        ("release", f"{told.release} {told.arch}".strip() or "unknown"),
        ("volume id", told.volume_id),
        (
            "made by",
            f"isoforge {made.isoforge_version}, build {made.build_id} ({made.name})" if made else "not isoforge",
        ),
        *([("base ISO", f"{made.base_iso.title} ({made.base_iso.volume_id})")] if made else []),
        *([("timeout", f"{made.timeout_s} s, then {made.on_timeout}")] if made else []),
        *(("kernel", f"{kernel.vmlinuz} with {kernel.initrd or 'no initrd'}") for kernel in told.kernels),
        *(("partition", f"{part.number}: {part.type}, at {part.start}, {part.size} bytes") for part in told.partitions),
        *(("El Torito", f"{record.platform}, at {record.start}, {record.size} bytes") for record in told.boot_records),
    ]
    width = max(len(name) for name, _ in facts)
    for name, fact in facts:
        _say(f"{name:<{width}}  {fact}")
    _print_menu(told)
    if told.hosts:
        _say("")
        rows = [
            (_printable(host.name), Path(file.path).name, file.size, file.sha256)
            for host in told.hosts
            for file in host.files
            if file.size
        ]
        show(("host", "seed file", "bytes", "SHA-256"), rows)


def _print_menu(told: Contents) -> None:
    """The entries of each menu, those of a submenu below its title."""
    shown: tuple[str, ...] = ()
    for entry in told.menu:
        if (entry.menu,) != shown[:1]:
            _say(f"\n{entry.menu}")
        for depth, title in enumerate(entry.submenu):
            if shown[1 : depth + 2] != entry.submenu[: depth + 1]:
                _say(f"{'  ' * (depth + 1)}{title}  (submenu)")
        shown = (entry.menu, *entry.submenu)
        indent = "  " * (len(entry.submenu) + 1)
        _say(f"{indent}{entry.title or '(no title)'}")
        if entry.kernel:
            _say(f"{indent}  {entry.kernel} {entry.kernel_line}".rstrip())
        if entry.initrd:
            _say(f"{indent}  {' '.join(entry.initrd)}")


def _say(line: str) -> None:
    typer.echo(_printable(line))


def _printable(text: str) -> str:
    """Words that may come from anybody's ISO, without control characters: they would reach the terminal."""
    shown = text.encode("utf-8", errors="surrogateescape").decode("utf-8", errors="replace")
    return "".join(char if char.isprintable() or char in "\t\n" else "\N{REPLACEMENT CHARACTER}" for char in shown)
