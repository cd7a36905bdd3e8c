"""The one door through which other programs are started (sh)."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shlex
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import sh

from isoforge.errors import ToolError
from isoforge.packages import cure

log = logging.getLogger(__name__)

LAST_WORDS = 12
"""How many of a failed program's last lines on stderr travel in the error."""

PR_SET_PDEATHSIG = 1
"""The option of prctl(2) that has the kernel signal a process when the thread that started it ends."""

ENDING = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
"""The signals that end a program of ours, and with it its children."""


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The whole environment of a child: where programs lie, plain English, UTC, and ``extra``.

    SOURCE_DATE_EPOCH and user settings stay outside, so that the same call gives the same bytes everywhere.
    """
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return {"PATH": os.defpath, **kept, "LC_ALL": "C.UTF-8", "TZ": "UTC", **(extra or {})}


def command(program: str) -> sh.Command:
    """The program of that name or path; ``ToolError`` with the cure if it is not on this machine."""
    try:
        return sh.Command(program)
    except sh.CommandNotFound as missing:
        raise ToolError(
            f"{program} is not on this machine",
            hint=cure(Path(program).name),
        ) from missing


def run(
    program: str,
    *args: str | os.PathLike[str],
    stdin: str | bytes = "",
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    on_line: Callable[[str], object] | None = None,
    complaint: re.Pattern[str] | None = None,
    moved: Callable[[], object] | None = None,
    patience_s: float = 0,
    discreet: bool = False,
) -> str:
    """Run ``program`` to its end and return what it wrote to stdout.

    ``stdin`` is all it gets to read; ``env`` is added to `environment`; ``on_line`` is called with each line of
    stderr as it comes; ``complaint`` finds the lines of it that tell why a wordy program failed. Arguments are visible
    to every user of the machine: a secret goes through ``stdin``. If ``moved`` gives the same for ``patience_s``
    seconds, the program hangs and is killed. ``discreet``: what it says may hold secrets and is not logged.

    Raises ``ToolError`` with the program's last words if it is missing, hangs, or gives anything but 0. Whatever ends
    this call, an exception or a signal included, the child has ended before it.
    """
    with (
        running(program, *args, stdin=stdin, cwd=cwd, env=env, on_line=on_line, discreet=discreet) as child,
        watched(child, moved, patience_s) as given_up,
    ):
        try:
            child.wait()
        except sh.ErrorReturnCode as failure:
            if given_up.is_set():
                name = Path(program).name
                raise ToolError(f"{name} did not move for {patience_s:g} s and was stopped") from None
            code = failure.exit_code
            how = f"gave {code}" if code > 0 else f"was killed by signal {-code}"
            raise ToolError(f"{Path(program).name} {how}: {last_words(failure, complaint)}") from None
        return str(child.stdout.decode("utf-8", errors="replace"))


@contextlib.contextmanager
def running(
    program: str,
    *args: str | os.PathLike[str],
    stdin: str | bytes = "",
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    on_line: Callable[[str], object] | None = None,
    discreet: bool = False,
) -> Iterator[sh.RunningCommand]:
    """Start ``program`` and hand it out while it runs; it is stopped when the block is left, however it is left.

    Even a kill of this process takes the child along. The thread that enters the block has to leave it.
    """
    words = [os.fspath(arg) for arg in args]
    log.debug("running: %s", shlex.join([program, *words]))

    def hear(line: str) -> None:
        if not discreet:
            log.debug("%s: %s", Path(program).name, line.rstrip())
        if on_line is not None:
            on_line(line)

    start: Any = command(program)
    release = hold_signals()  # one that came between the start and `try` would leave the child behind
    try:
        child = start(
            *words,
            _in=stdin,
            _cwd=None if cwd is None else os.fspath(cwd),
            _env=environment(env),
            _err=hear,
            _tee="err",
            _tty_out=False,
            _decode_errors="replace",
            _bg=True,
            _bg_exc=False,
            _return_cmd=True,
            _truncate_exc=False,
            _preexec_fn=dying_with(os.getpid()),
        )
        try:
            release()
            yield child
        finally:
            release = hold_signals()
            stop(child)
    finally:
        release()


def dying_with(parent: int) -> Callable[[], None]:
    """What a child does before it becomes another program, so that SIGKILL for the process ``parent`` ends it too."""
    import ctypes

    prctl = ctypes.CDLL(None).prctl

    def bind() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it had ended before it could be watched
            os._exit(1)

    return bind


@contextlib.contextmanager
def watched(
    child: sh.RunningCommand, moved: Callable[[], object] | None, patience_s: float
) -> Iterator[threading.Event]:
    """Kill ``child`` if ``moved`` gives the same for ``patience_s`` seconds in the block, and tell it by the event."""
    ended, given_up = threading.Event(), threading.Event()
    if moved is None:
        yield given_up
        return
    interval_s = min(1.0, patience_s / 10)

    def watch() -> None:
        before, still_s = moved(), 0.0
        while still_s < patience_s:
            if ended.wait(interval_s):
                return
            # Counted, not read from a clock: time in which this whole program was stopped does not count.
            now = moved()
            still_s = still_s + interval_s if now == before else 0.0
            before = now
        given_up.set()
        with contextlib.suppress(ProcessLookupError):
            child.kill()

    threading.Thread(target=watch, name="watch", daemon=True).start()
    try:
        yield given_up
    finally:
        ended.set()


def hold_signals() -> Callable[[], None]:
    """Keep `ENDING` signals back until the returned function is called; only the main thread can, and needs to.

    Masking would not do: the kernel hands the signal to any thread that does not mask it, and Python then raises in
    the main thread all the same (Python library reference, signal).
    """
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    came: list[int] = []
    before = {number: signal.signal(number, lambda number, _frame: came.append(number)) for number in ENDING}

    def release() -> None:
        while before:
            signal.signal(*before.popitem())
        while came:
            signal.raise_signal(came.pop())

    return release


def stop(child: sh.RunningCommand) -> None:
    """End ``child`` if it still runs, and reap it.

    By SIGKILL: what it has written so far is thrown away, and xorriso takes two seconds over a SIGTERM (1.5.4), while
    who presses Ctrl-C waits.
    """
    if not child.is_alive():
        return
    with contextlib.suppress(ProcessLookupError):
        child.kill()
    with contextlib.suppress(sh.ErrorReturnCode):
        child.wait()


def last_words(failure: sh.ErrorReturnCode, complaint: re.Pattern[str] | None = None) -> str:
    """What a failed program had to say: the last lines of its stderr, those with a ``complaint`` if there are any."""
    lines = failure.stderr.decode("utf-8", errors="replace").splitlines()
    said = [line.strip() for line in lines if line.strip()]
    complaints = [line for line in said if complaint and complaint.search(line)]
    return "\n".join((complaints or said)[-LAST_WORDS:]) or "it said nothing"
