"""Who asks for help does not wait: what a verb needs is imported when the verb runs."""

from __future__ import annotations

import sys

from isoforge.run import run

HEAVY = ("yaml", "jinja2", "sh", "jsonschema", "rich", "pyte", "qemu", "asyncio", "concurrent.futures")

LOOK = """
import sys
sys.argv = ["isoforge", *{words!r}]
from isoforge.cli.main import main
try:
    main()
except SystemExit as end:
    assert end.code in (0, None), end.code
print("imported:", *sorted(sys.modules))
"""


def imported(*words: str) -> set[str]:
    """The modules that a fresh interpreter has after isoforge ran with ``words``."""
    told = run(sys.executable, "-c", LOOK.format(words=words))
    assert "Usage" in told or "isoforge" in told
    return set(told.rpartition("imported:")[2].split())


def test_help_needs_nothing_heavy() -> None:
    assert imported("--help") & {*HEAVY} == set()
    assert "isoforge.forge" not in imported("multi", "--help")
