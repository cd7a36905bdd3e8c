"""GRUB's command ``test``, also written ``[``: comparisons of texts, numbers and files (grub-core/commands/test.c)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from isoforge.proof.read.grub_state import State

_NUMBER = re.compile(r"[ \t\n\r\v\f]*(?:0[xX](?P<hex>[0-9a-fA-F]+)|0(?P<octal>[0-7]+)|(?P<decimal>[0-9]+))")

_TEXTS: Mapping[str, Callable[[str, str], bool]] = {
    "=": lambda one, other: one == other,
    "==": lambda one, other: one == other,
    "!=": lambda one, other: one != other,
    "<": lambda one, other: _bytes(one) < _bytes(other),
    "<=": lambda one, other: _bytes(one) <= _bytes(other),
    ">": lambda one, other: _bytes(one) > _bytes(other),
    ">=": lambda one, other: _bytes(one) >= _bytes(other),
}
_NUMBERS: Mapping[str, Callable[[int, int], bool]] = {
    "-eq": lambda one, other: one == other,
    "-ne": lambda one, other: one != other,
    "-ge": lambda one, other: one >= other,
    "-gt": lambda one, other: one > other,
    "-le": lambda one, other: one <= other,
    "-lt": lambda one, other: one < other,
}


def number(text: str) -> int | None:
    """The number at the start of ``text`` as GRUB reads it with base 0; None if there is none (kern/misc.c)."""
    match = _NUMBER.match(text)
    if match is None:
        return None
    if match["hex"]:
        return int(match["hex"], 16)
    return int(match["octal"], 8) if match["octal"] else int(match["decimal"])


def split_device(state: State, path: str) -> tuple[str, str]:
    """The device and the path on it that ``path`` names: ``(cd0)/boot``, or ``/boot`` on $root."""
    if path.startswith("("):
        device, _, rest = path[1:].partition(")")
        return device, rest
    return state.get("root"), path


def file_kind(state: State, path: str) -> str:
    """What ``path`` is: "file", "directory", or "" if it or its device does not exist; disks have files only."""
    device, rest = split_device(state, path)
    if device == state.medium.device:
        return state.medium.kind(rest)
    if device not in state.machine.disks:
        if device in _OPAQUE | state.opaque:
            state.cannot_follow(f"{path} is on a device whose content is not known")
        return ""
    files = state.machine.disks[device]
    if rest in files:
        return "file"
    return "directory" if any(file.startswith(rest.rstrip("/") + "/") for file in files) else ""


_OPAQUE = frozenset({"memdisk", "proc", "tftp", "http", "pxe"})


def test(state: State, args: Sequence[str]) -> bool:
    """Whether the expression holds; the ``]`` at its end may be missing."""
    if args and args[-1] == "]":
        args = args[:-1]
    if len(args) == 3 and args[1] in _TEXTS:
        return _TEXTS[args[1]](args[0], args[2])
    return _Expression(state, args).value()


class _Expression:
    """An expression that is read from left to right, as GRUB does it: -a binds tighter than -o."""

    def __init__(self, state: State, args: Sequence[str]) -> None:
        self.state = state
        self.args = args
        self.next = 0
        self.error = ""

    def value(self) -> bool:
        """The value of the whole expression. An error in it is printed only if it holds."""
        holds = self._group()
        if holds and self.error:
            self.state.print_error(self.error)
        return holds

    def _group(self) -> bool:
        either, both, invert = False, True, False
        while self.next < len(self.args):
            outcome = self._primary()
            if outcome is None:
                word = self.args[self.next]
                self.next += 1
                if word == ")":
                    break
                if word == "-o":
                    either, both = either or both, True
                    continue
                if word == "-a":
                    continue
                if word == "!":
                    invert = not invert
                    continue
                outcome = self._group() if word == "(" else bool(word)
            both = both and outcome is not invert
            invert = False
        return either or both

    def _primary(self) -> bool | None:
        """The value of a test with an operator, None if there is none here."""
        words = self.args[self.next : self.next + 3]
        outcome = self._binary(*words) if len(words) == 3 else None
        if outcome is not None:
            self.next += 3
            return outcome
        outcome = self._unary(words[0], words[1]) if len(words) >= 2 else None
        if outcome is not None:
            self.next += 2
        return outcome

    def _binary(self, one: str, operator: str, other: str) -> bool | None:
        if operator in _TEXTS:
            return _TEXTS[operator](one, other)
        if operator in _NUMBERS:
            return _NUMBERS[operator](self._number(one), self._number(other))
        if operator in ("-pgt", "-plt"):
            return self._versions(one, other, operator)
        if operator[:3] in ("-nt", "-ot"):
            self.state.cannot_follow(f"{operator} compares the times of {one} and {other}")
            return False
        return None

    def _number(self, text: str) -> int:
        return -self._unsigned(text[1:]) if text.startswith("-") else self._unsigned(text)

    def _unsigned(self, text: str) -> int:
        value = number(text)
        if value is None:
            self.error = "unrecognized number"
        return value or 0

    def _versions(self, one: str, other: str, operator: str) -> bool:
        """Compare the numbers behind what both texts have in common."""
        start = 0
        while start < min(len(one), len(other)) and one[start] == other[start]:
            start += 1
        start -= 1
        while start > 0 and one[start : start + 1].isdigit():
            start -= 1
        first, second = (self._unsigned(text[start + 1 :]) for text in (one, other))
        return first > second if operator == "-pgt" else first < second

    def _unary(self, operator: str, word: str) -> bool | None:
        if operator in ("-n", "-z"):
            return bool(word) is (operator == "-n")
        if operator not in ("-d", "-e", "-f", "-s"):
            return None
        kind = file_kind(self.state, word)
        if not kind and operator != "-s":
            self.error = self._missing(word) or self.error
        if operator == "-s" and kind == "file":
            return bool(self._size(word))
        return bool(kind) and (operator == "-e" or (kind == "directory") is (operator == "-d"))

    def _missing(self, path: str) -> str:
        """What GRUB reports of a path whose device or folder is missing; nothing where only the file is."""
        device, rest = split_device(self.state, path)
        if device != self.state.medium.device:
            return "" if device in self.state.machine.disks else f"disk `{device}' not found"
        folder = rest.rstrip("/").rpartition("/")[0]
        return "" if self.state.medium.kind(folder) == "directory" else f"file `{folder}/' not found"

    def _size(self, path: str) -> int:
        device, rest = split_device(self.state, path)
        reached = self.state.medium.find(rest)
        if device != self.state.medium.device or reached is None:
            return 1
        return len(self.state.medium.read(reached))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", errors="surrogateescape")
