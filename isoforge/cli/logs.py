"""Messages on stderr, as text or as JSON lines, and the full log in a file."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO, TypeVar

from isoforge.errors import OutputError
from isoforge.ownership import refuse_foreign
from isoforge.problems import one_line

SCHEMA_VERSION = 1
"""Of the JSON lines; grows when a key changes its meaning or goes away, a new key leaves it as it is."""

NOTICE = logging.WARNING + 5
"""The level of messages that everybody gets and that are not warnings."""

_TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ")
"""How every line of a log begins."""

_Facts = TypeVar("_Facts", str, dict[str, object])

_log = logging.getLogger("isoforge")


class _Text(logging.Handler):
    """Writes records to sys.stderr as it is at that moment: a progress bar replaces it."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.text_of(record) + "\n")
            sys.stderr.flush()
        except OSError:  # a terminal that went away must not end a build
            pass
        except Exception:  # noqa: BLE001 - logging's own rule for handlers
            self.handleError(record)

    def text_of(self, record: logging.LogRecord) -> str:
        return _masked(_visible(record, record.getMessage()))


class _JsonLines(_Text):
    """Writes each record as one JSON object a line."""

    def text_of(self, record: logging.LogRecord) -> str:
        kind = "warning" if record.levelno >= logging.WARNING else "story"
        event = getattr(record, "event", None) or {"event": kind, "message": record.getMessage()}
        return json.dumps({"schema_version": SCHEMA_VERSION, **_masked(event)}, ensure_ascii=False)


class _File(logging.StreamHandler[TextIO]):
    """Appends records to a log file; a full disk ends the log, not the build."""

    def __init__(self, file: Path) -> None:
        if not file.is_relative_to("/dev"):  # a terminal belongs to the user who opened it
            refuse_foreign(file)
        try:
            _refuse_other_files(file)
            # opening a pipe without a reader would block
            handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
            os.set_blocking(handle, True)
        except OSError as failure:
            reason = "the pipe has no reader" if failure.errno == errno.ENXIO else failure.strerror
            raise OutputError(f"cannot write log file {file}: {reason}", hint="give another --log-file") from failure
        super().__init__(os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace"))
        self.file = file
        form = logging.Formatter("%(asctime)sZ %(message)s", "%Y-%m-%dT%H:%M:%S")
        form.converter = time.gmtime
        self.setFormatter(form)

    def format(self, record: logging.LogRecord) -> str:
        """The line of ``record``, without secrets."""
        return _masked(_visible(record, super().format(record)))

    def close(self) -> None:
        """Close the file; what could not be written is lost."""
        with contextlib.suppress(OSError):
            self.stream.close()
        super().close()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - logging's name
        _log.removeHandler(self)
        self.close()
        _log.warning("warning: log file %s is incomplete from here on: %s", self.file, sys.exception())


def _visible(record: logging.LogRecord, text: str) -> str:
    """``text`` without control characters; only what `report` was given may have several lines."""
    return one_line(text, keep="\n\t" if hasattr(record, "event") else "\t")


def _masked(facts: _Facts) -> _Facts:
    """A message or an event without what is certain to be a secret: nobody looks through a log before sharing it."""
    from isoforge.masking.text import mask_facts

    masked: _Facts = mask_facts(facts)
    return masked


def _refuse_other_files(file: Path) -> None:
    """``OutputError`` for a file that holds anything but a log: lines added to an ISO or a manifest would spoil it."""
    if not file.is_file() or file.is_relative_to("/dev"):  # /dev/stderr may be a file that the shell writes into
        return
    with file.open("rb") as stream:
        first = stream.read(len("2025-01-01T00:00:00Z "))
    if first and not _TIME.fullmatch(first):
        raise OutputError(f"{file} already exists and is not a log of isoforge", hint="give another --log-file")


def reset() -> None:
    """Log warnings and worse as text on stderr, and nothing else."""
    for handler in (*_on_stderr(), *_files()):
        _log.removeHandler(handler)
        handler.close()
    _log.setLevel(logging.WARNING)
    _log.addHandler(_Text(logging.WARNING))


def be_verbose() -> None:
    """Log everything on stderr."""
    _log.setLevel(logging.DEBUG)
    for handler in _on_stderr():
        handler.setLevel(logging.DEBUG)


def add_file(file: Path) -> None:
    """Log everything to ``file`` too, once; ``OutputError`` if it cannot be written. A new file gets the mode 0600."""
    if os.path.normpath(file) not in {os.path.normpath(handler.file) for handler in _files()}:
        _log.addHandler(_File(file))
        _log.setLevel(logging.DEBUG)


def use_json() -> None:
    """From here on, write JSON lines to stderr in place of text."""
    if is_json():
        return
    for handler in _on_stderr():
        _log.removeHandler(handler)
        _log.addHandler(_JsonLines(handler.level))


def is_json() -> bool:
    """Whether stderr is a stream of JSON lines."""
    return any(isinstance(handler, _JsonLines) for handler in _on_stderr())


def is_verbose() -> bool:
    """Whether the full log goes to stderr, where a bar would be in its way."""
    return any(handler.level <= logging.INFO for handler in _on_stderr())


def event(kind: str, **facts: object) -> None:
    """Write one event for programs: nothing where stderr is for people."""
    for handler in _on_stderr():
        if isinstance(handler, _JsonLines):
            record = _log.makeRecord(_log.name, NOTICE, "", 0, kind, (), None)
            record.event = {"event": kind, **facts}
            handler.handle(record)


def report(text: str, kind: str, **facts: object) -> None:
    """Report ``text`` to people and in the log, and an event of that ``kind`` to programs."""
    _log.log(NOTICE, "%s", text, extra={"event": {"event": kind, **facts}})


def report_failure(message: str, exit_code: int, *, hint: str = "", problems: Sequence[str] = ()) -> None:
    """Report why isoforge ends with ``exit_code``: what and where, the problems one a line, and what to do."""
    lines = [f"error: {message}", *(f"  {problem}" for problem in problems), *([f"hint: {hint}"] if hint else [])]
    report(
        "\n".join(one_line(line) for line in lines),
        "failed",
        exit_code=exit_code,
        message=message,
        hint=hint,
        problems=list(problems),
    )


def _on_stderr() -> list[_Text]:
    return [handler for handler in _log.handlers if isinstance(handler, _Text)]


def _files() -> list[_File]:
    return [handler for handler in _log.handlers if isinstance(handler, _File)]
