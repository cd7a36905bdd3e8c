"""The problems of one document as they are found, each with its line and its address."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher, get_close_matches
from typing import Any

from isoforge.fleet.check.document import Document, Route
from isoforge.problems import Problem, Severity


class Findings:
    """Collects problems: a rule says the route of the value and what is wrong with it, the rest is known here.

    ``file`` is the file as the user would type it, ``address`` what every address begins with (``hosts.NAME``, or
    nothing), ``top`` the route of the document inside what the user wrote.
    """

    def __init__(self, document: Document, *, file: str, address: str) -> None:
        self.document = document
        self.problems: list[Problem] = []
        self._file = file
        self._address = address

    def error(self, route: Route, text: str, *, line: int | None = None) -> None:
        """The build must not go on: the install would fail, or do what was not meant."""
        self._add(route, text, line, Severity.ERROR)

    def warning(self, route: Route, text: str, *, line: int | None = None, leak: bool = False) -> None:
        """It may be meant, but mostly is not; a ``leak`` is a secret in clear."""
        self._add(route, text, line, Severity.WARNING, leak=leak)

    def _add(self, route: Route, text: str, line: int | None, severity: Severity, *, leak: bool = False) -> None:
        self.problems.append(
            Problem(
                file=self._file,
                line=self.document.line(route) if line is None else line,
                address=address_of(self._address, route),
                text=text,
                severity=severity,
                leak=leak,
            )
        )

    def in_order(self) -> list[Problem]:
        """All problems in the order of the lines they are on, without repetitions."""
        return sorted(dict.fromkeys(self.problems), key=lambda problem: (problem.line or 0, problem.address))


def address_of(start: str, route: Route) -> str:
    """``hosts.web-1`` and ("autoinstall", "packages", 0) → ``hosts.web-1.autoinstall.packages[0]``."""
    made = start
    for step in route:
        if isinstance(step, int):
            made += f"[{step}]"
        else:
            made += f".{step}" if made else step
    return made or "document"


def meant(word: str, known: Iterable[str]) -> str:
    """The tail of a sentence about a word nobody knows: "; did you mean 'match'?", or nothing if none is near."""
    choices = {_plain(name): name for name in known}
    near = get_close_matches(_plain(word), choices, n=5, cutoff=0.6)
    if not near:
        return ""
    best = min(near, key=lambda one: (-SequenceMatcher(None, one, _plain(word)).ratio(), one))
    return f"; did you mean {choices[best]!r}?"


def _plain(word: str) -> str:
    return word.lower().replace("_", "-")


def mapping(value: Any) -> Mapping[str, Any]:
    """``value`` if it is a mapping, else an empty one: that it is none is said elsewhere, by the schema."""
    return value if isinstance(value, dict) else {}


def items(value: Any) -> Sequence[Any]:
    """``value`` if it is a list, else an empty one."""
    return value if isinstance(value, list) else ()


def text(value: Any) -> str:
    """``value`` if it is text, else empty text."""
    return value if isinstance(value, str) else ""
