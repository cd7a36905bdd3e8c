"""What a child process writes to stdout and stderr, read as it comes and up to a limit."""

from __future__ import annotations

import contextlib
import os
import selectors
import threading
from collections.abc import Callable, Iterator

MOST_STDOUT, MOST_STDERR = 16 << 20, 4 << 20
"""Bytes that are read of a child's stdout and stderr: no program that isoforge starts writes a tenth of them."""

LINGER_S = 5.0
"""Seconds to wait, after a child has ended, for programs of its own that still hold its stdout or stderr open."""

_CHUNK = 1 << 16


class ChildOutput:
    """The stdout and stderr of one child, each read from a pipe on a thread of its own.

    ``on_line`` is called with each line of stderr as it comes. When the child has written more than `MOST_STDOUT` or
    `MOST_STDERR` bytes, no more is read, ``excess`` says what it wrote, and ``on_excess`` is called once.
    """

    def __init__(self, *, on_line: Callable[[str], object], on_excess: Callable[[], object]) -> None:
        self.excess = ""
        self._on_line, self._on_excess = on_line, on_excess
        self._stdout, self._stderr = bytearray(), bytearray()
        self._line_start = 0
        self._reading_ends: dict[int, bytearray] = {}
        self._thread = threading.Thread(target=self._read, name="child output", daemon=True)

    @property
    def stdout(self) -> bytes:
        """What came on stdout."""
        return bytes(self._stdout)

    @property
    def stderr(self) -> bytes:
        """What came on stderr."""
        return bytes(self._stderr)

    @contextlib.contextmanager
    def pipes(self) -> Iterator[tuple[int, int]]:
        """The file descriptors of stdout and stderr for a child that is started in the block; reading begins then."""
        ends = [os.pipe(), os.pipe()]
        try:
            yield ends[0][1], ends[1][1]
            self._reading_ends = {ends[0][0]: self._stdout, ends[1][0]: self._stderr}
            self._thread.start()
        finally:
            for end in ends:
                os.close(end[1])
                if not self._reading_ends:
                    os.close(end[0])

    def finish(self) -> None:
        """Return when everything that the child wrote has been read, which has ended; a second call does nothing."""
        if self._thread.ident is not None:
            self._thread.join(LINGER_S)

    def _read(self) -> None:
        with selectors.DefaultSelector() as selector:
            for end in self._reading_ends:
                selector.register(end, selectors.EVENT_READ)
            try:
                while selector.get_map() and not self.excess:
                    for key, _ in selector.select():
                        if not self._read_some(key.fd):
                            selector.unregister(key.fd)
            finally:
                for end in self._reading_ends:  # whatever still writes gets a SIGPIPE
                    os.close(end)
        if self.excess:
            self._on_excess()
        else:
            self._pass_lines(last=True)

    def _read_some(self, end: int) -> bool:
        """Read what is there; False at the end."""
        output = self._reading_ends[end]
        chunk = os.read(end, _CHUNK)
        output += chunk
        limit, name = (MOST_STDERR, "stderr") if output is self._stderr else (MOST_STDOUT, "stdout")
        if output is self._stderr:
            self._pass_lines()
        if len(output) > limit:
            self.excess = f"more than {limit >> 20} MiB to {name}"
        return bool(chunk)

    def _pass_lines(self, *, last: bool = False) -> None:
        """Call ``on_line`` with each line that is complete, and with the ``last`` one even without its newline."""
        end = self._stderr.rfind(b"\n", self._line_start) + 1
        end = len(self._stderr) if last else max(end, self._line_start)
        lines = self._stderr[self._line_start : end].decode("utf-8", errors="replace")
        self._line_start = end
        for line in lines.splitlines(keepends=True):
            self._on_line(line)
