"""Secrets in trees of values, such as a parsed seed: by their keys, their place and their text."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from isoforge.masking.encoded import in_bytes
from isoforge.masking.names import is_path, secret_kind
from isoforge.masking.spans import MASK, Span
from isoforge.masking.text import find, find_in_words, is_public
from isoforge.yaml_limits import KeyPath


class Pairs(list[tuple[Any, Any]]):
    """A mapping as a list of keys and values, which may have a key twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A value, or a key, that is or contains a secret.

    ``path`` is that of the value (of its mapping, for a key), ``value`` the value itself. ``spans`` are its secret
    parts, None if all of it is secret. ``kind`` is the (first) secret's. ``by_key`` is True if only the key says that
    it is a secret, ``certain`` as in `Span`.
    """

    path: KeyPath
    value: Any
    kind: str
    spans: tuple[Span, ...] | None
    certain: bool
    by_key: bool = False


_DOUBT = "content of a file"
_PUBLIC_NAME = re.compile(r"(?i)public|pubkey|fingerprint|keyid|trusted")
_ENCODINGS = re.compile(r"(?i)b64|base64|gz(?:ip)?(?:\+b(?:ase)?64)?")
_SECRET_FILE = re.compile(
    r"(?:^|/)(?:\.netrc|\.pgpass|\.my\.cnf|\.git-credentials|g?shadow|credentials|[^/]*\.key|[^/]*\.keytab|id_[a-z0-9]+"
    r"|[^/]*(?:passw|secret|token|keyfile)[^/.]*(?:\.[a-z]+)?)$"
)


def found_in(value: Any, path: KeyPath = (), hidden: str = "") -> Iterator[Found]:
    """The secrets in a tree of mappings (or `Pairs`), lists and scalars, in its order.

    ``hidden`` is the kind of secret that the whole tree is, because of a key above it.
    """
    if isinstance(value, Pairs | dict):
        yield from _in_mapping(value if isinstance(value, Pairs) else [*value.items()], path, hidden)
    elif isinstance(value, list | tuple):
        yield from _in_list(value, path, hidden)
    elif isinstance(value, str):
        yield from _in_text(value, path, hidden, find(value))
    elif isinstance(value, bytes):
        yield from _in_binary(value, path, hidden)
    elif hidden and value is not None and not isinstance(value, bool):
        yield Found(path=path, value=value, kind=hidden, spans=None, certain=True, by_key=True)


def _in_mapping(pairs: Sequence[tuple[Any, Any]], path: KeyPath, hidden: str) -> Iterator[Found]:
    facts = {key: value for key, value in pairs if isinstance(key, str)}
    is_file = isinstance(facts.get("path"), str) and "content" in facts
    named = facts.get("name", facts.get("key"))
    for key, value in pairs:
        name = key if isinstance(key, str) else str(key)
        below = (*path, name)
        if isinstance(key, str):
            yield from _in_text(key, path, "", find(key))
        if is_file and name == "content":
            yield from _in_file(facts, below, hidden)
            continue
        kind = hidden or _kind(name, value, facts, path)
        if not kind and name in ("value", "default") and isinstance(named, str):
            kind = secret_kind(named)
        is_public_key = not kind and isinstance(value, str) and _PUBLIC_NAME.search(name)
        yield from (one for one in found_in(value, below, kind) if one.certain or not is_public_key)


def _kind(name: str, value: Any, facts: Mapping[str, Any], path: KeyPath) -> str:
    """What kind of secret the value of the key ``name`` is, in the mapping ``facts`` at ``path``; "" for none."""
    is_scalar = not isinstance(value, Pairs | dict | list | tuple)
    if facts.get("type") == "dm_crypt" and name in ("key", "keyfile"):
        return "passphrase"
    if name == "chpasswd" or (name == "pin" and "pin-priority" in facts):  # apt's preferences
        return ""
    if path[-1:] == ("chpasswd",) and name == "list":
        return "password"
    if path[-1:] == ("random_seed",) and name == "data":
        return "random seed"
    if facts.get("kind") == "Secret" and name in ("data", "stringData"):
        return "secret"
    kind = secret_kind(name)
    if not kind and (name == "key" or (is_scalar and name in ("auth", "_auth"))):
        kind = "key" if name == "key" else "credentials"
    if kind.endswith("key"):
        if isinstance(value, str) and (is_path(value) or is_public(value)):
            return ""
        if isinstance(value, Pairs | dict) and any(str(one).endswith("-location") for one in dict(value)):
            return ""  # subiquity writes the recovery key there
    return kind


def _in_list(items: Sequence[Any], path: KeyPath, hidden: str) -> Iterator[Found]:
    spans: list[list[Span]] = []
    if not hidden and len(items) > 1 and all(not isinstance(one, Pairs | dict | list | tuple) for one in items):
        spans = find_in_words([one if isinstance(one, str) else "" for one in items])
    for number, item in enumerate(items):
        if spans and isinstance(item, str):
            yield from _in_text(item, (*path, number), hidden, spans[number])
        else:
            yield from found_in(item, (*path, number), hidden)


def _in_text(text: str, path: KeyPath, hidden: str, spans: Sequence[Span]) -> Iterator[Found]:
    certain = next((span for span in spans if span.certain), None)
    if hidden:
        if text and text != MASK:
            kind = certain.kind if certain else hidden
            yield Found(path=path, value=text, kind=kind, spans=None, certain=True, by_key=certain is None)
    elif spans:
        kind = (certain or spans[0]).kind
        yield Found(path=path, value=text, kind=kind, spans=tuple(spans), certain=certain is not None)


def _in_binary(content: bytes, path: KeyPath, hidden: str) -> Iterator[Found]:
    """A value that is not text: masked as a whole unless it is text without a secret."""
    inside, _ = in_bytes(content, find)
    if content and (hidden or inside is None or inside):
        spans = inside or [Span(0, len(content), "binary data")]
        certain = any(span.certain for span in spans)
        yield Found(
            path=path,
            value=content,
            kind=spans[0].kind if inside else hidden or "binary data",
            spans=None,
            certain=certain or bool(hidden),
            by_key=bool(hidden) and not certain,
        )


def _in_file(facts: Mapping[str, Any], path: KeyPath, hidden: str) -> Iterator[Found]:
    """The content of a file of ``write_files``: decoded, and masked as a whole if others may not read the file."""
    content = facts["content"]
    mode = str(facts.get("permissions", "")).removeprefix("0o")
    is_private = bool(mode) and mode[-1:] not in {"4", "5", "6", "7"}
    name = str(facts["path"])
    is_secret = bool(_SECRET_FILE.search(name)) and not name.endswith((".pub", ".crt"))
    kind = hidden or (_DOUBT if is_private or is_secret else "")
    if kind == _DOUBT and isinstance(content, str) and is_public(content):
        kind = ""
    encoding = str(facts.get("encoding", ""))
    if isinstance(content, str) and _ENCODINGS.fullmatch(encoding):
        decoded = content.encode("utf-8", "replace")
        if "64" in encoding:
            try:
                decoded = b64decode("".join(content.split()), validate=True)
            except (binascii.Error, ValueError):
                kind = kind or "encoded data"
                decoded = b""
        for one in _in_binary(decoded, path, kind):
            yield Found(path=path, value=content, kind=one.kind, spans=None, certain=one.certain, by_key=one.by_key)
        if not decoded and kind:
            yield Found(path=path, value=content, kind=kind, spans=None, certain=False, by_key=True)
        return
    yield from found_in(content, path, kind)
