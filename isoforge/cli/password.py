"""A password as people type it, or programs hand it on."""

from __future__ import annotations

import sys

import typer

from isoforge.errors import UsageError

LONGEST_BYTES = 1 << 16
"""How much is read at most: what comes without end is no password."""


def asked(prompt: str) -> str:
    """What is typed twice at a terminal, unseen; where stdin is none, the one line that it holds."""
    if not sys.stdin.isatty():
        return _one_line()
    return str(typer.prompt(prompt, hide_input=True, confirmation_prompt=True, err=True))


def _one_line() -> str:
    """The one line that stdin holds, without its end."""
    try:
        lines = sys.stdin.buffer.read(LONGEST_BYTES).decode("utf-8").split("\n")
    except UnicodeDecodeError:
        raise UsageError("the password is no UTF-8 text") from None
    if len(lines) > 2 or lines[1:] not in ([], [""]):
        raise UsageError("the password has more than one line")
    return lines[0]
