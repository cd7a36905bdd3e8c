"""The kinds of synthetic base ISO: release, edition and boot layout of the official ISO that each is like."""

from __future__ import annotations

import datetime
import enum
from dataclasses import dataclass

from isoforge.image.layouts import AMD64, Layout, PartitionTable


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
    def number(self) -> str:
        """The release as .disk/info and volume id name it: the first ISO of 26.04 did not say that it is an LTS."""
        return self.version if self is Release.RESOLUTE else f"{self.version} LTS"

    @property
    def memtest(self) -> str:
        """The path of the memory test on the ISO; empty for a release without one (26.04)."""
        return {"22.04": "boot/memtest86+.bin", "24.04": "boot/memtest86+x64.bin"}.get(self.version, "")

    @property
    def unlisted(self) -> frozenset[str]:
        """Names of files that md5sum.txt does not list."""
        always = {"eltorito.img", "boot.catalog", "boot.cat", "md5sum.txt"}
        return frozenset(always | {"grub.cfg"} if self is Release.RESOLUTE else always)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of base ISO: ``desktop`` or live-server; ``hwe`` adds a second kernel; ``largemem`` has 64 KiB pages.

    ``packages`` are in /pool, each in a folder of its own. Folders lie before the boot catalog: on official ISOs, with
    800 to 1,100 nodes, it is at block 798 to 998.
    """

    release: Release = Release.NOBLE
    layout: Layout = AMD64
    desktop: bool = False
    hwe: bool = False
    largemem: bool = False
    packages: int = 1

    @property
    def arch(self) -> str:
        """The architecture as .disk/info names it."""
        return self.layout.arch + ("+largemem" if self.largemem else "")

    @property
    def product(self) -> str:
        """The first word of .disk/info and of the volume id."""
        return "Ubuntu" if self.desktop else "Ubuntu-Server"

    @property
    def volume_id(self) -> str:
        """The volume id of the ISO, which has room for 32 characters."""
        return f"{self.product} {self.release.number} {self.layout.arch}"

    @property
    def flavours(self) -> tuple[str, ...]:
        """The flavours of its kernels, as casper's files for them are named."""
        first = "generic-64k" if self.largemem else "generic"
        return (first, f"{first}-hwe") if self.hwe else (first,)

    @property
    def layers(self) -> tuple[str, ...]:
        """The squashfs files without their suffix, the largest first (livecd-rootfs)."""
        parts = (
            ["minimal", "standard", "live"] if self.desktop else ["ubuntu-server-minimal", "ubuntu-server", "installer"]
        )
        chain = tuple(".".join(parts[:count]) for count in (1, 2, 3))
        return chain if self.desktop else (*chain, *(f"{chain[-1]}.{flavour}" for flavour in self.flavours))

    @property
    def starts_bios(self) -> bool:
        """Whether its menu is for BIOS, too."""
        return "BIOS" in self.layout.platforms

    @property
    def has_dos_label(self) -> bool:
        """Whether its partition table is an MBR."""
        return self.layout.table is PartitionTable.DOS

    @property
    def archive_alias(self) -> tuple[str, ...]:
        """The names in the root folder that lead back to it."""
        return ("ubuntu",) if self.layout is AMD64 else ("ubuntu", "ubuntu-ports")
