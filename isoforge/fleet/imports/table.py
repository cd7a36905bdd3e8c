"""Hosts in a CSV: a line of column names, then a line for each host."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import Any

from isoforge.errors import InventoryError
from isoforge.fleet.imports.columns import GROUP, Columns
from isoforge.fleet.imports.source import Entry, Source, refuse

DELIMITERS = ",;\t"
"""Office programs write semicolons where a comma is the decimal sign."""

_EXAMPLE = "--column COLUMN=name says which it is"


def read_table(text: str, file: str, columns: Columns) -> Source:
    """The hosts of the CSV ``text``; a column that ``columns`` does not know becomes a note.

    The delimiter is the one of comma, semicolon and tab that the first line has most of. An empty cell is no value.
    Raises ``InventoryError`` with a line for each mistake.
    """
    rows, mistakes = _rows(text, file)
    refuse(file, mistakes)
    if not rows:
        raise InventoryError(f"{file} is empty", hint="expected a line of column names, then a line for each host")
    line, header = rows[0]
    header = [cell.strip() for cell in header]
    for name in {name for name in header if name and header.count(name) > 1}:
        mistakes.append(f"{file}:{line}: column {name!r} occurs twice")
    refuse(file, mistakes)
    targets = {name: columns.target(name) for name in header if name}
    name_column = columns.name_column(header)
    if name_column is None:
        raise InventoryError(f"{file}:{line} has no column with the names of the hosts", hint=_EXAMPLE)
    group_columns = [name for name, target in targets.items() if target == GROUP]
    hosts = []
    for line, cells in rows[1:]:
        if len(cells) > len(header) and any(cell.strip() for cell in cells[len(header) :]):
            mistakes.append(f"{file}:{line}: has {len(cells)} cells, but the first line has {len(header)} columns")
            continue
        values = {name: cell.strip() for name, cell in zip(header, cells, strict=False) if name and cell.strip()}
        host = values.pop(name_column, "")
        groups = tuple(one for column in group_columns for one in re.split(r"[\s,;|]+", values.pop(column, "")) if one)
        if host:
            hosts.append(Entry(name=host, groups=groups, values=values, line=line))
        else:
            mistakes.append(f"{file}:{line}: the column {name_column!r} is empty")
    refuse(file, mistakes)
    unknown = [name for name, target in targets.items() if target is None and name != name_column]
    return Source(file=file, hosts=tuple(hosts), notes=tuple(map(columns.unknown, unknown)), is_table=True)


def _rows(text: str, file: str) -> tuple[list[tuple[int, list[str]]], list[str]]:
    """The rows that hold anything, each with its line, and what is wrong with the quoting."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    bare = re.sub(r'"[^"]*"', "", first)
    delimiter = max(DELIMITERS, key=bare.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[tuple[int, list[str]]] = []
    try:
        rows += [(line, row) for line, row in _numbered(reader) if any(cell.strip() for cell in row)]
    except csv.Error as error:
        return rows, [f"{file}:{reader.line_num}: not valid CSV: {error}"]
    return rows, []


def _numbered(reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Each row with the line in which it begins."""
    line = 1
    for row in reader:
        yield line, row
        line = reader.line_num + 1
