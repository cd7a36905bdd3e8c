"""Which disk an install may wipe: match keys, and the ways in which they could hit the install medium.

Source: the installer compares each pattern with the whole udev value (fnmatch), ignores match keys that it does not
know, and leaves the medium out only where ``size`` or ``ssd`` is asked for (facts seen in its code, 23.10 to 26.04).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from isoforge.fleet.check.document import Route
from isoforge.fleet.check.findings import Findings, items, mapping, text
from isoforge.fleet.check.releases import Release

_WILD = re.compile(r"[*?\[]")
_NEVER_A_STICK = re.compile(r"/dev/(nvme|vd|xvd|dasd|pmem)")
_WHOLE_ID = re.compile(r"(3|0x|eui\.|nvme\.|uuid\.|wwn|t10\.)[0-9A-Za-z.]{6,}|[0-9a-fA-F]{16,}")
"""An ID_SERIAL that is a world-wide name: such disks (SAS, some NVMe) have no MODEL_SERIAL there."""


def check_match(found: Findings, match: Any, route: Route, release: Release | None) -> None:
    """Judge a match, or each of a list of matches; its keys and types have been judged by the schema."""
    if isinstance(match, dict):
        _check_one(found, match, route, release)
    for index, one in enumerate(items(match)):
        if isinstance(one, dict):
            _check_one(found, one, (*route, index), release)


def _check_one(found: Findings, match: Mapping[str, Any], route: Route, release: Release | None) -> None:
    for key in ("serial", "model", "vendor", "path", "id_path", "devpath"):
        if text(match.get(key)):
            _check_pattern(found, key, match[key], (*route, key))
    if match.get("install-media") is True:
        found.error((*route, "install-media"), "asks for the install medium itself to be wiped")
        return
    if pinned(match) or _misspelt(match):
        return
    excluded = match.get("size") in ("largest", "smallest") or isinstance(match.get("ssd"), bool)
    if excluded:
        if release is not None and release.before("23.10") and not release.refreshed:
            said = f"the installer of {release} may pick the install medium here: match the serial as well"
            found.warning(route, said)
    elif not match:
        found.error(route, "matches any disk, the install medium too: add a serial, or `size: largest`")
    elif set(match) <= {"model", "vendor"} and not _too_wide(match):
        found.warning(route, "could match the install medium too: add `size: largest`, which leaves it out")
    else:
        found.error(route, "could match the install medium: add a serial, or `size: largest`, which leaves it out")


def _misspelt(match: Mapping[str, Any]) -> bool:
    """Whether the schema has refused part of the match: what is left of it is not what was meant."""
    return bool(set(match) - _KNOWN) or match.get("size") not in (None, "largest", "smallest")


_KNOWN = frozenset({"serial", "model", "vendor", "path", "id_path", "devpath", "ssd", "size", "install-media"})


def pinned(match: Mapping[str, Any]) -> bool:
    """Whether the match can only hit one disk, or disks of a kind that no install medium is."""
    for key in ("serial", "id_path", "devpath"):
        value = text(match.get(key))
        if len(re.sub(r"\[[^]]*\]|[*?]", "", value)) >= 4 and "usb" not in value:
            return True
    return bool(_NEVER_A_STICK.match(text(match.get("path"))))


def _too_wide(match: Mapping[str, Any]) -> bool:
    return any(not re.sub(r"[*?]", "", text(value)) for value in match.values())


def _check_pattern(found: Findings, key: str, value: str, route: Route) -> None:
    wild = bool(_WILD.search(value))
    if key == "path":
        check_path(found, value, route)
    elif key in {"serial", "model"} and " " in value:
        found.error(route, f"never matches: udev writes blanks as underscores ({value.replace(' ', '_')!r})")
    elif key == "serial" and not wild and "_" not in value and not _WHOLE_ID.fullmatch(value):
        said = (
            f"must equal the whole ID_SERIAL, mostly MODEL_SERIAL: write '*{value}*' if this is the serial number alone"
        )
        found.warning(route, said)
    elif key == "model" and not wild and value.isalpha():
        found.warning(route, f"must equal the whole ID_MODEL: write '{value}*' for every disk of that make")


def check_path(found: Findings, path: str, route: Route) -> None:
    """Judge a disk's path: the installer knows disks by their kernel names only."""
    if path.startswith("/dev/disk/"):
        found.error(route, "never matches: the installer compares kernel names (/dev/nvme0n1); use a serial for by-id")
    elif not path.startswith("/dev/") and not _WILD.match(path):
        found.error(route, "never matches: the path of a disk begins with /dev/")


def check_disk(found: Findings, disk: Mapping[str, Any], route: Route, release: Release | None) -> None:
    """Judge how a disk action names its disk: exact serial, else exact path, else a match."""
    serial, path = text(disk.get("serial")), text(disk.get("path"))
    if serial:
        if _WILD.search(serial):
            found.error((*route, "serial"), "is compared as it stands: a pattern belongs into `match: {serial: …}`")
        elif " " in serial:
            said = f"never matches: udev writes blanks as underscores ({serial.replace(' ', '_')!r})"
            found.error((*route, "serial"), said)
    elif path:
        if _WILD.search(path):
            found.error((*route, "path"), "is compared as it stands: a pattern belongs into `match: {path: …}`")
        else:
            check_path(found, path, (*route, "path"))
        if path.startswith("/dev/sd"):
            said = f"{path} may be another disk at the next boot, or the install medium: name the disk by its serial"
            found.warning((*route, "path"), said)
    elif "match" in disk:
        check_match(found, disk["match"], (*route, "match"), release)
    elif not any(disk.get(key) for key in ("wwn", "device_id", "nvme_controller", "multipath")):
        found.error(
            route, "names no disk, so that any would be taken, the install medium too: add serial, path or match"
        )


def check_same_disk(found: Findings, disks: list[tuple[Route, Mapping[str, Any]]]) -> None:
    """Say where two disk actions ask for the same disk, which the installer cannot give twice."""
    taken: dict[tuple[str, str], str] = {}
    for route, disk in disks:
        match = mapping(disk.get("match"))
        names = {
            ("serial", text(disk.get("serial")).strip("*") or text(match.get("serial")).strip("*")),
            ("path", text(disk.get("path")) or text(match.get("path"))),
        }
        for key, value in sorted(names):
            if not value or _WILD.search(value):
                continue
            if (key, value) in taken:
                found.error(route, f"asks for the same disk as {taken[key, value]!r} ({key} {value})")
                break
            taken[key, value] = text(disk.get("id"))
