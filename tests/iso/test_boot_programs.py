"""What UEFI starts, and what Linux reads beside the ISO's own tree, without a base ISO to compare it with."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from isoforge.image.sectors import BLOCK, LBA
from isoforge.image.tree import read_file
from isoforge.proof.verify.verify import verify
from isoforge.run import run
from tests.iso import mutation as m
from tests.iso.test_fault_corpus import esp, failed, told

ENV = {"MTOOLS_SKIP_CHECK": "1"}


def in_esp(program: str, *args: str) -> Callable[[Path], None]:
    """Change the ESP by a program of mtools."""

    def change(iso: Path) -> None:
        run(program, "-i", f"{iso}@@{esp(iso)}", *args, env=ENV)

    return change


def replaced(name: str, content: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """Replace a boot program by what ``content`` makes of it."""

    def change(iso: Path) -> None:
        file = iso.with_name("program")
        in_esp("mcopy", "-n", f"::/EFI/boot/{name}", str(file))(iso)
        file.write_bytes(content(file.read_bytes()))
        in_esp("mcopy", "-o", str(file), f"::/EFI/boot/{name}")(iso)

    return change


def for_arm64(program: bytes) -> bytes:
    (place,) = struct.unpack_from("<I", program, 60)
    return program[: place + 4] + b"\x64\xaa" + program[place + 6 :]


def cut_chain(iso: Path) -> None:
    """The cluster after the first of every file in the FAT16's first copy is the last."""
    start = esp(iso)
    (reserved,) = struct.unpack("<H", m.get(iso, start + 14, 2))
    m.put(iso, start + reserved * LBA + 4, b"\xff\xff" * 400)


