"""YAML as people wrote it: every value knows its file and line, and layers are laid one over another.

The flavour is YAML 1.1, as PyYAML and Ubuntu's installer read it; a key that is written twice is an error here,
because YAML's own rule (the last one wins, in silence) hides mistakes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import yaml

from isoforge.problems import Problem
from isoforge.safe_yaml import FastLoader, refuse_depth

Path_: TypeAlias = tuple[str | int, ...]
"""Where a value lies in a tree: keys, and numbers for the items of lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a value was written: ``file`` as the user would type it, ``line`` from 1 (0: not from a file)."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One value: a scalar, a ``dict`` of nodes or a ``list`` of nodes, and where it was written.

    A ``secret`` node is never shown: its repr holds no value, and neither may any message about it.
    """

    value: Any = field(repr=False)
    origin: Origin
    secret: bool = False

    @property
    def mapping(self) -> dict[str, Node] | None:
        """The nodes by key, or None if this is no mapping."""
        return self.value if isinstance(self.value, dict) else None

    def at(self, path: Path_) -> Node | None:
        """The node at ``path`` below this one, or None."""
        node: Node | None = self
        for step in path:
            if node is None:
                return None
            if isinstance(node.value, dict):
                node = node.value.get(step)
            elif isinstance(node.value, list) and isinstance(step, int) and 0 <= step < len(node.value):
                node = node.value[step]
            else:
                return None
        return node

    def nearest(self, path: Path_) -> Node:
        """The node at ``path``, or the last one on the way to it: where to look when something is missing."""
        for length in range(len(path), 0, -1):
            node = self.at(path[:length])
            if node is not None:
                return node
        return self

    def leaves(self, path: Path_ = ()) -> Iterator[tuple[Path_, Node]]:
        """Every scalar and every empty mapping or list below, with its path, in the order of writing."""
        if isinstance(self.value, dict) and self.value:
            for key, node in self.value.items():
                yield from node.leaves((*path, key))
        elif isinstance(self.value, list) and self.value:
            for number, node in enumerate(self.value):
                yield from node.leaves((*path, number))
        else:
            yield path, self


class Hidden:
    """Stands for a value that is still encrypted."""

    def __repr__(self) -> str:
        return "(encrypted)"


HIDDEN = Hidden()


def dotted(path: Path_) -> str:
    """``path`` as people write it: ``storage.disks[1].serial``; a key with dots in it is put in quotes."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += ("." if text else "") + (f'"{step}"' if "." in step or not step else step)
    return text


def empty(origin: Origin) -> Node:
    """A mapping with nothing in it."""
    return Node(value={}, origin=origin)


def plain(node: Node) -> Any:
    """The bare Python values of a tree, as new dictionaries and lists."""
    if isinstance(node.value, dict):
        return {key: plain(child) for key, child in node.value.items()}
    if isinstance(node.value, list):
        return [plain(child) for child in node.value]
    return node.value


def planted(value: Any, origin: Origin, *, secret: bool = False) -> Node:
    """The tree of bare Python values, every node with the same origin."""
    if isinstance(value, Mapping):
        value = {str(key): planted(child, origin, secret=secret) for key, child in value.items()}
    elif isinstance(value, list | tuple):
        value = [planted(child, origin, secret=secret) for child in value]
    return Node(value=value, origin=origin, secret=secret)


def laid_over(below: Node, above: Node) -> Node:
    """``above`` over ``below``: mappings are merged at every depth, anything else is replaced."""
    if not isinstance(below.value, dict) or not isinstance(above.value, dict):
        return above
    if not below.value:
        return above
    if not above.value:
        return below
    merged = dict(below.value)
    for key, node in above.value.items():
        merged[key] = laid_over(merged[key], node) if key in merged else node
    return replace(above, value=merged)


def without_nulls(node: Node, *, keep: frozenset[str] = frozenset()) -> Node:
    """The tree less every key whose value is null: writing ``key: null`` in a later layer takes the key away.

    Below the keys in ``keep``, which are passed on as they are, null is a value.
    """
    if not isinstance(node.value, dict):
        return node
    kept = {
        key: child if key in keep else without_nulls(child)
        for key, child in node.value.items()
        if child.value is not None
    }
    return replace(node, value=kept)


