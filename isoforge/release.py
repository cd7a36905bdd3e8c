"""An Ubuntu release, as a base ISO or a person names it."""

from __future__ import annotations

import re
from dataclasses import dataclass

OLDEST_SERVER, OLDEST_DESKTOP = "22.04", "24.04"
"""The first release in standard support, and the first whose desktop ISO is supported."""

NEWEST = "26.04"
"""The newest release that is known here; newer ones are built as this one."""

_FORM = re.compile(r"(?P<year>\d{2})\.(?P<month>\d{2})(?P<points>(\.\d+){0,2})")
_MONTHS = (4, 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """``24.04.2``: ``point`` is None if the name has two parts only; ``respin`` is a fourth part (24.04.4.1), or 0."""

    year: int
    month: int
    point: int | None = None
    respin: int = 0

    @classmethod
    def of(cls, text: str | None) -> Release | None:
        """The release that ``text`` names; None for None and for anything that is not the name of a release."""
        name = _FORM.fullmatch(text or "")
        if name is None or int(name["month"]) not in _MONTHS:
            return None
        points = [int(number) for number in name["points"].split(".")[1:]]
        point, respin = [*points, None, None][:2]
        return cls(year=int(name["year"]), month=int(name["month"]), point=point, respin=respin or 0)

    @property
    def series(self) -> str:
        """``24.04`` of ``24.04.2``."""
        return f"{self.year:02}.{self.month:02}"

    def before(self, series: str) -> bool:
        """Whether this release came before the first one of ``series`` (``23.10``)."""
        return self.series < series

    def older_than(self, other: Release) -> bool:
        """Whether this one came first, counting point releases: ``24.04`` means the first ISO of its series."""
        return self._order() < other._order()

    def _order(self) -> tuple[int, int, int, int]:
        return self.year, self.month, self.point or 0, self.respin

    def __str__(self) -> str:
        parts = [self.series, *([str(self.point)] if self.point is not None else [])]
        return ".".join([*parts, *([str(self.respin)] if self.respin else [])])
