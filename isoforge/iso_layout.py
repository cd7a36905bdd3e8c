"""The format of our ISOs: paths, names, columns and limits that the build writes and the proof reads back.

Only the format is here. How a build writes it and how the proof reads it share no code.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

# What Ubuntu's ISOs have.

DISK_INFO = PurePosixPath("/.disk/info")
"""One line with product, release, code name, architecture and date."""

CASPER_UUID = "/.disk/casper-uuid-"
"""How the paths of the files begin, one for each kernel flavour, by which casper recognizes its medium."""

CASPER = PurePosixPath("/casper")
"""The live system: kernels, initrds, squashfs layers."""

INSTALL_SOURCES = CASPER / "install-sources.yaml"
"""Only the ISOs whose installer reads a seed have it."""

GRUB_CFG = PurePosixPath("/boot/grub/grub.cfg")
LOOPBACK_CFG = PurePosixPath("/boot/grub/loopback.cfg")
"""The menus: of a medium that was booted, and of an ISO that another GRUB starts as a file."""

MD5SUM_TXT = PurePosixPath("/md5sum.txt")

NOT_IN_MD5SUM_TXT = frozenset({"eltorito.img", "boot.catalog", "boot.cat", "md5sum.txt", "grub.cfg"})
"""Base names that Ubuntu does not list in it, in all releases or some: a repack changes those files."""

BIOS_BOOT_IMAGE = PurePosixPath("/boot/grub/i386-pc/eltorito.img")
"""It contains its own address: every program that writes an ISO writes it anew."""

ROOT_AUTOINSTALL = PurePosixPath("/autoinstall.yaml")
"""A config that every entry without a seed would install by, without asking."""

CDROM = PurePosixPath("/cdrom")
"""Where the live system mounts its medium."""

ISO_SCAN = "iso-scan/filename="
"""The kernel argument that names the ISO file for casper, when the ISO was started as a file."""

ESP_TYPE = "28732ac11ff8d211ba4b00a0c93ec93b"
"""GPT type GUID of an EFI system partition: its bytes on the disk as hex digits, as xorriso writes it."""

BASIC_DATA_TYPE = "a2a0d0ebe5b9334487c068b6b72699c7"
"""GPT type GUID of the partition that contains the ISO 9660 tree, written the same way."""

ISO_9660_TYPE = "cd"
"""Type of that partition in an MBR, as hex digits."""

CIDATA = "CIDATA"
"""The volume id by which cloud-init finds a seed on any attached medium (cloud-init, DataSourceNoCloud)."""

# What a build adds.

ISOFORGE_FOLDER = PurePosixPath("/isoforge")
"""Everything on an ISO that is about isoforge itself."""

MANIFEST = ISOFORGE_FOLDER / "manifest.json"
BUILD_ID = ISOFORGE_FOLDER / "build"

SCRIPTS_FOLDER = ISOFORGE_FOLDER / "scripts"
"""The scripts that the seeds on the ISO call, one copy for all of them, each by its name (`seed_format.SCRIPTS`)."""

REPORT_FOLDER = ISOFORGE_FOLDER / "report"
"""What the reports of the seeds need besides the script: certificates of receivers, named after their digests."""

REPORT_TOKEN = REPORT_FOLDER / "token"
"""The bearer token of the build, without a newline; only if a host of the build has a receiver."""

BASE_HEAD = ISOFORGE_FOLDER / "base-head"
"""The first 96 KiB of the base ISO, on an ISO that has all its other bytes where they were (`image.inside`)."""

MENU_FOLDER = ISOFORGE_FOLDER / "menu"
LOOPBACK_FOLDER = ISOFORGE_FOLDER / "loopback"
"""The entries of submenus, one file for each submenu, for the two menus."""

MACHINES_FOLDER = ISOFORGE_FOLDER / "machines"
"""Where the menu looks up a machine: ``<key>/<ending>.cfg`` lists the hosts whose value of that key ends so."""

HOSTS_TABLE = ISOFORGE_FOLDER / "hosts.tsv"
"""One line for each host with match keys: its name, the keys of `TABLE_KEYS`, its MAC addresses; tabs in between."""

TABLE_KEYS = ("serial", "uuid", "product", "asset_tag", "baseboard_serial")
"""The columns of `HOSTS_TABLE` between the name and the MAC addresses."""

EMPTY_FIELD = "-"
"""An empty field of `HOSTS_TABLE`: a shell's read would take two tabs in a row for one."""

