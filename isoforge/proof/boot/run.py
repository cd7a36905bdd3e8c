"""The proof by booting: every entry that is asked for, in every mode, held against the manifest."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from isoforge.errors import BaseIsoError, ProofError, UsageError
from isoforge.proof.boot.acceleration import accelerator
from isoforge.proof.boot.boot import Trial, boot
from isoforge.proof.boot.expectations import differences
from isoforge.proof.boot.probe import probe
from isoforge.proof.boot.probe_report import Report
from isoforge.proof.boot.qemu import QEMU, Firmware, Medium, find_ovmf
from isoforge.proof.boot.vmdk_overlay import Shown, show
from isoforge.proof.manifest import HostFacts, ImageFile, Manifest, image_file
from isoforge.proof.read.image import Image, UnreadableError
from isoforge.run import run

FIRMWARES = (Firmware.BIOS, Firmware.SECUREBOOT)
"""What is booted if nothing else is asked: signed boot programs that pass Secure Boot pass UEFI without it too."""

TIMEOUT_S = 300.0
"""Seconds that one boot may take: under plain emulation an initrd of a live system is unpacked in tens of them."""

MOST_JOBS = 4
"""More machines at a time than this want to be asked for: each takes up to 2 GiB of memory."""

SAMPLE = ("the first", "the last", "the default host")
"""Who stands for a menu that is longer than that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """The boots that are asked for: ``iso`` in every mode of ``firmwares`` and ``media``.

    ``hosts`` are booted, or ``every_host``, or else a sample of them. ``jobs`` machines run at a time (None: as many
    as this machine has cores, up to `MOST_JOBS`); each boot may take ``timeout_s`` seconds. In ``folder`` pictures of
    the menus and what came over the serial ports are kept.
    """

    iso: Path
    hosts: tuple[str, ...] = ()
    every_host: bool = False
    firmwares: tuple[Firmware, ...] = FIRMWARES
    media: tuple[Medium, ...] = tuple(Medium)
    jobs: int | None = None
    timeout_s: float = TIMEOUT_S
    folder: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Booted:
    """One boot and how it ended; ``report`` is what the guest said, None if it said nothing.

    Each of ``differences`` is a sentence about what is not as the manifest promises; ``screen`` is what stood on the
    screen of a machine that failed.
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
        """Host and mode, fit for a file's name."""
        return f"{self.host}-{self.firmware}-{self.medium}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a round of boots has shown.

    ``hosts`` were booted, ``chosen`` says by what rule; ``shown`` is what the machines were shown; ``faults`` are
    those of the ISO as a whole; ``versions`` names every program that took part. ``booted`` are in menu order.
    """

    iso: ImageFile
    manifest: Manifest
    hosts: tuple[str, ...]
    chosen: str
    shown: str
    accelerator: str
    versions: dict[str, str]
    began: datetime
    faults: tuple[str, ...]
    booted: tuple[Booted, ...]

    @property
    def problems(self) -> list[str]:
        """Every difference, with the boot that it was seen in."""
        return [
            *self.faults,
            *(
                f"{one.host} on {one.firmware} from {one.medium}: {said}"
                for one in self.booted
                for said in one.differences
            ),
        ]


Listener = Callable[[int, int, Booted | None], object]
"""Hears how many boots have ended, of how many, and the last of them."""


def boot_test(order: Round, listen: Listener = lambda _done, _count, _last: None) -> Evidence:
    """Do all boots of ``order`` and return what they have shown; whether that is well, `Evidence.problems` says.

    The ISO is only read. Raises ``UsageError`` for a host that is not on the ISO, ``BaseIsoError`` if there is no ISO
    or no manifest of it, ``ToolError`` if QEMU, its firmware or the probe's busybox is missing.
    """
    began = datetime.now(UTC)
    versions = _versions(order.firmwares)
    with Image(order.iso) as image:
        try:
            manifest, beside = read_manifest(image)
            tree = image.tree
        except UnreadableError as failure:
            raise ProofError(f"{order.iso} cannot be booted: {failure}") from failure
    hosts, chosen = choose(manifest, order)
    with tempfile.TemporaryDirectory(prefix="isoforge-") as scratch, ThreadPoolExecutor(max_workers=1) as other_core:
        reading = other_core.submit(image_file, order.iso)
        shown = show(order.iso, tree, Path(scratch))
        under = accelerator()
        trials = list(_trials(order, hosts, shown, under))
        listen(0, len(trials), None)
        booted = _all(order, manifest, trials, listen)
        iso = reading.result()
    return Evidence(
        iso=iso,
        manifest=manifest,
        hosts=tuple(host.name for host in hosts),
        chosen=chosen,
        shown=str(shown),
        accelerator=under,
        versions=versions,
        began=began,
        faults=tuple(_of_file(iso, beside)),
        booted=booted,
    )


def read_manifest(image: Image) -> tuple[Manifest, Manifest | None]:
    """The manifest that tells what ``image`` holds, and the one beside it if there is one of the same build.

    Raises ``BaseIsoError`` if there is none, ``ProofError`` if one cannot be read, or they are of different builds.
    """
    try:
        inside = image.manifest
        file = image.path.with_name("manifest.json")
        beside = Manifest.from_file(file) if file.is_file() else None
    except (ValueError, OSError) as failure:
        raise ProofError(f"a manifest of {image.path} cannot be read: {failure}") from failure
    if inside and beside and inside.build_id != beside.build_id:
        if beside.iso and beside.iso.file != image.path.name:
            return inside, None
        raise ProofError(f"{file} is of build {beside.build_id}, the manifest on the ISO of {inside.build_id}")
    manifest = beside or inside
    if manifest is None:
        raise BaseIsoError(
            f"{image.path} has no manifest, on it or beside it", hint="isoforge multi makes ISOs with one"
        )
    return manifest, beside


def choose(manifest: Manifest, order: Round) -> tuple[tuple[HostFacts, ...], str]:
    """The hosts to boot, in menu order, and by what rule; ``UsageError`` if one that was asked for is not there."""
    known = {host.name: host for host in manifest.hosts}
    if strangers := [name for name in order.hosts if name not in known]:
        raise UsageError(f"{strangers[0]} is not on the ISO", hint=f"it has {', '.join(known)}")
    if not known:
        raise BaseIsoError(f"{order.iso} has no hosts: its manifest names none")
    if order.hosts and order.every_host:
        raise UsageError("some hosts and all of them cannot be meant together", hint="--host, or --all")
    if order.hosts:
        wanted, chosen = set(order.hosts), "as asked"
    elif order.every_host or len(known) <= len(SAMPLE):
        wanted, chosen = set(known), "all of them"
    else:
        names = list(known)
        wanted = {names[0], names[-1], manifest.default_host or names[0]}
        who = SAMPLE if manifest.default_host else SAMPLE[:2]
        chosen = f"a sample of {len(known)} hosts: {', '.join(who)}"
    return tuple(host for host in manifest.hosts if host.name in wanted), chosen


def _versions(firmwares: Sequence[Firmware]) -> dict[str, str]:
    """Every program that takes part and its version; ``ToolError`` if one is missing."""
    probe()  # asks for its busybox
    told = {"QEMU": run(QEMU, "--version").splitlines()[0].removeprefix("QEMU emulator version ")}
    for firmware in firmwares:
        told[str(firmware)] = "SeaBIOS, as QEMU brings it" if firmware is Firmware.BIOS else find_ovmf(firmware)[0].name
    return told


def _trials(order: Round, hosts: Sequence[HostFacts], shown: Shown, under: str) -> Iterator[tuple[HostFacts, Trial]]:
    for host in hosts:
        for firmware in order.firmwares:
            for medium in order.media:
                yield (
                    host,
                    Trial(
                        iso=shown.image,
                        disk_format=shown.disk_format,
                        firmware=firmware,
                        medium=medium,
                        choose=(*host.submenu, host.title),
                        timeout_s=order.timeout_s,
                        accelerator=under,
                    ),
                )


def _all(
    order: Round, manifest: Manifest, trials: Sequence[tuple[HostFacts, Trial]], listen: Listener
) -> tuple[Booted, ...]:
    """Do ``trials``, several at a time. Whatever ends this ends all machines: none runs on without anyone to see it."""
    jobs = order.jobs or min(os.cpu_count() or 1, MOST_JOBS)
    given_up = threading.Event()
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        boots = [pool.submit(_one, order, manifest, host, trial, given_up) for host, trial in trials]
        try:
            for done, ended in enumerate(as_completed(boots), start=1):
                listen(done, len(boots), ended.result())
        except BaseException:
            given_up.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return tuple(boot.result() for boot in boots)


def _one(order: Round, manifest: Manifest, host: HostFacts, trial: Trial, given_up: threading.Event) -> Booted:
    """Do one boot; a machine that is not seen to the end is a difference too."""
    picture = log = None
    if order.folder is not None:
        wanted = order.folder / f"menu-{trial.firmware}.png"
        picture = None if wanted.exists() else wanted
        log = order.folder / "serial" / f"{host.name}-{trial.firmware}-{trial.medium}.log"
    began = time.monotonic()
    report: Report | None = None
    screen: tuple[str, ...] = ()
    try:
        seen = boot(trial, screenshot=picture, log=log, given_up=given_up)
        report, said = seen.report, differences(seen, host, manifest)
    except ProofError as failure:
        screen = failure.problems
        said = (failure.message.removeprefix(f"{trial}: ").removesuffix("; on its screen"),)
    return Booted(
        host=host.name,
        firmware=trial.firmware,
        medium=trial.medium,
        seconds=time.monotonic() - began,
        differences=said,
        report=report,
        screen=screen,
    )


def _of_file(iso: ImageFile, beside: Manifest | None) -> Iterator[str]:
    """Whether the ISO is, to the bit, the one that the manifest beside it speaks of."""
    told = beside.iso if beside else None
    if told is not None and told.sha256 not in (None, iso.sha256):
        yield f"the SHA-256 of the ISO is {iso.sha256}, the manifest beside it says {told.sha256}"
