"""Which disk an install may wipe: match keys, and the ways in which they could hit the install medium.

Source: the installer compares each pattern with the whole udev value (fnmatch), ignores match keys that it does not
know, and leaves the medium out only where ``size`` or ``ssd`` is asked for (facts seen in its code, 23.10 to 26.04).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from isoforge.fleet.check.findings import Findings, items, mapping, text
from isoforge.fleet.check.installers import LEAVES_OUT_THE_MEDIUM
from isoforge.yaml_limits import KeyPath

PLACEHOLDER = "REPLACE-"
"""How the serial number of a disk begins that nobody has looked up yet (`isoforge new-host`)."""

_WILD = re.compile(r"[*?\[]")
_PATTERNS = ("serial", "model", "path", "id_path", "devpath")
_LEAST_LITERAL = 3
"""A pattern with fewer characters of its own than this fits disks that nobody thought of."""

_NEVER_A_STICK = re.compile(r"/dev/(nvme|vd|xvd|dasd|pmem)")
_WHOLE_ID = re.compile(r"(3|0x|eui\.|nvme\.|uuid\.|wwn|t10\.)[0-9A-Za-z.]{6,}|[0-9a-fA-F]{16,}")
"""An ID_SERIAL that is a world-wide name: such disks (SAS, some NVMe) have no MODEL_SERIAL there."""

_KNOWN = frozenset({"serial", "model", "vendor", "path", "id_path", "devpath", "ssd", "size", "install-media"})


def check_match(findings: Findings, match: Any, path: KeyPath) -> None:
    """Check a match, or each of a list of matches; its keys and types are for the schema."""
    if isinstance(match, dict):
        _check_one(findings, match, path)
    for index, one in enumerate(items(match)):
        if isinstance(one, dict):
            _check_one(findings, one, (*path, index))


def _check_one(findings: Findings, match: Mapping[str, Any], path: KeyPath) -> None:
    wide = False
    for key in (*_PATTERNS, "vendor"):
        if text(match.get(key)):
            wide |= _check_pattern(findings, key, match[key], (*path, key))
    if match.get("install-media") is True:
        findings.error("disk-is-medium", (*path, "install-media"), "asks for the install medium itself to be wiped")
        return
    if wide or pinned(match) or _misspelt(match):
        return
    release = findings.release
    excluded = match.get("size") in ("largest", "smallest") or isinstance(match.get("ssd"), bool)
    if excluded:
        if release is not None and not LEAVES_OUT_THE_MEDIUM.holds(release):
            message = f"the installer of {release} may pick the install medium here: match the serial as well"
            findings.warning("disk-maybe-medium-on-release", path, message)
    elif not match:
        message = "matches any disk, the install medium too: add a serial, or `size: largest`"
        findings.error("disk-any", path, message)
    elif set(match) <= {"model", "vendor"} and not _only_wild(match):
        message = "could match the install medium too: add `size: largest`, which excludes it"
        findings.warning("disk-maybe-medium", path, message)
    else:
        message = "could match the install medium: add a serial, or `size: largest`, which excludes it"
        findings.error("disk-any", path, message)


def _misspelt(match: Mapping[str, Any]) -> bool:
    """Whether the schema has refused part of the match: what is left of it is not what was meant."""
    return bool(set(match) - _KNOWN) or match.get("size") not in (None, "largest", "smallest")


def pinned(match: Mapping[str, Any]) -> bool:
    """Whether the match can only hit one disk, or disks of a kind that no install medium is."""
    for key in ("serial", "id_path", "devpath"):
        value = text(match.get(key))
        if len(re.sub(r"\[[^]]*\]|[*?]", "", value)) >= 4 and "usb" not in value:
            return True
    return bool(_NEVER_A_STICK.match(text(match.get("path"))))


def _only_wild(match: Mapping[str, Any]) -> bool:
    return any(not re.sub(r"[*?]", "", text(value)) for value in match.values())


def _check_pattern(findings: Findings, key: str, value: str, path: KeyPath) -> bool:
    """Report what is wrong with one pattern; whether it fits almost any disk."""
    wild = bool(_WILD.search(value))
    if key == "path" and check_path(findings, value, path):
        return False
    if key in _PATTERNS and len(re.sub(r"\[.*?\]|[*?]", "", value)) < _LEAST_LITERAL:
        findings.error("disk-pattern-too-wide", path, "matches almost any disk: write more of it out")
        return True
    if key == "serial" and value.strip("*").startswith(PLACEHOLDER):
        message = "is a placeholder for a serial number: no disk matches, and nothing can be installed"
        findings.warning("disk-serial-placeholder", path, message)
    elif key in {"serial", "model"} and " " in value:
        message = "never matches: udev writes spaces as underscores; do the same"
        findings.error("disk-never-matches", path, message)
    elif key == "serial" and not wild and "_" not in value and not _WHOLE_ID.fullmatch(value):
        message = f"must equal the whole ID_SERIAL, mostly MODEL_SERIAL: write '*{value}*' for the serial number alone"
        findings.warning("disk-serial-alone", path, message)
    elif key == "model" and not wild and value.isalpha():
        message = f"must equal the whole ID_MODEL: write '{value}*' for every disk of that make"
        findings.warning("disk-make-alone", path, message)
    return False


def check_path(findings: Findings, path: str, where: KeyPath) -> bool:
    """Report a disk's path that never matches, and whether it is one: the installer knows kernel names only."""
    if path.startswith("/dev/disk/"):
        message = "never matches: the installer compares kernel names (/dev/nvme0n1); use a serial in place of by-id"
    elif not path.startswith("/dev/") and not _WILD.match(path):
        message = "never matches: the path of a disk begins with /dev/"
    else:
        return False
    findings.error("disk-never-matches", where, message)
    return True


