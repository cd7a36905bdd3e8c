"""The corpus: every bad document is caught exactly where it is bad, and no good one is blamed."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from isoforge.fleet.check import check_user_data
from isoforge.problems import Problem

CORPUS = Path(__file__).parents[3] / "corpus"
BAD = sorted(path.stem for path in (CORPUS / "bad").glob("*.user-data"))
GOOD = sorted(path.stem for path in (CORPUS / "good").glob("*.user-data"))


@cache
def expected(kind: str) -> dict[str, Any]:
    made: dict[str, Any] = yaml.safe_load((CORPUS / kind / "expected.yaml").read_text(encoding="utf-8"))
    return made


def problems_of(kind: str, name: str) -> list[Problem]:
    settings = expected(kind)[name]
    return check_user_data(
        (CORPUS / kind / f"{name}.user-data").read_bytes(),
        file=f"{name}.user-data",
        address="hosts.web-1",
        release=settings.get("release"),
        firmware=settings.get("firmware"),
    )


@pytest.mark.parametrize("name", BAD)
def test_bad_document_is_caught_where_it_is_bad_and_nowhere_else(name: str) -> None:
    found = problems_of("bad", name)
    wanted = expected("bad")[name]["problems"]

    def told(problem: dict[str, Any]) -> Problem | None:
        return next(
            (
                one
                for one in found
                if (one.line, one.address, str(one.severity))
                == (problem["line"], problem["address"], problem["severity"])
                and problem["says"] in one.text
            ),
            None,
        )

    assert [problem for problem in wanted if told(problem) is None] == [], [str(one) for one in found]
    assert len(found) == len(wanted), [str(one) for one in found]


@pytest.mark.parametrize("name", GOOD)
def test_good_document_gets_neither_error_nor_warning(name: str) -> None:
    assert [str(problem) for problem in problems_of("good", name)] == []


@pytest.mark.parametrize(("kind", "names"), [("bad", BAD), ("good", GOOD)])
def test_every_document_has_its_expectation_and_every_expectation_its_document(kind: str, names: list[str]) -> None:
    assert sorted(expected(kind)) == names


def test_corpus_is_as_large_as_promised() -> None:
    assert len(BAD) >= 60
    assert len(GOOD) >= 20
