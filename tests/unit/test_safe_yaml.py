"""YAML that is nested without end is a fault of the file, wherever it comes from, and no crash of ours."""

from __future__ import annotations

import pytest
import yaml

from isoforge.fleet.check import document
from isoforge.problems import Problem
from isoforge.proof.read.mask import UNREADABLE, masked
from isoforge.safe_yaml import DEEPEST, refuse_depth
from isoforge.yaml_tree import read

DEEP = {
    "lists": "a: " + "[" * 3000 + "]" * 3000,
    "mappings": "a: " + "{b: " * 3000 + "}" * 3000,
    "never closed": "a: " + "[" * 3000,
    "items": "- " * 3000 + "x",
    "blocks": "".join(f"{' ' * depth}a:\n" for depth in range(400)),
}


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP)
def test_text_that_is_nested_too_deep_is_told_and_not_read(text: str) -> None:
    problems: list[Problem] = []
    assert read(text, "hosts.yml", problems) is None
    assert "is not YAML: more than 100 lists and mappings in one another" in str(problems[0])
    assert "more than 100" in document.read(text).faults[0].text
    assert masked(text) == UNREADABLE


@pytest.mark.parametrize("depth", [DEEPEST, DEEPEST + 1])
def test_the_limit_is_where_it_is_said_to_be(depth: int) -> None:
    for text in ("[" * depth + "]" * depth, "- " * depth + "x"):
        if depth > DEEPEST:
            with pytest.raises(yaml.MarkedYAMLError):
                refuse_depth(text)
        else:
            refuse_depth(text)
            assert read(text, "x", []) is not None


def test_many_brackets_beside_one_another_are_not_deep() -> None:
    refuse_depth("a:\n" + "  - {b: [1, 2]}\n" * 500)
