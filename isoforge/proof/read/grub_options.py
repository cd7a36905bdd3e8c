"""What GRUB's commands have in common: their status, and how they take their arguments apart (lib/arg.c)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from isoforge.proof.read.grub_state import State
from isoforge.proof.read.grub_syntax import Command

OK, FALSE, NOT_FOUND, UNKNOWN_COMMAND, BAD_ARGUMENT, NO_KERNEL, MENU, IO = 0, 1, 5, 16, 18, 22, 27, 29
"""GRUB's numbers of errors (include/grub/err.h), of which scripts see only whether they are 0 and 1."""

NEEDS_KERNEL = "you need to load the kernel first"

Handler = Callable[[State, list[str], Command], int]


def fail(state: State, text: str, status: int = BAD_ARGUMENT) -> int:
    """Print an error and return its status."""
    state.print_error(text)
    return status


Options = tuple[dict[str, list[str]], list[str]]
"""The values of the options, and the arguments that are not options."""


def options(
    state: State, args: Sequence[str], known: Mapping[str, bool | None], *, dashes: bool = False
) -> Options | None:
    """``args`` taken apart as lib/arg.c does it; ``known`` says which options, without dashes, have a value.

    None there stands for a value that may be left out. With ``dashes`` unknown options are arguments. Returns None if
    GRUB reports an error.
    """
    values: dict[str, list[str]] = {}
    rest: list[str] = []
    queue = list(args)
    while queue:
        word = queue.pop(0)
        if word == "--":
            return values, rest + queue
        long = word.startswith("--")
        name, sign, value = word[2:].partition("=") if long else (word[1:], "", "")
        if not word.startswith("-") or len(word) == 1 or (name not in known and dashes):
            rest.append(word)
        elif name not in known:
            fail(state, f"unknown argument `{word}'")
            return None
        else:
            needs = known[name]
            if needs is not False and not sign:
                if queue and not (queue[0].startswith("-") and (long or needs is None)):
                    value = queue.pop(0)
                elif needs:
                    fail(state, f"missing mandatory option for `{name}'")
                    return None
            values.setdefault(name, []).append(value)
    return values, rest
