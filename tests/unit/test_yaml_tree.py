"""YAML with positions, and layers over one another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoforge.yaml_reader import read
from isoforge.yaml_tree import Node, Origin, dotted, laid_over, plain, planted, undotted, without, without_nulls

HERE = Origin(file="here.yml", line=1)


def parsed(text: str) -> Node:
    document = read(text, "here.yml")
    assert not document.faults
    assert document.root is not None
    return document.root


def faults(text: str) -> list[tuple[str, int | None, str]]:
    return [(fault.id, fault.line, dotted(fault.path)) for fault in read(text, "here.yml").faults]


def test_every_value_knows_the_line_of_its_key() -> None:
    node = parsed("a: 1\nb:\n  c: [x,\n      y]\n  d:\n    e: z\n")
    lines = {dotted(path): leaf.origin.line for path, leaf in node.leaves()}
    assert lines == {"a": 1, "b.c[0]": 3, "b.c[1]": 4, "b.d.e": 6}


def test_an_alias_is_the_same_value_at_the_line_where_it_stands() -> None:
    node = parsed("a: &x {y: 1}\nb: *x\n")
    assert plain(node) == {"a": {"y": 1}, "b": {"y": 1}}
    assert [part.origin.line for part in node.value.values()] == [1, 2]


@pytest.mark.parametrize(
    ("text", "line", "path"),
    [
        ("a: 1\nb: {c: 1}\na: 2\n", 3, "a"),
        ("a:\n  b:\n    - c: 1\n      c: 2\n", 4, "a.b[0].c"),
        ("{a: 1, a: 2}\n", 1, "a"),
    ],
)
def test_a_key_written_twice_is_a_fault_and_the_last_one_counts(text: str, line: int, path: str) -> None:
    assert faults(text) == [("key-duplicate", line, path)]
    assert read(text).root is not None


def test_a_merge_key_takes_entries_over_and_is_no_duplicate() -> None:
    node = parsed("base: &b {x: 1, y: 2}\nmine:\n  <<: *b\n  y: 3\n")
    assert plain(node)["mine"] == {"x": 1, "y": 3}


@pytest.mark.parametrize(
    ("text", "id_", "line", "path"),
    [
        ("a: [1\n", "yaml-syntax", 2, ""),
        ("a:\tb: c\n", "yaml-syntax", 1, ""),
        ("a:\n\tb: c\n", "yaml-tab", 2, ""),
        ("a: 1\n---\nb: 2\n", "yaml-second-document", 2, ""),
        ("yes: 1\n", "key-not-text", 1, "yes"),
        ("1: x\n", "key-not-text", 1, "1"),
        ("? [a]\n: x\n", "key-not-text", 1, ""),
        ("a: 2024-02-31\n", "value-unreadable", 1, "a"),
        ("a: " + "9" * 5000 + "\n", "value-unreadable", 1, "a"),
        ("a: !vault abc\n", "ansible-vault", 1, "a"),
        ("a: !x abc\n", "yaml-tag", 1, "a"),
        ("a: !x [b]\n", "yaml-tag", 1, "a"),
        ("a:\n  <<: [b]\n", "yaml-merge", 2, "a"),
        ("a: \x07\n", "yaml-syntax", 1, ""),
        ("a: &a\n  b: *a\n", "yaml-alias-loop", 1, ""),
    ],
)
def test_what_yaml_would_trip_over_is_a_fault(text: str, id_: str, line: int, path: str) -> None:
    assert faults(text) == [(id_, line, path)]


def test_a_value_without_quotes_is_known_as_it_was_written() -> None:
    document = read("a: 12:30\nb: '12:30'\nc: no\n")
    assert [document.written((key,)) for key in "abc"] == ["12:30", "", "no"]


def test_a_path_is_read_back_from_its_text() -> None:
    for path in (("storage", "disks", 1, "serial"), ("network", "vlans", "eno1.40", "id"), ("a", 0, 12), ()):
        assert undotted(dotted(path)) == path


def test_a_value_taken_out_leaves_the_others_where_they_are() -> None:
    node = parsed("a: [1, 2, 3]\nb: {c: 1, d: 2}\n")
    assert plain(without(node, ("a", 1))) == {"a": [1, None, 3], "b": {"c": 1, "d": 2}}
    assert plain(without(node, ("b", "c"))) == {"a": [1, 2, 3], "b": {"d": 2}}
    assert plain(without(node, ("b", "x"))) == plain(node)
    assert plain(without(node, ("x", "y"))) == plain(node)


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
