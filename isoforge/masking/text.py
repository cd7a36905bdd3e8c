"""Secrets in running text: found by all means there are, and masked."""

from __future__ import annotations

import re
import sys
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from functools import lru_cache
from typing import Any

from isoforge.masking.commands import commanded, in_words
from isoforge.masking.encoded import DEEPEST, encoded
from isoforge.masking.pairs import paired
from isoforge.masking.shapes import shaped
from isoforge.masking.shell import Word
from isoforge.masking.spans import PASSWORD_HASH, Span, merged, without

_PUBLIC = re.compile(
    r"-----BEGIN (?:[A-Z0-9 ]{0,40}PUBLIC KEY(?: BLOCK)?|(?:TRUSTED |X509 )?CERTIFICATE(?: REQUEST)?|X509 CRL)-----"
    r"[^-]*+(?:-(?!----(?:END|BEGIN))[^-]*+)*+-----END [A-Z0-9 ]{1,40}-----"
    r"|(?:\b(?:sk-)?(?:ssh|ecdsa)-[\w@.-]{1,60}\s+)?\bAAAA[A-Z][A-Za-z0-9+/]{20,}={0,2}"
    r"|\b(?:SHA256:[A-Za-z0-9+/]{43}=?|sha(?:256|384|512)-[A-Za-z0-9+/]{40,}={0,2})"
    r"|(?i:public[-_ ]?key(?:-data)?|pubkey|fingerprint|sha3-384|snap-id)[\"']?\s*[:=]\s*[\"']?"
    r"[A-Za-z0-9+/_-]{20,}={0,2}"
    r"|\bage1[0-9a-z]{20,}"
)
"""What has the shape of a secret and is public: keys' public halves, certificates, fingerprints."""

_COMMENT = re.compile(r"[\w.@ -]{0,64}|#.*")
_SPACES = re.compile(r"\s")

_CACHED = 1 << 16
"""Texts up to this size are remembered: seeds of a fleet repeat one another."""


def find(text: str) -> list[Span]:
    """The secrets in ``text`` and what may be some, in order, none overlapping another.

    Texts of any kind: scripts, configuration files, sentences. It takes time in proportion to the text.
    """
    return list(_found(text)) if len(text) <= _CACHED else _find(text, DEEPEST)


@lru_cache(maxsize=2048)
def _found(text: str) -> tuple[Span, ...]:
    return tuple(_find(text, DEEPEST))


def _find(text: str, depth: int) -> list[Span]:
    public = [match.span() for match in _PUBLIC.finditer(text)]
    spans = [*shaped(text), *paired(text)]
    if _SPACES.search(text):
        spans += commanded(text)
    if "\\n" in text or '\\"' in text:  # a text in quotes, as JSON has it; every place stays the same
        lines = text.replace("\\n", " \n").replace('\\"', ' "')
        spans += [*paired(lines), *commanded(lines)]
    spans += encoded(text, lambda inner: _find(inner, depth - 1) if depth else [Span(0, len(inner), "encoded data")])
    return merged(span for span in spans if span.start < span.end and not _is_within(span, public))


def _is_within(span: Span, ranges: Sequence[tuple[int, int]]) -> bool:
    number = bisect_right(ranges, (span.start, sys.maxsize)) - 1
    return number >= 0 and ranges[number][1] >= span.end


def is_public(text: str) -> bool:
    """Whether ``text`` is a public key, a certificate or several, with nothing but their names beside them."""
    rest, count = _PUBLIC.subn("", text)
    return count > 0 and all(_COMMENT.fullmatch(line.strip()) for line in rest.splitlines())


def find_in_words(words: Sequence[str]) -> list[list[Span]]:
    """The secrets in each of ``words``, a command with its arguments: an option's value may be the next word.

    What would be a secret if the words were one line, and is not one as a word, is not certain.
    """
    result: list[list[Span]] = [[] for _ in words]
    line = ["" if len(word) > _LONGEST_WORD or "\n" in word else word for word in words]  # a script stands for itself
    for parts, is_certain in ((words, True), (line, False)):
        text, placed = _joined(parts)
        starts = [one.start for one in placed]
        for span in in_words(text, placed) if is_certain else find(text):
            number = bisect_right(starts, span.start) - 1
            while number < len(placed) and placed[number].start < span.end:
                one = placed[number]
                start, end = max(span.start, one.start) - one.start, min(span.end, one.end) - one.start
                if start < end:
                    result[number].append(Span(start, end, span.kind, span.certain and is_certain))
                number += 1
    return [merged([*own, *find(word)]) for own, word in zip(result, words, strict=True)]


_LONGEST_WORD = 200


def _joined(words: Sequence[str]) -> tuple[str, list[Word]]:
    """``words`` as one line, and where each is in it."""
    placed, at = [], 0
    for word in words:
        placed.append(Word(word, at))
        at += len(word) + 1
    return " ".join(words), placed


def mask(text: str) -> str:
    """``text`` with all its secrets, and all that may be one, replaced by ``***``."""
    for _ in range(_ROUNDS):
        spans = find(text)
        masked = without(text, spans)
        if masked == text:
            break
        text = masked
    return text


_ROUNDS = 4
"""What is masked can make clearer what the rest is; masking what was masked changes nothing."""


def mask_certain(text: str) -> str:
    """``text`` with what is certain to be a secret replaced by ``***``: for what programs write, which people debug."""
    return _mask_certain(text, is_sentence=False)


def _mask_certain(text: str, *, is_sentence: bool) -> str:
    spans = [
        span
        for span in find(text)
        if (span.certain or span.kind == PASSWORD_HASH)
        and not (is_sentence and _PLAIN_WORD.fullmatch(text, span.start, span.end))
    ]
    return without(text, spans) if spans else text


_PLAIN_WORD = re.compile(r"[A-Za-z]?[a-z]*[.,;:)]*")
"""In a sentence about an option, the word behind it is not its value."""


def mask_facts(value: Any) -> Any:
    """A copy of ``value``, with what is certain to be a secret masked in each text of it.

    Texts are messages of isoforge, in which a plain word behind the name of an option is not a secret. They are looked
    for in mappings, lists, tuples and dataclasses.
    """
    if type(value) is str:  # an enumeration's member is a str, too, and stays
        return _mask_certain(value, is_sentence=True)
    if isinstance(value, dict):
        return {key: mask_facts(one) for key, one in value.items()}
    if type(value) in (list, tuple):
        return type(value)(mask_facts(one) for one in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{one.name: mask_facts(getattr(value, one.name)) for one in fields(value) if one.init})
    return value
