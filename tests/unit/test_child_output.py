"""The output of a child, written here into the same pipes."""

from __future__ import annotations

import contextlib
import os
import threading

import pytest

from isoforge import child_output
from isoforge.child_output import MOST_STDERR, MOST_STDOUT, ChildOutput


def test_lines_of_stderr_come_as_they_are_written_and_the_last_one_without_its_newline() -> None:
    lines: list[str] = []
    output = ChildOutput(on_line=lines.append, on_excess=pytest.fail)
    with output.pipes() as (stdout, stderr):
        os.write(stdout, b"to stdout")
        os.write(stderr, "one\ntwo: ü\nthr".encode())
        os.write(stderr, b"ee")
    output.finish()
    assert lines == ["one\n", "two: ü\n", "three"]
    assert (output.stdout, output.stderr) == (b"to stdout", "one\ntwo: ü\nthree".encode())
    assert output.excess == ""


@pytest.mark.parametrize(("stream", "limit"), [("stdout", MOST_STDOUT), ("stderr", MOST_STDERR)])
def test_output_without_end_is_cut_short_and_its_writer_learns_of_it(stream: str, limit: int) -> None:
    ended = threading.Event()
    output = ChildOutput(on_line=lambda _line: None, on_excess=ended.set)
    with output.pipes() as (stdout, stderr):
        writing = os.dup(stdout if stream == "stdout" else stderr)
    with contextlib.suppress(BrokenPipeError):
        while True:
            os.write(writing, b"\0" * 65536)
    os.close(writing)
    assert ended.wait(60)
    assert output.excess == f"more than {limit >> 20} MiB to {stream}"
    assert len(output.stdout) + len(output.stderr) <= limit + 65536


def test_a_program_that_outlives_the_child_does_not_hold_it_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_output, "LINGER_S", 0.01)
    output = ChildOutput(on_line=lambda _line: None, on_excess=pytest.fail)
    with output.pipes() as (stdout, _):
        os.write(stdout, b"all of it")
        held = os.dup(stdout)
    while not output.stdout:
        pass
    output.finish()
    assert output.stdout == b"all of it"
    os.close(held)
