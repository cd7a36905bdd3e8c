"""The methods that are compared: ways to put the seeds of a fleet onto an ISO, and a plain copy."""

from __future__ import annotations

import shutil
import stat
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from isoforge.image.layouts import AMD64, recognised
from isoforge.image.sectors import read_volume
from isoforge.run import run

COPY = "cp + sync"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where a method works: the base ISO, the inventory, and a folder of its own that is emptied after it."""

    base: Path
    baremetal: Path
    folder: Path

    @property
    def iso(self) -> Path:
        """The resulting ISO."""
        return self.folder / "out.iso"


Method = Callable[[Bench], None]
"""Writes and syncs ``bench.iso``; its temporary files are in ``bench.folder``."""


def copy(bench: Bench) -> None:
    """The unit of all measurements."""
    run("cp", bench.base, bench.iso)
    run("sync", bench.iso)


def full_copy(bench: Bench) -> None:
    """The same where `cp` would share the blocks."""
    run("cp", "--reflink=never", bench.base, bench.iso)
    run("sync", bench.iso)


def digest(bench: Bench) -> None:
    """The least that a digest takes: the base is read and digested once, on one core."""
    run("sha256sum", bench.base)
    bench.iso.touch()


def isoforge(*options: str) -> Method:
    """The whole of `isoforge multi`: seeds rendered and checked, ISO written, read back, synced and named."""

    def build(bench: Bench) -> None:
        generated = bench.baremetal / "autoinstall"
        generated.symlink_to(bench.folder)  # so that everything it writes is in the folder whose size is sampled
        try:
            words = ("--all", "--name", "bench", "--render", "--ubuntu-iso", bench.base, "--baremetal", bench.baremetal)
            run(sys.executable, "-m", "isoforge", "multi", *words, *options)
            (bench.folder / "generated/_multi/bench/ubuntu-autoinstall-bench.iso").rename(bench.iso)
        finally:
            generated.unlink()

    return build


def replay(bench: Bench) -> None:
    """Plain xorriso: one more folder on the ISO, boot records replayed. No menu, no checks, no digests."""
    seeds = bench.baremetal / "inventory"
    words = ("-outdev", bench.iso, "-map", seeds, "/nocloud", "-boot_image", "any", "replay")
    run("xorriso", "-no_rc", "-indev", bench.base, *words)
    run("sync", bench.iso)


def extract(bench: Bench) -> None:
    """What most scripts do: unpack everything, add a folder, build an ISO. No checks, no digests."""
    tree = bench.folder / "tree"
    run("xorriso", "-no_rc", "-osirrox", "on", "-indev", bench.base, "-extract", "/", tree)
    run("chmod", "-R", "u+w", tree)
    shutil.copytree(bench.baremetal / "inventory", tree / "nocloud")
    volume = read_volume(bench.base)
    report = run("xorriso", "-no_rc", "-indev", bench.base, "-report_el_torito", "as_mkisofs")
    words = ("-r", "-J", "-joliet-long", "-l", "-iso-level", "3", "-V", volume.volume_id if volume else "")
    _, replayed = recognised(bench.base, AMD64.arch, report)
    run("xorriso", "-no_rc", "-as", "mkisofs", *words, "-o", bench.iso, *replayed, tree)
    run("sync", bench.iso)


def clear(folder: Path) -> None:
    """Make ``folder`` an empty directory, whatever modes the files have that were unpacked into it."""
    if folder.is_dir():
        for path in folder.rglob("*"):
            if path.is_dir() and not path.is_symlink():
                path.chmod(stat.S_IRWXU)
        shutil.rmtree(folder)
    folder.mkdir()


METHODS: Mapping[str, Method] = {
    COPY: copy,
    "isoforge multi": isoforge(),
    "isoforge multi --fast": isoforge("--fast"),
    "isoforge multi --unpack": isoforge("--unpack"),
    "xorriso -boot_image any replay": replay,
    "extract everything, mkisofs": extract,
}
"""The methods by their name in the tables."""

REFLINK_METHODS: Mapping[str, Method] = {
    COPY: full_copy,
    "sha256sum BASE": digest,
    "isoforge multi": isoforge(),
    "isoforge multi --fast": isoforge("--fast"),
}
"""The methods where blocks can be shared; the unit is a copy that does not share them."""
