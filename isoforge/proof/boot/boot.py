"""One boot of an ISO in QEMU: an entry chosen in its real menu, and the report of the guest."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from isoforge.errors import ProofError
from isoforge.masking.text import mask_certain
from isoforge.ownership import replace_file, temporary_folder
from isoforge.proof.boot.console import Console, open_console, qemu_process
from isoforge.proof.boot.probe_report import Report, is_complete, parse_report
from isoforge.proof.boot.qemu import PROGRAMS, Firmware, Medium, qemu_arguments, serial_file
from isoforge.proof.boot.screen import Menu, is_entry, plain_text
from isoforge.run import Child

NO_BOOT_DEVICE = (
    r'No bootable device|BdsDxe: No bootable|BdsDxe: loading \w+ "(UiApp|EFI Firmware Setup|EFI Internal Shell)"'
)
"""How SeaBIOS and OVMF report that no other device can be started: OVMF ends in its own setup."""

F4_S = 1.0
"""How often F4 is pressed until a hidden menu shows up, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BootSpec:
    """One boot to do: ``iso`` on a machine with this firmware, from this medium.

    ``arch`` is the machine's architecture, as .disk/info names it. ``menu_path`` are titles from the menu inwards: each
    but the last is a submenu; empty: the menu's own countdown decides. ``timeout_s`` is for the whole boot, in seconds.
    ``local_disk_text`` is what a disk among ``extra_qemu_args`` writes on the screen when it is started; without one
    the firmware reports that it found none. ``disk_format`` is QEMU's name for the format of ``iso``, if that is not a
    plain ISO. A ``hidden`` menu shows up for a key, which stops its countdown: Enter then starts the default.
    """

    iso: Path
    firmware: Firmware
    medium: Medium
    arch: str = "amd64"
    menu_path: tuple[str, ...] = ()
    timeout_s: float = 300
    accelerator: str = "tcg"
    disk_format: str = "raw"
    hidden: bool = False
    extra_qemu_args: tuple[str, ...] = ()
    local_disk_text: str = ""

    def __str__(self) -> str:
        return f"{self.iso.name} on {self.firmware} from {self.medium}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BootResult:
    """The result of one boot.

    ``menu`` is the menu as it first came up. ``report`` is the probe's; None if the menu returned to the firmware and
    no kernel started: then ``fallback_message`` is the text that showed it, of the local disk or of a firmware that
    found nothing to start. ``serial`` is all output of the serial port; ``seconds`` is how long the boot took.
    """

    spec: BootSpec
    menu: Menu
    report: Report | None
    fallback_message: str
    seconds: float
    serial: str


def boot(
    spec: BootSpec,
    *,
    screenshot: Path | None = None,
    log: Path | None = None,
    cancel: threading.Event | None = None,
) -> BootResult:
    """Boot as ``spec`` says until the probe has reported or the firmware has gone on without it.

    A picture of the menu with the entry highlighted goes to ``screenshot`` (PNG), the output of the serial port to
    ``log``, also after a failure. The ISO is not written to, and nothing is left behind. Raises ``ProofError`` if
    there is no menu, no such entry in it, or no report from the guest in time (or before another thread has set
    ``cancel``); ``ToolError`` if QEMU or its firmware is missing or fails.
    """
    started = time.monotonic()
    cancel = cancel or threading.Event()
    with temporary_folder() as scratch:
        arguments = qemu_arguments(
            spec.iso,
            firmware=spec.firmware,
            medium=spec.medium,
            scratch=scratch,
            arch=spec.arch,
            accelerator=spec.accelerator,
            disk_format=spec.disk_format,
            extra=spec.extra_qemu_args,
        )
        try:
            with qemu_process(arguments, scratch=scratch, program=PROGRAMS[spec.arch]) as (machine, control):
                menu, fallback_message, serial = asyncio.run(
                    _watch(spec, machine, control, scratch=scratch, screenshot=screenshot, cancel=cancel)
                )
        finally:
            if log is not None and serial_file(scratch).is_file():
                output = serial_file(scratch).read_bytes().decode("utf-8", errors="surrogateescape")
                replace_file(log, mask_certain(output).encode("utf-8", errors="surrogateescape"))
    return BootResult(
        spec=spec,
        menu=menu,
        report=None if fallback_message else parse_report(serial),
        fallback_message=fallback_message,
        seconds=time.monotonic() - started,
        serial=serial,
    )


