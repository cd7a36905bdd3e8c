"""A fleet to build for, a base ISO to build on, and the command as people run it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sh

from isoforge.forge import multi
from isoforge.order import Order
from isoforge.proof.boot.synthetic_iso import make_base
from isoforge.selection import Selection
from isoforge.workspace import Workspace

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run of the command left: its exit code, stdout and stderr."""

    code: int
    out: str
    err: str


Cli = Callable[..., Outcome]


@pytest.fixture(scope="session")
def noble(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic base ISO of 24.04 that does not boot; nobody changes it."""
    iso = tmp_path_factory.mktemp("noble") / "ubuntu-24.04-live-server-amd64.iso"
    make_base(iso, hwe=True)
    return iso


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory, noble: Path) -> Path:
    """An ISO for two hosts as `multi` makes it, with its manifest beside it; nobody changes it."""
    baremetal = tmp_path_factory.mktemp("good") / "baremetal"
    shutil.copytree(ROOT / "baremetal/inventory", baremetal / "inventory")
    hosts = ("site-a-m710q1", "site-a-m710q2")
    order = Order(
        workspace=Workspace(baremetal=baremetal),
        selection=Selection(hosts=hosts),
        name="good",
        base_iso=noble,
        timeout_s=15,
        render=True,
    )
    return multi(order).iso


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    """A folder with the example inventory in baremetal/, and nothing else."""
    shutil.copytree(ROOT / "baremetal/inventory", tmp_path / "fleet/baremetal/inventory")
    return tmp_path / "fleet"


@pytest.fixture
def cli(fleet: Path) -> Cli:
    """Runs isoforge in the fleet's folder."""

    def isoforge(*args: str | os.PathLike[str], **env: str) -> Outcome:
        python: Any = sh.Command(sys.executable)
        ran = python(
            "-m",
            "isoforge",
            *(os.fspath(arg) for arg in args),
            _cwd=os.fspath(fleet),
            _env={**os.environ, **env},
            _in="",
            _tty_out=False,
            _ok_code=list(range(256)),
            _return_cmd=True,
        )
        return Outcome(code=ran.exit_code, out=ran.stdout.decode(), err=ran.stderr.decode())

    return isoforge
