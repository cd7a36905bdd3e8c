"""The inventory's key reference as a page for people, made from `isoforge.fleet.inventory.schema.REFERENCE`."""

from __future__ import annotations

from collections.abc import Iterator

from isoforge.fleet.inventory.schema import REFERENCE, Key, Kind
from isoforge.templates import quoted

MARK = "<!-- The rest of this page is generated from isoforge/fleet/inventory/schema.py. -->"
"""The page above this line is written by hand."""


def markdown() -> str:
    """A table of keys for each part of the inventory, in Markdown."""
    sections: dict[str, list[Key]] = {}
    for key in REFERENCE:
        first, _, rest = key.name.partition(".")
        section = f"network.{rest.partition('.')[0]}" if first == "network" and rest else first.removesuffix("[]")
        sections.setdefault(section, []).append(key)
    single = [keys[0] for keys in sections.values() if len(keys) == 1]
    parts = [_section("Single keys", single)]
    parts += [_section(f"`{name}`", keys) for name, keys in sections.items() if len(keys) > 1]
    return "\n".join(parts)


def _section(title: str, keys: list[Key]) -> str:
    lines = [f"## {title}", "", "| key | type | default | meaning |", "|---|---|---|---|"]
    return "\n".join([*lines, *(_row(key) for key in keys), ""])


def _row(key: Key) -> str:
    default = "" if key.default in (None, "", []) else f"`{quoted(key.default)}`"
    cells = (f"`{key.name}`", "; ".join(_takes(key)), default, key.meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _takes(key: Key) -> Iterator[str]:
    if key.choices:
        yield ", ".join(f"`{choice}`" for choice in key.choices)
    else:
        yield key.kind.value
    if key.form and key.kind is not Kind.MAPPING:
        yield key.form
    if key.required:
        yield "required"
    if key.secret:
        yield "secret"
