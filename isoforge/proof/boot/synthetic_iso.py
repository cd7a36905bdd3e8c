"""The synthetic base ISO: the layout of Ubuntu's live-server ISO, without Ubuntu in it."""

from __future__ import annotations

import datetime
import enum
import gzip
import hashlib
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

from isoforge.errors import ToolError
from isoforge.image.layouts import AMD64
from isoforge.iso_layout import BASIC_DATA_TYPE, BIOS_BOOT_IMAGE, ESP_TYPE
from isoforge.proof.boot import cpio
from isoforge.proof.boot.probe import Guest, probe
from isoforge.run import run
from isoforge.templates import render

SECTOR = 512
MIB = 1 << 20

GRUB = Path("/usr/lib/grub")
SETUP_HINT = "run `scripts/setup.sh demo`, which installs it"

SIGNED = {
    "bootx64.efi": ("/usr/lib/shim/shimx64.efi.signed.latest", "/usr/lib/shim/shimx64.efi.signed"),
    "grubx64.efi": ("/usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed",),
    "mmx64.efi": ("/usr/lib/shim/mmx64.efi.signed", "/usr/lib/shim/mmx64.efi"),
}
"""The files of the ESP and where Debian and Ubuntu keep them; the first that exists is taken."""

LAYERS = (
    "ubuntu-server-minimal",
    "ubuntu-server-minimal.ubuntu-server",
    "ubuntu-server-minimal.ubuntu-server.installer",
    "ubuntu-server-minimal.ubuntu-server.installer.generic",
)
"""The squashfs files of a live-server ISO from 22.04 on, without their suffix."""


class Release(enum.Enum):
    """The Ubuntu releases whose layout can be synthesised: version, code name, day of the first ISO."""

    JAMMY = ("22.04", "Jammy Jellyfish", datetime.date(2022, 4, 21))
    NOBLE = ("24.04", "Noble Numbat", datetime.date(2024, 4, 23))
    RESOLUTE = ("26.04", "Resolute Raccoon", datetime.date(2026, 4, 23))

    def __init__(self, version: str, codename: str, built: datetime.date) -> None:
        self.version = version
        self.codename = codename
        self.built = built

    @property
    def suite(self) -> str:
        """The name under /dists."""
        return self.codename.split()[0].lower()

    @property
    def volume_id(self) -> str:
        """The volume id of the ISO."""
        return f"Ubuntu-Server {self.version} LTS amd64"

    @property
    def memtest(self) -> str:
        """The path of the memory test on the ISO; empty for a release without one (26.04)."""
        return {"22.04": "boot/memtest86+.bin", "24.04": "boot/memtest86+x64.bin"}.get(self.version, "")

    @property
    def unlisted(self) -> frozenset[str]:
        """Names of files that md5sum.txt does not list."""
        always = {"eltorito.img", "boot.catalog", "md5sum.txt"}
        return frozenset(always | {"grub.cfg"} if self is Release.RESOLUTE else always)


def make_base(
    iso: Path,
    *,
    release: Release = Release.NOBLE,
    hwe: bool = False,
    guest: Guest | None = None,
    initrd: bytes | None = None,
    filler_bytes: int = 0,
) -> None:
    """Write ``iso``, an ISO with the layout of ``release``'s live-server for amd64; the same bytes every time.

    With ``hwe`` it has a second pair of kernel and initrd, as the point releases have. Without a ``guest`` the kernels
    are a few bytes of text, written in under a second; with one they boot and start the probe, or ``initrd`` in its
    place. ``filler_bytes`` is added to the largest squashfs file, for the size of a real ISO (below 1 GiB
    xorriso's report names a disk geometry too). Raises ``ToolError`` if a program or a GRUB file is missing.
    """
    iso.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{iso.name}.", dir=iso.parent) as scratch:
        tree = Path(scratch, "tree")
        esp = Path(scratch, "esp.img")
        draft = Path(scratch, "draft.iso")
        write_tree(tree, release=release, hwe=hwe, guest=guest, initrd=initrd, filler_bytes=filler_bytes)
        write_esp(tree / "EFI/boot", esp, release=release)
        run("xorriso", *mkisofs(tree=tree, esp=esp, draft=draft, release=release), env=_dated(release))
        draft.replace(iso)


