"""A line for a new host in hosts.yml, and nothing else touched."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from isoforge.fleet.inventory.edit_hosts import lines_for, with_host
from tests.conftest import ROOT

EXAMPLE = (ROOT / "baremetal/inventory/hosts.yml").read_text("utf-8")


def added_to(text: str, group: str = "site_a") -> str:
    """The lines that are new in ``text`` with the host ``new`` in ``group``; the others must be there as they were."""
    edited = with_host(text, "new", group)
    assert edited is not None
    fresh, rest = [], edited.splitlines(keepends=True)
    for line in text.splitlines(keepends=True):
        while rest[0] != line:
            fresh.append(rest.pop(0))
        rest.pop(0)
    return "".join([*fresh, *rest])


@pytest.mark.parametrize(
    ("group", "added", "after"),
    [
        ("site_a", "        new:\n", "        site-a-m710q2:\n"),
        ("site_b", "        new:\n", "        site-b-dhcp-mac:      # DHCP on the card with this MAC address\n"),
        ("site_c", "    site_c:\n      hosts:\n        new:\n", "has this MAC address\n"),
        ("", "  hosts:\n    new:\n", "has this MAC address\n"),
    ],
)
def test_only_the_hosts_line_is_new_and_it_stands_behind_the_last_of_its_group(
    group: str, added: str, after: str
) -> None:
    assert added_to(EXAMPLE, group) == added
    edited = with_host(EXAMPLE, "new", group) or ""
    assert edited.partition(added)[0].endswith(after.removeprefix("has"))


@pytest.mark.parametrize(
    ("text", "edited"),
    [
        ("", "all:\n  children:\n    g:\n      hosts:\n        new:\n"),
        ("# none yet\n", "# none yet\nall:\n  children:\n    g:\n      hosts:\n        new:\n"),
        ("all:\n", "all:\n  children:\n    g:\n      hosts:\n        new:\n"),
        ("g:\n  hosts:\n    a:\n", "g:\n  hosts:\n    a:\n    new:\n"),
        ("g:   # why\n", "g:   # why\n  hosts:\n    new:\n"),
        ("g:\n  hosts: {}  # none\n", "g:\n  hosts:  # none\n    new:\n"),
        ("g:\n  hosts: ~\nk:\n", "g:\n  hosts:\n    new:\nk:\n"),
        ("g:\n  vars:\n    x: |\n      1\n\nk:\n", "g:\n  vars:\n    x: |\n      1\n\n  hosts:\n    new:\nk:\n"),
        ("g:\n  hosts:\n    a: [1,\n      2]  # x\n# z\n", "g:\n  hosts:\n    a: [1,\n      2]  # x\n    new:\n# z\n"),
        ("g:\r\n    hosts:\r\n        a:", "g:\r\n    hosts:\r\n        a:\r\n        new:\r\n"),
        ("k:\n  children:\n    g:\n", "k:\n  children:\n    g:\n      hosts:\n        new:\n"),
    ],
)  # fmt: skip
def test_a_place_is_found_or_made_in_files_of_any_shape(text: str, edited: str) -> None:
    assert with_host(text, "new", "g") == edited


@pytest.mark.parametrize(
    "text",
    [
        "g: {hosts: {a: }}\n",
        "{g: {hosts: {a: }}}\n",
        "g:\n  hosts:\n    - a\n",
        "g:\n  hosts: a\n",
        "g:\n  hosts: &shared\n    a:\nk:\n  hosts: *shared\n",
        "g:\n  hosts: {\n  }\n",
        "g: [\n",
        "- g\n",
        "---\ng:\n---\nk:\n",
    ],
)
def test_what_cannot_be_edited_safely_is_left_alone(text: str) -> None:
    assert with_host(text, "new", "g") is None


def test_a_host_that_is_there_is_not_added_again() -> None:
    assert with_host("g:\n  hosts:\n    new: {x: 1}\n", "new", "g") is None


NAMES = st.sampled_from(["hosts", "children", "g", "a"])
TREES = st.recursive(st.none() | st.integers(0, 9), lambda below: st.dictionaries(NAMES, below))


def said(tree: Any) -> Any:
    """What ``tree`` says, less the host ``new`` and whatever is empty."""
    if not isinstance(tree, dict):
        return tree
    kept = {key: said(child) for key, child in tree.items() if key != "new"}
    return {key: child for key, child in kept.items() if child is not None} or None


@given(TREES, st.integers(2, 6), st.sampled_from(["g", "h", ""]))
def test_whatever_the_shape_the_rest_says_what_it_said(tree: object, indent: int, group: str) -> None:
    document = {"all": tree}
    edited = with_host(yaml.safe_dump(document, indent=indent), "new", group)
    if edited is not None:
        assert edited.count("new:") == 1
        assert said(yaml.safe_load(edited)) == said(document)


def test_the_lines_to_add_by_hand_are_yaml() -> None:
    assert yaml.safe_load(lines_for("new", "g")) == {"all": {"children": {"g": {"hosts": {"new": None}}}}}
    assert yaml.safe_load(lines_for("new", "")) == {"all": {"hosts": {"new": None}}}
