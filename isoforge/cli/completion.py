"""Completion by the shell: hosts, groups and profiles of the inventory, disks. Errors are silent."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from isoforge.fleet.inventory.files import Tree


def host_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """The hosts that begin with what was typed, less those that the same option has named already."""
    named = {name for value in ctx.params.values() if isinstance(value, list | tuple) for name in value}
    return [name for name in _offered(ctx, incomplete, _hosts) if name not in named]


def group_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """The groups that begin with what was typed."""
    return _offered(ctx, incomplete, _groups)


def profile_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """The hardware profiles that begin with what was typed."""
    return _offered(ctx, incomplete, _profiles)


def device_paths(incomplete: str) -> list[str]:
    """The disks that an ISO can be written to."""
    try:
        from isoforge.write import candidates

        paths = [str(disk.path) for disk, reasons in candidates() if not reasons]
    except Exception:  # noqa: BLE001 - a message would appear in the middle of the command line
        return []
    return [path for path in paths if path.startswith(incomplete)]


def _offered(ctx: typer.Context, incomplete: str, names: Callable[[list[Tree]], Iterable[str]]) -> list[str]:
    try:
        from isoforge.fleet.inventory.files import TREES, Tree

        trees = [Tree(root=_baremetal(ctx) / name, problems=[]) for name in TREES]
        return [name for name in names(trees) if name.startswith(incomplete)]
    except Exception:  # noqa: BLE001 - a message would appear in the middle of the command line
        return []


def _baremetal(ctx: typer.Context) -> Path:
    """The folder that --baremetal names before the cursor, or the environment, or the default."""
    return Path(ctx.params.get("baremetal") or os.environ.get("ISOFORGE_BAREMETAL") or "baremetal")


def _hosts(trees: list[Tree]) -> Iterable[str]:
    from isoforge.fleet.inventory.groups import read_roster

    return read_roster([tree.hosts() for tree in trees], []).hosts


def _groups(trees: list[Tree]) -> Iterable[str]:
    from isoforge.fleet.inventory.groups import read_roster

    return (name for name in read_roster([tree.hosts() for tree in trees], []).groups if name != "all")


def _profiles(trees: list[Tree]) -> Iterable[str]:
    return sorted({name for tree in trees for name in tree.names("profiles/hardware")})
