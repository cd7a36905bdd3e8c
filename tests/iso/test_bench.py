"""`make bench` measures what it says, and its tables find their page."""

from __future__ import annotations

import os
import sys
from itertools import chain
from pathlib import Path

import pytest

from isoforge.run import run
from scripts.bench.__main__ import measure
from scripts.bench.measure import watched
from scripts.bench.methods import METHODS, REFLINK_METHODS, Bench
from scripts.bench.page import BEGIN, END, Numbers, insert, tables
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Numbers:
    return measure(tmp_path_factory.mktemp("bench"), sizes=(0.002,), repeat=1, hosts=(1, 3), startups=1)


def test_every_method_is_measured(numbers: Numbers) -> None:
    assert all(taken > 0 for taken in (*chain(*numbers.times[0.002].values()), numbers.startup))
    assert list(numbers.times[0.002]) == list(METHODS)
    assert list(numbers.fleets) == [1, 3]
    assert numbers.fleets[3].peak.iso > numbers.fleets[1].peak.iso
    assert all(numbers.peaks[name].memory > 10_000_000 for name in METHODS if name.startswith("isoforge"))
    assert numbers.peaks["isoforge multi --unpack"].disk > numbers.peaks["isoforge multi"].disk + 10_000_000


def test_tables_go_into_the_page_and_its_prose_stays(numbers: Numbers) -> None:
    page = (ROOT / "docs/benchmarks.md").read_text("utf-8")
    text = tables(numbers)
    once = insert(page, text)
    assert insert(once, text) == once
    assert once.partition(BEGIN)[0] == page.partition(BEGIN)[0]
    assert once.partition(END)[2] == page.partition(END)[2]
    for name in METHODS:
        assert name in text
    assert ("On XFS" in text) == bool(numbers.reflink)


def test_where_files_can_share_blocks_is_measured(numbers: Numbers) -> None:
    if os.geteuid() == 0:
        assert list(numbers.reflink) == list(REFLINK_METHODS)
    assert all(taken > 0 for taken in chain(*numbers.reflink.values()))


def test_memory_of_children_and_disk_that_is_freed_again_are_seen(tmp_path: Path) -> None:
    def method(bench: Bench) -> None:
        hungry = "import time; kept = b'x' * 80_000_000; open('spare', 'wb').write(kept[:20_000_000]); time.sleep(1)"
        run("sh", "-c", f'"{sys.executable}" -c "$0"', hungry, cwd=bench.folder)
        (bench.folder / "spare").unlink()
        bench.iso.write_bytes(os.urandom(1 << 20))

    bench = Bench(base=tmp_path / "none", baremetal=tmp_path / "none", folder=tmp_path / "work")
    peak = watched(bench, method)
    assert 80_000_000 < peak.memory < 200_000_000
    assert 18_000_000 < peak.disk < 30_000_000
    assert list(bench.folder.iterdir()) == []
