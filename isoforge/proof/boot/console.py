"""A machine that runs: its screen as the serial port shows it, its keyboard, and its picture."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import sh
from qemu.qmp import QMPClient, QMPError

from isoforge.errors import ProofError, ToolError
from isoforge.proof.boot.picture import ppm_to_png
from isoforge.proof.boot.qemu import QEMU, Firmware, qmp_socket, serial_file
from isoforge.proof.boot.screen import Menu, Screen
from isoforge.run import exit_error, running

# Without a handler of its own, what this library logs would end up on stderr.
logging.getLogger("qemu.qmp").addHandler(logging.NullHandler())

STILL_S = 0.4
"""A menu without a countdown counts as drawn when the screen has been still for so long, in seconds."""

LISTEN_S = 0.05
"""How often the serial port is looked at, in seconds."""

KEY_S = 8.0
"""How long GRUB may take to answer a key, in seconds, before it counts as having nothing to answer."""

ROW_S = 0.1
"""How long the screen has to be still after a key, in seconds: rows are drawn letter by letter."""

END_S = 5.0
"""How long QEMU may take to end after it hung up, in seconds."""

T = TypeVar("T")


class Console:
    """What an operator in front of the machine has; ``serial`` is all that came over the serial port so far."""

    def __init__(
        self,
        *,
        firmware: Firmware,
        machine: sh.RunningCommand,
        qmp: QMPClient,
        scratch: Path,
        given_up: threading.Event,
    ) -> None:
        self.serial = ""
        self._screen = Screen(firmware)
        self._machine = machine
        self._qmp = qmp
        self._scratch = scratch
        self._given_up = given_up
        self._read_bytes = 0

    async def until(self, seen: Callable[[], T | None]) -> T:
        """What ``seen`` finds, asked again and again; ``ProofError`` if the machine goes off, or is given up."""
        while True:
            if self._given_up.is_set():
                raise ProofError("nobody waits for it any more")
            off = not self._machine.is_alive()
            self.listen()
            if (found := seen()) is not None:
                return found
            if off:
                raise ProofError("the machine switched itself off; on its screen", problems=self.lines())
            await asyncio.sleep(LISTEN_S)

    def listen(self) -> bool:
        """Take in what came over the serial port since the last time; whether something came."""
        with serial_file(self._scratch).open("rb") as port:
            port.seek(self._read_bytes)
            chunk = port.read()
        self._read_bytes += len(chunk)
        self.serial += self._screen.feed(chunk)
        return bool(chunk)

    async def menu(self, unlike: Menu | None = None) -> Menu:
        """The menu on the screen, as soon as it is drawn to its end and lists something else than ``unlike``."""

        def new() -> Menu | None:
            menu = self._screen.menu()
            return None if unlike and menu and menu.titles == unlike.titles else menu

        while True:
            menu = await self.until(new)
            # GRUB draws the countdown last; without one there is no last word.
            if menu.counting or await self._still(STILL_S):
                return menu

    async def press(self, key: str) -> None:
        """Press and let go one key, by its QEMU name."""
        await self._qmp.execute("send-key", {"keys": [{"type": "qcode", "data": key}]})

    async def move(self, key: str) -> Menu | None:
        """Press ``key`` in the menu and return the menu when the highlight has moved; None if it does not move."""
        before = self._screen.menu()

        def moved() -> Menu | None:
            menu = self._screen.menu()
            return menu if menu and before and menu.highlighted != before.highlighted else None

        await self.press(key)
        try:
            async with asyncio.timeout(KEY_S):
                await self.until(moved)
                while not await self._still(ROW_S):
                    pass
        except TimeoutError:
            return None
        return self._screen.menu()

    async def picture(self, png: Path) -> None:
        """Write a picture of the screen to ``png``."""
        ppm = self._scratch / "screen.ppm"
        await self._qmp.execute("screendump", {"filename": str(ppm)})
        png.write_bytes(ppm_to_png(ppm.read_bytes()))

    def lines(self) -> list[str]:
        """What stands on the screen, without empty lines."""
        return [line.strip() for line in self._screen.lines() if line.strip()]

    async def _still(self, seconds: float) -> bool:
        await asyncio.sleep(seconds)
        return not self.listen()


@contextlib.contextmanager
def powered_on(arguments: Sequence[str], *, scratch: Path) -> Iterator[tuple[sh.RunningCommand, socket.socket]]:
    """Start QEMU with ``arguments`` and hand out the process and its QMP; it has ended when the block is left.

    It calls us: the socket `qmp_socket` is there before it starts. Raises ``ToolError`` with QEMU's last words if it
    does not start, or fails inside the block.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(qmp_socket(scratch)))
        listening.listen()
        listening.settimeout(LISTEN_S)
        with running(QEMU, *arguments) as machine:
            try:
                with _called(listening, machine) as control:
                    yield machine, control
            except ProofError:
                _refuse_failed(machine)
                raise
            except QMPError as failure:
                _refuse_failed(machine, timeout_s=END_S)
                raise ToolError(f"{QEMU} hung up: {failure}") from failure


def _called(listening: socket.socket, machine: sh.RunningCommand) -> socket.socket:
    """QEMU's call on ``listening``; QEMU ends at once if it does not like something."""
    while True:
        try:
            control, _ = listening.accept()
        except TimeoutError:
            _refuse_failed(machine)
        else:
            return control


def _refuse_failed(machine: sh.RunningCommand, *, timeout_s: float = 0) -> None:
    """Raise ``ToolError`` if ``machine`` has ended with an error of its own, or does within ``timeout_s`` seconds."""
    if machine.is_alive() and not timeout_s:
        return
    try:
        machine.wait(timeout=timeout_s or None)
    except sh.TimeoutException:
        return
    except sh.ErrorReturnCode as failure:
        raise exit_error(QEMU, failure) from None


@contextlib.asynccontextmanager
async def operated(
    machine: sh.RunningCommand,
    control: socket.socket,
    *,
    firmware: Firmware,
    scratch: Path,
    given_up: threading.Event,
) -> AsyncIterator[Console]:
    """The console of ``machine``, whose QMP is ``control``; whoever waits at it stops when ``given_up`` is set."""
    qmp = QMPClient("isoforge")
    await qmp.connect(control)
    try:
        yield Console(firmware=firmware, machine=machine, qmp=qmp, scratch=scratch, given_up=given_up)
    finally:
        # The machine may have gone before.
        with contextlib.suppress(QMPError, EOFError, ConnectionError):
            await qmp.disconnect()
