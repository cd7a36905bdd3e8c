"""The verb behind `make demo`: a base ISO for those who have none at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    """Give ``app`` the verbs of this module."""
    app.command(hidden=True)(synthetic_base)


def synthetic_base(
    iso: Annotated[Path, typer.Argument(help="Where the ISO goes.")],
    release: Annotated[str, typer.Option("--release", help="Whose layout it has: 22.04, 24.04 or 26.04.")] = "24.04",
    hwe: Annotated[bool, typer.Option("--hwe", help="With a second pair of kernel and initrd.")] = False,
    cache: Annotated[Path, typer.Option("--cache", help="Where scripts/setup.sh put the kernel.")] = Path(".cache"),
) -> None:
    """Make a base ISO with the layout of Ubuntu's live-server, which boots into a probe in place of the installer."""
    from isoforge.errors import UsageError
    from isoforge.proof.boot.probe import find_guest
    from isoforge.proof.boot.synthetic_iso import Release, make_base

    releases = {known.version: known for known in Release}
    if release not in releases:
        raise UsageError(f"no layout of {release} is known", hint=f"one of {', '.join(releases)}")
    make_base(iso, release=releases[release], hwe=hwe, guest=find_guest(cache))
    typer.echo(iso)
