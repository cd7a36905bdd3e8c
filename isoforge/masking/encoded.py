"""Secrets in base64, compressed or not, and long words that only a generator writes."""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Callable, Iterator
from itertools import pairwise

from isoforge.masking.spans import Span

MOST_BYTES = 4 << 20
"""How much is decoded and decompressed of one text; what is beyond counts as a secret."""

DEEPEST = 3
"""How many times something encoded inside something encoded is looked into."""

KEY = "key or token"
"""The kind of a word that looks generated."""

Find = Callable[[str], list[Span]]

_RUN = re.compile(r"(?:[A-Za-z0-9+/_-]{40,}+\\?\r?\n[ \t]*+)*+[A-Za-z0-9+/_-]{16,}+={0,2}")
_BREAK = re.compile(r"[\\\r\n \t]+")
_TEXT = re.compile(r"[\t\n\r\x20-\x7e\u00a0-\uffff]*")
_WORD = re.compile(r"[A-Za-z0-9]++")
_HEX = re.compile(r"(?:[0-9a-f]|-|0x)+|[0-9A-F-]+")
_PUBLIC_BLOB = re.compile(rb"\x00\x00\x00[\x07-\x30](?:sk-)?(?:ssh|ecdsa)-|\x99\x01|\xc6[\x33\x8d]|0\x82[\x01-\x0f]")
"""How OpenSSH's public keys, OpenPGP's, and certificates in DER begin."""
_COMPRESSED = (b"\x1f\x8b", b"\xfd7zXZ", b"BZh", b"PK\x03\x04", b"(\xb5/\xfd")
_LEAST = 24
_LEAST_CHANGES = 0.35


def encoded(text: str, find: Find, *, budget: int = MOST_BYTES) -> Iterator[Span]:
    """The words of ``text`` that are base64 of something in which ``find`` finds a secret, or that look generated."""
    for run in _RUN.finditer(text):
        word = run.group()
        if _HEX.fullmatch(word):
            continue
        inside, spent = _inside(_BREAK.sub("", word) if "\n" in word else word, find, budget)
        budget -= spent
        if inside is None and "/" in word:
            yield from _pieces(text, run, find, budget)
        elif inside is None:
            yield from _generated(text, run.start(), run.end())
        elif inside:
            yield Span(run.start(), run.end(), inside[0].kind, any(span.certain for span in inside))


def _pieces(text: str, run: re.Match[str], find: Find, budget: int) -> Iterator[Span]:
    """The parts of a path, each of which may be encoded; or the whole, if it is base64 with slashes."""
    for piece in re.compile(r"[A-Za-z0-9+_-]{16,}={0,2}").finditer(text, run.start(), run.end()):
        inside, spent = _inside(piece.group(), find, budget)
        budget -= spent
        if inside:
            yield Span(piece.start(), piece.end(), inside[0].kind, any(span.certain for span in inside))
    yield from _generated(text, run.start(), run.end())


def _inside(word: str, find: Find, budget: int) -> tuple[list[Span] | None, int]:
    """The secrets in what the base64 text ``word`` stands for, and how many bytes that was; None if it is not base64.

    An empty list means: decoded, and harmless.
    """
    try:
        content = base64.b64decode(word.replace("-", "+").replace("_", "/") + "=" * (-len(word) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None, 0
    return in_bytes(content, find, budget)


def in_bytes(content: bytes, find: Find, budget: int = MOST_BYTES) -> tuple[list[Span] | None, int]:
    """The secrets in the bytes ``content``, and how many bytes were looked at; None if it is not text.

    What is compressed is decompressed; where that is not possible, or takes more than ``budget`` bytes, the whole
    counts as a secret that is not certain.
    """
    doubt = [Span(0, len(content), "compressed data")]
    if budget <= 0:
        return doubt, 0
    spent = len(content)
    if content.startswith(_COMPRESSED):
        if not content.startswith(b"\x1f\x8b"):
            return doubt, spent
        try:
            unpacker = zlib.decompressobj(wbits=31)
            content = unpacker.decompress(content, budget)
        except zlib.error:
            return doubt, spent
        spent += len(content)
        if unpacker.unconsumed_tail:
            return doubt, spent
    if _PUBLIC_BLOB.match(content):
        return [], spent
    try:
        inner = content.decode("utf-8")
    except UnicodeDecodeError:
        return None, spent
    if not _TEXT.fullmatch(inner):
        return None, spent
    return find(inner), spent


def _generated(text: str, start: int, end: int) -> Iterator[Span]:
    """The parts of a word that look generated: long, of capitals, small letters and digits in no order."""
    word = text[start:end].rstrip("=")
    bare = word.replace("/", "").replace("+", "")
    if "_" not in word and "-" not in word and looks_generated(bare) and _is_dense(word):
        yield Span(start, end, KEY)
        return
    for part in _WORD.finditer(text, start, end):
        if looks_generated(part.group()):
            yield Span(*part.span(), KEY)


def _is_dense(word: str) -> bool:
    """Whether a word with slashes is base64 rather than a path: its parts do not look like words either."""
    return all(not part or len(part) < 6 or _changes(part) >= _LEAST_CHANGES for part in word.split("/"))


def looks_generated(word: str) -> bool:
    """Whether ``word`` has 24 characters or more, with capitals, small letters and digits mixed as by chance."""
    return (
        len(word) >= _LEAST
        and any(char.isdigit() for char in word)
        and any(char.islower() for char in word)
        and any(char.isupper() for char in word)
        and _changes(word) >= _LEAST_CHANGES
    )


def _changes(word: str) -> float:
    """The share of neighbours in ``word`` that are of different classes: capital, small letter, digit."""
    kinds = ["d" if char.isdigit() else "u" if char.isupper() else "l" for char in word]
    return sum(one != two for one, two in pairwise(kinds)) / max(1, len(word) - 1)
