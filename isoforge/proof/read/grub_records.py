"""What a run of GRUB scripts leaves: menu entries, notes, what a statement has read and written, and how it ended."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from isoforge.proof.read.grub_syntax import Script


class StopError(Exception):
    """A run that cannot be followed any further; its text is the reason."""


class LeaveError(Exception):
    """A script that has ended GRUB, ``how``: boot, exit, halt, reboot, fwsetup, menu (another menu is shown)."""

    def __init__(self, how: str) -> None:
        super().__init__(how)
        self.how = how


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuEntry:
    """An entry of a menu, or with ``submenu`` a submenu, as `menuentry` has defined it.

    ``args`` are the words that its body gets as $1 and so on, the title first; ``users`` is None with --unrestricted.
    """

    title: str
    entry_id: str
    body: Script
    file: str
    line: int
    submenu: bool = False
    args: tuple[str, ...] = ()
    users: str | None = ""
    hotkey: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A sentence about a line of a script: an error that GRUB prints, or a reason why it cannot be followed."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


@dataclass(slots=True)
class Recorder:
    """What a statement reads that it has not written itself, in this order, and what it writes.

    Keys of ``reads`` are the names of variables, and questions about the machine as `State.ask` takes them.
    ``complete`` is False if it depends on more than that.
    """

    reads: dict[Hashable, Hashable] = field(default_factory=dict)
    written: set[str] = field(default_factory=set)
    exported: list[str] = field(default_factory=list)
    complete: bool = True
