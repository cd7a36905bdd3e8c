"""Signals held back while an operation must not be interrupted."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

TERMINATING = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
"""The signals that end isoforge, and with it its children."""


PR_SET_PDEATHSIG = 1
"""The option of prctl(2) that has the kernel signal a process when the thread that started it ends."""


def hold_signals() -> Callable[[], None]:
    """Hold `TERMINATING` signals back until the returned function is called; only the main thread can, and needs to.

    Masking would not do: the kernel hands the signal to any thread that does not mask it, and Python then raises in
    the main thread all the same (Python library reference, signal).
    """
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    pending: list[int] = []
    before = {number: signal.signal(number, lambda number, _frame: pending.append(number)) for number in TERMINATING}

    def release() -> None:
        while before:
            signal.signal(*before.popitem())
        while pending:
            signal.raise_signal(pending.pop())

    return release


def die_with_parent(parent: int) -> Callable[[], None]:
    """A function for the child to call before exec, so that SIGKILL for the process ``parent`` ends the child too."""
    import ctypes

    prctl = ctypes.CDLL(None).prctl

    def bind() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent ended before the call
            os._exit(1)

    return bind