async def _watch(
    spec: BootSpec,
    machine: Child,
    control: socket.socket,
    *,
    scratch: Path,
    screenshot: Path | None,
    cancel: threading.Event,
) -> tuple[Menu, str, str]:
    """The menu as it came up, the fallback message (empty if the probe reported), and the output of the serial port."""
    async with open_console(machine, control, firmware=spec.firmware, scratch=scratch, cancel=cancel) as console:
        try:
            async with asyncio.timeout(spec.timeout_s):
                menu, fallback_message = await _operate(console, spec, screenshot)
        except TimeoutError:
            raise ProofError(
                f"{spec}: no report from the guest within {spec.timeout_s:g} s; its screen", problems=console.lines()
            ) from None
        return menu, fallback_message, console.serial


async def _operate(console: Console, spec: BootSpec, screenshot: Path | None) -> tuple[Menu, str]:
    """Do what an operator does: wait for the menu, choose, wait for the end.

    Returns the menu as it came up, and the fallback message (empty if the probe reported).
    """
    first = menu = await (_unhidden(console) if spec.hidden else console.menu())
    for title in spec.menu_path[:-1]:
        menu = await highlight(console, menu, title)
        await console.press("ret")
        menu = await console.menu(unlike=menu)
    if spec.menu_path:
        await highlight(console, menu, spec.menu_path[-1])
    if screenshot is not None:
        await console.screenshot(screenshot)
    before = len(console.serial)
    if spec.menu_path or spec.hidden:
        await console.press("ret")
    return first, await console.until(lambda: find_end(console.serial, before, spec.local_disk_text))


async def _unhidden(console: Console) -> Menu:
    """The menu, as soon as F4 has brought it up: nothing shows when GRUB begins to look for a key.

    Esc does the same in GRUB, but would open the setup of OVMF before (grub-core/normal/menu.c, run_menu).
    """
    while True:
        await console.press("f4")
        try:
            async with asyncio.timeout(F4_S):
                return await console.menu()
        except TimeoutError:
            continue


def find_end(serial: str, before: int, local_disk_text: str) -> str | None:
    """How the boot ended, by the output of the serial port: None if it has not ended, empty if the probe reported.

    Else the fallback message: ``local_disk_text``, or the firmware's, behind the first ``before`` characters.
    """
    if is_complete(serial):
        return ""
    local_disk = [re.escape(local_disk_text)] if local_disk_text else []
    match = re.search("|".join([*local_disk, NO_BOOT_DEVICE]), plain_text(serial[before:]))
    return match and match[0]


async def highlight(console: Console, menu: Menu, title: str) -> Menu:
    """Move the highlight to the entry ``title`` and return the menu then; ``ProofError`` if there is none."""
    titles = dict.fromkeys(menu.titles)
    if not _in_view(title, menu):
        await console.press("home")
        menu = await console.menu()
    while not _in_view(title, menu) and (page := await console.move("pgdn")):
        menu = page
        titles.update(dict.fromkeys(menu.titles))
    above = menu.titles[: menu.titles.index(menu.highlighted)]
    key = "up" if any(is_entry(title, row) for row in above) else "down"
    while not is_entry(title, menu.highlighted):
        after = await console.move(key)
        if after is None:
            raise ProofError(f"the menu has no entry {title!r}; its entries", problems=list(titles))
        menu = after
        titles.update(dict.fromkeys(menu.titles))
    return menu


def _in_view(title: str, menu: Menu) -> bool:
    return any(is_entry(title, row) for row in menu.titles)
