"""A storage plan, played through before any disk is wiped: device by device, as curtin would act."""

from __future__ import annotations

import hashlib
import marshal
from collections.abc import Mapping, Sequence
from typing import Any

from isoforge.fleet.check import firmware
from isoforge.fleet.check.findings import Findings
from isoforge.fleet.check.plan import contents, duplicates, machine_disks, members, mounts, preserved, tables
from isoforge.fleet.check.plan.actions import read
from isoforge.fleet.check.plan.capacity import Capacity
from isoforge.yaml_limits import KeyPath

_IDENTITY = ("match", "serial", "path", "wwn", "name")
"""Fields that decide which disk it is, and nothing else about the plan: they differ from host to host."""

_REMEMBERED = 4096
_sound: set[bytes] = set()
"""Digests of plans in which nothing was found: most hosts of a fleet have the same plan, on other disks."""


def check(findings: Findings, config: list[Any], path: KeyPath, *, version: int = 1) -> None:
    """Report where the plan of the actions at ``path`` would break off, or where what it makes would not start.

    ``version`` is that of the storage section: 2 makes curtin place partitions by their offsets.
    """
    plan = read(config, path, version=version) if findings.disks else None
    disks = machine_disks.sizes_of(findings, plan) if plan is not None else {}
    digest = _digest(findings, config, version, disks)
    if digest in _sound:
        return
    plan = plan or read(config, path, version=version)
    own = Findings(findings.document, release=findings.release, firmware=findings.firmware)
    firmware.check(own, config, plan)
    duplicates.check(own, plan)
    tables.check(own, plan)
    members.check(own, plan)
    preserved.check(own, plan)
    mounts.check(own, plan)
    most = Capacity(findings=own, plan=plan, most=disks).play()
    contents.check(own, plan, most)
    for finding in own.all:
        findings.add(finding)
    if digest and not own.all and len(_sound) < _REMEMBERED:
        _sound.add(digest)


def _digest(findings: Findings, config: Sequence[Any], version: int, sizes: Mapping[str, int]) -> bytes:
    """What the findings depend on, as a digest (a plan may hold a passphrase); empty if it holds unusual types."""
    disks = [
        {key: value for key, value in action.items() if key not in _IDENTITY}
        if isinstance(action, dict) and action.get("type") == "disk"
        else action
        for action in config
    ]
    try:
        data = marshal.dumps([disks, findings.firmware, str(findings.release), version, dict(sizes)])
    except ValueError:
        return b""
    return hashlib.sha256(data).digest()
