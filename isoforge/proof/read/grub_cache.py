"""Runs of a GRUB script for many machines: what a statement did for one of them is not done again for the next.

A statement does the same wherever everything that it reads has the same values. So the reads of a statement, in their
order, lead through a tree to what it has done; where a path ends early, the statement is run.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field

from isoforge.proof.read.grub_lexer import Part
from isoforge.proof.read.grub_records import MenuEntry, Note, Recorder
from isoforge.proof.read.grub_shortcuts import Conditions, Entries, Loop, conditions, entries, loop
from isoforge.proof.read.grub_state import State
from isoforge.proof.read.grub_syntax import Command, For, Function, Script, Statement

RARELY = 64
"""A statement that has done something new for as many machines in a row is not recorded any more."""

MOST = 256
"""Different things that a statement has done which are kept: those of the last machines, for their other firmware."""

MANY = 4 * MOST
"""Runs of a script after which statements that do the same again and again are taken together."""

SHORT = 8
"""Statements of a script that are taken together at once: that of a menu entry has three."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """What a statement has done to the state."""

    status: int
    writes: tuple[tuple[str, str | None], ...]
    exported: tuple[str, ...]
    menu: tuple[MenuEntry, ...]
    printed: tuple[str, ...]
    errors: tuple[Note, ...]
    unfollowed: tuple[Note, ...]
    kernel: tuple[str, ...]
    initrd: tuple[str, ...]
    loader: str
    globbing: bool


@dataclass(slots=True)
class _Node:
    """What is read next, and where each value leads; or the effects, where everything has been read."""

    key: Hashable = None
    branches: dict[Hashable, _Node] = field(default_factory=dict)
    effects: Effects | None = None


@dataclass(slots=True)
class _Units:
    """A script as the groups of statements that are taken together, and how often it has run."""

    script: Script
    table: Conditions | Entries | None
    groups: Sequence[Script]
    runs: int = 0


@dataclass(slots=True)
class Cache:
    """What the statements of some files have done, for any number of runs over them on one medium."""

    roots: dict[Hashable, _Node] = field(default_factory=dict)
    misses: dict[Hashable, int] = field(default_factory=dict)
    records: dict[Hashable, int] = field(default_factory=dict)
    varying: set[Hashable] = field(default_factory=set)
    units: dict[int, _Units] = field(default_factory=dict)
    loops: dict[For, Loop | None] = field(default_factory=dict)

    def loop(self, statement: For) -> Loop | None:
        """The shortcut for a loop, if there is one."""
        if statement not in self.loops:
            self.loops[statement] = loop(statement)
        return self.loops[statement]

    def table(self, script: Script) -> Conditions | Entries | None:
        """The shortcut for the statements of a file or an entry, if there is one."""
        return self._units(script).table

    def groups(self, script: Script) -> Sequence[Script]:
        """The statements of a file or an entry, those together that need not be looked at one by one."""
        units = self._units(script)
        units.runs += 1
        if units.runs == MANY:
            units.groups = tuple(self._grouped(script))
        return units.groups

    def _units(self, script: Script) -> _Units:
        units = self.units.get(id(script))
        if units is None:
            is_short = 1 < len(script) <= SHORT and all(map(_is_plain, script))
            groups = (script,) if is_short else [(statement,) for statement in script]
            units = self.units[id(script)] = _Units(script, conditions(script) or entries(script), groups)
        return units

    def _grouped(self, script: Script) -> Iterator[Script]:
        group: list[Statement] = []
        for statement in script:
            if _is_plain(statement) and statement not in self.varying:
                group.append(statement)
                continue
            if group:
                yield tuple(group)
            group = []
            yield (statement,)
        if group:
            yield tuple(group)

    def run(self, state: State, statement: Hashable, execute: Callable[[], int]) -> int:
        """The status of ``statement``; ``execute`` runs it, where it is not known what it does.

        ``statement`` may be a group of several.
        """
        if state.recorder is not None or state.opaque or state.machine.disks:
            return execute()
        root = (statement, state.globbing, state.loader)
        node = self.roots.get(root)
        variables = state.context.variables
        while node is not None:
            if node.effects is not None:
                self.misses[root] = 0
                return _repeat(state, node.effects)
            key = node.key
            node = node.branches.get(variables.get(key) if type(key) is str else state.answer(key))
        misses = self.misses.get(root, 0)
        if misses > RARELY:
            self.varying.add(statement)
            return execute()
        self.misses[root] = misses + 1
        return self._record(state, root, execute)

    def _record(self, state: State, root: tuple[Hashable, ...], execute: Callable[[], int]) -> int:
        context = state.context
        menu, printed, errors, unfollowed = (
            len(each) for each in (context.menu, state.printed, state.errors, state.unfollowed)
        )
        recorder = state.recorder = Recorder()
        try:
            status = execute()
        finally:
            state.recorder = None
        if recorder.complete and not state.opaque:
            self.records[root] = self.records.get(root, 0) + 1
            if self.records[root] % MOST == 0:
                self.varying.add(root[0])
                del self.roots[root]
            node = self.roots.setdefault(root, _Node())
            for key, value in recorder.reads.items():
                node.key = key
                node = node.branches.setdefault(value, _Node())
            node.effects = Effects(
                status=status,
                writes=tuple((name, context.variables.get(name)) for name in recorder.written),
                exported=tuple(recorder.exported),
                menu=tuple(context.menu[menu:]),
                printed=tuple(state.printed[printed:]),
                errors=tuple(state.errors[errors:]),
                unfollowed=tuple(state.unfollowed[unfollowed:]),
                kernel=state.kernel,
                initrd=state.initrd,
                loader=state.loader,
                globbing=state.globbing,
            )
        return status


def _is_plain(statement: Statement) -> bool:
    """Whether a statement may be taken together with others: it defines no function, and sources no file."""
    return not isinstance(statement, Function) and not (isinstance(statement, Command) and is_source(statement))


def is_source(command: Command) -> bool:
    """Whether a command runs another file, whose statements are looked at themselves."""
    return command.words[0] in _SOURCE


_SOURCE = {(Part(name, quoted=False),) for name in ("source", ".", "configfile", "normal")}


def _repeat(state: State, effects: Effects) -> int:
    """Do to ``state`` what a statement has done before."""
    variables = state.context.variables
    for name, value in effects.writes:
        if value is None:
            variables.pop(name, None)
        else:
            variables[name] = value
    state.context.exported.update(effects.exported)
    state.context.menu.extend(effects.menu)
    state.printed.extend(effects.printed)
    state.errors.extend(effects.errors)
    state.unfollowed.extend(note for note in effects.unfollowed if note not in state.unfollowed)
    if effects.loader:
        state.kernel, state.initrd, state.loader = effects.kernel, effects.initrd, effects.loader
    state.globbing = effects.globbing
    return effects.status
