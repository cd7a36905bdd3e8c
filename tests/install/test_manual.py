"""The manual page is one that man shows without a complaint."""

from __future__ import annotations

from typing import Any

import sh

from isoforge.run import run
from tests.conftest import ROOT

PAGE = ROOT / "docs/isoforge.1"

NO_DATE = 'WARNING: missing date, using "": TH'
"""A page that is the same whenever it is made has none."""


def test_page_has_no_fault_of_style() -> None:
    mandoc: Any = sh.Command("mandoc")
    ran = mandoc("-T", "lint", str(PAGE), _ok_code=[0, 1, 2], _tty_out=False, _return_cmd=True)
    assert [line for line in ran.stdout.decode().splitlines() if not line.endswith(NO_DATE)] == []


def test_page_shows_options_as_they_are_typed() -> None:
    shown = run("mandoc", "-T", "ascii", PAGE)
    plain = "".join(
        char for number, char in enumerate(shown) if char != "\b" and shown[number + 1 : number + 2] != "\b"
    )
    assert "isoforge multi [OPTION]..." in plain
    assert "--ubuntu-iso PATH" in plain
    assert "EXIT STATUS" in plain
