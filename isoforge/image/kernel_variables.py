"""Variables in the kernel lines of a base ISO's menu, and the lines above its entries that set them.

The menus of arm64 ISOs from 26.04 on set ``cmdline`` for processors that need other kernel arguments, and have
``$cmdline`` before the ``---``.
"""

from __future__ import annotations

import logging
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

log = logging.getLogger(__name__)

_ENTRY = re.compile(r"^[ \t]*(?:menuentry|submenu)\b", re.MULTILINE)
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))")
_ASSIGNMENT = re.compile(r"(?:^|;|\bthen\b)[ \t]*(?:set[ \t]+)?([A-Za-z_]\w*)=", re.MULTILINE)
_IF, _FI = re.compile(r"(?:^|[;\s])if[ \t]"), re.compile(r"(?:^|[;\s])fi(?=[;\s]|$)")
_SMBIOS = re.compile(r"\bsmbios\b")
_LONG = {"-t": "--type", "-s": "--get-string"}
_KNOWN = frozenset({1, 2, 3})
"""SMBIOS types that every menu looks for (templates/menu/machine.cfg.j2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The lines of a base's menu that set ``variables`` for its kernel lines.

    ``original`` is their text in the menu, ``script`` the same for a menu of ours, which prints no error on machines
    without the SMBIOS structures that it reads: those of the types ``smbios_types``.
    """

    variables: tuple[str, ...] = ()
    original: str = ""
    script: str = ""
    smbios_types: tuple[int, ...] = ()


def variable_of(word: str) -> str:
    """The name of the variable that a ``word`` of a menu consists of; "" if it is not one."""
    match = _VARIABLE.fullmatch(word)
    return (match[1] or match[2]) if match else ""


def setting_of(menu: str) -> Setting:
    """What the ``menu`` of a base sets above its entries for their kernel lines; nothing for most of them."""
    entry = _ENTRY.search(menu)
    head = menu[: entry.start()] if entry else menu
    words = [word for line in re.findall(r"^[ \t]*linux[ \t]+(.*)$", menu, re.MULTILINE) for word in line.split()]
    names = tuple(dict.fromkeys(filter(None, map(variable_of, words))))
    names = tuple(name for name in names if name in _ASSIGNMENT.findall(head))
    if not names:
        return Setting()
    original = _lines_that_set(names, head)
    script, types = _without_errors(original)
    if not script:
        log.warning("warning: the base ISO's menu sets %s in an unknown way: hosts' entries are without it", names[0])
        return Setting()
    return Setting(variables=names, original=original, script=script, smbios_types=types)


def variables_before_dashes(menu: str, vmlinuz: PurePosixPath, setting: Setting) -> tuple[str, ...]:
    """The variables of the ``setting`` that the first entry of the kernel ``vmlinuz`` has before the ``---``."""
    line = re.search(rf"^[ \t]*linux(?:efi)?[ \t]+{re.escape(str(vmlinuz))}[ \t](.*)$", menu, re.MULTILINE)
    words = line[1].split() if line else []
    before = words[: words.index("---")] if "---" in words else words
    return tuple(name for name in map(variable_of, before) if name in setting.variables)


def _lines_that_set(names: Sequence[str], head: str) -> str:
    """The statements of ``head`` from the first that reads SMBIOS or sets one of ``names`` to the last that does.

    Empty if they do not end before the first entry.
    """
    statements = list(_statements(head))
    used = [
        number
        for number, statement in enumerate(statements)
        if _SMBIOS.search(statement) or not set(names).isdisjoint(_ASSIGNMENT.findall(statement))
    ]
    text = "".join(statements[used[0] : used[-1] + 1])
    return text if len(_IF.findall(text)) == len(_FI.findall(text)) else ""


def _statements(text: str) -> Iterator[str]:
    """The lines of ``text``, those from an ``if`` to its ``fi`` together."""
    lines, depth = "", 0
    for line in text.splitlines(keepends=True):
        lines += line
        if not line.lstrip().startswith("#"):
            depth += len(_IF.findall(line)) - len(_FI.findall(line))
        if depth <= 0:
            yield lines
            lines, depth = "", 0
    if lines:
        yield lines


def _without_errors(original: str) -> tuple[str, tuple[int, ...]]:
    """The lines with SMBIOS read by the functions of our menu, and the types that they read; empty if unknown ones."""
    lines, types = [], set()
    for line in original.splitlines():
        if line.lstrip().startswith("#") or not _SMBIOS.search(line):
            lines.append(line)
            continue
        words = [part for word in shlex.split(line) for part in word.split("=", 1)]
        options = {_LONG.get(name, name): value for name, value in zip(words[1::2], words[2::2], strict=False)}
        is_read = words[0] == "smbios" and len(words) == 7 and options.keys() == {"--type", "--get-string", "--set"}
        if not is_read or not (options["--type"] + options["--get-string"]).isdecimal():
            return "", ()
        if not re.fullmatch(r"[A-Za-z_]\w*", options["--set"]):
            return "", ()
        kind = int(options["--type"])
        types.add(kind)
        lines.append(f'isoforge_read "$isoforge_type_{kind}" string {int(options["--get-string"])}')
        lines.append(f'set {options["--set"]}="$isoforge_original"')
    return "\n".join(lines), tuple(sorted(types - _KNOWN))
