"""What is known of official ISOs (tests/unit/image/reports) is what the readers expect."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

from isoforge.errors import BaseIsoError, ToolError
from isoforge.image.base import kernels_of, supported_info
from isoforge.image.disk_info import read_disk_info
from isoforge.image.layouts import AMD64, recognised
from isoforge.image.sectors import BLOCK, LBA
from isoforge.proof.read.grub import read_isolinux

REPORTS = Path(__file__).parent / "reports"
MENUS = Path(__file__).parent / "menus"
BASE = Path("base.iso")
GAP_SECTORS, TAIL_SECTORS = 600, 64
"""After the ESP: a third partition that fills the gap, then the backup GPT."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """The numbers of one ISO; ``bytes`` is None if the size of its file is not known."""

    name: str
    volume_id: str
    modified: str
    first: int
    last: int
    block: int
    size: int
    bytes: int | None

    @property
    def report(self) -> str:
        text = (REPORTS / "amd64.txt").read_text()
        return text.format(**{**self.__dict__, "path": "/isos/base.iso"})


def rows() -> list[Row]:
    lines = (REPORTS / "amd64.tsv").read_text().splitlines()[1:]
    return [row(*line.split("\t")) for line in lines]


def row(name: str, volume_id: str, modified: str, *numbers: str) -> Row:
    first, last, block, size = map(int, numbers[:4])
    length = None if numbers[4] == "-" else int(numbers[4])
    return Row(
        name=name,
        volume_id=volume_id,
        modified=modified,
        first=first,
        last=last,
        block=block,
        size=size,
        bytes=length,
    )


@pytest.fixture(params=rows(), ids=lambda row: row.name)
def official(request: pytest.FixtureRequest) -> Row:
    assert isinstance(request.param, Row)
    return request.param


def test_its_report_is_recognised_and_replayed(official: Row) -> None:
    layout, args = recognised(BASE, "amd64", official.report)
    assert layout is AMD64
    assert "-V" not in args
    assert f"--interval:local_fs:{official.first}d-{official.last}d::/isos/base.iso" in args
    assert args[args.index("-e") + 1] == "--interval:appended_partition_2:all::"
    assert args[-2:] == ("-boot-load-size", str(official.size))
    assert args[args.index("-c") + 1] == str(AMD64.boot_catalog)


def test_the_efi_boot_record_is_the_appended_esp(official: Row) -> None:
    assert official.first * LBA == official.block * BLOCK
    assert official.last - official.first + 1 == official.size


@pytest.mark.parametrize("official", [row for row in rows() if row.bytes], ids=lambda row: row.name)
def test_the_file_ends_with_the_gap_and_the_backup_gpt(official: Row) -> None:
    assert official.bytes == (official.last + 1 + GAP_SECTORS + TAIL_SECTORS) * LBA


def test_the_volume_id_fits_and_is_never_that_of_a_seed(official: Row) -> None:
    assert len(official.volume_id) <= 32
    assert official.volume_id.startswith("Ubuntu")


def test_a_report_of_xorriso_1_5_2_asks_for_a_newer_one() -> None:
    with pytest.raises(ToolError, match="too old: it misreads the boot records of Ubuntu's ISOs"):
        recognised(BASE, "amd64", (REPORTS / "24.04-by-xorriso-1.5.2.txt").read_text())


@pytest.mark.parametrize("name", ["20.04.6-server.txt", "20.04.1-desktop.txt"])
def test_20_04_is_refused_as_out_of_support(name: str) -> None:
    with pytest.raises(BaseIsoError, match="out of standard support"):
        recognised(BASE, "amd64", (REPORTS / name).read_text())


def test_the_isolinux_menu_of_20_04_is_read() -> None:
    menu = read_isolinux((MENUS / "20.04-server-isolinux.cfg").read_text())
    assert [(entry.title, entry.linux, entry.initrd) for entry in menu.entries[:2]] == [
        ("Install Ubuntu Server", ("/casper/vmlinuz", "quiet", "---"), ("/casper/initrd",)),
        (
            "Install Ubuntu Server (safe graphics)",
            ("/casper/vmlinuz", "quiet", "nomodeset", "---"),
            ("/casper/initrd",),
        ),
    ]


def disk_infos() -> list[tuple[str, ...]]:
    return [tuple(line.split("\t")) for line in (REPORTS / "disk-info.tsv").read_text().splitlines()[1:]]


@pytest.mark.parametrize(("title", "parts"), disk_infos())
def test_every_form_of_disk_info_is_read(title: str, parts: str) -> None:
    info = read_disk_info(f"{title}\n")
    assert info is not None
    assert f"{info.product} {info.release} {info.status} {info.arch} {info.serial}" == parts


def files_of(name: str) -> frozenset[PurePosixPath]:
    """The files of an ISO by their list (reports/NAME.files)."""
    return frozenset(map(PurePosixPath, (REPORTS / f"{name}.files").read_text().split()))


@pytest.mark.parametrize(
    ("name", "title", "flavours"),
    [
        ("22.04-server", 'Ubuntu-Server 22.04.1 LTS "Jammy Jellyfish" - Release amd64 (20220809)', ["ga"]),
        ("24.04.4-server", 'Ubuntu-Server 24.04.4 LTS "Noble Numbat" - Release amd64 (20260210)', ["ga", "hwe"]),
    ],
)
def test_an_iso_is_accepted_and_its_kernels_are_known_by_its_files(name: str, title: str, flavours: list[str]) -> None:
    paths = files_of(name)
    assert str(supported_info(BASE, title, paths).release) in title
    assert [kernel.flavour for kernel in kernels_of(BASE, paths)] == flavours


@pytest.mark.parametrize("missing", ["/casper/install-sources.yaml", "/boot/grub/grub.cfg"])
def test_an_iso_without_the_installers_files_is_refused(missing: str) -> None:
    title = 'Ubuntu-Server 22.04.1 LTS "Jammy Jellyfish" - Release amd64 (20220809)'
    with pytest.raises(BaseIsoError, match="it has no installer that reads a seed"):
        supported_info(BASE, title, files_of("22.04-server") - {PurePosixPath(missing)})


@pytest.mark.parametrize(
    "title",
    [
        "",
        "Debian GNU/Linux 12.5.0",
        'Kubuntu 24.04 LTS "Noble Numbat" - Release amd64 (20240424)',
        'Ubuntu-Server 24.05 "Noble Numbat" - Release amd64 (20240424)',
    ],
)
def test_another_disk_info_is_not_ubuntus(title: str) -> None:
    assert read_disk_info(title) is None
