"""What a GRUB menu starts by itself, and what each of its entries boots (grub-core/normal/menu.c)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from isoforge.proof.read.grub_cache import Cache
from isoforge.proof.read.grub_machine import Machine, Medium
from isoforge.proof.read.grub_options import NEEDS_KERNEL
from isoforge.proof.read.grub_records import LeaveError, MenuEntry, Note, StopError
from isoforge.proof.read.grub_run import Run
from isoforge.proof.read.grub_state import Budget, State
from isoforge.proof.read.grub_test import number

SUBMENU_LIMIT = 8
"""Levels of submenus: a submenu that defines itself again would never end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """How a menu entry ends.

    ``path`` are the entry and the submenus that lead to it, outermost first. ``how`` is linux, chainloader, exit, halt,
    reboot, fwsetup, menu (the entry returns to the menu) or wait (the menu waits for a key). ``wait_s`` are the seconds
    until GRUB starts it by itself, None if never; ``password``: somebody must type one before. ``words`` are those of
    the kernel command, the file first; ``initrd`` the files of the initrd.
    """

    path: tuple[MenuEntry, ...]
    how: str
    wait_s: int | None = None
    words: tuple[str, ...] = ()
    initrd: tuple[str, ...] = ()
    password: bool = False

    @property
    def name(self) -> str:
        """The ids of the path as ``set default`` would have them."""
        return ">".join(entry.entry_id for entry in self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A menu as GRUB has it on a machine.

    ``state`` is that in which the menu is shown, ``start`` what happens if nobody presses a key (None: there is no
    menu). ``errors`` are those that GRUB prints up to then, ``unfollowed`` the reasons why this may be wrong,
    ``faults`` what is wrong with the default. ``stopped``: it took too long.
    """

    state: State
    start: Start | None
    errors: tuple[Note, ...]
    unfollowed: tuple[Note, ...]
    faults: tuple[str, ...] = ()
    stopped: bool = False


def evaluate(state: State, config: str = "", *, cache: Cache | None = None) -> Evaluation:
    """Evaluate the menu that GRUB shows after reading ``config`` (default: grub.cfg of $prefix) in ``state``.

    With a ``cache`` that evaluations on other machines share, statements that do the same again are not run.
    """
    run = Run(state, cache)
    start: Start | None = None
    shown = state
    faults: list[str] = []
    stopped = False
    try:
        try:
            run.config(config or f"{state.get('prefix')}/grub.cfg")
        except LeaveError as leave:
            if leave.how != "menu":
                start = _started(state, (), leave.how, 0)
        if start is None and state.context.menu:
            shown = state.fork()
            start = _start(run, faults, waited=state.slept_s)
    except StopError as stop:
        stopped = True
        state.cannot_follow(str(stop))
    return Evaluation(
        state=shown,
        start=start,
        errors=tuple(state.errors),
        unfollowed=tuple(state.unfollowed),
        faults=tuple(faults),
        stopped=stopped,
    )


_FEATURES = {
    **dict.fromkeys(("feature_chainloader_bpb", "feature_ntldr", "feature_platform_search_hint"), "y"),
    **dict.fromkeys(("feature_default_font_path", "feature_all_video_module", "feature_menuentry_id"), "y"),
    **dict.fromkeys(("feature_menuentry_options", "feature_200_final", "feature_nativedisk_cmd"), "y"),
    "feature_timeout_style": "y",
}
"""The variables by which scripts ask GRUB what it can do (normal/main.c)."""


def first_state(
    machine: Machine, medium: Medium, variables: dict[str, str] | None = None, *, budget: Budget | None = None
) -> State:
    """The state of a GRUB that is about to read its first file; ``variables`` are set in addition.

    ``budget`` is what the runs of several evaluations may take together.
    """
    state = State(machine=machine, medium=medium, globbing=machine.platform == "efi", budget=budget or Budget())
    cpu = machine.cpu or ("x86_64" if machine.platform == "efi" else "i386")
    values = {"root": medium.device, "prefix": f"({medium.device})/boot/grub", "grub_platform": machine.platform}
    for name, value in {**values, "grub_cpu": cpu, "pager": "", **_FEATURES, **(variables or {})}.items():
        state.set(name, value)
        state.export(name)
    return state


def default_index(state: State) -> int | None:
    """The entry of the menu that ``default`` names; None if it names none, for which GRUB takes the first."""
    menu = state.context.menu
    value = state.context.variables.get("default", "0")
    index = number(value)
    if index is not None:
        return index if index < len(menu) else None
    first = _levels(value)[0]
    return next((index for index, entry in enumerate(menu) if first in (entry.title, entry.entry_id)), None)


def _levels(default: str) -> tuple[str, str]:
    """The first level of a default, and the rest; between levels is a ``>``, a doubled one stands for itself."""
    match = _LEVEL.match(default)
    first = match.group() if match else ""
    return first.replace(">>", ">"), default[len(first) + 1 :]


_LEVEL = re.compile(r"(?:[^>]|>>)*")


def timeout_s(state: State) -> int | None:
    """The seconds after which GRUB starts the default; None if it waits for a key."""
    value = state.context.variables.get("timeout")
    return None if value is None else number(value)


def _start(run: Run, faults: list[str], path: tuple[MenuEntry, ...] = (), waited: int = 0) -> Start:
    """What the menu of the current context starts by itself, ``path`` and ``waited`` seconds after the first menu."""
    state = run.state
    index = default_index(state)
    if index is None:
        default = state.context.variables.get("default", "")
        faults.append(f"the default {default!r} is not an entry of the menu: GRUB starts the first one")
    entry = state.context.menu[index or 0]
    seconds = timeout_s(state)
    if seconds is None:
        return Start(path=(*path, entry), how="wait")
    state.unset("timeout")
    here = (*path, entry)
    password = entry.users is not None and "superusers" in state.context.variables
    how = open_entry(run, path, entry, auto=True)
    if how == "submenu":
        start = _start(run, faults, here, waited + seconds)
    else:
        start = _started(state, here, how, waited + seconds)
    return replace(start, password=password or start.password)


def open_entry(run: Run, path: tuple[MenuEntry, ...], entry: MenuEntry, *, auto: bool = False) -> str:
    """Run the body of ``entry`` and return how it ends; "submenu" if the current context has another menu to show.

    ``auto``: it is the timeout that opens it.
    """
    state = run.state
    if len(path) >= SUBMENU_LIMIT:
        raise StopError(f"more than {SUBMENU_LIMIT} submenus within each other")
    default = state.context.variables.get("default", "")
    chosen = state.context.variables.get("chosen", "")
    if entry.submenu:
        state.open_context()
        if auto:
            state.set("timeout", "0")
    state.set("chosen", ">".join(filter(None, (chosen, entry.entry_id.replace(">", ">>")))))
    state.export("chosen")
    rest = _levels(default)[1]
    if rest:
        state.set("default", rest)
    state.params, state.file = entry.args, entry.file
    try:
        run.statements(entry.body)
    except LeaveError as leave:
        return "submenu" if leave.how == "menu" else leave.how
    finally:
        state.params = None
    if state.loader:
        return "boot"
    return "submenu" if entry.submenu and state.context.menu else "menu"


def _started(state: State, path: tuple[MenuEntry, ...], how: str, wait_s: int | None) -> Start:
    if how == "boot":
        return Start(path=path, how=state.loader, wait_s=wait_s, words=state.kernel, initrd=state.initrd)
    return Start(path=path, how=how, wait_s=wait_s)


def every_entry(
    state: State, path: tuple[MenuEntry, ...] = (), *, cache: Cache | None = None
) -> Iterator[tuple[Start, State]]:
    """What each entry of the menu boots, in submenus too, if somebody chooses it; and the state that it leaves.

    Statements that a ``cache`` knows are not run again.
    """
    for entry in state.context.menu:
        inner = state.fork()
        run = Run(inner, cache)
        here = (*path, entry)
        try:
            how = open_entry(run, path, entry)
        except StopError as stop:
            inner.cannot_follow(str(stop))
            how = "menu"
        if how == "submenu":
            yield from every_entry(inner, here, cache=cache)
        else:
            yield _started(inner, here, how, None), inner


def without_kernel(state: State) -> Iterator[str]:
    """The entries of the menu that load an initrd before the kernel, or boot without one: GRUB refuses that."""
    for begun, inner in every_entry(state):
        texts = [note.text for note in inner.errors]
        if NEEDS_KERNEL in texts and not any("not found" in text for text in texts):
            yield f"the entry {begun.path[-1].title!r}"
