"""A medium whose update was interrupted says so, from every firmware, and starts no kernel."""

from __future__ import annotations

import asyncio
import shutil
import threading
from pathlib import Path

import pytest

from isoforge.forge import multi
from isoforge.image.medium import extent_of, interrupted
from isoforge.image.sectors import LBA
from isoforge.order import Order
from isoforge.proof.boot.console import open_console, qemu_process
from isoforge.proof.boot.qemu import Firmware, Medium, qemu_arguments
from isoforge.proof.boot.screen import plain_text
from isoforge.selection import Selection
from isoforge.workspace import Workspace
from tests.conftest import ROOT

pytestmark = pytest.mark.boots

SENTENCES = ("An update of this medium was interrupted. Nothing is installed from it.", "Run isoforge update again")


@pytest.fixture(scope="module")
def torn(tmp_path_factory: pytest.TempPathFactory, bootable_base: Path) -> Path:
    """An ISO as a stick is before the last step of an update, and before the second."""
    folder = tmp_path_factory.mktemp("torn")
    shutil.copytree(ROOT / "baremetal/inventory", folder / "baremetal/inventory")
    order = Order(
        workspace=Workspace(baremetal=folder / "baremetal"), selection=Selection(hosts=("site-a-m710q1",)), name="n",
        base_iso=bootable_base, default_host="site-a-m710q1", timeout_s=1, render=True, fast=True,
    )  # fmt: skip
    iso = multi(order).iso
    with iso.open("r+b") as file:
        file.seek(extent_of(iso).menu)
        file.write(interrupted())
    assert len(interrupted()) == LBA
    return iso


@pytest.mark.parametrize(
    ("firmware", "medium"), [(Firmware.BIOS, Medium.USB), (Firmware.SECUREBOOT, Medium.USB)], ids=["bios", "secureboot"]
)
def test_it_shows_a_sentence_and_starts_nothing(torn: Path, tmp_path: Path, firmware: Firmware, medium: Medium) -> None:
    async def watched() -> str:
        with qemu_process(arguments, scratch=tmp_path, program="qemu-system-x86_64") as (machine, control):
            never = threading.Event()
            screen = open_console(machine, control, firmware=firmware, scratch=tmp_path, cancel=never)
            async with screen as console, asyncio.timeout(240):
                await console.until(lambda: SENTENCES[1] in shown(console.serial) or None)
                await asyncio.sleep(3)
                console.listen()
                return shown(console.serial)

    arguments = qemu_arguments(torn, firmware=firmware, medium=medium, scratch=tmp_path)
    text = asyncio.run(watched())
    assert all(sentence in text for sentence in SENTENCES)
    assert "Linux version" not in text
    assert "menu" not in text.rpartition(SENTENCES[0])[2]


def shown(serial: str) -> str:
    return " ".join(plain_text(serial).split())
