"""One host's rehearsal: installed, started with the ISO again, started from disk, and the ISO on another machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from isoforge.errors import ProofError, ToolError
from isoforge.iso_layout import LOOKUP_KEYS
from isoforge.proof.boot.qemu import Firmware, Medium
from isoforge.proof.manifest import HostFacts, Manifest
from isoforge.proof.rehearse import disks, judge
from isoforge.proof.rehearse.machine import Machine, qemu_extra
from isoforge.proof.rehearse.watch import OFF, Outcome, Start, watch
from isoforge.run import ExitError

INSTALL, AGAIN, DISK, OTHER = "install", "again", "disk", "other-machine"
STAGES = {
    INSTALL: "install from the ISO",
    AGAIN: "start the installed machine with the ISO",
    DISK: "start it from disk alone",
    OTHER: "start the ISO on another machine",
}
"""The starts of a rehearsal in their order, by the name of their files."""

BOOT_LIMIT_S = 900.0
"""Seconds that an installed system may take to start, and another machine to do nothing."""

CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One start: its outcome, and its differences from what it must show, a sentence each."""

    name: str
    outcome: Outcome
    differences: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Rehearsal:
    """The rehearsal of one host, as far as it has come.

    ``failure`` is what ended it early (empty: nothing did); ``inspected`` are facts read from its disks; ``notes`` are
    about what a virtual machine cannot show.
    """

    host: str
    firmware: Firmware
    machine: Machine
    stages: list[Stage] = field(default_factory=list)
    failure: str = ""
    inspected: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def problems(self) -> list[str]:
        """Every difference, with the start that showed it, and what ended the rehearsal early."""
        found = [f"{STAGES[one.name]}: {difference}" for one in self.stages for difference in one.differences]
        return [*found, *([self.failure] if self.failure else [])]

    @property
    def ok(self) -> bool:
        """Whether all starts were made and showed what they must."""
        return not self.problems and [one.name for one in self.stages] == list(STAGES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """What is rehearsed: ``host`` of the ``manifest`` on ``iso``, with the autoinstall section ``seed``.

    ``timeout_s`` is for the installation. Pictures and logs go into ``evidence``, the disks into ``room``.
    """

    iso: Path
    manifest: Manifest
    host: HostFacts
    seed: Mapping[str, Any]
    firmware: Firmware
    medium: Medium
    arch: str
    accelerator: str
    timeout_s: float
    evidence: Path
    room: Path

    @property
    def by_hand(self) -> bool:
        """Whether a person has to choose the entry: the menu cannot recognise this machine."""
        recognised = any(pair.partition("=")[0] in LOOKUP_KEYS for pair in self.host.match)
        return not recognised and self.manifest.default_host != self.host.name


def rehearse_host(
    what: Rehearsed, rehearsal: Rehearsal, *, cancel: threading.Event, listen: Callable[[str], object]
) -> None:
    """Make the starts of ``what`` one after the other and enter them into ``rehearsal``.

    Those after a failed installation are left out. A failure of QEMU ends the rehearsal of this host.
    """
    started = time.monotonic()
    try:
        _Starts(what, rehearsal, cancel, listen).make()
    except (ProofError, ToolError) as failure:
        rehearsal.failure = failure.summary if isinstance(failure, ExitError) else failure.message
    finally:
        rehearsal.seconds = time.monotonic() - started


class _Starts:
    def __init__(
        self, what: Rehearsed, rehearsal: Rehearsal, cancel: threading.Event, listen: Callable[[str], object]
    ) -> None:
        self._what, self._rehearsal, self._cancel, self._listen = what, rehearsal, cancel, listen
        self._hostname = judge.hostname_of(what.seed, what.host)
        self._machine = rehearsal.machine
        self._images = [what.room / f"disk{number}.img" for number in range(1, len(self._machine.disks) + 1)]
        path = (*what.host.submenu, what.host.title) if what.by_hand else ()
        self._pattern = Start(
            name=INSTALL,
            iso=what.iso,
            firmware=what.firmware,
            medium=what.medium,
            arch=what.arch,
            accelerator=what.accelerator,
            extra=tuple(qemu_extra(self._machine, self._images, arch=what.arch)),
            endings=judge.install_endings(),
            timeout_s=what.timeout_s,
            hidden=what.manifest.hidden_menu,
            menu_path=path,
            variables=what.room / "firmware-variables",
        )

    def make(self) -> None:
        for image, disk in zip(self._images, self._machine.disks, strict=True):
            disks.make(image, disk.size)
        if not self._installs():
            return
        limit = replace(
            self._pattern,
            endings=judge.boot_endings(self._hostname),
            timeout_s=min(self._what.timeout_s, BOOT_LIMIT_S),
            menu_path=(),
        )
        again = self._watched(replace(limit, name=AGAIN, poll=self._has_started()))
        self._enter(AGAIN, again, judge.judge_again(again, by_hand=self._what.by_hand))
        alone = self._watched(replace(limit, name=DISK, iso=None, may_restart=True, poll=self._has_started()))
        self._inspect(alone)
        self._other()

    def _installs(self) -> bool:
        outcome = self._watched(self._pattern)
        unstamped = outcome.ending == OFF and self._is_unstamped()
        by_hand = self._what.by_hand
        found = list(judge.judge_install(outcome, self._what.host, by_hand=by_hand, unstamped=unstamped))
        self._enter(INSTALL, outcome, found)
        return not found

    def _is_unstamped(self) -> bool:
        """Whether the disks show that this build has not installed them.

        A file system that cannot be read from outside (XFS, Btrfs, ZFS) may have the stamp: then GRUB, which can read
        it, decides at the next start.
        """
        systems = disks.file_systems(self._images)
        if judge.stamped(systems, self._what.manifest, self._what.host):
            return False
        unwritten = not any(disks.is_partitioned(image) for image in self._images)
        return unwritten or any(one.exists("/etc/hostname") for one in systems)

    def _inspect(self, outcome: Outcome) -> None:
        systems = disks.file_systems(self._images)
        found = [*judge.judge_disk(outcome), *judge.judge_system(systems, self._what.seed, self._hostname)]
        root = next((one for one in systems if one.exists("/etc/hostname")), None)
        if root is None:
            self._rehearsal.notes.append(
                "the root file system cannot be read from outside: it is not ext4, or encrypted"
            )
        else:
            self._rehearsal.inspected["hostname"] = (root.text("/etc/hostname") or "").strip()
            self._rehearsal.inspected["netplan"] = root.names("/etc/netplan")
        if outcome.ending == judge.LOGIN:
            self._rehearsal.inspected["console"] = outcome.text
        self._rehearsal.inspected["kernel_lines"] = [line for one in systems for line in judge.kernel_lines(one)]
        self._enter(DISK, outcome, found)

    def _other(self) -> None:
        """Start the ISO with the same disks, filled, in a machine that no entry matches."""
        filled = [self._what.room / f"filled{number}.img" for number in range(1, len(self._images) + 1)]
        for image, disk in zip(filled, self._machine.disks, strict=True):
            disks.make(image, disk.size)
            disks.fill(image)
        before = [disks.digest(image) for image in filled]
        start = replace(
            self._pattern,
            name=OTHER,
            extra=tuple(qemu_extra(self._machine.stranger(), filled, arch=self._what.arch)),
            timeout_s=min(self._what.timeout_s, BOOT_LIMIT_S),
            menu_path=(),
            variables=None,
        )
        outcome = self._watched(start)
        changed = [disks.digest(image) for image in filled] != before
        for image in filled:
            image.unlink()
        self._enter(OTHER, outcome, judge.judge_other(outcome, changed=changed))

    def _has_started(self) -> Callable[[], bool]:
        """Whether cloud-init has finished a start of the installed system that was not there before."""
        before = self._boot_finished()
        return lambda: self._boot_finished() not in (None, before)

    def _boot_finished(self) -> str | None:
        texts = (one.text(judge.BOOT_FINISHED) for one in disks.file_systems(self._images))
        return next((text for text in texts if text), None)

    def _watched(self, start: Start) -> Outcome:
        return watch(start, folder=self._what.evidence, cancel=self._cancel, listen=self._listen)

    def _enter(self, name: str, outcome: Outcome, differences: Iterable[str]) -> None:
        found = tuple(differences)
        self._rehearsal.stages.append(Stage(name=name, outcome=outcome, differences=found))
        self._listen(f"{STAGES[name]}: {'; '.join(found) if found else 'ok'} ({outcome.seconds:.0f} s)")
