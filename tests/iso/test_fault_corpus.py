"""ISOs that are broken in one way each: verify names the fault, and nothing that is sound is called broken."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from isoforge.image.descriptors import read_descriptors
from isoforge.image.sectors import BLOCK, LBA
from isoforge.image.tree import View, read_file, read_joliet, read_tree
from isoforge.proof.read.inspect import inspect
from isoforge.proof.verify.check import Check
from isoforge.proof.verify.verify import verify
from isoforge.run import run
from tests.iso import mutation as m

SEED = "/nocloud/site-a-m710q1/user-data"
SCRIPT = "/isoforge/scripts/isoforge-guard"
LINE = r"ds=nocloud\;s=/cdrom/nocloud/site-a-m710q1/"
MENU_CHECKS = {"kernel-lines", "menu", "start", "md5sum"}
BASE_MENU = 'menuentry "x" {\n\tlinux /casper/vmlinuz @\n\tinitrd /casper/initrd\n}\n'
HEADED = "#cloud-config\nautoinstall:\n  version: 1\n"


def failed(checks: tuple[Check, ...]) -> set[str]:
    return {check.name for check in checks if check.faults}


def told(checks: tuple[Check, ...]) -> str:
    return "\n".join(f"{check.name}: {fault}" for check in checks for fault in check.faults)


def esp(iso: Path) -> int:
    """The first byte of the EFI system partition."""
    table = int.from_bytes(m.get(iso, LBA + 72, 8), "little") * LBA
    return int.from_bytes(m.get(iso, table + 128 + 32, 8), "little") * LBA


def wrong_volume_id(iso: Path) -> None:
    for start in (0, 64 * LBA):
        m.put(iso, start + 16 * BLOCK + 40, b"CIDATA".ljust(32))


def cut(iso: Path, size: int) -> None:
    with iso.open("r+b") as file:
        file.truncate(iso.stat().st_size - size)


def unlisted(iso: Path) -> None:
    place = m.node(iso, "/md5sum.txt")
    lines = read_file(iso, place).decode().splitlines(keepends=True)
    (gone,) = [line for line in lines if line.endswith("nocloud/site-a-m710q1/meta-data\n")]
    text = "".join(line for line in lines if line != gone)
    m.put(iso, place.extent, text.ljust(place.size, "\n").encode())


def stale(iso: Path) -> None:
    """Another digit in the first line of md5sum.txt."""
    place = m.node(iso, "/md5sum.txt").extent
    m.put(iso, place, b"1" if m.get(iso, place, 1) == b"0" else b"0")


def behind_the_dashes(iso: Path) -> None:
    m.menu(iso, f"{LINE} ", "")
    m.menu(iso, " ---\n", f" --- {LINE}\n")


def lost_uuid(iso: Path) -> None:
    for flavour in ("generic", "generic-hwe"):
        m.flip_in(iso, f"/.disk/casper-uuid-{flavour}")


def other_manifest_beside(iso: Path) -> None:
    file = iso.with_name("manifest.json")
    file.write_text(file.read_text().replace('"build_id": "', '"build_id": "0', 1))


def unreadable_manifest_beside(iso: Path) -> None:
    iso.with_name("manifest.json").write_text("{")


def pointing_back(iso: Path) -> None:
    """The first directory below the root becomes the root itself."""
    record = int.from_bytes(m.get(iso, 16 * BLOCK + 158, 4), "little")
    place = m.name_place(iso, b"casper", View.DEVICE)
    directory = m.get(iso, 0, place)
    start = directory.rfind(b"\x06CASPER") - 32
    m.put(iso, start + 2, record.to_bytes(4, "little"))


def record(iso: Path, path: str) -> int:
    """The first byte of the directory record of a file, as a CD drive reads it."""
    return m.node(iso, path).records[0]


def joliet_record(iso: Path, path: str) -> int:
    """The same in Joliet's tree."""
    tree = read_joliet(iso)
    assert tree is not None
    return tree[PurePosixPath(path)].records[0]


def joliet_on_a_stick(iso: Path) -> int:
    """The first byte of Joliet's volume descriptor in the view of a stick."""
    (joliet,) = [one for one in read_descriptors(iso, 64 * LBA) if one.is_joliet]
    return 64 * LBA + joliet.block * BLOCK


def in_both_views(iso: Path, path: str, offset: int, content: bytes, *, field: bytes = b"") -> None:
    """Write ``content`` into the records of a file, from byte ``offset`` of them or of their ``field``."""
    for view in View:
        place = read_tree(iso, view)[PurePosixPath(path)].records[0]
        start = m.get(iso, place, m.get(iso, place, 1)[0]).index(field) if field else 0
        m.put(iso, place + start + offset, content)


def of_mode(mode: int) -> bytes:
    return mode.to_bytes(4, "little") + mode.to_bytes(4, "big")


