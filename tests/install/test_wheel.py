"""The wheel carries all it needs and does the main job outside the repository."""

from __future__ import annotations

import json
import os
import shutil
import sys
import venv
from pathlib import Path

import pytest

from isoforge.proof.synthetic import make_base
from isoforge.run import run
from tests.conftest import ROOT, Once


@pytest.fixture(scope="module")
def wheel(once: Once) -> Path:
    """The wheel as it would be published."""
    folder = once("wheel", lambda folder: run(sys.executable, "-m", "build", "-n", "-w", "-o", folder, ROOT))
    (found,) = folder.glob("isoforge-*.whl")
    return found


@pytest.mark.xdist_group("install")
def test_wheel_does_the_main_job_in_a_fresh_environment(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    pip = tmp_path / "venv/bin/pip"
    wanted = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    run(str(pip), "install", "-q", "--require-hashes", "-r", ROOT / "requirements.lock", env=wanted)
    run(str(pip), "install", "-q", "--no-deps", wheel, env=wanted)
    isoforge = str(tmp_path / "venv/bin/isoforge")
    assert (tmp_path / "venv/share/man/man1/isoforge.1").is_file()
    fleet = tmp_path / "fleet"
    shutil.copytree(ROOT / "baremetal/inventory", fleet / "baremetal/inventory")
    make_base(fleet / "files/base.iso")
    told = run(isoforge, "multi", "--host", "site-a-m710q1", "--name", "n", "--render", "--json", cwd=fleet)
    manifest = json.loads(told)
    assert (fleet / "baremetal/autoinstall/generated/_multi/n" / manifest["iso"]["file"]).is_file()
    assert "templates" not in os.listdir(fleet / "baremetal")  # noqa: PTH208 - names are what matters
