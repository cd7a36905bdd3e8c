"""The boot layouts of Ubuntu's ISOs: how to recognise one, how to write it again, and what the proof has to expect.

Everything that depends on the architecture or the partition table of an ISO is said here, and nowhere else. To add a
layout, add it to `LAYOUTS`, add a synthetic base ISO of it (`proof/boot/synthetic_kinds.py` and `synthetic_iso.py`),
and describe it in docs/bases.md.
"""

from __future__ import annotations

import enum
import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from isoforge.errors import BaseIsoError
from isoforge.image.xorriso import too_old
from isoforge.iso_layout import ESP_TYPE, GRUB_CFG

GRUB_FOLDER = PurePosixPath("/boot/grub")

_APPENDED_ESP = re.compile(r"--interval:appended_partition_2_start_\d+s_size_\d+d:all::")


class PartitionTable(enum.StrEnum):
    """The table by which firmware finds the partitions of a stick; Ubuntu's tools call the older one a DOS label."""

    GPT = "gpt"
    DOS = "dos"


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One way in which firmware starts an ISO.

    ``platform`` is its name in the boot catalog, ``firmwares`` those of `boot-test` that use it. GRUB calls itself
    ``grub_platform`` and ``grub_cpu`` then.
    """

    platform: str
    firmwares: tuple[str, ...]
    grub_platform: str
    grub_cpu: str

    @property
    def grub_folder(self) -> PurePosixPath:
        """The folder of GRUB's modules for it."""
        return GRUB_FOLDER / f"{self.grub_cpu}-{self.grub_platform}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A boot layout.

    ``arch`` is the architecture as .disk/info names it, ``machine`` as QEMU does (qemu-system-…). ``starts`` are in the
    order of the boot catalog, which is the file ``boot_catalog``. ``console`` is the kernel's name of the first serial
    port. ``efi_suffix`` ends the names of the boot programs (shim and GRUB) on the EFI system partition (ESP).
    ``needed`` and ``absent`` are options by which xorriso's ``as_mkisofs`` report shows the layout; ``rewritten`` are
    those whose value a build changes. ``extracted`` are the files (without suffix) that xorriso extracts with
    ``-extract_boot_images``.
    """

    name: str
    arch: str
    machine: str
    table: PartitionTable
    starts: tuple[Start, ...]
    boot_catalog: PurePosixPath
    console: str
    efi_suffix: str
    esp_type: str = ESP_TYPE
    needed: tuple[str, ...]
    absent: tuple[str, ...] = ()
    rewritten: Mapping[str, str] = field(default_factory=dict)
    extracted: tuple[str, ...]

    @property
    def platforms(self) -> tuple[str, ...]:
        """The platforms that the boot catalog must have a boot record for."""
        return tuple(start.platform for start in self.starts)

    @property
    def firmwares(self) -> tuple[str, ...]:
        """The firmwares that boot it: ``bios``, ``uefi``, ``secureboot``."""
        return tuple(firmware for start in self.starts for firmware in start.firmwares)

    @property
    def shadowing_menu(self) -> PurePosixPath:
        """The menu that the signed GRUB for UEFI reads in place of /boot/grub/grub.cfg, if it exists."""
        return next(start.grub_folder for start in self.starts if start.platform == "UEFI") / "grub.cfg"

    def first_menu(self, grub_platform: str, paths: Collection[PurePosixPath]) -> str:
        """The first of ``paths`` that GRUB reads: for UEFI the signed one prefers `shadowing_menu`."""
        is_shadowed = grub_platform == "efi" and self.shadowing_menu in paths
        return str(self.shadowing_menu if is_shadowed else GRUB_CFG)

    @property
    def boot_programs(self) -> tuple[str, ...]:
        """The files in /EFI/boot: shim under the name that firmware looks for, GRUB, and the manager of shim's keys."""
        return tuple(f"{name}{self.efi_suffix}.efi" for name in ("boot", "grub", "mm"))


_BIOS = Start(platform="BIOS", firmwares=("bios",), grub_platform="pc", grub_cpu="i386")
_UEFI_AMD64 = Start(platform="UEFI", firmwares=("uefi", "secureboot"), grub_platform="efi", grub_cpu="x86_64")
_UEFI_ARM64 = Start(platform="UEFI", firmwares=("uefi", "secureboot"), grub_platform="efi", grub_cpu="arm64")

AMD64 = Layout(
    name="amd64",
    arch="amd64",
    machine="x86_64",
    table=PartitionTable.GPT,
    starts=(_BIOS, _UEFI_AMD64),
    boot_catalog=PurePosixPath("/boot.catalog"),
    console="ttyS0",
    efi_suffix="x64",
    needed=("--grub2-mbr", "-append_partition", "-appended_part_as_gpt", "-b", "-e"),
    extracted=("mbr_code_grub2", "eltorito_img1_bios", "gpt_part2_efi"),
)
"""Server and Desktop for amd64 from 22.04 on: GRUB in MBR and El Torito for BIOS, an appended ESP for UEFI, GPT."""

