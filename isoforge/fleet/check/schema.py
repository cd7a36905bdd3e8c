"""Values against our schemas, in sentences for people: what is wrong, and which word was meant."""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Protocol

import yaml

from isoforge.fleet.check.document import Place, Route, kind_of_tag
from isoforge.fleet.check.findings import Findings, meant
from isoforge.safe_yaml import FastLoader

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

_NO_OVERRIDE = frozenset({"additionalProperties", "required", "dependentRequired"})
"""What is said in our own words even where the schema has a sentence (``says``) for the value."""


class Validator(Protocol):
    """What is used of a jsonschema validator."""

    def iter_errors(self, instance: Any) -> Iterator[Any]:
        """Every difference between ``instance`` and the schema."""


@cache
def _source(name: str) -> Any:
    """What is written in the data file ``name``."""
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

    made: dict[str, Any] = inline(_source(f"{name}.yaml"), f"{name}.yaml")
    return made


@cache
def words(name: str) -> frozenset[str]:
    """The list ``name`` of schemas/words.yaml."""
    return frozenset(_source("words.yaml")[name])


@cache
def validator(name: str) -> Validator:
    """The validator of the schema ``name``, made once."""
    return make(load(name))


def make(schema: Mapping[str, Any]) -> Validator:
    """A validator of ``schema`` (Draft 2020-12) for which 1.0 is no integer: the installer's code would not take it."""
    import jsonschema  # here: it takes a tenth of a second, which only a check should cost

    types = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    kind: Any = jsonschema.validators.extend(jsonschema.Draft202012Validator, type_checker=types)  # type: ignore[no-untyped-call]
    made: Validator = kind(schema)
    return made


def check(found: Findings, value: Any, route: Route, against: Validator) -> None:
    """Say of ``value``, which stands at ``route``, everything in which it differs from the schema."""
    said_of = {fault.route for fault in found.document.faults}
    for error in against.iter_errors(value):
        for where, said in _sentences(found, error, route):
            if where not in said_of:  # a value of the wrong type breaks other rules too: once is enough
                found.error(where, said)
            said_of.add(where)


def _sentences(found: Findings, error: Any, route: Route) -> Iterator[tuple[Route, str]]:
    here: Route = (*route, *error.absolute_path)
    rule, value, schema = error.validator, error.instance, error.schema
    if rule in {"additionalProperties", "required", "dependentRequired"}:
        yield from _about_keys(rule, error.validator_value, value, schema, here)
    elif rule == "minLength" and value == "":
        yield here, "is empty"
    elif rule == "type" and (trap := trapped(found.document.place(here), value, error.validator_value, here)):
        yield here, trap
    elif "says" in schema and rule not in _NO_OVERRIDE:
        yield here, f"{schema['says']}{_but(rule, value, here)}"
    else:
        otherwise = f" ({schema['otherwise']})" if "otherwise" in schema else ""
        yield here, _sentence(rule, error.validator_value, value, here) + otherwise


def _about_keys(rule: str, wanted: Any, value: Any, schema: Any, here: Route) -> Iterator[tuple[Route, str]]:
    if rule == "additionalProperties":
        known = schema.get("properties", {})
        for key in value:
            if key not in known:
                yield (*here, key), _unknown(key, schema, here)
    elif rule == "required":
        for key in wanted:
            if key not in value:
                yield (*here, key), "is missing"
    else:
        for key, needed in wanted.items():
            if key in value and not set(needed) <= set(value):
                yield (*here, key), f"needs {' and '.join(repr(name) for name in needed)} beside it"


def _unknown(key: str, schema: Any, here: Route) -> str:
    """A key that the schema does not know at ``here``: misplaced, or misspelt."""
    known = schema.get("properties", {})
    inside = [name for name, below in known.items() if key in below.get("properties", {})]
    if inside and not meant(key, known):
        return f"unknown key here: it belongs under {' or '.join(f'`{name}`' for name in inside)}"
    if len(here) > 1 and key in load("autoinstall")["properties"] and not meant(key, known):
        return "unknown key here: it belongs directly under `autoinstall:` (indented too far?)"
    return f"{schema.get('unknown', 'unknown key')}{meant(key, known)}"


def _sentence(rule: str, wanted: Any, value: Any, route: Route) -> str:
    if rule == "type":
        return f"must be {kinds(wanted)}, not {kind(value, secret=is_secret(route))}"
    if rule in {"enum", "const"}:
        return not_one_of(value, wanted if rule == "enum" else [wanted], secret=is_secret(route))
    if rule in {"minItems", "minProperties"}:
        return "is empty"
    if rule in {"minimum", "maximum"}:
        return f"must be {'at least' if rule == 'minimum' else 'at most'} {wanted}"
    return "has a form that the installer does not take"


def _but(rule: str, value: Any, route: Route) -> str:
    return f", not {kind(value, secret=is_secret(route))}" if rule == "type" else ""


def not_one_of(value: Any, choices: Any, *, secret: bool = False) -> str:
    """ "'larges' is not one of largest, smallest; did you mean 'largest'?"."""
    words = [_word(choice) for choice in choices if choice not in (None, "")]
    shown = "this" if secret else repr(value) if isinstance(value, str) else _word(value)
    near = meant(value, words) if isinstance(value, str) else ""
    return f"{shown} is not one of {', '.join(dict.fromkeys(words))}{near}"


def trapped(place: Place, value: Any, wanted: Any, route: Route) -> str:
    """The sentence about text that YAML took for something else for want of quotes; "" if that is not so."""
    types = [wanted] if isinstance(wanted, str) else wanted
    if "string" not in types or not place.plain or place.written == "" or isinstance(value, str | dict | list):
        return ""
    if is_secret(route):
        return f"without quotes, YAML reads this as {kind(value, secret=True)}: put it in quotes"
    return f'without quotes, YAML reads {place.written} as {kind(value)}: write "{place.written}"'


def is_secret(route: Route) -> bool:
    """Whether the value at ``route`` must not be shown."""
    return any(step in SECRET_KEYS for step in route[-2:])


def kinds(wanted: Any) -> str:
    """JSON Schema's ``type`` in words."""
    types = [wanted] if isinstance(wanted, str) else wanted
    return " or ".join(_KINDS[name] for name in types if name != "null" or len(types) == 1)


def kind(value: Any, *, secret: bool = False) -> str:
    """What a value is, in words; of a ``secret`` one without the value itself."""
    if value is None:
        return "null (nothing stands there)"
    if isinstance(value, bool):
        return _word(value)
    if isinstance(value, int | float):
        return "a number" if secret else f"the number {value}"
    if isinstance(value, dict | list | str):
        return {dict: "a mapping", list: "a list", str: "text"}[type(value)]
    return kind_of_tag({"date": "timestamp", "datetime": "timestamp"}.get(type(value).__name__, type(value).__name__))


def _word(value: Any) -> str:
    return "true" if value is True else "false" if value is False else "null" if value is None else str(value)
