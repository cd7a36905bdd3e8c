"""The words of a shell script: quotes, expansions and what is between them, taken apart as dash does."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import NamedTuple, NoReturn

_OPERATOR = re.compile(r"&&|\|\||;;|<<-|<<|>>|<&|>&|<>|>\||[&|;()<>\n]")
_BREAK = re.compile(r"[\s;&|<>()]")
_WORD = re.compile(r"(?:\\\n|[^\s;&|<>()])*")
"""A word without quotes, which may go on behind a backslash on the next line."""

_DESCRIPTOR = re.compile(r"\d+(?=[<>])")
_BLANKS = re.compile(r"(?:[ \t]|\\\n)+")


class SyntaxFlaw(NamedTuple):
    """What is wrong with a script: the problem's id, and a sentence."""

    id: str
    message: str


class FlawError(Exception):
    """Ends the walk through a script; ``flaw`` says why."""

    def __init__(self, message: str, id_: str = "shell-syntax") -> None:
        super().__init__(message)
        self.flaw = SyntaxFlaw(id_, message)


class Words(ABC):
    """Walks over the words of ``text`` from ``at``; every method leaves ``at`` behind what it has taken."""

    def __init__(self, text: str, depth: int = 0) -> None:
        self.text = text
        self.at = 0
        self.depth = depth

    @abstractmethod
    def commands(self, ends: Collection[str], *, may_be_empty: bool = False) -> None:
        """Take the commands inside a substitution."""

    def operator(self) -> str | None:
        """The operator ahead, None if there is a word or the end."""
        self.at = self.skipped_blanks()
        operator = _OPERATOR.match(self.text, self.at)
        return operator[0] if operator else None

    def skipped_blanks(self) -> int:
        at = self.at
        while True:
            blanks = _BLANKS.match(self.text, at)
            at = blanks.end() if blanks else at
            if not self.text.startswith("#", at):
                return at
            end = self.text.find("\n", at)
            at = len(self.text) if end < 0 else end

    def word_ahead(self) -> str | None:
        """The word ahead if it is written plainly, without quotes and expansions; "" if it is not."""
        if self.operator() is not None or self.at >= len(self.text):
            return None
        written = _WORD.match(self.text, self.at)
        word = written[0].replace("\\\n", "") if written else ""
        return "" if re.search(r"[\\'\"$`]", word) else word

    def descriptor(self) -> re.Match[str] | None:
        """The number of a file descriptor ahead, with a redirection right after it."""
        return _DESCRIPTOR.match(self.text, self.skipped_blanks())

    def word(self, *, expanded: bool = True) -> None:
        """Take one word: plain characters, quotes and expansions up to a blank or an operator.

        In a here-document's delimiter, which is not ``expanded``, $ and ` are characters like any other.
        """
        self.at = self.skipped_blanks()
        if self.at >= len(self.text) or _BREAK.match(self.text, self.at):
            self.unexpected()
        while self.at < len(self.text) and not _BREAK.match(self.text, self.at):
            if not expanded and self.text[self.at] in "$`":
                self.at += 1
            else:
                self.piece(in_double=False)
        self.at = self.skipped_blanks()

    def piece(self, *, in_double: bool) -> None:
        """Take one character of a word, or one quoted or expanded part of it."""
        char = self.text[self.at]
        if char == "\\":
            self.at += 2
        elif char == "'" and not in_double:
            self.at = self.closing("'", self.at + 1, "a quote (') is not closed") + 1
        elif char == '"':
            self.at += 1
            while not self.text.startswith('"', self.at):
                if self.at >= len(self.text):
                    raise FlawError('a quote (") is not closed')
                self.piece(in_double=True)
            self.at += 1
        elif char == "`":
            self.backquoted()
        elif self.text.startswith("$((", self.at):
            self.arithmetic()
        elif self.text.startswith("$(", self.at):
            self.substitution()
        elif self.text.startswith("${", self.at):
            self.parameter(in_double=in_double)
        else:
            self.at += 2 if self.text.startswith("$$", self.at) else 1

    def closing(self, char: str, start: int, otherwise: str) -> int:
        end = self.text.find(char, start)
        if end < 0:
            raise FlawError(otherwise)
        return end

    def backquoted(self) -> None:
        content = re.compile(r"`((?:[^`\\]|\\.)*)`", re.DOTALL).match(self.text, self.at)
        if content is None:
            raise FlawError("a backquote (`) is not closed")
        inner = type(self)(re.sub(r"\\([$`\\])", r"\1", content[1]), self.depth)
        inner.commands((), may_be_empty=True)
        if inner.at < len(inner.text):
            inner.unexpected()
        self.at = content.end()

    def substitution(self) -> None:
        inner = type(self)(self.text, self.depth)
        inner.at = self.at + 2
        inner.commands((")",), may_be_empty=True)
        if inner.operator() != ")":
            if inner.at < len(inner.text):
                inner.unexpected()
            raise FlawError("$( is not closed")
        self.at = inner.at + 1

    def arithmetic(self) -> None:
        self.at += 3
        depth = 0
        while depth or not self.text.startswith("))", self.at):
            if self.at >= len(self.text):
                raise FlawError("$(( is not closed")
            char = self.text[self.at]
            if char in "()":
                depth = max(0, depth + (1 if char == "(" else -1))
            if char in "$`\\":
                self.piece(in_double=True)
            else:
                self.at += 1
        self.at += 2

    def document_line(self, *, expanded: bool) -> None:
        """Take a line of a here-document, and the lines on which an expansion in it goes on."""
        while self.at < len(self.text):
            char = self.text[self.at]
            if expanded and char in "$`\\":
                self.piece(in_double=True)
            else:
                self.at += 1
                if char == "\n":
                    return

    def parameter(self, *, in_double: bool) -> None:
        self.at += 3 if self.text.startswith("${$", self.at) else 2
        while not self.text.startswith("}", self.at):
            if self.at >= len(self.text):
                raise FlawError("${ is not closed")
            self.piece(in_double=in_double)
        self.at += 1

    def unexpected(self) -> NoReturn:
        operator = self.operator()
        if operator is None and self.at >= len(self.text):
            raise FlawError("ends in the middle of a command")
        name = {"\n": "the end of the line"}.get(operator or "", operator or self.word_ahead() or "this word")
        raise FlawError(f"{name} is not expected here")
