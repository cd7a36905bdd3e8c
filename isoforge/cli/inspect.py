"""The verbs that read ISOs: show one, verify one, compare two."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isoforge.cli.options import Json, ShowSecrets
from isoforge.cli.progress import progress_bar
from isoforge.cli.tables import print_result, print_table
from isoforge.errors import ProofError, UsageError

if TYPE_CHECKING:
    from isoforge.proof.read.diff import Difference
    from isoforge.proof.read.exposure import ExposedSecret
    from isoforge.proof.read.inspect import Contents
    from isoforge.proof.verify.check import Check

app = typer.Typer()

Iso = Annotated[Path, typer.Argument(metavar="ISO", help="ISO file, built by isoforge or by any other tool.")]


@app.command()
def verify(
    iso: Iso,
    base: Annotated[
        Path | None,
        typer.Option("--base", help="Official ISO that it was built from: compare boot records and files with it."),
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option("--manifest", help="Manifest of the ISO (default: the manifest.json beside it).")
    ] = None,
    signer: Annotated[
        Path | None,
        typer.Option(
            "--signer",
            metavar="FILE",
            help="Fail unless this key has signed the manifest: a public SSH key, or a list of allowed signers.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Verify an ISO by reading it.

    Checks boot records, CD view and USB view, seeds, menu and checksums. Prints one line for each check, with what it
    compared; exit code 8 if a check failed. Unpacks nothing and needs no root.

    Example: isoforge verify ubuntu-autoinstall-prod-2025-03.iso --base ubuntu-24.04-live-server-amd64.iso
    """
    from isoforge.proof.verify.verify import verify as proof_verify

    with progress_bar() as progress:
        checks = proof_verify(iso, base=base, manifest=manifest, signer=signer, listen=progress.reading(iso))
    failed = [check for check in checks if check.faults]
    facts = {"iso": str(iso), "ok": not failed, "checks": [asdict(check) for check in checks]}
    print_result(facts, lambda: _print_checks(checks), json=json)
    if failed:
        names = ", ".join(check.name for check in failed)
        raise ProofError(f"{iso.name}: {len(failed)} of {len(checks)} checks failed ({names})")


@app.command()
def inspect(
    iso: Iso,
    seed: Annotated[
        str | None, typer.Option("--seed", metavar="HOST", help="Print the seed of this host, with its secrets masked.")
    ] = None,
    show_secrets: ShowSecrets = False,
    secrets: Annotated[
        bool,
        typer.Option(
            "--secrets", help="List the secrets that anyone who has the ISO can read: where and of what kind."
        ),
    ] = False,
    extract: Annotated[
        Path | None,
        typer.Option("--extract", metavar="DIR", help="Write seeds, menus and manifest into this new folder (0700)."),
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print base, hosts and digests as Markdown tables, for a pull request.")
    ] = False,
    json: Json = False,
) -> None:
    """Show an ISO's release, boot layout, menu and hosts.

    Also its kernels, the kernel lines of the menu, and the digests of the seeds. Works on official ISOs and on those
    that other tools have built from them. With --secrets: the secrets in its seeds and menus, by host, file and kind,
    and nothing of the secrets themselves; the exit code is 0 whether there are any or not.

    Example: isoforge inspect ubuntu-24.04-live-server-amd64.iso
    """
    from isoforge.proof.read import inspect

    if sum((seed is not None, secrets, extract is not None, markdown, json and not secrets)) > 1:
        raise UsageError(
            "--seed, --secrets, --extract, --markdown and --json cannot be combined, except --secrets --json",
            hint="give one of them",
        )
    if secrets:
        _inspect_secrets(iso, json=json)
    elif seed is not None:
        typer.echo(_printable(inspect.seed_text(iso, seed, show_secrets=show_secrets)), nl=False)
    elif extract is not None:
        for file in inspect.extract(iso, extract):
            _echo(str(file))
    elif markdown:
        from isoforge.cli.markdown import contents_markdown
        from isoforge.image.base import reading
        from isoforge.proof.manifest import sha256_of

        shown = inspect.inspect(iso)
        with reading(iso):
            sha256 = sha256_of(iso)
        typer.echo(contents_markdown(shown, sha256), nl=False)
    else:
        contents = inspect.inspect(iso) if show_secrets else inspect.without_secrets(inspect.inspect(iso))
        print_result(asdict(contents), lambda: _print_contents(contents), json=json)


def _inspect_secrets(iso: Path, *, json: bool) -> None:
    from isoforge.proof.read.exposure import exposed_secrets

    exposed = exposed_secrets(iso)
    facts = {"iso": str(iso), "secrets": [asdict(secret) for secret in exposed]}
    print_result(facts, lambda: _print_secrets(exposed), json=json)


def _print_secrets(exposed: Iterable[ExposedSecret]) -> None:
    rows = [
        (
            _printable(secret.host or "(menu)"),
            _printable(secret.file),
            secret.line,
            _printable(secret.key),
            secret.kind if secret.certain else f"possibly: {secret.kind}",
        )
        for secret in exposed
    ]
    if rows:
        print_table(("host", "file", "line", "key", "kind"), rows)
    else:
        _echo("No secrets found.")


