"""Values against our schemas, in sentences for people: what is wrong, and which word was meant."""

from __future__ import annotations

import importlib.resources
import marshal
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Protocol

import yaml

from isoforge.fleet.check.findings import Findings
from isoforge.problems import did_you_mean
from isoforge.yaml_limits import FastLoader, KeyPath
from isoforge.yaml_reader import kind_of_tag

SECRET_KEYS = frozenset(
    {"password", "passwd", "hashed_passwd", "plain_text_passwd", "key", "keys", "token", "recovery_key", "pin",
     "consumer_secret", "token_secret", "client-key-password", "private", "shared"}
)  # fmt: skip
"""What stands at these keys is never shown in a sentence."""

_KINDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}

_IDS = {
    "type": "wrong-type",
    "required": "key-missing",
    "dependentRequired": "key-needs-another",
    "enum": "invalid-choice",
    "const": "invalid-choice",
    "minItems": "value-empty",
    "minProperties": "value-empty",
    "minimum": "out-of-range",
    "maximum": "out-of-range",
}
"""The id of a problem by the rule of JSON Schema that was broken; the others are about a text's form."""

_OWN_WORDS = frozenset({"additionalProperties", "required", "dependentRequired"})
"""Rules with a sentence of our own even where the schema has one (``says``) for the value."""


_REMEMBERED, _REMEMBERED_BYTES = 4096, 2048
"""How many values without an error are remembered, and how long each may be."""


class Validator(Protocol):
    """What is used of a jsonschema validator."""

    def iter_errors(self, instance: Any) -> Iterator[Any]:
        """Every difference between ``instance`` and the schema."""


@cache
def _source(name: str) -> Any:
    """The content of the data file ``name``."""
    source = importlib.resources.files("isoforge.fleet.check") / "schemas" / name
    return yaml.load(source.read_text(encoding="utf-8"), Loader=FastLoader)  # noqa: S506 - a safe loader


