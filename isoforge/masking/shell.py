"""Shell text taken apart: its words and their places, as commands, pipelines and here-documents.

Any text is accepted, a shell script or not, and nothing is evaluated: this finds places, it judges no syntax.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

_TOKEN = re.compile(
    r"(?P<blank>(?:[ \t]|\\\n)++)"
    r"|(?P<newline>\n)"
    r"|(?P<comment>\#[^\n]*+)"
    r"|(?P<here><<-?[ \t]*+(?P<quote>[\"'\\]?)(?P<tag>[A-Za-z_][\w.-]*+)[\"']?)"
    r"|(?P<operator><<<|&&|\|\||\|&?|;;?|&(?!>)|[()])"
    r"|(?P<redirect>\d*+(?:>>|&>>?|>\||[<>]&|[<>]))"
    r"|(?P<word>(?:'[^']*+'|\"(?:[^\"\\]|\\[\s\S])*+\"|\$\([^()]*+\)|`[^`]*+`|\\[\s\S]|&(?=>)(?!>)|[^\s'\"\\`|&;()<>])++)"
    r"|(?P<other>[\s\S])"
)
_SPECIAL = re.compile(r"[\"'\\]")


class Word(NamedTuple):
    """A word as it is written, quotes included: ``text`` begins at ``start``."""

    text: str
    start: int

    @property
    def end(self) -> int:
        """Behind its last character."""
        return self.start + len(self.text)

    @property
    def bare(self) -> str:
        """The word without quotes and backslashes."""
        return _SPECIAL.sub("", self.text) if _SPECIAL.search(self.text) else self.text


@dataclass(slots=True)
class Command:
    """The words of one command, or of all commands of a group; what is fed to it, and the files it writes to.

    ``fed`` are the places of here-documents and here-strings, ``sources`` the commands in ``<(…)``.
    """

    words: list[Word] = field(default_factory=list)
    fed: list[tuple[int, int]] = field(default_factory=list)
    targets: list[Word] = field(default_factory=list)
    parts: list[Command] = field(default_factory=list)
    sources: list[Command] = field(default_factory=list)

    def all(self) -> Iterator[Command]:
        """The command itself, and those of its group."""
        yield self
        yield from self.parts


Pipeline = list[Command]

_DEEPEST = 4
"""How many texts inside one another are read."""

_CLOSING = re.compile(r"^[ \t]*+([A-Za-z_][\w.-]*+)[ \t]*+$", re.MULTILINE)
"""A line that may end a here-document."""

_INNER = re.compile(r"'([^']*+)'|\"((?:[^\"\\]|\\[\s\S])*+)\"|\$\(([^()]*+)\)|`([^`]*+)`")


class _Reader:
    """Collects the pipelines of a part of ``text``; a group that is piped on is one command with ``parts``.

    ``depth`` counts the texts around this one: a script in quotes, in a comment or in a here-document.
    """

    def __init__(self, text: str, depth: int) -> None:
        self.text = text
        self.depth = depth
        self.done: list[Pipeline] = []
        self.command = Command()
        self.pipeline: Pipeline = []
        self.groups: list[tuple[Pipeline, int, Command | None]] = []
        self.here: list[tuple[str, Command]] = []
        self.expects = ""

    def read(self, at: int, end: int) -> None:
        """Read the characters ``at`` to ``end``."""
        while at < end:
            match = _TOKEN.match(self.text, at, end)
            assert match is not None  # noqa: S101 - the last alternative takes any character
            at = match.end()
            kind = match.lastgroup
            if kind == "word":
                self.word(match.group(), match.start())
            elif kind == "newline":
                at = self.newline(at, end)
            elif kind == "operator":
                self.operator(match.group())
            elif kind == "redirect":
                self.expects = ">" if ">" in match.group() else "<"
            elif kind == "comment":
                self.inner(match.start() + len(match.group()) - len(match.group().lstrip("# \t")), match.end())
            elif kind == "here":
                self.here.append((match["tag"], self.command))
        self.newline(end, end)

    def inner(self, start: int, end: int) -> None:
        """Read a text inside this one."""
        if self.depth < _DEEPEST and start < end:
            self.done += pipelines(self.text, start, end, depth=self.depth + 1)

    def end_command(self) -> None:
        if self.command.words or self.command.fed or self.command.targets or self.command.parts:
            self.pipeline.append(self.command)
        self.command = Command()
        self.expects = ""

    def end_pipeline(self) -> None:
        self.end_command()
        if self.pipeline:
            self.done.append(self.pipeline)
        self.pipeline = []

    def open_group(self) -> None:
        if len(self.groups) >= _DEEPEST:
            self.end_pipeline()
            return
        outer = self.command if self.expects == "<" else None  # a process substitution
        if outer is None:
            self.end_command()
        self.command, self.expects = Command(), ""
        self.groups.append((self.pipeline, len(self.done), outer))
        self.pipeline = []

    def close_group(self) -> None:
        self.end_pipeline()
        if self.groups:
            self.pipeline, first, outer = self.groups.pop()
            inside = [command for pipeline in self.done[first:] for command in pipeline]
            if outer is None:
                self.command = Command(parts=inside)
            else:
                outer.sources += inside
                self.command = outer

    def word(self, text: str, start: int) -> None:
        if text == "{" and not self.command.words:
            self.open_group()
        elif text == "}" and not self.command.words and self.groups:
            self.close_group()
        else:
            word = Word(text, start)
            if self.expects == ">":
                self.command.targets.append(word)
            elif self.expects == "<<<":
                self.command.fed.append((word.start, word.end))
            elif self.expects != "<":
                self.command.words.append(word)
            self.expects = ""
            if " " in text or "\n" in text or "$(" in text:
                for part in _INNER.finditer(text):
                    self.inner(start + part.start(part.lastindex or 0), start + part.end(part.lastindex or 0))

    def operator(self, text: str) -> None:
        if text == "<<<":
            self.expects = text
        elif text in ("|", "|&"):
            self.end_command()
        elif text == "(":
            self.open_group()
        elif text == ")":
            self.close_group()
        else:
            self.end_pipeline()

    def newline(self, at: int, limit: int) -> int:
        """End the line at ``at``; where to read on, which is behind the here-documents that begin here."""
        here, self.here = self.here, []
        for tag, command in here:
            lines = _CLOSING.finditer(self.text, at, limit)
            end, after = next((line.span() for line in lines if line[1] == tag), (limit, limit))
            command.fed.append((at, end))
            self.inner(at, end)
            at = after
        self.end_pipeline()
        return at


def pipelines(text: str, start: int = 0, end: int | None = None, *, depth: int = 0) -> list[Pipeline]:
    """The pipelines of ``text``, or of its characters ``start`` to ``end``; those in quotes, too."""
    reader = _Reader(text, depth)
    reader.read(start, len(text) if end is None else end)
    return reader.done
