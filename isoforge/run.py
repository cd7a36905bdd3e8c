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
from isoforge.masking.text import mask, mask_certain
from isoforge.packages import install_hint
from isoforge.signals import hold_signals

log = logging.getLogger(__name__)

TAIL_LINES = 12
"""How many of the last lines of a failed program's stderr the error contains."""

PR_SET_PDEATHSIG = 1
"""The option of prctl(2) that has the kernel signal a process when the thread that started it ends."""


class ExitError(ToolError):
    """A program ended with another status than 0; ``output`` is the end of its stderr."""

    def __init__(self, message: str, *, output: str) -> None:
        super().__init__(message)
        self.output = output


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The whole environment of a child: PATH, HOME and TMPDIR, an English locale, UTC, and ``extra``.

    SOURCE_DATE_EPOCH and user settings stay outside, so that the same call gives the same bytes everywhere.
    """
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return {"PATH": os.defpath, **inherited, "LC_ALL": "C.UTF-8", "TZ": "UTC", **(extra or {})}


def command(program: str) -> sh.Command:
    """The program of that name or path; ``ToolError`` with an install hint if there is none."""
    try:
        return sh.Command(program)
    except sh.CommandNotFound as missing:
        raise ToolError(f"{program} is not installed", hint=install_hint(Path(program).name)) from missing


def run(
    program: str,
    *args: str | os.PathLike[str],
    stdin: str | bytes = "",
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    on_line: Callable[[str], object] | None = None,
    error_pattern: re.Pattern[str] | None = None,
    heartbeat: Callable[[], object] | None = None,
    stall_timeout_s: float = 0,
    log_output: bool = True,
) -> str:
    """Run ``program`` to its end and return its stdout.

    ``stdin`` is all its input; ``env`` is added to `environment`; ``on_line`` is called with each line of stderr as it
    comes; ``error_pattern`` finds the lines of stderr that an error reports (the last ones without a match). Arguments
    are visible to every user of the machine: a secret goes through ``stdin``. The program counts as hanging, and is
    killed, when ``heartbeat`` returns the same value for ``stall_timeout_s`` seconds. ``log_output`` is False for a
    program whose stderr may contain secrets.

    Raises ``ExitError`` if the program exits with a status other than 0, ``ToolError`` if it is missing or hangs.
    Whatever ends this call, an exception or a signal included, the child has ended before it.
    """
    with (
        running(program, *args, stdin=stdin, cwd=cwd, env=env, on_line=on_line, log_output=log_output) as child,
        killed_when_stalled(child, heartbeat, stall_timeout_s) as stalled,
    ):
        try:
            child.wait()
        except sh.ErrorReturnCode as failure:
            name = Path(program).name
            if stalled.is_set():
                raise ToolError(f"{name} made no progress for {stall_timeout_s:g} s and was killed") from None
            raise exit_error(name, failure, error_pattern) from None
        return str(child.stdout.decode("utf-8", errors="replace"))


@contextlib.contextmanager
def running(
    program: str,
    *args: str | os.PathLike[str],
    stdin: str | bytes = "",
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    on_line: Callable[[str], object] | None = None,
    log_output: bool = True,
) -> Iterator[sh.RunningCommand]:
    """Start ``program`` and yield it while it runs; it is killed when the block is left, however it is left.

    The arguments are those of `run`. Even SIGKILL for this process ends the child. The thread that enters the block
    has to leave it.
    """
    words = [os.fspath(arg) for arg in args]
    log.debug("running: %s", shlex.join([program, *words]))

    def on_stderr(line: str) -> None:
        if log_output and log.isEnabledFor(logging.DEBUG):
            log.debug("%s: %s", Path(program).name, mask(line.rstrip()))
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
            _err=on_stderr,
            _tee="err",
            _tty_out=False,
            _decode_errors="replace",
            _bg=True,
            _bg_exc=False,
            _return_cmd=True,
            _truncate_exc=False,
            _preexec_fn=die_with_parent(os.getpid()),
        )
        try:
            release()
            yield child
        finally:
            release = hold_signals()
            stop(child)
    finally:
        release()


def die_with_parent(parent: int) -> Callable[[], None]:
    """A function for the child to call before exec, so that SIGKILL for the process ``parent`` ends the child too."""
    import ctypes

    prctl = ctypes.CDLL(None).prctl

    def bind() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent ended before the call
            os._exit(1)

    return bind


@contextlib.contextmanager
def killed_when_stalled(
    child: sh.RunningCommand, heartbeat: Callable[[], object] | None, stall_timeout_s: float
) -> Iterator[threading.Event]:
    """Kill ``child`` when ``heartbeat`` returns the same for ``stall_timeout_s`` seconds; the event is set then."""
    ended, stalled = threading.Event(), threading.Event()
    if heartbeat is None:
        yield stalled
        return
    interval_s = min(1.0, stall_timeout_s / 10)

    def watch() -> None:
        before, still_s = heartbeat(), 0.0
        while still_s < stall_timeout_s:
            if ended.wait(interval_s):
                return
            # Counted, not read from a clock: time in which this whole program was stopped does not count.
            now = heartbeat()
            still_s = still_s + interval_s if now == before else 0.0
            before = now
        stalled.set()
        with contextlib.suppress(ProcessLookupError):
            child.kill()

    threading.Thread(target=watch, name="watch", daemon=True).start()
    try:
        yield stalled
    finally:
        ended.set()


def stop(child: sh.RunningCommand) -> None:
    """End ``child`` if it still runs, and reap it.

    By SIGKILL: its output is thrown away anyway, and xorriso needs two seconds to end after a SIGTERM (1.5.4), which
    would delay Ctrl-C.
    """
    if not child.is_alive():
        return
    with contextlib.suppress(ProcessLookupError):
        child.kill()
    with contextlib.suppress(sh.ErrorReturnCode):
        child.wait()


def exit_error(name: str, failure: sh.ErrorReturnCode, error_pattern: re.Pattern[str] | None = None) -> ExitError:
    """The error for the program ``name`` that failed: its exit status or signal, and the end of its stderr."""
    code = failure.exit_code
    ending = f"exited with status {code}" if code > 0 else f"was killed by signal {-code}"
    output = [line.strip() for line in failure.stderr.decode("utf-8", errors="replace").splitlines() if line.strip()]
    errors = [line for line in output if error_pattern and error_pattern.search(line)]
    tail = "\n".join((errors or output)[-TAIL_LINES:])
    return ExitError(f"{name} {ending}: {mask_certain(tail)}" if tail else f"{name} {ending} (no output)", output=tail)