@cache
def load(name: str) -> Mapping[str, Any]:
    """The schema ``name`` (autoinstall, storage, netplan) with its ``$ref`` put in place: looking them up takes most
    of the time of a check."""

    def inline(node: Any, file: str) -> Any:
        if isinstance(node, list):
            return [inline(item, file) for item in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            other, _, target = node["$ref"].partition("#/$defs/")
            return inline(_source(other or file)["$defs"][target], other or file)
        return {key: inline(value, file) for key, value in node.items() if key != "$defs"}

    schema: dict[str, Any] = inline(_source(f"{name}.yaml"), f"{name}.yaml")
    return schema


@cache
def words(name: str) -> frozenset[str]:
    """The list ``name`` of schemas/words.yaml."""
    return frozenset(_source("words.yaml")[name])


@cache
def keyboards() -> Mapping[str, frozenset[str]]:
    """The variants of each keyboard layout, from schemas/keyboards.yaml."""
    return {layout: frozenset(variants) for layout, variants in _source("keyboards.yaml").items()}


@cache
def validator(name: str) -> Validator:
    """The validator of the schema ``name``, made once."""
    return make(load(name))


def make(schema: Mapping[str, Any]) -> Validator:
    """A validator of ``schema`` (Draft 2020-12) for which 1.0 is not an integer: the installer would not take it.

    It remembers the values that had no error: most hosts of a fleet share most of them.
    """
    import jsonschema  # here: it takes a tenth of a second, which only a check should cost

    draft: Any = jsonschema.Draft202012Validator
    types = draft.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    sound: set[tuple[int, bytes]] = set()

    def properties(validator: Any, known: Mapping[str, Any], value: Any, _: object) -> Iterator[Any]:
        for name, below in known.items() if isinstance(value, dict) else ():
            if name in value:
                yield from _remembered(sound, below, value[name], validator.descend(value[name], below, name, name))

    kind: Any = jsonschema.validators.extend(draft, {"properties": properties}, type_checker=types)  # type: ignore[no-untyped-call]
    validator: Validator = kind(schema)
    return validator


def _remembered(sound: set[tuple[int, bytes]], schema: Any, value: Any, errors: Iterator[Any]) -> Iterator[Any]:
    """``errors`` of ``value`` against ``schema``, unless there were none the last time."""
    try:
        content = marshal.dumps(value, 2)  # version 2: equal values give equal bytes, and 1, 1.0 and True do not
    except ValueError:  # a date, for example
        yield from errors
        return
    if (id(schema), content) in sound:
        return
    count = 0
    for count, error in enumerate(errors, start=1):  # noqa: B007
        yield error
    if not count and len(content) <= _REMEMBERED_BYTES:
        if len(sound) >= _REMEMBERED:
            sound.clear()
        sound.add((id(schema), content))


def check(findings: Findings, value: Any, path: KeyPath, against: Validator) -> None:
    """Report everything in which ``value``, which stands at ``path``, differs from the schema."""
    reported = {fault.path for fault in findings.document.faults}
    for error in against.iter_errors(value):
        for id_, where, message in _sentences(findings, error, path):
            if where not in reported:  # a value of the wrong type breaks other rules too: once is enough
                findings.error(id_, where, message)
            reported.add(where)


def _sentences(findings: Findings, error: Any, path: KeyPath) -> Iterator[tuple[str, KeyPath, str]]:
    here: KeyPath = (*path, *error.absolute_path)
    rule, value, schema = error.validator, error.instance, error.schema
    id_ = _IDS.get(rule, "invalid-format")
    if rule in _OWN_WORDS:
        yield from _about_keys(rule, error.validator_value, value, schema, here)
    elif rule == "minLength" and value == "":
        yield "value-empty", here, "is empty"
    elif rule == "type" and (trap := trapped(findings.document.written(here), value, error.validator_value, here)):
        yield "unquoted-value", here, trap
    elif "says" in schema:
        yield id_, here, f"{schema['says']}{_but(rule, value, here)}"
    else:
        otherwise = f" ({schema['otherwise']})" if "otherwise" in schema else ""
        yield id_, here, _sentence(rule, error.validator_value, value, here) + otherwise


def _about_keys(rule: str, wanted: Any, value: Any, schema: Any, here: KeyPath) -> Iterator[tuple[str, KeyPath, str]]:
    if rule == "additionalProperties":
        known = schema.get("properties", {})
        for key in value:
            if key not in known:
                yield schema.get("unknown-id", "key-unknown"), (*here, key), _unknown(key, schema, here)
    elif rule == "required":
        for key in wanted:
            if key not in value:
                yield _IDS[rule], (*here, key), "is required"
    else:
        for key, needed in wanted.items():
            if key in value and not set(needed) <= set(value):
                yield _IDS[rule], (*here, key), f"needs {' and '.join(repr(name) for name in needed)} beside it"


def _unknown(key: str, schema: Any, here: KeyPath) -> str:
    """A key that the schema does not know at ``here``: misplaced, or misspelt."""
    known = schema.get("properties", {})
    near = did_you_mean(key, known)
    inside = [name for name, below in known.items() if key in below.get("properties", {})]
    if inside and not near:
        return f"unknown key here: it belongs under {' or '.join(f'`{name}`' for name in inside)}"
    if len(here) > 1 and key in load("autoinstall")["properties"] and not near:
        return "unknown key here: it belongs directly under `autoinstall:` (indented too far?)"
    return f"{schema.get('unknown', 'unknown key')}{near}"


def _sentence(rule: str, wanted: Any, value: Any, path: KeyPath) -> str:
    if rule == "type":
        return f"must be {kinds(wanted)}, not {kind(value, secret=is_secret(path))}"
    if rule in {"enum", "const"}:
        return not_one_of(value, wanted if rule == "enum" else [wanted], secret=is_secret(path))
    if rule in {"minItems", "minProperties"}:
        return "is empty"
    if rule in {"minimum", "maximum"}:
        return f"must be {'at least' if rule == 'minimum' else 'at most'} {wanted}"
    return "has a form that the installer does not accept"


def _but(rule: str, value: Any, path: KeyPath) -> str:
    return f", not {kind(value, secret=is_secret(path))}" if rule == "type" else ""


def not_one_of(value: Any, choices: Any, *, secret: bool = False) -> str:
    """ "'larges' is not one of largest, smallest; did you mean 'largest'?"."""
    words = [_word(choice) for choice in choices if choice not in (None, "")]
    name = "the value" if secret else repr(value) if isinstance(value, str) else _word(value)
    near = did_you_mean(value, words) if isinstance(value, str) and not secret else ""
    return f"{name} is not one of {', '.join(dict.fromkeys(words))}{near}"


def trapped(written: str, value: Any, wanted: Any, path: KeyPath) -> str:
    """The sentence about text that YAML took for something else because it has no quotes; "" if that is not so.

    ``written`` is the value as it was written without quotes, "" if it was quoted.
    """
    types = [wanted] if isinstance(wanted, str) else wanted
    if "string" not in types or written == "" or isinstance(value, str | dict | list):
        return ""
    if is_secret(path):
        return f"without quotes, YAML reads this as {kind(value, secret=True)}: put it in quotes"
    return f'without quotes, YAML reads {written} as {kind(value)}: write "{written}"'


def is_secret(path: KeyPath) -> bool:
    """Whether the value at ``path`` must not be shown."""
    return any(step in SECRET_KEYS for step in path[-2:])


def kinds(wanted: Any) -> str:
    """JSON Schema's ``type`` in words."""
    types = [wanted] if isinstance(wanted, str) else wanted
    return " or ".join(_KINDS[name] for name in types if name != "null" or len(types) == 1)


def kind(value: Any, *, secret: bool = False) -> str:
    """What a value is, in words; of a ``secret`` one without the value itself."""
    if value is None:
        return "null (there is no value)"
    if isinstance(value, bool):
        return _word(value)
    if isinstance(value, int | float):
        return "a number" if secret else f"the number {value}"
    if isinstance(value, dict | list | str):
        return {dict: "a mapping", list: "a list", str: "text"}[type(value)]
    return kind_of_tag({"date": "timestamp", "datetime": "timestamp"}.get(type(value).__name__, type(value).__name__))


def _word(value: Any) -> str:
    return "true" if value is True else "false" if value is False else "null" if value is None else str(value)
