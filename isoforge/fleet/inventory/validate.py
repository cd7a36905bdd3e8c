"""Values held against the key reference: unknown keys, wrong kinds, texts of the wrong form."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator

from isoforge.fleet.inventory.schema import Key, Kind, Shape, shape
from isoforge.problems import Problem
from isoforge.yaml_tree import HIDDEN, Node, Path_, dotted

SIZE = r"[0-9]+(\.[0-9]+)?[KMGT]B?"
"""A size as curtin reads it: powers of 1024 with one letter (1GB is 2^30 bytes there; 1GiB is refused)."""


def check_values(node: Node, address: str) -> list[Problem]:
    """What is wrong with the values of one file, by itself; ``address`` is whose they are (``hosts.web-1``)."""
    return list(_check(node, shape(), address, ()))


def problem(node: Node, address: str, path: Path_, text: str) -> Problem:
    """A problem with ``node``, at ``path`` below ``address``."""
    joined = ".".join(part for part in (address, dotted(path)) if part)
    return Problem(file=node.origin.file, line=node.origin.line or None, address=joined, text=text)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``; did you mean …`` with the nearest of ``known``, or nothing."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]}" if near else ""


def _check(node: Node, at: Shape, address: str, path: Path_) -> Iterator[Problem]:
    if node.value is None or node.value is HIDDEN:
        return
    kind = at.key.kind
    if kind is Kind.MAPPING:
        yield from _check_mapping(node, at, address, path)
    elif kind is Kind.LIST:
        yield from _check_list(node, at, address, path)
    elif kind in (Kind.ANY, Kind.ANY_MAPPING):
        yield from _check_anything(node, at, address, path)
    else:
        yield from _check_scalar(node, at.key, address, path)


def _check_mapping(node: Node, at: Shape, address: str, path: Path_) -> Iterator[Problem]:
    if node.value is HIDDEN:
        return
    if not isinstance(node.value, dict):
        yield problem(node, address, path, _expected(node, "a mapping"))
        return
    for name, child in node.value.items():
        below = at.children.get(name) if name not in ("*", "[]") else None
        below = below or at.any_name
        if below is None:
            yield problem(child, address, (*path, name), f"unknown key{_suggestion(name, at)}")
        else:
            yield from _check(child, below, address, (*path, name))


def _suggestion(name: str, at: Shape) -> str:
    known = [key for key in at.children if key not in ("*", "[]")]
    near = did_you_mean(name, known) or did_you_mean(name.replace("-", "_"), known)
    if near:
        return near
    return f"; known here: {', '.join(known)}" if 0 < len(known) <= 8 else ""


def _check_list(node: Node, at: Shape, address: str, path: Path_) -> Iterator[Problem]:
    if not isinstance(node.value, list):
        yield problem(node, address, path, _expected(node, "a list"))
        return
    for number, child in enumerate(node.value):
        if at.item is not None:
            yield from _check_mapping(child, at.item, address, (*path, number))


def _check_anything(node: Node, at: Shape, address: str, path: Path_) -> Iterator[Problem]:
    if at.key.kind is Kind.ANY_MAPPING and not isinstance(node.value, dict):
        yield problem(node, address, path, _expected(node, "a mapping"))
        return
    for below, leaf in node.leaves():
        if leaf.value is not HIDDEN and not isinstance(leaf.value, str | int | float | dict | list | None):
            yield problem(leaf, address, (*path, *below), _expected(leaf, "text, a number, true or false"))


def _check_scalar(node: Node, key: Key, address: str, path: Path_) -> Iterator[Problem]:
    match key.kind:
        case Kind.TEXT:
            yield from _check_text(node, key, address, path)
        case Kind.TEXTS:
            yield from _check_texts(node, key, address, path)
        case Kind.TEXT_OR_TEXTS:
            check = _check_texts if isinstance(node.value, list) else _check_text
            yield from check(node, key, address, path)
        case Kind.COMMANDS:
            yield from _check_commands(node, key, address, path)
        case Kind.BOOLEAN if not isinstance(node.value, bool):
            yield problem(node, address, path, _expected(node, "true or false"))
        case Kind.INTEGER if not isinstance(node.value, int) or isinstance(node.value, bool):
            yield problem(node, address, path, _expected(node, "a whole number"))
        case Kind.SIZE:
            yield from _check_size(node, address, path)


def _check_text(node: Node, key: Key, address: str, path: Path_) -> Iterator[Problem]:
    if node.value is HIDDEN:
        return
    if not isinstance(node.value, str):
        yield problem(node, address, path, _expected(node, "text"))
    elif key.choices and node.value not in key.choices:
        shown = "" if node.secret or key.secret else f"{node.value!r} "
        known = did_you_mean(node.value, key.choices) or f"; it takes {' or '.join(key.choices)}"
        yield problem(node, address, path, f"{shown}is not known here{known}")
    elif key.pattern and not re.fullmatch(key.pattern, node.value):
        shown = "the value" if node.secret or key.secret else repr(node.value)
        yield problem(node, address, path, f"{shown} is not {key.form}")


def _check_texts(node: Node, key: Key, address: str, path: Path_) -> Iterator[Problem]:
    if not isinstance(node.value, list):
        yield problem(node, address, path, _expected(node, "a list"))
        return
    for number, child in enumerate(node.value):
        yield from _check_text(child, key, address, (*path, number))


def _check_commands(node: Node, key: Key, address: str, path: Path_) -> Iterator[Problem]:
    if not isinstance(node.value, list):
        yield problem(node, address, path, _expected(node, "a list"))
        return
    for number, child in enumerate(node.value):
        check = _check_texts if isinstance(child.value, list) else _check_text
        yield from check(child, key, address, (*path, number))


def _check_size(node: Node, address: str, path: Path_) -> Iterator[Problem]:
    value = node.value
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 0:
            yield problem(node, address, path, "a size cannot be negative; leave it out to take all that is left")
    elif not isinstance(value, str):
        yield problem(node, address, path, _expected(node, "a size"))
    elif not re.fullmatch(SIZE, value):
        meant = re.fullmatch(r"([0-9.]+) ?([KMGTkmgt])i?[Bb]?", value)
        hint = f"; did you mean {meant[1]}{meant[2].upper()}" if meant else "; write it as 512M, 20G or 1.5T"
        shown = "the value" if node.secret else repr(value)
        yield problem(node, address, path, f"{shown} is not a size{'' if node.secret else hint}")


def _expected(node: Node, wanted: str) -> str:
    """``is a number, but text is needed here``, with the cure for what YAML 1.1 made of an unquoted word."""
    value = node.value
    name = {bool: "true or false", int: "a number", float: "a number", str: "text", dict: "a mapping", list: "a list"}
    is_a = name.get(type(value), "a date or something else that YAML made of it")
    shown = f" ({value})" if isinstance(value, bool | int | float) and not node.secret else ""
    if value is None:
        return f"is empty, but {wanted} is needed here"
    cure = "; put it in quotes" if wanted.startswith("text") and not isinstance(value, dict | list) else ""
    if wanted == "a list" and isinstance(value, str):
        cure = "; write it as a list, each item on a line of its own after a hyphen"
    return f"is {is_a}{shown}, but {wanted} is needed here{cure}"
