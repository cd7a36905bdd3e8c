"""The recipe of `isoforge write`: an ISO written to one stick or several, and read back from each."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from isoforge.device.block import CHUNK, BlockDevice, open_exclusively, refuse_occupied
from isoforge.device.disks import Disk, disk_at, read_disks
from isoforge.device.guards import Refusal, refusals, refuse_unsafe
from isoforge.errors import ForgeError, OutputError, ProofError, UsageError
from isoforge.image.base import reading
from isoforge.image.unchanged import unchanged
from isoforge.proof.verify.written import faults_of_copy
from isoforge.regular_file import naming
from isoforge.source_iso import SourceIso, look_at, prove

Listener = Callable[[str, int, int], object]
"""Called with the phase, and ``done`` of ``total`` bytes of it, from any thread."""

HEAD = 1 << 20
"""Bytes in front that are emptied first and written last: no firmware starts a stick without them."""

TAIL = 1 << 20
"""Bytes at the end of a larger stick that are emptied: a backup GPT is there, and the labels of RAID and ZFS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOrder:
    """What to write and where: ``iso`` is whole, the ``disks`` may be written to, and are large enough."""

    iso: SourceIso
    disks: tuple[Disk, ...]


@dataclass(slots=True, kw_only=True)
class Stick:
    """One disk, and what has happened to it. ``seconds`` are those of writing, without reading back.

    ``touched``: its old content is lost. ``written``: it has all bytes of the ISO. ``proven``: they were read back.
    ``dropped_gpt``: it had the backup of an older partition table at its end.
    """

    disk: Disk
    touched: bool = False
    written: bool = False
    proven: bool = False
    seconds: float = 0.0
    dropped_gpt: bool = False
    failure: ForgeError | None = None
    done: dict[str, int] = field(default_factory=dict)

    @property
    def warning(self) -> str:
        """What a person has to know of it if the work has ended early; empty if nothing."""
        if self.proven or not self.touched:
            return ""
        if self.written:
            return f"{self.disk.path} was written but not read back: write it again before you use it"
        return f"{self.disk.path} is now incomplete and does not boot: write it again"


def candidates() -> tuple[tuple[Disk, tuple[Refusal, ...]], ...]:
    """Every disk of this machine with the reasons not to write to it; without loop devices."""
    return tuple((disk, refusals(disk)) for disk in read_disks() if disk.kind == "disk")


def order_of(iso: Path, devices: Sequence[Path], *, force: Sequence[Path] = ()) -> WriteOrder:
    """What is to be done, after every check that needs no long reading.

    Two names of a disk are one device. Those in ``force`` may be fixed, large, or part of a volume. Raises
    ``BaseIsoError`` if ``iso`` is not a whole ISO image, ``OutputError`` for a device that must not be written to, is
    too small or needs other permissions, ``UsageError`` for a name in ``force`` that is not among the devices.
    """
    source = look_at(iso)
    disks: dict[str, Disk] = {}
    for disk in map(disk_at, devices):
        disks.setdefault(disk.number, disk)
    forced = set()
    for path in force:
        forced.add(disk_at(path).number)
        if not forced <= disks.keys():
            raise UsageError(f"--force {path} is not one of the devices to write to", hint="name the same device twice")
    for disk in disks.values():
        refuse_unsafe(disk, force=disk.number in forced)
        if disk.size < source.size:
            sizes = f"it has {disk.size} bytes, the ISO {source.size}"
            raise OutputError(f"{disk.name} is too small: {sizes}", hint="use a larger one")
        refuse_occupied(disk)
    return WriteOrder(iso=source, disks=tuple(disks.values()))


def write(order: WriteOrder, listen: Listener) -> tuple[str, tuple[Stick, ...]]:
    """Write the ISO to every disk of ``order`` and read it back: its SHA-256, and the sticks for `refuse_failed`.

    The ISO is read and compared with its digest first. Raises ``BaseIsoError`` or ``ProofError`` if it is damaged or
    changes, ``OutputError`` if a disk cannot be opened. Whatever ends the work early, a signal included, has a note
    (PEP 678) for each disk that is incomplete then.
    """
    iso, sticks = order.iso, tuple(Stick(disk=disk) for disk in order.disks)
    try:
        with reading(iso.path), unchanged(iso.path):
            sha256 = prove(iso, lambda done: listen(f"checking {iso.path.name}", done, iso.size))
            with _opened(sticks) as devices, naming(iso.path), iso.path.open("rb") as file:
                job = _Job(iso=iso, source=file.fileno(), sha256=sha256, listen=listen, sticks=sticks)
                job.do(job.write, devices)
                job.do(job.read_back, devices)
    except BaseException as end:
        for stick in sticks:
            if stick.warning:
                end.add_note(stick.warning)
        raise
    return sha256, sticks


def refuse_failed(sticks: Sequence[Stick]) -> None:
    """Raise what went wrong with the only one of ``sticks``, or an error that lists what went wrong with several."""
    failed = [(stick, stick.failure) for stick in sticks if stick.failure]
    if not failed:
        return
    stick, failure = failed[0]
    if len(sticks) == 1:
        if stick.warning:
            failure.add_note(stick.warning)
        raise failure
    kind = OutputError if any(isinstance(failure, OutputError) for _, failure in failed) else ProofError
    problems = ["; ".join(filter(None, (failure.message, stick.warning))) for stick, failure in failed]
    raise kind(f"{len(failed)} of {len(sticks)} devices failed", problems=problems)


