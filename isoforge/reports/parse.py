"""Reports and events as they arrive: from machines that may be hostile, so nothing in them is taken as it is."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from isoforge.masking.text import mask

MAX_BYTES = 256 * 1024
"""Bytes of a report; the script's own has 81 lines of 400 bytes at most, and is below 64 KiB."""

STATES = ("installing", "installed", "failed")
"""What a report may say; that a host is waiting, or that a machine is unknown, follows from other things."""

_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
_BUILD = re.compile(r"[0-9a-f]{12}")
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_NOT_SHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""Control characters, those that change the direction of a text, and halves of characters."""

_MAX_DURATION_S = 10 * 365 * 24 * 3600


class ReportError(ValueError):
    """An invalid report or event; the text says why and quotes nothing of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One report: ``state`` of `STATES`, the ``step`` (while it installs, or where it failed), ``reason`` ("" without
    one). ``time`` and ``started_at`` are seconds since 1970 by the machine's clock, 0 where it gave none, and
    ``machine`` is the name of the machine: its serial number, UUID or first MAC address. ``body`` is the whole as JSON.
    """

    id: str
    build: str
    host: str
    state: str
    step: str
    reason: str
    time: float
    started_at: float
    duration_s: int
    machine: str
    body: str


def parse_report(content: bytes) -> Report:
    """The report in ``content``; raises `ReportError`. Secrets in the reason are masked once more."""
    document = _object(content)
    if document.get("schema_version") != 1:
        raise ReportError("schema_version is not 1")
    machine = document.get("machine")
    machine = machine if isinstance(machine, dict) else {}
    macs = machine.get("mac")
    names = [machine.get("serial"), machine.get("uuid"), *(macs if isinstance(macs, list) else [])]
    state = document.get("state")
    if state not in STATES:
        raise ReportError("state is none of those that exist")
    duration = document.get("duration_s")
    return Report(
        id=_matching(document, "id", _ID),
        build=_matching(document, "build", _BUILD),
        host=_matching(document, "host", _HOST),
        state=str(state),
        step=shown(document.get("step")),
        reason=shown(mask(shown(document.get("reason"), 1200)), 300),
        time=_seconds(document.get("time")),
        started_at=_seconds(document.get("started_at")),
        duration_s=duration if type(duration) is int and 0 <= duration < _MAX_DURATION_S else 0,
        machine=next((text for name in names if (text := shown(name))), ""),
        body=json.dumps(document, ensure_ascii=True),
    )


def parse_event(content: bytes) -> str:
    """The step that an event of the installer starts, "" for one that starts none (curtin, reporter/events.py)."""
    document = _object(content)
    name = document.get("name")
    if not isinstance(name, str) or document.get("event_type") not in ("start", "finish"):
        raise ReportError("not an event of the installer")
    return shown(name.removeprefix("subiquity/")) if document["event_type"] == "start" else ""


def shown(value: object, most: int = 100) -> str:
    """``value`` as one line of a text that can be shown anywhere, ``most`` characters at most; "" without a text."""
    return " ".join(_NOT_SHOWN.sub(" ", value[: most * 4]).split())[:most] if isinstance(value, str) else ""


def _object(content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise ReportError("not valid JSON") from None
    if not isinstance(document, dict):
        raise ReportError("not a JSON object")
    return document


def _matching(document: dict[str, Any], key: str, form: re.Pattern[str]) -> str:
    value = document.get(key)
    if not isinstance(value, str) or not form.fullmatch(value):
        raise ReportError(f"{key} is missing or invalid")
    return value


def _seconds(value: object) -> float:
    try:
        return datetime.fromisoformat(value).timestamp() if isinstance(value, str) else 0.0
    except (ValueError, OverflowError):
        return 0.0
