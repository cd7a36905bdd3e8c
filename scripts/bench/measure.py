"""Measures how long a method takes, and the most memory and disk space that its processes use."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from scripts.bench.methods import Bench, Method, clear

SAMPLE_S = 0.02
"""Seconds between two samples of the processes and of the files that they write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """The largest samples: ``memory`` of all processes together (PSS), ``disk`` beyond the result, whose size is
    ``iso``; in bytes."""

    memory: int
    disk: int
    iso: int


def seconds(bench: Bench, method: Method) -> float:
    """How long ``method`` takes on a disk that has nothing else to do; nothing of it is left afterwards."""
    clear(bench.folder)
    os.sync()
    begun = perf_counter()
    method(bench)
    taken = perf_counter() - begun
    clear(bench.folder)
    return taken


def watched(bench: Bench, method: Method) -> Peak:
    """The most that ``method`` needs; sampling takes time, so time is measured in another run."""
    clear(bench.folder)
    seen = {"memory": 0, "disk": 0}
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(SAMPLE_S):
            seen["memory"] = max(seen["memory"], sum(map(_memory, _descendants(os.getpid()))))
            seen["disk"] = max(seen["disk"], _disk(bench.folder))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        method(bench)
    finally:
        ended.set()
        looking.join()
    result = bench.iso.stat()
    clear(bench.folder)
    return Peak(memory=seen["memory"], disk=max(0, seen["disk"] - result.st_blocks * 512), iso=result.st_size)


def _descendants(process: int) -> Iterator[int]:
    """The children of ``process``, their children, and so on (proc(5), /proc/pid/stat)."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            words = (entry / "stat").read_text().rpartition(")")[2].split() if entry.name.isdigit() else ["", "0"]
            parents.setdefault(int(words[1]), []).append(int(entry.name))
    waiting = [process]
    while waiting:
        children = parents.get(waiting.pop(), [])
        waiting += children
        yield from children


def _memory(process: int) -> int:
    """The proportional set size in bytes: memory that processes share is counted once (proc(5), smaps_rollup)."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) << 10
    return 0


def _disk(folder: Path) -> int:
    """The bytes on the disk of every file below ``folder``."""
    used = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                used += Path(place, name).lstat().st_blocks * 512
    return used
