"""What isoforge says beside its product: words or JSON lines on stderr, and all of it in a log file."""

from __future__ import annotations

import contextlib
import errno
import functools
import inspect
import json
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from isoforge.errors import OutputError

SCHEMA_VERSION = 1
"""Of the JSON lines; grows when a key changes its meaning or goes away, a new key leaves it as it is."""

TOLD = logging.WARNING + 5
"""The level of what is said to everybody, and warns of nothing."""

Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Tell the whole story on stderr.")]
LogFile = Annotated[
    Path | None,
    typer.Option("--log-file", metavar="FILE", help="Add the whole story to this file, with times in UTC."),
]

_TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ")
"""How every log begins."""

_story = logging.getLogger("isoforge")


class _Words(logging.Handler):
    """Says records on stderr, as it is at that moment: a bar puts itself in its place."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.written(record) + "\n")
            sys.stderr.flush()
        except OSError:  # a terminal that went away must not end a build
            pass
        except Exception:  # noqa: BLE001 - logging's own rule for handlers
            self.handleError(record)

    def written(self, record: logging.LogRecord) -> str:
        return record.getMessage()


class _JsonLines(_Words):
    """Says each record as one JSON object a line."""

    def written(self, record: logging.LogRecord) -> str:
        kind = "warning" if record.levelno >= logging.WARNING else "story"
        event = getattr(record, "event", None) or {"event": kind, "message": record.getMessage()}
        return json.dumps({"schema_version": SCHEMA_VERSION, **event}, ensure_ascii=False)


class _File(logging.StreamHandler[TextIO]):
    """Adds records to a log file; a full disk ends the log, not the build."""

    def __init__(self, file: Path) -> None:
        try:
            _refuse_other_files(file)
            # a pipe that nobody reads would stop us here for ever
            handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
            os.set_blocking(handle, True)
        except OSError as failure:
            reason = "nobody reads this pipe" if failure.errno == errno.ENXIO else failure.strerror
            raise OutputError(f"log file {file} cannot be written: {reason}") from failure
        super().__init__(os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace"))
        self.file = file
        form = logging.Formatter("%(asctime)sZ %(message)s", "%Y-%m-%dT%H:%M:%S")
        form.converter = time.gmtime
        self.setFormatter(form)

    def close(self) -> None:
        """Close the file; what could not be written is lost."""
        with contextlib.suppress(OSError):
            self.stream.close()
        super().close()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - logging's name
        _story.removeHandler(self)
        self.close()
        _story.warning("isoforge: log file %s ends here: %s", self.file, sys.exception())


def _refuse_other_files(file: Path) -> None:
    """``OutputError`` for a file that holds anything but a log: lines added to an ISO or a manifest would spoil it."""
    if not file.is_file() or file.is_relative_to("/dev"):  # /dev/stderr may be a file that the shell writes into
        return
    with file.open("rb") as there:
        first = there.read(len("2025-01-01T00:00:00Z "))
    if first and not _TIME.fullmatch(first):
        raise OutputError(f"{file} is there already and is no log of isoforge", hint="give another --log-file")


def begin() -> None:
    """Say warnings and what is worse in words on stderr, and nothing else."""
    for handler in (*_on_stderr(), *_files()):
        _story.removeHandler(handler)
        handler.close()
    _story.setLevel(logging.WARNING)
    _story.addHandler(_Words(logging.WARNING))


def tell(*, verbose: bool, log_file: Path | None) -> None:
    """Say everything, with ``verbose`` on stderr, with ``log_file`` there; ``OutputError`` if it cannot be written.

    A file that is not there is made for its owner's eyes alone.
    """
    if log_file is not None and os.path.normpath(log_file) not in {os.path.normpath(log.file) for log in _files()}:
        _story.addHandler(_File(log_file))
        _story.setLevel(logging.DEBUG)
    if verbose:
        _story.setLevel(logging.DEBUG)
        for handler in _on_stderr():
            handler.setLevel(logging.DEBUG)


def as_json(wanted: bool) -> bool:
    """From here on, say everything on stderr as JSON lines if that is ``wanted``."""
    if wanted and not says_json():
        for handler in _on_stderr():
            _story.removeHandler(handler)
            _story.addHandler(_JsonLines(handler.level))
    return wanted


def says_json() -> bool:
    """Whether stderr is a stream of JSON lines."""
    return any(isinstance(handler, _JsonLines) for handler in _on_stderr())


def says_everything() -> bool:
    """Whether the story goes to stderr, where a bar would be in its way."""
    return any(handler.level <= logging.INFO for handler in _on_stderr())


def event(kind: str, **facts: object) -> None:
    """Say one event for programs: nothing where stderr is for people."""
    for handler in _on_stderr():
        if isinstance(handler, _JsonLines):
            record = _story.makeRecord(_story.name, TOLD, "", 0, kind, (), None)
            record.event = {"event": kind, **facts}
            handler.handle(record)


def say(words: str, kind: str, **facts: object) -> None:
    """Say something to everybody: ``words`` to people and the log, an event of that ``kind`` to programs."""
    _story.log(TOLD, "%s", words, extra={"event": {"event": kind, **facts}})


def say_failed(
    words: object, exit_code: int, *, message: str = "", hint: str = "", problems: Sequence[str] = ()
) -> None:
    """Say why isoforge ends with ``exit_code``: the last words of every failure."""
    said = {"message": message or str(words), "hint": hint, "problems": list(problems)}
    say(f"isoforge: {words}", "failed", exit_code=exit_code, **said)


def storied(verb: Callable[..., Any]) -> Callable[..., Any]:
    """``verb`` with the options --verbose and --log-file: people type them before it and behind it."""
    known = inspect.signature(verb, eval_str=True)
    more = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, default, kind in (("verbose", False, Verbose), ("log_file", None, LogFile))
    ]

    @functools.wraps(verb)
    def told(*, verbose: bool, log_file: Path | None, **words: Any) -> Any:
        tell(verbose=verbose, log_file=log_file)
        return verb(**words)

    whole = known.replace(parameters=[*known.parameters.values(), *more])
    told.__signature__ = whole  # type: ignore[attr-defined] # what inspect.signature() reads first
    told.__annotations__ = {name: parameter.annotation for name, parameter in whole.parameters.items()}
    return told


def _on_stderr() -> list[_Words]:
    return [handler for handler in _story.handlers if isinstance(handler, _Words)]


def _files() -> list[_File]:
    return [handler for handler in _story.handlers if isinstance(handler, _File)]
