"""Nobody sees an error of GRUB's where all is well; where there is one, it is noticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from isoforge.proof.boot.boot import BootSpec, boot
from isoforge.proof.boot.qemu import Firmware, Medium
from isoforge.proof.boot.screen import printed_errors
from tests.iso import mutation as m

pytestmark = pytest.mark.boots

BIOS, SECURE = (Firmware.BIOS, Medium.USB), (Firmware.SECUREBOOT, Medium.CD)
STICK = (Firmware.SECUREBOOT, Medium.USB)
LOCAL_DISK = "Boot from local disk (installs nothing)"


@pytest.mark.parametrize("mode", [BIOS, SECURE])
@pytest.mark.parametrize("smbios", [(), ("-smbios", "type=1,serial=unlisted"), ("-smbios", "type=2,serial=B1")])
def test_a_machine_without_a_host_sees_no_error(
    iso: Path, mode: tuple[Firmware, Medium], smbios: tuple[str, ...]
) -> None:
    firmware, medium = mode
    result = boot(BootSpec(iso=iso, firmware=firmware, medium=medium, extra_qemu_args=smbios))
    assert result.menu.highlighted == LOCAL_DISK
    assert printed_errors(result.serial) == []


@pytest.mark.parametrize("mode", [BIOS, SECURE, STICK])
def test_a_machine_that_the_timeout_installs_sees_no_error(
    iso_with_default: Path, mode: tuple[Firmware, Medium]
) -> None:
    """The menu looks for its stamp on every disk, and finds none."""
    firmware, medium = mode
    result = boot(BootSpec(iso=iso_with_default, firmware=firmware, medium=medium))
    assert result.report
    assert printed_errors(result.serial) == []


@pytest.mark.parametrize("mode", [BIOS, SECURE])
def test_an_error_is_noticed(iso: Path, tmp_path: Path, mode: tuple[Firmware, Medium]) -> None:
    firmware, medium = mode
    broken = m.with_manifest(iso, tmp_path / iso.name)
    m.menu(broken, "set menu_color_normal=white/black", "smbios --type 99 --get-byte 0")
    result = boot(BootSpec(iso=broken, firmware=firmware, medium=medium))
    assert printed_errors(result.serial) == ["error: no structure matched the given options."]