def check_disk(findings: Findings, disk: Mapping[str, Any], path: KeyPath) -> None:
    """Check how a disk action names its disk: exact serial, else exact path, else a match."""
    serial, device = text(disk.get("serial")), text(disk.get("path"))
    if serial:
        if _WILD.search(serial):
            message = "is compared literally: a pattern belongs into `match: {serial: …}`"
            findings.error("disk-never-matches", (*path, "serial"), message)
        elif " " in serial:
            message = "never matches: udev writes spaces as underscores; do the same"
            findings.error("disk-never-matches", (*path, "serial"), message)
    elif device:
        if _WILD.search(device):
            message = "is compared literally: a pattern belongs into `match: {path: …}`"
            findings.error("disk-never-matches", (*path, "path"), message)
        else:
            check_path(findings, device, (*path, "path"))
        if device.startswith("/dev/sd"):
            message = f"{device} may be another disk at the next boot, or the install medium: use its serial instead"
            findings.warning("disk-by-changing-path", (*path, "path"), message)
    elif "match" in disk:
        check_match(findings, disk["match"], (*path, "match"))
    elif not any(disk.get(key) for key in ("wwn", "device_id", "nvme_controller", "multipath")):
        message = "names no disk, so any could be taken, the install medium too: add serial, path or match"
        findings.error("disk-any", path, message)


def check_same_disk(findings: Findings, disks: list[tuple[KeyPath, Mapping[str, Any]]]) -> None:
    """Report where two disk actions ask for the same disk, which the installer cannot give twice."""
    claims: set[tuple[str, str]] = set()
    for path, disk in disks:
        match = mapping(disk.get("match"))
        names = {
            ("serial", text(disk.get("serial")).strip("*") or text(match.get("serial")).strip("*")): "serial",
            ("path", text(disk.get("path")) or text(match.get("path"))): "path",
        }
        for (key, value), field in sorted(names.items()):
            if not value or _WILD.search(value):
                continue
            if (key, value) in claims:
                where = (*path, field) if text(disk.get(field)) else (*path, "match", field)
                message = f"asks for the same disk as an entry above: {key} {value}"
                findings.error("disk-twice", where, message)
                break
            claims.add((key, value))
