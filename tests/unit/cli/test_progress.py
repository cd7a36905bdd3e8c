"""How far something is, in numbers, and how a table fits a terminal."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from isoforge.cli import logs
from isoforge.cli.progress import PhaseState, Progress, Rates, clock
from isoforge.cli.tables import needed
from isoforge.errors import OutputError
from isoforge.forge import Step

MIB = 1 << 20


@pytest.fixture(autouse=True)
def _story() -> Iterator[None]:
    """isoforge's own handlers, gone again after the test."""
    logger = logging.getLogger("isoforge")
    before, level = list(logger.handlers), logger.level
    logs.reset()
    yield
    logs.reset()
    logger.handlers[:], logger.level = before, level
    logger.setLevel(level)


def test_rate_and_time_left_follow_the_last_seconds() -> None:
    rates = Rates()
    assert rates.state("writing", 0, 100 * MIB, 0.0).rate is None
    assert rates.state("writing", 10 * MIB, 100 * MIB, 1.0).rate == 10 * MIB
    for second in range(2, 30):
        state = rates.state("writing", (10 + second - 1) * MIB, 100 * MIB, float(second))
    assert state.rate == MIB
    assert state.eta_s == 62
    assert str(state) == "writing: 38%, 1.0 MiB/s, 1:02 left"


def test_a_phase_that_does_not_move_has_neither_rate_nor_time_left() -> None:
    rates = Rates()
    rates.state("writing", 5, 10, 0.0)
    assert rates.state("writing", 5, 10, 3.0) == PhaseState(phase="writing", done=5, total=10)


def test_a_phase_has_a_rate_of_its_own() -> None:
    rates = Rates()
    rates.state("reading", 90 * MIB, 100 * MIB, 9.0)
    assert rates.state("writing", 0, 100 * MIB, 10.0).rate is None


def test_a_phase_that_is_not_counted_is_its_name() -> None:
    assert str(Rates().state("reading the inventory", 0, 0, 1.0)) == "reading the inventory"


def test_a_phase_that_is_over_has_no_time_left() -> None:
    rates = Rates()
    rates.state("writing", 0, MIB, 0.0)
    assert str(rates.state("writing", MIB, MIB, 1.0)) == "writing: 100%, 1.0 MiB/s"


def test_counted_things_are_told_by_number() -> None:
    rates = Rates()
    rates.state("booting", 0, 8, 0.0, counted="boots")
    assert str(rates.state("booting", 2, 8, 60.0, counted="boots")) == "booting: 25%, 2 of 8 boots, 3:00 left"


@pytest.mark.parametrize(("seconds", "words"), [(0.4, "0:00"), (59.6, "1:00"), (3600, "1:00:00"), (4321, "1:12:01")])
def test_times_are_told_as_on_a_clock(seconds: float, words: str) -> None:
    assert clock(seconds) == words


class Clock:
    """A clock that the test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_log_hears_a_phase_at_once_and_then_every_few_seconds(tmp_path: Path) -> None:
    logs.add_file(tmp_path / "log")
    at = Clock()
    progress = Progress(lambda _state: None, at)
    for second in range(12):
        at.now = float(second)
        progress(Step(phase="writing the ISO", done=second, total=100))
    progress(Step(phase="verifying the ISO"))
    lines = (tmp_path / "log").read_text().splitlines()
    assert [line.partition("Z ")[2].partition(",")[0] for line in lines] == [
        "writing the ISO: 0%", "writing the ISO: 5%", "writing the ISO: 10%", "verifying the ISO",
    ]  # fmt: skip


def test_events_come_every_second_and_at_the_end_of_a_phase(capsys: pytest.CaptureFixture[str]) -> None:
    logs.use_json()
    at = Clock()
    progress = Progress(lambda _state: None, at)
    for tenth in range(26):
        at.now = tenth / 10
        progress.step("writing the ISO", min(tenth, 25), 25)
    progress.step("writing the ISO", 25, 25)
    events = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [event["done"] for event in events] == [0, 10, 20, 25]
    assert events[1] == {
        "schema_version": 1, "event": "progress", "phase": "writing the ISO",
        "done": 10, "total": 25, "rate": 10.0, "eta_s": 1.5,
    }  # fmt: skip


def test_warnings_are_words_for_people_and_events_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("isoforge.somewhere")
    log.warning("a\nb")
    log.info("quiet")
    logs.use_json()
    log.warning("a\nb")
    log.info("quiet")
    assert capsys.readouterr().err == 'a\\nb\n{"schema_version": 1, "event": "warning", "message": "a\\nb"}\n'


def test_log_file_is_the_owners_alone_and_is_added_to(tmp_path: Path) -> None:
    file = tmp_path / "log"
    for words in ("first", "second"):
        logs.reset()
        logs.add_file(file)
        logging.getLogger("isoforge.x").debug(words)
    assert file.stat().st_mode & 0o777 == 0o600
    assert [line.split("Z ")[1] for line in file.read_text().splitlines()] == ["first", "second"]


def test_log_file_named_before_and_behind_the_verb_is_written_once(tmp_path: Path) -> None:
    for _ in range(2):
        logs.add_file(tmp_path / "log")
    logging.getLogger("isoforge.x").debug("once")
    assert len((tmp_path / "log").read_text().splitlines()) == 1


def test_log_file_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write log file"):
        logs.add_file(tmp_path)


@pytest.mark.parametrize("content", [b"\x00" * 100, b"{\n", b"all:\n  hosts:\n    web-1:\n"])
def test_file_that_is_no_log_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "prod.iso").write_bytes(content)
    with pytest.raises(OutputError, match="already exists and is not a log of isoforge"):
        logs.add_file(tmp_path / "prod.iso")
    assert (tmp_path / "prod.iso").read_bytes() == content


def test_pipe_that_nobody_reads_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError, match="the pipe has no reader"):
        logs.add_file(tmp_path / "pipe")


def test_full_disk_ends_the_log_and_not_the_build(capsys: pytest.CaptureFixture[str]) -> None:
    logs.add_file(Path("/dev/full"))
    for _ in range(3):
        logging.getLogger("isoforge.x").debug("words")
    assert capsys.readouterr().err.splitlines() == [
        "warning: log file /dev/full is incomplete from here on: [Errno 28] No space left on device"
    ]


def test_table_needs_room_for_its_words_but_not_for_digests() -> None:
    assert needed([("host", "SHA-256"), ("site-a-m710q1", "0" * 64)]) == 13 + 2 + 20
    assert needed([("key", "value"), ("a", "many short words")]) == 3 + 2 + 5
