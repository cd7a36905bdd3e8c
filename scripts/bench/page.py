"""Writes the measurements as tables into a page."""

from __future__ import annotations

import os
import platform
import re
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from time import perf_counter

from isoforge import __version__
from isoforge.image.xorriso import require_xorriso
from isoforge.run import run
from scripts.bench.measure import Peak
from scripts.bench.methods import COPY

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """What the ISO of a fleet takes: seconds, one for each round, and the most memory."""

    times: Sequence[float]
    peak: Peak


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """What was measured in ``folder``, times in seconds.

    ``times`` by the size of the base (GB) and the method, one for each round; ``reflink`` the same for the largest
    base, where files can share blocks (empty: not measured); ``peaks`` by the method, on the largest base;
    ``fleets`` by the number of hosts, on the smallest base; ``startup`` of ``isoforge --help``.
    """

    folder: Path
    times: Mapping[float, Mapping[str, Sequence[float]]]
    reflink: Mapping[str, Sequence[float]]
    peaks: Mapping[str, Peak]
    fleets: Mapping[int, Fleet]
    startup: float


def tables(numbers: Numbers) -> str:
    """The numbers and the machine as Markdown; times are medians, ratios those of the same round."""
    rounds = len(next(iter(next(iter(numbers.times.values())).values())))
    sizes = list(numbers.times)
    needs = [(_named(name), _mb(peak.memory), _mb(peak.disk)) for name, peak in numbers.peaks.items()]
    return "\n".join(
        [
            _table(("the machine", ""), _machine(numbers.folder)),
            f"Time as a ratio to `{COPY}` in the same round; in brackets seconds. Medians of {rounds}.\n",
            _table(("", *(f"{size:g} GB" for size in sizes)), _ratios(numbers.times)),
            *_with_reflink(numbers.reflink, max(sizes)),
            f"The most that was needed on the base of {max(sizes):g} GB: memory of all processes together (PSS), and",
            "disk beyond the ISO that comes out.\n",
            _table(("", "memory", "disk"), needs),
            f"`isoforge multi` with more hosts, on the base of {min(sizes):g} GB; seeds are rendered and checked.\n",
            _table(
                ("hosts", "seconds", "for each host more", "memory", "ISO for each host more"), _hosts(numbers.fleets)
            ),
            f"`isoforge --help` takes {numbers.startup:.2f} s.\n",
        ]
    )


def _with_reflink(times: Mapping[str, Sequence[float]], size: float) -> Iterator[str]:
    if not times:
        return
    yield "On XFS, where files can share blocks, in a file on the same disk; the unit is a copy that shares none.\n"
    yield _table(("", f"{size:g} GB"), _ratios({size: times}))


def insert(page: str, text: str) -> str:
    """``page`` with ``text`` in place of the text between its two markers."""
    before, _, rest = page.partition(BEGIN)
    _, there, after = rest.partition(END)
    if not there:
        raise ValueError(f"the page has no {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{text}\n{END}{after}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _ratios(times: Mapping[float, Mapping[str, Sequence[float]]]) -> Iterator[Sequence[str]]:
    for name in next(iter(times.values())):
        cells = []
        for taken in times.values():
            ratios = [mine / copy for mine, copy in zip(taken[name], taken[COPY], strict=True)]
            cells.append(f"{statistics.median(ratios):.2f} ({statistics.median(taken[name]):.2f})")
        yield (_named(name), *cells)


def _named(method: str) -> str:
    """A command as code, words as words."""
    return f"`{method}`" if method.startswith(("isoforge", "xorriso", "cp")) else method


def _mb(size: int) -> str:
    return f"{size / 1e6:.0f} MB"


def _hosts(fleets: Mapping[int, Fleet]) -> Iterator[Sequence[str]]:
    fewest, least = next(iter(fleets.items()))
    for count, fleet in fleets.items():
        median = statistics.median(fleet.times)
        time = size = ""
        if count > fewest:
            time = f"{(median - statistics.median(least.times)) / (count - fewest) * 1000:.1f} ms"
            size = f"{(fleet.peak.iso - least.peak.iso) / (count - fewest) / 1000:.1f} kB"
        yield (f"{count:,}", f"{median:.2f}", time, _mb(fleet.peak.memory), size)


def _machine(folder: Path) -> Iterator[Sequence[str]]:
    """The properties of the machine that the numbers depend on; nothing that identifies its owner."""
    cpu = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = re.search(r"^MemTotal:\s*(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    cores = len(os.sched_getaffinity(0))
    yield ("processor", f"{cpu.group(1) if cpu else platform.machine()}, {cores} cores")
    yield ("SHA-256 on one core", f"{_sha256_speed() / 1e6:.0f} MB/s")
    yield ("memory", f"{int(memory.group(1)) / 1e6:.0f} GB" if memory else "unknown")
    yield ("file system", run("df", "--output=fstype", folder).split()[-1])
    yield ("kernel", ".".join(platform.release().split(".")[:2]))
    yield ("versions", f"isoforge {__version__}, xorriso {require_xorriso()}, Python {platform.python_version()}")


def _sha256_speed() -> float:
    """Bytes a second."""
    chunk, rounds = bytes(1 << 20), 256
    begun = perf_counter()
    digest = sha256()
    for _ in range(rounds):
        digest.update(chunk)
    return len(chunk) * rounds / (perf_counter() - begun)
