"""The result of one host's boot, compared with its manifest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from isoforge.iso_layout import SEEDS_FOLDER
from isoforge.proof.boot.boot import BootResult
from isoforge.proof.boot.probe_report import VIEWS, Report
from isoforge.proof.boot.qemu import Firmware, Medium
from isoforge.proof.boot.screen import printed_errors
from isoforge.proof.manifest import HostFacts, Manifest

LISTED = 5
"""Files that are listed of a view which differs in more."""

VIEW_NAMES = {"device": "CD view", "partition": "USB view"}

SECURE_BOOT = {Firmware.BIOS: "absent", Firmware.UEFI: "off", Firmware.SECUREBOOT: "on"}


def differences(result: BootResult, host: HostFacts, manifest: Manifest) -> tuple[str, ...]:
    """Each difference of ``result`` from what ``manifest`` promises for ``host``, as a sentence."""
    printed = [f"GRUB printed {error}" for error in printed_errors(result.serial)]
    if result.report is None:
        return (f"no kernel started, the firmware continued without one: {result.fallback_message}", *printed)
    return (
        *printed,
        *_of_machine(result.report, result.spec.firmware, result.spec.medium),
        *_of_entry(result.report, host),
        *_of_views(result.report, manifest),
    )


def seed_files(manifest: Manifest) -> dict[str, str]:
    """The SHA-256 of every file of every seed, by its path under the folder of the seeds."""
    return {
        f"{host.seed.removeprefix(f'{SEEDS_FOLDER}/')}{name}": digest
        for host in manifest.hosts
        for name, digest in host.seed_digests.items()
    }


def _of_machine(report: Report, firmware: Firmware, medium: Medium) -> Iterator[str]:
    """Whether the machine was started by the right firmware, and found its medium."""
    expected = "bios" if firmware is Firmware.BIOS else "uefi"
    if report.firmware != expected:
        yield f"firmware is {report.firmware}, expected {expected}"
    if report.secure_boot != SECURE_BOOT[firmware]:
        yield f"Secure Boot is {report.secure_boot}, expected {SECURE_BOOT[firmware]}"
    if not report.medium:
        failed = f"; modules that did not load: {', '.join(report.failed_modules)}" if report.failed_modules else ""
        yield f"the guest found no medium with the UUID {report.uuid or 'of its initrd'}{failed}"
    elif report.on_partition != (medium is Medium.USB):
        yield f"the guest's medium is {report.medium}, expected {'a partition' if medium is Medium.USB else 'a CD'}"


def _of_entry(report: Report, host: HostFacts) -> Iterator[str]:
    """Whether the kernel got the host's kernel line and the host's seed."""
    expected = {
        "kernel line": f"BOOT_IMAGE={host.kernel} {host.kernel_line}",
        "seed folder": f"/cdrom{host.seed}",
        **host.seed_digests,
    }
    actual = {"kernel line": report.kernel_line, "seed folder": report.seed_folder, **report.seed}
    for name, value in expected.items():
        if actual.get(name) != value:
            yield f"{name} is {actual.get(name) or 'missing'}, expected {value}"


def _of_views(report: Report, manifest: Manifest) -> Iterator[str]:
    """Whether every host's seed is on the medium, in the CD view and in the USB view."""
    expected = seed_files(manifest)
    for view, files in report.views.items():
        name = VIEW_NAMES[view]
        if not report.medium:
            continue
        if files is None:
            yield f"the {name} of the medium cannot be read"
            continue
        wrong = [_wrong(file, digest, files) for file, digest in expected.items() if files.get(file) != digest]
        if wrong:
            more = f" and {len(wrong) - LISTED} more" if len(wrong) > LISTED else ""
            yield f"{name}: {', '.join(wrong[:LISTED])}{more}"
    device, partition = (report.views.get(view) for view in VIEWS)
    if device is not None and partition is not None:
        others = {file for file, _ in device.items() ^ partition.items()} - expected.keys()
        for file in sorted(others)[:LISTED]:
            yield f"USB view and CD view of the medium differ in {file}"


def _wrong(file: str, digest: str, files: Mapping[str, str]) -> str:
    return f"{file} is {files[file]}, expected {digest}" if file in files else f"{file} is missing"
