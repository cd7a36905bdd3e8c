"""The ISOs that are booted, each made once in a run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from isoforge.forge import multi
from isoforge.order import Order
from isoforge.proof.manifest import Manifest
from tests.boot.local_disk import make_local_disk
from tests.conftest import ROOT, Once

HOSTS = ("site-a-m710q1", "site-a-m710q2")
TIMEOUT_S = 5


def built(once: Once, base: Path, *, default_host: str | None) -> Path:
    """The multi-host ISO of the two example hosts; its manifest lies beside it."""
    name = "with-default" if default_host else "without-default"

    def make(folder: Path) -> None:
        shutil.copytree(ROOT / "baremetal/inventory", folder / "baremetal/inventory")
        order = Order(
            baremetal=folder / "baremetal",
            hosts=HOSTS,
            base_iso=base,
            name=name,
            default_host=default_host,
            timeout_s=TIMEOUT_S,
            render=True,
            folder=folder / "iso",
        )
        multi(order)

    return once(name, make) / "iso" / f"ubuntu-autoinstall-{name}.iso"


def manifest_of(iso: Path) -> Manifest:
    """The manifest that lies beside ``iso``."""
    return Manifest.from_json((iso.parent / "manifest.json").read_text())


@pytest.fixture(scope="session")
def iso(once: Once, bootable_base: Path) -> Path:
    """The ISO of both hosts; its timeout starts nothing."""
    return built(once, bootable_base, default_host=None)


@pytest.fixture(scope="session")
def iso_with_default(once: Once, bootable_base: Path) -> Path:
    """The ISO of both hosts; its timeout installs the second."""
    return built(once, bootable_base, default_host=HOSTS[1])


@pytest.fixture(scope="session")
def local_disk(once: Once) -> Path:
    """A machine's own disk that says so when it is started."""
    return once("local-disk", lambda folder: make_local_disk(folder / "disk.img")) / "disk.img"
