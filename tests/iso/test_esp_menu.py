"""A grub.cfg inside the EFI system partition is followed: it must lead on to the menu of the ISO."""

from __future__ import annotations

import contextlib
import struct
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from isoforge.errors import ToolError
from isoforge.image.sectors import LBA
from isoforge.proof.read.image import Image
from isoforge.proof.verify.case import Case
from isoforge.proof.verify.menu_start import start
from isoforge.proof.verify.verify import verify
from isoforge.run import run
from tests.iso import mutation as m
from tests.iso.test_fault_corpus import esp, failed, told

SEARCH = "search --file --set=root /.disk/info\n"
LEADS_ON = f"{SEARCH}set prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n"
INSTALLS = (
    f"{SEARCH}set timeout=0\nmenuentry x {{\n\tlinux /casper/vmlinuz autoinstall ---\n\tinitrd /casper/initrd\n}}\n"
)


def laid(iso: Path, path: str, content: str | bytes) -> None:
    """Write a file into the ESP of ``iso``."""
    source = iso.with_name("esp-file")
    source.write_bytes(content.encode() if isinstance(content, str) else content)
    image, env = f"{iso}@@{esp(iso)}", {"MTOOLS_SKIP_CHECK": "1"}
    for folder in reversed(list(Path(path).parents)[:-1]):
        with contextlib.suppress(ToolError):  # it exists
            run("mmd", "-D", "s", "-i", image, f"::{folder}", env=env)
    run("mcopy", "-i", image, source, f"::{path}", env=env)


def faults(iso: Path) -> str:
    with Image(iso) as image:
        return "\n".join(start(Case(iso=image, manifest=image.manifest)).faults)


CONFIGS: Mapping[str, tuple[Mapping[str, str], str]] = {
    "another menu": (
        {"/EFI/BOOT/grub.cfg": f"{SEARCH}configfile ($root)/boot/grub/loopback.cfg\n"}, "does not lead to",
    ),
    "installing entry": ({"/EFI/ubuntu/grub.cfg": INSTALLS}, "cannot be followed: line 2: set timeout=0"),
    "installing entry by one word": (
        {"/EFI/BOOT/grub.cfg": f"{SEARCH}linux /casper/vmlinuz autoinstall\nboot\n"}, "followed: line 2: linux",
    ),
    "no menu": ({"/boot/grub/grub.cfg": "true\n"}, "does not lead to the menu"),
    "missing menu": ({"/boot/grub/grub.cfg": f"{SEARCH}configfile ($root)/boot/grub/gone.cfg\n"}, "does not lead to"),
    "menu before the search": ({"/boot/grub/grub.cfg": "configfile /boot/grub/grub.cfg\n"}, "is not known"),
    "menu of the ESP": (
        {"/boot/grub/grub.cfg": LEADS_ON, "/.disk/info": "x"}, "/.disk/info, which may be found in the ESP itself",
    ),
    "another file of the ESP": (
        {"/EFI/BOOT/grub.cfg": f"source $prefix/more.cfg\n{LEADS_ON}", "/EFI/BOOT/more.cfg": "x"}, "cannot be followed",
    ),
    "capitals": ({"/Efi/Ubuntu/GRUB.CFG": "true\n"}, "does not lead to"),
    "one machine only": (
        {"/EFI/BOOT/grub.cfg": f"smbios --type 1 --get-string 7 --set a\n{LEADS_ON}"}, "followed: line 1: smbios",
    ),
    "loop without end": (
        {"/EFI/BOOT/grub.cfg": f"while true; do true; done\n{LEADS_ON}"}, "cannot be followed",
    ),
    "syntax error": ({"/EFI/BOOT/grub.cfg": "if true; then\n"}, "syntax error"),
}  # fmt: skip


@pytest.mark.parametrize("name", CONFIGS)
def test_a_script_in_the_esp_that_does_not_lead_to_the_menu_is_a_fault(good: Path, tmp_path: Path, name: str) -> None:
    files, words = CONFIGS[name]
    iso = m.with_manifest(good, tmp_path / "changed.iso")
    for path, text in files.items():
        laid(iso, path, text)
    assert words in faults(iso)


