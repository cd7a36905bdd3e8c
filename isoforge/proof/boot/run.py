"""The proof by booting: the entries of an ISO in several modes, each compared with the manifest."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from isoforge.errors import BaseIsoError, ProofError, UsageError
from isoforge.image.base import reading
from isoforge.image.layouts import Layout
from isoforge.ownership import temporary_folder
from isoforge.proof.boot.boot import BootSpec, boot
from isoforge.proof.boot.expectations import differences
from isoforge.proof.boot.probe import find_busybox
from isoforge.proof.boot.probe_report import Report
from isoforge.proof.boot.qemu import PROGRAMS, Firmware, Medium, accelerator, find_ovmf
from isoforge.proof.boot.vmdk_overlay import boot_image
from isoforge.proof.manifest import HostFacts, ImageFile, Manifest, image_file
from isoforge.proof.read.image import Image, UnreadableError
from isoforge.regular_file import is_present
from isoforge.run import run

FIRMWARES = (Firmware.BIOS, Firmware.SECUREBOOT)
"""The default, of those that the ISO is for: signed boot programs that pass Secure Boot pass UEFI without it too."""

TIMEOUT_S = 300.0
"""Seconds that one boot may take: under plain emulation it takes tens of them to unpack a live system's initrd."""

MAX_JOBS = 4
"""The default never runs more machines at a time: each takes up to 2 GiB of memory."""

