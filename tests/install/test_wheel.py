"""The wheel carries all it needs and does the main job outside the repository, with every Python that it is for."""

from __future__ import annotations

import json
import os
import re
import sys
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from isoforge import __version__
from isoforge.proof.boot.synthetic_iso import make_base
from isoforge.run import run
from tests.conftest import ROOT, Once

PYTHONS = ("3.11", "3.12", "3.13")
"""What pyproject.toml promises (requires-python), as far as there is a release of it."""


def interpreter(version: str) -> Path | None:
    """A Python of that version on PATH. A shim of pyenv starts only what is selected: the Pythons lie beside it."""
    name = f"python{version}"
    if sys.version_info[:2] == tuple(int(part) for part in version.split(".")):
        return Path(sys.executable)
    for folder in map(Path, os.get_exec_path()):
        beside = sorted(folder.parent.glob(f"versions/{version}.*/bin/{name}")) if folder.name == "shims" else []
        found = beside or ([folder / name] if folder.name != "shims" and os.access(folder / name, os.X_OK) else [])
        if found:
            return found[-1]
    return None


HERE = {version: found for version in PYTHONS if (found := interpreter(version))}


@pytest.fixture(scope="session")
def wheel(once: Once) -> Path:
    """The wheel as it would be published: made from the sdist, not from the clone."""
    folder = once("wheel", lambda folder: run(sys.executable, "-m", "build", "-n", "-o", folder, ROOT))
    assert [file.name for file in folder.glob("*.tar.gz")] == [f"isoforge-{__version__}.tar.gz"]
    (found,) = folder.glob("isoforge-*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """``installed(version)``: the programs of a fresh environment with the wheel and what requirements.lock names."""

    @cache
    def made(version: str) -> Path:
        home = tmp_path_factory.mktemp("venv")
        run(str(HERE[version]), "-m", "venv", "--without-pip", home)
        wanted = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        pip = [sys.executable, "-m", "pip", "--python", str(home / "bin/python"), "install", "-q"]
        run(*pip, "--require-hashes", "-r", str(ROOT / "requirements.lock"), env=wanted)
        run(*pip, "--no-deps", str(wheel), env=wanted)
        return home / "bin"

    return made


def test_there_is_a_python_to_try() -> None:
    assert HERE


@pytest.mark.xdist_group("install")
@pytest.mark.parametrize("version", HERE)
def test_the_wheel_does_the_main_job_in_an_empty_folder(
    installed: Callable[[str], Path], version: str, tmp_path: Path
) -> None:
    programs = installed(version)
    here = {"PATH": f"{programs}:{os.environ['PATH']}"}
    told = run(str(programs / "python"), "-c", "import sys; print(*sys.version_info[:2], sep='.')")
    assert told.strip() == version
    make_base(tmp_path / "base.iso")
    script = """
isoforge init my-fleet && cd my-fleet
isoforge new-host web-1 --group site_a
isoforge check
isoforge verify "$(isoforge multi --group site_a --ubuntu-iso ../base.iso --name n --render)" --base ../base.iso
"""
    run("bash", "-euo", "pipefail", "-c", script, cwd=tmp_path, env=here)
    fleet = tmp_path / "my-fleet"
    manifest = json.loads((fleet / "baremetal/autoinstall/generated/_multi/n/manifest.json").read_text())
    assert [host["name"] for host in manifest["hosts"]] == ["site-a-m710q1", "site-a-m710q2", "web-1"]
    assert {path.name for path in fleet.iterdir()} == {"Makefile", ".gitignore", ".sops.yaml", "baremetal"}
    assert "web-1" in run("make", "-C", fleet, "-s", "baremetal/list", env=here)
    assert run(str(programs / "isoforge"), "--version", cwd=tmp_path).split() == ["isoforge", __version__]


@pytest.mark.xdist_group("install")
def test_whoever_imports_the_wheel_gets_its_types(installed: Callable[[str], Path], tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from pathlib import Path\n"
        "from isoforge.forge import multi\n"
        "from isoforge.order import Order\n"
        "from isoforge.selection import EVERY_HOST\n"
        "from isoforge.workspace import Workspace\n"
        "workspace = Workspace(baremetal=Path('baremetal'))\n"
        "built: Path = multi(Order(workspace=workspace, selection=EVERY_HOST, name='n')).iso\n"
    )
    python = installed(next(iter(HERE))) / "python"
    words = ["-m", "mypy", "--strict", "--python-executable", str(python), "mine.py"]
    assert "Success" in run(sys.executable, *words, cwd=tmp_path, env={"MYPY_CACHE_DIR": str(tmp_path / "cache")})


def test_wheel_and_sdist_say_one_version_and_hold_what_is_needed(wheel: Path) -> None:
    assert wheel.name == f"isoforge-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as opened:
        names = set(opened.namelist())
    templates = {path.relative_to(ROOT).as_posix() for path in (ROOT / "templates").rglob("*") if path.is_file()}
    examples = {path.relative_to(ROOT / "baremetal/inventory").as_posix() for path in tracked("baremetal/inventory")}
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "isoforge").rglob("*.py")}
    assert names >= {f"isoforge/shipped/{name}" for name in templates} | {
        f"isoforge/shipped/inventory/{name}" for name in examples
    }
    assert names >= modules | {"isoforge/py.typed", "isoforge/official/ubuntu-cdimage-2012.gpg"}


def tracked(folder: str) -> list[Path]:
    """The files below ``folder`` that belong to the project."""
    return [ROOT / name for name in run("git", "-C", ROOT, "ls-files", "-z", folder).split("\0") if name]


def test_the_version_is_written_once() -> None:
    said = re.compile(rf"(?<![\d.]){re.escape(__version__)}(?![\d.])")
    places = [path for path in (*tracked("isoforge"), ROOT / "pyproject.toml") if path.suffix in (".py", ".toml")]
    assert [path.name for path in places if said.search(path.read_text("utf-8"))] == ["__init__.py"]
