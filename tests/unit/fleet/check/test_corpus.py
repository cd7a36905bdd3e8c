"""The corpus: every bad document is caught exactly where it is bad, and no good one is blamed."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from isoforge.fleet.check.engine import check_user_data
from isoforge.fleet.check.plan.machine_disks import disks_of
from isoforge.problems import Problem
from isoforge.release import Release
from scripts.problem_examples import base_of

CORPUS = Path(__file__).parents[3] / "corpus"
BAD = sorted(path.stem for path in (CORPUS / "bad").glob("*.user-data"))
GOOD = sorted(path.stem for path in (CORPUS / "good").glob("*.user-data"))


@cache
def expected(kind: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((CORPUS / kind / "expected.yaml").read_text(encoding="utf-8"))
    return content


def problems_of(kind: str, name: str) -> list[Problem]:
    settings = expected(kind)[name]
    return check_user_data(
        (CORPUS / kind / f"{name}.user-data").read_bytes(),
        file=f"{name}.user-data",
        scope="hosts.web-1",
        release=Release.of(settings.get("release")),
        firmware=settings.get("firmware"),
        base=base_of(settings),
        disks=disks_of(settings.get("disks")),
    )


@pytest.mark.parametrize("name", BAD)
def test_bad_document_is_caught_where_it_is_bad_and_nowhere_else(name: str) -> None:
    wanted = [
        (one["id"], one["severity"], f"{name}.user-data", one["line"], "hosts.web-1", one["key"])
        for one in expected("bad")[name]["problems"]
    ]
    problems = problems_of("bad", name)
    assert [(one.id, one.severity, one.file, one.line, one.scope, one.key) for one in problems] == wanted
    assert wanted


@pytest.mark.parametrize("name", GOOD)
def test_good_document_gets_neither_error_nor_warning(name: str) -> None:
    assert [str(problem) for problem in problems_of("good", name)] == []


@pytest.mark.parametrize(("kind", "names"), [("bad", BAD), ("good", GOOD)])
def test_every_document_has_its_expectation_and_every_expectation_its_document(kind: str, names: list[str]) -> None:
    assert sorted(expected(kind)) == names
