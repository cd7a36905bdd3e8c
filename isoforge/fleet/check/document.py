"""A YAML document with the place of every key in it, and what is wrong with the text before it has a meaning."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import yaml

from isoforge.safe_yaml import FastLoader, refuse_depth

Route = tuple[str | int, ...]
"""The way to a value from the top of the document: keys, and positions in lists (from 0)."""

MOST_VALUES = 200_000
"""How many values a document may hold after its aliases are followed; a few nested aliases can stand for millions."""

MOST_BYTES = 16 * 1024 * 1024
"""No seed is that large: more is a file given by mistake, and is not parsed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a value stands: ``line`` (from 1) of its key, or of the list item; and, of a single value, its text as
    written and whether it was written without quotes (``plain``)."""

    line: int
    written: str = ""
    plain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something wrong with the text itself: ``line`` from 1, ``route`` of the value it belongs to."""

    line: int
    text: str
    route: Route = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One YAML document: ``data`` as `yaml.safe_load` gives it (keys are always text), ``places`` by route, ``faults``.

    ``readable`` is False where the text is no YAML at all; ``data`` is None then and means nothing.
    """

    data: Any = None
    places: Mapping[Route, Place] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    readable: bool = True

    def line(self, route: Route) -> int:
        """The line (from 1) of the value at ``route``, or of the nearest value around it that was written down."""
        while route and route not in self.places:
            route = route[:-1]
        return self.places[route].line if route in self.places else 1

    def place(self, route: Route) -> Place:
        """The place of the value at ``route``; one that tells nothing if there is no such value."""
        return self.places.get(route) or Place(line=self.line(route))


@lru_cache(maxsize=2)
def read(text: str) -> Document:
    """Parse ``text`` as one YAML 1.1 document, as cloud-init does; every fault is in the result, none is raised.

    The last two are remembered: a host's user-data and meta-data are checked alone, and then against other hosts'.
    """
    try:
        refuse_depth(text)
        nodes = list(yaml.compose_all(text, Loader=FastLoader))
    except yaml.YAMLError as error:
        return Document(faults=(_syntax_fault(error, text),), readable=False)
    if len(nodes) > 1:
        line = text.count("\n", 0, text.rindex("\n---", 0, nodes[1].start_mark.index) + 1) + 1
        said = f"{len(nodes)} documents in one file (a second one begins here); cloud-init takes files with one only"
        return Document(faults=(Fault(line=line, text=said),), readable=False)
    if not nodes or nodes[0] is None:
        return Document()
    reader = _Reader()
    try:
        data = reader.value(nodes[0], (), nodes[0].start_mark.line + 1)
    except _TooManyError as error:
        return Document(faults=(error.fault,), readable=False)
    return Document(data=data, places=reader.places, faults=tuple(reader.faults))


class _TooManyError(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.text)
        self.fault = fault


class _Reader:
    """Turns composed nodes into plain data, and remembers where each came from."""

    def __init__(self) -> None:
        self.places: dict[Route, Place] = {}
        self.faults: list[Fault] = []
        self._builder = yaml.constructor.SafeConstructor()
        self._open: list[int] = []

    def value(self, node: yaml.Node, route: Route, line: int) -> Any:
        if len(self.places) >= MOST_VALUES:
            raise _TooManyError(Fault(line=line, text=f"more than {MOST_VALUES} values: aliases inside aliases?"))
        if id(node) in self._open:
            raise _TooManyError(Fault(line=line, text="an alias that stands for a value which holds the alias itself"))
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, route, line)
        self.places[route] = Place(line=line)
        if node.tag not in {"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"}:
            said = "a tag (! before the value) that plain YAML does not know, so that cloud-init cannot read the file"
            self.faults.append(Fault(line=line, text=said, route=route))
        self._open.append(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return [
                    self.value(item, (*route, index), item.start_mark.line + 1) for index, item in enumerate(node.value)
                ]
            return self._mapping(node, route) if isinstance(node, yaml.MappingNode) else None
        finally:
            self._open.pop()

    def _mapping(self, node: yaml.MappingNode, route: Route) -> dict[str, Any]:
        written = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if "<<" in written:
            written = []  # a merge may bring the same key again: the one that is written out wins, as intended
            self._merge(node, route)
        made: dict[str, Any] = {}
        seen: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = self._key(key_node, route, line)
            here = (*route, key)
            if key in seen and written:
                self.faults.append(
                    Fault(line=line, text=f"{key!r} was set before, on line {seen[key]}; the last one wins", route=here)
                )
            seen.setdefault(key, line)
            made[key] = self.value(value_node, here, line)
        return made

    def _merge(self, node: yaml.MappingNode, route: Route) -> None:
        try:
            self._builder.flatten_mapping(node)
        except yaml.YAMLError:
            node.value = [pair for pair in node.value if pair[0].value != "<<"]
            line = node.start_mark.line + 1
            self.faults.append(Fault(line=line, text="'<<' merges mappings, and was given something else", route=route))

    def _key(self, node: yaml.Node, route: Route, line: int) -> str:
        if not isinstance(node, yaml.ScalarNode):
            said = "a key must be a word, not a list or a mapping ({{ … }} must be filled in, or quoted)"
            self.faults.append(Fault(line=line, text=said, route=route))
            return "?"
        if node.tag != "tag:yaml.org,2002:str":
            said = f"the key {node.value} without quotes is read by YAML as {kind_of_tag(node.tag)}"
            fault = Fault(line=line, text=f'{said}; quote it: "{node.value}"', route=(*route, node.value))
            self.faults.append(fault)
        return str(node.value)

    def _scalar(self, node: yaml.ScalarNode, route: Route, line: int) -> Any:
        self.places[route] = Place(line=line, written=node.value, plain=not node.style)
        if node.tag == "tag:yaml.org,2002:str":
            return str(node.value)
        if node.tag.startswith("!"):
            said = "what begins with ! without quotes is a YAML tag, not text: quote the whole value"
            self.faults.append(Fault(line=line, text=said, route=route))  # not shown: a locked hash begins so
            return str(node.value)
        try:
            return self._builder.construct_object(node)
        except (yaml.YAMLError, ValueError, OverflowError):
            said = f"looks like {kind_of_tag(node.tag)} to YAML, but is none; quote it"
            self.faults.append(Fault(line=line, text=said, route=route))
            return str(node.value)


def kind_of_tag(tag: str) -> str:
    """What YAML takes a value for, in words: ``tag:yaml.org,2002:int`` is "a number"."""
    words = {
        "int": "a number",
        "float": "a number",
        "bool": "true or false",
        "null": "null",
        "timestamp": "a date",
        "binary": "binary data",
        "merge": "a merge",
    }
    name = tag.rsplit(":", 1)[-1]
    return words.get(name, f"a {name}")


def _syntax_fault(error: yaml.YAMLError, text: str) -> Fault:
    """The fault behind a YAML error, with the cure where the mistake is a known one."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:  # a character that YAML forbids: the error knows a position, not a line
        position = getattr(error, "position", 0)
        return Fault(line=text.count("\n", 0, position) + 1, text="a control character, which YAML forbids")
    lines = text.split("\n")
    line = lines[mark.line] if mark.line < len(lines) else ""
    problem = re.sub(r"'[^']{3,}'", "…", str(getattr(error, "problem", "") or error))  # what it quotes may be secret
    return Fault(line=mark.line + 1, text=f"not YAML: {problem}{_cure(problem, line, mark.column)}")


def _cure(problem: str, line: str, column: int) -> str:
    indent = line[: len(line) - len(line.lstrip())]
    value = line.partition(": ")[2].strip()
    if "\t" in indent or line[column : column + 1] == "\t":
        return " (a tab; YAML is indented with blanks)"
    if value[:1] == "*":
        return " (a value that begins with * must be quoted)"
    if value[:1] in {"%", "@", "`", "&", "!", "|", ">"}:
        return f" (a value that begins with {value[0]} must be quoted)"
    if "mapping values" in problem:
        return " (text with ': ' in it must be quoted; or the line is indented too far)"
    if "expected <block end>" in problem or "did not find expected" in problem:
        return " (look at the indentation of this line and the one above)"
    return ""


def walk(data: Any, route: Route = ()) -> Iterator[tuple[Route, Any]]:
    """Every value in ``data`` with its route, from the outside in."""
    yield route, data
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield from walk(value, (*route, key))