@contextlib.contextmanager
def _opened(sticks: Sequence[Stick]) -> Iterator[tuple[BlockDevice, ...]]:
    """All disks, open: if one cannot be opened, none is written to."""
    with contextlib.ExitStack() as stack:
        yield tuple(stack.enter_context(open_exclusively(stick.disk)) for stick in sticks)


class _StoppedError(Exception):
    """The work has to end, as its main thread has."""


@dataclass(frozen=True, kw_only=True)
class _Job:
    """The writing of an open ISO, whose descriptor is ``source``, to all sticks at once."""

    iso: SourceIso
    source: int
    sha256: str
    listen: Listener
    sticks: Sequence[Stick]
    stop: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def do(self, step: Callable[[Stick, BlockDevice], None], devices: Sequence[BlockDevice]) -> None:
        """Do ``step`` for all sticks, each on its own thread. The failure of one does not end the others."""

        def attempt(stick: Stick, device: BlockDevice) -> None:
            try:
                if stick.failure is None:
                    step(stick, device)
            except (OutputError, ProofError) as failure:
                stick.failure = failure
            except _StoppedError:
                pass

        with ThreadPoolExecutor(max_workers=len(self.sticks)) as threads:
            try:
                for work in [threads.submit(attempt, *pair) for pair in zip(self.sticks, devices, strict=True)]:
                    work.result()
            except BaseException:
                self.stop.set()  # leaving the block waits for the threads
                raise

    def write(self, stick: Stick, device: BlockDevice) -> None:
        """Write the ISO, its front last, and nothing there before: an incomplete stick must not boot."""
        began = time.monotonic()
        end = device.whole_sectors(self.iso.size)
        head = min(HEAD, end)
        stick.touched = True
        device.write(0, bytes(head))
        stick.dropped_gpt = _empty_tail(device, end)
        device.sync()
        for start in range(head, end, CHUNK):
            self._copy(stick, device, start, min(CHUNK, end - start))
        device.sync()
        self._copy(stick, device, 0, head)
        device.sync()
        stick.written, stick.seconds = True, time.monotonic() - began

    def read_back(self, stick: Stick, device: BlockDevice) -> None:
        """Compare the stick with the ISO, byte by byte from the stick itself, and its structure in both views."""
        if self._digest(stick, device) != self.sha256:
            text = f"{stick.disk.name} differs from the ISO from byte {self._first_difference(device)} on"
            _spoil(stick, device)
            raise ProofError(text, hint="it is broken, or smaller than it claims: use another one")
        device.drop_cache()
        try:
            faults = faults_of_copy(device.path, self.iso.path)
        except OSError as failure:
            raise OutputError(f"cannot read {stick.disk.name}: {failure.strerror}") from failure
        if faults:
            _spoil(stick, device)
            raise ProofError(f"{stick.disk.name} does not read as the ISO does: {'; '.join(faults)}")
        device.reread_partitions()
        stick.proven = True

    def _digest(self, stick: Stick, device: BlockDevice) -> str:
        """The SHA-256 of what is on the stick, computed on another core while the next bytes are read."""
        digest = hashlib.sha256()
        with ThreadPoolExecutor(max_workers=1) as other_core:
            busy = other_core.submit(digest.update, b"")
            for start in range(0, self.iso.size, CHUNK):
                size = min(CHUNK, self.iso.size - start)
                content = bytes(device.chunk(start, device.whole_sectors(size))[:size])
                busy.result()
                busy = other_core.submit(digest.update, content)
                self._step("reading back", stick, size)
        return digest.hexdigest()

    def _copy(self, stick: Stick, device: BlockDevice, start: int, size: int) -> None:
        device.write_from(self.source, start, size)
        self._step("writing", stick, size)

    def _step(self, phase: str, stick: Stick, size: int) -> None:
        """Report ``size`` more bytes of one stick as progress of them all."""
        if self.stop.is_set():
            raise _StoppedError
        names = str(stick.disk.path) if len(self.sticks) == 1 else f"{len(self.sticks)} devices"
        with self.lock:
            stick.done[phase] = min(self.iso.size, stick.done.get(phase, 0) + size)
            done = sum(one.done.get(phase, 0) for one in self.sticks)
            self.listen(f"{phase} {names}", done, self.iso.size * len(self.sticks))

    def _first_difference(self, device: BlockDevice) -> int:
        """The first byte in which the stick and the ISO differ, or the size of the ISO."""
        for start in range(0, self.iso.size, CHUNK):
            size = min(CHUNK, self.iso.size - start)
            ours, theirs = os.pread(self.source, size, start), bytes(device.chunk(start, device.whole_sectors(size)))
            if ours != theirs[: len(ours)]:
                return start + next(
                    at for at, (one, other) in enumerate(zip(ours, theirs, strict=False)) if one != other
                )
        return self.iso.size


def _empty_tail(device: BlockDevice, end: int) -> bool:
    """Empty the end of the stick behind byte ``end``; whether a backup GPT was there (UEFI 2.10, 5.3)."""
    start = max(end, device.size - TAIL)
    if start >= device.size:
        return False
    had_gpt = device.read(device.size - device.sector, device.sector).startswith(b"EFI PART")
    device.write(start, bytes(device.size - start))
    return had_gpt


def _spoil(stick: Stick, device: BlockDevice) -> None:
    """Empty the front of a stick that has other bytes than the ISO, so that it does not boot."""
    stick.written = False
    with contextlib.suppress(OutputError):
        device.write(0, bytes(min(HEAD, device.size)))
        device.sync()
