"""A line for a new host in hosts.yml: comments, order and formatting are preserved."""

from __future__ import annotations

from typing import Any

import yaml

from isoforge.yaml_limits import compose, load

STEP = 2
"""How many blanks the next level is indented further."""


def with_host(text: str, host: str, group: str) -> str | None:
    """``text`` of a hosts.yml with ``host`` in ``group`` ("" for none): after the hosts that are already there.

    Lines are only added, in the first place where the group occurs; a group that is new goes under
    ``all.children``. None if that cannot be done safely: the group is written in braces, comes from an alias, or the
    result would not be the same inventory plus the host.
    """
    try:
        root, *others = compose(text) or [None]
        before = load(text)
    except yaml.YAMLError:
        return None
    if others:
        return None
    group_path = (_path_to(root, group) or ("all", "children", group)) if group else ("all",)
    where = (*group_path, "hosts", host)
    edited = _inserted(text, root, where)
    if edited is None:
        return None
    try:
        after = load(edited)
    except yaml.YAMLError:
        return None
    return edited if after == _expected(before, where) else None


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


def _inserted(text: str, root: Any, where: tuple[str, ...]) -> str | None:
    """``text`` with a line for each of the missing keys in ``where``, the last of them without value."""
    key: Any = None
    node = root
    for depth, name in enumerate(where):
        if node is not None and not _is_open(node):
            return _under(text, key, node, where[depth:])
        entries = _entries(node) if node is not None else {}
        if name not in entries:
            line = _last_line(node) + 1 if node is not None else None
            column = node.value[0][0].start_mark.column if node is not None else 0
            return _with_lines(text, line, column, where[depth:])
        key, node = entries[name]
    return None  # it is there already


def _is_open(node: Any) -> bool:
    """Whether ``node`` is a mapping with a line for each entry."""
    return isinstance(node, yaml.MappingNode) and not node.flow_style and bool(node.value)


def _under(text: str, key: Any, node: Any, names: tuple[str, ...]) -> str | None:
    """``text`` with ``names`` below ``key``, whose value ``node`` is nothing: left out, ``null``, ``~`` or ``{}``."""
    is_nothing = isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"
    is_empty = isinstance(node, yaml.MappingNode) and not node.value
    start, end = node.start_mark, node.end_mark
    if key is None or not (is_nothing or is_empty) or start.line != end.line or start.line != key.start_mark.line:
        return None
    lines = text.split("\n")
    line = lines[start.line]
    lines[start.line] = line[: start.column].rstrip(" ") + line[end.column :] if end.column > start.column else line
    return _with_lines("\n".join(lines), start.line + 1, key.start_mark.column + STEP, names)


def _last_line(node: Any) -> int:
    """The line, counted from 0, in which ``node`` ends: a block's own mark is where the next thing begins."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        if not isinstance(last, tuple):
            return _last_line(last)
        return max(int(last[0].end_mark.line), _last_line(last[1]))
    is_block = isinstance(node, yaml.ScalarNode) and node.style in ("|", ">")
    return int(node.end_mark.line) - (1 if is_block and node.end_mark.column == 0 else 0)


def _with_lines(text: str, number: int | None, column: int, names: tuple[str, ...]) -> str:
    """``text`` with the keys ``names``, each one level further in, before line ``number`` or at the end."""
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines(keepends=True)
    if number is None or number > len(lines):
        number = len(lines)
    if number and not lines[number - 1].endswith("\n"):
        lines[number - 1] += newline
    new = [f"{' ' * (column + STEP * depth)}{name}:{newline}" for depth, name in enumerate(names)]
    return "".join([*lines[:number], *new, *lines[number:]])


def _expected(before: Any, where: tuple[str, ...]) -> Any:
    """The document ``before`` with the keys of ``where``, the last of them without value."""
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
    holder[where[-1]] = None
    return after


def _unshared(value: Any) -> Any:
    """A copy in which what was an alias is a value of its own: adding to one of two must not add to the other."""
    return {key: _unshared(child) for key, child in value.items()} if isinstance(value, dict) else value
