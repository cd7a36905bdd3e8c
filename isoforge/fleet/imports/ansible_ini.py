"""Ansible's inventory files in INI format, without Ansible.

As Ansible's documentation describes its plugin "ini": ``[group]`` with a host a line and ``key=value`` behind it,
``[group:vars]`` with a ``key=value`` a line, ``[group:children]`` with a group a line. A value is a literal of Python
if it can be one, else text.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from typing import Any

from isoforge.fleet.imports.ansible import Roster
from isoforge.fleet.imports.source import Source, expanded, refuse
from isoforge.problems import did_you_mean

_SECTION = re.compile(r"\[([^\]:]+)(?::(\w+))?\]\s*(?:[#;].*)?")
_PORT = re.compile(r"(?<=[^:\]]):\d{1,5}$")
_KINDS = ("vars", "children")
_LONGEST_LITERAL = 10_000
"""A longer value is text: Python's parser takes long for it, or gives up."""


def read_ini(text: str, file: str) -> Source:
    """The hosts and groups of the INI inventory ``text``; ``InventoryError`` with a line for each mistake."""
    reader = _Reader(file)
    mistakes = [
        f"{file}:{number}: {line}"
        for number, raw in enumerate(text.splitlines(), 1)
        for line in reader.line(raw, number)
    ]
    mistakes += reader.undefined()
    refuse(file, mistakes)
    return reader.roster.source()


class _Reader:
    """Reads one line after the other into a roster."""

    def __init__(self, file: str) -> None:
        self.roster = Roster(file)
        self.section, self.kind = "ungrouped", ""
        self.defined: set[str] = {"all", "ungrouped"}
        self.mentioned: dict[str, int] = {}

    def line(self, raw: str, number: int) -> Iterator[str]:
        """Take one line in; yields what is wrong with it."""
        text = raw.strip()
        if not text or text.startswith(("#", ";")):
            return
        if text.startswith("[") and (section := _SECTION.fullmatch(text)):
            yield from self.open(section[1].strip(), section[2] or "", number)
        elif text.startswith("[") and not re.match(r"\[[^\]]+:[^\]]+\]", text):
            yield f"not a section: {text[:40]!r}"
        elif self.kind == "vars":
            yield from self.variable(text)
        elif self.kind == "children":
            child = re.split(r"\s+[#;]", text)[0].strip()
            self.mentioned.setdefault(child, number)
            self.roster.group(child, "" if self.section == "all" else self.section)
        else:
            yield from self.host(text, number)

    def open(self, name: str, kind: str, number: int) -> Iterator[str]:
        """Begin the section ``[name:kind]``."""
        if kind not in ("", *_KINDS):
            yield f"unknown section [{name}:{kind}]: a group has :vars and :children{did_you_mean(kind, _KINDS)}"
        self.section, self.kind = name, kind
        if kind == "vars":
            self.mentioned.setdefault(name, number)
        else:
            self.defined.add(name)
        self.roster.group(name)

    def variable(self, text: str) -> Iterator[str]:
        name, separator, value = text.partition("=")
        if not separator:
            yield f"expected key=value below [{self.section}:vars]"
            return
        self.roster.group(self.section, values={name.strip(): _value(value.strip())})

    def host(self, text: str, number: int) -> Iterator[str]:
        try:
            words = shlex.split(text, comments=True)
        except ValueError:
            yield "a quote is opened and not closed"
            return
        pattern, *pairs = words
        values: dict[str, Any] = {}
        for pair in pairs:
            name, separator, value = pair.partition("=")
            if not separator:
                yield f"{name!r} is not key=value"
            values[name] = _value(value)
        try:
            names = expanded(_PORT.sub("", pattern) if "[" not in pattern else pattern)
        except ValueError as error:
            yield str(error)
            return
        for name in names:
            self.roster.host(name, self.section, values, number)

    def undefined(self) -> Iterator[str]:
        """A line for each group that is mentioned and has no section of its own."""
        for group, number in self.mentioned.items():
            if group not in self.defined:
                near = did_you_mean(group, self.defined)
                yield f"{self.roster.file}:{number}: unknown group {group!r}: there is no section [{group}]{near}"


def _value(text: str) -> Any:
    """The value that Ansible reads: a number, a list and so on if ``text`` is a literal of Python, else the text."""
    if len(text) > _LONGEST_LITERAL:
        return text
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return text
    return value if isinstance(value, str | int | float | list | dict | bool | None) else text
