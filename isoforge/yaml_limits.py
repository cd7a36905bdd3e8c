"""What every reader of YAML starts from: the loader, and how deep, how long and how large a document may be."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from isoforge.regular_file import IRREGULAR, TOO_LARGE, read_regular

KeyPath = tuple[str | int, ...]
"""Where a value lies in a tree: keys, and numbers (from 0) for the items of lists."""

DEEPEST = 100
"""How many mappings and lists may be nested, aliases followed; Ubuntu's own documents have about ten."""

MOST_VALUES = 100_000
"""How many values a document may hold after its aliases are followed: a few nested aliases can stand for millions."""

MOST_BYTES = 16 << 20
"""How large a file may be: no inventory and no seed is larger, what is larger was given by mistake."""

FastLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The YAML 1.1 loader that cloud-init has, in C where PyYAML was built with it: ten times faster."""

STANDARD = "tag:yaml.org,2002:"
"""How the tags of plain YAML begin."""

_INDENTED = re.compile(rf"^[ ?-]{{{DEEPEST}}}", re.MULTILINE)
"""A line that could begin so deep in block style: each level takes a column at least."""

_ANCHOR = re.compile(r"&(?<![^\s\[{,:?-]&)[\w-]")
"""An anchor, or what could be one: without any, a text holds as many values as it spells out. The pattern begins with
the character that few texts have, which is quick to look for."""


_LIBYAML_LIMIT = "exceeded maximum nesting depth"
"""The words of libyaml 0.2.6 (PyYAML 6.0.4) at 1,000 levels. It reads ahead, so they may precede the first event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something wrong with the text itself: ``id`` as a problem has it, ``line`` from 1, ``path`` of the value."""

    id: str
    line: int | None
    message: str
    path: KeyPath = ()


class LimitError(yaml.YAMLError):
    """A document beyond the limits of this module; ``fault`` says which."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def read_text(path: Path) -> str:
    """The UTF-8 text of the regular file ``path``.

    Raises ``OSError`` or ``UnicodeDecodeError``, and ``LimitError`` for anything but a regular file of at most
    `MOST_BYTES`: a pipe or a device may never end.
    """
    try:
        return read_regular(path, MOST_BYTES).decode("utf-8")
    except OSError as error:
        if error.errno == IRREGULAR:
            message = f"cannot be read: {error.strerror}"
            raise LimitError(Fault(id="file-unreadable", line=None, message=message)) from None
        if error.errno == TOO_LARGE:
            message = f"is larger than {MOST_BYTES >> 20} MiB: not an inventory or seed file"
            raise LimitError(Fault(id="yaml-too-large", line=None, message=message)) from None
        raise


def load(text: str) -> Any:
    """The bare values of the one document in ``text``; raises ``yaml.YAMLError``, also beyond the limits."""
    refuse_beyond_limits(text)
    loader = FastLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _ANCHOR.search(text):
            measure(node)
        return loader.construct_document(node)
    except (ValueError, OverflowError) as error:  # a date like 2024-13-45, a number of 5,000 digits
        raise yaml.YAMLError(str(error)) from error
    finally:
        loader.dispose()


def yaml_fault(content: bytes, listen: Callable[[Any], object] = bool) -> str:
    """Why ``content`` is not a YAML document within the limits; empty if it is one. Nothing is built from it.

    ``listen`` is called with each of PyYAML's events.
    """
    try:
        text = content.decode("utf-8")
        refuse_beyond_limits(text)
        for event in yaml.parse(text, Loader=FastLoader):
            listen(event)
    except UnicodeDecodeError as failure:
        return f"byte {failure.start} is not UTF-8"
    except yaml.YAMLError as failure:
        mark, problem = getattr(failure, "problem_mark", None), getattr(failure, "problem", None)
        return f"line {mark.line + 1}: {problem}" if mark and problem else str(failure)
    return ""


def compose(text: str, loader: Any = FastLoader) -> list[Any]:
    """The root nodes of all documents in ``text``, as PyYAML has them; raises ``yaml.YAMLError`` as `load`."""
    refuse_beyond_limits(text)
    nodes = [node for node in yaml.compose_all(text, Loader=loader) if node is not None]
    for node in nodes:
        measure(node)
    return nodes


def refuse_beyond_limits(text: str) -> None:
    """Raise ``LimitError`` if ``text`` is nested too deep or spells out too many values, before libyaml builds a tree:
    it calls itself for each level. Only a text that is long enough for either is gone through."""
    is_deep = text.count("[") + text.count("{") >= DEEPEST or _INDENTED.search(text)
    if not is_deep and len(text) < 2 * MOST_VALUES:
        return
    depth = values = 0
    event: Any
    try:
        for event in yaml.parse(text, Loader=FastLoader):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
                continue
            values += 1
            if depth > DEEPEST or values > 2 * MOST_VALUES:  # keys are among them
                raise _too_deep(event.start_mark) if depth > DEEPEST else _too_many(event)
    except yaml.MarkedYAMLError as error:
        if error.problem == _LIBYAML_LIMIT:
            raise _too_deep(error.problem_mark) from error
        raise


def _too_deep(mark: Any) -> LimitError:
    message = f"more than {DEEPEST} mappings and lists are nested"
    return LimitError(Fault(id="yaml-too-deep", line=mark.line + 1, message=message))


def _too_many(node: Any) -> LimitError:
    message = f"more than {MOST_VALUES} values, aliases followed"
    return LimitError(Fault(id="yaml-too-many-values", line=node.start_mark.line + 1, message=message))


def measure(root: Any) -> None:
    """Raise ``LimitError`` if the tree under PyYAML's node ``root`` is too deep or too large once its aliases are
    followed, or holds itself. Each node is looked at once: an alias is the same node again."""
    done: dict[int, tuple[int, int, int]] = {}
    above: set[int] = set()

    def size(node: Any) -> tuple[int, int, int]:
        """Values, depth and entries (of a mapping, with those that ``<<`` brings) below ``node``."""
        if isinstance(node, yaml.ScalarNode):
            return 1, 0, 0
        if id(node) in done:
            return done[id(node)]
        if id(node) in above:
            message = "an alias stands for a value that contains the alias itself"
            raise LimitError(Fault(id="yaml-alias-loop", line=node.start_mark.line + 1, message=message))
        above.add(id(node))
        values, depth, entries = 1, 0, 0
        for key, child in node.value if isinstance(node, yaml.MappingNode) else ((None, one) for one in node.value):
            more, below, inside = size(child)
            is_merge = key is not None and key.tag == f"{STANDARD}merge"
            merged = [inside] if isinstance(child, yaml.MappingNode) else [size(one)[2] for one in _items(child)]
            entries += sum(merged) if is_merge else 1
            values, depth = values + more, max(depth, below)
            if values > MOST_VALUES or entries > MOST_VALUES:
                raise _too_many(node)
            if depth >= DEEPEST:
                raise _too_deep(node.start_mark)
        above.discard(id(node))
        done[id(node)] = values, depth + 1, entries
        return done[id(node)]

    size(root)


def _items(node: Any) -> list[Any]:
    return node.value if isinstance(node, yaml.SequenceNode) else []
