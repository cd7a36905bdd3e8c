"""The ISOs that are booted, each made once in a run."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from isoforge.forge import multi
from isoforge.order import Order
from isoforge.proof.manifest import Manifest
from isoforge.selection import Selection
from isoforge.workspace import Workspace
from tests.boot.local_disk import make_local_disk
from tests.conftest import ROOT, Once

HOSTS = ("site-a-m710q1", "site-a-m710q2")
BOTH = Selection(hosts=HOSTS)
TIMEOUT_S = 10
"""Seconds of the countdown: enough for a busy machine to press a key in them."""


def built(
    once: Once,
    base: Path,
    name: str,
    lay_out: Callable[[Path], object],
    *,
    selection: Selection,
    default_host: str | None = None,
    auto: bool = False,
    password_hash: str = "",
    timeout_s: int = TIMEOUT_S,
) -> Path:
    """The ISO of that name, built from the baremetal folder that ``lay_out`` fills; its manifest is beside it."""

    def make(folder: Path) -> None:
        lay_out(folder / "baremetal")
        order = Order(
            workspace=Workspace(baremetal=folder / "baremetal", output_folder=folder / "iso"),
            selection=selection,
            base_iso=base,
            name=name,
            timeout_s=timeout_s,
            render=True,
            default_host=default_host,
            auto=auto,
            password_hash=password_hash,
        )
        multi(order)

    return once(f"booted-{name}", make) / f"iso/ubuntu-autoinstall-{name}.iso"


def example_inventory(baremetal: Path) -> None:
    """The inventory that comes with isoforge."""
    shutil.copytree(ROOT / "baremetal/inventory", baremetal / "inventory")


def manifest_of(iso: Path) -> Manifest:
    """The manifest that lies beside ``iso``."""
    return Manifest.from_json((iso.parent / "manifest.json").read_text())


@pytest.fixture(scope="session")
def iso(once: Once, bootable_base: Path) -> Path:
    """The ISO of both hosts; its timeout starts nothing."""
    return built(once, bootable_base, "without-default", example_inventory, selection=BOTH)


@pytest.fixture(scope="session")
def iso_with_default(once: Once, bootable_base: Path) -> Path:
    """The ISO of both hosts; its timeout installs the second."""
    return built(once, bootable_base, "with-default", example_inventory, selection=BOTH, default_host=HOSTS[1])


@pytest.fixture(scope="session")
def local_disk(once: Once) -> Path:
    """A machine's own disk that says so when it is started."""
    return once("local-disk", lambda folder: make_local_disk(folder / "disk.img")) / "disk.img"