def write_tree(
    tree: Path, *, release: Release, hwe: bool, guest: Guest | None, initrd: bytes | None, filler_bytes: int
) -> None:
    """Lay out under ``tree`` every file that the ISO has, md5sum.txt last."""
    flavours = ["generic", "generic-hwe"] if hwe else ["generic"]
    values = {"release": release, "hwe": hwe}
    _put(tree / ".disk/info", render("synthetic/disk-info", values).rstrip("\n"))
    _put(tree / ".disk/base_installable", "")
    _put(tree / ".disk/cd_type", "full_cd/single\n")
    for flavour in flavours:
        _put_kernel(tree, release=release, flavour=flavour, guest=guest, initrd=initrd)
    for layer in (*LAYERS, *(f"{LAYERS[2]}.{flavour}" for flavour in flavours[1:])):
        _put_layer(tree / "casper", layer, filler_bytes=filler_bytes if layer == LAYERS[0] else 0)
    _put(tree / "casper/install-sources.yaml", render("synthetic/install-sources.yaml", values))
    for name in ("grub.cfg", "loopback.cfg"):
        _put(tree / "boot/grub" / name, render(f"synthetic/{name}", values))
    if release.memtest:
        _put(tree / release.memtest, "synthetic memory test\n")
    _put_grub(tree / "boot/grub")
    _put_signed(tree / "EFI/boot")
    _put_archive(tree, release.suite)
    (tree / "ubuntu").symlink_to(".")
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


def write_esp(folder: Path, esp: Path, *, release: Release) -> None:
    """Write ``esp``, a FAT image with the files of ``folder`` under /EFI/boot."""
    sizes = [path.stat().st_size for path in folder.iterdir()]
    sectors = (sum(sizes) // MIB + 2) * MIB // SECTOR
    dated = {**_dated(release), "MTOOLS_SKIP_CHECK": "1"}
    run("mformat", "-i", esp, "-C", "-T", str(sectors), "-N", f"{release.built:%Y%m%d}", "::", env=dated)
    run("mmd", "-i", esp, "::/EFI", "::/EFI/boot", env=dated)
    run("mcopy", "-i", esp, *sorted(folder.iterdir()), "::/EFI/boot/", env=dated)


def mkisofs(*, tree: Path, esp: Path, draft: Path, release: Release) -> list[str]:
    """The arguments of xorriso that write ``draft`` from ``tree`` and ``esp`` with Ubuntu's boot records."""
    return [
        "-as", "mkisofs",
        "-r", "-J", "-joliet-long", "-l",
        "-iso-level", "3",
        "-V", release.volume_id,
        "-o", str(draft),
        "--set_all_file_dates", f"{release.built:%Y%m%d}12000000",
        "--grub2-mbr", str(GRUB / "i386-pc/boot_hybrid.img"),
        "--protective-msdos-label",
        "-partition_cyl_align", "off",
        "-partition_offset", "16",
        "--mbr-force-bootable",
        "-append_partition", "2", ESP_TYPE, str(esp),
        "-appended_part_as_gpt",
        "-iso_mbr_part_type", BASIC_DATA_TYPE,
        "-c", str(AMD64.boot_catalog),
        "-b", str(BIOS_BOOT_IMAGE),
        "-no-emul-boot",
        "-boot-load-size", "4",
        "-boot-info-table",
        "--grub2-boot-info",
        "-eltorito-alt-boot",
        "-e", "--interval:appended_partition_2:::",
        "-no-emul-boot",
        str(tree),
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


def _put_grub(grub: Path) -> None:
    """GRUB's modules for both firmwares, its font, and the BIOS boot image with the prefix /boot/grub."""
    for platform in ("i386-pc", "x86_64-efi"):
        for module in _needed(GRUB / platform / "moddep.lst").parent.iterdir():
            if module.suffix in (".mod", ".lst"):
                (grub / platform).mkdir(parents=True, exist_ok=True)
                shutil.copyfile(module, grub / platform / module.name)
    (grub / "fonts").mkdir()
    shutil.copyfile(_needed(Path("/usr/share/grub/unicode.pf2")), grub / "fonts/unicode.pf2")
    options = ["-O", "i386-pc-eltorito", "-d", str(GRUB / "i386-pc"), "-p", "/boot/grub"]
    run("grub-mkimage", *options, "-o", grub / "i386-pc/eltorito.img", "biosdisk", "iso9660")


def _put_signed(folder: Path) -> None:
    """The signed boot programs, as Ubuntu copies them beside the ESP; shim trusts only grubx64.efi as signed."""
    folder.mkdir(parents=True)
    for name, candidates in SIGNED.items():
        source = next((Path(path) for path in candidates if Path(path).is_file()), Path(candidates[-1]))
        shutil.copyfile(_needed(source), folder / name)


def _put_archive(tree: Path, suite: str) -> None:
    """A package archive with nothing to install in it, and the two symlinks that Ubuntu has there."""
    _put(tree / f"dists/{suite}/Release", f"Origin: Ubuntu\nSuite: {suite}\nArchitectures: amd64\nComponents: main\n")
    _put(tree / f"dists/{suite}/main/binary-amd64/Packages.gz", gzip.compress(b"", mtime=0))
    _put(tree / "pool/main/b/base-files/base-files_0_amd64.deb", "!<arch>\n")
    for alias in ("stable", "unstable"):
        (tree / "dists" / alias).symlink_to(suite)


def _needed(path: Path) -> Path:
    if not path.is_file():
        raise ToolError(f"{path} does not exist, and the synthetic base ISO needs it", hint=SETUP_HINT)
    return path
