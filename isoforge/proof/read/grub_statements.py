"""The statements of GRUB scripts executed as GRUB executes them (grub-core/script/execute.c); nothing is booted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from isoforge.proof.read.grub_commands import COMMANDS
from isoforge.proof.read.grub_options import FALSE, OK, fail
from isoforge.proof.read.grub_records import StopError
from isoforge.proof.read.grub_state import State
from isoforge.proof.read.grub_syntax import Command, For, If, Script, Statement, While

DEPTH_LIMIT = 50
"""Levels of functions and sourced files within each other."""


class Statements:
    """Executes statements on ``state``; ``OWN`` are the commands that run scripts themselves.

    Raises `LeaveError` where a script ends GRUB, `StopError` if it takes too long.
    """

    OWN: ClassVar[Mapping[str, Callable[[Any, list[str]], int]]] = {}

    def __init__(self, state: State) -> None:
        self.state = state
        self.loops = 0
        self.breaks = 0
        self.continues = False
        self.returns = False
        self.depth = 0

    def _enter(self) -> None:
        self.depth += 1
        if self.depth > DEPTH_LIMIT:
            raise StopError(f"more than {DEPTH_LIMIT} functions and files within each other")

    def _list(self, script: Script) -> int:
        status = OK
        for statement in script:
            if self.breaks:
                break
            status = self._statement(statement)
            if self.returns:
                break
        return status

    def _statement(self, statement: Statement) -> int:
        kind = type(statement)
        if kind is Command:
            status = self._command(statement)  # type: ignore[arg-type]
        elif kind is If:
            status = self._if(statement)  # type: ignore[arg-type]
        elif kind is For:
            status = self._for(statement)  # type: ignore[arg-type]
        else:
            status = self._while(statement)  # type: ignore[arg-type]
        if self.state.recorder is not None:
            self.state.recorder.written.add("?")
        self.state.context.variables["?"] = str(status)
        return status

    def _if(self, statement: If) -> int:
        for condition, body in statement.branches:
            self.state.deciding += 1
            status = self._list(condition)
            self.state.deciding -= 1
            if self.returns:
                return status
            if status == OK:
                return self._list(body)
        return self._list(statement.otherwise)

    def _for(self, statement: For) -> int:
        last = self._idle(statement)
        if last is not None:
            self.state.step()
            self.state.set(statement.name, last)
            return OK
        status = OK
        self.loops += 1
        for word in self.state.expand(statement.words):
            if self.continues and self.breaks == 1:
                self.breaks = 0
            if not self.breaks:
                self.state.set(statement.name, word)
                status = self._list(statement.body)
                if self.returns:
                    break
        self.breaks = max(0, self.breaks - 1)
        self.loops -= 1
        return status

    def _idle(self, _statement: For) -> str | None:
        """The last word of a loop that is known to do nothing, in which case it is not run; None if it may."""
        return None

    def _while(self, statement: While) -> int:
        self.loops += 1
        while True:
            self.state.deciding += 1
            status = self._list(statement.condition)
            self.state.deciding -= 1
            if self.returns or (status == OK) is statement.until:
                break
            status = self._list(statement.body)
            if self.continues and self.breaks == 1:
                self.breaks = 0
            if self.breaks or self._returning():
                break
        self.breaks = max(0, self.breaks - 1)
        self.loops -= 1
        return status

    def _returning(self) -> bool:
        return self.returns

    def _command(self, command: Command) -> int:
        state = self.state
        state.line = command.line
        state.step()
        constant = command.constant
        words = list(constant) if constant is not None else state.expand(command.words, command.texts)
        if not words:
            return OK
        inverted = words[0] == "!"
        if inverted and len(words) == 1:
            return fail(state, "no command is specified")
        words = words[inverted:]
        name = words.pop(0)
        handler = COMMANDS.get(name)
        if handler is not None:
            status = handler(state, words, command)
        elif (own := self.OWN.get(name)) is not None:
            status = own(self, words)
        elif (body := state.functions.get(name)) is not None:
            status = self._call(body, words)
        else:
            return self._unknown(name)
        if inverted:
            return FALSE if status == OK else OK
        return status

    def _unknown(self, name: str) -> int:
        """A word that is no command: an assignment, or an error after which GRUB goes on as if it had succeeded."""
        variable, sign, value = name.partition("=")
        if sign:
            self.state.set(variable, value)
        else:
            self.state.print_error(f"can't find command `{name}'")
            if not name.startswith("grub_"):  # the names of GRUB's commands never do
                self.state.cannot_follow(f"{name} is not a command that is known here")
        return OK

    def _call(self, body: Script, args: list[str]) -> int:
        state = self.state
        before = (self.loops, state.params, state.own_params)
        self._enter()
        self.loops, state.params, state.own_params = 0, args, state.recorder is not None
        status = self._list(body)
        self.returns = False
        self.loops, state.params, state.own_params = before
        self.depth -= 1
        return status
