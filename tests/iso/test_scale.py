"""verify, diff and inspect take time in proportion to the hosts: twice as many hosts, about twice as many calls."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest

from isoforge.forge import multi
from isoforge.order import Order
from isoforge.proof.read.diff import differences
from isoforge.proof.read.inspect import inspect
from isoforge.proof.verify.verify import verify
from isoforge.selection import Selection
from isoforge.workspace import Workspace
from scripts.large_fleet import large_fleet
from tests.conftest import Once

SIZES = (150, 300)


@pytest.fixture(scope="session")
def fleets(once: Once, noble: Path) -> tuple[Path, ...]:
    """ISOs of the `SIZES`, in groups of 30; nobody changes them."""

    def make(folder: Path) -> None:
        for size in SIZES:
            large_fleet(folder / f"{size}/baremetal", size, a_group=30)
            workspace = Workspace(baremetal=folder / f"{size}/baremetal", output_folder=folder / f"{size}/iso")
            order = Order(
                workspace=workspace, selection=Selection(all_hosts=True), name="scale", base_iso=noble, render=True
            )
            multi(order)

    folder = once("scale", make)
    return tuple(folder / f"{size}/iso/ubuntu-autoinstall-scale.iso" for size in SIZES)


def calls(work: Callable[[], object]) -> int:
    """How many functions ``work`` calls, those of Python and those in C."""
    count = 0

    def profile(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize(
    "work", [verify, inspect, lambda iso: differences(iso, iso)], ids=["verify", "inspect", "diff"]
)
def test_work_grows_with_the_hosts_and_no_faster(fleets: tuple[Path, ...], work: Callable[[Path], object]) -> None:
    work(fleets[0])  # what is imported and compiled at the first use
    small, large = (calls(lambda iso=iso: work(iso)) for iso in fleets)  # type: ignore[misc]
    assert large < 2.2 * small
