"""Progress of a long verb: a bar on a terminal, a line every few seconds in the log, events for programs."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from isoforge.cli import logs

if TYPE_CHECKING:
    from isoforge.forge import Step

log = logging.getLogger("isoforge.progress")

WINDOW_S = 10.0
"""Seconds over which a rate is measured: long enough to be calm, short enough to follow a slow disk."""

LINE_S, EVENT_S = 5.0, 1.0
"""The least time between two lines of the same phase in the log, and between two events, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseState:
    """The state of a phase: ``done`` of ``total`` in its unit (0 of 0: not counted), ``rate`` a second, ``eta_s``."""

    phase: str
    done: int
    total: int
    rate: float | None = None
    eta_s: float | None = None
    counted: str = ""

    @property
    def figures(self) -> str:
        """Percentage, rate and time left, as far as they are known; of counted things how many are done."""
        if not self.total:
            return ""
        parts = [f"{self.done / self.total:.0%}"]
        if self.counted:
            parts.append(f"{self.done} of {self.total} {self.counted}")
        elif self.rate is not None:
            parts.append(f"{self.rate / (1 << 20):.1f} MiB/s")
        if self.eta_s is not None:
            parts.append(f"{clock(self.eta_s)} left")
        return ", ".join(parts)

    def __str__(self) -> str:
        return f"{self.phase}: {self.figures}" if self.total else self.phase


def clock(seconds: float) -> str:
    """``seconds`` as minutes and seconds, with hours where there are any."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


@dataclass(slots=True)
class Rates:
    """The rate of each phase, from what was done in the last seconds."""

    samples: dict[str, deque[tuple[float, int]]] = field(default_factory=dict)

    def state(self, phase: str, done: int, total: int, now: float, *, counted: str = "") -> PhaseState:
        """The state of ``phase`` at the time ``now`` (seconds of any clock) with ``done`` of ``total``."""
        samples = self.samples.setdefault(phase, deque())
        if samples and done < samples[-1][1]:
            samples.clear()
        samples.append((now, done))
        while len(samples) > 2 and now - samples[1][0] >= WINDOW_S:  # one older than the window stays: a rate takes two
            samples.popleft()
        then, before = samples[0]
        passed = now - then
        rate = (done - before) / passed if total and passed > 0 and done > before else None
        eta_s = (total - done) / rate if rate and done < total else None
        return PhaseState(phase=phase, done=done, total=total, rate=rate, eta_s=eta_s, counted=counted)


class Progress:
    """Receives the progress of a verb, from any thread, and reports it. See `progress_bar`."""

    def __init__(
        self, show: Callable[[PhaseState | str], object], clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._show = show
        self._clock_s = clock_s
        self._rates = Rates()
        self._last: dict[float, tuple[str, float]] = {}
        self._whole = ""
        self._lock = threading.Lock()

    def __call__(self, step: Step) -> None:
        """Receive a step of a build."""
        self.step(step.phase, step.done, step.total)

    def step(self, phase: str, done: int = 0, total: int = 0, *, counted: str = "") -> None:
        """Receive that ``done`` of ``total`` of a phase are done: bytes, or things that ``counted`` names."""
        with self._lock:
            now = self._clock_s()
            state = self._rates.state(phase, done, total, now, counted=counted)
            self._show(state)
            if self._is_due(state, LINE_S, now):
                log.info("%s", state)
            if self._is_due(state, EVENT_S, now) or self._is_whole(state):
                facts = {"phase": phase, "done": done, "total": total, "rate": state.rate, "eta_s": state.eta_s}
                logs.event("progress", **{key: _rounded(value) for key, value in facts.items()})

    def reading(self, *isos: Path) -> Callable[[float], object]:
        """A listener for the share (0 to 1) of ``isos`` that has been read."""
        total = sum(iso.stat().st_size for iso in isos if iso.is_file())
        return lambda share: self.step("reading", round(share * total), total)

    def note(self, text: str) -> None:
        """Report an interim result: above the bar, and in the log."""
        self._show(text)
        log.info("%s", text)

    def _is_due(self, state: PhaseState, every_s: float, now: float) -> bool:
        phase, before = self._last.get(every_s, ("", 0.0))
        due = state.phase != phase or now - before >= every_s
        if due:
            self._last[every_s] = (state.phase, now)
        return due

    def _is_whole(self, state: PhaseState) -> bool:
        """Whether the phase has just ended, which is reported at once, and once."""
        whole = bool(state.total) and state.done == state.total and state.phase != self._whole
        if whole:
            self._whole = state.phase
        return whole


def _rounded(value: object) -> object:
    return round(value, 1) if isinstance(value, float) else value


@contextlib.contextmanager
def progress_bar() -> Iterator[Progress]:
    """A `Progress` for one verb, with a bar while the block runs if stderr is a terminal that can show one."""
    quiet = logs.is_json() or logs.is_verbose() or os.environ.get("TERM", "dumb") == "dumb"
    if quiet or not sys.stderr.isatty():
        yield Progress(lambda _state: None)
        return
    with _bar() as show:
        yield Progress(show)


@contextlib.contextmanager
def _bar() -> Iterator[Callable[[PhaseState | str], object]]:
    """A line at the foot of the terminal that is gone when the block is left; other messages go above it."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    phase = TextColumn("{task.description}", markup=False)
    figures = TextColumn("{task.fields[figures]}", markup=False)
    terminal = Console(stderr=True)
    columns = (phase, BarColumn(bar_width=None), figures)
    with Bar(*columns, console=terminal, expand=True, transient=True, redirect_stdout=False) as bar:

        def show(state: PhaseState | str) -> None:
            if isinstance(state, str):
                bar.console.print(state, markup=False, highlight=False)
                return
            if [task.description for task in bar.tasks] != [state.phase]:
                for task in bar.task_ids:
                    bar.remove_task(task)
                bar.add_task(state.phase, total=state.total or None, figures="")
            bar.update(bar.task_ids[0], completed=state.done, figures=state.figures)

        yield show