SAMPLE = ("the first", "the last", "the default host")
"""The hosts that represent a menu of more than three."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BootRequest:
    """The boots to do: ``iso`` in every mode of ``firmwares`` (None: of `FIRMWARES`, what boots it) and ``media``.

    ``hosts`` are booted, or ``every_host``, or else a sample of them. ``jobs`` machines run at a time (None: as many
    as this machine has cores, up to `MAX_JOBS`); each boot may take ``timeout_s`` seconds. Pictures of the menus and
    the output of the serial ports are stored in ``folder``.
    """

    iso: Path
    hosts: tuple[str, ...] = ()
    every_host: bool = False
    firmwares: tuple[Firmware, ...] | None = None
    media: tuple[Medium, ...] = tuple(Medium)
    jobs: int | None = None
    timeout_s: float = TIMEOUT_S
    folder: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BootOutcome:
    """One boot of a host, compared with the manifest.

    ``report`` is the guest's, None without one. Each of ``differences`` is a sentence about what the manifest promises
    otherwise; ``screen`` are the lines on the screen of a machine that failed.
    """

    host: str
    firmware: Firmware
    medium: Medium
    seconds: float
    differences: tuple[str, ...]
    report: Report | None = None
    screen: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Host and mode, in the characters of a file name."""
        return f"{self.host}-{self.firmware}-{self.medium}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The results of a boot test.

    ``hosts`` were booted, ``selection`` is the rule that selected them; ``boot_image`` describes what the machines
    were booted from; ``faults`` are those of the ISO as a whole; ``versions`` names every program that took part.
    ``boots`` are in menu order.
    """

    iso: ImageFile
    manifest: Manifest
    hosts: tuple[str, ...]
    selection: str
    boot_image: str
    accelerator: str
    versions: dict[str, str]
    started_at: datetime
    faults: tuple[str, ...]
    boots: tuple[BootOutcome, ...]

    @property
    def problems(self) -> list[str]:
        """Every difference, with the boot that it belongs to."""
        return [
            *self.faults,
            *(
                f"{one.host} on {one.firmware} from {one.medium}: {difference}"
                for one in self.boots
                for difference in one.differences
            ),
        ]


Listener = Callable[[int, int, BootOutcome | None], object]
"""Called with the number of boots that have ended, the number of all, and the last one."""


def boot_test(request: BootRequest, listen: Listener = lambda _done, _count, _last: None) -> Evidence:
    """Do all boots of ``request`` and return the results; `Evidence.problems` is empty if all is well.

    The ISO is only read. Raises ``UsageError`` for a host that is not on the ISO, or a firmware that cannot boot it,
    ``BaseIsoError`` if there is no ISO or no manifest of it, ``ToolError`` if QEMU, its firmware or the probe's busybox
    is missing.
    """
    started_at = datetime.now(UTC)
    with reading(request.iso), Image(request.iso) as image:
        try:
            manifest, beside = read_manifest(image)
            tree, layout = image.tree, image.layout
        except UnreadableError as failure:
            raise ProofError(f"{request.iso} cannot be booted: {failure}") from failure
    hosts, selection = select_hosts(manifest, request)
    firmwares = select_firmwares(layout, request)
    versions = _versions(layout.arch, firmwares)
    with temporary_folder() as scratch, ThreadPoolExecutor(max_workers=1) as other_core:
        digest = other_core.submit(image_file, request.iso)
        with reading(request.iso):
            disk = boot_image(request.iso, tree, scratch, layout.arch)
        anywhere = BootSpec(
            iso=disk.image,
            disk_format=disk.disk_format,
            firmware=firmwares[0],
            medium=request.media[0],
            arch=layout.arch,
            hidden=manifest.hidden_menu,
            timeout_s=request.timeout_s,
            accelerator=accelerator(layout.arch),
        )
        specs = list(_specs(replace(request, firmwares=firmwares), hosts, anywhere))
        listen(0, len(specs), None)
        boots = _boot_all(request, manifest, specs, listen)
        with reading(request.iso):
            iso = digest.result()
    return Evidence(
        iso=iso,
        manifest=manifest,
        hosts=tuple(host.name for host in hosts),
        selection=selection,
        boot_image=str(disk),
        accelerator=anywhere.accelerator,
        versions=versions,
        started_at=started_at,
        faults=tuple(_in_file(iso, beside)),
        boots=boots,
    )


def read_manifest(image: Image) -> tuple[Manifest, Manifest | None]:
    """The manifest that lists the contents of ``image``, and the one beside it if there is one of the same build.

    Raises ``BaseIsoError`` if there is none, ``ProofError`` if one cannot be read, or they are of different builds.
    """
    try:
        inside = image.manifest
        file = image.path.with_name("manifest.json")
        beside = Manifest.from_file(file) if is_present(file) else None
    except (ValueError, OSError) as failure:
        reason = f"{failure.filename}: {failure.strerror}" if isinstance(failure, OSError) else failure
        raise ProofError(f"a manifest of {image.path} cannot be read: {reason}") from failure
    if inside and beside and inside.build_id != beside.build_id:
        if beside.iso and beside.iso.file != image.path.name:
            return inside, None
        raise ProofError(f"{file} is of build {beside.build_id}, the manifest on the ISO of {inside.build_id}")
    manifest = beside or inside
    if manifest is None:
        raise BaseIsoError(
            f"{image.path} has no manifest, on it or beside it", hint="build an ISO with `isoforge multi`"
        )
    return manifest, beside


def select_hosts(manifest: Manifest, request: BootRequest) -> tuple[tuple[HostFacts, ...], str]:
    """The hosts to boot, in menu order, and the rule that selects them; ``UsageError`` for one not on the ISO."""
    names = [host.name for host in manifest.hosts]
    if unknown := [name for name in request.hosts if name not in names]:
        raise UsageError(f"{unknown[0]} is not on the ISO", hint=f"hosts on it: {', '.join(names)}")
    if not names:
        raise BaseIsoError(f"{request.iso} has no hosts: its manifest lists none")
    if request.hosts and request.every_host:
        raise UsageError("--host and --all cannot be combined", hint="give one of them")
    if request.hosts:
        selected, rule = set(request.hosts), "as requested"
    elif request.every_host or len(names) <= len(SAMPLE):
        selected, rule = set(names), "all of them"
    else:
        selected = {names[0], names[-1], manifest.default_host or names[0]}
        members = SAMPLE if manifest.default_host else SAMPLE[:2]
        rule = f"a sample of {len(names)} hosts: {', '.join(members)}"
    return tuple(host for host in manifest.hosts if host.name in selected), rule


def select_firmwares(layout: Layout, request: BootRequest) -> tuple[Firmware, ...]:
    """The firmwares to boot with; ``UsageError`` for one that cannot boot an ISO with this ``layout``."""
    possible = [Firmware(name) for name in layout.firmwares]
    if request.firmwares is None:
        return tuple(firmware for firmware in FIRMWARES if firmware in possible)
    if unfit := [firmware for firmware in request.firmwares if firmware not in possible]:
        raise UsageError(
            f"{request.iso} is for {layout.arch} and cannot be booted by {unfit[0]}",
            hint=f"choose --firmware from {', '.join(possible)}",
        )
    return request.firmwares


def _versions(arch: str, firmwares: Sequence[Firmware]) -> dict[str, str]:
    """Every program that takes part and its version; ``ToolError`` if one is missing."""
    find_busybox(arch)  # for the probe
    versions = {"QEMU": run(PROGRAMS[arch], "--version").splitlines()[0].removeprefix("QEMU emulator version ")}
    for firmware in firmwares:
        versions[str(firmware)] = (
            "SeaBIOS, as shipped with QEMU" if firmware is Firmware.BIOS else find_ovmf(firmware, arch)[0].name
        )
    return versions


def _specs(
    request: BootRequest, hosts: Sequence[HostFacts], anywhere: BootSpec
) -> Iterator[tuple[HostFacts, BootSpec]]:
    """``anywhere`` for every host, in every mode."""
    for host in hosts:
        for firmware in request.firmwares or ():
            for medium in request.media:
                path = (*host.submenu, host.title)
                yield host, replace(anywhere, firmware=firmware, medium=medium, menu_path=path)


def _boot_all(
    request: BootRequest, manifest: Manifest, specs: Sequence[tuple[HostFacts, BootSpec]], listen: Listener
) -> tuple[BootOutcome, ...]:
    """Boot ``specs``, several at a time. However this ends, all machines end with it."""
    jobs = request.jobs or min(os.cpu_count() or 1, MAX_JOBS)
    cancel = threading.Event()
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        boots = [pool.submit(_boot_one, request, manifest, host, spec, cancel) for host, spec in specs]
        try:
            for done, boot_future in enumerate(as_completed(boots), start=1):
                listen(done, len(boots), boot_future.result())
        except BaseException:
            cancel.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return tuple(boot_future.result() for boot_future in boots)


def _boot_one(
    request: BootRequest, manifest: Manifest, host: HostFacts, spec: BootSpec, cancel: threading.Event
) -> BootOutcome:
    """Boot one machine; one that fails on the way is a difference too."""
    screenshot = log = None
    if request.folder is not None:
        picture = request.folder / f"menu-{spec.firmware}.png"
        screenshot = None if picture.exists() else picture
        log = request.folder / "serial" / f"{host.name}-{spec.firmware}-{spec.medium}.log"
    start = time.monotonic()
    report: Report | None = None
    screen: tuple[str, ...] = ()
    try:
        result = boot(spec, screenshot=screenshot, log=log, cancel=cancel)
        report, problems = result.report, differences(result, host, manifest)
    except ProofError as failure:
        screen = failure.problems
        problems = (failure.message.removeprefix(f"{spec}: ").removesuffix("; its screen"),)
    return BootOutcome(
        host=host.name,
        firmware=spec.firmware,
        medium=spec.medium,
        seconds=time.monotonic() - start,
        differences=problems,
        report=report,
        screen=screen,
    )


def _in_file(iso: ImageFile, beside: Manifest | None) -> Iterator[str]:
    """Whether the ISO is byte-identical to the one that the manifest beside it describes."""
    expected = beside.iso if beside else None
    if expected is not None and expected.sha256 not in (None, iso.sha256):
        yield f"the SHA-256 of the ISO is {iso.sha256}, expected {expected.sha256} (manifest beside it)"
