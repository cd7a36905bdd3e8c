"""Digests of base and draft, worked out on the other core while xorriso reads the one and writes the other."""

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
"""Bytes read at a time: few enough to stay in a core's own cache until they are digested."""

HEAD, SAMPLE = 4 << 20, 4096
"""Bytes at the draft's beginning, and of each chunk after it, that are compared again when it is whole."""

HELD_BACK = 8 << 20
"""Bytes at the draft's end that are not read before it is whole."""

AHEAD = 64 << 20
"""Bytes that the base's reader may be ahead of the draft's, which can read no faster than xorriso writes.

So both end at about the same time; and what xorriso or this reader fetches from the disk, the other has in memory.
"""

KEPT = 64 << 20
"""Bytes of the draft that stay in memory behind its reader; the disk has had time to take what is older."""

PAUSE_S, LONGEST_STOP_S = 0.02, 0.5
"""Seconds between two looks at a file that grows, and until a reader whom the disk does not answer is left behind."""

Result = TypeVar("Result")


class _StoppedError(Exception):
    """Nobody waits for the digest any more."""


class Digests:
    """The readers of ``base`` and ``draft``, at work from the beginning; `digesting` makes them and ends them.

    Not ``wanted``: nothing is read, and the draft is only sent to the disk as it grows. ``paced``: xorriso reads the
    base at the same time, and is not outrun. ``done`` tells how many bytes of each file are behind.
    """

    def __init__(self, base: Path, draft: Path, *, wanted: bool, paced: bool) -> None:
        self._base, self._draft, self._paced = base, draft, paced
        self._stop, self._whole = threading.Event(), threading.Event()
        self.done = {base: 0, draft: 0}
        self._base_digest = _beside(self._read_base if wanted else _nothing)
        self._draft_digest = _beside(self._follow_draft if wanted else self._send_draft)

    def draft_is_whole(self) -> None:
        """Tell the readers that no more will be written."""
        self._whole.set()

    def wait(self, listen: Callable[[int, int], object] = lambda _done, _total: None) -> tuple[str | None, str | None]:
        """The SHA-256 of the base and of the whole draft; None for both if they were not wanted.

        ``listen`` hears how many bytes of how many are read, as long as there is something to wait for. Raises
        ``BaseIsoError`` or ``OutputError`` if a file became shorter, and whatever else stopped a reader.
        """
        self._whole.set()
        readers = (self._base_digest, self._draft_digest)
        total = sum(path.stat().st_size for path in self.done)
        while waiting := wait_for(readers, timeout=0.1).not_done:
            for reader in set(readers) - waiting:
                reader.result()
            listen(min(total, sum(self.done.values())), total)
        return self._base_digest.result(), self._draft_digest.result()

    def stop(self) -> None:
        """End the readers, whatever they are at; within `LONGEST_STOP_S`."""
        self._stop.set()
        wait_for((self._base_digest, self._draft_digest), timeout=LONGEST_STOP_S)

    def _read_base(self) -> str:
        return self._read(self._base, BaseIsoError, self._keep_pace if self._paced else None)

    def _keep_pace(self) -> None:
        while self.done[self._base] > self.done[self._draft] + AHEAD and not self._whole.is_set():
            self._pause()

    def _read(
        self, path: Path, shortened: type[BaseIsoError | OutputError], before_chunk: Callable[[], None] | None = None
    ) -> str:
        """The SHA-256 of the file at ``path``; ``shortened`` is raised if it ends earlier than it did."""
        digest = hashlib.sha256()
        with path.open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            for place in range(0, size, CHUNK):
                if before_chunk:
                    before_chunk()
                digest.update(self._chunk(file.fileno(), place, min(CHUNK, size - place), path, shortened))
                self.done[path] = place + CHUNK
        return digest.hexdigest()

    def _chunk(
        self, handle: int, place: int, size: int, path: Path, shortened: type[BaseIsoError | OutputError]
    ) -> bytes:
        if self._stop.is_set():
            raise _StoppedError
        chunk = os.pread(handle, size, place)
        if len(chunk) != size:
            raise shortened(f"{path} became shorter while it was read")
        return chunk

    def _follow_draft(self) -> str:
        """Digest the draft as it grows.

        xorriso writes from the first byte to the last and never goes back (1.5.4, seen with strace). Should another
        one go back, then what was read is not what lies there in the end, and the draft is read once more.
        """
        digest = hashlib.sha256()
        seen = []
        for handle, place, size in self._growth():
            chunk = self._chunk(handle, place, size, self._draft, OutputError)
            digest.update(chunk)
            compared = size if place < HEAD else min(size, SAMPLE)
            seen.append((place, compared, hashlib.sha256(chunk[:compared]).digest()))
        if not self._as_seen(seen):
            log.debug("%s changed behind its reader, and is read again", self._draft.name)
            return self._read(self._draft, OutputError)
        return digest.hexdigest()

    def _as_seen(self, seen: list[tuple[int, int, bytes]]) -> bool:
        """Whether at each place of ``seen`` so many bytes still have that SHA-256, and nothing is behind the last."""
        with self._draft.open("rb", buffering=0) as file:
            handle = file.fileno()
            return os.fstat(handle).st_size == self.done[self._draft] and all(
                hashlib.sha256(os.pread(handle, size, place)).digest() == digest for place, size, digest in seen
            )

    def _send_draft(self) -> None:
        for _ in self._growth():
            pass

    def _growth(self) -> Iterator[tuple[int, int, int]]:
        """The draft's handle, and place and size of each chunk once it is written; then it is sent to the disk.

        Without that the kernel would keep gigabytes in memory until the draft is synced at the end, while the disk is
        idle now. The advice is that of one who does not need these pages: given at once it sends them to the disk,
        given again when they lie there it sets their memory free for what is written next, but for what `_as_seen`
        compares (posix_fadvise(2); Linux, mm/fadvise.c).
        """
        while not self._draft.exists() and not self._whole.is_set():
            self._pause()
        with self._draft.open("rb", buffering=0) as file:
            handle, place, whole = file.fileno(), 0, False
            while not whole:
                whole = self._whole.wait(PAUSE_S)  # asked before the size: what is there then is all there will be
                size = os.fstat(handle).st_size
                end = size if whole else (size - HELD_BACK) // CHUNK * CHUNK
                while place < end:
                    yield handle, place, min(CHUNK, end - place)
                    os.posix_fadvise(handle, place, CHUNK, os.POSIX_FADV_DONTNEED)
                    if place - KEPT >= HEAD:
                        os.posix_fadvise(handle, place - KEPT + SAMPLE, CHUNK - SAMPLE, os.POSIX_FADV_DONTNEED)
                    place = min(place + CHUNK, end)
                    self.done[self._draft] = place
                if self._stop.is_set():
                    raise _StoppedError

    def _pause(self) -> None:
        if self._stop.wait(PAUSE_S):
            raise _StoppedError


@contextlib.contextmanager
def digesting(base: Path, draft: Path, *, wanted: bool, paced: bool) -> Iterator[Digests]:
    """Read ``base`` and the growing ``draft`` beside whatever happens in the block; at its end nobody reads any more.

    ``wanted`` and ``paced`` are those of `Digests`, whose ``wait`` gives what was found.
    """
    digests = Digests(base, draft, wanted=wanted, paced=paced)
    try:
        yield digests
    finally:
        digests.stop()


def _beside(work: Callable[[], Result]) -> Future[Result]:
    """What ``work`` gives, or raises, in a thread that nobody has to wait for when the program ends."""
    outcome: Future[Result] = Future()

    def at_work() -> None:
        try:
            outcome.set_result(work())
        except BaseException as failure:  # noqa: BLE001 - raised again where the result is asked for
            outcome.set_exception(failure)

    threading.Thread(target=at_work, daemon=True).start()
    return outcome


def _nothing() -> None:
    """The digest that nobody wants."""
