"""The initrd of a live system, as Ubuntu's is made: several archives, compressed modules, a modprobe, an init."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from isoforge.proof.boot import cpio
from isoforge.proof.boot.probe import MEDIUM_DRIVERS, Guest, in_load_order, probe
from isoforge.run import run

SAYS = "casper here"

INIT = f"""#!/probe-free/busybox sh
busybox=/probe-free/busybox
$busybox mount -t devtmpfs devtmpfs /dev
while :; do echo '{SAYS}' >/dev/ttyS0; $busybox sleep 1; done
"""


def live_initrd(guest: Guest, folder: Path) -> bytes:
    """An early archive that is not compressed, and the main one by zstd; files are made in ``folder``.

    The modules are compressed too: only the modprobe beside them, with its libraries, can load them.
    """
    early = cpio.archive([cpio.file("kernel/x86/microcode/GenuineIntel.bin", b"no microcode\n" * 99)])
    (folder / "main").write_bytes(cpio.archive([*_modules(guest, folder), *_programs()]))
    run("zstd", "-q", "-19", "-T2", folder / "main", "-o", folder / "main.zst")
    return early + bytes(-len(early) % 512) + (folder / "main.zst").read_bytes()


def _modules(guest: Guest, folder: Path) -> Iterator[cpio.Member]:
    root = folder / "root"
    modules = root / "usr/lib/modules" / guest.version
    for module in in_load_order(guest, MEDIUM_DRIVERS):
        place = modules / module.relative_to(guest.modules).parent
        place.mkdir(parents=True, exist_ok=True)
        run("zstd", "-q", module, "-o", place / f"{module.name}.zst")
    for name in ("modules.builtin", "modules.order"):
        (modules / name).write_bytes((guest.modules / name).read_bytes())
    (root / "lib").symlink_to("usr/lib")
    run("/sbin/depmod", "-b", root, guest.version)
    for file in sorted(path for path in modules.rglob("*") if path.is_file()):
        for library in ("usr/lib", "lib"):
            yield cpio.file(f"{library}/modules/{guest.version}/{file.relative_to(modules)}", file.read_bytes())


def _programs() -> Iterator[cpio.Member]:
    """An init of its own, and kmod's modprobe with all that it is linked to."""
    busybox = next(member for member in probe() if member.path.name == "busybox")
    yield cpio.console()
    yield cpio.file("init", INIT.encode(), executable=True)
    yield cpio.file("probe-free/busybox", busybox.content, executable=True)
    yield cpio.file("usr/sbin/modprobe", Path("/sbin/modprobe").resolve().read_bytes(), executable=True)
    for library in re.findall(r"(/\S+) \(0x", run("ldd", "/sbin/modprobe")):
        yield cpio.file(library.removeprefix("/"), Path(library).read_bytes(), executable=True)
