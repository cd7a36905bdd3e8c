"""A composed disk has the bytes of the ISO, and those of the overlay in their place."""

from __future__ import annotations

from isoforge.proof.boot import cpio
from isoforge.proof.boot.vmdk_overlay import Segment, composed, descriptor, is_probe
from isoforge.templates import shipped_templates

PROBE = Segment(start=4096, size=1024, source="probe-0", offset=0)
RECORDS = Segment(start=2048, size=2048, source="records", offset=2048)


def test_every_byte_appears_once_and_in_its_place() -> None:
    parts = list(composed([PROBE, RECORDS], 8192))
    assert parts == [
        Segment(start=0, size=2048, source="iso", offset=0),
        RECORDS,
        PROBE,
        Segment(start=5120, size=3072, source="iso", offset=5120),
    ]
    assert [one.start for one in parts[1:]] == [one.end for one in parts[:-1]]


def test_without_an_overlay_the_disk_is_the_iso() -> None:
    assert list(composed([], 8192)) == [Segment(start=0, size=8192, source="iso", offset=0)]


def test_the_descriptor_counts_in_sectors() -> None:
    text = descriptor(composed([RECORDS], 8192))
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
