"""Boot an ISO in QEMU, choose an entry in its real menu, and listen to what the guest says."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import sh

from isoforge.errors import ProofError
from isoforge.proof.boot.console import Console, operated, powered_on
from isoforge.proof.boot.probe_report import Report, is_complete, parse_report
from isoforge.proof.boot.qemu import Firmware, Medium, qemu_arguments, serial_file
from isoforge.proof.boot.screen import Menu, names

WENT_ON = r'No bootable device|BdsDxe: No bootable|BdsDxe: loading \w+ "(UiApp|EFI Firmware Setup|EFI Internal Shell)"'
"""How SeaBIOS and OVMF say that no other device can be started: OVMF ends in its own setup."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One boot of ``iso`` that is to be seen.

    ``choose`` are titles from the menu inwards: each but the last is a submenu; with none, the menu's own countdown
    decides. ``timeout_s`` is for the whole boot, in seconds. ``local_disk_says`` is what a disk among
    ``extra_qemu_args`` writes on the screen when it is started; without one the firmware says that it found none.
    ``disk_format`` is what QEMU calls the format of ``iso``, if it is not the ISO itself.
    """

    iso: Path
    firmware: Firmware
    medium: Medium
    choose: tuple[str, ...] = ()
    timeout_s: float = 300
    accelerator: str = "tcg"
    disk_format: str = "raw"
    extra_qemu_args: tuple[str, ...] = ()
    local_disk_says: str = ""

    def __str__(self) -> str:
        return f"{self.iso.name} on {self.firmware} from {self.medium}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What was seen in one boot.

    ``menu`` is the menu as it first came up. ``report`` is what the probe said; None if the menu gave the machine back
    to the firmware and no kernel started: then ``went_on`` are the words that showed it, those of the local disk or of
    a firmware that found nothing to start. ``serial`` is all that came over the serial port; ``seconds`` is how long
    the boot took.
    """

    trial: Trial
    menu: Menu
    report: Report | None
    went_on: str
    seconds: float
    serial: str


def boot(
    trial: Trial,
    *,
    screenshot: Path | None = None,
    log: Path | None = None,
    given_up: threading.Event | None = None,
) -> Sighting:
    """Do ``trial`` and return what was seen, when the probe has reported or the firmware went on without it.

    A picture of the menu with the entry highlighted goes to ``screenshot`` (PNG), what came over the serial port to
    ``log``, also after a failure. The ISO is not written to, and nothing is left behind. Raises ``ProofError`` if
    there is no menu, no such entry in it, or no word from the guest in time (or before another thread has set
    ``given_up``); ``ToolError`` if QEMU or its firmware is missing or fails.
    """
    started = time.monotonic()
    given_up = given_up or threading.Event()
    with tempfile.TemporaryDirectory(prefix="isoforge-") as folder:
        scratch = Path(folder)
        arguments = qemu_arguments(
            trial.iso,
            firmware=trial.firmware,
            medium=trial.medium,
            scratch=scratch,
            accelerator=trial.accelerator,
            disk_format=trial.disk_format,
            extra=trial.extra_qemu_args,
        )
        try:
            with powered_on(arguments, scratch=scratch) as (machine, control):
                menu, went_on, serial = asyncio.run(
                    _watch(trial, machine, control, scratch=scratch, screenshot=screenshot, given_up=given_up)
                )
        finally:
            if log is not None and serial_file(scratch).is_file():
                shutil.copyfile(serial_file(scratch), log)
    return Sighting(
        trial=trial,
        menu=menu,
        report=None if went_on else parse_report(serial),
        went_on=went_on,
        seconds=time.monotonic() - started,
        serial=serial,
    )


async def _watch(
    trial: Trial,
    machine: sh.RunningCommand,
    control: socket.socket,
    *,
    scratch: Path,
    screenshot: Path | None,
    given_up: threading.Event,
) -> tuple[Menu, str, str]:
    """The menu as it came up, the words that no kernel started, and all that the machine said."""
    async with operated(machine, control, firmware=trial.firmware, scratch=scratch, given_up=given_up) as console:
        try:
            async with asyncio.timeout(trial.timeout_s):
                menu, went_on = await _operate(console, trial, screenshot)
        except TimeoutError:
            raise ProofError(
                f"{trial}: no word from the guest in {trial.timeout_s:g} s; on its screen", problems=console.lines()
            ) from None
        return menu, went_on, console.serial


async def _operate(console: Console, trial: Trial, screenshot: Path | None) -> tuple[Menu, str]:
    """Do what an operator does: wait for the menu, choose, wait for the end.

    Returns the menu as it came up, and the words that no kernel started (empty if the probe reported).
    """
    first = menu = await console.menu()
    for title in trial.choose[:-1]:
        menu = await highlight(console, menu, title)
        await console.press("ret")
        menu = await console.menu(unlike=menu)
    if trial.choose:
        await highlight(console, menu, trial.choose[-1])
    if screenshot is not None:
        await console.picture(screenshot)
    before = len(console.serial)
    if trial.choose:
        await console.press("ret")
    elsewhere = re.compile(f"{re.escape(trial.local_disk_says)}|{WENT_ON}" if trial.local_disk_says else WENT_ON)

    def last_word() -> str | None:
        went_on = elsewhere.search(console.serial, before)
        return "" if is_complete(console.serial) else went_on and went_on[0]

    return first, await console.until(last_word)


async def highlight(console: Console, menu: Menu, title: str) -> Menu:
    """Move the highlight to the entry ``title`` and return the menu then; ``ProofError`` if there is none."""
    seen = dict.fromkeys(menu.titles)
    if not _in_view(title, menu):
        await console.press("home")
        menu = await console.menu()
    while not _in_view(title, menu) and (page := await console.move("pgdn")):
        menu = page
        seen.update(dict.fromkeys(menu.titles))
    above = menu.titles[: menu.titles.index(menu.highlighted)]
    key = "up" if any(names(title, shown) for shown in above) else "down"
    while not names(title, menu.highlighted):
        moved = await console.move(key)
        if moved is None:
            raise ProofError(f"the menu has no entry {title!r}; it has", problems=list(seen))
        menu = moved
        seen.update(dict.fromkeys(menu.titles))
    return menu


def _in_view(title: str, menu: Menu) -> bool:
    return any(names(title, shown) for shown in menu.titles)
