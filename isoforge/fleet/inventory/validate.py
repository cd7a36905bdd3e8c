"""Values held against the key reference: unknown keys, wrong types, texts of the wrong form."""

from __future__ import annotations

import re
from collections.abc import Iterator

from isoforge.fleet.inventory.schema import Key, Kind, Shape, shape
from isoforge.problems import Problem, did_you_mean
from isoforge.yaml_limits import KeyPath
from isoforge.yaml_tree import HIDDEN, Node, dotted

SIZE = r"[0-9]+(\.[0-9]+)?[KMGT]B?"
"""A size as curtin reads it: powers of 1024 with one letter (1GB is 2^30 bytes there; 1GiB is refused)."""

WRONG_TYPE = "wrong-type"
"""The id of a value that is of another type than its key takes: no rule and no template can make use of it."""

LEAST_BYTES = 1024**2
"""A size below this is not meant as bytes: no partition and no swap file is so small."""

_ELSEWHERE = {
    "network.version": "remove it, version 2 is written by itself",
    "network.network": "write what is in it one level up",
    "network.wifis": "write it under `autoinstall: {network: …}`",
    "users": "write them under `user_data: {users: …}`, the first user under `identity:`",
    "runcmd": "write it under `user_data:`",
    "write_files": "write it under `user_data:`",
    "ssh_keys": "write them under `ssh: {authorized_keys: […]}`",
    "ssh_authorized_keys": "write them under `ssh: {authorized_keys: […]}`",
    "disk": "write it under `storage:`",
    "username": "write it under `identity:`",
    "password": "write a hash under `identity: {password_hash: …}`",
}
"""Keys that netplan and cloud-init have, and where the same is written in an inventory."""

_TYPES = {bool: "true or false", int: "a number", float: "a number", str: "text", dict: "a mapping", list: "a list"}


def check_values(node: Node, scope: str) -> list[Problem]:
    """What is wrong with the values of one file, by itself; ``scope`` is whose they are (``hosts.web-1``)."""
    return list(_check(node, shape(), scope, ()))


def problem(node: Node, scope: str, path: KeyPath, id_: str, message: str) -> Problem:
    """A problem with ``node``, at ``path`` below ``scope``."""
    origin = node.origin
    return Problem(id=id_, file=origin.file, line=origin.line or None, scope=scope, key=dotted(path), message=message)


def _check(node: Node, at: Shape, scope: str, path: KeyPath) -> Iterator[Problem]:
    if node.value is None or node.value is HIDDEN:
        return
    match at.key.kind:
        case Kind.MAPPING:
            yield from _check_mapping(node, at, scope, path)
        case Kind.LIST:
            yield from _check_list(node, at, scope, path)
        case Kind.ANY | Kind.ANY_MAPPING:
            yield from _check_anything(node, at, scope, path)
        case _:
            yield from _check_scalar(node, at.key, scope, path)


def _check_mapping(node: Node, at: Shape, scope: str, path: KeyPath) -> Iterator[Problem]:
    if node.value is HIDDEN:
        return
    if not isinstance(node.value, dict):
        names = ", ".join(_names(at))
        yield _wrong_type(node, scope, path, f"a mapping{f' (with {names})' if 0 < len(names) <= 80 else ''}")
        return
    for name, child in node.value.items():
        below = at.children.get(name) if name not in ("*", "[]") else None
        below = below or at.any_name
        if below is None:
            yield problem(child, scope, (*path, name), "key-unknown", f"unknown key{_suggestion(name, at, path)}")
        else:
            yield from _check(child, below, scope, (*path, name))
    for name, below in at.children.items():
        if below.key.required and name not in node.value:
            yield problem(node, scope, (*path, name), "key-missing", "is required")


def _names(at: Shape) -> list[str]:
    return [key for key in at.children if key not in ("*", "[]")]


def _suggestion(name: str, at: Shape, path: KeyPath) -> str:
    if name.startswith("ansible_"):
        return ": Ansible's own variables have no meaning here; remove it"
    elsewhere = _ELSEWHERE.get(dotted((*path, name)))
    if elsewhere:
        return f": {elsewhere}"
    known = _names(at)
    near = did_you_mean(name, known)
    return near or (f"; known here: {', '.join(known)}" if 0 < len(known) <= 8 else "")


def _check_list(node: Node, at: Shape, scope: str, path: KeyPath) -> Iterator[Problem]:
    if not isinstance(node.value, list):
        yield _wrong_type(node, scope, path, "a list")
        return
    for number, child in enumerate(node.value):
        if at.item is not None:
            yield from _check_mapping(child, at.item, scope, (*path, number))


