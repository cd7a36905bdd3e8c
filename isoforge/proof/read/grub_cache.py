"""Runs of a GRUB script for many machines: what a statement did for one of them is not done again for the next.

A statement does the same wherever everything that it reads has the same values. So the reads of a statement, in their
order, lead through a tree to what it has done; where a path ends early, the statement is run.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from isoforge.proof.read.grub_records import MenuEntry, Note, Recorder
from isoforge.proof.read.grub_state import State

RARELY = 64
"""A statement that has done something new for as many machines in a row is not recorded any more."""


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
class Cache:
    """What the statements of some files have done, for any number of runs over them on one medium."""

    roots: dict[Hashable, _Node] = field(default_factory=dict)
    misses: dict[Hashable, int] = field(default_factory=dict)

    def run(self, state: State, statement: Hashable, execute: Callable[[], int]) -> int:
        """The status of ``statement``; ``execute`` runs it, where it is not known what it does."""
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
            return execute()
        self.misses[root] = misses + 1
        return self._record(state, root, execute)

    def _record(self, state: State, root: Hashable, execute: Callable[[], int]) -> int:
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
