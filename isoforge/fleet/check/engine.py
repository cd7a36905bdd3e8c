"""Every mistake in a seed, found before a disk is touched: the rules, one after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from isoforge.base_contents import BaseContents
from isoforge.fleet.check import (
    access,
    commands,
    envelope,
    metadata,
    network,
    plain_secrets,
    releases,
    schema,
    sources,
    storage,
    system,
)
from isoforge.fleet.check.findings import Findings
from isoforge.fleet.check.plan.machine_disks import MachineDisk
from isoforge.problems import Problem
from isoforge.release import Release
from isoforge.yaml_reader import Document, read
from isoforge.yaml_tree import dotted

__all__ = ["check_meta_data", "check_user_data", "examine"]


def examine(findings: Findings) -> None:
    """Apply every rule about user-data to the parsed document of ``findings``."""
    autoinstall = envelope.check_top_level(findings, findings.document.data)
    plain_secrets.check(findings, findings.document.data)
    commands.check_scripts(findings, findings.document.data)
    if autoinstall:
        _examine_autoinstall(findings, autoinstall)


def _examine_autoinstall(findings: Findings, autoinstall: Mapping[str, Any]) -> None:
    schema.check(findings, autoinstall, ("autoinstall",), schema.validator("autoinstall"))
    releases.check(findings, autoinstall)
    access.check(findings, autoinstall)
    network.check(findings, autoinstall)
    storage.check(findings, autoinstall)
    commands.check(findings, autoinstall)
    system.check(findings, autoinstall)
    sources.check(findings, autoinstall)
    envelope.check_target(findings, autoinstall)


def check_user_data(
    content: bytes,
    *,
    file: str,
    scope: str = "",
    release: Release | None = None,
    firmware: str | None = None,
    base: BaseContents | None = None,
    disks: Sequence[MachineDisk] = (),
) -> list[Problem]:
    """Every problem of one user-data file that was written by hand, in the order of its lines.

    ``content`` is the file as it is (a byte order mark matters); ``file`` its name as the user would type it; ``scope``
    is whose it is (``hosts.NAME``). ``release`` is the base ISO's: keys that came later are reported; None if it is not
    known. ``firmware`` is ``uefi`` or ``bios`` if the host's is known: a list of storage actions serves only one of
    them. ``base`` is what the base ISO contains, if it is at hand, and ``disks`` are those of the machine.
    No part of a password, a key or a token is in a problem. Nothing is raised.
    """
    findings = Findings(Document(), release=release, firmware=firmware, base=base, disks=disks)
    if envelope.check_size(findings, content):
        text = envelope.decoded(findings, content)
        if text or not findings.all:
            envelope.check_first_line(findings, text)
        if text.strip():
            findings.document = read(text, file)
            findings.add_faults()
            if findings.document.readable:
                examine(findings)
    return reported(findings, file=file, scope=scope)


def check_meta_data(content: bytes, *, file: str, scope: str = "") -> list[Problem]:
    """Every problem of one meta-data file; ``file`` and ``scope`` as for `check_user_data`."""
    findings = Findings(Document())
    if envelope.check_size(findings, content):
        findings.document = read(envelope.decoded(findings, content), file)
        findings.add_faults()
        metadata.check(findings)
    return reported(findings, file=file, scope=scope)


def reported(findings: Findings, *, file: str, scope: str) -> list[Problem]:
    """What was found in the document that lies in ``file``, in the order of its lines."""
    problems = [
        Problem(
            id=one.id,
            file=file,
            line=findings.document.line(one.path) if one.line is None else one.line,
            scope=scope,
            key=dotted(one.path),
            message=one.message,
            severity=one.severity,
            leak=one.leak,
        )
        for one in findings.all
    ]
    return sorted(problems, key=lambda problem: (problem.line or 0, problem.key))
