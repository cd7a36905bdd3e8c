"""The catalogue of problems is complete and true: every id of the code is in it, and every example has its problem."""

from __future__ import annotations

import ast
import functools
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from isoforge.fleet.check.catalogue import SEVERITIES, Kind, ignorable, kinds
from scripts.problem_examples import FORMS, SETTINGS, problems_of
from tests.unit.fleet.conftest import ROOT

CODE = ROOT / "isoforge"
SOURCE = CODE / "fleet/check/problems.yaml"
CORPUS = ROOT / "tests/corpus/bad/expected.yaml"

ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")

TWO_SEVERITIES = {"sizing-policy-ignored": {"error", "warning"}}
"""Ids that the code uses with both severities (an error in an inventory, a warning in a seed); the catalogue has the
stricter one."""

ACCOMPANIED = {"interactive-section-unknown": ["interactive"]}
"""Ids that cannot come alone, and what comes with them."""

DIALECT = re.compile(
    r"\b(?:cannot be meant|left out:|in clear|to the bit|nobody holds|worked out|whoever|is there already|as it lies"
    r"|tells?|told|says?|said|(?<!there )is no(?! longer))\b",
    re.IGNORECASE,
)
"""Phrases and words that plain English has others for."""

MEANING = re.compile(r"(?:[A-Z`/]|(?:apt|cloud-init|isoforge|lvm|mdadm|netplan|sshd|systemd-networkd|useradd)\b).+\.")
"""A sentence, or several: a capital letter at its beginning, unless a program's name is there, and a full stop."""


# Ids in the code

WRITTEN: dict[str, tuple[int, str]] = {
    "error": (0, "error"),
    "warning": (0, "warning"),
    "broken": (0, "error"),
    "fault": (0, "error"),
    "Flaw": (0, "error"),
    "SyntaxFlaw": (0, "error"),
    "FlawError": (1, "error"),
    "problem": (3, "error"),
    "_not_read": (0, "warning"),
    "Problem": (-1, "error"),
    "Finding": (-1, "error"),
    "Fault": (-1, "error"),
}
"""Function that takes an id → the number of the argument that is the id (-1: the keyword ``id``), and the severity
of the problem that comes of it where the call does not name one."""

PASSED_ON = {"id_", "flaw.id", "fault.id", "one.id", "error.fault.id", "flaw[0]"}
"""Expressions that hand on an id which was written elsewhere."""

TABLES = {"_IDS", "_ONE_EACH"}
"""Tables of the code that hold ids: as values of a mapping, or as the first items of tuples."""

NAMES_IN_IDS = ("host", "group")
"""What ``{…}`` stands for where an id is put together."""


@cache
@functools.cache
def ids_in_code() -> dict[str, set[str]]:
    """Every id that the code can report, with its severities."""
    found: dict[str, set[str]] = defaultdict(set)
    trees = [ast.parse(path.read_text("utf-8")) for path in sorted(CODE.rglob("*.py"))]
    constants = {name: value for tree in trees for name, value in _constants(tree)}
    for tree in trees:
        for node in ast.walk(tree):
            for expression, severity in _written(node):
                for id_ in _values(expression, constants):
                    found[id_].add(severity)
    for path in sorted((CODE / "fleet/check/schemas").glob("*.yaml")):
        for id_ in _in_schema(yaml.safe_load(path.read_text("utf-8"))):
            found[id_].add("error")
    return dict(found)


def _constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            for target in node.targets:
                if isinstance(target, ast.Name) and target.id.isupper():
                    yield target.id, node.value.value


def _written(node: ast.AST) -> Iterator[tuple[ast.expr, str]]:
    """Each expression of ``node`` that is an id, with the severity that goes with it."""
    if isinstance(node, ast.Call):
        yield from _in_call(node)
    elif isinstance(node, ast.arguments):  # def …(…, id_: str = "shell-syntax")
        for argument, default in zip(reversed(node.args), reversed(node.defaults), strict=False):
            if argument.arg == "id_":
                yield default, "error"
    elif isinstance(node, ast.Assign) and any(
        isinstance(name, ast.Name) and name.id in TABLES for name in node.targets
    ):
        items = node.value.values if isinstance(node.value, ast.Dict) else getattr(node.value, "elts", [])
        yield from ((item.elts[0] if isinstance(item, ast.Tuple) else item, "error") for item in items)
    elif isinstance(node, ast.Return | ast.Yield):  # return "address-invalid", "is not an IP address"
        branches = [node.value.body, node.value.orelse] if isinstance(node.value, ast.IfExp) else [node.value]
        firsts = [branch.elts[0] for branch in branches if isinstance(branch, ast.Tuple) and len(branch.elts) > 1]
        for first in firsts:
            if isinstance(first, ast.Constant) and "-" in str(first.value):
                yield first, "error"


