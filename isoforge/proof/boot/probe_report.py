"""The report of the probe in a guest."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from isoforge.errors import ProofError

BEGIN = "isoforge-probe begin 1"
END = re.compile(r"^isoforge-probe end ([0-9a-f]{64})\r?$", re.MULTILINE)
FACT = "isoforge-probe "

VIEWS = ("device", "partition")
"""The two views of a medium: as a CD drive shows it, and as casper mounts a USB stick."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The facts that the probe found in a booted guest.

    ``kernel_line`` is /proc/cmdline; ``kernel`` is uname -r; ``firmware`` is "bios" or "uefi"; ``secure_boot`` is
    "on", "off" or "absent"; ``medium`` is the device that was mounted at /cdrom, empty if none was found;
    ``seed_folder`` is where cloud-init would look, empty if the kernel line names nothing; ``seed`` has the SHA-256 of
    user-data, meta-data and vendor-data there (None: missing); ``views`` has for "device" and "partition" that of each
    file of every seed in that view, by its path under /nocloud (None: the view cannot be read); ``uuid`` identified the
    medium; ``failed_modules`` are the kernel modules that did not load.
    """

    kernel_line: str
    kernel: str
    firmware: str
    secure_boot: str
    uuid: str
    medium: str
    on_partition: bool
    seed_folder: str
    seed: Mapping[str, str | None]
    views: Mapping[str, Mapping[str, str] | None]
    failed_modules: tuple[str, ...]


def is_complete(serial: str) -> bool:
    """Whether the probe has finished its report."""
    return END.search(serial) is not None


def parse_report(serial: str) -> Report:
    """The report in ``serial``, the output of the serial port; ``ProofError`` if it is missing or damaged."""
    end = END.search(serial)
    begin = serial.rfind(BEGIN, 0, end.start() if end else None)
    if end is None or begin < 0:
        raise ProofError("the guest did not report")
    lines = serial[begin : end.start()].replace("\r", "").splitlines()[1:]
    digest = hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()
    if digest != end[1]:
        raise ProofError("the guest's report was damaged on the serial port")
    facts: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line.removeprefix(FACT).partition(" ")
        facts.setdefault(name, []).append(value)
    try:
        return _read(facts)
    except ValueError as failure:
        raise ProofError("the guest's report cannot be understood: a line of it lacks a value") from failure


def _read(facts: Mapping[str, list[str]]) -> Report:
    def one(name: str) -> str:
        value = facts.get(name, [""])[0]
        return "" if value == "none" else value

    def digests(name: str) -> dict[str, str | None]:
        pairs = (value.rsplit(" ", 1) for value in facts.get(name, []))
        return {subject: None if digest == "missing" else digest for subject, digest in pairs}

    return Report(
        kernel_line=one("kernel-line"),
        kernel=one("uname"),
        firmware=one("firmware"),
        secure_boot=one("secure-boot"),
        uuid=one("uuid"),
        medium=one("medium"),
        on_partition=one("on-partition") == "yes",
        seed_folder=one("seed-folder"),
        seed=digests("seed"),
        views=_views(facts),
        failed_modules=tuple(facts.get("module-failed", [])),
    )


def _views(facts: Mapping[str, list[str]]) -> dict[str, dict[str, str] | None]:
    unreadable = facts.get("view-unreadable", [])
    views: dict[str, dict[str, str] | None] = {view: None if view in unreadable else {} for view in VIEWS}
    for line in facts.get("view", []):
        view, digest, file = line.split(" ", 2)
        files = views.get(view)
        if files is not None:
            files[file] = digest
    return views
