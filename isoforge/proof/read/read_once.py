"""One reading of a whole ISO, from which everything that depends on content is told."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from isoforge.image.tree import Node

CHUNK = 4 << 20
"""Bytes read at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one reading gave: the SHA-256 of the whole image, the MD5 of each file, and the files that differ from
    another image's (those of the other that could be compared)."""

    sha256: str
    md5s: Mapping[PurePosixPath, str]
    differing: frozenset[PurePosixPath]


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """Another image, and where its files lie that are to have the same content."""

    path: Path
    files: Mapping[PurePosixPath, Node]


@dataclass(slots=True)
class _Span:
    """A stretch of the image that one or several names stand for, while it is read."""

    start: int
    end: int
    md5: Any
    elsewhere: tuple[int, ...]
    differs: bool = False


def read_once(
    image: Path,
    files: Mapping[PurePosixPath, Node],
    *,
    other: Other | None = None,
    without_md5: Collection[PurePosixPath] = (),
    listen: Callable[[float], object] = lambda _done: None,
) -> Reading:
    """Read ``image`` from its first byte to its last, and ``files`` of it on the way.

    Whole-image digest and file digests are worked out on two cores while the next chunk is read. ``without_md5`` are
    files whose MD5 nobody asks for; ``listen`` hears how much is done (0 to 1). A file that ends behind the image
    gets no MD5.
    """
    spans = _spans(image.stat().st_size, files, other, frozenset(without_md5))
    whole = hashlib.sha256()
    handle = os.open(other.path, os.O_RDONLY | os.O_CLOEXEC) if other else -1
    try:
        with image.open("rb", buffering=0) as stream, ThreadPoolExecutor(max_workers=2) as cores:
            size = max(1, os.fstat(stream.fileno()).st_size)
            waiting = sorted(spans.values(), key=lambda span: span.start, reverse=True)
            open_spans: list[_Span] = []
            busy: tuple[Future[Any], ...] = ()
            place = 0
            while chunk := stream.read(CHUNK):
                for work in busy:
                    work.result()
                busy = (
                    cores.submit(whole.update, chunk),
                    cores.submit(_take, chunk, place, waiting, open_spans, handle),
                )
                place += len(chunk)
                listen(place / size)
            for work in busy:
                work.result()
    finally:
        if other:
            os.close(handle)
    return _told(whole.hexdigest(), files, spans)


def _spans(
    size: int, files: Mapping[PurePosixPath, Node], other: Other | None, without_md5: frozenset[PurePosixPath]
) -> dict[tuple[int, int], _Span]:
    """The stretches to be read, by where they lie; names of one content share one."""
    elsewhere: dict[tuple[int, int], set[int]] = {}
    wanted: set[tuple[int, int]] = set()
    for path, node in files.items():
        place = (node.extent, node.size)
        if node.kind != "file" or not node.size or node.extent + node.size > size:
            continue
        places = elsewhere.setdefault(place, set())
        if path not in without_md5:
            wanted.add(place)
        twin = other.files.get(path) if other else None
        if twin is not None and twin.size == node.size:
            places.add(twin.extent)
    return {
        (start, length): _Span(
            start=start,
            end=start + length,
            md5=hashlib.md5(usedforsecurity=False) if (start, length) in wanted else None,
            elsewhere=tuple(places),
        )
        for (start, length), places in elsewhere.items()
    }


def _take(chunk: bytes, place: int, waiting: list[_Span], open_spans: list[_Span], handle: int) -> None:
    """Hand the parts of ``chunk``, which begins at byte ``place``, to the stretches that they belong to."""
    end = place + len(chunk)
    while waiting and waiting[-1].start < end:
        open_spans.append(waiting.pop())
    for span in open_spans:
        start = max(span.start, place)
        part = chunk[start - place : min(span.end, end) - place]  # bytes: a memoryview is compared byte by byte
        if span.md5 is not None:
            span.md5.update(part)
        for twin in span.elsewhere:
            if not span.differs and part != os.pread(handle, len(part), twin + start - span.start):
                span.differs = True
    open_spans[:] = [span for span in open_spans if span.end > end]


def _told(sha256: str, files: Mapping[PurePosixPath, Node], spans: Mapping[tuple[int, int], _Span]) -> Reading:
    md5s = {}
    differing = set()
    for path, node in files.items():
        if node.kind != "file":
            continue
        span = spans.get((node.extent, node.size))
        if not node.size:
            md5s[path] = hashlib.md5(usedforsecurity=False).hexdigest()
        elif span is not None:
            if span.md5 is not None:
                md5s[path] = span.md5.hexdigest()
            if span.differs:
                differing.add(path)
    return Reading(sha256=sha256, md5s=md5s, differing=frozenset(differing))
