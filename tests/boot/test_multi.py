"""The multi-host ISO, booted: every host's entry gives its machine its kernel line and its seed."""

from __future__ import annotations

from pathlib import Path

import pytest

from isoforge.iso_layout import BY_ITSELF
from isoforge.proof.boot.boot import BootResult, BootSpec, boot
from isoforge.proof.boot.expectations import seed_files
from isoforge.proof.boot.qemu import Firmware, Medium
from isoforge.proof.boot.screen import is_entry
from isoforge.proof.manifest import HostFacts
from tests.boot.conftest import HOSTS, manifest_of
from tests.boot.local_disk import SAYS, as_next_device

pytestmark = pytest.mark.boots

LOCAL_DISK = "Boot from local disk (installs nothing)"

MODES = [(firmware, medium) for firmware in (Firmware.BIOS, Firmware.SECUREBOOT) for medium in Medium]
"""The four modes in which the ISO is promised to boot."""


def host_facts(iso: Path, name: str) -> HostFacts:
    return next(host for host in manifest_of(iso).hosts if host.name == name)


def differences(result: BootResult, host: HostFacts) -> list[str]:
    """In what the machine that was result differs from what the manifest promises for ``host``."""
    report = result.report
    if report is None:
        return [f"no kernel started: {result.fallback_message}"]
    promised = {
        "kernel line": f"BOOT_IMAGE={host.kernel} {host.kernel_line}",
        "seed folder": f"/cdrom{host.seed}",
        "user-data": host.user_data_sha256,
        "meta-data": host.meta_data_sha256,
        "vendor-data": host.vendor_data_sha256,
    }
    found = {"kernel line": report.kernel_line, "seed folder": report.seed_folder, **report.seed}
    return [
        f"{what}: {found.get(what)!r}, not {value!r}" for what, value in promised.items() if found.get(what) != value
    ]


@pytest.mark.parametrize(
    ("name", "firmware", "medium"),
    [*((HOSTS[0], *mode) for mode in MODES), (HOSTS[1], Firmware.BIOS, Medium.CD)],
)
def test_entry_gives_its_machine_what_the_manifest_promises(
    iso: Path, name: str, firmware: Firmware, medium: Medium
) -> None:
    host = host_facts(iso, name)
    result = boot(BootSpec(iso=iso, firmware=firmware, medium=medium, menu_path=(host.title,)))
    assert differences(result, host) == []
    assert result.report
    assert result.report.secure_boot == ("on" if firmware is Firmware.SECUREBOOT else "absent")
    assert result.report.on_partition == (medium is Medium.USB)
    promised = seed_files(manifest_of(iso))
    assert set(result.report.views) == {"device", "partition"}
    for view in result.report.views.values():
        assert view
        assert promised.items() <= view.items()


def test_two_hosts_get_two_seeds(iso: Path) -> None:
    one, other = (host_facts(iso, name) for name in HOSTS)
    assert one.user_data_sha256 != other.user_data_sha256
    assert one.meta_data_sha256 != other.meta_data_sha256


@pytest.mark.parametrize(("firmware", "medium"), [(Firmware.BIOS, Medium.USB), (Firmware.SECUREBOOT, Medium.CD)])
def test_timeout_starts_the_default_host(iso_with_default: Path, firmware: Firmware, medium: Medium) -> None:
    host = host_facts(iso_with_default, HOSTS[1])
    result = boot(BootSpec(iso=iso_with_default, firmware=firmware, medium=medium))
    assert result.menu.countdown
    assert is_entry(host.title + BY_ITSELF, result.menu.highlighted)
    assert BY_ITSELF[:8] in result.menu.highlighted
    assert differences(result, host) == []


@pytest.mark.parametrize(("firmware", "medium"), MODES)
def test_timeout_without_a_default_host_installs_nothing(iso: Path, firmware: Firmware, medium: Medium) -> None:
    result = boot(BootSpec(iso=iso, firmware=firmware, medium=medium))
    assert result.menu.countdown
    assert result.menu.highlighted == LOCAL_DISK
    assert result.report is None
    assert result.fallback_message


def test_timeout_without_a_default_host_starts_the_local_disk(iso: Path, local_disk: Path) -> None:
    spec = BootSpec(
        iso=iso,
        firmware=Firmware.BIOS,
        medium=Medium.CD,
        extra_qemu_args=as_next_device(local_disk),
        local_disk_text=SAYS,
    )
    assert boot(spec).fallback_message == SAYS


def test_the_bases_own_entry_is_in_a_submenu_and_has_no_seed(iso: Path) -> None:
    submenu = f"Menu of {manifest_of(iso).base_iso.volume_id} (asks before it installs)"
    menu_path = (submenu, "Try or Install Ubuntu Server")
    result = boot(BootSpec(iso=iso, firmware=Firmware.SECUREBOOT, medium=Medium.USB, menu_path=menu_path))
    assert result.report
    assert result.report.kernel_line == f"BOOT_IMAGE=/casper/vmlinuz uuid={result.report.uuid} ---"
    assert result.report.seed_folder == ""