def _check_anything(node: Node, at: Shape, scope: str, path: KeyPath) -> Iterator[Problem]:
    if at.key.kind is Kind.ANY_MAPPING and not isinstance(node.value, dict):
        yield _wrong_type(node, scope, path, "a mapping")
        return
    for below, leaf in node.leaves():
        if leaf.value is not HIDDEN and not isinstance(leaf.value, str | int | float | dict | list | None):
            yield _wrong_type(leaf, scope, (*path, *below), "text, a number, true or false")


def _check_scalar(node: Node, key: Key, scope: str, path: KeyPath) -> Iterator[Problem]:
    match key.kind:
        case Kind.TEXT:
            yield from _check_text(node, key, scope, path)
        case Kind.TEXTS:
            yield from _check_texts(node, key, scope, path)
        case Kind.TEXT_OR_TEXTS:
            check = _check_texts if isinstance(node.value, list) else _check_text
            yield from check(node, key, scope, path)
        case Kind.COMMANDS:
            yield from _check_commands(node, key, scope, path)
        case Kind.BOOLEAN if not isinstance(node.value, bool):
            yield _wrong_type(node, scope, path, "true or false")
        case Kind.INTEGER if not isinstance(node.value, int) or isinstance(node.value, bool):
            yield _wrong_type(node, scope, path, "a whole number")
        case Kind.SIZE:
            yield from _check_size(node, scope, path)


def _check_text(node: Node, key: Key, scope: str, path: KeyPath) -> Iterator[Problem]:
    if node.value is HIDDEN:
        return
    if not isinstance(node.value, str):
        yield _wrong_type(node, scope, path, f"one of {', '.join(key.choices)}" if key.choices else "text")
    elif key.choices and node.value not in key.choices:
        value = "the value" if node.secret or key.secret else repr(node.value)
        near = "" if node.secret or key.secret else did_you_mean(node.value, key.choices)
        message = f"{value} is not one of {', '.join(key.choices)}{near}"
        yield problem(node, scope, path, "invalid-choice", message)
    elif key.pattern and not re.fullmatch(key.pattern, node.value):
        value = "the value" if node.secret or key.secret else repr(node.value)
        yield problem(node, scope, path, "invalid-format", f"{value} is not valid: expected {key.form}")


def _check_texts(node: Node, key: Key, scope: str, path: KeyPath) -> Iterator[Problem]:
    if not isinstance(node.value, list):
        yield _wrong_type(node, scope, path, "a list")
        return
    for number, child in enumerate(node.value):
        yield from _check_text(child, key, scope, (*path, number))


def _check_commands(node: Node, key: Key, scope: str, path: KeyPath) -> Iterator[Problem]:
    if not isinstance(node.value, list):
        yield _wrong_type(node, scope, path, "a list")
        return
    for number, child in enumerate(node.value):
        check = _check_texts if isinstance(child.value, list) else _check_text
        yield from check(child, key, scope, (*path, number))


def _check_size(node: Node, scope: str, path: KeyPath) -> Iterator[Problem]:
    value = node.value
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 0:
            message = "a size cannot be negative; omit it to take all remaining space"
            yield problem(node, scope, path, "size-invalid", message)
        elif 0 < value < LEAST_BYTES:
            message = f"{value} is a number of bytes: write a unit, such as {value}G"
            yield problem(node, scope, path, "size-invalid", message)
    elif not isinstance(value, str):
        yield _wrong_type(node, scope, path, "a size")
    elif not re.fullmatch(SIZE, value):
        size = re.fullmatch(r"([0-9.]+) ?([KMGTkmgt])i?[Bb]?", value)
        hint = f"; did you mean '{size[1]}{size[2].upper()}'?" if size else ": expected a size such as 512M or 20G"
        name = "the value" if node.secret else repr(value)
        yield problem(node, scope, path, "size-invalid", f"{name} is not a size{'' if node.secret else hint}")


def _wrong_type(node: Node, scope: str, path: KeyPath, wanted: str) -> Problem:
    """``must be text, not a number (1234); put it in quotes``: and what to write for a misread bare word."""
    value = node.value
    if value is None:
        return problem(node, scope, path, WRONG_TYPE, f"is empty: expected {wanted}")
    kind = _TYPES.get(type(value), "a date or another type of YAML")
    text = f" ({node.bare or value})" if isinstance(value, bool | int | float) and not node.secret else ""
    fix = "; put it in quotes" if wanted.startswith("text") and not isinstance(value, dict | list) else ""
    if wanted == "text" and isinstance(value, dict):
        fix = ": a colon with a space behind it makes it one; put the whole text in quotes"
    if wanted == "a list" and isinstance(value, str):
        fix = ": write each item on its own line after a hyphen"
    return problem(node, scope, path, WRONG_TYPE, f"must be {wanted}, not {kind}{text}{fix}")
