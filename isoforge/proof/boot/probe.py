"""The guest of a boot test: a signed kernel, and the probe that it starts in place of an installer."""

from __future__ import annotations

import lzma
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from isoforge.errors import ToolError
from isoforge.ownership import refuse_foreign, temporary_folder
from isoforge.packages import install_hint
from isoforge.proof.boot import cpio
from isoforge.run import run
from isoforge.templates import shipped_templates

SETUP_HINT = "run `scripts/setup.sh demo`, which fetches it"
SETUP_HINTS = {"amd64": SETUP_HINT, "arm64": "run `scripts/setup.sh arm64`, which fetches it"}

CACHE = Path(".cache")
"""Where scripts/setup.sh unpacks what is not installed."""

BUSYBOX = (Path("/usr/bin/busybox"), Path("/bin/busybox"))

FOREIGN_BUSYBOX = tuple(Path("arm64-boot", *path.parts[1:]) for path in BUSYBOX)
"""Below the cache: where scripts/setup.sh has unpacked the busybox of another architecture."""

ELF_MACHINES = {"amd64": 62, "arm64": 183}
"""How an ELF program names the machine that it is for (e_machine)."""

MEDIUM_DRIVERS = (
    "isofs", "nls_utf8", "efivarfs", "loop",
    "ahci", "ata_piix", "ata_generic", "sr_mod", "sd_mod",
    "xhci-pci", "ehci-pci", "uhci-hcd", "usb-storage", "uas",
    "virtio_pci", "virtio_blk", "virtio_scsi",
)  # fmt: skip
"""What a kernel needs to read a CD, a USB stick or a virtual disk, a part of it, and the firmware's variables."""

PC_ONLY = frozenset({"ata_piix", "ata_generic", "uhci-hcd"})
"""Those of them that arm64 does not have."""


def medium_drivers(arch: str) -> tuple[str, ...]:
    """`MEDIUM_DRIVERS` of the architecture ``arch``."""
    return tuple(name for name in MEDIUM_DRIVERS if arch == "amd64" or name not in PC_ONLY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """A kernel on this machine that is not installed: its image, the folder of its modules, its version (uname -r).

    ``busybox`` is the statically linked shell for it, whose architecture is ``arch``.
    """

    kernel: Path
    modules: Path
    version: str
    arch: str = "amd64"
    busybox: Path | None = None


def find_guest(cache: Path, arch: str = "amd64") -> Guest:
    """The kernel for ``arch`` that scripts/setup.sh unpacked under ``cache``; ``ToolError`` if there is none.

    ``OutputError`` if another user has planted it.
    """
    folder = cache / ("guest-kernel" if arch == "amd64" else f"guest-kernel-{arch}")
    refuse_foreign(cache)
    refuse_foreign(folder)
    kernels = sorted(folder.glob("boot/vmlinuz-*"))
    for kernel in reversed(kernels):
        version = kernel.name.removeprefix("vmlinuz-")
        for library in ("lib/modules", "usr/lib/modules"):
            modules = folder / library / version
            if modules.is_dir():
                busybox = find_busybox(arch, cache)
                return Guest(kernel=kernel, modules=modules, version=version, arch=arch, busybox=busybox)
    raise ToolError(f"no kernel with its modules in {folder}", hint=SETUP_HINTS[arch])


def probe(guest: Guest | None = None, *, arch: str = "amd64") -> tuple[cpio.Member, ...]:
    """The probe as members of an initrd: /init, a shell of its own, and with ``guest`` the modules that it loads.

    Without ``guest`` the probe loads the modules of the initrd that it is appended to, one for ``arch`` whose /init it
    replaces (a later archive wins, kernel document driver-api/early-userspace/buffer-format).
    """
    drivers = medium_drivers(guest.arch if guest else arch)
    shell = (guest and guest.busybox) or find_busybox(guest.arch if guest else arch)
    init = (shipped_templates() / "probe/init").read_bytes()
    members = [cpio.console(), cpio.file("init", init, executable=True)]
    members.append(cpio.file("probe/busybox", shell.read_bytes(), executable=True))
    members.append(cpio.file("probe/wanted", "".join(f"{name}\n" for name in drivers).encode()))
    if guest is not None:
        modules = list(in_load_order(guest, drivers))
        names = "".join(f"{_module_name(module)}\n" for module in modules)
        members.append(cpio.file("probe/modules", names.encode()))
        members.extend(cpio.file(f"probe/{_module_name(module)}.ko", _plain(module)) for module in modules)
    return tuple(members)


def in_load_order(guest: Guest, wanted: Iterable[str]) -> Iterator[Path]:
    """The files of ``wanted`` modules, each after those it depends on (by modinfo), without built-in ones.

    Raises ``ToolError`` if a module is neither a file nor built in.
    """
    files = {_module_name(path): path for path in guest.modules.rglob("*.ko*")}
    builtin = {_module_name(Path(line)) for line in (guest.modules / "modules.builtin").read_text().splitlines()}
    done: set[str] = set()

    def visit(name: str) -> Iterator[Path]:
        if name in done or (name in builtin and name not in files):
            return
        done.add(name)
        if name not in files:
            raise ToolError(f"the kernel {guest.version} has no module {name}", hint=SETUP_HINT)
        for needed in _dependencies(files[name]):
            yield from visit(needed)
        yield files[name]

    for name in wanted:
        yield from visit(name.replace("-", "_"))


def _dependencies(module: Path) -> list[str]:
    listed = run("/sbin/modinfo", "--field", "depends", module).strip()
    return [name.replace("-", "_") for name in listed.split(",") if name]


def _module_name(path: Path) -> str:
    """The name the kernel gives the module in ``path``: no folder, no suffix, no hyphens."""
    return path.name.partition(".")[0].replace("-", "_")


def _plain(module: Path) -> bytes:
    """What is in ``module``, decompressed; the signature at its end stays."""
    if module.suffix == ".xz":
        return lzma.decompress(module.read_bytes())
    if module.suffix == ".zst":
        with temporary_folder() as scratch:
            plain = scratch / "module.ko"
            run("zstd", "-q", "-d", module, "-o", plain)
            return plain.read_bytes()
    return module.read_bytes()


def find_busybox(arch: str, cache: Path = CACHE) -> Path:
    """A statically linked busybox for ``arch``: there are no libraries in the probe's initrd.

    The one of this machine, or of another architecture the one that scripts/setup.sh unpacked under ``cache``.
    """
    for path in BUSYBOX:
        if path.is_file() and _is_static(path, arch):
            return path
    for path in (cache / name for name in FOREIGN_BUSYBOX):
        if path.is_file() and _is_static(path, arch):
            refuse_foreign(cache)
            refuse_foreign(path)
            return path
    if arch == "amd64":
        raise ToolError("no statically linked busybox is installed", hint=install_hint("busybox"))
    raise ToolError(f"no statically linked busybox for {arch} is installed", hint=SETUP_HINTS[arch])


def _is_static(program: Path, arch: str) -> bool:
    """Whether a 64-bit ELF program for ``arch`` names no loader: no program header of it is of type PT_INTERP (3)."""
    image = program.read_bytes()
    if image[:5] != b"\x7fELF\x02" or struct.unpack_from("<H", image, 18) != (ELF_MACHINES[arch],):
        return False
    (offset,) = struct.unpack_from("<Q", image, 32)
    size, count = struct.unpack_from("<HH", image, 54)
    return all(struct.unpack_from("<I", image, offset + size * number) != (3,) for number in range(count))
