"""The synthetic base ISO: the layout of an official ISO, without Ubuntu in it."""

from __future__ import annotations

import datetime
import gzip
import hashlib
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

from isoforge.errors import ToolError
from isoforge.image.layouts import Layout
from isoforge.iso_layout import BASIC_DATA_TYPE, BIOS_BOOT_IMAGE, ESP_TYPE
from isoforge.proof.boot import cpio
from isoforge.proof.boot.probe import Guest, probe
from isoforge.proof.boot.synthetic_kinds import Kind, Release
from isoforge.run import run
from isoforge.templates import render

__all__ = ["Kind", "Release", "casper_uuid", "make_base"]

SECTOR = 512
MIB = 1 << 20

GRUB = Path("/usr/lib/grub")
SETUP_HINT = "run `scripts/setup.sh demo`, which installs it"

SIGNED = {
    "bootx64.efi": ("/usr/lib/shim/shimx64.efi.signed.latest", "/usr/lib/shim/shimx64.efi.signed"),
    "grubx64.efi": ("/usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed",),
    "mmx64.efi": ("/usr/lib/shim/mmx64.efi.signed", "/usr/lib/shim/mmx64.efi"),
    "bootaa64.efi": ("/usr/lib/shim/shimaa64.efi.signed",),
    "grubaa64.efi": ("/usr/lib/grub/arm64-efi-signed/gcdaa64.efi.signed",),
    "mmaa64.efi": ("/usr/lib/shim/mmaa64.efi.signed",),
}
"""The files of the ESP and where Debian and Ubuntu keep them; the first that exists is taken."""

ARM64_BOOT = "arm64-boot"
"""The folder in the cache below which scripts/setup.sh unpacks such files of another architecture."""

ESP_SECTORS = {"amd64": 10144, "arm64": 13504}
"""The size of the ESP on real ISOs, in sectors of 512 bytes: 10140 to 10296 for amd64 of 24.04 and 26.04, and that of
24.04.4 for arm64."""


def make_base(
    iso: Path,
    *,
    release: Release = Release.NOBLE,
    hwe: bool = False,
    kind: Kind | None = None,
    guest: Guest | None = None,
    initrd: bytes | None = None,
    filler_bytes: int = 0,
    cache: Path = Path(".cache"),
) -> None:
    """Write ``iso``, an ISO like the official one of that ``kind``; the same bytes every time.

    Without a ``kind`` it is ``release``'s live-server for amd64; with ``hwe`` that has a second pair of kernel and
    initrd, as the point releases have. Without a ``guest`` the kernels
    are a few bytes of text, written in under a second; with one they boot and start the probe, or ``initrd`` in its
    place. ``filler_bytes`` is added to the largest squashfs file, for the size of a real ISO (below 1 GiB
    xorriso's report names a disk geometry too). ``cache`` is where scripts/setup.sh put the boot programs for arm64.
    Raises ``ToolError`` if a program or a GRUB file is missing.
    """
    kind = kind or Kind(release=release, hwe=hwe)
    iso.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{iso.name}.", dir=iso.parent) as scratch:
        tree = Path(scratch, "tree")
        esp = Path(scratch, "esp.img")
        draft = Path(scratch, "draft.iso")
        write_tree(tree, kind=kind, guest=guest, initrd=initrd, filler_bytes=filler_bytes, cache=cache)
        write_esp(tree / "EFI/boot", esp, kind=kind)
        run("xorriso", *mkisofs(tree=tree, esp=esp, draft=draft, kind=kind), env=_dated(kind.release))
        draft.replace(iso)


def write_tree(
    tree: Path, *, kind: Kind, guest: Guest | None, initrd: bytes | None, filler_bytes: int, cache: Path
) -> None:
    """Lay out under ``tree`` every file that the ISO has, md5sum.txt last."""
    release, values = kind.release, {"kind": kind, "release": kind.release}
    _put(tree / ".disk/info", render("synthetic/disk-info", values).rstrip("\n"))
    _put(tree / ".disk/base_installable", "")
    _put(tree / ".disk/cd_type", "full_cd/single\n")
    for flavour in kind.flavours:
        _put_kernel(tree, release=release, flavour=flavour, guest=guest, initrd=initrd)
    for layer in kind.layers:
        _put_layer(tree / "casper", layer, filler_bytes=filler_bytes if layer == kind.layers[0] else 0)
    _put(tree / "casper/install-sources.yaml", render("synthetic/install-sources.yaml", values))
    for name in ("grub.cfg", "loopback.cfg") if kind.starts_bios else ("grub.cfg",):
        _put(tree / "boot/grub" / name, render(f"synthetic/{name}", values))
    if release.memtest and kind.starts_bios:
        _put(tree / release.memtest, "synthetic memory test\n")
    _put_grub(tree / "boot/grub", kind.layout, cache)
    _put_signed(tree / "EFI/boot", kind.layout, cache)
    _put_archive(tree, release.suite, kind.layout.arch, kind.packages)
    for alias in kind.archive_alias:
        (tree / alias).symlink_to(".")
    _put(tree / "md5sum.txt", "".join(md5_lines(tree, unlisted=release.unlisted)))


