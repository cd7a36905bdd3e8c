"""`make bench`: time and resources that isoforge needs, relative to a copy of the base ISO in the same run."""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from time import perf_counter

from isoforge.proof.boot.synthetic_iso import make_base
from isoforge.run import run
from scripts.bench.measure import Peak, seconds, watched
from scripts.bench.methods import COPY, METHODS, REFLINK_METHODS, Bench, Method, isoforge
from scripts.bench.page import Fleet, Numbers, insert, tables
from scripts.bench.reflink import reflink_folder
from scripts.large_fleet import large_fleet

GB = 10**9
FEWEST = 5
"""The fewest repetitions for a meaningful median."""


def main() -> None:
    """Measure, print the tables, and write them into the page if there is one."""
    options = _options()
    options.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".bench.", dir=options.folder) as folder:
        numbers = measure(
            Path(folder).absolute(),
            sizes=options.sizes,
            repeat=options.repeat,
            hosts=options.hosts,
            startups=options.startups,
        )
        text = tables(numbers)
    sys.stdout.write(text)
    if options.page:
        options.page.write_text(insert(options.page.read_text("utf-8"), text), "utf-8")


def measure(
    folder: Path, *, sizes: tuple[float, ...], repeat: int, hosts: tuple[int, ...], startups: int = 11
) -> Numbers:
    """All numbers: bases of ``sizes`` (GB) and fleets of so many ``hosts`` are made in the empty directory ``folder``.

    The fleets are built on the smallest base. Methods take turns, so that whatever else the machine does meets all.
    """
    times: dict[float, Mapping[str, list[float]]] = {}
    peaks: dict[str, Peak] = {}
    reflink: Mapping[str, list[float]] = {}
    fleets: dict[int, Fleet] = {}
    large_fleet(folder / "fleet", 2)
    for size in sorted(sizes):
        base = folder / "base.iso"
        _tell(f"making a base ISO of {size:g} GB")
        make_base(base, filler_bytes=int(size * GB))
        bench = Bench(base=base, folder=folder / "work", baremetal=folder / "fleet")
        times[size] = _in_turn(bench, size, repeat, METHODS)
        if size == max(sizes):
            _tell("memory and disk")
            peaks = {name: watched(bench, method) for name, method in METHODS.items() if name != COPY}
            reflink = _with_reflink(bench, size, repeat)
        if size == min(sizes):
            fleets = _fleets(bench, hosts, repeat)
        base.unlink()
    return Numbers(folder=folder, times=times, reflink=reflink, peaks=peaks, fleets=fleets, startup=_startup(startups))


def _with_reflink(bench: Bench, size: float, repeat: int) -> Mapping[str, list[float]]:
    """The times where files can share blocks; none if no such file system can be mounted."""
    with reflink_folder(bench.folder.parent, 3 * bench.base.stat().st_size) as mount:
        if mount is None:
            _tell("no file system with reflink: it takes root and mkfs.xfs")
            return {}
        base = Path(shutil.copy(bench.base, mount))
        return _in_turn(replace(bench, base=base, folder=mount / "work"), size, repeat, REFLINK_METHODS)


def _in_turn(bench: Bench, size: float, repeat: int, methods: Mapping[str, Method]) -> Mapping[str, list[float]]:
    taken: dict[str, list[float]] = {name: [] for name in methods}
    for number in range(1, repeat + 1):
        for name, method in methods.items():
            taken[name].append(seconds(bench, method))
            _tell(f"{size:g} GB, {number} of {repeat}: {name} {taken[name][-1]:.2f} s")
    return taken


def _fleets(bench: Bench, hosts: tuple[int, ...], repeat: int) -> dict[int, Fleet]:
    taken: dict[int, list[float]] = {count: [] for count in hosts}
    fleets = {count: replace(bench, baremetal=bench.folder.with_name(f"fleet-{count}")) for count in hosts}
    for count, fleet in fleets.items():
        large_fleet(fleet.baremetal, count)
    for number in range(1, repeat + 1):
        for count, fleet in fleets.items():
            taken[count].append(seconds(fleet, isoforge()))
            _tell(f"{count} hosts, {number} of {repeat}: {taken[count][-1]:.2f} s")
    return {
        count: Fleet(times=taken[count], peak=watched(fleet, isoforge("--fast"))) for count, fleet in fleets.items()
    }


def _startup(repeat: int) -> float:
    """The median of so many times of ``isoforge --help``, in seconds."""
    taken = []
    for _ in range(repeat):
        begun = perf_counter()
        run(sys.executable, "-m", "isoforge", "--help")
        taken.append(perf_counter() - begun)
    return statistics.median(taken)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--sizes", type=_numbers(float), default=(0.1, 1.0, 3.0), help="of the bases, in GB")
    parser.add_argument("--repeat", type=int, default=FEWEST, help="how often everything is measured")
    parser.add_argument("--hosts", type=_numbers(int), default=(1, 10, 100, 1000, 10_000), help="sizes of the fleets")
    parser.add_argument("--startups", type=int, default=11, help="how often --help is started")
    parser.add_argument("--folder", type=Path, default=Path(".cache/bench"), help="a folder on the disk to measure")
    parser.add_argument("--page", type=Path, help="the page that the tables go into, for example docs/benchmarks.md")
    return parser.parse_args()


def _numbers(kind: Callable[[str], float]) -> Callable[[str], tuple[float, ...]]:
    return lambda text: tuple(kind(word) for word in text.split(","))


def _tell(words: str) -> None:
    sys.stderr.write(f"{words}\n")


if __name__ == "__main__":
    main()
