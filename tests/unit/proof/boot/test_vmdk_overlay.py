"""A medium laid together shows the ISO's own bytes, and in their midst what was laid over them."""

from __future__ import annotations

from isoforge.proof.boot import cpio
from isoforge.proof.boot.vmdk_overlay import Stretch, descriptor, in_order, is_probe
from isoforge.templates import shipped_templates

BEHIND = Stretch(start=4096, size=1024, source="probe-0", offset=0)
RECORDS = Stretch(start=2048, size=2048, source="records", offset=2048)


def test_every_byte_is_shown_once_and_in_its_place() -> None:
    laid = list(in_order([BEHIND, RECORDS], 8192))
    assert laid == [
        Stretch(start=0, size=2048, source="iso", offset=0),
        RECORDS,
        BEHIND,
        Stretch(start=5120, size=3072, source="iso", offset=5120),
    ]
    assert [one.start for one in laid[1:]] == [one.end for one in laid[:-1]]


def test_nothing_laid_over_is_the_iso() -> None:
    assert list(in_order([], 8192)) == [Stretch(start=0, size=8192, source="iso", offset=0)]


def test_the_descriptor_counts_in_sectors() -> None:
    text = descriptor(in_order([RECORDS], 8192))
    assert [line for line in text.splitlines() if line.startswith("RW")] == [
        'RW 4 FLAT "iso" 0',
        'RW 4 FLAT "records" 4',
        'RW 8 FLAT "iso" 8',
    ]


def test_only_an_initrd_with_this_very_probe_is_one() -> None:
    init = (shipped_templates() / "probe/init").read_bytes()
    assert is_probe(cpio.initrd([cpio.file("init", init, executable=True)]))
    assert not is_probe(cpio.initrd([cpio.file("init", b"#!/bin/sh\nexec casper\n")]))
    assert not is_probe(cpio.archive([cpio.file("init", init)]))
    assert not is_probe(b"\x1f\x8bnot gzip at all")
