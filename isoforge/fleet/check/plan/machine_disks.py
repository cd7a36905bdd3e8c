"""The disks that a machine has, as the inventory lists them, and which of them a storage plan means.

Source: the installer's code that selects disks: patterns are compared with the whole udev value (fnmatch), and of the
disks that fit, `size` selects one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from isoforge.fleet.check.findings import Findings, items, mapping, text
from isoforge.fleet.check.plan.actions import Plan
from isoforge.fleet.check.plan.sizes import GIB, parsed, readable
from isoforge.yaml_limits import KeyPath

_COMPARED = ("serial", "model", "path")

_LEAST = 4 * GIB
"""The smallest disk on which a layout of the installer has room for a standard server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineDisk:
    """A disk of the machine; "" and None stand for what is not known. ``serial`` is udev's ID_SERIAL, or a part."""

    serial: str = ""
    model: str = ""
    path: str = ""
    size_bytes: int | None = None

    def may_fit(self, match: Mapping[str, Any]) -> bool:
        """Whether the disk fits the ``match`` in everything that is known of it."""
        for key in _COMPARED:
            pattern, known = text(match.get(key)), getattr(self, key)
            if not pattern or not known or fnmatchcase(known, pattern):
                continue
            if key != "serial" or known not in pattern:  # ID_SERIAL has the model before the serial number
                return False
        return True


def disks_of(listed: Any) -> tuple[MachineDisk, ...]:
    """The disks in ``listed``, the value of `hardware.disks`; what has another form is reported elsewhere."""
    disks = []
    for one in map(mapping, items(listed)):
        size = parsed(one["size"]) if one.get("size") is not None else None
        known = {key: text(one.get(key)).replace(" ", "_") for key in _COMPARED}
        disks.append(MachineDisk(**known, size_bytes=size.bytes if size is not None else None))
    return tuple(disks)


def sizes_of(findings: Findings, plan: Plan) -> dict[str, int]:
    """How large the disks of ``plan`` are at most, by the ids of their actions; a disk that the machine does not have
    is reported."""
    sizes: dict[str, int] = {}
    for action in plan.of("disk") if findings.disks else ():
        key = next((key for key in ("serial", "path", "match") if action.fields.get(key)), "")
        match = action.fields.get("match", {}) if key in ("", "match") else {key: action.fields[key]}
        most = largest(findings, match, action.at(key) if key else action.path)
        if most is not None:
            sizes[action.id] = most
    return sizes


def largest(findings: Findings, match: Any, path: KeyPath) -> int | None:
    """The size in bytes of the disk that ``match`` (one or a list) selects, at most; None if it is not known.

    A match that none of the machine's disks fits is reported at ``path``.
    """
    matches = [mapping(one) for one in items(match)] or [mapping(match)]
    for one in matches:
        fitting = [disk for disk in findings.disks if disk.may_fit(one)]
        if fitting:
            known = [disk.size_bytes for disk in fitting if disk.size_bytes is not None]
            if len(known) < len(fitting):
                return None
            return min(known) if one.get("size") == "smallest" else max(known)
    names = ", ".join(_name(disk) for disk in findings.disks)
    findings.error("disk-not-in-machine", path, f"fits none of the machine's disks (hardware.disks): {names}")
    return None


def check_layout(findings: Findings, match: Any, path: KeyPath) -> None:
    """Report a layout whose ``match``, at ``path``, no disk of the machine fits, or none that is large enough."""
    if not findings.disks:
        return
    size = largest(findings, match, path)
    if size is not None and size < _LEAST:
        message = f"the disk has {readable(size)}: a server needs at least {readable(_LEAST)}"
        findings.error("disk-too-small", path, message)


def _name(disk: MachineDisk) -> str:
    names: Sequence[str] = [disk.serial or disk.model or disk.path or "a disk"]
    size = "" if disk.size_bytes is None else f" ({readable(disk.size_bytes)})"
    return f"{names[0]}{size}"
