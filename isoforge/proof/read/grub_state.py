"""The state of a GRUB that runs a script: variables in their contexts, functions, menus, and what it has printed."""

from __future__ import annotations

import itertools
import re
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from isoforge.proof.read.grub_lexer import Part, Word
from isoforge.proof.read.grub_machine import Machine, Medium
from isoforge.proof.read.grub_records import MenuEntry, Note, Recorder, StopError
from isoforge.proof.read.grub_syntax import Script

STEP_LIMIT = 100_000
"""Commands that a run may take; menus take some hundreds."""

ALL_STEPS = 1_000_000
"""Commands that all runs of one evaluation may take together."""


CHARACTERS_A_STEP = 8
"""Characters of a script that are parsed in the time of a command."""


@dataclass(slots=True)
class Budget:
    """How many steps several runs may still take."""

    left: int = ALL_STEPS


VALUE_LIMIT = 65_536
"""Characters of a variable: no menu needs as many, and a loop that doubles a value reaches any number."""

UNKNOWN = frozenset({"lockdown", "shim_lock", "cmdpath", "fw_path", "net_default_ip", "net_default_mac", "SECOND"}) | {
    *("YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "WEEKDAY", "net_default_server", "biosnum", "net_default_interface"),
}
"""Variables whose values GRUB takes from the machine or the clock."""


_BLANKS = re.compile(r"[ \t\n\r\v\f]+")


@dataclass(slots=True)
class Context:
    """Variables, the names of those that nested contexts inherit, and the entries of the context's menu."""

    variables: dict[str, str]
    exported: set[str]
    menu: list[MenuEntry]


@dataclass(slots=True, kw_only=True)
class State:
    """What a script reads and changes, besides the machine and the medium.

    ``loader`` is what `boot` would start. ``globbing``: wildcards match files, which takes the module regexp.
    ``slept_s`` are the seconds that `sleep` has taken. ``deciding`` counts the conditions that are being evaluated;
    ``opaque`` are devices whose content is not known.
    """

    machine: Machine
    medium: Medium
    context: Context = field(default_factory=lambda: Context({}, set(), []))
    outer: list[Context] = field(default_factory=list)
    functions: dict[str, Script] = field(default_factory=dict)
    params: Sequence[str] | None = None
    own_params: bool = False
    printed: list[str] = field(default_factory=list)
    errors: list[Note] = field(default_factory=list)
    unfollowed: list[Note] = field(default_factory=list)
    kernel: tuple[str, ...] = ()
    initrd: tuple[str, ...] = ()
    loader: str = ""
    globbing: bool = False
    deciding: int = 0
    opaque: set[str] = field(default_factory=set)
    recorder: Recorder | None = None
    steps: int = 0
    slept_s: int = 0
    budget: Budget = field(default_factory=Budget)
    file: str = ""
    line: int = 0

    def fork(self) -> State:
        """A copy that goes on by itself."""
        inner = Context(dict(self.context.variables), set(self.context.exported), list(self.context.menu))
        return replace(
            self,
            context=inner,
            outer=list(self.outer),
            functions=dict(self.functions),
            printed=[],
            errors=[],
            unfollowed=[],
            opaque=set(self.opaque),
            steps=0,
        )

    def step(self, count: int = 1) -> None:
        """A command is about to run, or something that takes as long as ``count``."""
        self.steps += count
        self.budget.left -= count
        if self.steps > STEP_LIMIT or self.budget.left < 0:
            raise StopError(f"more than {STEP_LIMIT if self.steps > STEP_LIMIT else ALL_STEPS} commands")

    def charge(self, characters: int) -> None:
        """A script of so many characters is about to be parsed."""
        self.budget.left -= characters // CHARACTERS_A_STEP
        if self.budget.left < 0:
            raise StopError("the scripts are too long")

    def value(self, name: str) -> str | None:
        """The value of a variable, None if it has none."""
        value = self.context.variables.get(name)
        recorder = self.recorder
        if recorder is not None and name not in recorder.written:
            recorder.reads.setdefault(name, value)
        return value

    def get(self, name: str) -> str:
        """The value of a variable, empty if it has none."""
        value = self.value(name)
        if value is None:
            if name in UNKNOWN:
                self.cannot_follow(f"the value of ${name} depends on the machine")
            return ""
        return value

    def ask(self, *question: Hashable) -> Hashable:
        """The machine's answer to a question: a method of `Machine` and its arguments."""
        answer = self.answer(question)
        if self.recorder is not None:
            self.recorder.reads[question] = answer
        return answer

    def answer(self, question: Any) -> Hashable:
        """The same, not recorded."""
        method, *args = question
        answer: Hashable = getattr(self.machine, method)(*args)
        return answer

    def set(self, name: str, value: str) -> None:
        """Give a variable a value."""
        if len(value) > VALUE_LIMIT:
            raise StopError(f"${name} gets a value of more than {VALUE_LIMIT} characters")
        if self.recorder is not None:
            self.recorder.written.add(name)
        self.context.variables[name] = value

    def unset(self, name: str) -> None:
        """Remove a variable."""
        if self.recorder is not None:
            self.recorder.written.add(name)
        self.context.variables.pop(name, None)

    def export(self, name: str) -> None:
        """Let nested contexts inherit a variable, now and later."""
        if self.recorder is not None:
            self.recorder.exported.append(name)
        self.context.exported.add(name)
        if self.value(name) is None:
            self.set(name, "")

    def depend(self) -> None:
        """A statement that is being recorded depends on more than variables and the machine."""
        if self.recorder is not None:
            self.recorder.complete = False

    def open_context(self, *, everything: bool = False) -> None:
        """Begin a nested context with the exported variables or all."""
        self.depend()
        variables = self.context.variables
        kept = set(variables) if everything else self.context.exported & variables.keys()
        self.outer.append(self.context)
        self.context = Context({name: variables[name] for name in kept}, kept, [])

    def close_context(self) -> None:
        """Return to the context around this one."""
        self.context = self.outer.pop()

    def print_error(self, text: str) -> None:
        """GRUB prints an error."""
        self.printed.append(f"error: {text}.")
        self.errors.append(Note(file=self.file, line=self.line, text=text))

    def cannot_follow(self, text: str) -> None:
        """The run goes on, but it may differ from GRUB's from here on."""
        note = Note(file=self.file, line=self.line, text=text)
        if note not in self.unfollowed:
            self.unfollowed.append(note)

    def expand(self, words: Sequence[Word], texts: Sequence[str | None] = ()) -> list[str]:
        """The arguments that ``words`` stand for: variables replaced, split and matched with files as GRUB does it.

        ``texts`` are those of the words that depend on nothing, if they are known.
        """
        args: list[str] = []
        for word, text in itertools.zip_longest(words, texts):
            if text is not None:
                args.append(text)
            elif len(word) == 1 and not word[0].variable and (word[0].quoted or not _is_wild(word[0].text)):
                args.append(word[0].text)
            elif word and all(part.quoted for part in word):
                args.append("".join([self._value(part) if part.variable else part.text for part in word]))
            elif len(word) == 1 and word[0].variable and _PLAIN(value := self._value(word[0])):
                args.append(value)
            else:
                args += self._split(word)
        return args

    def _value(self, part: Part) -> str:
        return " ".join(self._values(part))

    def _values(self, part: Part) -> Sequence[str]:
        name = part.text
        if name not in _SPECIAL and not name.isdigit():
            return (self.get(name),)
        if not self.own_params:
            self.depend()
        params = self.params or ()
        if name == "#":
            return (str(len(params)) if self.params is not None else "",)
        if name.isdigit():
            return (params[int(name) - 1] if 0 < int(name) <= len(params) else "",)
        return params

    def _split(self, word: Word) -> Iterator[str]:
        """The arguments of a word with unquoted parts (script/execute.c, grub_script_arglist_to_argv)."""
        slots: list[list[tuple[str, bool]] | None] = [None]
        for part in word:
            if not part.variable:
                if part.text or part.quoted:
                    slots[-1] = [*(slots[-1] or []), (part.text, part.quoted)]
                continue
            if part.quoted:
                values = list(self._values(part)) if part.text == "@" else [self._value(part)]
            else:
                values = [piece for value in self._values(part) for piece in _BLANKS.split(value) if piece]
            for number, value in enumerate(values):
                if number:
                    slots.append(None)
                if value or not part.quoted:
                    slots[-1] = [*(slots[-1] or []), (value, part.quoted)]
        for slot in slots:
            if slot is not None:
                yield from self._matched(slot)

    def _matched(self, slot: Sequence[tuple[str, bool]]) -> Sequence[str]:
        """The argument, or the files that it matches if it has unquoted wildcards (commands/wildcard.c)."""
        text = "".join(text for text, _ in slot)
        wild = any(not quoted and _is_wild(text) for text, quoted in slot)
        if not (wild and self.globbing and text[0] in "/(*"):
            return (text,)
        device, _, path = text[1:].partition(")") if text[0] == "(" else (self.get("root"), "", text)
        if any(quoted and _is_wild(text) for text, quoted in slot):
            self.cannot_follow(f"{text} has both quoted and unquoted wildcards")
        if text[0] == "*":
            self.cannot_follow(f"{text} stands for the devices of the machine")
            return (text,)
        if text[0] == "(" and not path:
            devices = (self.medium.device, *self.machine.disks)
            return [f"({name})" for name in devices if _fits(name, device)] or (text,)
        found = []
        if _fits(self.medium.device, device):
            found += [f"({self.medium.device}){each}" for each in self.medium.matching(path)]
        for disk, files in self.machine.disks.items():
            if _fits(disk, device):
                found += [f"({disk}){each}" for each in sorted(files) if _fits(each, path)]
        if text[0] == "/":
            found = [each.partition(")")[2] for each in found]
        return found or (text,)


_SPECIAL = frozenset("#*@")
_PLAIN = re.compile(r"[A-Za-z0-9_./:-]+").fullmatch
"""A value that is one argument, whether quoted or not."""


def _is_wild(text: str) -> bool:
    return "*" in text or "?" in text


def _fits(text: str, pattern: str) -> bool:
    """Whether ``text`` fits a pattern in which ``*`` and ``?`` stand for anything but a slash."""
    rows = {0}
    for char in pattern:
        if char == "*":
            rows = {later for row in rows for later in range(row, len(text) + 1) if "/" not in text[row:later]}
        else:
            rows = {row + 1 for row in rows if row < len(text) and (text[row] == char or (char == "?" != text[row]))}
    return len(text) in rows
