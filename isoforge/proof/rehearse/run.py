"""The recipe of ``rehearse``: the hosts of an ISO, each installed in a virtual machine of its own."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from isoforge.errors import BaseIsoError, OutputError, ProofError, UsageError
from isoforge.image.base import reading
from isoforge.image.layouts import Layout
from isoforge.ownership import refuse_foreign_link, temporary_folder
from isoforge.proof.boot.qemu import PROGRAMS, Firmware, Medium, accelerator, find_ovmf
from isoforge.proof.boot.run import read_manifest
from isoforge.proof.manifest import HostFacts, Manifest
from isoforge.proof.read.image import Image, UnreadableError
from isoforge.proof.rehearse.disks import DEBUGFS
from isoforge.proof.rehearse.machine import GIB, machine_for
from isoforge.proof.rehearse.rehearsal import CANCELLED, STAGES, Rehearsal, Rehearsed, rehearse_host
from isoforge.run import run
from isoforge.yaml_limits import load

TIMEOUT_S = 3600.0
"""Seconds that an installation may take: Ubuntu's takes 12 to 20 minutes under plain emulation."""

DISK_BYTES = 20 * GIB


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsalRequest:
    """What to rehearse: ``hosts`` on ``iso`` or ``every_host``, ``jobs`` at a time.

    ``firmware`` is that of the machines (None: UEFI with Secure Boot if the ISO has it); an installation may take
    ``timeout_s`` seconds; a disk has at least ``disk_bytes``. Pictures and logs are stored in ``folder``, and with
    ``keep`` the disks too.
    """

    iso: Path
    hosts: tuple[str, ...] = ()
    every_host: bool = False
    firmware: Firmware | None = None
    medium: Medium = Medium.CD
    jobs: int = 1
    timeout_s: float = TIMEOUT_S
    disk_bytes: int = DISK_BYTES
    folder: Path | None = None
    keep: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsalEvidence:
    """The results of rehearsals, in menu order; ``versions`` names the programs that took part."""

    iso: str
    manifest: Manifest
    accelerator: str
    versions: Mapping[str, str]
    started_at: datetime
    rehearsals: tuple[Rehearsal, ...]

    @property
    def problems(self) -> list[str]:
        """Every difference, with host and start."""
        return [f"{one.host}: {problem}" for one in self.rehearsals for problem in one.problems]


Listener = Callable[[str, str], object]
"""Called with a host and what it does now."""

Writer = Callable[[RehearsalEvidence], object]


def rehearse(request: RehearsalRequest, listen: Listener, write: Writer) -> RehearsalEvidence:
    """Rehearse the hosts of ``request``; ``write`` is called with the evidence, also with that of an interrupted one.

    Raises ``UsageError`` for a host that is not on the ISO or a firmware that cannot boot it, ``BaseIsoError`` if there
    is no ISO or no manifest of it, ``ToolError`` if QEMU or its firmware is missing.
    """
    if request.keep and request.folder is None:
        raise UsageError("--keep needs --report", hint="the disks are kept in the folder of the report")
    with reading(request.iso), Image(request.iso) as image:
        try:
            manifest, layout = read_manifest(image)[0], image.layout
            chosen = [(host, _seed(image, host)) for host in _select(manifest, request)]
        except UnreadableError as failure:
            raise ProofError(f"{request.iso} cannot be booted: {failure}") from failure
    firmware = _firmware(layout, request)
    versions = {"QEMU": run(PROGRAMS[layout.arch], "--version").splitlines()[0].removeprefix("QEMU emulator version ")}
    if firmware is not Firmware.BIOS:
        versions[str(firmware)] = find_ovmf(firmware, layout.arch)[0].name
    run(DEBUGFS, "-V")  # refuses if it is not installed
    kind = accelerator(layout.arch)
    listen("", _word_about(kind))
    started_at = datetime.now(UTC)
    pattern = partial(
        Rehearsed,
        iso=request.iso,
        manifest=manifest,
        firmware=firmware,
        medium=request.medium,
        arch=layout.arch,
        accelerator=kind,
        timeout_s=request.timeout_s,
    )
    rehearsals = [_rehearsal(host, seed, firmware, request.disk_bytes) for host, seed in chosen]
    evidence = RehearsalEvidence(
        iso=request.iso.name,
        manifest=manifest,
        accelerator=kind,
        versions=versions,
        started_at=started_at,
        rehearsals=tuple(rehearsals),
    )
    cancel = threading.Event()

    def one_host(host: HostFacts, seed: Mapping[str, Any], rehearsal: Rehearsal) -> None:
        with _rooms(request, host.name) as (pictures, room):
            what = pattern(host=host, seed=seed, evidence=pictures, room=room)
            rehearse_host(what, rehearsal, cancel=cancel, listen=partial(listen, host.name))

    jobs = [partial(one_host, *pair, one) for pair, one in zip(chosen, rehearsals, strict=True)]
    try:
        _do_all(jobs, request.jobs, cancel)
    finally:
        if cancel.is_set():
            for one in rehearsals:
                one.failure = "interrupted" if one.failure in ("", CANCELLED) and not one.ok else one.failure
        write(evidence)
    return evidence


