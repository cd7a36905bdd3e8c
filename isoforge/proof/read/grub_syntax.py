"""The syntax of GRUB scripts: a text becomes statements, as GRUB's own parser reads it (yylex.l, parser.y)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from isoforge.proof.read.grub_lexer import GrubSyntaxError, Token, Word, literal, parse_word, tokens

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED = frozenset(
    {"case", "do", "done", "elif", "else", "esac", "fi", "for", "function", "if", "in", "select", "then", "until"}
    | {"while", "[[", "]]"}
)
_DEPTH_LIMIT = 100
"""Levels of nested statements: no menu has that many, and each takes some of Python's stack."""


@dataclass(frozen=True, slots=True, eq=False)
class Command:
    """A command and its arguments; the last argument may be a block of statements, with its text.

    ``texts`` are those of the words that depend on nothing, None for the others.
    """

    words: tuple[Word, ...]
    texts: tuple[str | None, ...]
    line: int
    block: Script | None = None
    source: str = ""
    constant: tuple[str, ...] | None = None
    """The words as text, if none of them depends on anything."""


@dataclass(frozen=True, slots=True, eq=False)
class If:
    """Conditions, each with the statements that it guards, and the statements of ``else``."""

    branches: tuple[tuple[Script, Script], ...]
    otherwise: Script
    line: int


@dataclass(frozen=True, slots=True, eq=False)
class For:
    """A loop over words."""

    name: str
    words: tuple[Word, ...]
    body: Script
    line: int


@dataclass(frozen=True, slots=True, eq=False)
class While:
    """A loop until the condition fails, or with ``until`` until it holds."""

    condition: Script
    body: Script
    until: bool
    line: int


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """The definition of a function, which GRUB accepts only outside of all blocks."""

    name: str
    body: Script
    line: int


Statement = Command | If | For | While | Function
Script = tuple[Statement, ...]


def parse(text: str, first_line: int = 1) -> Script:
    """The statements of ``text``; raises ``GrubSyntaxError`` where GRUB would report a syntax error.

    Lines that begin with ``#`` are dropped wherever they are, even in quotes (normal/main.c, read_config_file_getline).
    """
    lines = [(number, line) for number, line in enumerate(text.split("\n"), start=first_line) if line[:1] != "#"]
    kept = "\n".join(line for _, line in lines)
    return _Parser(kept, [number for number, _ in lines]).script()


class _Parser:
    """Reads statements by recursive descent; ``lines`` are the numbers of the lines of ``text``."""

    def __init__(self, text: str, lines: list[int]) -> None:
        self.text = text
        self.tokens = tokens(text, lines or [1])
        self.token = Token("end", "\n", 0, 0)
        self.words: dict[str, tuple[Word, str | None]] = {}
        self.depth = 0

    def script(self) -> Script:
        """The whole text: statements, each ended by a line end or a semicolon."""
        statements: list[Statement] = []
        try:
            self.token = next(self.tokens)
            self._newlines()
            while self.token.kind != "eof":
                statements.append(self._function() if self._is("function") else self._command())
                self._delimiter()
                self._newlines()
        except GrubSyntaxError as error:
            error.before = tuple(statements)
            raise
        return tuple(statements)

    def _next(self) -> Token:
        token, self.token = self.token, next(self.tokens)
        return token

    def _is(self, *words: str) -> bool:
        return self.token.kind == "word" and self.token.text in words

    def _fail(self) -> GrubSyntaxError:
        shown = {"eof": "the end of the file", "end": "the end of the line"}.get(self.token.kind, repr(self.token.text))
        return GrubSyntaxError(self.token.line, f"unexpected {shown}")

    def _expect(self, text: str) -> Token:
        if self.token.kind not in ("word", "brace") or self.token.text != text:
            raise self._fail()
        return self._next()

    def _newlines(self) -> None:
        while self.token.kind == "end" and self.token.text == "\n":
            self._next()

    def _delimiter(self) -> None:
        if self.token.kind != "end":
            raise self._fail()
        self._next()

    def _delimiters(self) -> None:
        self._delimiter()
        self._newlines()

    def _commands(self, *until: str, ended: bool = True) -> Script:
        """At least one command, up to one of the words ``until``; a line end or semicolon before it, if ``ended``."""
        commands = []
        self._newlines()
        while True:
            commands.append(self._command())
            if not ended and self.token.kind == "brace" and self.token.text in until:
                return tuple(commands)
            self._delimiters()
            if self.token.kind in ("word", "brace") and self.token.text in until:
                return tuple(commands)

    def _command(self) -> Statement:
        self.depth += 1
        if self.depth > _DEPTH_LIMIT:
            raise GrubSyntaxError(self.token.line, f"more than {_DEPTH_LIMIT} levels of nested statements")
        statement: Statement
        if self._is("if"):
            statement = self._if()
        elif self._is("for"):
            statement = self._for()
        elif self._is("while", "until"):
            statement = self._while()
        else:
            statement = self._simple()
        self.depth -= 1
        return statement

    def _simple(self) -> Command:
        if self.token.kind != "word" or self.token.text in _RESERVED:
            raise self._fail()
        line = self.token.line
        pairs = [self._word(), *self._arguments()]
        words, texts = zip(*pairs, strict=True)
        block: Script | None = None
        source = ""
        if self.token.kind == "brace" and self.token.text == "{":
            start = self._next().start + 1
            block = self._commands("}", ended=False)
            source = self.text[start : self._expect("}").start]
        constant = tuple(text for text in texts if text is not None) if block is None and None not in texts else None
        return Command(words, texts, line, block, source, constant)

    def _arguments(self) -> list[tuple[Word, str | None]]:
        words = []
        while self.token.kind == "word" and self.token.text not in ("[[", "]]"):
            words.append(self._word())
        return words

    def _word(self) -> tuple[Word, str | None]:
        """The next word, and its text if that depends on nothing; most words of a menu are in each of its entries."""
        token = self._next()
        known = self.words.get(token.text)
        if known is None:
            word = parse_word(token)
            known = self.words[token.text] = (word, literal(word))
        return known

    def _if(self) -> If:
        line = self._next().line
        branches = []
        otherwise: Script = ()
        while True:
            condition = self._commands("then")
            self._next()
            branches.append((condition, self._commands("elif", "else", "fi")))
            word = self._next().text
            if word == "else":
                otherwise = self._commands("fi")
                self._next()
            if word != "elif":
                return If(tuple(branches), otherwise, line)

    def _for(self) -> For:
        line = self._next().line
        name = self._name()
        self._expect("in")
        words = tuple(word for word, _ in self._arguments())
        self._delimiters()
        self._expect("do")
        body = self._commands("done")
        self._next()
        return For(name, words, body, line)

    def _while(self) -> While:
        first = self._next()
        condition = self._commands("do")
        self._next()
        body = self._commands("done")
        self._next()
        return While(condition, body, first.text == "until", first.line)

    def _function(self) -> Function:
        line = self._next().line
        name = self._name()
        self._newlines()
        self._expect("{")
        body = self._commands("}")
        self._expect("}")
        return Function(name, body, line)

    def _name(self) -> str:
        if self.token.kind != "word" or self.token.text in _RESERVED or not _NAME.fullmatch(self.token.text):
            raise self._fail()
        return self._next().text
