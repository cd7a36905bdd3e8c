"""The page about the inventory says what the code does."""

from __future__ import annotations

from isoforge.fleet.inventory.reference import MARK, markdown
from isoforge.fleet.inventory.schema import REFERENCE
from tests.unit.fleet.conftest import ROOT

PAGE = ROOT / "docs" / "inventory.md"


def test_the_page_has_the_tables_of_today() -> None:
    _, _, tables = PAGE.read_text(encoding="utf-8").partition(f"{MARK}\n\n")
    assert tables == markdown()


def test_every_key_is_in_a_table_once() -> None:
    text = markdown()
    assert [key.name for key in REFERENCE if text.count(f"| `{key.name}` |") != 1] == []