def _rehearsal(host: HostFacts, seed: Mapping[str, Any], firmware: Firmware, disk_bytes: int) -> Rehearsal:
    """A rehearsal that has not begun."""
    machine = machine_for(seed, host.match, disk_bytes=disk_bytes)
    return Rehearsal(host=host.name, firmware=firmware, machine=machine, notes=list(machine.notes))


def _do_all(jobs: Iterable[Callable[[], object]], at_a_time: int, cancel: threading.Event) -> None:
    """Do ``jobs``, several at a time. However this ends, all machines end with it."""
    with ThreadPoolExecutor(max_workers=at_a_time) as pool:
        pending = [pool.submit(job) for job in jobs]
        try:
            for future in pending:
                future.result()
        except BaseException:
            cancel.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _select(manifest: Manifest, request: RehearsalRequest) -> tuple[HostFacts, ...]:
    names = [host.name for host in manifest.hosts]
    if unknown := [name for name in request.hosts if name not in names]:
        raise UsageError(f"{unknown[0]} is not on the ISO", hint=f"hosts on it: {', '.join(names)}")
    if bool(request.hosts) == request.every_host:
        raise UsageError("give either --host or --all", hint=f"hosts on it: {', '.join(names)}")
    if not names:
        raise BaseIsoError(f"{request.iso} has no hosts: its manifest lists none")
    return tuple(host for host in manifest.hosts if request.every_host or host.name in request.hosts)


def _seed(image: Image, host: HostFacts) -> Mapping[str, Any]:
    """The autoinstall section of the seed on ``image``; ``ProofError`` if it cannot be read."""
    path = PurePosixPath(host.seed) / "user-data"
    try:
        document = load(image.text(path))
    except (yaml.YAMLError, BaseIsoError) as failure:
        raise ProofError(f"{path} on {image.path} cannot be read: {failure}") from failure
    section = document.get("autoinstall", document) if isinstance(document, dict) else None
    if not isinstance(section, dict):
        raise ProofError(f"{path} on {image.path} has no autoinstall section")
    return section


def _firmware(layout: Layout, request: RehearsalRequest) -> Firmware:
    possible = [Firmware(name) for name in layout.firmwares]
    if request.firmware is None:
        return Firmware.SECUREBOOT if Firmware.SECUREBOOT in possible else possible[0]
    if request.firmware not in possible:
        raise UsageError(
            f"{request.iso} is for {layout.arch} and cannot be booted by {request.firmware}",
            hint=f"choose --firmware from {', '.join(possible)}",
        )
    return request.firmware


def _word_about(kind: str) -> str:
    if kind == "kvm":
        return "QEMU with KVM"
    return "QEMU without KVM: Ubuntu's installer takes 12 to 20 minutes per host, each other start 1 to 5"


@contextlib.contextmanager
def _rooms(request: RehearsalRequest, host: str) -> Iterator[tuple[Path, Path]]:
    """The folder for pictures and logs of ``host``, and that for its disks, which is removed unless they are kept."""
    with temporary_folder() as scratch:
        pictures = request.folder / host if request.folder else scratch
        room = pictures / "disks" if request.keep else scratch / "disks"
        try:
            for folder in (pictures, room):
                refuse_foreign_link(folder)
            pictures.mkdir(parents=True, exist_ok=True)
            room.mkdir(exist_ok=True)
            for name in STAGES:
                for old in (f"{name}.png", f"{name}-menu.png", f"{name}.log"):
                    (pictures / old).unlink(missing_ok=True)
            for old_disk in (*room.glob("disk*.img"), *room.glob("filled*.img"), room / "firmware-variables"):
                old_disk.unlink(missing_ok=True)
        except OSError as failure:
            raise OutputError(f"{failure.filename or room} cannot be written: {failure.strerror}") from failure
        yield pictures, room
