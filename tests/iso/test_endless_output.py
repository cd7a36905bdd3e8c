"""Programs that write without end are killed, with what they have started."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from isoforge.errors import ToolError
from isoforge.run import run
from tests.iso.conftest import Cli

LIMITS = {"stdout": "more than 16 MiB to stdout", "stderr": "more than 4 MiB to stderr"}


@pytest.mark.parametrize("stream", LIMITS)
@pytest.mark.parametrize("script", ["yes {to}", "exec cat /dev/zero {to}", "yes {to} & sleep 600"])
def test_a_child_that_writes_without_end_is_killed(script: str, stream: str) -> None:
    to = ">&2" if stream == "stderr" else ""
    with pytest.raises(ToolError, match=f"^sh wrote {LIMITS[stream]} and was killed$"):
        run("sh", "-c", script.format(to=to))


def test_a_build_with_an_endless_xorriso_ends_with_one_line_and_6(cli: Cli, fleet: Path, noble: Path) -> None:
    folder = fleet / "bin"
    folder.mkdir()
    (folder / "xorriso").write_text("#!/bin/sh\nyes 'xorriso : UPDATE : 1% done' >&2\n")
    (folder / "xorriso").chmod(0o755)
    build = ("multi", "--host", "site-a-m710q1", "--ubuntu-iso", noble, "--name", "n", "--render")
    outcome = cli(*build, PATH=f"{folder}:{os.environ['PATH']}")
    assert outcome.code == 6
    assert [line for line in outcome.err.splitlines() if line.startswith("error: ")] == [
        "error: xorriso wrote more than 4 MiB to stderr and was killed"
    ]
