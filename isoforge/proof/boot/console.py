"""A running machine: its screen as the serial port shows it, its keyboard, and screenshots."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from qemu.qmp import QMPClient, QMPError

from isoforge.errors import ProofError, ToolError
from isoforge.ownership import replace_file
from isoforge.proof.boot.qemu import QEMU, Firmware, qmp_socket, serial_file
from isoforge.proof.boot.screen import Menu, Screen, ppm_to_png
from isoforge.run import Child, running

# Without a handler of its own, what this library logs would end up on stderr.
logging.getLogger("qemu.qmp").addHandler(logging.NullHandler())

STILL_S = 0.4
"""A menu without a countdown counts as drawn when the machine has run for so long without a change of the screen.

Seconds of QEMU's processor time: on a busy machine, QEMU may not run at all for longer than that.
"""

IDLE_FACTOR = 10
"""After so many times as much real time without a change, the screen counts as still: the machine idles."""

LISTEN_S = 0.05
"""How often the output of the serial port is read, in seconds."""

KEY_S = 8.0
"""How long GRUB may take to react to a key, in seconds, before the key counts as without effect."""

ROW_S = 0.1
"""How long the screen has to be still after a key, in seconds as for `STILL_S`: rows are drawn letter by letter."""

END_S = 5.0
"""How long QEMU may take to exit after it closed its control connection, in seconds."""

T = TypeVar("T")


class Console:
    """Screen and keyboard of a machine; ``serial`` is all output of its serial port so far."""

    def __init__(
        self,
        *,
        firmware: Firmware,
        machine: Child,
        qmp: QMPClient,
        scratch: Path,
        cancel: threading.Event,
    ) -> None:
        self.serial = ""
        self._screen = Screen(firmware)
        self._machine = machine
        self._qmp = qmp
        self._scratch = scratch
        self._cancel = cancel
        self._read_bytes = 0

    async def until(self, result: Callable[[], T | None]) -> T:
        """The first ``result`` that is not None; ``ProofError`` if the machine powers off, or the boot is cancelled."""
        while True:
            if self._cancel.is_set():
                raise ProofError("cancelled")
            off = not self._machine.is_alive()
            self.listen()
            if (value := result()) is not None:
                return value
            if off:
                raise ProofError("the machine powered itself off; its screen", problems=self.lines())
            await asyncio.sleep(LISTEN_S)

    def listen(self) -> bool:
        """Read the new output of the serial port; whether there was any."""
        with serial_file(self._scratch).open("rb") as port:
            port.seek(self._read_bytes)
            chunk = port.read()
        self._read_bytes += len(chunk)
        self.serial += self._screen.feed(chunk)
        return bool(chunk)

    async def menu(self, unlike: Menu | None = None) -> Menu:
        """The menu on the screen, as soon as it is completely drawn and its titles are not those of ``unlike``."""

        def new() -> Menu | None:
            menu = self._screen.menu()
            return None if unlike and menu and menu.titles == unlike.titles else menu

        while True:
            menu = await self.until(new)
            # GRUB draws the countdown last; without one only stillness shows that the menu is complete.
            if menu.countdown or await self._still(STILL_S):
                return menu

    async def press(self, key: str) -> None:
        """Press and release one key, by its QEMU name."""
        await self._qmp.execute("send-key", {"keys": [{"type": "qcode", "data": key}]})

    async def move(self, key: str) -> Menu | None:
        """Press ``key`` in the menu and return the menu when the highlight has moved; None if it does not move."""
        before = self._screen.menu()

        def menu_after() -> Menu | None:
            menu = self._screen.menu()
            return menu if menu and before and menu.highlighted != before.highlighted else None

        await self.press(key)
        try:
            async with asyncio.timeout(KEY_S):
                await self.until(menu_after)
                while not await self._still(ROW_S):
                    pass
        except TimeoutError:
            return None
        return self._screen.menu()

    async def screenshot(self, png: Path) -> None:
        """Write a picture of the screen to ``png``."""
        ppm = self._scratch / "screen.ppm"
        await self._qmp.execute("screendump", {"filename": str(ppm)})
        replace_file(png, ppm_to_png(ppm.read_bytes()))

    def lines(self) -> list[str]:
        """The lines on the screen that are not empty."""
        return [line.strip() for line in self._screen.lines() if line.strip()]

    async def _still(self, seconds: float) -> bool:
        """Whether the screen does not change while the machine runs for ``seconds``; False at the first change."""
        end_s, before_s = time.monotonic() + IDLE_FACTOR * seconds, self._processor_time_s()
        while self._processor_time_s() - before_s < seconds and time.monotonic() < end_s:
            await asyncio.sleep(LISTEN_S)
            if self.listen():
                return False
        return not self.listen()

    def _processor_time_s(self) -> float:
        """The processor time that QEMU has used so far, in seconds; 0 if it has ended."""
        try:
            fields = Path(f"/proc/{self._machine.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime and stime (proc_pid_stat(5))


@contextlib.contextmanager
def qemu_process(
    arguments: Sequence[str], *, scratch: Path, program: str = QEMU
) -> Iterator[tuple[Child, socket.socket]]:
    """Start QEMU's ``program``: the process and its QMP connection; it has ended when the block is left.

    QEMU connects to the socket `qmp_socket`, which exists before it starts. Raises ``ToolError`` with the end of QEMU's
    error output if it does not start, or fails inside the block.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(qmp_socket(scratch)))
        listening.listen()
        listening.settimeout(LISTEN_S)
        with running(program, *arguments) as machine:
            try:
                with _accept(listening, machine) as control:
                    yield machine, control
            except ProofError:
                _refuse_failed(machine)
                raise
            except QMPError as failure:
                _refuse_failed(machine, timeout_s=END_S)
                raise ToolError(f"{program} closed its control connection: {failure}") from failure


def _accept(listening: socket.socket, machine: Child) -> socket.socket:
    """QEMU's connection to ``listening``; QEMU exits at once if it rejects an argument."""
    while True:
        try:
            control, _ = listening.accept()
        except TimeoutError:
            _refuse_failed(machine)
        else:
            return control


def _refuse_failed(machine: Child, *, timeout_s: float = 0) -> None:
    """Raise ``ToolError`` if ``machine`` has ended with an error of its own, or does within ``timeout_s`` seconds."""
    if machine.is_alive() and not timeout_s:
        return
    with contextlib.suppress(TimeoutError):
        machine.wait(timeout_s or None)


@contextlib.asynccontextmanager
async def open_console(
    machine: Child,
    control: socket.socket,
    *,
    firmware: Firmware,
    scratch: Path,
    cancel: threading.Event,
) -> AsyncIterator[Console]:
    """The console of ``machine``, whose QMP connection is ``control``; waiting at it ends when ``cancel`` is set."""
    qmp = QMPClient("isoforge")
    await qmp.connect(control)
    try:
        yield Console(firmware=firmware, machine=machine, qmp=qmp, scratch=scratch, cancel=cancel)
    finally:
        # The machine may have ended before.
        with contextlib.suppress(QMPError, EOFError, ConnectionError):
            await qmp.disconnect()
