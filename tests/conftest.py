"""What several kinds of tests share: things that take seconds to make are made once, whatever the number of workers."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from isoforge.proof.boot.probe import find_guest
from isoforge.proof.boot.synthetic_iso import make_base

ROOT = Path(__file__).parents[1]

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("explore", derandomize=False, deadline=None)
settings.register_profile("fuzz", derandomize=False, deadline=None, max_examples=2000)
settings.load_profile("repeatable")
"""The same examples in every run, and as much time as a busy machine needs. ``pytest --hypothesis-profile explore``
looks for new ones."""

Once = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """``once(name, make)`` calls ``make(folder)`` with an empty folder the first time in a run, and returns it."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "once"
    shared.mkdir(exist_ok=True)

    def made(name: str, make: Callable[[Path], object]) -> Path:
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            done = shared / name
            if not done.is_dir():
                draft = shared / f"{name}.draft"
                draft.mkdir()
                make(draft)
                draft.rename(done)
        return done

    return made


@pytest.fixture(scope="session")
def bootable_base(once: Once) -> Path:
    """The synthetic base ISO of 24.04 with a kernel and the probe in it; nobody changes it."""
    name = "ubuntu-24.04-live-server-amd64.iso"
    guest = find_guest(ROOT / ".cache")
    return once("bootable-base", lambda folder: make_base(folder / name, guest=guest)) / name