ARM64_DOS = Layout(
    name="arm64-dos",
    arch="arm64",
    machine="aarch64",
    table=PartitionTable.DOS,
    starts=(_UEFI_ARM64,),
    boot_catalog=PurePosixPath("/boot/boot.cat"),
    console="ttyAMA0",
    efi_suffix="aa64",
    esp_type="0xef",
    needed=("-append_partition", "-iso_mbr_part_type", "-e"),
    absent=("--grub2-mbr", "-appended_part_as_gpt", "-b"),
    rewritten={"-partition_cyl_align": "off"},
    extracted=("mbr_part2_efi",),
)
"""arm64 up to 25.10: UEFI only, an appended ESP, a DOS label.

Its partitions end at cylinders, and the size of a cylinder follows from that of the image: a build that aligned them
again would give the ESP another size. No firmware with UEFI looks at cylinders.
"""

ARM64_GPT = Layout(
    name="arm64-gpt",
    arch="arm64",
    machine="aarch64",
    table=PartitionTable.GPT,
    starts=(_UEFI_ARM64,),
    boot_catalog=PurePosixPath("/boot/boot.cat"),
    console="ttyAMA0",
    efi_suffix="aa64",
    needed=("-append_partition", "-appended_part_as_gpt", "-e"),
    absent=("--grub2-mbr", "-b"),
    extracted=("gpt_part2_efi",),
)
"""arm64 from 26.04 on: UEFI only, an appended ESP, GPT."""

LAYOUTS = (AMD64, ARM64_DOS, ARM64_GPT)
"""Every layout that a build can write again."""

ARCHITECTURES = tuple(dict.fromkeys(layout.arch for layout in LAYOUTS))


LOADS_MENU = f"source {GRUB_CFG}\n"
"""What a build writes over a shadowing menu that does anything else."""

_HARMLESS = re.compile(
    rf"\s*(?:#.*|insmod\s+[a-z0-9_]+|(?:source|configfile)\s+(?:\$prefix|\(\$root\))?{GRUB_CFG}|source\s+\$prefix/grub\.cfg)?\s*"
)


def loads_menu_only(content: bytes) -> bool:
    """Whether a shadowing menu of that ``content`` only loads modules and then the menu, as on ISOs up to 20.04."""
    lines = content.decode("utf-8", errors="replace").splitlines()
    loads = [line for line in lines if GRUB_CFG.name in line and not line.lstrip().startswith("#")]
    return len(loads) == 1 and all(_HARMLESS.fullmatch(line) for line in lines)


def architecture(arch: str) -> str:
    """The architecture without a variant: arm64 for ``arm64+largemem``, which has another kernel and nothing else."""
    return arch.partition("+")[0]


def recognised(iso: Path, arch: str, report: str) -> tuple[Layout, tuple[str, ...]]:
    """The layout of the ``iso`` for ``arch``, and the arguments of ``xorriso -as mkisofs`` that write it again.

    ``report`` is what xorriso prints for ``-report_el_torito as_mkisofs``. Volume id and date are omitted: a build sets
    its own. The ESP's boot record refers to the appended partition without its address, which may change. Raises
    ``BaseIsoError`` if the layout is not one of `LAYOUTS`, ``ToolError`` if xorriso is too old to report it correctly.
    """
    words = shlex.split(report)
    if "-isohybrid-mbr" in words:
        raise BaseIsoError(
            f"{iso} boots with isolinux, as Ubuntu's ISOs up to 20.04 did: these are out of standard support",
            hint="use an official ISO of 22.04 or later",
        )
    if "-part_like_isohybrid" in words:
        raise too_old("1.5.3 or earlier")
    table = PartitionTable.GPT if "-appended_part_as_gpt" in words else PartitionTable.DOS
    layouts = [layout for layout in LAYOUTS if layout.arch == architecture(arch)]
    layout = next((one for one in layouts if one.table is table), layouts[0])
    missing = [word for word in layout.needed if word not in words]
    odd = [word for word in layout.absent if word in words]
    if missing or odd:
        fault = f"missing: {', '.join(missing)}" if missing else f"unexpected: {', '.join(odd)}"
        raise BaseIsoError(
            f"{iso} does not have the boot layout of an Ubuntu ISO for {arch} ({fault})",
            hint="use an official live-server ISO of 22.04 or later",
        )
    return layout, _replayed(layout, words)


def _replayed(layout: Layout, words: Sequence[str]) -> tuple[str, ...]:
    """The ``words`` of a report as arguments for a build."""
    args: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "-V":
            next(rest, None)
        elif word in layout.rewritten:
            args += [word, layout.rewritten[word]]
            next(rest, None)
        elif not word.startswith("--modification-date="):
            args.append(_APPENDED_ESP.sub("--interval:appended_partition_2:all::", word))
    return tuple(args)


def expected(title: str, *, has_gpt: bool) -> Layout:
    """The layout that an ISO should have whose .disk/info is ``title``: by its architecture and its partition table.

    An ISO that names no architecture that is known here is taken for one for amd64.
    """
    names = re.split(r"[\s()+]+", title)
    arch = next((arch for arch in ARCHITECTURES if arch in names), AMD64.arch)
    layouts = [layout for layout in LAYOUTS if layout.arch == arch]
    table = PartitionTable.GPT if has_gpt else PartitionTable.DOS
    return next((layout for layout in layouts if layout.table is table), layouts[0])