SOUND = {
    "configfile": LEADS_ON,
    "comment": f"# set timeout=0\n{LEADS_ON}",
    "source": f"{SEARCH}set prefix=($root)/boot/grub\nsource $prefix/grub.cfg\n",
    "condition": "if ! search --file --set=root /.disk/info; then\n\tsearch --file --set=root /.disk/mini-info\nfi\n"
    "set prefix=($root)/boot/grub\nif [ -e $prefix/grub.cfg ]; then\n\tconfigfile $prefix/grub.cfg\nfi\n",
}


@pytest.mark.parametrize("path", ["/EFI/BOOT/grub.cfg", "/EFI/ubuntu/grub.cfg", "/boot/grub/grub.cfg"])
@pytest.mark.parametrize("name", SOUND)
def test_a_script_that_only_searches_the_iso_and_loads_its_menu_is_sound(
    good: Path, tmp_path: Path, name: str, path: str
) -> None:
    iso = m.with_manifest(good, tmp_path / "changed.iso")
    laid(iso, path, SOUND[name])
    assert faults(iso) == ""


def test_verify_fails_for_a_script_in_the_esp_without_the_base_iso(good: Path, tmp_path: Path) -> None:
    iso = m.with_manifest(good, tmp_path / "changed.iso")
    assert failed(verify(iso)) == set()
    laid(iso, "/EFI/BOOT/grub.cfg", INSTALLS)
    checks = verify(iso)
    assert failed(checks) == {"esp", "start", "digest"}, told(checks)


def test_a_script_in_the_esp_of_others_isos_is_a_remark(noble: Path, tmp_path: Path) -> None:
    iso = m.remaster(noble, tmp_path / "other.iso", {})
    laid(iso, "/EFI/BOOT/grub.cfg", INSTALLS)
    (check,) = (check for check in verify(iso) if check.name == "start")
    assert check.faults == ()
    assert "EFI system partition (ESP)" in "\n".join(check.remarks)


def in_table(iso: Path, cluster: int, value: int) -> None:
    """Set an entry of the first FAT, which has 12 bits an entry."""
    table = esp(iso) + LBA * struct.unpack("<H", m.get(iso, esp(iso) + 14, 2))[0]
    (pair,) = struct.unpack("<H", m.get(iso, table + cluster * 3 // 2, 2))
    pair = (pair & 0x000F) | value << 4 if cluster & 1 else (pair & 0xF000) | value
    m.put(iso, table + cluster * 3 // 2, struct.pack("<H", pair))


def entry(iso: Path, name: bytes) -> int:
    """The byte of the directory entry of a short name in the ESP."""
    return iso.read_bytes().index(name, esp(iso))


def cluster(iso: Path, name: bytes) -> int:
    return int(struct.unpack("<H", m.get(iso, entry(iso, name) + 26, 2))[0])


GRUB, EFI = b"GRUB    CFG", b"EFI        "
HOSTILE: Mapping[str, tuple[Callable[[Path], object], str]] = {
    "folder that leads back to itself": (
        lambda iso: in_table(iso, cluster(iso, EFI), cluster(iso, EFI)), "leads back to itself",
    ),
    "folder that goes on nowhere": (lambda iso: in_table(iso, cluster(iso, EFI), 0xFF0), "does not exist"),
    "folder beyond the end": (
        lambda iso: m.put(iso, entry(iso, EFI) + 26, b"\xff\x7f"), "cluster 32767 does not exist",
    ),
    "file without a cluster": (lambda iso: m.put(iso, entry(iso, GRUB) + 26, b"\0\0"), "cluster 0 does not exist"),
    "file of 4 GiB": (lambda iso: m.put(iso, entry(iso, GRUB) + 28, b"\xff" * 4), "4294967295 bytes"),
    "file that is too short": (lambda iso: m.put(iso, entry(iso, GRUB) + 28, b"\0\0\1\0"), "of its 65536 bytes"),
    "FAT beyond the end": (lambda iso: m.put(iso, esp(iso) + 22, b"\xff\xff"), "extends beyond its end"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_fat_is_a_fault_and_no_hang(good: Path, tmp_path: Path, name: str) -> None:
    change, words = HOSTILE[name]
    iso = m.with_manifest(good, tmp_path / "changed.iso")
    laid(iso, "/EFI/BOOT/grub.cfg", LEADS_ON)
    assert faults(iso) == ""
    change(iso)
    begun = time.monotonic()
    assert words in faults(iso)
    assert time.monotonic() - begun < 2
