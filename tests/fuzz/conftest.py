"""A small ISO to break, and limits that turn a hang into a failure."""

from __future__ import annotations

import contextlib
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from isoforge.forge import multi
from isoforge.image.tree import read_file, read_tree
from isoforge.order import Order
from isoforge.proof.boot.synthetic_iso import make_base
from isoforge.run import run
from isoforge.selection import Selection
from isoforge.workspace import Workspace
from tests.conftest import ROOT, Once

HANG_S = 30
"""Seconds after which one example counts as hanging, on a busy machine too."""

SMALL_FILE = 1 << 18
"""Larger files of the ISO are left out of the small one."""


@pytest.fixture(scope="session")
def small_iso(once: Once) -> Path:
    """An ISO of less than 2 MiB with everything that the readers look at: both views, Joliet, GPT, boot records, the
    menu, seeds, manifest and md5sum.txt of an ISO for two hosts."""
    return once("fuzz-iso", _make_small_iso) / "small.iso"


def _make_small_iso(folder: Path) -> None:
    base, baremetal, tree = folder / "base.iso", folder / "baremetal", folder / "tree"
    make_base(base)
    shutil.copytree(ROOT / "baremetal/inventory", baremetal / "inventory")
    hosts = Selection(hosts=("site-a-m710q1", "site-b-dhcp-mac"))
    order = Order(workspace=Workspace(baremetal=baremetal), selection=hosts, name="small", base_iso=base, render=True)
    iso = multi(order).iso
    for path, node in read_tree(iso).items():
        target = tree / path.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if node.kind == "file" and path != PurePosixPath("/boot.catalog"):
            target.write_bytes(read_file(iso, node) if node.size <= SMALL_FILE else b"large")
    (tree / "link").symlink_to("boot/grub/grub.cfg")
    (folder / "esp.img").write_bytes(bytes(1 << 16))
    run(
        "xorriso", "-as", "mkisofs", "-r", "-J", "-joliet-long", "-l", "-iso-level", "3", "-V", "Ubuntu-Server 24.04",
        "-partition_offset", "16", "-append_partition", "2", "28732ac11ff8d211ba4b00a0c93ec93b", folder / "esp.img",
        "-appended_part_as_gpt", "-c", "/boot.catalog", "-b", "/boot/grub/i386-pc/eltorito.img", "-no-emul-boot",
        "-boot-load-size", "4", "-boot-info-table", "--grub2-boot-info", "-eltorito-alt-boot",
        "-e", "--interval:appended_partition_2:::", "-no-emul-boot", "-o", folder / "small.iso", tree,
    )  # fmt: skip


@contextlib.contextmanager
def at_most(seconds: int = HANG_S) -> Iterator[None]:
    """Fail if the block takes longer."""
    before = signal.signal(signal.SIGALRM, lambda *_: pytest.fail(f"still running after {seconds} s"))
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
