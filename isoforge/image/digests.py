"""Digests of base and draft, computed on the other core while xorriso reads the one and writes the other."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from pathlib import Path
from typing import TypeVar

from isoforge.errors import BaseIsoError, OutputError

log = logging.getLogger(__name__)

CHUNK = 1 << 20
"""Bytes read at a time: few enough to stay in the core's cache until they are digested."""

HEAD, SAMPLE = 4 << 20, 4096
"""Bytes at the draft's beginning, and of each chunk after it, that are compared again when it is complete."""

UNREAD_TAIL = 8 << 20
"""Bytes at the draft's end that are not read before it is complete."""

AHEAD = 64 << 20
"""Bytes that the base's reader may be ahead of the draft's, which can read no faster than xorriso writes.

So both end at about the same time, and what xorriso or this reader reads from the disk is in memory for the other.
"""

CACHED = 64 << 20
"""Bytes of the draft that stay in memory behind its reader; older ones have been written to the disk."""

PAUSE_S, MAX_STOP_S = 0.02, 0.5
"""Seconds between two checks of a growing file, and the longest wait for a reader that the disk keeps waiting."""

Result = TypeVar("Result")


class _StoppedError(Exception):
    """The digest is no longer needed."""


class Digests:
    """The readers of ``base`` and ``draft``, which start at once; `digesting` creates and ends them.

    Unless ``enabled``, nothing is read, and the draft is only written to the disk as it grows. ``paced``: xorriso reads
    the base at the same time, and the reader does not overtake it. ``done`` counts the bytes read of each file.
    """

    def __init__(self, base: Path, draft: Path, *, enabled: bool, paced: bool) -> None:
        self._base, self._draft, self._paced = base, draft, paced
        self._stop, self._complete = threading.Event(), threading.Event()
        self.done = {base: 0, draft: 0}
        self._base_digest = _in_thread(self._read_base if enabled else _no_digest)
        self._draft_digest = _in_thread(self._follow_draft if enabled else self._send_draft)

    def draft_is_complete(self) -> None:
        """Let the readers know that xorriso has ended."""
        self._complete.set()

    def wait(self, listen: Callable[[int, int], object] = lambda _done, _total: None) -> tuple[str | None, str | None]:
        """The SHA-256 of the base and of the whole draft; None for both unless enabled.

        While it waits, ``listen`` is called with the bytes read and their total. Raises ``BaseIsoError`` or
        ``OutputError`` if a file became shorter, and any other error of a reader.
        """
        self._complete.set()
        readers = (self._base_digest, self._draft_digest)
        total = sum(path.stat().st_size for path in self.done)
        while waiting := wait_for(readers, timeout=0.1).not_done:
            for reader in set(readers) - waiting:
                reader.result()
            listen(min(total, sum(self.done.values())), total)
        return self._base_digest.result(), self._draft_digest.result()

    def stop(self) -> None:
        """End the readers, within `MAX_STOP_S`."""
        self._stop.set()
        wait_for((self._base_digest, self._draft_digest), timeout=MAX_STOP_S)

    def _read_base(self) -> str:
        return self._read(self._base, BaseIsoError, self._keep_pace if self._paced else None)

    def _keep_pace(self) -> None:
        while self.done[self._base] > self.done[self._draft] + AHEAD and not self._complete.is_set():
            self._pause()

    def _read(
        self, path: Path, shortened: type[BaseIsoError | OutputError], before_chunk: Callable[[], None] | None = None
    ) -> str:
        """The SHA-256 of the file at ``path``; ``shortened`` is raised if it has become shorter or fails."""
        digest = hashlib.sha256()
        with path.open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            for offset in range(0, size, CHUNK):
                if before_chunk:
                    before_chunk()
                digest.update(self._chunk(file.fileno(), offset, min(CHUNK, size - offset), path, shortened))
                self.done[path] = offset + CHUNK
        return digest.hexdigest()

    def _chunk(
        self, handle: int, offset: int, size: int, path: Path, shortened: type[BaseIsoError | OutputError]
    ) -> bytes:
        if self._stop.is_set():
            raise _StoppedError
        try:
            chunk = os.pread(handle, size, offset)
        except OSError as failure:
            raise shortened(f"cannot read {path}: {failure.strerror}") from failure
        if len(chunk) != size:
            raise shortened(f"{path} became shorter while it was read")
        return chunk

    def _follow_draft(self) -> str:
        """Digest the draft as it grows.

        xorriso writes from the first byte to the last and never goes back (1.5.4, observed with strace). If another
        version does, the bytes that were read differ from those in the end, and the draft is read once more.
        """
        digest = hashlib.sha256()
        parts = []
        for handle, offset, size in self._growth():
            chunk = self._chunk(handle, offset, size, self._draft, OutputError)
            digest.update(chunk)
            compared = size if offset < HEAD else min(size, SAMPLE)
            parts.append((offset, compared, hashlib.sha256(chunk[:compared]).digest()))
        if not self._unchanged(parts):
            log.debug("%s changed after it was read, and is read again", self._draft.name)
            return self._read(self._draft, OutputError)
        return digest.hexdigest()

    def _unchanged(self, parts: list[tuple[int, int, bytes]]) -> bool:
        """Whether each of ``parts`` (offset, size, SHA-256) is still the same, and nothing comes after the last."""
        with self._draft.open("rb", buffering=0) as file:
            handle = file.fileno()
            return os.fstat(handle).st_size == self.done[self._draft] and all(
                hashlib.sha256(os.pread(handle, size, offset)).digest() == digest for offset, size, digest in parts
            )

    def _send_draft(self) -> None:
        for _ in self._growth():
            pass

    def _growth(self) -> Iterator[tuple[int, int, int]]:
        """The draft's handle, and offset and size of each chunk once it is written; then it is flushed to the disk.

        Otherwise the kernel would keep gigabytes in memory until the draft is synced at the end, while the disk is idle
        now. POSIX_FADV_DONTNEED first starts writing the pages to the disk; given again when they are there, it frees
        their memory for new pages, except those that `_unchanged` compares (posix_fadvise(2); Linux, mm/fadvise.c).
        """
        while not self._draft.exists() and not self._complete.is_set():
            self._pause()
        with self._draft.open("rb", buffering=0) as file:
            handle, offset, complete = file.fileno(), 0, False
            while not complete:
                complete = self._complete.wait(PAUSE_S)  # before the size, which is then final
                size = os.fstat(handle).st_size
                end = size if complete else (size - UNREAD_TAIL) // CHUNK * CHUNK
                while offset < end:
                    yield handle, offset, min(CHUNK, end - offset)
                    os.posix_fadvise(handle, offset, CHUNK, os.POSIX_FADV_DONTNEED)
                    if offset - CACHED >= HEAD:
                        os.posix_fadvise(handle, offset - CACHED + SAMPLE, CHUNK - SAMPLE, os.POSIX_FADV_DONTNEED)
                    offset = min(offset + CHUNK, end)
                    self.done[self._draft] = offset
                if self._stop.is_set():
                    raise _StoppedError

    def _pause(self) -> None:
        if self._stop.wait(PAUSE_S):
            raise _StoppedError


@contextlib.contextmanager
def digesting(base: Path, draft: Path, *, enabled: bool, paced: bool) -> Iterator[Digests]:
    """Read ``base`` and the growing ``draft`` in parallel with the block; the readers end with it.

    ``enabled`` and ``paced`` are those of `Digests`, whose ``wait`` returns the digests.
    """
    digests = Digests(base, draft, enabled=enabled, paced=paced)
    try:
        yield digests
    finally:
        digests.stop()


def _in_thread(work: Callable[[], Result]) -> Future[Result]:
    """The result of ``work``, or its exception, from a thread that does not delay the end of the program."""
    outcome: Future[Result] = Future()

    def target() -> None:
        try:
            outcome.set_result(work())
        except BaseException as failure:  # noqa: BLE001 - raised again by Future.result
            outcome.set_exception(failure)

    threading.Thread(target=target, daemon=True).start()
    return outcome


def _no_digest() -> None:
    """The digest if none is to be computed."""
