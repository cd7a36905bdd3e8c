"""A host's serial port shows the menu and is the console of its kernel; a hidden menu shows up for Esc."""

from __future__ import annotations

from pathlib import Path

import pytest

from isoforge.forge import multi
from isoforge.order import Order
from isoforge.proof.boot.boot import BootSpec, boot
from isoforge.proof.boot.expectations import differences
from isoforge.proof.boot.qemu import Firmware, Medium
from isoforge.proof.boot.screen import plain_text, printed_errors
from isoforge.proof.manifest import Manifest
from isoforge.workspace import Workspace
from tests.boot.conftest import BOTH, HOSTS, example_inventory
from tests.conftest import Once

pytestmark = pytest.mark.boots

MODES = [(Firmware.BIOS, Medium.USB), (Firmware.SECUREBOOT, Medium.CD)]
ITS_MACHINE = ("-smbios", "type=1,serial=PC0EXMP1")


@pytest.fixture(scope="session")
def options(once: Once, bootable_base: Path) -> Path:
    """An ISO whose first host has a serial port; its menu is hidden, and its entries have titles and an order."""

    def make(folder: Path) -> None:
        example_inventory(folder / "baremetal")
        values = folder / "baremetal/inventory/host_vars"
        with (values / HOSTS[0] / "main.yml").open("a") as file:
            file.write("\nserial_console: ttyS1,115200\ntarget_kernel_args: [mitigations=auto]\nmenu: {order: 2}\n")
        with (values / HOSTS[1] / "main.yml").open("a") as file:
            file.write("\nsafe_graphics: true\nmenu: {title: Rack 2, order: 1}\n")
        workspace = Workspace(baremetal=folder / "baremetal", output_folder=folder / "iso")
        multi(
            Order(
                workspace=workspace,
                selection=BOTH,
                base_iso=bootable_base,
                name="options",
                timeout_s=20,
                render=True,
                hidden_menu=True,
            )
        )

    return once("booted-options", make) / "iso/ubuntu-autoinstall-options.iso"


@pytest.mark.parametrize("mode", MODES)
def test_the_menu_is_on_the_port_of_the_machine_that_is_recognised(
    options: Path, tmp_path: Path, mode: tuple[Firmware, Medium]
) -> None:
    manifest = Manifest.from_file(options.with_name("manifest.json"))
    assert manifest.hosts[0].title == "Rack 2"
    host = manifest.hosts[1]
    assert host.kernel_line.endswith("--- mitigations=auto console=tty0 console=ttyS1,115200")
    port = ("-chardev", f"file,id=second,path={tmp_path / 'second'}", "-serial", "chardev:second")
    firmware, medium = mode
    result = boot(
        BootSpec(iso=options, firmware=firmware, medium=medium, hidden=True, extra_qemu_args=(*port, *ITS_MACHINE))
    )
    assert differences(result, host, manifest) == ()
    assert f"{host.title} (this machine)" in plain_text((tmp_path / "second").read_bytes().decode(errors="replace"))


@pytest.mark.parametrize("mode", MODES)
def test_other_machines_without_that_port_see_no_error(options: Path, mode: tuple[Firmware, Medium]) -> None:
    firmware, medium = mode
    result = boot(BootSpec(iso=options, firmware=firmware, medium=medium, hidden=True, menu_path=("Rack 2",)))
    assert result.report
    assert " nomodeset " in result.report.kernel_line
    assert printed_errors(result.serial) == []