@app.command()
def diff(
    one: Annotated[Path, typer.Argument(metavar="A.iso", help="First ISO.")],
    two: Annotated[Path, typer.Argument(metavar="B.iso", help="Second ISO.")],
    show_secrets: ShowSecrets = False,
    json: Json = False,
) -> None:
    """Compare two ISOs.

    Compares boot records, hosts, seeds, menu and files, but not their positions on the ISO and their dates. Seeds are
    shown as a unified diff with secrets masked. Exit code 0 if nothing differs, 8 otherwise.

    Example: isoforge diff prod-2025-02.iso prod-2025-03.iso
    """
    from isoforge.proof.read.diff import differences

    with progress_bar() as progress:
        result = differences(one, two, show_secrets=show_secrets, listen=progress.reading(one, two))
    facts = {"one": str(one), "two": str(two), "differences": [asdict(difference) for difference in result]}
    print_result(facts, lambda: _print_differences(result), json=json)
    if result:
        count = "1 difference" if len(result) == 1 else f"{len(result)} differences"
        raise ProofError(f"{one.name} and {two.name} differ: {count}")


def _print_checks(checks: Iterable[Check]) -> None:
    checks = tuple(checks)
    width = max(len(check.name) for check in checks)
    for check in checks:
        _echo(f"{check.outcome:<8}{check.name:<{width}}  {check.detail}")
        for fault in check.faults:
            _echo(f"          {fault}")
        for remark in check.remarks:
            _echo(f"          (harmless) {remark}")


def _print_differences(differences: Iterable[Difference]) -> None:
    part = ""
    for difference in differences:
        if difference.part != part:
            part = difference.part
            _echo(part)
        _echo(f"  {difference.subject}: {difference.change}")
        for line in difference.diff.splitlines():
            _echo(f"    {line}")


_INSIDE = "the base ISO, which isoforge verify proves and isoforge restore writes"


def _print_contents(contents: Contents) -> None:
    manifest = contents.manifest
    facts = [
        ("file", f"{contents.file}, {contents.size} bytes"),
        ("title", contents.title or "none: no .disk/info"),
        ("release", f"{contents.release} {contents.arch}".strip() or "unknown"),
        ("volume id", contents.volume_id),
        (
            "built by",
            f"isoforge {manifest.isoforge_version}, build {manifest.build_id} ({manifest.name})" if manifest else "-",
        ),
        *([("base ISO", f"{manifest.base_iso.title} ({manifest.base_iso.volume_id})")] if manifest else []),
        *([("base origin", contents.base_origin)] if contents.base_origin else []),
        *([("inside", f"{_INSIDE}, {contents.inside_size} bytes")] if contents.inside_size else []),
        *([("timeout", f"{manifest.timeout_s} s, then {manifest.on_timeout}")] if manifest else []),
        *(("kernel", f"{kernel.vmlinuz} with {kernel.initrd or 'no initrd'}") for kernel in contents.kernels),
        *(
            ("partition", f"{part.number}: {part.type}, at {part.start}, {part.size} bytes")
            for part in contents.partitions
        ),
        *(
            ("El Torito", f"{record.platform}, at {record.start}, {record.size} bytes")
            for record in contents.boot_records
        ),
    ]
    width = max(len(name) for name, _ in facts)
    for name, fact in facts:
        _echo(f"{name:<{width}}  {fact}")
    _print_menu(contents)
    if contents.hosts:
        _echo("")
        rows = [
            (_printable(host.name), Path(file.path).name, file.size, file.sha256)
            for host in contents.hosts
            for file in host.files
            if file.size
        ]
        print_table(("host", "seed file", "bytes", "SHA-256"), rows)


def _print_menu(contents: Contents) -> None:
    """The entries of each menu, those of a submenu below its title."""
    above: tuple[str, ...] = ()
    for entry in contents.menu:
        if (entry.menu,) != above[:1]:
            _echo(f"\n{entry.menu}")
        for depth, title in enumerate(entry.submenu):
            if above[1 : depth + 2] != entry.submenu[: depth + 1]:
                _echo(f"{'  ' * (depth + 1)}{title}  (submenu)")
        above = (entry.menu, *entry.submenu)
        indent = "  " * (len(entry.submenu) + 1)
        _echo(f"{indent}{entry.title or '(no title)'}")
        if entry.kernel:
            _echo(f"{indent}  {entry.kernel} {entry.kernel_line}".rstrip())
        if entry.initrd:
            _echo(f"{indent}  {' '.join(entry.initrd)}")


def _echo(line: str) -> None:
    typer.echo(_printable(line))


def _printable(text: str) -> str:
    """``text``, which may come from any ISO, without control characters: they would reach the terminal."""
    decoded = text.encode("utf-8", errors="surrogateescape").decode("utf-8", errors="replace")
    return "".join(char if char.isprintable() or char in "\t\n" else "\N{REPLACEMENT CHARACTER}" for char in decoded)