def another_mode(iso: Path) -> None:
    """The mode of a directory becomes that of a file; its record's flags stay."""
    place = record(iso, "/casper")
    field = m.get(iso, place, 255).index(b"PX")
    m.put(iso, place + field + 4, (0o100555).to_bytes(4, "little") + (0o100555).to_bytes(4, "big"))


def in_both_manifests(iso: Path, old: str, new: str) -> None:
    """Replace ``old`` by ``new`` of the same length, on the ISO and beside it, wherever it stands."""
    assert len(old) == len(new)
    file, place = iso.with_name("manifest.json"), m.node(iso, "/isoforge/manifest.json")
    text = read_file(iso, place).decode()
    assert old in text
    m.put(iso, place.extent, text.replace(old, new).encode())
    file.write_text(file.read_text().replace(old, new))


def swapped_blocks(iso: Path, first: int, second: int) -> None:
    one, two = (m.get(iso, block * BLOCK, BLOCK) for block in (first, second))
    m.put(iso, first * BLOCK, two)
    m.put(iso, second * BLOCK, one)


def uefi_first(iso: Path) -> None:
    """The boot catalog begins with the entry for UEFI; that for BIOS follows in a section of its own."""
    place = m.catalog(iso)
    validation, bios, section, uefi = (bytearray(m.get(iso, place + row, 32)) for row in range(0, 128, 32))
    validation[1], section[1] = 0xEF, 0
    validation[28:30] = b"\0\0"
    validation[28:30] = (-sum(struct.unpack("<16H", validation)) & 0xFFFF).to_bytes(2, "little")
    m.put(iso, place, bytes(validation + uefi + section + bios))


