"""A check: one question about an ISO, and the answer with what was compared."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from isoforge.errors import ForgeError
from isoforge.proof.read.image import UnreadableError


class Outcome(enum.StrEnum):
    """How a check ended; one that does not apply to the ISO is skipped."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The result of one check.

    ``detail`` says what was compared with what, or why the check was skipped. Each of ``faults`` is a sentence about
    one thing that is wrong; ``remarks`` are unusual and harmless.
    """

    name: str
    outcome: Outcome
    detail: str
    faults: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a question about an ISO brought to light, see `Check`."""

    detail: str
    faults: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


class SkipError(Exception):
    """A question that does not apply to this ISO; its text is the reason."""


def check(name: str, question: Callable[[], Answer]) -> Check:
    """Ask ``question`` and return the answer under its ``name``; a part that cannot be read is a fault too."""
    try:
        answer = question()
    except (SkipError, UnreadableError) as reason:
        return Check(name=name, outcome=Outcome.SKIPPED, detail=str(reason))
    except ForgeError as failure:
        return Check(name=name, outcome=Outcome.FAILED, detail="cannot be read", faults=(failure.message,))
    outcome = Outcome.FAILED if answer.faults else Outcome.OK
    return Check(name=name, outcome=outcome, detail=answer.detail, faults=answer.faults, remarks=answer.remarks)


def counted(number: int, noun: str, plural: str = "") -> str:
    """``1 host``, ``2 hosts``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def shortened(faults: list[str], limit: int = 20) -> tuple[str, ...]:
    """``faults`` up to ``limit``, and how many there are beyond it: a broken tree has thousands."""
    if len(faults) <= limit:
        return tuple(faults)
    return (*faults[:limit], f"and {len(faults) - limit} more")
