"""One start of a virtual machine, followed to its end: its menu, its serial port, its reports, its screen."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isoforge.errors import ProofError
from isoforge.masking.text import mask_certain
from isoforge.ownership import replace_file, temporary_folder
from isoforge.proof.boot.boot import highlight
from isoforge.proof.boot.console import Console, open_console, qemu_process
from isoforge.proof.boot.qemu import PROGRAMS, Firmware, Medium, qemu_arguments, serial_file
from isoforge.proof.boot.screen import Menu, plain_text
from isoforge.run import Child

PORT = "org.isoforge.report"
"""The virtio port to which a seed sends its reports."""

MEMORY_MIB = 4096
"""Ubuntu's installer runs from memory, and needs 3 GiB for its layers and snaps."""

LOOK_S = 0.2
"""How often the machine is looked at, in seconds."""

POLL_S = 10.0
"""How often its disks are."""

OFF, TIMEOUT, REPORT = "off", "timeout", "report"
"""The endings that need no pattern: the machine restarted or powered off, the time limit, a report."""

Poll = Callable[[], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One start of a machine, called ``name``: with the medium ``iso`` or without one, and QEMU's ``extra`` arguments.

    It ends when the serial port has shown one of ``endings``, when ``poll`` is true (the ending "disk"), when a report
    says that the installation has ended, when the machine restarts (unless it ``may_restart``) or powers off, or after
    ``timeout_s`` seconds. ``menu_path`` are the titles that are chosen (empty: the menu decides by itself).
    ``variables`` is where the firmware's variables are kept from one start to the next.
    """

    name: str
    iso: Path | None
    firmware: Firmware
    medium: Medium
    arch: str
    accelerator: str
    extra: tuple[str, ...]
    endings: Mapping[str, re.Pattern[str]]
    timeout_s: float
    hidden: bool = False
    menu_path: tuple[str, ...] = ()
    poll: Poll | None = None
    may_restart: bool = False
    variables: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a start ended: the key of the ``ending`` and the ``text`` that showed it.

    ``menu`` is the menu as it came up (None: there was none), ``reports`` are those of the port, ``screen`` the lines
    on the screen at the end, ``progress`` the steps that were reported, with the seconds since the start.
    """

    name: str
    ending: str
    text: str
    seconds: float
    menu: Menu | None
    reports: tuple[Mapping[str, Any], ...]
    screen: tuple[str, ...]
    progress: tuple[tuple[float, str], ...]


def watch(start: Start, *, folder: Path, cancel: threading.Event, listen: Callable[[str], object]) -> Outcome:
    """Start the machine and follow it to its end.

    ``NAME.png``, a picture of the screen at the end, and ``NAME.log``, the output of the serial port, go into
    ``folder``; ``listen`` is called with each step. Raises ``ProofError`` ("cancelled") when another thread has set
    ``cancel``; ``ToolError`` if QEMU is missing, does not start or is killed. No process is left.
    """
    with temporary_folder() as scratch:
        arguments = qemu_arguments(
            start.iso,
            firmware=start.firmware,
            medium=start.medium,
            scratch=scratch,
            arch=start.arch,
            accelerator=start.accelerator,
            extra=[*_report_port(scratch), "-m", str(MEMORY_MIB), *start.extra],
        )
        if start.may_restart:
            arguments += ["-action", "reboot=reset"]
        _keep_variables(start.variables, scratch, back=True)
        try:
            with qemu_process(arguments, scratch=scratch, program=PROGRAMS[start.arch]) as (machine, control):
                return asyncio.run(_Watcher(start, machine, scratch, folder, cancel, listen).follow(control))
        finally:
            _keep_variables(start.variables, scratch, back=False)
            if serial_file(scratch).is_file():
                output = serial_file(scratch).read_bytes().decode("utf-8", errors="surrogateescape")
                replace_file(folder / f"{start.name}.log", mask_certain(output).encode(errors="surrogateescape"))


def _report_port(scratch: Path) -> list[str]:
    file = str(scratch / "reports").replace(",", ",,")
    return [
        "-device", "virtio-serial-pci",
        "-chardev", f"file,id=report,path={file}",
        "-device", f"virtserialport,chardev=report,name={PORT}",
    ]  # fmt: skip


def _keep_variables(kept: Path | None, scratch: Path, *, back: bool) -> None:
    """Copy the firmware's variables into ``scratch`` (``back``), or out of it."""
    for file in [*scratch.glob("*VARS*"), *scratch.glob("vars-*")]:
        if kept and back and kept.is_file():
            shutil.copyfile(kept, file)
        elif kept and not back:
            shutil.copyfile(file, kept)


def read_reports(file: Path) -> tuple[Mapping[str, Any], ...]:
    """The reports in ``file``, one JSON object a line; what is not one is left out."""
    try:
        lines = file.read_bytes().decode("utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return ()
    reports = []
    for line in lines:
        try:
            report = json.loads(line)
        except ValueError:
            continue
        if isinstance(report, dict):
            reports.append(report)
    return tuple(reports)


class _Watcher:
    """What one start has shown so far."""

    def __init__(
        self,
        start: Start,
        machine: Child,
        scratch: Path,
        folder: Path,
        cancel: threading.Event,
        listen: Callable[[str], object],
    ) -> None:
        self._start, self._machine, self._scratch, self._folder = start, machine, scratch, folder
        self._cancel, self._listen = cancel, listen
        self._started = self._polled = time.monotonic()
        self._menu: Menu | None = None
        self._progress: list[tuple[float, str]] = []

    async def follow(self, control: socket.socket) -> Outcome:
        start = self._start
        async with open_console(
            self._machine, control, firmware=start.firmware, scratch=self._scratch, cancel=self._cancel
        ) as console:
            try:
                async with asyncio.timeout(start.timeout_s):
                    ending, text = await self._operate(console)
            except TimeoutError:
                ending, text = TIMEOUT, f"the time limit of {start.timeout_s:g} s"
            console.listen()
            if self._machine.is_alive():
                await console.screenshot(self._folder / f"{start.name}.png")
            return Outcome(
                name=start.name,
                ending=ending,
                text=text,
                seconds=time.monotonic() - self._started,
                menu=self._menu,
                reports=read_reports(self._scratch / "reports"),
                screen=tuple(mask_certain(line) for line in console.lines()),
                progress=tuple(self._progress),
            )

    async def _operate(self, console: Console) -> tuple[str, str]:
        if self._start.iso and not self._start.hidden:
            self._menu = menu = await console.menu()
            self._note(f"menu: {menu.highlighted}")
            await console.screenshot(self._folder / f"{self._start.name}-menu.png")
            for title in self._start.menu_path[:-1]:
                menu = await highlight(console, menu, title)
                await console.press("ret")
                menu = await console.menu(unlike=menu)
            if self._start.menu_path:
                await highlight(console, menu, self._start.menu_path[-1])
            if self._start.menu_path or not menu.countdown:
                await console.press("ret")
        before = len(console.serial)
        while True:
            if self._cancel.is_set():
                raise ProofError("cancelled")
            off = not self._machine.is_alive()
            console.listen()
            if end := self._end(plain_text(console.serial[before:])):
                return end
            if off:
                self._machine.wait(0)  # raises if QEMU has failed or was killed
                return OFF, "the machine restarted or powered off"
            await asyncio.sleep(LOOK_S)

    def _end(self, serial: str) -> tuple[str, str] | None:
        """The ending and the text that shows it; None if the machine has more to do."""
        for report in read_reports(self._scratch / "reports"):
            state, step = str(report.get("state", "")), str(report.get("step") or "")
            if (note := f"report: {state} {step}".strip()) not in [one for _, one in self._progress]:
                self._note(note)
            if state == "failed":
                reason = mask_certain(str(report.get("reason") or "no reason given"))
                return REPORT, f"step {step or 'unknown'}: {reason}"
        for ending, pattern in self._start.endings.items():
            if match := pattern.search(serial):
                return ending, match[0].strip()
        if self._start.poll and time.monotonic() - self._polled > POLL_S:
            self._polled = time.monotonic()
            if self._start.poll():
                return "disk", "the installed system wrote to its disk that it has started"
        return None

    def _note(self, step: str) -> None:
        self._progress.append((round(time.monotonic() - self._started, 1), step))
        self._listen(f"{self._start.name}: {step}")
