"""What a verb prints: its result as JSON, or as a table that fits the terminal."""

from __future__ import annotations

import json as json_format
import sys
from collections.abc import Callable, Iterable, Sequence

import typer

from isoforge.problems import one_line

WIDTH_ELSEWHERE = 200
"""Columns where stdout is not a terminal: wide enough that hardly anything is folded."""

READABLE = 20
"""Characters of a word that have to stay on one line for a table to be read; longer ones are keys and digests."""

GAP = 2
"""Blanks between columns."""


def print_result(facts: object, print_text: Callable[[], object], *, json: bool) -> None:
    """Print the result of a verb: ``facts`` with ``json``, otherwise what ``print_text`` prints for people.

    ``facts`` are made of what JSON knows: dicts, lists, texts, numbers, None.
    """
    if json:
        typer.echo(json_format.dumps(facts, indent=2, ensure_ascii=False))
    else:
        print_text()


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print ``rows`` under ``headings``, or one below the other where the terminal is too narrow for columns.

    An empty cell is shown as a dash. NO_COLOR and TERM=dumb leave plain text.
    """
    from rich.console import Console

    at_terminal = sys.stdout.isatty()
    width = None if at_terminal else WIDTH_ELSEWHERE
    console = Console(width=width, highlight=False, force_terminal=None if at_terminal else False)
    cells = [[one_line(str(cell)) or "-" for cell in row] for row in rows]
    style = "" if console.no_color else "bold"
    if needed([headings, *cells]) <= console.width:
        console.print(_columns(headings, cells, style))
        return
    for number, row in enumerate(cells):
        if number:
            console.print()
        console.print(_below(headings, row, style))


def needed(lines: Sequence[Sequence[str]]) -> int:
    """The width in which no word of a table of ``lines`` is cut that a person would read."""
    longest = [max(len(word) for cell in column for word in [*cell.split(), ""]) for column in zip(*lines, strict=True)]
    return sum(min(length, READABLE) for length in longest) + GAP * (len(longest) - 1)


def _columns(headings: Sequence[str], rows: Sequence[Sequence[str]], style: str) -> object:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style=style, padding=(0, GAP // 2))
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _below(headings: Sequence[str], row: Sequence[str], style: str) -> object:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, GAP // 2))
    table.add_column(no_wrap=True, style=style)
    table.add_column(overflow="fold")
    for heading, cell in zip(headings, row, strict=True):
        table.add_row(heading, Text(cell))
    return table
