"""Where secrets stand in a text, and the text with those places masked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

MASK = "***"
"""Shown in place of a secret."""

PASSWORD_HASH = "password hash"  # noqa: S105 - the name of a kind
"""The kind of what is a secret but not plain text: seeds are meant to contain it."""


class Span(NamedTuple):
    """A secret in a text: its characters ``start`` to ``end`` (not included).

    ``kind`` is a noun ("GitHub token"). ``certain`` is True where nothing but a secret looks like this; the rest is
    masked where seeds are shown, because it may be one, and is no reason for a warning.
    """

    start: int
    end: int
    kind: str
    certain: bool = False


def merged(spans: Iterable[Span]) -> list[Span]:
    """``spans`` in the order of the text, those that overlap made one; the kind is that of a certain one."""
    result: list[Span] = []
    for span in sorted(spans):
        last = result[-1] if result else None
        if last is not None and span.start < last.end:
            kind = span.kind if span.certain and not last.certain else last.kind
            result[-1] = Span(last.start, max(last.end, span.end), kind, last.certain or span.certain)
        else:
            result.append(span)
    return result


def without(text: str, spans: Iterable[Span]) -> str:
    """``text`` with `MASK` in place of each of the ``spans``, which are in order and do not overlap."""
    parts, done = [], 0
    for span in spans:
        parts += [text[done : span.start], MASK]
        done = span.end
    return "".join([*parts, text[done:]])


def unquoted(text: str, start: int, end: int) -> tuple[int, int]:
    """The range ``start`` to ``end`` without the quotes around it."""
    if end - start >= 2 and text[start] in "'\"" and text[end - 1] == text[start]:
        return start + 1, end - 1
    if end - start >= 1 and text[start] in "'\"" and text.find(text[start], start + 1, end) < 0:
        return start + 1, end
    return start, end
