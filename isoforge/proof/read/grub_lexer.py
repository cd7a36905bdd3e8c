"""The words of GRUB scripts: a text becomes tokens, and a word its parts, as GRUB's lexer reads them (yylex.l)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

_TOKEN = re.compile(
    r"""
    (?P<blank>[ \t]+|\#[^\n]*)
    | (?P<end>\n|;(?!;))
    | (?P<brace>[{}])
    | (?P<word>(?: [^{}|&$;<>\ \t\n'"\\] | '[^']*' | \$?"(?:[^"\\]|\\.)*" | \\.
        | \$(?:[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[?\#*@]|\{(?:[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[?\#*@])\}) )+)
    | (?P<stray>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_PART = re.compile(
    r"""'(?P<single>[^']*)' | (?P<translated>\$?)"(?P<double>(?:[^"\\]|\\.)*)" | \\(?P<escaped>.)
    | \$\{?(?P<variable>[A-Za-z0-9_]+|[?\#*@])\}? | (?P<plain>[^'"\\$]+)""",
    re.VERBOSE | re.DOTALL,
)
_SPECIAL = re.compile(r"""['"\\$]""")
"""What makes a word more than its text."""

_IN_QUOTES = re.compile(
    r"""\\(?P<escaped>[$"\\\n]) | \$(?:\{(?P<braced>[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[?\#*@])\}
    |(?P<variable>[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[?\#*@])) | (?P<stray>\$) | (?P<plain>\\|[^\\$]+)""",
    re.VERBOSE | re.DOTALL,
)


class GrubSyntaxError(Exception):
    """A text is not a GRUB script; ``line`` is where GRUB notices it, ``reason`` why.

    ``before`` are the statements before it, which GRUB runs all the same.
    """

    before: tuple[Any, ...] = ()

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


class Part(NamedTuple):
    """A part of a word: literal ``text`` or the name of a variable; quoted parts are neither split nor expanded."""

    text: str
    quoted: bool
    variable: bool = False


Word = tuple[Part, ...]


class Token(NamedTuple):
    """A token: a "word", "brace", "end" of a command or "eof", with its line and its offset in the script."""

    kind: str
    text: str
    line: int
    start: int


def tokens(script: str, lines: Sequence[int]) -> Iterator[Token]:
    """The tokens of ``script``, whose lines have the numbers ``lines``; after the last one "eof" without end."""
    row = 0
    for match in _TOKEN.finditer(script):
        kind, text = str(match.lastgroup), match.group()
        if kind == "blank":  # without a line end
            continue
        line = lines[min(row, len(lines) - 1)]
        if kind == "stray":
            raise GrubSyntaxError(line, "unclosed quote" if text in "'\"" else f"unexpected {text!r}")
        yield Token(kind, text, line, match.start())
        row += text.count("\n")
    yield Token("end", "\n", lines[-1], len(script))
    while True:
        yield Token("eof", "", lines[-1], len(script))


def parse_word(token: Token) -> Word:
    """The parts of a word; a backslash before the end of a line joins the lines."""
    if not _SPECIAL.search(token.text):
        return (Part(token.text, quoted=False),)
    parts: list[Part] = []
    for match in _PART.finditer(token.text):
        if match["single"] is not None:
            parts.append(Part(match["single"], quoted=True))
        elif match["double"] is not None:
            parts += _in_quotes(match["double"], token.line, strict=not match["translated"])
        elif match["variable"] is not None:
            parts.append(Part(match["variable"], quoted=False, variable=True))
        elif match["plain"] is not None:
            parts.append(Part(match["plain"], quoted=False))
        elif match["escaped"] != "\n":
            parts.append(Part(match["escaped"], quoted=True))
    return _joined(parts)


def _joined(parts: list[Part]) -> Word:
    """``parts`` with neighbouring quoted texts as one."""
    word: list[Part] = []
    for part in parts:
        if word and part.quoted and word[-1].quoted and not (part.variable or word[-1].variable):
            word[-1] = Part(word[-1].text + part.text, quoted=True)
        else:
            word.append(part)
    return tuple(word)


def _in_quotes(text: str, line: int, *, strict: bool) -> Iterator[Part]:
    """The parts of a text in double quotes, of which there is at least one: an empty word is a word too.

    ``strict``: a ``$`` without a variable is an error, as everywhere but in a text to be translated ($"…").
    """
    yield Part("", quoted=True)
    for match in _IN_QUOTES.finditer(text):
        if match["stray"] and strict:
            raise GrubSyntaxError(line, "a $ without a variable in double quotes")
        name = match["variable"] or match["braced"]
        if name:
            yield Part(name, quoted=True, variable=True)
        elif match["escaped"] != "\n":
            yield Part(match["escaped"] or match["plain"] or "$", quoted=True)


def literal(word: Word) -> str | None:
    """The text of a word that depends on nothing; None for any other."""
    if not word or any(part.variable or (not part.quoted and ("*" in part.text or "?" in part.text)) for part in word):
        return None
    return "".join(part.text for part in word)
