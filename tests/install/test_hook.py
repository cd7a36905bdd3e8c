"""The hook for pre-commit is installed from this repository by pre-commit itself, and stops a wrong inventory."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sh
import yaml

from isoforge.run import run
from tests.conftest import ROOT

HOW_TO = ROOT / "docs/howto/ci.md"

LEAKY = "baremetal/inventory/host_vars/site-b-luks/main.yml"
"""The example with a passphrase in clear, which the hook as that page writes it refuses."""

WRONG = "baremetal/inventory/host_vars/site-a-m710q1/main.yml"


@pytest.fixture
def hooked(pristine: Path, tmp_path: Path) -> Callable[[], tuple[int, str]]:
    """Runs the hook of this checkout on ``tmp_path/fleet``, and tells its exit code and what it said."""
    identity = ("-c", "user.name=ops", "-c", "user.email=ops@example.org", "-c", "init.defaultBranch=main")
    hook, fleet = tmp_path / "isoforge", tmp_path / "fleet"
    for name in ("isoforge", "templates", "baremetal/inventory"):
        shutil.copytree(pristine / name, hook / name)
    for name in ("pyproject.toml", "README.md", "LICENSE", ".pre-commit-hooks.yaml", "docs/isoforge.1"):
        (hook / name).parent.mkdir(exist_ok=True)
        shutil.copy2(pristine / name, hook / name)
    shutil.copytree(ROOT / "baremetal/inventory", fleet / "baremetal/inventory")
    leaky = (fleet / LEAKY).read_text("utf-8")
    (fleet / LEAKY).write_text(re.sub(r"(?m)^  passphrase: .*$", "", leaky), "utf-8")
    (fleet / "README").write_text("mine")
    for repository in (hook, fleet):
        run("git", "-C", repository, *identity, "init", "-q")
        run("git", "-C", repository, "add", ".")
        run("git", "-C", repository, *identity, "commit", "-q", "-m", "all")
    rev = run("git", "-C", hook, "rev-parse", "HEAD").strip()
    (block,) = re.findall(r"^```yaml\n(repos:\n.*?)^```$", HOW_TO.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    config = yaml.safe_load(block)
    config["repos"][0] |= {"repo": os.fspath(hook), "rev": rev}
    del config["repos"][0]["hooks"][0]["additional_dependencies"]  # sops: nothing is encrypted here
    (fleet / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    names = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    env = {**names, "PATH": os.environ["PATH"], "HOME": str(tmp_path), "PRE_COMMIT_HOME": str(tmp_path / "cache")}

    def tried() -> tuple[int, str]:
        python = sh.Command(sys.executable)
        words = ("-m", "pre_commit", "run", "--all-files", "--color=never")
        ran = python(*words, _cwd=os.fspath(fleet), _env=env, _tty_out=False, _ok_code=[0, 1], _return_cmd=True)
        return ran.exit_code, ran.stdout.decode()

    return tried


@pytest.mark.xdist_group("install")
def test_the_hook_passes_the_examples_and_stops_a_wrong_inventory(
    hooked: Callable[[], tuple[int, str]], tmp_path: Path
) -> None:
    code, said = hooked()
    assert (code, "Passed" in said) == (0, True), said
    wrong = tmp_path / "fleet" / WRONG
    wrong.write_text(wrong.read_text("utf-8") + "timezon: Europe/Paris\n")
    code, said = hooked()
    assert (code, "Failed" in said) == (1, True), said
    assert f"{WRONG}:" in said
    assert "hosts.site-a-m710q1.timezon: " in said
    assert "[key-unknown]" in said
    assert "exit code: 3" in said