def seed_behind(iso: Path) -> None:
    """A partition 4 behind the ISO, whose FAT file system is called CIDATA."""
    fat = iso.with_name("seed.fat")
    run("mformat", "-i", fat, "-C", "-T", "2880", "-h", "1", "-s", "4", "-v", "cidata", "::", env=ENV)
    start = -(-iso.stat().st_size // BLOCK) * BLOCK
    with iso.open("ab") as file:
        file.truncate(start + fat.stat().st_size + 64 * LBA)
    run("sfdisk", "--relocate", "gpt-bak-std", iso)
    run("sfdisk", "--append", iso, stdin=f"start={start // LBA}, size={fat.stat().st_size // LBA}\n")
    m.put(iso, start, fat.read_bytes())


def with_udf(iso: Path) -> None:
    for block, name in ((20, b"BEA01"), (21, b"NSR02"), (22, b"TEA01")):
        m.put(iso, block * BLOCK, b"\0" + name + b"\1")


BROKEN: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "no shim": (in_esp("mdel", "::/EFI/boot/bootx64.efi"), "esp", "has no /EFI/BOOT/BOOTX64.EFI"),
    "shim for another machine": (
        in_esp("mren", "::/EFI/boot/bootx64.efi", "bootia32.efi"), "esp", "has no /EFI/BOOT/BOOTX64.EFI",
    ),
    "no GRUB": (in_esp("mdel", "::/EFI/boot/grubx64.efi"), "esp", "has no /EFI/BOOT/grubx64.efi"),
    "empty shim": (replaced("bootx64.efi", lambda _: b""), "esp", "(ESP) is incomplete"),
    "text as shim": (replaced("bootx64.efi", lambda _: b"text" * 99), "esp", "is not a program for UEFI"),
    "program for DOS": (replaced("bootx64.efi", lambda old: old[:64] + bytes(999)), "esp", "is not a program for UEFI"),
    "GRUB for arm64": (replaced("grubx64.efi", for_arm64), "esp", "is for another architecture (0xAA64, expected"),
    "programs that end too early": (cut_chain, "esp", "is incomplete"),
    "ESP that is a seed": (in_esp("mlabel", "::cidata"), "descriptors", "partition 2 is called CIDATA"),
    "seed behind the ISO": (seed_behind, "descriptors", "partition 4 is called CIDATA"),
    "UDF": (with_udf, "descriptors", "the CD view is UDF too"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_it_is_found_without_the_base_iso(good: Path, tmp_path: Path, name: str) -> None:
    change, check, words = BROKEN[name]
    iso = Path(shutil.copyfile(good, tmp_path / "changed.iso"))
    change(iso)
    checks = verify(iso)
    in_esp = {"esp"} if m.get(iso, esp(iso), 1 << 20) != m.get(good, esp(good), 1 << 20) else set()
    assert failed(checks) == {check} | in_esp, told(checks)
    assert words in told(checks)


IMAGE = "/boot/grub/i386-pc/eltorito.img"


def other_code(iso: Path) -> None:
    """Another byte in the BIOS boot image, whose checksum fits."""
    content = bytearray(read_file(iso, m.node(iso, IMAGE)))
    content[9000] ^= 1
    words = struct.unpack(f"<{-(-len(content) // 4) - 16}I", bytes(content[64:]) + bytes(-len(content) % 4))
    content[20:24] = (sum(words) & 0xFFFFFFFF).to_bytes(4, "little")
    m.put(iso, m.node(iso, IMAGE).extent, bytes(content))


CHANGED: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "MBR": (lambda iso: m.flip(iso, 100), "system-area", "the boot code of the MBR differs from the manifest's"),
    "no MBR": (lambda iso: m.put(iso, 0, bytes(440)), "system-area", "has no boot code"),
    "file system in the MBR": (lambda iso: m.put(iso, 3, b"mkfs.fat"), "system-area", "differs from the manifest's"),
    "ESP": (lambda iso: m.flip(iso, esp(iso) + 70000), "esp", "differs from the manifest's"),
    "BIOS boot image": (other_code, "el-torito", "the BIOS boot image differs from the manifest's"),
}


@pytest.mark.parametrize("name", CHANGED)
def test_the_manifest_on_the_iso_proves_what_firmware_starts(good: Path, tmp_path: Path, name: str) -> None:
    change, check, words = CHANGED[name]
    iso = Path(shutil.copyfile(good, tmp_path / "changed.iso"))
    assert failed(verify(iso)) == set()
    change(iso)
    checks = verify(iso)
    assert failed(checks) == {check}, told(checks)
    assert words in told(checks)


def test_a_manifest_without_such_digests_proves_that_there_is_an_mbr(good: Path, tmp_path: Path) -> None:
    """As those of version 0.2.0."""
    iso = m.with_manifest(good, tmp_path / "changed.iso")
    file = iso.with_name("manifest.json")
    manifest = json.loads(file.read_text())
    del manifest["base_iso"]["boot"]
    file.write_text(json.dumps(manifest))
    assert failed(verify(iso)) == {"manifest"}
    m.put(iso, 0, bytes(440))
    assert failed(verify(iso)) == {"manifest", "digest", "system-area"}


HARMLESS: dict[str, Callable[[Path], None]] = {
    "another label": in_esp("mlabel", "::OTHER"),
    "another file": in_esp("mmd", "::/EFI/other"),
    "the key manager gone": in_esp("mdel", "::/EFI/boot/mmx64.efi"),
    "the same shim again": replaced("bootx64.efi", lambda old: old),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_starts_all_the_same_is_accepted_from_others(noble: Path, tmp_path: Path, name: str) -> None:
    iso = Path(shutil.copyfile(noble, tmp_path / "changed.iso"))
    HARMLESS[name](iso)
    checks = verify(iso)
    assert failed(checks) == set(), told(checks)


def test_on_an_iso_of_others_udf_and_seeds_are_remarks(noble: Path, tmp_path: Path) -> None:
    iso = Path(shutil.copyfile(noble, tmp_path / "changed.iso"))
    with_udf(iso)
    seed_behind(iso)
    checks = verify(iso)
    remarks = next(check.remarks for check in checks if check.name == "descriptors")
    assert failed(checks) == set(), told(checks)
    assert remarks == (
        "the CD view is UDF too: Linux reads that",
        "partition 4 is called CIDATA: cloud-init takes it for a seed",
    )
