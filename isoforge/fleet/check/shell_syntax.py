"""Whether `sh` could parse a script at all: the grammar of POSIX sh as dash takes it, nothing run or expanded.

Source: POSIX.1-2017, Shell Command Language, 2.10; where it leaves a choice, dash's (the sh of Ubuntu's live system).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from typing import NamedTuple

from isoforge.fleet.check.shell_words import FlawError, SyntaxFlaw, Words

_DEEPEST = 60
"""How many substitutions and compound commands may be nested before a script is left unchecked."""

_REDIRECTIONS = frozenset({"<", ">", ">>", "<&", ">&", "<>", ">|", "<<", "<<-"})
_NAME = re.compile(r"[A-Za-z_]\w*")
_CLOSING = frozenset({"then", "else", "elif", "fi", "do", "done", "esac", "in", "}"})
"""Words that end or continue a compound command, where a command could begin."""


class _HereDocument(NamedTuple):
    """Whether the lines up to ``delimiter`` may be indented with tabs, and whether sh expands what is in them."""

    delimiter: str
    strips_tabs: bool
    is_expanded: bool


class _TooDeepError(Exception):
    pass


@lru_cache(maxsize=512)
def syntax_flaw(script: str) -> SyntaxFlaw | None:
    """The first thing at which ``sh -n`` would stop, or None; remembered, since hosts share most commands."""
    try:
        parser = _Parser(script)
        parser.commands(frozenset(), may_be_empty=True)
        if parser.at < len(script):
            parser.unexpected()
    except FlawError as error:
        return error.flaw
    except _TooDeepError:
        return None
    return None


class _Parser(Words):
    """Walks over the commands of a script."""

    def __init__(self, text: str, depth: int = 0) -> None:
        super().__init__(text, depth)
        self.documents: list[_HereDocument] = []  # those whose lines come after this one

    def commands(self, ends: Collection[str], *, may_be_empty: bool = False) -> None:
        """A list of commands up to one of ``ends`` (a reserved word, ``)`` or ``;;``) or to the end of the text."""
        self.depth += 1
        if self.depth > _DEEPEST:
            raise _TooDeepError
        count = 0
        self.newlines()
        while not self.is_at(ends) and self.at < len(self.text):
            self.and_or()
            count += 1
            operator = self.operator()
            if operator in (";", "&"):
                self.take(operator)
            elif operator != "\n":
                break
            self.newlines()
        if not count and not may_be_empty:
            self.unexpected()
        self.depth -= 1

    def and_or(self) -> None:
        self.pipeline()
        while (operator := self.operator()) in ("&&", "||"):
            self.take(operator)
            self.newlines()
            self.missing_after(operator)
            self.pipeline()

    def pipeline(self) -> None:
        if self.word_ahead() == "!":
            self.word()
        self.command()
        while self.operator() == "|":
            self.take("|")
            self.newlines()
            self.missing_after("|")
            self.command()

    def missing_after(self, operator: str) -> None:
        if self.at >= len(self.text):
            raise FlawError(f"ends with {operator}: a command is missing after it")

    def command(self) -> None:
        """A simple command, a compound one with its redirections, or the definition of a function."""
        word = self.word_ahead()
        if self.operator() == "(":
            self.bracketed()
        elif word in _COMPOUND:
            self.word()
            _COMPOUND[word](self)
        elif word in _CLOSING or word == "!":
            self.unexpected()
        else:
            self.simple()
            return
        while self.redirection():
            pass

    def simple(self) -> None:
        count = 0
        while True:
            if self.redirection():
                count += 1
            elif self.operator() is None and self.at < len(self.text):
                start = self.at
                self.word()
                count += 1
                if count == 1 and self.operator() == "(" and _NAME.fullmatch(self.text[start : self.at].strip()):
                    self.function()
                    return
            else:
                break
        if not count:
            self.unexpected()

    def function(self) -> None:
        self.take("(")
        if self.operator() != ")":
            self.unexpected()
        self.take(")")
        self.newlines()
        self.command()

    def bracketed(self) -> None:
        self.take("(")
        self.commands((")",))
        self.expect(")", "( is not closed")

    def braced(self) -> None:
        self.commands(("}",))
        self.expect("}", "{ is not closed")

    def if_clause(self) -> None:
        self.commands(("then",))
        self.expect("then", "if has no then")
        self.commands(("elif", "else", "fi"))
        while self.word_ahead() == "elif":
            self.word()
            self.commands(("then",))
            self.expect("then", "elif has no then")
            self.commands(("elif", "else", "fi"))
        if self.word_ahead() == "else":
            self.word()
            self.commands(("fi",))
        self.expect("fi", "if has no fi")

    def loop(self) -> None:
        self.commands(("do",))
        self.body("the loop")

    def body(self, what: str) -> None:
        self.expect("do", f"{what} has no do")
        self.commands(("done",))
        self.expect("done", f"{what} has no done")

    def for_clause(self) -> None:
        if not _NAME.fullmatch(self.word_ahead() or ""):
            raise FlawError("for has no variable")
        self.word()
        self.newlines()
        if self.word_ahead() == "in":
            self.word()
            while self.operator() is None and self.at < len(self.text):
                self.word()
            if self.operator() not in (";", "\n"):
                raise FlawError("for has no do")
        if self.operator() == ";":
            self.take(";")
        self.newlines()
        self.body("for")

    def case_clause(self) -> None:
        if self.operator() is not None or self.at >= len(self.text):
            self.unexpected()
        self.word()
        self.newlines()
        self.expect("in", "case has no in")
        self.newlines()
        while self.word_ahead() != "esac":
            if self.operator() == "(":
                self.take("(")
            self.word()
            while self.operator() == "|":
                self.take("|")
                self.word()
            self.expect(")", "a pattern of case has no )")
            self.commands((";;", "esac"), may_be_empty=True)
            if self.operator() == ";;":
                self.take(";;")
                self.newlines()
            elif self.word_ahead() != "esac":
                raise FlawError("case has no esac")
        self.word()

    def redirection(self) -> bool:
        """Take one redirection, if there is one."""
        start = self.at
        if number := self.descriptor():
            self.at = number.end()
        operator = self.operator()
        if operator not in _REDIRECTIONS:
            self.at = start
            return False
        self.take(operator)
        if self.operator() is not None or self.at >= len(self.text) or self.descriptor():
            raise FlawError(f"{operator} has no file after it")
        start = self.at
        self.word(expanded=not operator.startswith("<<"))
        if operator.startswith("<<"):
            word = self.text[start : self.at].strip()
            delimiter = re.sub(r"\\(.)|['\"]", r"\1", word)
            self.documents.append(_HereDocument(delimiter, operator == "<<-", delimiter == word))
            if not self.text[self.at :].partition("\n")[2].strip():
                message = (
                    f"the here-document {operator}{delimiter} has no lines of its own: write the command as a block (|)"
                )
                raise FlawError(message, "heredoc-folded")
        return True

    def take(self, operator: str) -> None:
        self.at = self.skipped_blanks() + len(operator)
        if operator == "\n":
            self.here_documents()
        else:
            self.at = self.skipped_blanks()

    def newlines(self) -> None:
        while self.operator() == "\n":
            self.take("\n")

    def here_documents(self) -> None:
        """Take the lines of the here-documents that begin behind this line's end."""
        for document in self.documents:
            while self.at < len(self.text):
                end = self.text.find("\n", self.at)
                line = self.text[self.at :] if end < 0 else self.text[self.at : end]
                if (line.lstrip("\t") if document.strips_tabs else line) == document.delimiter:
                    self.at = len(self.text) if end < 0 else end + 1
                    break
                self.document_line(expanded=document.is_expanded)
        self.documents = []

    def is_at(self, ends: Collection[str]) -> bool:
        ahead = self.operator() or self.word_ahead()
        return ahead is not None and ahead in ends

    def expect(self, ahead: str, otherwise: str) -> None:
        self.newlines() if ahead not in (")",) else None
        if not self.is_at((ahead,)):
            if self.at < len(self.text):
                self.unexpected()
            raise FlawError(otherwise)
        if ahead == ")":
            self.take(")")
        else:
            self.word()


_COMPOUND = {
    "{": _Parser.braced,
    "if": _Parser.if_clause,
    "while": _Parser.loop,
    "until": _Parser.loop,
    "for": _Parser.for_clause,
    "case": _Parser.case_clause,
}
