"""No file of the project has the marks of a merge that was not finished."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MARK = re.compile(rb"^(?:<{7}|>{7}|\|{7})(?: |\r?$)", re.MULTILINE)
UNTRACKED = re.compile(
    r"__pycache__|generated|inventory-local|files|build|dist|\.(?:git|venv|cache|hypothesis|.+_cache)"
)
"""Names of folders that .gitignore lists, and of the repository itself."""


def tracked() -> Iterator[Path]:
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if not UNTRACKED.fullmatch(name) and not name.endswith(".egg-info")]
        yield from (Path(folder, name) for name in names if not name.endswith(".iso"))


def test_no_file_has_a_conflict_marker() -> None:
    files = [file for file in tracked() if file.is_file()]
    assert {ROOT / "Makefile", Path(__file__)} <= set(files)
    assert [str(file) for file in files if MARK.search(file.read_bytes())] == []


@pytest.mark.parametrize("mark", ["<" * 7 + " main", ">" * 7 + " branch", "|" * 7 + " base", "<" * 7])
def test_a_marker_is_recognized_at_the_beginning_of_a_line(mark: str) -> None:
    assert MARK.search(f"a\n{mark}\nb\n".encode())
    assert not MARK.search(f"a {mark}\n".encode())
