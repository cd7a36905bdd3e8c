"""Lines for new hosts in hosts.yml, and values in other files: comments, order and formatting are preserved."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import yaml

from isoforge.yaml_limits import compose, load

STEP = 2
"""How many blanks the next level is indented further."""


def with_host(text: str, host: str, group: str) -> str | None:
    """``text`` of a hosts.yml with ``host`` in ``group`` ("" for none), as `with_hosts` does it."""
    return with_hosts(text, [host], group)


def with_hosts(text: str, hosts: Sequence[str], group: str, above: Sequence[str] = ()) -> str | None:
    """``text`` of a hosts.yml with ``hosts`` in ``group`` ("" for none): after the hosts that are already there.

    Lines are only added, in the first place where the group occurs; a group that is new goes under the innermost of the
    groups ``above`` that exists, with those that do not, else under ``all.children``. None if that cannot be done
    safely: the group is written in braces, comes from an alias, or the result would not be the same inventory plus the
    hosts.
    """
    root = _one_document(text)
    if root is False:
        return None
    group_path = (_path_to(root, group) or (*_path_above(root, above), "children", group)) if group else ("all",)
    where = (*group_path, "hosts", hosts[0])
    return _checked(text, _inserted(text, root, where, siblings=hosts[1:]), where, None, siblings=hosts[1:])


def with_value(text: str, path: Sequence[str], value: Any) -> str | None:
    """``text`` of a file of values with ``value`` at ``path``: in place of the one that is there, or on its own line.

    A value that took several lines is replaced by one, its comments included. None if that cannot be done safely.
    """
    root = _one_document(text)
    if root is False:
        return None
    where = tuple(path)
    edited = _replaced(text, root, where, value)
    if edited is None:
        edited = _inserted(text, root, where, value=f" {flow(value)}")
    return _checked(text, edited, where, value)


def _one_document(text: str) -> Any:
    """The root of the document ``text``, None if it is empty, False if it is not readable or not the only one."""
    try:
        root, *others = compose(text) or [None]
    except yaml.YAMLError:
        return False
    return False if others else root


def _checked(
    text: str, edited: str | None, where: tuple[str, ...], value: Any, *, siblings: Sequence[str] = ()
) -> str | None:
    """``edited``, if it is ``text`` with ``value`` at ``where`` (and its siblings) and nothing else; else None."""
    if edited is None:
        return None
    try:
        expected = _expected(load(text), where, value)
        for name in siblings:
            expected = _expected(expected, (*where[:-1], name), value)
        return edited if load(edited) == expected else None
    except yaml.YAMLError:
        return None


def flow(value: Any) -> str:
    """``value`` in YAML on one line."""
    line = yaml.safe_dump([value], default_flow_style=True, allow_unicode=True, width=1 << 30)
    return str(line).strip()[1:-1]


def _key(name: str) -> str:
    """``name`` as a key that YAML reads as this very text."""
    try:
        return name if load(name) == name else json.dumps(name)
    except yaml.YAMLError:
        return json.dumps(name)


def _path_above(root: Any, above: Sequence[str]) -> tuple[str, ...]:
    """The keys that lead to the innermost of ``above`` that exists, then those to the ones that do not."""
    for number in range(len(above), 0, -1):
        known = _path_to(root, above[number - 1])
        if known:
            return (*known, *(step for group in above[number:] for step in ("children", group)))
    return ("all", *(step for group in above for step in ("children", group)))


def _replaced(text: str, node: Any, where: tuple[str, ...], value: Any) -> str | None:
    """``text`` with ``value`` in place of the one at ``where``; None if there is none."""
    key: Any = None
    for name in where:
        entries = _entries(node)
        if name not in entries:
            return None
        key, node = entries[name]
    start, end = node.start_mark, node.end_mark
    lines = text.splitlines(keepends=True)
    if start.line == key.start_mark.line == end.line:
        line = lines[start.line]
        between = "" if line[: start.column].endswith(" ") else " "
        lines[start.line] = f"{line[: start.column]}{between}{flow(value)}{line[end.column :]}"
        return "".join(lines)
    first, last = key.start_mark.line, _last_line(node)
    before = lines[first][: key.start_mark.column]
    if before.strip():
        return None
    newline = "\r\n" if lines[first].endswith("\r\n") else "\n"
    lines[first : last + 1] = [f"{before}{_key(where[-1])}: {flow(value)}{newline}"]
    return "".join(lines)


def lines_for(host: str, group: str) -> str:
    """The lines to add, on one line: ``all: {children: {site_a: {hosts: {web-1: }}}}``."""
    inner = f"{{hosts: {{{host}: }}}}"
    return f"all: {{children: {{{group}: {inner}}}}}" if group else f"all: {inner}"


def _entries(node: Any) -> dict[str, tuple[Any, Any]]:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return {key.value: (key, value) for key, value in pairs if isinstance(key, yaml.ScalarNode)}


def _path_to(node: Any, group: str) -> tuple[str, ...] | None:
    """The keys that lead to where ``group`` is written first; ``node`` maps names of groups to what they are."""
    for name, (_, value) in _entries(node).items():
        if name == group:
            return (name,)
        children = _entries(value).get("children")
        below = _path_to(children[1], group) if children else None
        if below:
            return (name, "children", *below)
    return None


def _inserted(
    text: str, root: Any, where: tuple[str, ...], *, siblings: Sequence[str] = (), value: str = ""
) -> str | None:
    """``text`` with a line for each of the missing keys in ``where``, and ``siblings`` beside the last of them.

    ``value`` is the text behind the last one's colon.
    """
    last = [f"{_key(name)}:{value}" for name in (where[-1], *siblings)]
    key: Any = None
    node = root
    for depth, name in enumerate(where):
        if node is not None and not _is_open(node):
            return _under(text, key, node, where[depth:-1], last)
        entries = _entries(node) if node is not None else {}
        if name not in entries:
            line = _last_line(node) + 1 if node is not None else None
            column = node.value[0][0].start_mark.column if node is not None else 0
            return _with_lines(text, line, column, where[depth:-1], last)
        key, node = entries[name]
    return None  # it is there already


def _is_open(node: Any) -> bool:
    """Whether ``node`` is a mapping with a line for each entry."""
    return isinstance(node, yaml.MappingNode) and not node.flow_style and bool(node.value)


def _under(text: str, key: Any, node: Any, names: tuple[str, ...], last: Sequence[str]) -> str | None:
    """``text`` with ``names`` and the lines ``last`` below ``key``, whose value is nothing: left out, null, ~, {}."""
    is_nothing = isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"
    is_empty = isinstance(node, yaml.MappingNode) and not node.value
    start, end = node.start_mark, node.end_mark
    if key is None or not (is_nothing or is_empty) or start.line != end.line or start.line != key.start_mark.line:
        return None
    lines = text.split("\n")
    line = lines[start.line]
    lines[start.line] = line[: start.column].rstrip(" ") + line[end.column :] if end.column > start.column else line
    return _with_lines("\n".join(lines), start.line + 1, key.start_mark.column + STEP, names, last)


def _last_line(node: Any) -> int:
    """The line, counted from 0, in which ``node`` ends: a block's own mark is where the next thing begins."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        if not isinstance(last, tuple):
            return _last_line(last)
        return max(int(last[0].end_mark.line), _last_line(last[1]))
    is_block = isinstance(node, yaml.ScalarNode) and node.style in ("|", ">")
    return int(node.end_mark.line) - (1 if is_block and node.end_mark.column == 0 else 0)


