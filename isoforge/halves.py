"""Work on a long list shared with a second process: what Python computes uses one processor alone."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import warnings
from collections.abc import Callable, Sequence
from typing import TypeVar

from isoforge.signals import TERMINATING, die_with_parent, hold_signals

T = TypeVar("T")
R = TypeVar("R")


def in_halves(work: Callable[[Sequence[T]], R], items: Sequence[T], *, least: int | None) -> list[R]:
    """What ``work`` returns for the first half of ``items`` and, in a second process, for the rest; in that order.

    With fewer than ``least`` items (None: always), or only one processor, it is one result for all of them. ``work``
    must not write anything, nor rely on what it has changed: the second process is a copy of this one (fork), and only
    its result comes back, as a pickle. Open files are the same in both: ``work`` reads them with pread. If it fails
    there for any reason, the half is done again in this process, where an exception has its place. The second process
    never outlives this function, nor this process.
    """
    if least is None or len(items) < least or len(os.sched_getaffinity(0)) == 1:
        return [work(items)]
    middle = len(items) // 2
    release = hold_signals()
    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        parent, process = os.getpid(), _fork()
        if process == 0:
            _work_and_end(work, items[middle:], writing, parent)
        os.close(writing)
        try:
            release()
            with os.fdopen(reading, "rb", closefd=False) as pipe:
                first = work(items[:middle])
                try:
                    second = pickle.load(pipe)  # noqa: S301  of our own child
                except (EOFError, pickle.UnpicklingError):
                    second = None
        finally:
            release = hold_signals()
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            os.close(reading)
    finally:
        release()
    return [first, work(items[middle:]) if second is None else second]


def _fork() -> int:
    with warnings.catch_warnings():  # of other threads, whose locks the child could wait for: it only computes
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _work_and_end(work: Callable[[Sequence[T]], R], items: Sequence[T], writing: int, parent: int) -> None:
    """What the second process does: it ends without anything that this one has yet to do at its end."""
    status = 1
    with contextlib.suppress(BaseException):
        die_with_parent(parent)()
        for number in TERMINATING:
            signal.signal(number, signal.SIG_DFL)
        result = pickle.dumps(work(items), protocol=pickle.HIGHEST_PROTOCOL)
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(result)
        status = 0
    os._exit(status)
