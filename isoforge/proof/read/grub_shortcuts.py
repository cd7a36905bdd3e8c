"""Shortcuts through long GRUB scripts: statements that do nothing on a machine, without running each of them.

The files of a large fleet consist of many conditions that each compare one value, or of many entries; loops compare a
value with many words. What such a statement does is known from the values that it compares, so one look into a table
replaces all those statements that do nothing. Each shortcut gives exactly the result of the run that it replaces.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from isoforge.proof.read.grub_lexer import Word, literal
from isoforge.proof.read.grub_lookup import posix, worst_case
from isoforge.proof.read.grub_records import MenuEntry
from isoforge.proof.read.grub_state import UNKNOWN, State
from isoforge.proof.read.grub_syntax import Command, For, If, Script, Statement

LONG = 8
"""Statements in a file from which on a table of them is made."""

_SHORT = 64
"""Characters of a value that is compared with all patterns of a loop at once."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NO_OPERATOR = re.compile(r"[A-Za-z]")
"""How an operand begins that `test` can take for nothing else."""


def _operand(word: Word) -> tuple[str, str] | None:
    """Text and variable of a quoted operand such as ``"x$name"``; None if it is anything else."""
    if len(word) != 2 or not (word[0].quoted and word[1].quoted) or word[0].variable or not word[1].variable:
        return None
    name = word[1].text
    if not _NO_OPERATOR.match(word[0].text) or not _NAME.fullmatch(name) or name in UNKNOWN:
        return None
    return word[0].text, name


def _arguments(command: Statement) -> Sequence[Word] | None:
    """The words between ``[`` and ``]``; None if the statement is not such a command."""
    if type(command) is Command and command.block is None and len(command.words) > 2:
        first, last = literal(command.words[0]), literal(command.words[-1])
        if first == "[" and last == "]":
            return command.words[1:-1]
    return None


def _needs(condition: Script) -> tuple[str, str] | None:
    """A variable and the value without which ``condition`` is false: it is ``[ "x$name" = value -a … ]``."""
    words = _arguments(condition[0]) if len(condition) == 1 else None
    if not words or len(words) % 4 != 3:
        return None
    first: tuple[str, str] | None = None
    for start in range(0, len(words), 4):
        operand, value = _operand(words[start]), literal(words[start + 2])
        joined = start == 0 or literal(words[start - 1]) == "-a"
        if operand is None or value is None or not joined or literal(words[start + 1]) != "=":
            return None
        prefix, name = operand
        if first is None:
            first = (name, value[len(prefix) :] if value.startswith(prefix) else "\0")
    return first


@dataclass(slots=True)
class Conditions:
    """Where in a script the statements are that do something: ``always``, or if a variable has a value."""

    always: list[int] = field(default_factory=list)
    by_value: dict[str, dict[str, list[int]]] = field(default_factory=dict)

    def following(self, state: State, position: int) -> int:
        """The first statement from ``position`` on that may do something in ``state``; a large number if none does."""
        nearest = _next(self.always, position)
        for name, places in self.by_value.items():
            nearest = min(nearest, _next(places.get(state.value(name) or "", ()), position))
        return nearest


def _next(places: Sequence[int], position: int) -> int:
    index = bisect_left(places, position)
    return places[index] if index < len(places) else 1 << 62


def conditions(script: Script) -> Conditions | None:
    """The table of a long script; None if it is short, or has hardly any conditions that compare one value."""
    if len(script) < LONG:
        return None
    table = Conditions()
    for position, statement in enumerate(script):
        needs = [_needs(condition) for condition, _ in statement.branches] if type(statement) is If else [None]
        if type(statement) is not If or statement.otherwise or None in needs:
            table.always.append(position)
            continue
        for need in needs:
            if need is not None:
                places = table.by_value.setdefault(need[0], {}).setdefault(need[1], [])
                if places[-1:] != [position]:
                    places.append(position)
    return table if len(table.always) < len(script) // 2 else None


