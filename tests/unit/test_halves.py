"""Work that is shared with a second process: the same results in the same order, and nothing is left of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

import pytest

from isoforge.halves import in_halves

NUMBERS = tuple(range(11))


@pytest.fixture(autouse=True)
def two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("isoforge.halves.os.sched_getaffinity", lambda _: {0, 1})


def with_process(some: Sequence[int]) -> tuple[int, list[int]]:
    return os.getpid(), [number * number for number in some]


def children() -> bool:
    """Whether this process has any: a child that has ended counts until it was waited for."""
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return False
    return True


def test_the_second_half_is_done_by_another_process() -> None:
    (mine, first), (other, second) = in_halves(with_process, NUMBERS, least=2)
    assert first + second == [number * number for number in NUMBERS]
    assert mine == os.getpid() != other
    assert not children()


@pytest.mark.parametrize("least", [None, 12])
def test_little_work_is_not_shared(least: int | None) -> None:
    assert in_halves(with_process, NUMBERS, least=least) == [with_process(NUMBERS)]


def test_with_one_processor_nothing_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("isoforge.halves.os.sched_getaffinity", lambda _: {0})
    assert in_halves(with_process, NUMBERS, least=2) == [with_process(NUMBERS)]


@pytest.mark.parametrize("how", ["raises", "is killed", "exits", "returns what cannot be sent"])
def test_a_second_process_that_fails_is_made_up_for(how: str) -> None:
    here = os.getpid()

    def work(some: Sequence[int]) -> object:
        if os.getpid() == here:
            return list(some)
        if how == "raises":
            raise ValueError
        if how == "is killed":
            os.kill(os.getpid(), signal.SIGKILL)
        return os._exit(0) if how == "exits" else (lambda: None)

    assert in_halves(work, NUMBERS, least=2) == [list(NUMBERS[:5]), list(NUMBERS[5:])]
    assert not children()


def test_an_error_of_the_second_half_is_raised_here() -> None:
    def work(some: Sequence[int]) -> None:
        if 10 in some:
            raise ValueError("ten")

    with pytest.raises(ValueError, match="ten"):
        in_halves(work, NUMBERS, least=2)
    assert not children()


def test_an_error_of_the_first_half_ends_the_second_process() -> None:
    here = os.getpid()

    def work(_: Sequence[int]) -> None:
        if os.getpid() == here:
            raise KeyboardInterrupt
        signal.pause()

    with pytest.raises(KeyboardInterrupt):
        in_halves(work, NUMBERS, least=2)
    assert not children()


def test_large_results_arrive_whole() -> None:
    first, second = in_halves(lambda some: bytes(3_000_000) + bytes(some), NUMBERS, least=2)
    assert (first[-1], second[-1], len(first + second)) == (4, 10, 6_000_011)
