"""One reading of a whole ISO: its digest, the digest of each file, and the comparison with another ISO."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from isoforge.image.inside import Inside
from isoforge.image.sectors import size_of
from isoforge.image.tree import Node
from isoforge.regular_file import naming

CHUNK = 4 << 20
"""Bytes read at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The result of one reading: the SHA-256 of the whole image and of the base ISO inside it (None: there is none),
    the MD5 of each file, and the files whose content differs from another image's (among those that both have in the
    same size)."""

    sha256: str
    base_sha256: str | None
    md5s: Mapping[PurePosixPath, str]
    differing: frozenset[PurePosixPath]


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """Another image to compare with, and its files."""

    path: Path
    files: Mapping[PurePosixPath, Node]


@dataclass(slots=True)
class _Span:
    """A range of bytes that is the content of one or several files, while it is read."""

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
    inside: Inside | None = None,
    without_md5: Collection[PurePosixPath] = (),
    size: int | None = None,
    restored: Callable[[bytes, int], bytes] = lambda chunk, _offset: chunk,
    listen: Callable[[float], object] = lambda _done: None,
) -> Reading:
    """Read ``image`` from its first byte to its last (or ``size`` bytes of it), and ``files`` of it on the way.

    The digests of the image and of its files are computed on two cores while the next chunk is read, and that of the
    base ISO ``inside`` it. ``without_md5`` are files whose MD5 is not computed. ``restored`` returns the bytes that
    count for the digests of the images instead of those read, and gets the offset of the latter. ``listen`` is called
    with the share that is done (0 to 1). A file that extends beyond the end of the image gets no MD5.
    """
    spans = _spans(size_of(image), files, other, frozenset(without_md5))
    whole, base = hashlib.sha256(), hashlib.sha256() if inside else None
    handle = os.open(other.path, os.O_RDONLY | os.O_CLOEXEC) if other else -1

    def twin_at(start: int, length: int) -> bytes:
        with naming(other.path if other else image):
            return os.pread(handle, length, start)

    try:
        with naming(image), image.open("rb", buffering=0) as stream, ThreadPoolExecutor(max_workers=2) as cores:
            size = size_of(image) if size is None else size
            waiting = sorted(spans.values(), key=lambda span: span.start, reverse=True)
            open_spans: list[_Span] = []
            busy: tuple[Future[Any], ...] = ()
            offset = 0
            while chunk := stream.read(min(CHUNK, size - offset)):
                for work in busy:
                    work.result()
                original = restored(chunk, offset)
                busy = (
                    cores.submit(whole.update, original),
                    *([cores.submit(base.update, inside.part(original, offset))] if base and inside else []),
                    cores.submit(_digest_chunk, chunk, offset, waiting, open_spans, twin_at),
                )
                offset += len(chunk)
                listen(offset / max(1, size))
            for work in busy:
                work.result()
    finally:
        if other:
            os.close(handle)
    return _reading(whole.hexdigest(), base.hexdigest() if base else None, files, spans)


def _spans(
    size: int, files: Mapping[PurePosixPath, Node], other: Other | None, without_md5: frozenset[PurePosixPath]
) -> dict[tuple[int, int], _Span]:
    """The ranges to read, by offset and size; files with the same content share one."""
    elsewhere: dict[tuple[int, int], set[int]] = {}
    wanted: set[tuple[int, int]] = set()
    for path, node in files.items():
        span = (node.extent, node.size)
        if node.kind != "file" or not node.size or node.extent + node.size > size:
            continue
        offsets = elsewhere.setdefault(span, set())
        if path not in without_md5:
            wanted.add(span)
        twin = other.files.get(path) if other else None
        if twin is not None and twin.size == node.size:
            offsets.add(twin.extent)
    return {
        (start, length): _Span(
            start=start,
            end=start + length,
            md5=hashlib.md5(usedforsecurity=False) if (start, length) in wanted else None,
            elsewhere=tuple(offsets),
        )
        for (start, length), offsets in elsewhere.items()
    }


def _digest_chunk(
    chunk: bytes, offset: int, waiting: list[_Span], open_spans: list[_Span], twin_at: Callable[[int, int], bytes]
) -> None:
    """Add the parts of ``chunk``, which begins at byte ``offset``, to the ranges that contain them."""
    end = offset + len(chunk)
    while waiting and waiting[-1].start < end:
        open_spans.append(waiting.pop())
    for span in open_spans:
        start = max(span.start, offset)
        part = chunk[start - offset : min(span.end, end) - offset]  # bytes: a memoryview is compared byte by byte
        if span.md5 is not None:
            span.md5.update(part)
        for twin in span.elsewhere:
            if not span.differs and part != twin_at(twin + start - span.start, len(part)):
                span.differs = True
    open_spans[:] = [span for span in open_spans if span.end > end]


def _reading(
    sha256: str, base_sha256: str | None, files: Mapping[PurePosixPath, Node], spans: Mapping[tuple[int, int], _Span]
) -> Reading:
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
    return Reading(sha256=sha256, base_sha256=base_sha256, md5s=md5s, differing=frozenset(differing))
