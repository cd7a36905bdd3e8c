"""No document hangs or crashes a reader: how deep, how large and how often repeated its content may be is limited."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from isoforge.fleet.inventory.edit_hosts import with_host
from isoforge.masking.document import UNREADABLE, masked
from isoforge.yaml_limits import DEEPEST, MOST_VALUES, LimitError, load, read_text
from isoforge.yaml_reader import read

DEEP = {
    "lists": "a: " + "[" * 3000 + "]" * 3000,
    "mappings": "a: " + "{b: " * 3000 + "}" * 3000,
    "never closed": "a: " + "[" * 3000,
    "items": "- " * 3000 + "x",
    "blocks": "".join(f"{' ' * depth}a:\n" for depth in range(400)),
    "aliases": "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 200)),
}

LARGE = {
    "nested aliases": "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)),
    "nested merges": "a0: &a0 {x: 1}\n"
    + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 9)),
    "written out": "a: [" + "x," * (2 * MOST_VALUES + 10) + "]",
}


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP)
def test_what_is_nested_too_deep_is_refused_by_every_reader(text: str) -> None:
    assert [fault.id for fault in read(text).faults] == ["yaml-too-deep"]
    assert not read(text).readable
    with pytest.raises(yaml.YAMLError):
        load(text)
    assert masked(text) == UNREADABLE
    assert with_host(text, "web-1", "") is None


@pytest.mark.parametrize("text", LARGE.values(), ids=LARGE)
def test_what_stands_for_too_many_values_is_refused_by_every_reader(text: str) -> None:
    assert [fault.id for fault in read(text).faults] == ["yaml-too-many-values"]
    with pytest.raises(yaml.YAMLError):
        load(text)
    assert masked(text) == UNREADABLE
    assert with_host(text, "web-1", "") is None


@pytest.mark.parametrize("depth", [DEEPEST, DEEPEST + 1])
def test_the_limit_of_depth_is_where_it_is_said_to_be(depth: int) -> None:
    for text in ("[" * depth + "]" * depth, "- " * depth + "x"):
        assert read(text).readable == (depth == DEEPEST)


def test_many_brackets_beside_one_another_are_not_deep() -> None:
    assert read("a:\n" + "  - {b: [1, 2]}\n" * 500).readable


def test_a_large_text_of_few_values_is_read() -> None:
    text = "a: |\n" + "  x: [1, 2, 3] & *b\n" * 20_000
    assert len(load(text)["a"]) > 300_000


def test_only_a_regular_file_of_bounded_size_is_read(tmp_path: Path) -> None:
    huge = tmp_path / "huge"
    with huge.open("wb") as file:
        file.truncate(17 << 20)
    for path in (Path("/dev/zero"), huge):
        with pytest.raises(LimitError):
            read_text(path)
    with pytest.raises(IsADirectoryError):
        read_text(tmp_path)