def md5_lines(tree: Path, *, unlisted: frozenset[str]) -> Iterator[str]:
    """The lines of md5sum.txt: every file that is not a symlink and not named in ``unlisted``, in order of path."""
    for path in sorted(tree.rglob("*"), key=str):
        if path.is_file() and not path.is_symlink() and path.name not in unlisted:
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False))
            yield f"{digest.hexdigest()}  ./{path.relative_to(tree)}\n"


def casper_uuid(release: Release, flavour: str) -> uuid.UUID:
    """The UUID that ties the initrd of ``flavour`` to its medium: .disk/casper-uuid-FLAVOUR equals conf/uuid.conf."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"https://releases.ubuntu.com/{release.version}/#{flavour}")


def write_esp(folder: Path, esp: Path, *, kind: Kind) -> None:
    """Write ``esp``, a FAT image of the label ESP with the files of ``folder`` under /EFI/boot."""
    needed = sum(path.stat().st_size // SECTOR + 8 for path in folder.iterdir()) + 64
    sectors = max(ESP_SECTORS[kind.layout.arch], -(-needed // 4) * 4)  # whole blocks of the ISO
    dated = {**_dated(kind.release), "MTOOLS_SKIP_CHECK": "1"}
    shape = ["-T", str(sectors), "-c", "4", "-h", "1", "-s", "4", "-v", "ESP", "-N", f"{kind.release.built:%Y%m%d}"]
    run("mformat", "-i", esp, "-C", *shape, "::", env=dated)
    run("mmd", "-i", esp, "::/EFI", "::/EFI/boot", env=dated)
    run("mcopy", "-i", esp, *sorted(folder.iterdir()), "::/EFI/boot/", env=dated)


def mkisofs(*, tree: Path, esp: Path, draft: Path, kind: Kind) -> list[str]:
    """The arguments of xorriso that write ``draft`` from ``tree`` and ``esp`` with the boot records of ``kind``."""
    return [
        "-as", "mkisofs",
        "-r", "-J", "-joliet-long", "-l",
        *(["-iso-level", "3"] if kind.starts_bios else []),
        "-V", kind.volume_id,
        "-o", str(draft),
        "--set_all_file_dates", f"{kind.release.built:%Y%m%d}12000000",
        *_boot_records(kind, esp),
        str(tree),
    ]  # fmt: skip


def _boot_records(kind: Kind, esp: Path) -> list[str]:
    """The options of Ubuntu's own builds (livecd-rootfs, isobuilder; debian-cd before it)."""
    catalog = str(kind.layout.boot_catalog)
    efi = ["-e", "--interval:appended_partition_2:::", "-no-emul-boot"]
    if kind.has_dos_label:
        return [
            "-partition_cyl_align", "all",
            "-partition_offset", "16",
            "-append_partition", "2", "0xef", str(esp),
            "-iso_mbr_part_type", "0xcd",
            "-c", catalog,
            *efi,
        ]  # fmt: skip
    gpt = [
        "--protective-msdos-label",
        "-partition_cyl_align", "off",
        "-partition_offset", "16",
        "--mbr-force-bootable",
        "-append_partition", "2", ESP_TYPE, str(esp),
        "-appended_part_as_gpt",
        "-iso_mbr_part_type", BASIC_DATA_TYPE,
        "-c", catalog,
    ]  # fmt: skip
    if not kind.starts_bios:
        return [*gpt, *efi]
    return [
        "--grub2-mbr", str(GRUB / "i386-pc/boot_hybrid.img"),
        *gpt,
        "-b", str(BIOS_BOOT_IMAGE),
        "-no-emul-boot",
        "-boot-load-size", "4",
        "-boot-info-table",
        "--grub2-boot-info",
        "-eltorito-alt-boot",
        *efi,
    ]  # fmt: skip


