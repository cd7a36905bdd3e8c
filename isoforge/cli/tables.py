"""Tables for people: colours on a terminal only, and as wide as it is."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

WIDTH_ELSEWHERE = 200
"""Columns where stdout is no terminal: wide enough that hardly anything is folded."""


def show(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print ``rows`` under ``headings``; an empty cell is shown as a dash."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else WIDTH_ELSEWHERE, highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(escape(str(cell)) or "-" for cell in row))
    console.print(table)
