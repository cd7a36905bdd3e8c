"""What the manifest promises of one host's boot, held against what was seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from isoforge.iso_layout import SEEDS_FOLDER
from isoforge.proof.boot.boot import Sighting
from isoforge.proof.boot.probe_report import VIEWS, Report
from isoforge.proof.boot.qemu import Firmware, Medium
from isoforge.proof.manifest import HostFacts, Manifest

MOST = 5
"""Files that are named of a view which differs in more."""

SECURE_BOOT = {Firmware.BIOS: "absent", Firmware.UEFI: "off", Firmware.SECUREBOOT: "on"}


def differences(seen: Sighting, host: HostFacts, manifest: Manifest) -> tuple[str, ...]:
    """In what the machine that was ``seen`` differs from what ``manifest`` promises for ``host``: a sentence each."""
    if seen.report is None:
        return (f"no kernel started, the firmware went on: {seen.went_on}",)
    return (
        *_of_machine(seen.report, seen.trial.firmware, seen.trial.medium),
        *_of_entry(seen.report, host),
        *_of_views(seen.report, manifest),
    )


def seed_files(manifest: Manifest) -> dict[str, str]:
    """The SHA-256 of every file of every seed, by its path under the folder of the seeds."""
    return {
        f"{host.seed.removeprefix(f'{SEEDS_FOLDER}/')}{name}": digest
        for host in manifest.hosts
        for name, digest in host.seed_digests.items()
    }


def _of_machine(report: Report, firmware: Firmware, medium: Medium) -> Iterator[str]:
    """Whether the machine was started as it was asked, and found its medium."""
    expected = "bios" if firmware is Firmware.BIOS else "uefi"
    if report.firmware != expected:
        yield f"the kernel was started by {report.firmware}, not {expected}"
    if report.secure_boot != SECURE_BOOT[firmware]:
        yield f"Secure Boot is {report.secure_boot}, not {SECURE_BOOT[firmware]}"
    if not report.medium:
        failed = f"; modules that did not load: {', '.join(report.failed_modules)}" if report.failed_modules else ""
        yield f"the guest found no medium with the identity {report.uuid or 'of its initrd'}{failed}"
    elif report.on_partition != (medium is Medium.USB):
        yield f"the guest took {report.medium} for the medium, not {'a partition' if medium is Medium.USB else 'a CD'}"


def _of_entry(report: Report, host: HostFacts) -> Iterator[str]:
    """Whether the entry gave its kernel the host's line and the host's seed."""
    promised = {
        "kernel line": f"BOOT_IMAGE={host.kernel} {host.kernel_line}",
        "seed folder": f"/cdrom{host.seed}",
        **host.seed_digests,
    }
    found = {"kernel line": report.kernel_line, "seed folder": report.seed_folder, **report.seed}
    for what, value in promised.items():
        if found.get(what) != value:
            yield f"{what} is {found.get(what) or 'missing'}, not {value}"


def _of_views(report: Report, manifest: Manifest) -> Iterator[str]:
    """Whether every host's seed is on the medium, whichever way it is looked at."""
    promised = seed_files(manifest)
    for view, seen in report.views.items():
        if not report.medium:
            continue
        if seen is None:
            yield f"the {view} view of the medium cannot be read"
            continue
        wrong = [_wrong(file, digest, seen) for file, digest in promised.items() if seen.get(file) != digest]
        if wrong:
            more = f" and {len(wrong) - MOST} more" if len(wrong) > MOST else ""
            yield f"{view} view: {', '.join(wrong[:MOST])}{more}"
    device, partition = (report.views.get(view) for view in VIEWS)
    if device is not None and partition is not None:
        beside = {file for file, _ in device.items() ^ partition.items()} - promised.keys()
        for file in sorted(beside)[:MOST]:
            yield f"the two views of the medium differ in {file}"


def _wrong(file: str, digest: str, seen: Mapping[str, str]) -> str:
    return f"{file} is {seen[file]}, not {digest}" if file in seen else f"{file} is missing"
