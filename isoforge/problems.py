"""What is wrong with a fleet, and where: one problem a line, each with its address."""

from __future__ import annotations

import enum
import itertools
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, replace

from isoforge.errors import InventoryError


class Severity(enum.StrEnum):
    """Whether a problem stops the build (error) or is only said (warning; ``--strict`` makes it an error)."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong.

    ``file`` is the file to open, as the user would type it, and ``line`` the line in it (from 1; None where a line
    means nothing); ``address`` is the dotted path of the key, ``hosts.NAME.path.to.key``; ``text`` says what is
    wrong and, where there is one, what was meant ("did you mean …"). ``also`` holds the addresses at other hosts of
    the same mistake, which they all owe to this one line. ``leak`` marks a secret in clear (``--forbid-secrets`` makes
    it an error).
    """

    file: str
    line: int | None = None
    address: str
    text: str
    severity: Severity = Severity.ERROR
    also: tuple[str, ...] = ()
    leak: bool = False

    def hosts_among(self, names: Set[str]) -> Iterator[str]:
        """Those of ``names`` that the problem is about."""
        for address in (self.address, *self.also):
            first, *steps = address.split(".")
            if first == "hosts":
                # A name may have dots in it, and so may what follows.
                yield from names & set(itertools.accumulate(steps, "{}.{}".format))

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        said = "" if self.severity is Severity.ERROR else "warning: "
        others = len(self.also)
        more = f" (and {others} more host{'s' if others > 1 else ''})" if others else ""
        return f"{place}  {self.address}: {said}{self.text}{more}"


def judged(problems: Iterable[Problem], *, forbid_secrets: bool) -> list[Problem]:
    """``problems`` as they count: with ``forbid_secrets`` each secret in clear is an error."""
    error = Severity.ERROR
    return [replace(one, severity=error) if forbid_secrets and one.leak else one for one in problems]


def refuse_if_any(problems: Iterable[Problem], *, strict: bool = False, listed: bool = True) -> None:
    """Raise one ``InventoryError`` that lists every error (and, if ``strict``, every warning); else return.

    Not ``listed``, it only counts them: for those who have shown them already.
    """
    stopping = [problem for problem in problems if strict or problem.severity is Severity.ERROR]
    if stopping:
        count = "one problem" if len(stopping) == 1 else f"{len(stopping)} problems"
        lines = [str(problem) for problem in stopping] if listed else []
        raise InventoryError(f"{count} in the inventory", problems=lines)
