"""YAML with positions, and layers over one another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoforge.problems import Problem
from isoforge.yaml_tree import Node, Origin, dotted, laid_over, plain, planted, read, without_nulls

HERE = Origin(file="here.yml", line=1)


def parsed(text: str) -> Node:
    problems: list[Problem] = []
    node = read(text, "here.yml", problems)
    assert not problems
    assert node is not None
    return node


def faults(text: str) -> list[str]:
    problems: list[Problem] = []
    read(text, "here.yml", problems)
    return [str(problem) for problem in problems]


def test_every_value_knows_the_line_of_its_key() -> None:
    node = parsed("a: 1\nb:\n  c: [x,\n      y]\n  d:\n    e: z\n")
    lines = {dotted(path): leaf.origin.line for path, leaf in node.leaves()}
    assert lines == {"a": 1, "b.c[0]": 3, "b.c[1]": 4, "b.d.e": 6}


def test_a_key_written_twice_is_a_problem_with_both_lines() -> None:
    assert faults("a: 1\nb: {c: 1}\na: 2\n") == ["here.yml:3  a: is written twice, here and in line 1"]


def test_a_key_written_twice_deep_inside_is_found() -> None:
    assert faults("a:\n  b:\n    - c: 1\n      c: 2\n") == [
        "here.yml:4  a.b[0].c: is written twice, here and in line 3"
    ]


def test_a_merge_key_takes_entries_over_and_is_no_duplicate() -> None:
    node = parsed("base: &b {x: 1, y: 2}\nmine:\n  <<: *b\n  y: 3\n")
    assert plain(node)["mine"] == {"x": 1, "y": 3}


def test_an_alias_that_holds_itself_ends_in_a_problem_not_in_a_loop() -> None:
    assert faults("a: &a\n  b: *a\n") == ["here.yml:1  a.b: is an alias that holds itself"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1\n", "is not YAML"),
        ("a:\tb: c\n", "is not YAML"),
        ("a: 1\n---\nb: 2\n", "but found another document"),
        ("yes: 1\n", "the key yes is not text for YAML 1.1; put it in quotes"),
        ("1: x\n", "the key 1 is not text for YAML 1.1; put it in quotes"),
        ("? [a]\n: x\n", "a list or mapping is not text"),
        ("a: 2024-02-31\n", "cannot be read: day is out of range for month"),
        ("a: !vault abc\n", "cannot be read: could not determine a constructor"),
        ("a: \x07\n", "is not YAML"),
    ],
)
def test_what_yaml_would_trip_over_is_said(text: str, said: str) -> None:
    assert said in "\n".join(faults(text))


def test_mappings_are_merged_at_every_depth_and_lists_replaced() -> None:
    below = parsed("a: {x: 1, y: {p: 1, q: [1, 2]}}\nb: 1\n")
    above = parsed("a: {y: {q: [3]}, z: 4}\n")
    assert plain(laid_over(below, above)) == {"a": {"x": 1, "y": {"p": 1, "q": [3]}, "z": 4}, "b": 1}


def test_null_in_a_later_layer_takes_a_key_away() -> None:
    merged = laid_over(parsed("a: {x: 1, y: 2}\n"), parsed("a: {x: null}\n"))
    assert plain(without_nulls(merged)) == {"a": {"y": 2}}


def test_the_repr_of_a_node_holds_no_value() -> None:
    assert "hunter2" not in repr(parsed("a: hunter2\n"))


trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)
mappings = st.dictionaries(st.text(max_size=3), trees, max_size=4)


@given(mappings, mappings)
def test_what_the_upper_layer_says_holds(a: object, b: object) -> None:
    below, above = planted(a, HERE), planted(b, HERE)
    merged = laid_over(below, above)
    for path, leaf in above.leaves():
        found = merged.at(path)
        assert found is not None
        assert found.value == leaf.value or leaf.value == {}


@given(mappings)
def test_an_empty_layer_changes_nothing(value: object) -> None:
    node, nothing = planted(value, HERE), planted({}, HERE)
    assert plain(laid_over(node, nothing)) == plain(laid_over(nothing, node)) == value
