"""Broken images: every reader answers, or refuses with an error of its own."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from isoforge.errors import ForgeError
from isoforge.image.base import refuse_unless_whole
from isoforge.image.descriptors import read_descriptors
from isoforge.image.eltorito import read_boot_catalog
from isoforge.image.sectors import missing_bytes, read_gpt, read_volume
from isoforge.image.tree import View, read_joliet, read_tree
from isoforge.proof.read.diff import differences
from isoforge.proof.read.image import Image, UnreadableError
from isoforge.proof.read.inspect import inspect, seed_text
from isoforge.proof.verify.verify import verify
from tests.fuzz.conftest import at_most

Change = tuple[int, bytes]
"""A place in an image, and the bytes to put there."""

NUMBERS = (0, 1, 2, 7, 0x80, 0xFF, 0x7FFF, *((1 << bits) - less for bits in (16, 31, 32, 63, 64) for less in (0, 1)))
"""Sizes and addresses at which readers break."""


def little(size: int, number: int) -> bytes:
    return (number % (1 << 8 * size)).to_bytes(size, "little")


def both(number: int) -> bytes:
    """A number as ISO 9660 has it, in both byte orders."""
    return struct.pack("<I", number % (1 << 32)) + struct.pack(">I", number % (1 << 32))


places = st.one_of(
    st.integers(0, 63 * 512),  # MBR, GPT, boot info
    st.integers(16 * 2048, 24 * 2048),  # descriptors
    st.integers(24 * 2048, 160 * 2048),  # path tables, directories, boot catalog, small files
    st.integers(-40 * 512, -1),  # the backup GPT
)
numbers = st.sampled_from(NUMBERS)
contents = st.one_of(
    st.binary(min_size=1, max_size=16),
    st.builds(little, st.sampled_from([1, 2, 4, 8]), numbers),
    st.builds(both, numbers),
)
changes = st.lists(st.tuples(places, contents), min_size=1, max_size=6)
lengths = st.one_of(st.none(), st.integers(0, 200 * 2048))

READERS: dict[str, Callable[[Path], object]] = {
    "volume": read_volume,
    "descriptors": read_descriptors,
    "gpt": read_gpt,
    "missing": missing_bytes,
    "catalog": read_boot_catalog,
    "device": read_tree,
    "partition": lambda iso: read_tree(iso, View.PARTITION),
    "joliet": read_joliet,
    "joliet on a stick": lambda iso: read_joliet(iso, View.PARTITION),
    "whole": refuse_unless_whole,
    "image": lambda iso: read_everything(iso),
}


def read_everything(iso: Path) -> None:
    with Image(iso) as image, suppress(UnreadableError):
        for path in image.tree:
            with suppress(ForgeError):
                image.text(path)
        with suppress(ForgeError, ValueError):
            _ = image.manifest
        with suppress(ForgeError):
            _ = image.menus, image.title, image.casper_uuids


def broken(iso: Path, folder: Path, wrong: Sequence[Change], length: int | None) -> Path:
    """A copy of ``iso`` with the changes ``wrong``, cut to ``length``."""
    content = bytearray(iso.read_bytes())
    for place, change in wrong:
        start = place % len(content)
        content[start : start + len(change)] = change
    copy = folder / "broken.iso"
    copy.write_bytes(content[:length])
    return copy


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("broken")


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(wrong=changes, length=lengths)
@example(wrong=[(512 + 84, b"\0\0\0\0")], length=None)  # entries of no size in the GPT
@example(wrong=[(512 + 72, b"\xff" * 8)], length=None)
@example(wrong=[(-434, b"\x01")], length=None)  # a list of partitions at 128 PiB: no file system has such a file
@example(wrong=[(16 * 2048 + 158, b"\x10\0\0\0\0\0\0\x10")], length=None)  # the root directory is the descriptor
def test_readers_of_images_answer_or_refuse(
    small_iso: Path, folder: Path, wrong: list[Change], length: int | None
) -> None:
    iso = broken(small_iso, folder, wrong, length)
    for read in READERS.values():
        with at_most(), suppress(ForgeError):
            read(iso)


@settings(max_examples=max(10, settings().max_examples // 4), suppress_health_check=[HealthCheck.too_slow])
@given(wrong=changes, length=lengths)
def test_verify_inspect_and_diff_of_broken_images_answer_or_refuse(
    small_iso: Path, folder: Path, wrong: list[Change], length: int | None
) -> None:
    iso = broken(small_iso, folder, wrong, length)
    verbs: list[Callable[[], object]] = [
        lambda: verify(iso),
        lambda: verify(small_iso, base=iso),
        lambda: inspect(iso),
        lambda: seed_text(iso, "site-a-m710q1"),
        lambda: differences(small_iso, iso),
    ]
    for verb in verbs:
        with at_most(), suppress(ForgeError):
            verb()