@dataclass(slots=True)
class Entries:
    """The entries that a script defines, which consists of nothing else, and the values that they depend on.

    ``values`` are those of the variables in titles and options when ``entries`` were defined, ``readers`` the positions
    of the entries that have a variable in them.
    """

    readers: Mapping[str, Sequence[int]]
    values: dict[str, str | None] = field(default_factory=dict)
    entries: list[MenuEntry] = field(default_factory=list)

    def define(self, state: State, script: Script, execute: Callable[[Statement], int]) -> None:
        """Define all entries in ``state``; ``execute`` runs those that were not defined with the same values before."""
        menu, variables = state.context.menu, state.context.variables
        if not self.values:
            self.values = {name: variables.get(name) for name in self.readers} | {"": None}
            for statement in script:
                execute(statement)
            self.entries = menu[-len(script) :]
            return
        names = (self.readers.keys() & variables.keys()) | {name for name, text in self.values.items() if text}
        changed = {name for name in names if variables.get(name) != self.values[name]}
        entries = list(self.entries)
        before = len(menu)
        for position in {position for name in changed for position in self.readers[name]}:
            execute(script[position])
            entries[position] = menu.pop()
        menu[before:] = entries


def entries(script: Script) -> Entries | None:
    """The table of a long script of entries; None if it is anything else."""
    readers: dict[str, list[int]] = {}
    if len(script) < LONG:
        return None
    for position, statement in enumerate(script):
        if type(statement) is not Command or statement.block is None or len(statement.words) < 2:
            return None
        if literal(statement.words[0]) != "menuentry" or not _is_title(statement.words[1]):
            return None
        for part in (part for word in statement.words for part in word):
            if part.variable and (not part.quoted or part.text in UNKNOWN or not _NAME.fullmatch(part.text)):
                return None
            if part.variable:
                readers.setdefault(part.text, []).append(position)
            elif not part.quoted and ("*" in part.text or "?" in part.text):
                return None
        if not _are_options(statement.words[2:]):
            return None
    return Entries(readers)


def _is_title(word: Word) -> bool:
    return bool(word and word[0].text) and not word[0].variable and not word[0].text.startswith("-")


def _are_options(words: Sequence[Word]) -> bool:
    """Whether ``words`` are options that are known to be right: an entry with any other may be an error."""
    texts = [literal(word) for word in words]
    while texts and texts[0] == "--id" and len(texts) > 1 and texts[1] and not texts[1].startswith("-"):
        texts = texts[2:]
    return texts in ([], ["--unrestricted"])


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop over words that compares a variable with each, and does nothing else unless one fits.

    ``words`` are compared with the text before the variable and its value, or ``pattern`` is any of the words as a
    regular expression.
    """

    variable: str
    prefix: str
    last: str
    texts: frozenset[str] = frozenset()
    pattern: re.Pattern[str] | None = None

    def is_idle(self, state: State) -> bool:
        """Whether no word of the loop fits the value that the variable has in ``state``."""
        text = self.prefix + state.get(self.variable)
        if self.pattern is None:
            return text not in self.texts
        return len(text) <= _SHORT and self.pattern.search(text) is None


def loop(statement: For) -> Loop | None:
    """The shortcut for a loop; None if it is of another form."""
    words = [literal(word) for word in statement.words]
    inner = statement.body[0] if len(statement.body) == 1 else None
    if not words or None in words or type(inner) is not If or len(inner.branches) != 1 or inner.otherwise:
        return None
    condition = inner.branches[0][0]
    command = condition[0] if len(condition) == 1 else None
    texts = [text for text in words if text is not None]
    if type(command) is not Command or command.block is not None:
        return None
    arguments = _arguments(command)
    if arguments is not None and len(arguments) == 3 and literal(arguments[1]) == "=":
        one, other = _operand(arguments[0]), _operand(arguments[2])
        if one and other and other[1] == statement.name != one[1]:
            return Loop(one[1], one[0], texts[-1], texts=frozenset(other[0] + text for text in texts))
    if len(command.words) == 3 and literal(command.words[0]) == "regexp":
        pattern, operand = command.words[1], _operand(command.words[2])
        is_word = [(part.text, part.quoted, part.variable) for part in pattern if part.text or part.variable]
        if operand and is_word == [(statement.name, True, True)] and operand[1] != statement.name:
            return _patterns(operand, texts)
    return None


def _patterns(operand: tuple[str, str], texts: list[str]) -> Loop | None:
    try:
        either = re.compile("|".join(f"(?:{posix(text).pattern})" for text in texts), re.DOTALL)
    except re.error:
        return None
    if any(text.startswith("-") or worst_case(text, _SHORT) is None for text in texts):
        return None  # an option, or a pattern that is not followed
    return Loop(operand[1], operand[0], texts[-1], pattern=either)
