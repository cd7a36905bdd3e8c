"""Names with control characters in them never split or disturb a line."""

from __future__ import annotations

import logging

import pytest

from isoforge.cli import logs
from isoforge.cli.tables import print_table
from isoforge.problems import Problem, one_line

NASTY = "a\nerror: b\x1b[2J\r\u2028\u202ec"
SAFE = r"a\nerror: b\x1b[2J\r\u2028\u202ec"


def test_control_characters_are_written_as_escapes() -> None:
    assert one_line(NASTY) == SAFE
    assert one_line("Grüße, 東京, plain") == "Grüße, 東京, plain"
    assert one_line("not UTF-8: \udcff") == r"not UTF-8: \udcff"
    assert one_line("a\nb", keep="\n") == "a\nb"
    assert one_line(one_line(NASTY)) == SAFE


def test_an_error_is_one_line_for_each_part(capsys: pytest.CaptureFixture[str]) -> None:
    logs.reset()
    logs.report_failure(f"cannot read {NASTY}", 5, hint=f"see {NASTY}", problems=[NASTY, "two"])
    assert capsys.readouterr().err.splitlines() == [
        f"error: cannot read {SAFE}",
        f"  {SAFE}",
        "  two",
        f"hint: see {SAFE}",
    ]


def test_a_warning_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.reset()
    logging.getLogger("isoforge").warning("warning: %s", NASTY)
    assert capsys.readouterr().err == f"warning: {SAFE}\n"


def test_a_problem_is_one_line() -> None:
    assert str(Problem(id="x", file=NASTY, line=3, message="m")) == f"{SAFE}:3: error: m [x]"


def test_a_row_of_a_table_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("host", "group"), [(NASTY, "g")])
    assert capsys.readouterr().out.splitlines()[1].split() == [*SAFE.split(), "g"]