LOOKUP_KEYS = ("serial", "uuid", "asset_tag", "baseboard_serial", "product")
"""What the menu looks a machine up by, the key that is likeliest to be unique first."""

MATCH_KEY_LIMIT = 255
"""Characters of a match key that the menu compares; no firmware has longer ones."""

SEEDS_FOLDER = PurePosixPath("/nocloud")
"""The seeds, one folder for each host."""

SEED_FILES = ("user-data", "meta-data", "vendor-data")
"""The files of a seed."""

FILES_TABLE = "files/table"
"""In a host's folder, the list of files for its installed system; they are beside it."""

AUTOINSTALL = "autoinstall.yaml"
EARLY_COMMANDS = "early-commands"
"""What "Detect this machine" reads from a host's folder if the user-data there is not enough (`fleet.seed.medium`)."""

RESERVED_PREFIX = "isoforge-"
"""Folders of `SEEDS_FOLDER` with such a name are isoforge's own, never a host's."""

DETECT = f"{RESERVED_PREFIX}detect"
"""The folder with the seed of "Detect this machine"."""

HOST_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""A host name is a folder on the ISO and a part of a kernel argument, where quotes mean nothing to casper."""

LOCAL_DISK = "local-disk"
"""The id of the entry that boots the machine's own disk."""

THIS_MACHINE, BY_ITSELF = " (this machine)", " (starts by itself)"
"""Marks after a title in the menu: this machine is that host's, or the timeout starts the entry."""

TITLE_SUFFIX = re.compile(r"\$\{isoforge_here_\d+\}")
"""The variable after a title in grub.cfg; its value is one of the two marks above, or empty."""

KERNEL_LINE_LIMIT = 900
"""Bytes of a kernel line: casper-md5check reads only the first 1023 of /proc/cmdline, the kernel's own parameters
included (casper, casper-md5check.c, parse_cmdline)."""

TITLE_LIMIT = 160
"""Characters of a title: no screen shows more, and a word beyond 8 KiB ends GRUB (YYLMAX)."""

MAX_NAME_LENGTH = 64
"""Characters of a build's name, which is part of its ISO's file name."""

BUILD_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{MAX_NAME_LENGTH - 1}}}")


def entry_id(host: str) -> str:
    """The id of a host's entry, which ``set default`` names; no title of the base's own entries can be equal to it."""
    return f"host-{host}"


def lookup_file(key: str, value: str) -> PurePosixPath:
    """The file in which the menu looks up a machine whose ``key`` has that normalised ``value``.

    The file is named after the last two characters of the value, or "other" if they are not lower-case letters or
    digits. Nothing else of a value becomes part of a path. The menu does the same with the SMBIOS value, with an x
    before it.
    """
    ending = f"x{value}"[-2:]
    return MACHINES_FOLDER / key / f"{ending if re.fullmatch('[a-z0-9]{2}', ending) else 'other'}.cfg"


def build_marker(build_id: str) -> PurePosixPath:
    """The empty file by whose name the menu recognises the medium of its own build."""
    return ISOFORGE_FOLDER / f"build-{build_id}"


def is_reserved(path: PurePosixPath) -> bool:
    """Whether ``path`` is one of isoforge's own folders below `SEEDS_FOLDER`, or inside one."""
    return path.is_relative_to(SEEDS_FOLDER) and "/".join(path.parts[2:]).startswith(RESERVED_PREFIX)
