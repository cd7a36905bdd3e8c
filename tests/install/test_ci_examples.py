"""The pipelines that the documentation offers are what GitHub and GitLab read, and their commands do what they say."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from isoforge.cli.main import app
from isoforge.fleet.inventory.secrets import sops
from isoforge.run import run
from tests.conftest import ROOT
from tests.install.conftest import ISO

PIPELINES = ROOT / "docs/ci"
GITHUB = PIPELINES / "github-workflow.yml"
GITLAB = PIPELINES / "gitlab-ci.yml"
GITLAB_ISO = PIPELINES / "gitlab-iso.yml"

ELSEWHERE = re.compile(r"^(sudo|pip|curl|test .* (sudo|python3)) |^isoforge boot-test ", re.MULTILINE)
"""Commands that need a network, root or QEMU; the rest is typed here."""


@dataclass(frozen=True, kw_only=True)
class Runner:
    """A checkout on a runner: commands are typed in it with what the settings of the pipeline hold."""

    clone: Path
    settings: Mapping[str, str]

    def type(self, script: str, **more: str) -> str:
        """What the lines of ``script`` say that can be typed here."""
        lines = [line for line in script.splitlines() if not ELSEWHERE.match(line)]
        path = f"{self.clone / '.venv/bin'}:{os.environ['PATH']}"
        env = {"PATH": path, "HOME": str(self.clone.parent), **self.settings, **more}
        return run("bash", "-euo", "pipefail", "-c", "\n".join(lines), cwd=self.clone, env=env)


@pytest.fixture
def runner(fresh_clone: Callable[[Path], Path], tmp_path: Path) -> Runner:
    clone = fresh_clone(tmp_path / "clone")
    base = shutil.copy2(clone / ISO, clone / "files/base.iso")
    (clone / ISO).unlink()
    key = tmp_path / "key.txt"
    run("age-keygen", "-o", key)
    recipient = run("age-keygen", "-y", key).strip()
    encrypt_the_passphrase(clone, recipient)
    (digest, *_) = run("sha256sum", base).split()
    settings = {"BASE_SHA256": digest, "ISO_RECIPIENT": recipient, "SOPS_AGE_KEY": key.read_text("utf-8")}
    return Runner(clone=clone, settings=settings)


def encrypt_the_passphrase(clone: Path, recipient: str) -> None:
    """As docs/secrets.md says, in the place of the example that everybody knows."""
    folder = clone / "baremetal/inventory/host_vars/site-b-luks"
    plain = (folder / "main.yml").read_text("utf-8")
    passphrase = re.search(r"^  passphrase: .*\n", plain, re.MULTILINE)
    assert passphrase
    (folder / "main.yml").write_text(plain.replace(passphrase[0], ""), "utf-8")
    (folder / "secrets.sops.yaml").write_text("storage:\n  passphrase: nobody knows it\n", "utf-8")
    rule = f"creation_rules: [{{path_regex: secrets, age: {recipient}}}]\n"
    (clone / ".sops.yaml").write_text(rule, "utf-8")
    run(sops(), "--encrypt", "--in-place", folder / "secrets.sops.yaml", cwd=clone)


def decrypted(runner: Runner, iso: Path) -> bytes:
    run("age", "--decrypt", "--identity", runner.clone.parent / "key.txt", "--output", iso.with_suffix(""), iso)
    return iso.with_suffix("").read_bytes()


def filled(text: str, row: Mapping[str, str]) -> str:
    """``text`` with the values of a row of the matrix."""
    return re.sub(r"\$\{\{ matrix\.(\w+) \}\}", lambda key: row[key[1]], text)


def steps(job: str) -> Iterator[dict[str, Any]]:
    yield from yaml.safe_load(GITHUB.read_text("utf-8"))["jobs"][job]["steps"]


def test_github_builds_verifies_and_keeps_an_iso_for_each_site(runner: Runner, tmp_path: Path) -> None:
    output = tmp_path / "output"
    for step in steps("plan"):
        runner.type(step.get("run", ""), GITHUB_OUTPUT=str(output))
    key, _, matrix = output.read_text("utf-8").partition("=")
    assert key == "matrix"
    rows = json.loads(matrix)["include"]
    assert [row["name"] for row in rows] == ["site_a", "site_b"]
    env = yaml.safe_load(GITHUB.read_text("utf-8"))["jobs"]["iso"]["env"]
    for row in rows:
        own = {name: filled(text, row) for name, text in env.items()}
        summary = tmp_path / f"{row['name']}.md"
        for step in steps("iso"):
            runner.type(step.get("run", ""), **own, GITHUB_STEP_SUMMARY=str(summary))
        assert (
            decrypted(runner, runner.clone / f"out/{row['name']}.iso.age") == (runner.clone / own["ISO"]).read_bytes()
        )
        assert all(f"| `{host}` |" in summary.read_text("utf-8") for host in row["hosts"].split())
        shutil.rmtree(runner.clone / "out")


def test_gitlab_makes_a_child_pipeline_that_builds_each_site(runner: Runner) -> None:
    pipeline = yaml.safe_load(GITLAB.read_text("utf-8"))
    shutil.copy2(GITLAB_ISO, runner.clone)
    runner.type("\n".join(pipeline["plan"]["script"]))
    child = runner.clone / "isos.yml"
    check_schema("gitlab-ci", child)
    told = yaml.safe_load(child.read_text("utf-8"))
    jobs = {name: job for name, job in told.items() if not name.startswith(".")}
    assert list(jobs) == ["iso site_a", "iso site_b"]
    common = told[jobs["iso site_a"]["extends"]]
    values = {**common["variables"], **jobs["iso site_a"]["variables"]}
    own = {key: value.replace("$NAME", values["NAME"]) for key, value in values.items()}
    runner.type("\n".join(common["script"]), **own)
    assert decrypted(runner, runner.clone / "out/site_a.iso.age") == (runner.clone / own["ISO"]).read_bytes()
    assert "| `site-a-m710q1` |" in (runner.clone / "out/inspect.md").read_text("utf-8")


@pytest.mark.parametrize(("kind", "file"), [("github-workflows", GITHUB), ("gitlab-ci", GITLAB)])
def test_a_pipeline_follows_the_published_schema(kind: str, file: Path) -> None:
    check_schema(kind, file)


def check_schema(kind: str, file: Path) -> None:
    run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{kind}", file)


def test_actions_are_pinned_to_a_major_version() -> None:
    used = [step["uses"] for job in ("plan", "iso") for step in steps(job) if "uses" in step]
    assert used
    assert [action for action in used if not re.fullmatch(r"actions/[a-z-]+@v\d+", action)] == []


def test_no_value_of_the_matrix_is_put_into_a_script() -> None:
    assert [step["run"] for job in ("plan", "iso") for step in steps(job) if "${{" in step.get("run", "")] == []


@pytest.mark.parametrize("file", [GITHUB, GITLAB, GITLAB_ISO], ids=lambda file: file.name)
def test_verbs_and_options_of_a_pipeline_exist(file: Path) -> None:
    command: Any = typer.main.get_command(app)
    typed = re.findall(
        r"isoforge ([a-z-]+(?: [^)>\n]*)?)", re.sub(r"^ *#.*$", "", file.read_text("utf-8"), flags=re.MULTILINE)
    )
    for words in filter(None, map(shlex.split, typed)):
        command.commands[words[0]].make_context(words[0], [word.replace("$ARGS", "--all") for word in words[1:]])
