"""Every place that shows texts of others masks the secrets in them: logs, messages, reports, hosts --explain."""

from __future__ import annotations

import ast
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import pytest

from isoforge.cli import logs
from isoforge.fleet.inventory.explain import explain
from isoforge.fleet.inventory.load import survey
from isoforge.masking.text import mask_facts
from isoforge.proof.boot.evidence import to_json, write_evidence
from tests.unit.fleet.conftest import Write
from tests.unit.fleet.conftest import one_host as one_host  # a fixture
from tests.unit.fleet.conftest import write as write
from tests.unit.proof.boot.test_evidence import EVIDENCE, GOOD
from tests.unit.proof.boot.test_expectations import REPORT

ROOT = Path(__file__).parents[3]
SECRET = "Xq7vJ2mR9tLw"  # noqa: S105 - it opens nothing
COMMAND = f"running: curl -u admin:{SECRET} https://192.0.2.1/"
SENTENCE = "identity.password: not a valid password hash; the token is asked for later"


@pytest.fixture
def stderr(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """What was written to stderr since the last call."""
    logs.reset()
    yield lambda: capsys.readouterr().err
    logs.reset()


def test_message_on_stderr_is_shown_without_secrets(stderr: Callable[[], str]) -> None:
    logging.getLogger("isoforge").warning("%s", COMMAND)
    logging.getLogger("isoforge").warning("%s", SENTENCE)
    assert stderr() == f"running: curl -u admin:*** https://192.0.2.1/\n{SENTENCE}\n"


def test_event_holds_no_secret_and_is_still_json(stderr: Callable[[], str]) -> None:
    logs.use_json()
    logs.report_failure(COMMAND, 6, hint=f'use "https://ops:{SECRET}@x"', problems=[f"sshpass -p '{SECRET}' ssh"])
    text = stderr()
    facts = json.loads(text)
    assert SECRET not in text
    assert facts["exit_code"] == 6
    assert facts["hint"] == 'use "https://ops:***@x"'


@pytest.mark.usefixtures("stderr")
def test_log_file_holds_no_secret(tmp_path: Path) -> None:
    logs.add_file(tmp_path / "log")
    logging.getLogger("isoforge").debug("%s", COMMAND)
    text = (tmp_path / "log").read_text()
    assert "curl -u admin:*** https" in text
    assert SECRET not in text


def test_explain_masks_what_is_secret_in_a_value_and_shows_the_rest(one_host: Write) -> None:
    baremetal = one_host(f"""\
late_commands:
- curl -u admin:{SECRET} https://192.0.2.1/
- [mytool, --password, {SECRET}]
vars: {{db_password: {SECRET}, port: 5432}}
""")
    rows = {key: value for key, value, _ in explain(survey(baremetal).host("web-1"))}
    assert rows["late_commands[0]"] == "curl -u admin:*** https://192.0.2.1/"
    assert rows["late_commands[1][2]"] == "***"
    assert rows["late_commands[1][1]"] == "--password"
    assert rows["vars.db_password"] == "(secret)"  # noqa: S105 - that is the mask
    assert rows["vars.port"] == "5432"


def test_report_of_a_boot_test_holds_no_secret(tmp_path: Path) -> None:
    line = f"autoinstall url=https://ops:{SECRET}@192.0.2.1/ ---"
    bad = replace(GOOD, differences=(line,), screen=(line,), report=replace(REPORT, kernel_line=line))
    evidence = replace(EVIDENCE, boots=(bad,), faults=(line,))
    page = write_evidence(evidence, tmp_path).read_text()
    assert SECRET not in page + to_json(evidence) + (tmp_path / "report.json").read_text()
    assert "https://ops:***@192.0.2.1/" in page


class Color(StrEnum):
    RED = f"curl -u admin:{SECRET}"


@dataclass(frozen=True)
class Facts:
    text: str
    color: Color
    count: int


def test_facts_of_every_form_are_copied_without_secrets() -> None:
    facts = Facts(text=COMMAND, color=Color.RED, count=1)
    copy = mask_facts({"a": [facts, (COMMAND, None)]})
    assert copy["a"][0].text == "running: curl -u admin:*** https://192.0.2.1/"
    assert copy["a"][0].color is Color.RED
    assert copy["a"][1] == ("running: curl -u admin:*** https://192.0.2.1/", None)
    assert facts.text == COMMAND


SOURCES = sorted(ROOT.glob("isoforge/**/*.py"))


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_message_of_isoforge_is_taken_for_a_secret(source: Path) -> None:
    tree = ast.parse(source.read_text(encoding="utf-8"))
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    assert [text for text in texts if mask_facts(text) != text] == []
