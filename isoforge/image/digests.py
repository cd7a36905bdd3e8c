"""SHA-256 of several files at once, each on a core of its own, and of a graft while it is filled."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from isoforge.atomic import refuse_without_room
from isoforge.image.inside import HEAD, Inside, open_for_filling
from isoforge.image.ranges import CHUNK, copy_range, read_range
from isoforge.image.sectors import LBA

STEP = 64 << 20
"""Bytes that are copied at a time where no digest is computed."""

CACHED = 64 << 20
"""Bytes of a draft that stay in memory behind the writer; older ones have been written to the disk."""

Listener = Callable[[int, int], object]
"""A function that is called with the bytes that are done, and with all."""


class _Hashes:
    """Several SHA-256, each updated on a thread while the next chunks are read (hashlib releases the lock)."""

    def __init__(self, cores: ThreadPoolExecutor, count: int) -> None:
        self._cores = cores
        self._hashes = [hashlib.sha256() for _ in range(count)]
        self._busy: list[Future[Any]] = []

    def update(self, *chunks: bytes | memoryview) -> None:
        """Add a chunk to each; returns at once, when the chunks before are done."""
        self._wait()
        self._busy = [
            self._cores.submit(one.update, chunk) for one, chunk in zip(self._hashes, chunks, strict=True) if chunk
        ]

    def update_all(self, chunk: bytes) -> None:
        """Add the same chunk to all."""
        self.update(*[chunk] * len(self._hashes))

    def hexdigests(self) -> list[str]:
        self._wait()
        return [one.hexdigest() for one in self._hashes]

    def _wait(self) -> None:
        for work in self._busy:
            work.result()


@contextmanager
def _hashing(count: int) -> Iterator[_Hashes]:
    with ThreadPoolExecutor(max_workers=count) as cores:
        yield _Hashes(cores, count)


def fill(
    draft: Path, source: Path, inside: Inside, *, listen: Listener = lambda _done, _total: None, digests: bool = True
) -> tuple[str | None, str | None]:
    """Give ``draft``, whose head and tail are written, the bytes in between.

    They are those of the base ISO that is ``inside`` the ``source``. Returns the SHA-256 of the base ISO and of the
    draft, None for both without ``digests``. Every byte is read once for both. Raises ``BaseIsoError`` if the source
    became shorter, ``OSError`` with the name of the file that fails.
    """
    with ExitStack() as stack:
        stack.enter_context(_counting_room(draft, inside.size))
        target = stack.enter_context(open_for_filling(draft))
        file = stack.enter_context(source.open("rb", buffering=0)).fileno()
        hashes = stack.enter_context(_hashing(2)) if digests else None
        if hashes:
            hashes.update(inside.head, os.pread(target, HEAD, 0))
        _copy(file, target, inside.size, hashes, source=source, listen=listen)
        if hashes is None:
            return None, None
        end = inside.size
        while chunk := os.pread(target, CHUNK, end):
            hashes.update(b"", chunk)
            end += len(chunk)
        base_sha256, iso_sha256 = hashes.hexdigests()
        return base_sha256, iso_sha256


def extract(output: Path, source: Path, inside: Inside, *, listen: Listener = lambda _done, _total: None) -> str:
    """Write to ``output`` the base ISO that is ``inside`` the ``source``, and return its SHA-256; raises as `fill`."""
    with ExitStack() as stack:
        stack.enter_context(_counting_room(output, inside.size))
        target = stack.enter_context(open_for_filling(output))
        file = stack.enter_context(source.open("rb", buffering=0)).fileno()
        hashes = stack.enter_context(_hashing(1))
        os.pwrite(target, inside.head, 0)
        hashes.update(inside.head)
        _copy(file, target, inside.size, hashes, source=source, listen=listen)
        (sha256,) = hashes.hexdigests()
        return sha256


def _copy(file: int, target: int, end: int, hashes: _Hashes | None, *, source: Path, listen: Listener) -> None:
    """Copy what is between the head and byte ``end``; each chunk is read once for all ``hashes``."""
    step = CHUNK if hashes else STEP
    for start in range(HEAD, end, step):
        size = min(step, end - start)
        if hashes:
            hashes.update_all(read_range(file, start, size, source=source))
        copy_range(file, target, start, size, source=source)
        _write_back(target, start, size)
        listen(start + size, end)


@contextmanager
def _counting_room(draft: Path, size: int) -> Iterator[None]:
    """Raise ``OutputError`` with what is missing if the disk fills before ``draft`` has ``size`` bytes."""
    try:
        yield
    except OSError as failure:
        if failure.errno in (errno.ENOSPC, errno.EDQUOT):
            refuse_without_room(draft.parent, size - draft.stat().st_blocks * LBA)
        raise


def _write_back(target: int, start: int, size: int) -> None:
    """Let the disk write what was copied to ``target``, and free the memory of what it has written by now.

    Otherwise the kernel would keep gigabytes in memory until the draft is synced at the end, while the disk is idle
    now. POSIX_FADV_DONTNEED first starts writing the pages to the disk; given again when they are there, it frees
    their memory for new pages (posix_fadvise(2); Linux, mm/fadvise.c).
    """
    os.posix_fadvise(target, start, size, os.POSIX_FADV_DONTNEED)
    if start >= CACHED:
        os.posix_fadvise(target, start - CACHED, size, os.POSIX_FADV_DONTNEED)


def digests_of(*files: Path, listen: Listener = lambda _done, _total: None) -> list[str]:
    """The SHA-256 of each of the ``files``, which are read at the same time; raises what `fill` raises."""
    with ExitStack() as stack:
        handles = [stack.enter_context(file.open("rb", buffering=0)).fileno() for file in files]
        sizes = [os.fstat(handle).st_size for handle in handles]
        hashes = stack.enter_context(_hashing(len(files)))
        for start in range(0, max(sizes), CHUNK):
            hashes.update(
                *(
                    read_range(handle, start, max(0, min(CHUNK, size - start)), source=file)
                    for handle, size, file in zip(handles, sizes, files, strict=True)
                )
            )
            listen(min(sum(sizes), (start + CHUNK) * len(files)), sum(sizes))
        return hashes.hexdigests()
