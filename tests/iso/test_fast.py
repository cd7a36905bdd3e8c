"""A build without digests: it says so everywhere, and is as proven as any other otherwise."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from isoforge.errors import InventoryError, UsageError
from isoforge.forge import Step, multi, seed_iso
from isoforge.image.tree import read_file, read_tree
from isoforge.order import Order
from isoforge.proof.verify.check import Outcome
from isoforge.proof.verify.verify import verify
from isoforge.selection import Selection
from isoforge.workspace import Workspace
from tests.iso.conftest import Cli

HOST = "site-a-m710q1"


def test_fast_leaves_out_both_digests_and_says_so(cli: Cli, fleet: Path, noble: Path) -> None:
    words = ("multi", "--host", HOST, "--name", "n", "--ubuntu-iso", noble, "--render")
    slow = cli(*words, "--json")
    whole = json.loads(slow.out)
    iso = fleet / "baremetal/autoinstall/generated/_multi/n/ubuntu-autoinstall-n.iso"
    before = iso.read_bytes()
    fast = cli(*words, "--json", "--fast")
    told = json.loads(fast.out)
    assert (fast.code, iso.read_bytes()) == (0, before)
    assert (whole["iso"].pop("sha256"), whole["base_iso"].pop("sha256")) != (None, None)
    assert (told["iso"].pop("sha256"), told["base_iso"].pop("sha256")) == (None, None)
    assert told == whole
    assert "SHA-256   not computed (--fast)" in fast.err
    assert "SHA-256     not computed (built with --fast)" in iso.with_name("SUMMARY.txt").read_text()
    checks = {check.name: check for check in verify(iso, base=noble)}
    assert checks["digest"].outcome is Outcome.SKIPPED
    assert [name for name, check in checks.items() if check.faults] == []
    iso.write_bytes(before + bytes(2048))
    grown = {check.name: check for check in verify(iso)}
    assert "(manifest)" in "".join(grown["digest"].faults)


def test_phases_are_told_by_name_in_their_order(fleet: Path, noble: Path) -> None:
    heard: list[Step] = []
    multi(
        Order(
            workspace=Workspace(baremetal=fleet / "baremetal"),
            selection=Selection(hosts=(HOST,)),
            name="n",
            base_iso=noble,
            render=True,
        ),
        heard.append,
    )
    phases = list(dict.fromkeys(step.phase for step in heard))
    assert [phase for phase in phases if phase != "computing digests"] == [
        "reading the inventory",
        "reading the base ISO",
        "writing the ISO",
        "verifying the ISO",
        "saving the ISO",
    ]
    assert all(0 <= step.done <= step.total for step in heard)


def seed_order(fleet: Path, *, render: bool, guard: bool = True) -> Order:
    return Order(
        workspace=Workspace(baremetal=fleet / "baremetal"),
        selection=Selection(hosts=(HOST,)),
        name=HOST,
        render=render,
        guard=guard,
    )


def user_data(iso: Path) -> bytes:
    return next(read_file(iso, node) for path, node in read_tree(iso).items() if path.name == "user-data")


def test_seed_iso_has_the_guard_or_not_as_it_was_ordered(fleet: Path) -> None:
    rendered = fleet / "baremetal/autoinstall/generated" / HOST / "user-data"
    bare = user_data(seed_iso(seed_order(fleet, render=True, guard=False)))
    assert bare == rendered.read_bytes()
    guarded = user_data(seed_iso(seed_order(fleet, render=True)))
    assert guarded == rendered.read_bytes() != bare
    with pytest.raises(UsageError, match="contains a guard"):
        seed_iso(seed_order(fleet, render=False, guard=False))


def test_seed_iso_is_not_made_of_a_seed_that_would_not_install(fleet: Path) -> None:
    iso = seed_iso(seed_order(fleet, render=True))
    before = iso.read_bytes()
    rendered = fleet / "baremetal/autoinstall/generated" / HOST / "user-data"
    rendered.write_text(rendered.read_text().replace("autoinstall:", "autoinstal:"))
    with pytest.raises(InventoryError):
        seed_iso(seed_order(fleet, render=False))
    assert iso.read_bytes() == before
