"""The base ISO: the facts of an official Ubuntu ISO, and whether a fleet can be installed from it."""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from isoforge.base_contents import BaseContents
from isoforge.errors import BaseIsoError, ToolError
from isoforge.image.disk_info import DiskInfo, read_disk_info
from isoforge.image.eltorito import read_boot_catalog
from isoforge.image.inside import NOTHING, Inside, head_of, obstacle
from isoforge.image.kernel_variables import Setting, setting_of, variables_before_dashes
from isoforge.image.layouts import ARCHITECTURES, Layout, PartitionTable, architecture, loads_menu_only, recognised
from isoforge.image.sectors import missing_bytes, read_gpt, read_volume, size_of, unreadable
from isoforge.image.sources import read_contents
from isoforge.image.tree import read_file, read_tree
from isoforge.image.xorriso import xorriso
from isoforge.iso_layout import (
    CASPER,
    CASPER_UUID,
    DISK_INFO,
    GRUB_CFG,
    INSTALL_SOURCES,
    ISOFORGE_FOLDER,
    LOOPBACK_CFG,
    MD5SUM_TXT,
    ROOT_AUTOINSTALL,
)
from isoforge.release import NEWEST, OLDEST_DESKTOP, OLDEST_SERVER

log = logging.getLogger(__name__)

_PLAIN_WORD = re.compile(r"[A-Za-z0-9_.,:/=@+-]+")
"""A kernel argument without anything that GRUB would read otherwise."""

_SERIAL_COMMAND = b"Configure serial port."
"""What GRUB's command serial says of itself (grub-core/term/serial.c), in every GRUB that has it."""

