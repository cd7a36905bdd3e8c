"""GRUB's commands that look at the machine and compare what they find: search, smbios, regexp."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from isoforge.proof.read.grub_options import BAD_ARGUMENT, FALSE, IO, NOT_FOUND, OK, fail, options
from isoforge.proof.read.grub_state import State
from isoforge.proof.read.grub_syntax import Command
from isoforge.proof.read.grub_test import number

REGEXP_LIMIT = 1 << 25
"""Steps that the match of a regular expression may take in the worst case."""


_SEARCH: Mapping[str, bool | None] = {
    **dict.fromkeys(
        ("file", "f", "label", "l", "fs-uuid", "u", "no-floppy", "n", "efidisk-only", "root-dev-only"), False
    ),
    **dict.fromkeys(("hint", "h", "hint-efi", "hint-bios", "hint-baremetal", "hint-ieee1275", "hint-arc"), True),
    **dict.fromkeys(("set", "s"), None),
}
_BY = {"label": "label", "l": "label", "fs-uuid": "uuid", "u": "uuid", "file": "file", "f": "file"}


def search(state: State, args: list[str], _command: Command) -> int:
    """Search the medium and the disks, in that order (commands/search_wrap.c, search.c)."""
    parsed = options(state, args, _SEARCH, dashes=True)
    if parsed is None:
        return BAD_ARGUMENT
    values, rest = parsed
    names = [*values.get("set", ()), *values.get("s", ())]
    variable = names[-1] or "root" if names else ""
    if not rest and names and names[-1]:
        variable, rest = "root", names[-1:]
    if not rest:
        return fail(state, "one argument expected")
    kind = next((_BY[name] for name in _BY if name in values), "")
    if not kind:
        return fail(state, "unspecified search type")
    device = _found(state, kind, rest[0])
    if not device:
        return fail(state, f"no such device: {rest[0]}", NOT_FOUND)
    if variable:
        state.set(variable, device)
        return OK
    state.printed.append(f" {device}")
    return OK


def _found(state: State, kind: str, key: str) -> str:
    """The first device that has the file, the label or the UUID; empty if there is none."""
    medium = state.medium
    if kind == "file":
        if medium.kind(key) == "file":
            return medium.device
        return next((disk for disk, files in state.machine.disks.items() if key in files), "")
    if kind == "label":
        return medium.device if medium.label == key else ""
    return medium.device if medium.uuid.lower() == key.lower() else ""


_SMBIOS = {
    **dict.fromkeys(
        ("type", "t", "handle", "h", "match", "m", "get-byte", "b", "get-word", "w", "get-dword", "d"), True
    ),
    **dict.fromkeys(("get-qword", "q", "get-string", "s", "get-uuid", "u", "set"), True),
    "linux": False,
}


def smbios(state: State, args: list[str], _command: Command) -> int:
    """Read the SMBIOS table (commands/smbios.c); bytes other than type, length and those of strings are not known."""
    parsed = options(state, args, _SMBIOS)
    if parsed is None:
        return BAD_ARGUMENT
    values = {name: number(texts[-1]) if name != "set" else None for name, texts in parsed[0].items()}
    getters = [name for name in values if name.startswith("get-") or name in ("b", "w", "d", "q", "s", "u")]
    if len(getters) != 1 or "handle" in values or "h" in values:
        state.cannot_follow("smbios with these options")
        return fail(state, "one of the --get options is required")
    kind = values.get("type", values.get("t"))
    match = values.get("match", values.get("m", 1))
    if not match:
        return fail(state, "the match must be a positive integer")
    getter = getters[0].removeprefix("get-")[0]
    answer: Any = state.ask("field", kind, match, getter, values[getters[0]] or 0)
    value, error = answer
    if error == "?":
        state.cannot_follow(f"the field at offset {values[getters[0]]} of the SMBIOS structure of type {kind}")
    if error:
        return fail(state, error, IO)
    if "set" in parsed[0]:
        state.set(parsed[0]["set"][-1], value)
    else:
        state.printed.append(value)
    return OK


_QUANTIFIED_GROUP = re.compile(r"\)[*+{]")
_QUANTIFIER = re.compile(r"[*+{]")


def regexp(state: State, args: list[str], _command: Command) -> int:
    """Match a POSIX extended regular expression (commands/regexp.c)."""
    state.globbing = True
    parsed = options(state, args, {"set": True, "s": True})
    if parsed is None:
        return BAD_ARGUMENT
    values, rest = parsed
    if len(rest) != 2:
        return fail(state, "two arguments expected")
    pattern, text = rest
    cost = worst_case(pattern, len(text))
    if cost is None:
        state.cannot_follow(f"the regular expression {pattern!r} may take too long on a text of {len(text)} characters")
        return FALSE
    state.step(cost >> 10)
    try:
        match = posix(pattern).search(text)
    except re.error:
        return FALSE
    if match is None:
        return FALSE
    for word in (*values.get("set", ()), *values.get("s", ())):
        group, sign, name = word.partition(":")
        index = int(group) if sign and group.isdigit() else 1
        if index > (match.re.groups) or match[index] is None:
            state.unset(name or word)
        else:
            state.set(name or word, match[index])
    return OK


def worst_case(pattern: str, length: int) -> int | None:
    """Steps that the match of ``pattern`` with ``length`` characters may take; None if that is too long."""
    cost = (length + 1) ** len(_QUANTIFIER.findall(pattern))
    return None if _QUANTIFIED_GROUP.search(pattern) or cost > REGEXP_LIMIT else cost


_PATTERNS: dict[str, re.Pattern[str]] = {}
_CLASSES = {
    **{
        "alpha": "A-Za-z",
        "digit": "0-9",
        "alnum": "A-Za-z0-9",
        "upper": "A-Z",
        "lower": "a-z",
        "space": r" \t\n\r\f\v",
    },
    **{"blank": r" \t", "xdigit": "0-9A-Fa-f", "print": " -~", "graph": "!-~", "cntrl": r"\x00-\x1f\x7f"},
    "punct": r"!-/:-@\[-`{-~",
}


def posix(pattern: str) -> re.Pattern[str]:
    """A POSIX extended regular expression as one of Python's; raises ``re.error`` if it is not one."""
    if pattern not in _PATTERNS:
        parts: list[str] = []
        position = 0
        while position < len(pattern):
            char = pattern[position]
            if char == "[":
                bracket = re.compile(r"\[\^?\]?(?:\[:[a-z]+:\]|[^\]])*\]").match(pattern, position)
                if bracket is None:
                    raise re.error("unclosed bracket", pattern, position)
                parts.append(_bracket(bracket.group()))
                position = bracket.end()
                continue
            if char == "\\" and position + 1 < len(pattern):
                parts.append(re.escape(pattern[position + 1]))
                position += 2
                continue
            parts.append({"$": r"\Z"}.get(char, char))
            position += 1
        if len(_PATTERNS) > 10_000:
            _PATTERNS.clear()
        _PATTERNS[pattern] = re.compile("".join(parts), re.DOTALL)
    return _PATTERNS[pattern]


def _bracket(text: str) -> str:
    """A bracket expression, in which only ``]``, ``^`` and ``-`` mean anything."""
    inside = re.sub(r"\[:([a-z]+):\]", lambda name: f"\x00{name[1]}\x00", text[1:-1])
    negated = inside.startswith("^")
    inside = re.sub(r"([\\\[\]&~|])", r"\\\1", inside[negated:])
    inside = re.sub("\x00([a-z]+)\x00", lambda name: _CLASSES.get(name[1], ""), inside)
    return f"[{'^' * negated}{inside}]"
