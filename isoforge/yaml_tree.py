"""Trees of values: every value knows its file and line, and layers are laid one over another."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from isoforge.yaml_limits import KeyPath


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

    ``bare`` is the text of a scalar that was written without quotes ("" for any other), which may be another than its
    value: ``12:30`` is a number for YAML 1.1. A ``secret`` node is never shown: its repr holds no value, and neither
    may any message about it.
    """

    value: Any = field(repr=False)
    origin: Origin
    secret: bool = False
    bare: str = field(default="", repr=False)

    @property
    def mapping(self) -> dict[str, Node] | None:
        """The nodes by key, or None if this is not a mapping."""
        return self.value if isinstance(self.value, dict) else None

    def at(self, path: KeyPath) -> Node | None:
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

    def nearest(self, path: KeyPath) -> Node:
        """The node at ``path``, or the last one on the way to it: where to look when something is missing."""
        for length in range(len(path), 0, -1):
            node = self.at(path[:length])
            if node is not None:
                return node
        return self

    def leaves(self, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Node]]:
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


def dotted(path: KeyPath) -> str:
    """``path`` as people write it: ``storage.disks[1].serial``; a key with dots in it is put in quotes."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += ("." if text else "") + (f'"{step}"' if "." in step or not step else step)
    return text


_STEP = re.compile(r"\[(\d+)\]|\"([^\"]*)\"|([^.\[\]]+)")


def undotted(text: str) -> KeyPath:
    """The path that `dotted` wrote as ``text``."""
    return tuple(int(item) if item else quoted or key for item, quoted, key in _STEP.findall(text))


def without(node: Node, path: KeyPath) -> Node:
    """The tree less the value at ``path``; an item of a list becomes null, for the others keep their numbers."""
    if not path or not isinstance(node.value, dict | list):
        return node
    step, *rest = path
    value: Any = dict(node.value) if isinstance(node.value, dict) else list(node.value)
    if isinstance(value, dict) and step in value and not rest:
        del value[step]
    elif node.at((step,)) is not None:
        value[step] = without(value[step], tuple(rest)) if rest else replace(value[step], value=None)
    return replace(node, value=value)


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
    children = {
        key: child if key in keep else without_nulls(child)
        for key, child in node.value.items()
        if child.value is not None
    }
    return replace(node, value=children)
