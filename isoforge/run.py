"""The one door through which other programs are started (sh)."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shlex
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import sh

from isoforge.child_output import ChildOutput
from isoforge.errors import ToolError
from isoforge.masking.text import mask, mask_certain
from isoforge.ownership import find_program, search_path
from isoforge.packages import install_hint
from isoforge.signals import die_with_parent, hold_signals

log = logging.getLogger(__name__)

TAIL_LINES = 12
"""How many of the last lines of a failed program's stderr the error contains."""


class ExitError(ToolError):
    """A program ended with a ``status`` other than 0 (negative: a signal); ``output`` is the end of its stderr.

    If that has several lines without secrets, ``problems`` are these lines and ``summary`` is the message without them.
    """

    def __init__(self, ending: str, *, status: int, output: str) -> None:
        lines = mask_certain(output).splitlines()
        super().__init__("\n".join([f"{ending}: {lines[0]}", *lines[1:]]) if lines else f"{ending} (no output)")
        self.status = status
        self.output = output
        self.problems = tuple(lines) if len(lines) > 1 else ()
        self.summary = ending if self.problems else self.message


class Child:
    """A program that runs: its process and its output."""

    def __init__(self, name: str, process: sh.RunningCommand, output: ChildOutput) -> None:
        self._name, self._process, self._output = name, process, output

    @property
    def pid(self) -> int:
        """The number of its process."""
        return int(self._process.pid)

    def is_alive(self) -> bool:
        """Whether it still runs."""
        return bool(self._process.is_alive())

    def wait(self, timeout_s: float | None = None, *, error_pattern: re.Pattern[str] | None = None) -> str:
        """Wait until it has ended, and return its stdout.

        Raises ``TimeoutError`` if it still runs after ``timeout_s`` seconds, ``ExitError`` if it exits with a status
        other than 0, with the lines of stderr that `run` describes, ``ToolError`` if it wrote without end.
        """
        try:
            self._process.wait(timeout=timeout_s)
        except sh.TimeoutException:
            raise TimeoutError(f"{self._name} still runs after {timeout_s} s") from None
        except sh.ErrorReturnCode as failure:
            self._refuse_excess()
            raise _exit_error(self._name, failure.exit_code, self._output.stderr, error_pattern) from None
        self._refuse_excess()
        return self._output.stdout.decode("utf-8", errors="replace")

    def _refuse_excess(self) -> None:
        """Read the output to its end; ``ToolError`` if it has none."""
        self._output.finish()
        if self._output.excess:
            raise ToolError(f"{self._name} wrote {self._output.excess} and was killed")

    def kill(self) -> None:
        """End it at once, with the programs that it has started."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    def stop(self) -> None:
        """End it if it still runs, and reap it.

        By SIGKILL: its output is thrown away anyway, and xorriso needs two seconds to end after a SIGTERM (1.5.4),
        which would delay Ctrl-C.
        """
        if not self.is_alive():
            return
        self.kill()
        with contextlib.suppress(sh.ErrorReturnCode):
            self._process.wait()


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The whole environment of a child: PATH, HOME and TMPDIR, an English locale, UTC, and ``extra``.

    SOURCE_DATE_EPOCH and user settings stay outside, so that the same call gives the same bytes everywhere.
    """
    inherited = {name: os.environ[name] for name in ("HOME", "TMPDIR") if name in os.environ}
    return {"PATH": search_path(), **inherited, "LC_ALL": "C.UTF-8", "TZ": "UTC", **(extra or {})}


def command(program: str) -> sh.Command:
    """The program of that name or path; ``ToolError`` with an install hint if there is none.

    Root runs none from an entry of PATH that is relative or that every user can write to.
    """
    try:
        return sh.Command(find_program(program) or program)
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

    Raises ``ExitError`` if the program exits with a status other than 0, ``ToolError`` if it is missing, hangs, or
    writes without end.
    Whatever ends this call, an exception or a signal included, the child has ended before it.
    """
    with (
        running(program, *args, stdin=stdin, cwd=cwd, env=env, on_line=on_line, log_output=log_output) as child,
        killed_when_stalled(child, heartbeat, stall_timeout_s) as stalled,
    ):
        try:
            return child.wait(error_pattern=error_pattern)
        except ExitError:
            if stalled.is_set():
                name = Path(program).name
                raise ToolError(f"{name} made no progress for {stall_timeout_s:g} s and was killed") from None
            raise


@contextlib.contextmanager
def running(
    program: str,
    *args: str | os.PathLike[str],
    stdin: str | bytes = "",
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    on_line: Callable[[str], object] | None = None,
    log_output: bool = True,
) -> Iterator[Child]:
    """Start ``program`` and yield it while it runs; it is killed when the block is left, however it is left.

    The arguments are those of `run`. Even SIGKILL for this process ends the child. The thread that enters the block
    has to leave it.
    """
    words = [os.fspath(arg) for arg in args]
    log.debug("running: %s", shlex.join([program, *words]))
    name = Path(program).name

    def on_stderr(line: str) -> None:
        if log_output and log.isEnabledFor(logging.DEBUG):
            log.debug("%s: %s", name, mask(line.rstrip()))
        if on_line is not None:
            on_line(line)

    start: Any = command(program)
    output = ChildOutput(on_line=on_stderr, on_excess=lambda: child.kill())
    release = hold_signals()  # one that came between the start and `try` would leave the child behind
    try:
        with output.pipes() as (stdout, stderr):
            process = start(
                *words,
                _in=stdin,
                _cwd=None if cwd is None else os.fspath(cwd),
                _env=environment(env),
                _out=stdout,
                _err=stderr,
                _tty_out=False,
                _bg=True,
                _bg_exc=False,
                _return_cmd=True,
                _preexec_fn=die_with_parent(os.getpid()),
            )
            child = Child(name, process, output)
        try:
            release()
            yield child
        finally:
            release = hold_signals()
            child.stop()
    finally:
        release()


@contextlib.contextmanager
def killed_when_stalled(
    child: Child, heartbeat: Callable[[], object] | None, stall_timeout_s: float
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
        child.kill()

    threading.Thread(target=watch, name="watch", daemon=True).start()
    try:
        yield stalled
    finally:
        ended.set()


def _exit_error(name: str, status: int, stderr: bytes, error_pattern: re.Pattern[str] | None) -> ExitError:
    """The error for the program ``name`` that failed: its exit status or signal, and the end of its stderr."""
    ending = f"exited with status {status}" if status > 0 else f"was killed by signal {-status}"
    output = [line.strip() for line in stderr.decode("utf-8", errors="replace").splitlines() if line.strip()]
    errors = [line for line in output if error_pattern and error_pattern.search(line)]
    tail = "\n".join((errors or output)[-TAIL_LINES:])
    return ExitError(f"{name} {ending}", status=status, output=tail)
