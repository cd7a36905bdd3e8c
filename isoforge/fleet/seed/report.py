"""The report: the commands by which a seed says how its installation ended, and what they need on the medium."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isoforge.fleet.inventory.host import Host
from isoforge.fleet.seed.scripts import command
from isoforge.seed_format import REPORT

START, END, ERROR = "start", "end", "error"
"""When the script runs: after the guard, when the system is installed, and when the installation has failed."""

EVENTS = "events"
"""What follows the address of a receiver, with the host behind it, for the installer's own events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Where and how a host reports: the keys of ``report`` in the inventory, "" where nothing was written."""

    url: str = ""
    ca: str = ""
    timeout_s: int = 60
    serial: str = ""
    webhook: bool = False

    @property
    def ca_file(self) -> str:
        """The name of the file with `ca` in `iso_layout.REPORT_FOLDER`; the same certificates are there once."""
        return f"{hashlib.sha256(self.ca.encode()).hexdigest()[:16]}.pem" if self.ca else ""

    @property
    def words(self) -> list[str]:
        """What the script is told, as KEY=VALUE; defaults are left out."""
        known = {"url": self.url, "ca": self.ca_file if self.url else "", "serial": self.serial}
        limit = [f"timeout={self.timeout_s}"] if self.timeout_s != Receiver().timeout_s else []
        return [*(f"{key}={value}" for key, value in known.items() if value), *limit]


def receiver_of(host: Host) -> Receiver | None:
    """Where ``host`` reports; None if it does not (``report.enabled: false``)."""
    values = host.values["report"]
    if values["enabled"] is False:
        return None
    return Receiver(
        url=str(values["url"] or ""),
        ca=str(values["ca"] or ""),
        timeout_s=timeout if isinstance(timeout := values["timeout"], int) else Receiver().timeout_s,
        serial=str(values["serial"] or ""),
        webhook=values["webhook"] is True,
    )


def report_command(
    mode: str, host: str, receiver: Receiver, templates: Sequence[Path], scripts: Mapping[str, str] | None = None
) -> list[str]:
    """The command that runs the script for ``host``; it never fails."""
    return command(REPORT, host, templates, mode, host, *receiver.words, scripts=scripts)


def with_report(
    section: Mapping[str, Any], host: Host, templates: Sequence[Path], scripts: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The autoinstall ``section`` with the report's commands: before the user's own early-commands, after his late- and
    error-commands. A list that is invalid is kept unchanged: the check of seeds refuses it."""
    receiver = receiver_of(host)
    if receiver is None:
        return dict(section)
    start, end, error = (
        [report_command(mode, host.name, receiver, templates, scripts)] for mode in (START, END, ERROR)
    )
    lists = {name: section.get(name) or [] for name in ("early-commands", "late-commands", "error-commands")}
    around = {"early-commands": (start, []), "late-commands": ([], end), "error-commands": ([], error)}
    reported = {
        name: [*around[name][0], *commands, *around[name][1]]
        for name, commands in lists.items()
        if isinstance(commands, list)
    }
    return {**section, **reported, **_webhook(section, host, receiver)}


def _webhook(section: Mapping[str, Any], host: Host, receiver: Receiver) -> dict[str, Any]:
    """The installer's ``reporting`` section with the receiver beside those of the user, if it is wanted."""
    known = section.get("reporting") or {}
    if not (receiver.webhook and receiver.url and isinstance(known, Mapping)):
        return {}
    endpoint = f"{receiver.url.rstrip('/')}/{EVENTS}/{host.name}"
    return {"reporting": {"isoforge": {"type": "webhook", "endpoint": endpoint}, **known}}


def commonest(receivers: Iterable[Receiver]) -> Receiver:
    """The receiver of most hosts, for a machine that no host fits; the first of several."""
    every = list(receivers)
    return max(every, key=every.count, default=Receiver())
