"""The reader of FAT file systems reads what mtools has written, in each width of the table, and ends on any bytes."""

from __future__ import annotations

import contextlib
import random
import time
from pathlib import Path

import pytest

from isoforge.proof.read.fat import SAME_NAME_LIMIT, Fat, FatError
from isoforge.run import run

SHAPES = {
    "FAT12": ["-T", "2880"],
    "FAT16": ["-T", "32768", "-c", "4"],
    "FAT32": ["-T", "80000", "-c", "1", "-F"],
}
TEXT = b"".join(b"line %d\n" % number for number in range(1000))


def fat(image: bytes | bytearray) -> Fat:
    return Fat(lambda start, size: bytes(image[start : start + size]))


@pytest.fixture(params=SHAPES)
def image(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, bytes]:
    file, source = tmp_path / "fat.img", tmp_path / "text"
    source.write_bytes(TEXT)
    env = {"MTOOLS_SKIP_CHECK": "1"}
    run("mformat", "-i", file, "-C", *SHAPES[request.param], "-h", "1", "-s", "4", "-v", "ESP", "::", env=env)
    run("mmd", "-i", file, "::/EFI", "::/EFI/ubuntu", "::/A long folder name", env=env)
    for path in ("/EFI/ubuntu/grub.cfg", "/A long folder name/Another long name.cfg", "/GRUB.CFG"):
        run("mcopy", "-i", file, source, f"::{path}", env=env)
    run("mdel", "-i", file, "::/GRUB.CFG", env=env)
    return request.param, file.read_bytes()


def test_files_are_read_by_long_and_short_names_without_regard_to_case(image: tuple[str, bytes]) -> None:
    name, content = image
    reader = fat(content)
    assert name.encode() in content[54:90]
    assert reader.files("/efi/UBUNTU/Grub.cfg") == [TEXT]
    assert reader.files("/A LONG folder name/another long name.CFG") == [TEXT]
    assert reader.files("/ALONGF~1/ANOTHE~1.CFG") == [TEXT]
    for missing in ("/grub.cfg", "/EFI/ubuntu", "/EFI/ubuntu/grub", "/EFI/BOOT/grub.cfg"):
        assert reader.files(missing) == [], missing


def test_any_bytes_are_read_or_refused_soon(image: tuple[str, bytes]) -> None:
    _, content = image
    chance = random.Random(1)  # noqa: S311 - no secret
    used = [place for place in range(len(content)) if content[place]][:4000]
    broken = bytearray(content)
    begun = time.monotonic()
    for _ in range(300):
        places = (chance.randrange(11, 64), chance.choice(used), chance.choice(used), chance.choice(used))
        changed = places[: chance.choice((1, 2, 4))]
        for place in changed:
            broken[place] = chance.choice((0, 1, 127, 255))
        with contextlib.suppress(FatError):
            fat(broken).files("/EFI/ubuntu/grub.cfg")
        for place in changed:
            broken[place] = content[place]
    assert time.monotonic() - begun < 10


def test_many_files_of_one_name_are_refused(image: tuple[str, bytes]) -> None:
    name, content = image
    entry = b"GRUB    CFG" + bytes(21)
    short = content.index(b"EFI        ")
    broken = bytearray(content)
    broken[short : short + 32 * (SAME_NAME_LIMIT + 1)] = entry * (SAME_NAME_LIMIT + 1)
    if name == "FAT32":
        pytest.skip("a folder of one sector has no room")
    with pytest.raises(FatError, match="17 files /grub"):
        fat(bytes(broken)).files("/grub.cfg")
