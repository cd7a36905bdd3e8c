"""The serial ports of the hosts as GRUB drives them: the menu is shown there, too."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from isoforge.image.entry import MenuEntry

_PORT = re.compile(r"ttyS([0-3])(?:,([0-9]+)([noe])?([78])?r?)?")
"""The ports that GRUB's driver for 8250 UARTs knows (grub-core/term/ns8250.c: com0 to com3), as the kernel names them.
Others are those of arm64 boards and USB adapters: there, the firmware shows the menu on its own console."""

_PARITY = {"n": "no", "o": "odd", "e": "even"}

HOSTS_A_PATTERN = 100
"""Names in one regular expression: a word beyond 8 KiB ends GRUB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialPort:
    """A port: its number for GRUB, the ``options`` of its command serial, and patterns for the ``hosts`` that have it
    (regular expressions for a whole name; none if every host of the menu has this port)."""

    unit: int
    options: str
    hosts: tuple[str, ...]


def shared_console(entries: Sequence[MenuEntry]) -> str:
    """The serial console that all ``entries`` have; "" if there is none, or they differ."""
    consoles = {entry.serial_console for entry in entries}
    return consoles.pop() if len(consoles) == 1 else ""


def serial_ports(entries: Sequence[MenuEntry]) -> Iterator[SerialPort]:
    """The ports of ``entries`` that GRUB can show the menu on."""
    hosts: dict[str, list[str]] = {}
    for entry in entries:
        hosts.setdefault(entry.serial_console, []).append(entry.host)
    for console, names in hosts.items():
        port = _PORT.fullmatch(console)
        if port is None:
            continue
        parts = [names[start : start + HOSTS_A_PATTERN] for start in range(0, len(names), HOSTS_A_PATTERN)]
        patterns = tuple(f"^({'|'.join(part).replace('.', '[.]')})$" for part in parts)
        options = [f"--speed={port[2]}"] if port[2] else []
        options += [f"--parity={_PARITY[port[3]]}"] if port[3] else []
        options += [f"--word={port[4]}"] if port[4] else []
        yield SerialPort(unit=int(port[1]), options=" ".join(options), hosts=() if len(hosts) == 1 else patterns)
