"""A stick as `isoforge write` leaves it: larger than the ISO, in use before, and a machine boots from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from isoforge.proof.boot.boot import BootSpec, boot
from isoforge.proof.boot.expectations import seed_files
from isoforge.proof.boot.qemu import Firmware, Medium
from isoforge.run import run
from isoforge.write import order_of, refuse_failed, write
from tests.boot.conftest import HOSTS, manifest_of
from tests.boot.test_multi import differences, host_facts
from tests.conftest import Once
from tests.iso.loop import loop_device, needs_loop_devices

pytestmark = [pytest.mark.boots, needs_loop_devices]


@pytest.fixture(scope="session")
def stick(once: Once, iso: Path) -> Path:
    """The image of a stick with an old GPT, to which the ISO was written."""

    def make(folder: Path) -> None:
        image = folder / "stick.img"
        with image.open("wb") as file:
            file.truncate(512 << 20)
        run("sgdisk", "--clear", "--new=1:0:0", "--typecode=1:ef00", image)
        with loop_device(image) as device:
            refuse_failed(write(order_of(iso, [device], force=[device]), lambda _phase, _done, _total: None)[1])

    return once("written-stick", make) / "stick.img"


@pytest.mark.parametrize("firmware", [Firmware.BIOS, Firmware.SECUREBOOT])
def test_a_machine_boots_from_a_written_stick(iso: Path, stick: Path, firmware: Firmware) -> None:
    host = host_facts(iso, HOSTS[0])
    result = boot(BootSpec(iso=stick, firmware=firmware, medium=Medium.USB, menu_path=(host.title,)))
    assert differences(result, host) == []
    assert result.report
    assert result.report.on_partition
    promised = seed_files(manifest_of(iso))
    assert set(result.report.views) == {"device", "partition"}
    for view in result.report.views.values():
        assert view
        assert promised.items() <= view.items()
