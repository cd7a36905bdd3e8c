"""Where each part of a rendered seed came from: the host's value, with its file and line, or a template.

A seed is rendered once more from values that carry their own path along: each text has its path's number behind it,
in characters that nobody types. What comes out is compared with the seed and thrown away; only the paths are kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isoforge.errors import TemplateError
from isoforge.fleet.inventory.host import Host
from isoforge.fleet.inventory.schema import PASSED_ON, Kind, find
from isoforge.fleet.seed.render import Seed, render_document, template_values
from isoforge.release import Release
from isoforge.yaml_limits import KeyPath
from isoforge.yaml_tree import HIDDEN

_OPEN, _CLOSE = "\ue000", "\ue001"
_MARK = re.compile(f"{_OPEN}(\\d+){_CLOSE}")

_OTHER_NAMES = {"allow-pw": "allow_password", "password": "password_hash"}
"""Keys of a seed whose inventory key follows by no rule: the others are the same with ``_`` for ``-``."""

_TELLING = 16
"""How long a text is that is not the same in two places by chance."""


class Marked(str):
    """A text that is compared, and printed, as it is, but carries the number of its path into what is made of it."""

    __slots__ = ("plain",)
    plain: str

    def __new__(cls, plain: str, mark: str) -> Marked:
        text = super().__new__(cls, plain + mark)
        text.plain = plain
        return text

    def __eq__(self, other: object) -> bool:
        return self.plain == (other.plain if isinstance(other, Marked) else other)

    def __hash__(self) -> int:
        return hash(self.plain)

    def __lt__(self, other: str) -> bool:
        return self.plain < (other.plain if isinstance(other, Marked) else other)

    def __str__(self) -> str:
        return self.plain

    def __len__(self) -> int:
        return len(self.plain)

    def __format__(self, _: str) -> str:
        return self.whole

    def lower(self) -> Marked:
        return Marked(self.plain.lower(), self.whole.removeprefix(self.plain))

    @property
    def whole(self) -> str:
        """The text with its mark."""
        return str.__str__(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origins:
    """The paths in the inventory behind the paths in one host's seed.

    ``texts`` are those of single values; of mappings and lists ``shared`` is what the paths of all values in them begin
    with, and ``holders`` the same less a step for each level in between.
    """

    host: Host
    document: Mapping[str, Any]
    texts: Mapping[KeyPath, KeyPath]
    shared: Mapping[KeyPath, KeyPath]
    holders: Mapping[KeyPath, KeyPath]

    def of(self, path: KeyPath) -> KeyPath | None:
        """The inventory's path to the value at ``path`` of the document, or to where it is missing; None if a template
        made it up."""
        if path in self.texts:
            return self.texts[path]
        if path[:1] == ("autoinstall",) and len(path) > 1 and self.host.node.at(path) is not None:
            return path
        if (size := self._by_size(path)) is not None:
            return size
        name = self._by_name(path)
        if path in self.shared:
            is_right = name is not None and self.shared[path][: len(name)] == name
            return name if is_right else self.holders[path] or self.shared[path] or None
        return name or self._from_parent(path)

    def _by_name(self, path: KeyPath) -> KeyPath | None:
        """The key of the same name below what the parent came from, if the inventory has or knows such a key."""
        if len(path) < 2 or not isinstance(path[-1], str):
            return None
        above = self._parent(path)
        for name in (path[-1], path[-1].replace("-", "_"), _OTHER_NAMES.get(path[-1], "")):
            candidate = (*above, name)
            key = find(candidate) if name else None
            is_known = key is not None and key.key.kind not in (Kind.ANY, Kind.ANY_MAPPING)
            if name and (is_known or self.host.node.at(candidate) is not None):
                return candidate
        return None

    def _by_size(self, path: KeyPath) -> KeyPath | None:
        """The one size of the host that is the number at ``path``: a number cannot carry its path along."""
        if path[-1:] != ("size",):
            return None
        value = _at(self.document, path)
        if not isinstance(value, int) or isinstance(value, bool):
            return None
        matches = [
            where
            for where, leaf in self.host.node.leaves()
            if leaf.value == value and (key := find(where)) is not None and key.key.kind is Kind.SIZE
        ]
        return matches[0] if len(matches) == 1 else None

    def _parent(self, path: KeyPath) -> KeyPath:
        return () if len(path) <= 2 else self.of(path[:-1]) or ()

    def _from_parent(self, path: KeyPath) -> KeyPath | None:
        """Of a list's item None if it is a text: those of the inventory are marked, so it stands in a template. A key
        that is missing from a section passed on as it is belongs into that section."""
        value = _at(self.document, path)
        if isinstance(value, str) and isinstance(path[-1], int):
            return None
        parent = self._parent(path)
        is_missing = value is None and isinstance(path[-1], str)
        return (*parent, path[-1]) if is_missing and parent[:1] and parent[0] in PASSED_ON else parent or None


def _at(value: Any, path: KeyPath) -> Any:
    """What lies at ``path`` below ``value``; None if nothing does."""
    for step in path:
        is_there = isinstance(value, list) and isinstance(step, int) and step < len(value)
        value = value.get(step) if isinstance(value, Mapping) else value[step] if is_there else None
    return value


def same_key(host: Host, seed: Seed, path: KeyPath) -> KeyPath | None:
    """The inventory's path to the text at ``path`` of ``seed``, if the key of the same name holds the same text there.

    Most problems are such; only the others are worth the second rendering of `origins_of`. None if it is another
    text, no text, or a short one, which may be the same by chance.
    """
    value = _at(seed.document, path)
    if not isinstance(value, str) or len(value) < _TELLING:
        return None
    candidate = tuple(step.replace("-", "_") if isinstance(step, str) else step for step in path[1:])
    leaf = host.node.at(candidate) if candidate else None
    return candidate if leaf is not None and leaf.value == value else None


def origins_of(
    host: Host, seed: Seed, *, templates: Sequence[Path], release: Release | None, guard: bool, report: bool = True
) -> Origins:
    """The origins of everything in ``seed``, which was rendered from ``host`` with these arguments."""
    document = dict(seed.document or {})
    paths: list[KeyPath] = []
    values = template_values(host, _marked(dict(host.values), (), paths), release)
    if not host.values["hostname"]:
        values["hostname"] = _marked(host.name, ("hostname",), paths)
    texts: dict[KeyPath, KeyPath] = {}
    try:
        _, marked = render_document(host, values, templates=templates, guard=guard, report=report)
        plain = _unmarked(marked, (), paths, texts)
    except (TemplateError, RecursionError):  # a template that looks closer at its values than any of ours
        plain = None
    if plain != document:
        texts = {}
    shared, holders = _around(texts)
    return Origins(host=host, document=document, texts=texts, shared=shared, holders=holders)


def _marked(value: Any, path: KeyPath, paths: list[KeyPath]) -> Any:
    if isinstance(value, str) or value is HIDDEN:
        paths.append(path)
        return Marked(str(value), f"{_OPEN}{len(paths) - 1}{_CLOSE}")
    if isinstance(value, Mapping):
        return {_marked(key, (*path, key), paths): _marked(one, (*path, key), paths) for key, one in value.items()}
    if isinstance(value, list):
        return [_marked(one, (*path, index), paths) for index, one in enumerate(value)]
    return value


def _unmarked(value: Any, here: KeyPath, paths: list[KeyPath], texts: dict[KeyPath, KeyPath]) -> Any:
    """``value`` as it would be without marks; the path that each text carried goes into ``texts``."""
    if isinstance(value, str):
        whole = value.whole if isinstance(value, Marked) else value
        if mark := _MARK.search(whole):
            texts[here] = paths[int(mark[1])]
        return _MARK.sub("", whole)
    if isinstance(value, Mapping):
        plain = {}
        for key, child in value.items():
            names: dict[KeyPath, KeyPath] = {}
            name = _unmarked(key, (), paths, names)
            plain[name] = _unmarked(child, (*here, name), paths, texts)
            if names and isinstance(child, Mapping | list):
                texts[(*here, name)] = names[()]
        return plain
    if isinstance(value, list):
        return [_unmarked(child, (*here, index), paths, texts) for index, child in enumerate(value)]
    return value


def _around(texts: Mapping[KeyPath, KeyPath]) -> tuple[dict[KeyPath, KeyPath], dict[KeyPath, KeyPath]]:
    """``shared`` and ``holders`` of `Origins`."""
    shared: dict[KeyPath, KeyPath] = {}
    holders: dict[KeyPath, KeyPath] = {}
    for path, origin in texts.items():
        for levels in range(1, len(path)):
            above = path[:-levels]
            shared[above] = _common(shared.get(above, origin), origin)
            candidate = origin[: max(len(origin) - levels, 0)]
            holders[above] = _common(holders.get(above, candidate), candidate)
    return shared, holders


def _common(one: KeyPath, two: KeyPath) -> KeyPath:
    length = 0
    for step, other in zip(one, two, strict=False):
        if step != other:
            break
        length += 1
    return one[:length]