def _in_call(call: ast.Call) -> Iterator[tuple[ast.expr, str]]:
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    holder = ast.unparse(call.func).rpartition(".")[0]
    if name == "get" and (holder == "_IDS" or "'unknown-id'" in map(ast.unparse, call.args)):
        yield call.args[1], "error"
    if name not in WRITTEN:
        return
    number, severity = WRITTEN[name]
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    given = [*call.args, *keywords.values()]
    named = [one.attr.lower() for one in given if isinstance(one, ast.Attribute) and one.attr in ("ERROR", "WARNING")]
    if "is_error" in keywords:
        named.append("warning")
    if "id" in keywords or 0 <= number < len(call.args):
        yield keywords.get("id") or call.args[number], (named or [severity])[0]


def _values(expression: ast.expr, constants: dict[str, str]) -> Iterator[str]:
    """The ids that ``expression`` stands for; none if it hands one on, or is no id at all but a line of a log."""
    match expression:
        case ast.Constant(value=str(text)):
            if ID.fullmatch(text):
                yield text
        case ast.JoinedStr(values=parts):
            texts = [part.value if isinstance(part, ast.Constant) else None for part in parts]
            for name in NAMES_IN_IDS:
                yield "".join(name if text is None else str(text) for text in texts)
        case ast.Name(id=name) if name in constants:
            yield constants[name]
        case ast.Subscript(value=ast.Name(id="_IDS")):
            pass
        case _:
            assert ast.unparse(expression) in PASSED_ON, (
                f"cannot read the id {ast.unparse(expression)}, line {expression.lineno}"
            )


def _in_schema(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "unknown-id":
                yield value
            yield from _in_schema(value)
    elif isinstance(node, list):
        for item in node:
            yield from _in_schema(item)


def test_every_id_in_the_code_is_in_the_catalogue_and_every_id_of_the_catalogue_in_the_code() -> None:
    assert sorted(ids_in_code()) == list(kinds())


def test_every_id_that_the_corpus_expects_is_in_the_catalogue() -> None:
    expected = yaml.safe_load(CORPUS.read_text("utf-8")).values()
    assert {one["id"] for document in expected for one in document["problems"]} <= set(kinds())


def test_a_problem_has_one_severity_everywhere() -> None:
    severities = {id_: found for id_, found in ids_in_code().items() if found != {kinds()[id_].severity}}
    assert severities == TWO_SEVERITIES
    assert {kinds()[id_].severity for id_ in TWO_SEVERITIES} <= {"error"}


# Examples


@pytest.mark.parametrize(
    "kind", [kind for kind in kinds().values() if "none" not in kind.example], ids=lambda kind: kind.id
)
def test_an_example_has_the_problem_of_its_id_and_no_other(kind: Kind, tmp_path: Path) -> None:
    found = [(one.id, one.severity) for one in problems_of(kind.example, tmp_path)]
    assert (kind.id, kind.severity) in found
    assert sorted({id_ for id_, _ in found}) == sorted([kind.id, *ACCOMPANIED.get(kind.id, [])])


# The form of the catalogue


def test_the_catalogue_is_in_alphabetical_order_and_has_each_id_once() -> None:
    root = yaml.compose(SOURCE.read_text("utf-8"))
    assert isinstance(root, yaml.MappingNode)
    assert [key.value for key, _ in root.value] == list(kinds())


def test_ids_are_lower_case_words_with_hyphens() -> None:
    assert [id_ for id_ in kinds() if not ID.fullmatch(id_)] == []


def test_every_severity_is_error_or_warning_and_only_warnings_can_be_ignored() -> None:
    assert {kind.severity for kind in kinds().values()} == set(SEVERITIES)
    assert ignorable() == {id_ for id_, kind in kinds().items() if kind.severity == "warning"}


def test_every_meaning_is_one_to_three_short_sentences_in_plain_english() -> None:
    assert [kind.id for kind in kinds().values() if not MEANING.fullmatch(kind.meaning)] == []
    assert [kind.id for kind in kinds().values() if len(kind.meaning) > 300] == []
    assert {kind.id: found for kind in kinds().values() if (found := DIALECT.findall(kind.meaning))} == {}


def test_every_entry_has_one_example_or_the_reason_why_it_has_none() -> None:
    for kind in kinds().values():
        (form,) = (key for key in kind.example if key in FORMS)
        assert kind.example.keys() - {form} <= set(SETTINGS), kind.id
        assert kind.example[form], kind.id
        assert form != "none" or MEANING.fullmatch(kind.example[form]), kind.id
