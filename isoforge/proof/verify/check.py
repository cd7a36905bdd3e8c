"""What a check is: one question to an ISO, and the answer with what was compared."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from isoforge.errors import ForgeError


class Outcome(enum.StrEnum):
    """How a check ended; one that could not be asked is skipped."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The answer to one question.

    ``compared`` tells what was held against what, or why nothing was; each of ``faults`` is a sentence that names one
    thing that is wrong; ``remarks`` are unusual and harmless.
    """

    name: str
    outcome: Outcome
    compared: str
    faults: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a question brought to light, see `Check`."""

    compared: str
    faults: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


class SkipError(Exception):
    """A question that this ISO cannot be asked; its text is the reason."""


def check(name: str, look: Callable[[], Found]) -> Check:
    """Ask the question ``look`` and give the answer its ``name``; what cannot be read is a fault too."""
    try:
        found = look()
    except SkipError as reason:
        return Check(name=name, outcome=Outcome.SKIPPED, compared=str(reason))
    except ForgeError as failure:
        return Check(name=name, outcome=Outcome.FAILED, compared="cannot be read", faults=(failure.message,))
    outcome = Outcome.FAILED if found.faults else Outcome.OK
    return Check(name=name, outcome=outcome, compared=found.compared, faults=found.faults, remarks=found.remarks)


def counted(number: int, noun: str, plural: str = "") -> str:
    """``1 host``, ``2 hosts``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
