"""The numbers of official ISOs (tests/unit/image/reports), given to an ISO: xorriso reports it as the official
one, every check of `verify` fits it, and its size is that of the official file.

The files on it are those of the synthetic base ISO, and the rest of its gigabytes are a hole.
"""

from __future__ import annotations

import binascii
import re
import shlex
import struct
from pathlib import Path

import pytest

from isoforge.image.eltorito import read_boot_catalog
from isoforge.image.layouts import AMD64, recognised
from isoforge.image.sectors import BLOCK, LBA, missing_bytes, read_gpt
from isoforge.proof.boot.synthetic_iso import Kind, md5_lines, mkisofs, write_esp, write_tree
from isoforge.proof.read.image import Image
from isoforge.proof.verify.case import Case
from isoforge.proof.verify.check import Outcome, check
from isoforge.proof.verify.verify import STRUCTURE
from isoforge.run import run
from tests.iso.mutation import catalog, get, put
from tests.unit.image.test_official_isos import GAP_SECTORS, REPORTS, TAIL_SECTORS, Row, rows

KIND = Kind(hwe=True)

FIRST, MBR_ROWS = 64, 446
"""The sector at which partition 1 begins; where the partitions in the MBR are."""

NOT_OF_A_BASE = {"shadowing", "machines", "seeds", "base-files"}
"""Checks that have nothing to look at on an ISO without hosts."""


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tree that has the boot programs, cut so that they fit into the smallest ESP of 22.04."""
    tree = tmp_path_factory.mktemp("numbers") / "tree"
    write_tree(tree, kind=KIND, guest=None, initrd=None, filler_bytes=0, cache=Path(".cache"))
    for program in (tree / "EFI/boot").iterdir():
        program.write_bytes(program.read_bytes()[: 1 << 17])
    (tree / "md5sum.txt").write_text("".join(md5_lines(tree, unlisted=KIND.release.unlisted)))
    return tree / "EFI/boot"


@pytest.fixture(scope="session")
def stretchable(programs: Path) -> bytes:
    """A synthetic base ISO with these programs, up to the end of partition 1."""
    tree = programs.parents[1]
    iso, image = tree.with_name("small.iso"), tree.with_name("esp.img")
    write_esp(programs, image, kind=KIND)
    run("xorriso", *mkisofs(tree=tree, esp=image, draft=iso, kind=KIND))
    gpt = read_gpt(iso)
    assert gpt
    return iso.read_bytes()[: gpt.partitions[0].end]


@pytest.fixture(params=rows(), ids=lambda row: row.name)
def row(request: pytest.FixtureRequest) -> Row:
    assert isinstance(request.param, Row)
    return request.param


@pytest.fixture
def iso(row: Row, stretchable: bytes, programs: Path, tmp_path: Path) -> Path:
    """An ISO with the numbers of ``row``."""
    path = tmp_path / "base.iso"
    sectors = row.last + 1 + GAP_SECTORS + TAIL_SECTORS
    assert len(stretchable) <= row.first * LBA
    with path.open("wb") as file:
        file.write(stretchable)
        file.seek(row.first * LBA)
        file.write(esp(tmp_path / "esp.img", row.size, programs))
        file.truncate(sectors * LBA)
    for start, blocks in ((0, sectors * LBA // BLOCK), (FIRST * LBA, (row.first - FIRST) * LBA // BLOCK)):
        describe(path, start, row, blocks)
    entry = catalog(path) + 64 + 32
    assert get(path, entry - 31, 1) == b"\xef"
    put(path, entry + 6, struct.pack("<HI", row.size, row.block))
    partition(path, row, sectors)
    return path


def esp(image: Path, sectors: int, programs: Path) -> bytes:
    """A FAT file system of that size with the boot programs."""
    run("mformat", "-i", image, "-C", "-T", str(sectors), "-c", "4", "-h", "1", "-s", "4", "-v", "ESP", "::")
    run("mmd", "-i", image, "::/EFI", "::/EFI/boot")
    run("mcopy", "-i", image, *sorted(programs.iterdir()), "::/EFI/boot/")
    return image.read_bytes().ljust(sectors * LBA, b"\0")


def describe(iso: Path, start: int, row: Row, blocks: int) -> None:
    """Write volume id, size and date into the descriptors of the view that begins at byte ``start``."""
    for block, encoding in ((16, "ascii"), (18, "utf-16-be")):
        place = start + block * BLOCK
        assert get(iso, place + 1, 5) == b"CD001"
        blank = " ".encode(encoding)
        name = row.volume_id.encode(encoding)[:32]
        put(iso, place + 40, name + blank * ((32 - len(name)) // len(blank)))
        put(iso, place + 80, struct.pack("<I", blocks) + struct.pack(">I", blocks))
        if row.modified != "-":
            for field in (813, 830):  # creation, modification
                put(iso, place + field, row.modified.encode())


def partition(iso: Path, row: Row, sectors: int) -> None:
    """Write the ends of the partitions, and both GPTs where they belong."""
    table = bytearray(get(iso, 2 * LBA, 248 * 128))
    gap = (row.last + 1, row.last + GAP_SECTORS)
    for number, (first, last) in enumerate(((FIRST, row.first - 1), (row.first, row.last), gap)):
        struct.pack_into("<QQ", table, number * 128 + 32, first, last)
    put(iso, 2 * LBA, bytes(table))
    put(iso, (sectors - 63) * LBA, bytes(table))
    header = bytearray(get(iso, LBA, 92))
    for own, other, where in ((1, sectors - 1, 2), (sectors - 1, 1, sectors - 63)):
        struct.pack_into("<QQQQ", header, 24, own, other, FIRST, sectors - FIRST)
        struct.pack_into("<Q", header, 72, where)
        struct.pack_into("<I", header, 88, binascii.crc32(table))
        struct.pack_into("<I", header, 16, 0)
        struct.pack_into("<I", header, 16, binascii.crc32(header))
        put(iso, own * LBA, bytes(header))
    put(iso, MBR_ROWS + 12, struct.pack("<I", sectors - 1))


def test_an_iso_of_these_numbers_is_what_xorriso_reports_and_verify_expects(row: Row, iso: Path) -> None:
    text = run("xorriso", "-no_rc", "-indev", iso, "-report_el_torito", "as_mkisofs")
    expected = row.report.replace("/isos/base.iso", str(iso))
    lines = [line for line in text.splitlines() if row.modified != "-" or "modification-date" not in line]
    assert lines == [line for line in expected.splitlines() if "date='-'" not in line]
    assert recognised(iso, "amd64", text) == recognised(iso, "amd64", expected)
    assert shlex.split(text)[-1] == str(row.size)

    gpt, boot = read_gpt(iso), read_boot_catalog(iso)
    assert gpt
    assert boot
    assert (gpt.problems, gpt.remarks, boot.problems) == ((), (), ())
    assert [(image.platform, image.size) for image in boot.images] == [("BIOS", BLOCK), ("UEFI", row.size * LBA)]
    assert boot.images[1].start == row.block * BLOCK == gpt.partitions[1].start
    assert iso.stat().st_size == gpt.end == (row.bytes or gpt.end)
    with Image(iso) as image:
        assert image.layout is AMD64
        checks = [check(name, lambda ask=ask: ask(Case(iso=image))) for name, ask in STRUCTURE.items()]  # type: ignore[misc]
    assert [(one.name, one.faults) for one in checks if one.faults] == []
    assert {one.name for one in checks if one.outcome is Outcome.SKIPPED} <= NOT_OF_A_BASE


def test_an_iso_of_these_numbers_that_lacks_its_last_sector_is_truncated(iso: Path) -> None:
    assert missing_bytes(iso) == 0
    with iso.open("r+b") as file:
        file.truncate(iso.stat().st_size - LBA)
    assert missing_bytes(iso) == LBA


def text_of(name: str) -> str:
    return (REPORTS / name).read_text()


@pytest.mark.parametrize("row", [one for one in rows() if one.name == "24.04.4-server"], ids=lambda row: row.name)
def test_the_plain_report_of_24_04_4_differs_in_two_addresses_alone(iso: Path) -> None:
    text = run("xorriso", "-no_rc", "-indev", iso, "-report_el_torito", "plain")
    own = re.compile(r"(?<=^El Torito catalog  :)( +\d+)|(?<=BIOS  y   none  0x0000  0x00      4)( +\d+)", re.MULTILINE)
    assert own.sub(" -", text) == own.sub(" -", text_of("24.04.4-server.plain.txt"))


@pytest.mark.parametrize(
    "row", [one for one in rows() if one.name in ("22.04.2-server", "24.04.1-server")], ids=lambda row: row.name
)
def test_the_cmd_reports_of_other_versions_agree(row: Row, iso: Path) -> None:
    text = run("xorriso", "-no_rc", "-indev", iso, "-report_el_torito", "cmd")
    official = text_of(f"{row.name}.cmd.txt").replace("base.iso", str(iso))
    if row.name == "24.04.1-server":  # by xorriso 1.5.2, which takes the layout for another one
        official = official.replace("part_like_isohybrid=on", "appended_part_as=gpt")
        official = official.replace("-boot_image isolinux partition_entry=gpt_basdat\n", "")
    assert text == official