BROKEN: dict[str, tuple[Callable[[Path], object], set[str], str]] = {
    # what firmware reads
    "byte of the ESP": (lambda iso: m.flip(iso, esp(iso) + 70000), {"esp"}, "differs from the base ISO's"),
    "ESP without a file system": (lambda iso: m.put(iso, esp(iso), bytes(LBA)), {"esp"}, "FAT"),
    "byte of the GPT header": (lambda iso: m.flip(iso, LBA + 56), {"partitions"}, "wrong checksum"),
    "byte of the GPT's list": (lambda iso: m.flip(iso, 2 * LBA + 60), {"partitions"}, "wrong checksum"),
    "backup GPT wiped": (
        lambda iso: m.put(iso, iso.stat().st_size - LBA, bytes(LBA)), {"partitions"}, "backup GPT is missing",
    ),
    "byte of the backup GPT": (
        lambda iso: m.flip(iso, iso.stat().st_size - LBA + 60), {"partitions"}, "backup GPT header has a wrong",
    ),
    "overlapping partitions": (
        lambda iso: m.edit_gpt(iso, 3, first=esp(iso) // LBA + 8), {"partitions"}, "2 and 3 overlap",
    ),
    "partition 1 too short": (
        lambda iso: m.edit_gpt(iso, 1, last=esp(iso) // LBA - 9), {"partitions"}, "bytes before its file system does",
    ),
    "partition 1 elsewhere": (
        lambda iso: m.edit_gpt(iso, 1, first=esp(iso) // LBA - 8), {"views"}, "no volume descriptor",
    ),
    "ESP of another type": (
        lambda iso: m.edit_gpt(iso, 2, kind=bytes.fromhex("a2a0d0ebe5b9334487c068b6b72699c7")),
        {"partitions", "esp"}, "EFI system partition (ESP) is missing",
    ),
    "MBR without signature": (
        lambda iso: m.put(iso, 510, b"\0\0"), {"partitions", "system-area"}, "no boot signature",
    ),
    "MBR without protection": (
        lambda iso: m.put(iso, 450, b"\0"), {"partitions", "system-area"}, "does not protect the GPT",
    ),
    "byte of the MBR's code": (lambda iso: m.flip(iso, 100), {"system-area"}, "boot code"),
    "MBR without bootable flag": (lambda iso: m.put(iso, 462, b"\0"), {"system-area"}, "types or flags"),
    "MBR that looks elsewhere": (lambda iso: m.flip(iso, 433), {"system-area"}, "but it is elsewhere"),
    "no El Torito": (
        lambda iso: m.put(iso, 17 * BLOCK + 7, b"-"), {"el-torito"}, "no El Torito boot records",
    ),
    "boot catalog wiped": (
        lambda iso: m.put(iso, m.catalog(iso), bytes(BLOCK)), {"el-torito"}, "no validation entry",
    ),
    "byte of the boot catalog": (lambda iso: m.flip(iso, m.catalog(iso) + 4), {"el-torito"}, "wrong checksum"),
    "no BIOS boot record": (
        lambda iso: m.put(iso, m.catalog(iso) + 32, b"\0"), {"el-torito"}, "BIOS boot record is missing",
    ),
    "no UEFI boot record": (
        lambda iso: m.put(iso, m.catalog(iso) + 96, b"\0"), {"el-torito"}, "UEFI boot record is missing",
    ),
    "UEFI record that starts something else": (
        lambda iso: m.flip(iso, m.catalog(iso) + 96 + 8), {"esp"}, "starts another image",
    ),
    "UEFI record that is too short": (
        lambda iso: m.flip(iso, m.catalog(iso) + 96 + 6), {"esp"}, "UEFI boot record has",
    ),
    "byte of the BIOS boot image": (
        lambda iso: m.flip_in(iso, "/boot/grub/i386-pc/eltorito.img", 9000),
        {"el-torito"}, "BIOS boot image has a wrong checksum",
    ),
    "BIOS boot image that does not know its place": (
        lambda iso: m.flip_in(iso, "/boot/grub/i386-pc/eltorito.img", 12),
        {"el-torito"}, "a wrong address or size of itself",
    ),
    "BIOS boot image whose block list leads elsewhere": (
        lambda iso: m.flip_in(iso, "/boot/grub/i386-pc/eltorito.img", 2549), {"el-torito"}, "block list",
    ),
    "BIOS boot image whose block list ends too early": (
        lambda iso: m.put(iso, m.node(iso, "/boot/grub/i386-pc/eltorito.img").extent + 2556, b"\x02\0"),
        {"el-torito"}, "has 2 blocks",
    ),
    "BIOS boot image that looks for another volume": (
        lambda iso: m.flip_in(iso, "/boot/grub/i386-pc/eltorito.img", 8), {"el-torito"}, "volume descriptor in block",
    ),
    "BIOS boot record that emulates a floppy disk": (
        lambda iso: m.put(iso, m.catalog(iso) + 33, b"\x02"), {"el-torito"}, "emulation type 2, expected 0",
    ),
    "UEFI boot record that emulates a hard disk": (
        lambda iso: m.put(iso, m.catalog(iso) + 97, b"\x04"), {"el-torito"}, "emulation type 4, expected 0",
    ),
    "BIOS boot record that loads elsewhere": (
        lambda iso: m.put(iso, m.catalog(iso) + 34, b"\0\x10"), {"el-torito"}, "segment 0x1000",
    ),
    "BIOS boot record that loads one sector": (
        lambda iso: m.put(iso, m.catalog(iso) + 38, b"\x01\0"), {"el-torito"}, "differs from the base ISO's",
    ),
    "boot record that a BIOS does not look for": (
        lambda iso: swapped_blocks(iso, 17, 18), {"el-torito"}, "the boot record is in block 18",
    ),
    "boot catalog that begins with UEFI": (
        uefi_first, {"el-torito"}, "the BIOS boot record is not the first entry of the boot catalog",
    ),
    "section for an unknown platform": (
        lambda iso: m.put(iso, m.catalog(iso) + 65, b"\xEE"),
        {"el-torito"}, "unknown platform 0xEE",
    ),
    "section with too many entries": (
        lambda iso: m.put(iso, m.catalog(iso) + 66, b"\xFF\0"), {"el-torito"}, "claims 255 entries",
    ),
    "entry that is neither bootable nor not": (
        lambda iso: m.put(iso, m.catalog(iso) + 96, b"\x77"), {"el-torito"}, "begins with 0x77",
    ),
    "second ESP": (
        lambda iso: m.edit_gpt(iso, 3, kind=m.ESP_TYPE), {"partitions"}, "several EFI system partitions",
    ),
    "partitions with one GUID": (
        lambda iso: m.edit_gpt(iso, 3, guid=m.partition_guid(iso, 2)), {"partitions"}, "have the same GUID",
    ),
    "hybrid MBR": (
        lambda iso: m.put(iso, 446 + 32 + 4, b"\x0c\0\0\0\x40\0\0\0\xff\0\0\0"),
        {"partitions", "system-area"}, "beside the GPT (type 0x0C)",
    ),
    "ESP with no sound file system": (
        lambda iso: m.put(iso, esp(iso) + 13, b"\x03"), {"esp"}, "not a FAT file system",
    ),
    "truncated end": (lambda iso: cut(iso, 4096), {"volume", "partitions"}, "4096 of"),
    "volume id of a seed": (wrong_volume_id, {"volume", "descriptors"}, "CIDATA"),
    # the volume descriptors
    "Joliet's volume id of a seed": (
        lambda iso: m.put(iso, 18 * BLOCK + 40, "cidata".encode("utf-16-be").ljust(32, b"\0")),
        {"descriptors"}, "the Joliet volume descriptor of the CD view is called cidata",
    ),
    "volume id of a seed on a stick only": (
        lambda iso: m.put(iso, 64 * LBA + 16 * BLOCK + 40, b"CIDATA".ljust(32)),
        {"descriptors"}, "the primary volume descriptor of the USB view is called CIDATA",
    ),
    "Joliet's volume id of a seed on a stick only": (
        lambda iso: m.put(iso, joliet_on_a_stick(iso) + 40, "CIDATA".encode("utf-16-be").ljust(32, b"\0")),
        {"descriptors"}, "the Joliet volume descriptor of the USB view is called CIDATA",
    ),
    "volume of two sizes": (lambda iso: m.flip(iso, 16 * BLOCK + 86), {"descriptors"}, "has two sizes"),
    "volume with other blocks": (
        lambda iso: m.put(iso, 16 * BLOCK + 128, b"\0\x10"), {"descriptors"}, "blocks of 4096 bytes",
    ),
    "volume on a stick larger than the image": (
        lambda iso: m.put(iso, joliet_on_a_stick(iso) + 80, b"\xff\xff\xff\x0f\x0f\xff\xff\xff"),
        {"descriptors"}, "bytes more than the image has",
    ),
    "path table elsewhere": (
        lambda iso: m.flip(iso, 16 * BLOCK + 141), {"descriptors"}, "path table",
    ),
    "path table cut short": (
        lambda iso: m.put(iso, 16 * BLOCK + 132, b"\x20\0\0\0"), {"descriptors"}, "a path table of",
    ),
    "menu at another place for Windows": (
        lambda iso: m.flip(iso, joliet_record(iso, "/boot/grub/grub.cfg") + 2),
        {"descriptors"}, "/boot/grub/grub.cfg in Joliet's tree of the CD view is another file",
    ),
    # the trees
    "file that goes on where nothing follows": (
        lambda iso: m.put(iso, record(iso, "/casper/vmlinuz") + 25, b"\x80"),
        {"directories"}, "/casper/vmlinuz is incomplete",
    ),
    "interleaved file": (
        lambda iso: m.put(iso, record(iso, "/casper/initrd") + 26, b"\x01"), {"directories"}, "is interleaved",
    ),
    "file with a gap": (
        lambda iso: in_both_views(iso, SEED, 27, b"\x01"), {"directories"}, f"{SEED} is interleaved",
    ),
    "seed that Linux does not list": (
        lambda iso: in_both_views(iso, SEED, 25, b"\x04"), {"directories"}, f"{SEED} is an associated file",
    ),
    "seed that Linux reads from another block": (
        lambda iso: in_both_views(iso, SEED, 1, b"\x01"), {"directories"}, f"{SEED} has an extended attribute record",
    ),
    "seed that is a pipe": (
        lambda iso: in_both_views(iso, SEED, 4, of_mode(0o010644), field=b"PX"), {"directories"}, "is neither a file",
    ),
    "seed of no kind": (
        lambda iso: in_both_views(iso, SEED, 4, of_mode(0), field=b"PX"), {"directories"}, "is neither a file",
    ),
    "seed that is a link without a target": (
        lambda iso: in_both_views(iso, SEED, 4, of_mode(0o120777), field=b"PX"),
        {"directories", "kernel-lines", "seeds"}, f"{SEED} is a link by its mode or by",
    ),
    "seed whose name Linux does not read": (
        lambda iso: in_both_views(iso, SEED, 4, b"\x08", field=b"NM"), {"directories"}, "has a name with the flags 8",
    ),
    "seed that is compressed": (
        lambda iso: in_both_views(iso, SEED, 0, b"ZF", field=b"TF"), {"directories"}, f"{SEED} is compressed",
    ),
    "directory that is a file by its mode": (another_mode, {"directories"}, "/casper is a directory by its flags or"),
    "file missing on a stick": (
        lambda iso: m.put(iso, m.name_place(iso, b"site-a-m710q2", View.PARTITION), b"site-a-m710q9"),
        {"views"}, "/nocloud/site-a-m710q2/user-data is missing in the USB view",
    ),
    "no tree on a stick": (
        lambda iso: m.put(iso, 64 * LBA + 16 * BLOCK, bytes(BLOCK)), {"views"}, "no volume descriptor",
    ),
    "directory that leads back": (pointing_back, {"directories"}, "is the same directory as one above it"),
    "seed renamed for a CD": (
        lambda iso: m.put(iso, m.name_place(iso, b"site-a-m710q2", View.DEVICE), b"site-a-m710q9"),
        {"views", "kernel-lines", "seeds", "md5sum", "base-files"}, "seed folder /nocloud/site-a-m710q2 is not on",
    ),
    # content
    "byte of a seed": (
        lambda iso: m.flip_in(iso, SEED, 99), {"seeds", "md5sum"}, f"{SEED} differs from the manifest's",
    ),
    "seed without its header": (
        lambda iso: m.flip_in(iso, SEED), {"seeds", "md5sum", "kernel-lines"}, "does not begin with #cloud-config",
    ),
    "byte of a kernel": (
        lambda iso: m.flip_in(iso, "/casper/vmlinuz"),
        {"md5sum", "base-files", "inside"}, "/casper/vmlinuz differs from the base ISO's",
    ),
    "byte of the last squashfs": (
        lambda iso: m.flip_in(iso, "/casper/ubuntu-server-minimal.squashfs", 4000),
        {"md5sum", "base-files", "inside"}, "ubuntu-server-minimal.squashfs differs from the base ISO's",
    ),
    "guard that the manifest denies": (
        lambda iso: in_both_manifests(iso, '"guarded": true', '"guarded":false'),
        {"seeds", "md5sum", "digest"}, f"{SEED} has one, the manifest states no guard",
    ),
    "guard with another key than the manifest's": (
        lambda iso: in_both_manifests(iso, '"serial=PC0EXMP1"', '"serial=PC0EXMP7"'),
        {"seeds", "machines", "md5sum", "digest"}, "compares serial=PC0EXMP1, expected serial=PC0EXMP7 (manifest)",
    ),
    "guard that runs any script of the medium": (
        lambda iso: m.rewrite(iso, SEED, "t=$(cat $f)&&[", "t=$(cat $f)||["),
        {"seeds", "md5sum", "digest"}, f"{SEED} has none, the manifest states a guard",
    ),
    "script that the guards do not expect": (
        lambda iso: m.rewrite(iso, SCRIPT, "exit 1", "exit 0"),
        {"seeds", "md5sum", "digest"}, f"{SEED} expects another {SCRIPT}: no machine would be installed",
    ),
    "script that is not on the medium": (
        lambda iso: m.put(iso, m.name_place(iso, b"isoforge-guard", View.DEVICE), b"isoforge-gu4rd"),
        {"views", "seeds", "md5sum"}, f"{SEED} calls {SCRIPT}, which is missing: no machine would be installed",
    ),
    "script that the manifest does not list": (
        lambda iso: m.put(iso, m.name_place(iso, b"isoforge-stamp", View.DEVICE), b"isoforge-st4mp"),
        {"views", "seeds", "md5sum"}, "unexpected script: /isoforge/scripts/isoforge-st4mp is not one of the manifest",
    ),
    "table with another key than the manifest's": (
        lambda iso: m.rewrite(iso, "/isoforge/hosts.tsv", "pc0exmp1", "pc0exmp7"),
        {"machines", "start", "seeds", "md5sum", "digest"},
        "serial of site-a-m710q1 is pc0exmp7, expected pc0exmp1 (manifest)",
    ),
    "seed that is not YAML": (
        lambda iso: m.rewrite(iso, SEED, "autoinstall:\n", "autoinstall'\n"),
        {"seeds", "kernel-lines", "md5sum", "digest"}, "is not valid YAML, so cloud-init ignores it: line",
    ),
    "stale md5sum.txt": (stale, {"md5sum"}, "stale"),
    "md5sum.txt that lists what is not there": (
        lambda iso: m.rewrite(iso, "/md5sum.txt", "./casper/vmlinuz\n", "./casper/vmlinux\n"),
        {"md5sum"}, "lists /casper/vmlinux, which does not exist",
    ),
    "md5sum.txt that leaves out a seed": (unlisted, {"md5sum"}, "does not list /nocloud/site-a-m710q1/meta-data"),
    "md5sum.txt that is none": (
        lambda iso: m.rewrite(iso, "/md5sum.txt", "  ./casper/vmlinuz\n", "--./casper/vmlinuz\n"),
        {"md5sum"}, "line",
    ),
    "manifest of another build on the ISO": (
        lambda iso: m.rewrite(iso, "/isoforge/manifest.json", '"build_id": "', '"build_id":"0'),
        {"manifest", "md5sum"}, "of build",
    ),
    "manifest that is none": (
        lambda iso: m.flip_in(iso, "/isoforge/manifest.json"), {"manifest", "md5sum"}, "cannot be read",
    ),
    "manifest of another build beside it": (
        other_manifest_beside, {"manifest", "start"}, "the manifest beside the ISO is of",
    ),
    "manifest beside it that is none": (unreadable_manifest_beside, {"manifest"}, "manifest.json cannot be read"),
    # the menu
    "bare ; in the menu": (
        lambda iso: m.menu(iso, r"nocloud\;s", r"nocloud;s"), MENU_CHECKS, "an unquoted ; cuts",
    ),
    "no dashes": (
        lambda iso: m.menu(iso, " ---\n", "\n"), MENU_CHECKS, "0 of the ---",
    ),
    "dashes twice": (
        lambda iso: m.menu(iso, " ---\n", " --- ---\n"),
        MENU_CHECKS, "2 of the ---",
    ),
    "seed behind the dashes": (
        behind_the_dashes,
        MENU_CHECKS, "comes after the ---",
    ),
    "kernel and initrd that are no pair": (
        lambda iso: m.menu(iso, "initrd /casper/initrd", "initrd /casper/hwe-initrd"),
        MENU_CHECKS, "do not belong together",
    ),
    "kernel that is not there": (
        lambda iso: m.menu(iso, "linux /casper/vmlinuz ", "linux /casper/vmlinux "),
        MENU_CHECKS, "/casper/vmlinux is not on the ISO",
    ),
    "initrd that is not there": (
        lambda iso: m.menu(iso, "initrd /casper/initrd", "initrd /casper/initrx"),
        MENU_CHECKS, "/casper/initrx is not on the ISO",
    ),
    "no initrd": (
        lambda iso: m.menu(iso, "initrd /casper/initrd", "echo"), MENU_CHECKS, "loads no initrd",
    ),
    "autoinstall=1": (
        lambda iso: m.menu(iso, " autoinstall ", " autoinstall=1 "), MENU_CHECKS, "without a value",
    ),
    "seed without its slash": (
        lambda iso: m.menu(iso, f"{LINE} ", f"{LINE.removesuffix('/')} "), MENU_CHECKS, "slash at its end",
    ),
    "seed folder that is not there": (
        lambda iso: m.menu(iso, "nocloud/site-a-m710q1/", "nocloud/site-a-m710q3/"),
        MENU_CHECKS, "/nocloud/site-a-m710q3 is not on the ISO",
    ),
    "another host's seed": (
        lambda iso: m.menu(iso, "nocloud/site-a-m710q1/", "nocloud/site-a-m710q2/"), {"menu", "md5sum", "start"},
        "0 entries have the manifest's kernel line of site-a-m710q1",
    ),
    "entry under another name": (
        lambda iso: m.menu(iso, "Install site-a-m710q1", "Install site-a-m710q2"), {"menu", "md5sum"},
        "the title of the entry of site-a-m710q1 is",
    ),
    "another default": (
        lambda iso: m.menu(iso, "set default=local-disk", "set default=host-site-a-m710q1"),
        {"menu", "md5sum", "start"}, "default entry is not local-disk",
    ),
    "default that is no entry": (
        lambda iso: m.menu(iso, "set default=local-disk", "set default=local-dish"),
        {"menu", "md5sum", "start"}, "is not an entry of the menu",
    ),
    "another timeout": (
        lambda iso: m.menu(iso, "set timeout=15", "set timeout=0"), {"menu", "md5sum", "start"}, "timeout is not 15 s",
    ),
    "another medium's UUID": (
        lambda iso: m.menu(iso, " uuid=", " uuid=0"), MENU_CHECKS, "belongs to another medium",
    ),
    "medium that lost its UUID": (
        lost_uuid,
        {"kernel-lines", "md5sum"}, "belongs to another medium",
    ),
    "brace that is never closed": (
        lambda iso: m.menu(iso, "/initrd\n}\n", "/initrd\n\n"), MENU_CHECKS | {"machines"}, "unclosed {",
    ),
    "loopback menu without the file's name": (
        lambda iso: m.rewrite(iso, "/boot/grub/loopback.cfg", " iso-scan/filename=${iso_path} ---", " ---"),
        {"kernel-lines", "md5sum"}, "casper finds no medium",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", BROKEN)
def test_verify_names_the_fault(good: Path, noble: Path, tmp_path: Path, fault: str) -> None:
    spoil, names, words = BROKEN[fault]
    iso = m.with_manifest(good, tmp_path / "broken.iso")
    spoil(iso)
    checks = verify(iso, base=noble)
    unchanged = iso.read_bytes() == good.read_bytes()
    assert failed(checks) == names | (set() if unchanged else {"digest"}), told(checks)
    assert words in told(checks)


@pytest.mark.parametrize("share", [0.4, 0.02])
def test_half_an_iso_is_called_truncated(good: Path, noble: Path, tmp_path: Path, share: float) -> None:
    iso = tmp_path / "half.iso"
    shutil.copyfile(good, iso)
    cut(iso, int(good.stat().st_size * (1 - share)))
    checks = verify(iso, base=noble)
    assert {"volume", "partitions", "esp", "directories"} <= failed(checks), told(checks)
    assert "truncated" in told(checks)


REMASTERED: dict[str, tuple[dict[str, str], tuple[str, ...], set[str], str]] = {
    # what others make: name, files laid over the base, files removed, checks that fail, words of the fault
    "bare ;": (
        {m.MENU: BASE_MENU.replace("@", "autoinstall ds=nocloud;s=/cdrom/nocloud/h/ ---"),
         "/nocloud/h/user-data": HEADED, "/nocloud/h/meta-data": ""},
        (), {"kernel-lines", "md5sum"},
        "an unquoted ; cuts the kernel line: the kernel does not get 's=/cdrom/nocloud/h/ ",
    ),
    "stale md5sum.txt": ({m.MENU: BASE_MENU.replace("@", "---")}, (), {"md5sum"}, f"stale: {m.MENU}"),
    "seed without meta-data": (
        {m.MENU: BASE_MENU.replace("@", r'autoinstall "ds=nocloud;s=/cdrom/nocloud/" ---'),
         "/nocloud/user-data": HEADED},
        (), {"kernel-lines", "md5sum"}, "has no /nocloud/meta-data",
    ),
    "seed with a comment first": (
        {m.MENU: BASE_MENU.replace("@", r"autoinstall ds=nocloud\;s=/cdrom/nocloud/ ---"),
         "/nocloud/user-data": f"# mine\n{HEADED}", "/nocloud/meta-data": ""},
        (), {"kernel-lines", "md5sum"}, "does not begin with #cloud-config",
    ),
    "file:// with two slashes": (
        {m.MENU: BASE_MENU.replace("@", r"autoinstall ds=nocloud\;s=file://cdrom/nocloud/ ---")},
        (), {"kernel-lines", "md5sum"}, "three slashes",
    ),
    "line of more than 900 bytes": (
        {m.MENU: BASE_MENU.replace("@", f"{'x' * 900} ---")}, (), {"kernel-lines", "md5sum"}, "the limit is 900",
    ),
    "shadowing menu": (
        {"/boot/grub/x86_64-efi/grub.cfg": "set timeout=0\n"}, (), {"shadowing", "start"}, "shadows",
    ),
    "autoinstall.yaml at the root": ({"/autoinstall.yaml": "version: 1\n"}, (), {"shadowing"}, "is in the root folder"),
    "initrd removed": (
        {}, ("/casper/hwe-initrd",), {"base-files", "kernel-lines", "md5sum"}, "/casper/hwe-initrd of the base",
    ),
    "no menu at all": (
        {}, (m.MENU, "/boot/grub/loopback.cfg"), {"base-files", "kernel-lines", "md5sum"}, "no menu to show",
    ),
    "md5sum.txt emptied": ({"/md5sum.txt": "verified\n"}, (), {"md5sum"}, "line 1 of md5sum.txt is not valid"),
    "md5sum.txt removed": ({}, ("/md5sum.txt",), {"md5sum", "base-files"}, "md5sum.txt is missing"),
    "squashfs of another size": (
        {"/casper/ubuntu-server-minimal.squashfs": "hsqs"}, (), {"md5sum", "base-files"}, "differs from the base ISO's",
    ),
    "isolinux with a backslash": (
        {"/isolinux/txt.cfg": "label x\n kernel /casper/vmlinuz\n append initrd=/casper/initrd "
         "autoinstall ds=nocloud\\;s=/cdrom/ ---\n"},
        (), {"kernel-lines"}, "quotes or backslashes",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", REMASTERED)
def test_verify_names_the_fault_of_other_peoples_isos(noble: Path, tmp_path: Path, fault: str) -> None:
    files, removed, names, words = REMASTERED[fault]
    checks = verify(m.remaster(noble, tmp_path / "other.iso", files, remove=removed), base=noble)
    assert failed(checks) == names, told(checks)
    assert words in told(checks)


def linked_seed(base: Path, folder: Path, target: str) -> Path:
    """``base`` with an entry for the seed /nocloud/h, which is a link to ``target``; the seed is in /nocloud/data."""
    tree = folder / "tree"
    (tree / "data").mkdir(parents=True)
    (tree / "via").mkdir()
    (tree / "data/user-data").write_text(HEADED)
    (tree / "data/real").write_text("")
    (tree / "data/meta-data").symlink_to("real")
    (tree / "h").symlink_to(target)
    menu, iso = folder / "grub.cfg", folder / "other.iso"
    menu.write_text(BASE_MENU.replace("@", r"autoinstall ds=nocloud\;s=/cdrom/nocloud/h/ ---"))
    replay = ("-boot_image", "any", "replay", "-map", tree, "/nocloud", "-map", menu, m.MENU)
    run("xorriso", "-no_rc", "-indev", base, "-outdev", iso, *replay)
    return iso


@pytest.mark.parametrize("target", ["data", "../nocloud/data", "/cdrom/nocloud/data", "via/../data"])
def test_seed_of_links_is_sound(noble: Path, tmp_path: Path, target: str) -> None:
    """Linux follows links, of the folder and of the files."""
    iso = linked_seed(noble, tmp_path, target)
    assert "kernel-lines" not in failed(verify(iso)), told(verify(iso))
    seed = next(host for host in inspect(iso).hosts if host.name == "h")
    assert [file.path for file in seed.files] == ["/nocloud/h/user-data", "/nocloud/h/meta-data"]


@pytest.mark.parametrize("target", ["/nocloud/data", "nowhere", "h", "../../data"])
def test_seed_behind_a_link_that_leads_nowhere_is_missing(noble: Path, tmp_path: Path, target: str) -> None:
    iso = linked_seed(noble, tmp_path, target)
    assert "the seed folder /nocloud/h is not on the ISO" in told(verify(iso))
    assert inspect(iso).hosts


@pytest.mark.parametrize(
    ("mode", "names", "words"),
    [
        ("keep", {"partitions", "views"}, "/nocloud/h/user-data is missing in the USB view"),
        ("patch", {"partitions", "views"}, "/nocloud/h/user-data is missing in the USB view"),
        ("replay", {"partitions"}, "before its file system does: the ISO was grown in place"),
    ],
)
def test_iso_grown_in_place_is_found_out(noble: Path, tmp_path: Path, mode: str, names: set[str], words: str) -> None:
    iso = tmp_path / "grown.iso"
    shutil.copyfile(noble, iso)
    m.grow(iso, mode, {"/nocloud/h/user-data": HEADED})
    checks = verify(iso, base=noble)
    assert failed(checks) == names
    assert words in told(checks)


def test_seed_that_no_host_has_is_found(good: Path, noble: Path, tmp_path: Path) -> None:
    iso = m.remaster(good, tmp_path / "other.iso", {"/nocloud/stranger/user-data": HEADED})
    shutil.copyfile(good.with_name("manifest.json"), tmp_path / "manifest.json")
    checks = verify(iso, base=noble)
    assert failed(checks) == {"seeds", "md5sum", "base-files", "inside", "digest"}
    assert "unexpected seed file: /nocloud/stranger/user-data" in told(checks)


@pytest.mark.parametrize(
    "place",
    [
        "/isoforge/scripts/isoforge-guard",
        "/isoforge/scripts/isoforge-detect",
        "/isoforge/scripts/isoforge-stamp",
        "/nocloud/isoforge-detect/user-data",
        "/isoforge/hosts.tsv",
    ],
)
def test_what_detects_a_machine_is_the_manifests_even_if_md5sum_txt_says_otherwise(
    good: Path, noble: Path, tmp_path: Path, place: str
) -> None:
    iso = tmp_path / "other.iso"
    shutil.copyfile(good, iso)
    before = m.md5(iso, place)
    m.flip_in(iso, place)
    m.rewrite(iso, "/md5sum.txt", before, m.md5(iso, place))
    shutil.copyfile(good.with_name("manifest.json"), tmp_path / "manifest.json")
    checks = verify(iso, base=noble)
    assert {"seeds", "digest"} <= failed(checks)
    assert "md5sum" not in failed(checks)
    assert f"{place} differs from the manifest's" in told(checks)


def test_menu_that_shadows_and_goes_on_to_the_menu_is_sound(noble: Path, tmp_path: Path) -> None:
    files = {"/boot/grub/x86_64-efi/grub.cfg": "insmod part_gpt\nsource /boot/grub/grub.cfg\n"}
    assert failed(verify(m.remaster(noble, tmp_path / "other.iso", files), base=noble)) == set()


def test_flipped_bit_anywhere_is_seen_with_the_manifest_alone(good: Path, tmp_path: Path) -> None:
    shutil.copyfile(good.with_name("manifest.json"), tmp_path / "manifest.json")
    iso = tmp_path / "flipped.iso"
    size = good.stat().st_size
    for place in range(12345, size, size // 16):
        shutil.copyfile(good, iso)
        m.flip(iso, place)
        assert "digest" in failed(verify(iso))


@pytest.mark.parametrize(
    ("offset", "content"), [(25, b"\x01"), (28, b"\x02\0\0\x02"), (18, b"\x65")], ids=["hidden", "volume", "date"]
)
def test_fields_of_a_record_that_linux_ignores_are_no_fault(
    good: Path, noble: Path, tmp_path: Path, offset: int, content: bytes
) -> None:
    iso = m.with_manifest(good, tmp_path / "same.iso")
    in_both_views(iso, SEED, offset, content)
    assert failed(verify(iso, base=noble)) == {"digest"}


def test_every_file_listed_in_md5sum_txt_is_read(good: Path, tmp_path: Path) -> None:
    """A file over the end of a chunk, the smallest and the largest: each is named when a byte of it is another."""
    tree = read_tree(good)
    files = sorted((node.size, path) for path, node in tree.items() if node.kind == "file" and node.size)
    listed = read_file(good, tree[PurePosixPath("/md5sum.txt")]).decode()
    files = [(size, path) for size, path in files if f" .{path}\n" in listed]
    chosen = [
        files[0],
        files[-1],
        *[f for f in files if tree[f[1]].extent >> 22 != (tree[f[1]].extent + f[0] - 1) >> 22],
    ]
    for _, path in chosen:
        iso = tmp_path / "flipped.iso"
        shutil.copyfile(good, iso)
        m.flip_in(iso, str(path), tree[path].size - 1)
        assert f"md5sum.txt is stale: {path} has another MD5" in told(verify(iso))
