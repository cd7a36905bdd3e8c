"""The guide's commands, word for word, in a clone of the repository."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

import pytest

from isoforge.run import run
from tests.install.conftest import ISO

NAME = "prod-2025-03"
GENERATED = "baremetal/autoinstall/generated"
MULTI = (
    f"--host site-a-m710q1 --host site-a-m710q2 --ubuntu-iso {ISO} --name {NAME} --default-host site-a-m710q1 --render"
)


def type_in(clone: Path, command: str) -> str:
    """Run ``command`` as it stands in the guide, with isoforge installed."""
    here = {"PATH": f"{clone / '.venv/bin'}:{os.environ['PATH']}"}
    return run("env", *shlex.split(command), cwd=clone, env=here)


def output(clone: Path) -> dict[str, object]:
    folder = clone / GENERATED / "_multi" / NAME
    assert {path.name for path in folder.iterdir()} == {
        f"ubuntu-autoinstall-{NAME}.iso",
        "manifest.json",
        "SUMMARY.txt",
    }
    manifest = json.loads((folder / "manifest.json").read_text())
    assert isinstance(manifest, dict)
    return manifest


def test_make_renders_then_builds_what_was_rendered(clone: Path) -> None:
    type_in(clone, "make baremetal/gen HOST=site-a-m710q1")
    type_in(clone, "make baremetal/gen HOST=site-a-m710q2")
    assert {path.name for path in (clone / GENERATED / "site-a-m710q1").iterdir()} >= {"user-data", "meta-data"}
    type_in(
        clone,
        f'make baremetal/multiiso HOSTS="site-a-m710q1 site-a-m710q2" UBUNTU_ISO={ISO} NAME={NAME}'
        " DEFAULT_HOST=site-a-m710q1 GRUB_TIMEOUT=15",
    )
    manifest = output(clone)
    assert (manifest["default_host"], manifest["timeout_s"]) == ("site-a-m710q1", 15)


@pytest.mark.parametrize("front", ["python3 scripts/iso_manager.py multi", "isoforge multi"])
def test_both_command_lines_build(clone: Path, front: str) -> None:
    type_in(clone, f"{front} {MULTI}")
    manifest = output(clone)
    assert manifest["default_host"] == "site-a-m710q1"


def test_make_without_an_iso_takes_the_only_one_in_files(clone: Path) -> None:
    type_in(clone, f"make baremetal/multiiso HOSTS=site-a-m710q1 NAME={NAME} RENDER=1")
    assert output(clone)["default_host"] is None


def test_other_make_targets_do_their_job(clone: Path) -> None:
    type_in(clone, f"make baremetal/fulliso HOST=site-a-m710q1 UBUNTU_ISO={ISO} RENDER=1")
    full = json.loads((clone / GENERATED / "_full/site-a-m710q1/manifest.json").read_text())
    assert full["default_host"] == "site-a-m710q1"
    type_in(clone, "make baremetal/seed HOST=site-a-m710q1")
    seed = clone / GENERATED / "site-a-m710q1/seed-site-a-m710q1.iso"
    told = run("xorriso", "-no_rc", "-indev", seed, "-pvd_info", "-find", "/", "-type", "f", "-exec", "echo")
    assert "CIDATA" in told
    assert "user-data" in told
    assert "site-a-m710q2" in type_in(clone, "make baremetal/list")
    type_in(clone, "make baremetal/clean")
    assert not (clone / GENERATED).exists()
