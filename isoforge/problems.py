"""Problems of a fleet, one a line: each with a stable id, the file and line to open, and the key to change."""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from difflib import SequenceMatcher, get_close_matches

from isoforge.errors import InventoryError

HOST = "hosts."
"""How the scope of a host's problem begins."""


class Severity(enum.StrEnum):
    """Whether a problem stops the build (error) or is only reported (warning; ``--strict`` treats it as an error)."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake.

    ``id`` names its kind and never changes (docs/problems.md lists them all). ``file`` is the file to open, as the user
    would type it, and ``line`` the line in it (from 1; None where a line means nothing). ``scope`` is whose value it is
    (``hosts.web-1``, ``groups.site_a``, ``profiles.box``; "" for a file as a whole or for none of these), ``key`` the
    dotted path of the value below it ("" for all of it). ``message`` says what is wrong and, where that is known, what
    to write instead. ``also`` are the other hosts that have the same mistake from the same line. ``leak`` marks a
    plain-text secret (``--forbid-secrets`` makes it an error).
    """

    id: str
    file: str
    line: int | None = None
    scope: str = ""
    key: str = ""
    message: str
    severity: Severity = Severity.ERROR
    also: tuple[str, ...] = ()
    leak: bool = False

    @property
    def address(self) -> str:
        """Scope and key as one dotted path: ``hosts.web-1.storage.disk.serial``."""
        return ".".join(part for part in (self.scope, self.key) if part)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names of the hosts that the problem is about; empty if it is about no host in particular."""
        return (self.scope.removeprefix(HOST), *self.also) if self.scope.startswith(HOST) else ()

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        address = f"{self.address}: " if self.address else ""
        count = len(self.also)
        more = f" (and {count} more host{'s' if count > 1 else ''})" if count else ""
        return one_line(f"{where}: {self.severity}: {address}{self.message}{more} [{self.id}]")


def one_line(text: str, *, keep: str = "") -> str:
    """``text`` with every character that would act on a terminal or end the line written as an escape, as in ``\\n``.

    File names, inventories and ISOs of others may contain any character. Those in ``keep`` are left as they are.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in keep else char.encode("unicode_escape").decode() for char in text
    )


def folded(problems: Iterable[Problem]) -> list[Problem]:
    """``problems`` by file and line, those that several hosts owe to one line reported once (see ``also``)."""
    alike: dict[tuple[object, ...], list[Problem]] = {}
    for one in problems:
        shared = (one.file, one.line, one.key, one.message) if one.hosts and one.line else (one,)
        alike.setdefault((one.id, one.severity, one.leak, *shared), []).append(one)
    result = []
    for first, *others in alike.values():
        hosts = dict.fromkeys(host for one in (first, *others) for host in one.hosts)
        result.append(replace(first, also=tuple(host for host in hosts if HOST + host != first.scope)))
    return sorted(result, key=lambda one: (one.file, one.line or 0))


def judged(problems: Iterable[Problem], *, forbid_secrets: bool) -> list[Problem]:
    """``problems`` as they count: with ``forbid_secrets`` each plain-text secret is an error."""
    error = Severity.ERROR
    return [replace(one, severity=error) if forbid_secrets and one.leak else one for one in problems]


def without(problems: Iterable[Problem], ids: Collection[str]) -> list[Problem]:
    """``problems`` less the warnings whose id is among ``ids``; an error cannot be ignored."""
    return [one for one in problems if one.severity is Severity.ERROR or one.id not in ids]


def counted(problems: Iterable[Problem]) -> str:
    """``2 errors, 1 warning``, or "" for no problems."""
    severities = [problem.severity for problem in problems]
    parts = [(severities.count(severity), severity) for severity in Severity]
    return ", ".join(f"{count} {severity}{'s' if count > 1 else ''}" for count, severity in parts if count)


def refuse_if_any(
    problems: Iterable[Problem], *, strict: bool = False, listed: bool = True, subject: str = "the inventory"
) -> None:
    """Raise one ``InventoryError`` that lists every error (and, if ``strict``, every warning); else return.

    Not ``listed``, it only counts them: for callers that have shown them already. ``subject`` is what has them.
    """
    stopping = [problem for problem in problems if strict or problem.severity is Severity.ERROR]
    if stopping:
        lines = [str(problem) for problem in stopping] if listed else []
        raise InventoryError(f"{subject} has {counted(stopping)}", problems=lines)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown word: ``; did you mean 'match'?``, or nothing if no known word is near."""
    choices = {_spelled(name): name for name in known}
    near = get_close_matches(_spelled(word), choices, n=5, cutoff=0.6)
    if not near:
        return ""
    best = min(near, key=lambda one: (-SequenceMatcher(None, one, _spelled(word)).ratio(), one))
    return f"; did you mean {choices[best]!r}?"


def _spelled(word: str) -> str:
    return word.lower().replace("_", "-")
