"""YAML text with its secrets masked, and where in it they are."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from isoforge.masking.spans import MASK, Span, merged, without
from isoforge.masking.text import find
from isoforge.masking.tree import Pairs, found_in
from isoforge.yaml_limits import STANDARD, FastLoader, KeyPath, compose

UNREADABLE = "# Not shown: this is not valid YAML, so its secrets cannot be masked.\n"

_PROPERTIES = re.compile(r"(?:(?:&\S+|!\S*)\s+)+")
_SIGNS = re.compile(r"^[ \t]*#+", re.MULTILINE)
_BYTE_ORDER_MARK = "\ufeff"

Edit = tuple[int, int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A secret of a document: its ``kind``, the ``path`` of the value, and its ``line`` from 1; nothing of itself.

    ``certain`` is False for what only may be a secret.
    """

    kind: str
    path: KeyPath
    line: int
    certain: bool


class _Text(str):
    """The text of a scalar that knows its ``node``."""

    node: yaml.ScalarNode


class _Bytes(bytes):
    """The content of a ``!!binary`` scalar that knows its ``node``."""

    node: yaml.ScalarNode


def masked(text: str) -> str:
    """``text`` of a seed with everything secret in it replaced by `MASK`; layout and comments stay.

    Masked are values whose key names a secret and everything below such a key, the content of files that are not
    world-readable, and whatever is a secret by its shape, or may be one: password hashes, private keys, tokens,
    passwords in commands and addresses, and all of these in base64. A text that is not a YAML mapping is not shown at
    all. Masking what is masked changes nothing.
    """
    if not text.strip():
        return text
    mark = _BYTE_ORDER_MARK if text.startswith(_BYTE_ORDER_MARK) else ""
    text = text.removeprefix(mark)
    try:
        for _ in range(_ROUNDS):
            after = _masked_once(text)
            if after == text:
                break
            text = after
    except yaml.YAMLError:
        return UNREADABLE
    return mark + text


_ROUNDS = 3
"""Masking a part can make clearer what the rest is; the second round mostly changes nothing."""


def secrets(text: str) -> list[Secret]:
    """The secrets in the YAML ``text``, in the order of its lines; of another text, as `find` sees them.

    Secrets in comments have the path ().
    """
    text = text.removeprefix(_BYTE_ORDER_MARK)
    try:
        documents = _mappings(text)
    except yaml.YAMLError:
        return [_at(text, span) for span in find(text)]
    result: dict[Secret, None] = {}
    for document in documents:
        for found in found_in(_mirror(document)):
            line = found.value.node.start_mark.line + 1
            result[Secret(kind=found.kind, path=found.path, line=line, certain=found.certain)] = None
    for start, end in _comments(text):
        for span in _find_in_comment(text[start:end]):
            result[_at(text, span._replace(start=start + span.start))] = None
    return sorted(result, key=lambda secret: secret.line)


def _at(text: str, span: Span) -> Secret:
    return Secret(kind=span.kind, path=(), line=text.count("\n", 0, span.start) + 1, certain=span.certain)


def _mappings(text: str) -> list[yaml.MappingNode]:
    documents = compose(text, FastLoader)
    for document in documents:
        if not isinstance(document, yaml.MappingNode):
            raise yaml.YAMLError("not a mapping")
    return documents


def _masked_once(text: str) -> str:
    edits: dict[int, Edit] = {}
    whole: dict[int, yaml.ScalarNode] = {}
    parts: dict[int, tuple[yaml.ScalarNode, list[Span]]] = {}
    for document in _mappings(text):
        for found in found_in(_mirror(document)):  # an anchor's node comes again at each alias
            node = found.value.node
            if found.spans is None:
                whole[id(node)] = node
            else:
                parts.setdefault(id(node), (node, []))[1].extend(found.spans)
        for node in whole.values():
            edits[node.start_mark.index] = _edit(node, text, MASK)
        for number, (node, spans) in parts.items():
            if number not in whole:
                edits[node.start_mark.index] = _edit(node, text, without(node.value, merged(spans)))
    for start, end in _comments(text):
        hidden = without(text[start:end], _find_in_comment(text[start:end]))
        if hidden != text[start:end]:
            edits.setdefault(start, (start, end, hidden))
    return _edited(text, sorted(edits.values()))


def _mirror(node: yaml.Node) -> Any:
    """The tree below ``node`` as `found_in` reads it; every text knows its node."""
    if isinstance(node, yaml.MappingNode):
        return Pairs((_mirror(key), _mirror(value)) for key, value in node.value)
    if isinstance(node, yaml.SequenceNode):
        return [_mirror(item) for item in node.value]
    assert isinstance(node, yaml.ScalarNode)  # noqa: S101 - there is no other kind
    kind = node.tag.removeprefix(STANDARD)
    if kind in ("bool", "null"):
        return None if kind == "null" else True
    if kind == "binary" and node.value != MASK:
        try:
            content = _Bytes(base64.b64decode("".join(node.value.split()), validate=True))
        except (binascii.Error, ValueError):
            content = _Bytes(b"\x00")  # not shown either
        content.node = node
        return content
    text = _Text(node.value)
    text.node = node
    return text


def _comments(text: str) -> Iterator[tuple[int, int]]:
    """The ranges of a YAML text between tokens that contain a comment."""
    end = 0
    for token in yaml.scan(text, Loader=FastLoader):
        if "#" in text[end : token.start_mark.index]:
            yield end, token.start_mark.index
        end = max(end, token.end_mark.index)
    if "#" in text[end:]:
        yield end, len(text)


def _find_in_comment(text: str) -> list[Span]:
    """The secrets in a comment, line by line and as the text that it was before it became a comment."""
    return merged([*find(text), *find(_SIGNS.sub(lambda signs: " " * len(signs[0]), text))])


def _edited(text: str, edits: list[Edit]) -> str:
    parts, done = [], 0
    for start, end, new in edits:
        if start >= done:
            parts += [text[done:start], new]
            done = end
    return "".join([*parts, text[done:]])


def _edit(node: yaml.ScalarNode, text: str, value: str) -> Edit:
    """The replacement of the scalar ``node`` in ``text`` by ``value``, with its anchor and its tag."""
    start, end = node.start_mark.index, node.end_mark.index
    properties = _PROPERTIES.match(text, start, end)
    start = properties.end() if properties else start
    if node.style in ("|", ">"):
        return start, end, _block(text[start:end], value)
    if properties and "!" in properties[0]:  # a tag such as !!int does not fit what is masked
        start = node.start_mark.index
        anchor = next((word for word in properties[0].split() if word.startswith("&")), "")
        return start, end, f"{anchor} {json.dumps(value, ensure_ascii=False)}".lstrip()
    return start, end, json.dumps(value, ensure_ascii=False)


def _block(raw: str, value: str) -> str:
    """``value`` as a literal block in place of the block ``raw``, at the same indentation."""
    lines = [line for line in raw.splitlines()[1:] if line.strip()]
    indent = len(lines[0]) - len(lines[0].lstrip(" ")) if lines else 0
    body = "".join(f"{' ' * indent}{line}\n" if line else "\n" for line in value.rstrip("\n").split("\n"))
    tail = raw[len(raw.rstrip(" \n")) :]  # what comes before the next key belongs to the block for PyYAML
    return f"|\n{body}" + tail.partition("\n")[2]
