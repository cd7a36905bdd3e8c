"""Boot an ISO in QEMU, choose an entry in its real menu, and listen to what the guest says."""

from __future__ import annotations

import asyncio
import re
import socket
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import sh

from isoforge.errors import ProofError
from isoforge.proof.console import Console, operated, powered_on
from isoforge.proof.machine import Firmware, Medium, qemu_arguments
from isoforge.proof.report import Report, is_complete, parse_report
from isoforge.proof.screen import Menu, names

WENT_ON = re.compile(r"No bootable device|Boot failed: not a bootable disk|BdsDxe: (No bootable|failed to)")
"""How SeaBIOS and OVMF say that what they started came back, and that they went on to the next device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What was seen in one boot.

    ``menu`` is the menu as it first came up; ``report`` is what the probe said, None if ``went_on``: then the menu
    gave the machine back to the firmware, which looked for the next device, and no kernel started. ``serial`` is all
    that came over the serial port; ``seconds`` is how long the boot took.
    """

    firmware: Firmware
    medium: Medium
    menu: Menu
    report: Report | None
    went_on: bool
    seconds: float
    serial: str


def boot(
    iso: Path,
    *,
    firmware: Firmware,
    medium: Medium,
    choose: Sequence[str] = (),
    timeout_s: float = 120,
    screenshot: Path | None = None,
    log: Path | None = None,
    accelerator: str = "tcg",
    extra_qemu_args: Sequence[str] = (),
) -> Sighting:
    """Boot ``iso`` and return what was seen, when the probe has reported or the firmware went on without it.

    ``choose`` are titles from the menu inwards: each but the last is a submenu; with none, the menu's own countdown
    decides. A picture of the menu with the entry highlighted goes to ``screenshot`` (PNG), what came over the serial
    port to ``log``. ``iso`` is not written to, and nothing is left behind. Raises ``ProofError`` if there is no menu,
    no such entry in it, or no word from the guest within ``timeout_s`` seconds; ``ToolError`` if QEMU or its firmware
    is missing or fails.
    """
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="isoforge-") as folder:
        scratch = Path(folder)
        arguments = qemu_arguments(
            iso, firmware=firmware, medium=medium, scratch=scratch, accelerator=accelerator, extra=extra_qemu_args
        )

        async def watch(machine: sh.RunningCommand, control: socket.socket) -> tuple[Menu, str]:
            async with operated(machine, control, firmware=firmware, scratch=scratch) as console:
                try:
                    async with asyncio.timeout(timeout_s):
                        menu = await operate(console, choose=choose, screenshot=screenshot)
                except TimeoutError:
                    raise ProofError(
                        f"{iso.name} on {firmware}, {medium}: no word from the guest in {timeout_s:g} s; on its screen",
                        problems=console.lines(),
                    ) from None
                finally:
                    if log is not None:
                        log.write_text(console.serial, encoding="utf-8")
            return menu, console.serial

        with powered_on(arguments, scratch=scratch) as (machine, control):
            menu, serial = asyncio.run(watch(machine, control))
    report = parse_report(serial) if is_complete(serial) else None
    return Sighting(
        firmware=firmware,
        medium=medium,
        menu=menu,
        report=report,
        went_on=report is None,
        seconds=time.monotonic() - started,
        serial=serial,
    )


async def operate(console: Console, *, choose: Sequence[str], screenshot: Path | None) -> Menu:
    """Do what an operator does: wait for the menu, choose, wait for the end; return the menu as it came up."""
    first = menu = await console.menu()
    for title in choose[:-1]:
        menu = await highlight(console, menu, title)
        await console.press("ret")
        menu = await console.menu(unlike=menu)
    if choose:
        await highlight(console, menu, choose[-1])
    if screenshot is not None:
        await console.picture(screenshot)
    before = len(console.serial)
    if choose:
        await console.press("ret")
    await console.until(lambda: is_complete(console.serial) or WENT_ON.search(console.serial, before) or None)
    return first


async def highlight(console: Console, menu: Menu, title: str) -> Menu:
    """Move the highlight to the entry ``title`` and return the menu then; ``ProofError`` if there is none."""
    seen = dict.fromkeys(menu.titles)
    key = "down"
    if any(names(title, shown) for shown in menu.titles[: menu.titles.index(menu.highlighted)]):
        key = "up"
    elif not any(names(title, shown) for shown in menu.titles):
        menu = await console.move("home") or menu
    while not names(title, menu.highlighted):
        moved = await console.move(key)
        if moved is None:
            raise ProofError(f"the menu has no entry {title!r}; it has", problems=list(seen))
        menu = moved
        seen.update(dict.fromkeys(menu.titles))
    return menu
