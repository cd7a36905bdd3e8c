"""A clone of the repository, ready to type commands in."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from isoforge.proof.boot.synthetic_iso import make_base
from isoforge.run import run
from tests.conftest import ROOT, Once

ISO = "files/ubuntu-24.04-live-server-amd64.iso"


def make_clone(target: Path) -> None:
    """What is committed and what is about to be, with the environment of this checkout and an ISO in files/."""
    listed = run("git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    borrow_environment(target)
    make_base(target / ISO)


def borrow_environment(clone: Path) -> None:
    """Let ``clone`` use this checkout's virtual environment and kernel, and let make see that all is set up.

    The folder and its stamp are the clone's own: make never sets up, and so never changes, what belongs to others.
    """
    (clone / ".venv").mkdir(parents=True)
    for part in (ROOT / ".venv").iterdir():
        if part.name != ".ready":
            (clone / ".venv" / part.name).symlink_to(part)
    (clone / ".venv/.ready").touch()
    (clone / ".cache").mkdir()
    (clone / ".cache/guest-kernel").symlink_to(ROOT / ".cache/guest-kernel")


@pytest.fixture(scope="session")
def pristine(once: Once) -> Path:
    """A clone that nobody types in."""
    return once("clone", lambda folder: make_clone(folder / "isoforge")) / "isoforge"


@pytest.fixture(scope="session")
def fresh_clone(pristine: Path) -> Callable[[Path], Path]:
    """``fresh_clone(target)`` makes ``target`` a clone of its own and returns it."""

    def made(target: Path) -> Path:
        shutil.copytree(pristine, target, symlinks=True)
        (target / ".venv/.ready").touch()
        return target

    return made


@pytest.fixture
def clone(fresh_clone: Callable[[Path], Path], tmp_path: Path) -> Path:
    """A clone for one test."""
    return fresh_clone(tmp_path / "clone")
