"""Whatever a guest reports otherwise than the manifest promises is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from isoforge.proof.boot.boot import BootResult, BootSpec
from isoforge.proof.boot.expectations import differences, seed_files
from isoforge.proof.boot.probe_report import Report
from isoforge.proof.boot.qemu import Firmware, Medium
from isoforge.proof.boot.screen import Menu
from isoforge.proof.manifest import BaseFacts, HostFacts, Manifest


def host(name: str, digit: int) -> HostFacts:
    return HostFacts(
        name=name,
        title=f"Install {name}",
        kernel="/casper/vmlinuz",
        initrd="/casper/initrd",
        kernel_line=f"autoinstall ds=nocloud;s=/cdrom/nocloud/{name}/ ---",
        seed=f"/nocloud/{name}/",
        user_data_sha256=f"{digit}" * 64,
        meta_data_sha256=f"{digit + 1}" * 64,
        vendor_data_sha256=f"{digit + 2}" * 64,
    )


HOSTS = (host("web-1", 1), host("web-2", 4))
MANIFEST = Manifest(
    name="prod",
    build_id="0123456789ab",
    base_iso=BaseFacts(title="Ubuntu", release="24.04", arch="amd64", volume_id="Ubuntu", modified="2024042312000000"),
    hosts=HOSTS,
    default_host=None,
    timeout_s=30,
    replaced=(),
    isoforge_version="0.1.0",
    xorriso_version="1.5.4",
)
REPORT = Report(
    kernel_line="BOOT_IMAGE=/casper/vmlinuz autoinstall ds=nocloud;s=/cdrom/nocloud/web-1/ ---",
    kernel="6.8.0-31-generic",
    firmware="uefi",
    secure_boot="on",
    uuid="9f1ff4c2-0f3e-4f0c-9f39-5f4e63b5c0de",
    medium="sda1",
    on_partition=True,
    seed_folder="/cdrom/nocloud/web-1/",
    seed={"user-data": "1" * 64, "meta-data": "2" * 64, "vendor-data": "3" * 64},
    views={"device": seed_files(MANIFEST), "partition": seed_files(MANIFEST)},
    failed_modules=(),
)


def result(report: Report | None, *, fallback_message: str = "") -> BootResult:
    menu = Menu(titles=("Install web-1",), highlighted="Install web-1", countdown=True)
    spec = BootSpec(iso=Path("prod.iso"), firmware=Firmware.SECUREBOOT, medium=Medium.USB)
    return BootResult(spec=spec, menu=menu, report=report, fallback_message=fallback_message, seconds=1.0, serial="")


def test_what_was_promised_is_no_difference() -> None:
    assert differences(result(REPORT), HOSTS[0], MANIFEST) == ()


def without(view: str, file: str) -> dict[str, Any]:
    files = {name: digest for name, digest in seed_files(MANIFEST).items() if name != file}
    return {"views": {**REPORT.views, view: files}}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kernel_line": "BOOT_IMAGE=/casper/vmlinuz autoinstall ds=nocloud"}, "kernel line is BOOT_IMAGE="),
        (
            {"seed_folder": "/cdrom/nocloud/web-2/"},
            "seed folder is /cdrom/nocloud/web-2/, expected /cdrom/nocloud/web-1/",
        ),
        ({"seed": {**REPORT.seed, "meta-data": "9" * 64}}, f"meta-data is {'9' * 64}, expected {'2' * 64}"),
        ({"seed": {**REPORT.seed, "vendor-data": None}}, "vendor-data is missing"),
        ({"secure_boot": "off"}, "Secure Boot is off, expected on"),
        ({"firmware": "bios"}, "firmware is bios, expected uefi"),
        ({"on_partition": False, "medium": "sda"}, "the guest's medium is sda, expected a partition"),
        (without("partition", "web-2/user-data"), "USB view: web-2/user-data is missing"),
        ({"views": {**REPORT.views, "device": None}}, "CD view of the medium cannot be read"),
        ({"views": {**REPORT.views, "device": {}}}, "web-2/meta-data is missing and 1 more"),
    ],
)
def test_each_difference_is_named_alone(change: dict[str, Any], said: str) -> None:
    (told,) = differences(result(replace(REPORT, **change)), HOSTS[0], MANIFEST)
    assert said in told


@pytest.mark.parametrize("report", [REPORT, None])
def test_an_error_on_grubs_screen_is_a_difference(report: Report | None) -> None:
    printed = replace(
        result(report, fallback_message="nothing"), serial="error: no such device: /x.\r\nLinux version 6\r\n"
    )
    assert "GRUB printed error: no such device: /x." in differences(printed, HOSTS[0], MANIFEST)


def test_what_nobody_promised_has_to_be_the_same_in_both_views() -> None:
    more = {**seed_files(MANIFEST), "web-1/guard": "9" * 64}
    report = replace(REPORT, views={"device": more, "partition": more})
    assert differences(result(report), HOSTS[0], MANIFEST) == ()
    report = replace(REPORT, views={"device": {**more, "web-1/guard": "8" * 64}, "partition": more})
    assert differences(result(report), HOSTS[0], MANIFEST) == (
        "USB view and CD view of the medium differ in web-1/guard",
    )


def test_without_a_medium_the_modules_that_failed_are_named() -> None:
    report = replace(REPORT, medium="", on_partition=False, views={}, failed_modules=("usb_storage",))
    (told,) = differences(result(report), HOSTS[0], MANIFEST)
    assert told.endswith("modules that did not load: usb_storage")


def test_no_kernel_is_a_difference() -> None:
    assert differences(result(None, fallback_message="No bootable device"), HOSTS[0], MANIFEST) == (
        "no kernel started, the firmware continued without one: No bootable device",
    )
