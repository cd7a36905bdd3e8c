"""An inventory of another tool read from a file, whatever its format is."""

from __future__ import annotations

import re
from pathlib import Path

from isoforge.errors import InventoryError, UsageError
from isoforge.fleet.imports.ansible import read_json, read_yaml
from isoforge.fleet.imports.ansible_ini import read_ini
from isoforge.fleet.imports.columns import Columns
from isoforge.fleet.imports.formats import Format
from isoforge.fleet.imports.source import Source
from isoforge.fleet.imports.table import read_table

_ENDINGS = {
    ".json": Format.ANSIBLE,
    ".csv": Format.CSV,
    ".tsv": Format.CSV,
    ".yml": Format.YAML,
    ".yaml": Format.YAML,
    ".ini": Format.INI,
    ".cfg": Format.INI,
}

_LATIN = "save it as UTF-8, or convert it: iconv -f WINDOWS-1252 -t UTF-8"


def read_source(content: bytes, file: str, chosen: Format | None, columns: Columns) -> Source:
    """The inventory in ``content``, in the format ``chosen`` or else the one that name and content show.

    A byte order mark is left out. Raises ``InventoryError`` with a line for each mistake, ``UsageError`` if the format
    does not show.
    """
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise InventoryError(f"{file} is UTF-16", hint="save it as UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InventoryError(f"{file}:{line} is not UTF-8", hint=_LATIN) from None
    if "\0" in text:
        raise InventoryError(f"{file}:{text.count(chr(10), 0, text.index(chr(0))) + 1} contains a NUL character")
    format_ = chosen or _format(text, file)
    if format_ is Format.CSV:
        return read_table(text, file, columns)
    return {Format.ANSIBLE: read_json, Format.INI: read_ini, Format.YAML: read_yaml}[format_](text, file)


def _format(text: str, file: str) -> Format:
    """The format by the name of the file, else by what its first line looks like."""
    known = _ENDINGS.get(Path(file).suffix.lower())
    if known:
        return known
    first = next((line.strip() for line in text.splitlines() if line.strip() and not line.startswith(("#", ";"))), "")
    if first.startswith("{"):
        return Format.ANSIBLE
    if re.fullmatch(r"---|[\w.-]+:", first):
        return Format.YAML
    if first.startswith("[") or "=" in first:
        return Format.INI
    if re.search(r"[,;\t]", first):
        return Format.CSV
    raise UsageError(f"cannot tell the format of {file}", hint="choose one with --format ansible, ini, yaml or csv")