def read(text: str, file: str, problems: list[Problem]) -> Node | None:
    """The one document in ``text``; None if it is empty or cannot be read.

    Problems (bad YAML, keys written twice or not text, aliases that hold themselves) are added to ``problems``
    under ``file``; a tree that could be read in spite of them is returned.
    """
    loader = FastLoader(text)
    try:
        refuse_depth(text)
        root = loader.get_single_node()
        if root is None:
            return None
        return _Reader(loader, file, problems).node(root, ())
    except yaml.MarkedYAMLError as broken:
        mark = broken.problem_mark or broken.context_mark
        said = " ".join(part for part in (broken.context, broken.problem) if part)
        _add(problems, file, None if mark is None else mark.line + 1, "(file)", f"is not YAML: {said}")
    except yaml.YAMLError as broken:
        _add(problems, file, None, "(file)", f"is not YAML: {' '.join(str(broken).split())}")
    finally:
        loader.dispose()
    return None


def _add(problems: list[Problem], file: str, line: int | None, address: str, text: str) -> None:
    problems.append(Problem(file=file, line=line, address=address, text=text))


class _Reader:
    """Turns libyaml's nodes, which know their place, into ours."""

    def __init__(self, loader: Any, file: str, problems: list[Problem]) -> None:
        self.loader = loader
        self.file = file
        self.problems = problems
        self.done: dict[int, Node] = {}
        self.open: set[int] = set()

    def node(self, raw: Any, path: Path_) -> Node:
        key = id(raw)
        if key in self.done:  # an alias: the very same value again
            return self.done[key]
        line = raw.start_mark.line + 1
        origin = Origin(file=self.file, line=line)
        if key in self.open:
            _add(self.problems, self.file, line, dotted(path), "is an alias that holds itself")
            return Node(value=None, origin=origin)
        self.open.add(key)
        node = Node(value=self.value(raw, path), origin=origin)
        self.open.discard(key)
        self.done[key] = node
        return node

    def value(self, raw: Any, path: Path_) -> Any:
        if isinstance(raw, yaml.MappingNode):
            return self.entries(raw, path)
        if isinstance(raw, yaml.SequenceNode):
            return [self.node(child, (*path, number)) for number, child in enumerate(raw.value)]
        return self.scalar(raw, path)

    def entries(self, raw: Any, path: Path_) -> dict[str, Node]:
        seen: dict[Any, Any] = {}
        for key_node, _ in raw.value:
            if not isinstance(key_node, yaml.ScalarNode):
                continue
            line = key_node.start_mark.line + 1
            first = seen.setdefault((key_node.tag, key_node.value), key_node)
            if first is not key_node and key_node.tag != "tag:yaml.org,2002:merge":
                text = f"is written twice, here and in line {first.start_mark.line + 1}"
                _add(self.problems, self.file, line, dotted((*path, key_node.value)), text)
        self.loader.flatten_mapping(raw)  # "<<: *anchor" becomes plain entries, the weaker ones first
        entries: dict[str, Node] = {}
        for key_node, value_node in raw.value:
            key = self.scalar(key_node, path) if isinstance(key_node, yaml.ScalarNode) else None
            line = key_node.start_mark.line + 1
            if not isinstance(key, str):
                shown = key_node.value if isinstance(key_node, yaml.ScalarNode) else "a list or mapping"
                text = f"the key {shown} is not text for YAML 1.1; put it in quotes"
                _add(self.problems, self.file, line, dotted(path) or "(file)", text)
                key = str(shown)
            node = self.node(value_node, (*path, key))
            entries[key] = replace(node, origin=Origin(file=self.file, line=line))
        return entries

    def scalar(self, raw: Any, path: Path_) -> Any:
        try:
            return self.loader.construct_object(raw, deep=True)
        except (yaml.YAMLError, ValueError) as broken:  # a tag of Python's or Ansible's, or a date like 2024-02-31
            said = getattr(broken, "problem", None) or str(broken)
            _add(self.problems, self.file, raw.start_mark.line + 1, dotted(path) or "(file)", f"cannot be read: {said}")
            return None