def _with_lines(text: str, number: int | None, column: int, names: tuple[str, ...], last: Sequence[str]) -> str:
    """``text`` with the keys ``names``, each one level further in, and the lines ``last``, before line
    ``number``, or at the end."""
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines(keepends=True)
    if number is None or number > len(lines):
        number = len(lines)
    if number and not lines[number - 1].endswith("\n"):
        lines[number - 1] += newline
    new = [f"{' ' * (column + STEP * depth)}{_key(name)}:{newline}" for depth, name in enumerate(names)]
    new += [f"{' ' * (column + STEP * len(names))}{line}{newline}" for line in last]
    return "".join([*lines[:number], *new, *lines[number:]])


def _expected(before: Any, where: tuple[str, ...], value: Any) -> Any:
    """The document ``before`` with the keys of ``where``, the last of them with ``value``."""
    after = _unshared(before) or {}
    holder = after
    for name in where[:-1]:
        if not isinstance(holder, dict):
            return None
        if holder.get(name) is None:
            holder[name] = {}
        holder = holder[name]
    if not isinstance(holder, dict):
        return None
    holder[where[-1]] = value
    return after


def _unshared(value: Any) -> Any:
    """A copy in which what was an alias is a value of its own: adding to one of two must not add to the other."""
    return {key: _unshared(child) for key, child in value.items()} if isinstance(value, dict) else value
