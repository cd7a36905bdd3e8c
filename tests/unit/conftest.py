"""Unit tests start no programs."""

from __future__ import annotations

from typing import NoReturn

import pytest
import sh


@pytest.fixture(autouse=True)
def _no_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(program: str, *_: object) -> NoReturn:
        pytest.fail(f"a unit test started a program: {program}")

    monkeypatch.setattr(sh, "Command", refuse)
