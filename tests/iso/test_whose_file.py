"""An error names the file that has it, and its exit code says who has to act."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from isoforge.errors import BaseIsoError, InventoryError
from isoforge.fleet.inventory.load import survey
from isoforge.forge import multi
from isoforge.order import Order
from isoforge.proof.read.diff import differences
from isoforge.proof.read.inspect import inspect
from isoforge.proof.verify.verify import verify
from isoforge.selection import Selection
from isoforge.workspace import Workspace


@pytest.fixture
def damaged(noble: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A base ISO on a disk with bad sectors: every pread of it fails."""
    base = Path(shutil.copyfile(noble, tmp_path / "damaged.iso"))
    pread, inode = os.pread, base.stat().st_ino

    def failing(handle: int, size: int, offset: int) -> bytes:
        if os.fstat(handle).st_ino == inode:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return pread(handle, size, offset)

    monkeypatch.setattr(os, "pread", failing)
    return base


def test_a_base_that_cannot_be_read_is_the_bases_error(damaged: Path, good: Path, fleet: Path) -> None:
    workspace = Workspace(baremetal=fleet / "baremetal")
    order = Order(
        workspace=workspace, selection=Selection(hosts=("site-a-m710q1",)), name="n", base_iso=damaged, render=True
    )
    verbs: list[Callable[[], object]] = [
        lambda: multi(order),
        lambda: verify(good, base=damaged),
        lambda: inspect(damaged),
        lambda: differences(good, damaged),
    ]
    for verb in verbs:
        with pytest.raises(BaseIsoError, match=r"cannot read .*damaged\.iso: Input/output error"):
            verb()
    assert not list(workspace.generated.rglob("*.isoforge"))


@pytest.fixture
def other_user() -> Iterator[None]:
    """The test runs as a user to whom closed folders are closed; root becomes another one."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.usefixtures("other_user")
@pytest.mark.parametrize("closed", ["inventory", "inventory/host_vars", "inventory/host_vars/site-a-m710q1"])
def test_a_closed_folder_of_the_inventory_is_the_inventorys_error(closed: str) -> None:
    with tempfile.TemporaryDirectory() as folder:  # of this user: root's folders of pytest are closed to others
        baremetal = Path(folder)
        (baremetal / "inventory/host_vars/site-a-m710q1").mkdir(parents=True)
        (baremetal / "inventory/hosts.yml").write_text("all: {hosts: {site-a-m710q1: }}\n")
        (baremetal / closed).chmod(0)
        with pytest.raises(InventoryError, match=rf"cannot read .*{closed}.*: Permission denied"):
            survey(baremetal)
        (baremetal / closed).chmod(0o700)