_SHADOWING = {
    ROOT_AUTOINSTALL: "every entry would use it to install without confirmation",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """A kernel of the live system and the initrd that belongs to it; ``flavour`` is ``ga`` or ``hwe``."""

    flavour: str
    vmlinuz: PurePosixPath
    initrd: PurePosixPath


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseIso:
    """The facts of an official Ubuntu ISO.

    ``title`` is the whole of .disk/info, ``release`` like ``24.04.1``, ``modified`` the date of the file system as 16
    digits, ``layout`` its boot layout, ``replay_args`` the arguments of ``xorriso -as mkisofs`` that write the same
    boot records again (without volume id and date). ``menu``, ``loopback_menu`` and ``md5sums`` are the texts of those
    files, the last two possibly empty. ``casper_uuids`` are the files, one per kernel flavour, by which casper
    recognises its medium, ``shadowing`` is a menu that UEFI machines would show instead and that a build replaces,
    ``contents`` is what seeds are checked against. ``boot_records`` is the folder into which
    xorriso has extracted them, for the proof. ``inside`` are its size and its head, ``source`` is the file that has all
    its other bytes: the base ISO itself, or a graft that contains it. ``obstacle`` is why nothing can be added behind
    it, empty if it can (`inside.obstacle`).
    """

    path: Path
    title: str
    release: str
    arch: str
    volume_id: str
    modified: str
    kernels: tuple[Kernel, ...]
    boot_records: Path
    layout: Layout
    replay_args: tuple[str, ...]
    menu: str
    loopback_menu: str
    md5sums: str
    casper_uuids: tuple[PurePosixPath, ...] = ()
    shadowing: PurePosixPath | None = None
    contents: BaseContents = field(default_factory=BaseContents)
    inside: Inside = NOTHING
    source: Path = Path()
    obstacle: str = ""

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return self.inside.size

    def kept_words(self, kernel: Kernel) -> tuple[str, ...]:
        """The words after the ``---`` in the menu's own entry of ``kernel``, such as ``console=tty0`` for arm64."""
        line = rf"^[ \t]*linux(?:efi)?[ \t]+{re.escape(str(kernel.vmlinuz))}[ \t](.*)$"
        lines = re.findall(line, self.menu, re.MULTILINE)
        words = lines[0].split() if lines else []
        after = words[words.index("---") + 1 :] if "---" in words else []
        return tuple(word for word in after if _PLAIN_WORD.fullmatch(word))

    @property
    def has_signed_serial(self) -> bool:
        """Whether the GRUB for UEFI can drive serial ports by itself, as from 24.04 on: with Secure Boot, none loads a
        module for it."""
        return any(_SERIAL_COMMAND in file.read_bytes() for file in self.boot_records.iterdir())

    @property
    def setting(self) -> Setting:
        """The lines of the menu that set variables for its kernel lines, as on arm64 from 26.04 on."""
        return setting_of(self.menu)

    def variables(self, kernel: Kernel) -> tuple[str, ...]:
        """The variables before the ``---`` in the menu's own entry of ``kernel``, such as cmdline."""
        return variables_before_dashes(self.menu, kernel.vmlinuz, self.setting)

    def kernel(self, flavour: str) -> Kernel:
        """The kernel of that flavour; ``BaseIsoError`` if this ISO has none."""
        for kernel in self.kernels:
            if kernel.flavour == flavour:
                return kernel
        raise BaseIsoError(f"{self.path} has no {flavour} kernel", hint="only some point releases have an HWE kernel")


def read_base(path: Path, scratch: Path) -> BaseIso:
    """Read the base ISO at ``path``; small files and boot records are extracted into the directory ``scratch``.

    Raises ``BaseIsoError`` if it is missing, truncated, not Ubuntu, of a release, architecture or layout that is not
    supported, or was built by isoforge itself; ``ToolError`` if xorriso fails.
    """
    refuse_unless_whole(path)
    path = path.resolve()
    with reading(path):
        tree = read_tree(path)
        paths, contents = frozenset(tree), read_contents(path, tree)
    with _blaming_boot_records(path):
        texts = _extract(path, scratch, paths)
        report = xorriso("-indev", path, "-report_el_torito", "as_mkisofs")
    title = texts.get(DISK_INFO, "").strip()
    info = supported_info(path, title, paths)
    for shadow, harm in _SHADOWING.items():
        if shadow in paths:
            raise BaseIsoError(f"{path} has a file {shadow}: {harm}", hint="use an official Ubuntu Server ISO")
    volume = read_volume(path)
    if volume is None:
        raise BaseIsoError(f"{path} changed while it was read")
    layout, replay_args = recognised(path, info.arch, report)
    _refuse_broken_gpt(path, layout)
    shadowing = tree.get(layout.shadowing_menu)
    is_harmless = shadowing is None or loads_menu_only(read_file(path, shadowing))
    return BaseIso(
        path=path,
        title=title,
        release=str(info.release),
        arch=info.arch,
        volume_id=volume.volume_id,
        modified=volume.modified,
        kernels=kernels_of(path, paths),
        boot_records=scratch / "boot-records",
        layout=layout,
        replay_args=replay_args,
        menu=texts[GRUB_CFG],
        loopback_menu=texts.get(LOOPBACK_CFG, ""),
        md5sums=texts.get(MD5SUM_TXT, ""),
        shadowing=None if is_harmless else layout.shadowing_menu,
        contents=contents,
        casper_uuids=tuple(sorted(file for file in paths if str(file).startswith(CASPER_UUID))),
        inside=Inside(size=size_of(path), head=head_of(path)),
        source=path,
        obstacle=obstacle(path, tree),
    )


@contextlib.contextmanager
def reading(*isos: Path) -> Iterator[None]:
    """Raise ``BaseIsoError`` if one of ``isos`` cannot be read in the block; errors of other files pass."""
    try:
        yield
    except OSError as failure:
        for iso in isos:
            if failure.filename is not None and failure.filename in (str(iso), os.path.realpath(iso)):
                raise unreadable(iso, failure.strerror) from failure
        raise


def refuse_unless_whole(path: Path) -> None:
    """Raise ``BaseIsoError`` unless ``path`` is a whole ISO 9660 image (xorriso treats a missing one as blank)."""
    try:
        if not path.is_file():
            raise BaseIsoError(
                f"base ISO {path} {instead_of_a_file(path)}", hint="download one with: isoforge fetch 24.04"
            )
        if read_volume(path) is None:
            raise BaseIsoError(f"{path} is not an ISO image", hint="download one with: isoforge fetch 24.04")
        missing = missing_bytes(path)
    except OSError as failure:
        raise unreadable(path, failure.strerror) from failure
    if missing:
        raise BaseIsoError(f"base ISO {path} is truncated: {missing} bytes are missing", hint="download it again")


def _refuse_broken_gpt(path: Path, layout: Layout) -> None:
    """Raise ``BaseIsoError`` for a GPT from which xorriso cannot take the ESP: the build would fail later."""
    gpt = read_gpt(path) if layout.table is PartitionTable.GPT else None
    if gpt and gpt.primary_problems:
        raise BaseIsoError(f"base ISO {path} is damaged: {gpt.primary_problems[0]}", hint="download it again")


@contextlib.contextmanager
def _blaming_boot_records(path: Path) -> Iterator[None]:
    """If xorriso fails in the block on an ISO whose boot records are broken, raise ``BaseIsoError`` for them."""
    try:
        yield
    except ToolError as failure:
        problems = [
            problem for table in (read_boot_catalog(path), read_gpt(path)) if table for problem in table.problems
        ]
        if problems:
            raise BaseIsoError(f"base ISO {path} is damaged: {problems[0]}", hint="download it again") from failure
        raise


def instead_of_a_file(path: Path) -> str:
    """What the ``path`` of an ISO is, if it is not a regular file."""
    if re.match(r"[a-z]+:/", str(path)):
        return "is a URL: download it first"
    if path.is_dir():
        return "is a directory"
    if path.is_symlink() and not path.exists():
        return "is a link that leads nowhere"
    return "is not a regular file: copy its contents into one first" if path.exists() else "does not exist"


def _extract(path: Path, scratch: Path, paths: Collection[PurePosixPath]) -> dict[PurePosixPath, str]:
    """The texts that a build reads; extracts them and the boot records into ``scratch`` in one run of xorriso."""
    copies = {file: scratch / file.name for file in (DISK_INFO, GRUB_CFG, LOOPBACK_CFG, MD5SUM_TXT) if file in paths}
    extract = [word for file, copy in copies.items() for word in ("-extract", str(file), str(copy))]
    xorriso("-osirrox", "on", "-indev", path, "-extract_boot_images", scratch / "boot-records", *extract)
    return {file: copy.read_text("utf-8", errors="surrogateescape") for file, copy in copies.items()}


def supported_info(path: Path, title: str, paths: Collection[PurePosixPath]) -> DiskInfo:
    """The parts of .disk/info; ``BaseIsoError`` unless a fleet can be installed from the ISO.

    A release newer than those known here is only a warning: the layout of the ISOs seldom changes.
    """
    info = read_disk_info(title)
    if info is None:
        raise BaseIsoError(f"{path} is not an official Ubuntu ISO: its .disk/info is {title[:80]!r}")
    what = f"{path} is {info.product} {info.release} for {info.arch}"
    if ISOFORGE_FOLDER in paths:
        raise BaseIsoError(
            f"{path} was built by isoforge",
            hint="use the official ISO inside it (isoforge restore), or change its hosts: isoforge update",
        )
    if architecture(info.arch) not in ARCHITECTURES:
        raise BaseIsoError(
            f"{what}: only {' and '.join(ARCHITECTURES)} are supported", hint="use the live-server ISO for one of these"
        )
    if info.release.before(OLDEST_SERVER):
        out_of_support = f"{what}, which is out of standard support: releases from {OLDEST_SERVER} on are supported"
        raise BaseIsoError(out_of_support, hint=f"use an ISO of {OLDEST_SERVER} or later")
    if not info.is_server and info.release.before(OLDEST_DESKTOP):
        raise BaseIsoError(
            f"{what}: of Ubuntu Desktop, releases from {OLDEST_DESKTOP} on are supported",
            hint="use the live-server ISO",
        )
    if INSTALL_SOURCES not in paths or GRUB_CFG not in paths:
        raise BaseIsoError(f"{what}, but it has no installer that reads a seed", hint="use the live-server ISO")
    if info.release.series > NEWEST:
        log.warning("warning: %s: this release is not known to this version of isoforge; built as %s", what, NEWEST)
    return info


def kernels_of(path: Path, paths: Collection[PurePosixPath]) -> tuple[Kernel, ...]:
    """The kernels among the files ``paths`` of the ISO; ``BaseIsoError`` unless each has its initrd, and ga exists."""
    kernels = []
    for flavour, prefix in (("ga", ""), ("hwe", "hwe-")):
        pair = [CASPER / f"{prefix}{name}" for name in ("vmlinuz", "initrd")]
        missing = [file for file in pair if file not in paths]
        if len(missing) == 1 or (flavour == "ga" and missing):
            raise BaseIsoError(f"{path} has no {missing[0]}: a kernel and its initrd come in pairs")
        if not missing:
            kernels.append(Kernel(flavour=flavour, vmlinuz=pair[0], initrd=pair[1]))
    return tuple(kernels)