def _dated(release: Release) -> dict[str, str]:
    noon = datetime.datetime.combine(release.built, datetime.time(12), tzinfo=datetime.UTC)
    return {"SOURCE_DATE_EPOCH": str(int(noon.timestamp()))}


def _put(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def _put_kernel(tree: Path, *, release: Release, flavour: str, guest: Guest | None, initrd: bytes | None) -> None:
    """Kernel, initrd and the UUID of one flavour; the -hwe one has its own names."""
    prefix = "hwe-" if flavour.endswith("-hwe") else ""
    identity = f"{casper_uuid(release, flavour)}\n"
    kernel = guest.kernel.read_bytes() if guest else f"synthetic kernel, {release.version} {flavour}\n".encode()
    members = () if initrd or not guest else probe(guest)
    conf = cpio.initrd([*members, cpio.file("conf/uuid.conf", identity.encode())])
    _put(tree / f".disk/casper-uuid-{flavour}", identity)
    _put(tree / f"casper/{prefix}vmlinuz", kernel)
    _put(tree / f"casper/{prefix}initrd", (initrd or b"") + conf)


def _put_layer(casper: Path, layer: str, *, filler_bytes: int) -> None:
    """A file that starts as squashfs does, its size and its manifest; ``filler_bytes`` are such as nothing shortens."""

    def block(start: int) -> bytes:
        return hashlib.shake_128(f"{layer} {start}".encode()).digest(MIB)

    with (casper / f"{layer}.squashfs").open("wb") as squashfs:
        squashfs.write(b"hsqs" + block(0)[:4092])
        for start in range(0, filler_bytes, MIB):
            squashfs.write(block(start)[: filler_bytes - start])
    _put(casper / f"{layer}.size", f"{1 * MIB}\n")
    _put(casper / f"{layer}.manifest", "base-files\t0\n")


def _put_grub(grub: Path, layout: Layout, cache: Path) -> None:
    """GRUB's modules for each firmware, its font, and the BIOS boot image with the prefix /boot/grub."""
    for platform in [start.grub_folder.name for start in layout.starts]:
        for module in _needed(GRUB / platform / "moddep.lst", cache).parent.iterdir():
            if module.suffix in (".mod", ".lst"):
                (grub / platform).mkdir(parents=True, exist_ok=True)
                shutil.copyfile(module, grub / platform / module.name)
    (grub / "fonts").mkdir()
    shutil.copyfile(_needed(Path("/usr/share/grub/unicode.pf2")), grub / "fonts/unicode.pf2")
    if "BIOS" in layout.platforms:
        options = ["-O", "i386-pc-eltorito", "-d", str(GRUB / "i386-pc"), "-p", "/boot/grub"]
        run("grub-mkimage", *options, "-o", grub / "i386-pc/eltorito.img", "biosdisk", "iso9660")


def _put_signed(folder: Path, layout: Layout, cache: Path) -> None:
    """The signed boot programs, as Ubuntu copies them beside the ESP; shim trusts only its own GRUB as signed."""
    folder.mkdir(parents=True)
    for name in layout.boot_programs:
        candidates = [Path(path) for path in SIGNED[name]]
        source = next((path for path in candidates if path.is_file()), candidates[-1])
        shutil.copyfile(_needed(source, cache), folder / name)


def _put_archive(tree: Path, suite: str, arch: str, packages: int) -> None:
    """A package archive with nothing to install in it, and the two symlinks that Ubuntu has there."""
    _put(tree / f"dists/{suite}/Release", f"Origin: Ubuntu\nSuite: {suite}\nArchitectures: {arch}\nComponents: main\n")
    _put(tree / f"dists/{suite}/main/binary-{arch}/Packages.gz", gzip.compress(b"", mtime=0))
    _put(tree / f"pool/main/b/base-files/base-files_0_{arch}.deb", "!<arch>\n")
    for number in range(1, packages):
        _put(tree / f"pool/main/p/package-{number}/package-{number}_0_{arch}.deb", "!<arch>\n")
    for alias in ("stable", "unstable"):
        (tree / "dists" / alias).symlink_to(suite)


def _needed(path: Path, cache: Path | None = None) -> Path:
    """``path``, or the same file of another architecture in the ``cache``."""
    unpacked = cache / ARM64_BOOT / path.relative_to("/") if cache else path
    if not path.is_file() and not unpacked.is_file():
        raise ToolError(f"{path} does not exist, and the synthetic base ISO needs it", hint=SETUP_HINT)
    return path if path.is_file() else unpacked
