"""The disks of this machine as lsblk reports them: size, bus, serial, contents, and who uses them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from isoforge.errors import OutputError, ToolError
from isoforge.run import run

BY_ID = Path("/dev/disk/by-id")
"""Where udev keeps a link for each disk whose name contains its model and serial."""

LIST_HINT = "isoforge write --list shows the disks that can be written to"

_SYSFS = Path("/sys/dev/block")
"""A directory for each block device, named by its number (Linux, Documentation/ABI/testing/sysfs-dev)."""

_NO_NAMES = ("wwn-", "nvme-eui.", "nvme-nvme.", "scsi-", "lvm-", "dm-", "md-")
"""How links begin that do not contain a model for people."""

_DISKS = ("disk", "loop")
"""What lsblk calls a whole disk; a loop device shows a file as one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What keeps a disk in use: ``kind`` is ``mount`` or ``swap`` or the type of device on top of it, such as ``lvm``
    or ``raid1``; ``device`` is the disk or its partition, ``target`` the mount point or the name of that device."""

    kind: str
    device: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """One whole disk.

    ``number`` is the kernel's, as "8:16"; ``sequence`` changes when another medium takes its place (None where the
    kernel does not count). ``size`` is in bytes, ``sector`` the bytes of its smallest block. ``kind`` is ``disk`` or
    ``loop``, ``bus`` like ``usb`` ("" if unknown). ``contents`` are the file systems on it as "sdb1 vfat 'DATA'",
    ``signatures`` their types alone. ``link`` is its name in /dev/disk/by-id, "" without udev.
    """

    path: Path
    number: str
    size: int
    sector: int = 512
    kind: str = "disk"
    bus: str = ""
    model: str = ""
    serial: str = ""
    removable: bool = False
    read_only: bool = False
    contents: tuple[str, ...] = ()
    signatures: tuple[str, ...] = ()
    uses: tuple[Use, ...] = ()
    link: str = ""
    sequence: int | None = None

    @property
    def name(self) -> str:
        """Its path with its name in /dev/disk/by-id, for messages."""
        return f"{self.path} ({self.link})" if self.link else str(self.path)

    @property
    def answer(self) -> str:
        """What a person types to confirm that this disk is meant: its serial, or without one its name."""
        return self.serial or self.path.name


def read_disks() -> tuple[Disk, ...]:
    """Every disk of this machine that has a medium, in the kernel's order; ``ToolError`` if lsblk fails."""
    tree = _lsblk()
    _add_signatures(tree)
    links = {os.path.realpath(link): link.name for link in _links()}
    disks = (disk_of(node, device_type=_sysfs(node, "device/type")) for node in tree if is_disk(node))
    return tuple(
        replace(disk, link=links.get(str(disk.path), ""), sequence=_number(_sysfs({"maj:min": disk.number}, "diskseq")))
        for disk in disks
    )


def disk_at(path: Path) -> Disk:
    """The disk that ``path`` names: a device, or a link to one as in /dev/disk/by-id.

    Raises ``OutputError`` if it is anything else than a whole disk, ``ToolError`` if lsblk fails.
    """
    number = _number_at(path)
    disks = read_disks()
    for disk in disks:
        if disk.number == number:
            return replace(disk, link=path.name) if path.parent == BY_ID else disk
    for node, parent in _nodes(_lsblk()):
        if node["maj:min"] == number and node["type"] == "part" and parent is not None:
            hint = f"name the whole disk: {parent['path']}"
            raise OutputError(f"{path} is a partition of {parent['path']}, not a whole disk", hint=hint)
        if node["maj:min"] == number and node["type"] in _DISKS:
            raise OutputError(f"{path} has no medium", hint="insert a card or a stick")
        if node["maj:min"] == number:
            raise OutputError(f"{path} is not a whole disk but of type {node['type']}", hint=LIST_HINT)
    raise OutputError(f"{path} has no medium, or lsblk does not list it", hint=LIST_HINT)


def device_number(state: os.stat_result) -> str:
    """The number of the block device that ``state`` is of, as lsblk prints it: "8:16"."""
    return f"{os.major(state.st_rdev)}:{os.minor(state.st_rdev)}"


def is_disk(node: Mapping[str, Any]) -> bool:
    """Whether ``node`` of lsblk's output is a whole disk with a medium."""
    return node["type"] in _DISKS and bool(_number(node["size"])) and not node["name"].startswith(("zram", "ram"))


def disk_of(node: Mapping[str, Any], *, device_type: str = "") -> Disk:
    """The disk that ``node`` of ``lsblk --json --bytes --output-all`` describes.

    ``device_type`` is the file of that name in sysfs: it tells a soldered eMMC ("MMC") from a card ("SD").
    """
    parts = list(_nodes([node]))
    hotplug = _truth(node.get("hotplug")) and device_type != "MMC"
    return Disk(
        path=Path(node["path"]),
        number=node["maj:min"],
        size=_number(node["size"]) or 0,
        sector=_number(node.get("log-sec")) or 512,
        kind=node["type"],
        bus=_text(node.get("tran")) or _text(node.get("subsystems")).partition(":")[2].partition(":")[0],
        model=_model(node),
        serial=_text(node.get("serial")),
        removable=_truth(node.get("rm")) or hotplug or _text(node.get("tran")) == "usb",
        read_only=_truth(node.get("ro")),
        contents=tuple(_contents(parts)),
        signatures=tuple(sorted({_text(part.get("fstype")) for part, _ in parts} - {""})),
        uses=tuple(use for part, parent in parts for use in _uses(part, parent)),
    )


def _contents(parts: list[tuple[Mapping[str, Any], Mapping[str, Any] | None]]) -> Iterator[str]:
    """What is on a disk: its own file system, or those of its partitions, or the kind of its partition table."""
    disk = parts[0][0]
    nodes = [disk] if disk.get("fstype") else [node for node, _ in parts[1:] if node["type"] == "part"]
    for node in nodes:
        label = _text(node.get("label"))
        kind = _text(node.get("fstype")) or "unknown"
        name = "" if node is disk else f"{node['name']} "
        yield f"{name}{kind} {label!r}" if label else f"{name}{kind}"
    if not nodes and disk.get("pttype"):
        yield f"{disk['pttype']}, no partitions"


def _uses(node: Mapping[str, Any], parent: Mapping[str, Any] | None) -> Iterator[Use]:
    mounts = node.get("mountpoints") or [node.get("mountpoint")]
    for target in mounts:
        if target:
            yield Use(kind="swap" if target == "[SWAP]" else "mount", device=node["path"], target=target)
    if parent is not None and node["type"] != "part":
        yield Use(kind=node["type"], device=parent["path"], target=node["name"])


def _nodes(
    tree: list[Mapping[str, Any]], parent: Mapping[str, Any] | None = None
) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any] | None]]:
    """Every node of lsblk's ``tree`` with the one above it."""
    for node in tree:
        yield node, parent
        yield from _nodes(node.get("children", []), node)


def _lsblk() -> list[Mapping[str, Any]]:
    """The trees of all block devices. Every column, as an unknown one would be an error: versions differ in theirs."""
    text = run("lsblk", "--json", "--bytes", "--output-all", "--all")
    try:
        tree: list[Mapping[str, Any]] = json.loads(text)["blockdevices"]
    except (ValueError, KeyError, TypeError) as failure:
        raise ToolError(f"lsblk printed something else than its JSON: {failure}") from failure
    return tree


def _add_signatures(tree: list[Mapping[str, Any]]) -> None:
    """Have blkid look at disks and partitions of which lsblk knows no file system: without udev it knows none."""
    for node, _ in _nodes(tree):
        unknown = not (node.get("fstype") or node.get("pttype")) and node["type"] in (*_DISKS, "part")
        if unknown and _number(node["size"]) and os.access(node["path"], os.R_OK):
            with contextlib.suppress(ToolError):  # it exits with 2 if it finds nothing
                facts = facts_of(run("blkid", "--probe", "--output", "export", node["path"]))
                node.update(  # type: ignore[attr-defined]
                    fstype=facts.get("TYPE"), label=facts.get("LABEL"), pttype=facts.get("PTTYPE")
                )


def facts_of(export: str) -> dict[str, str]:
    """The values in the output of ``blkid --output export``, which has a backslash before blanks."""
    pairs = (line.partition("=") for line in export.splitlines())
    return {key: re.sub(r"\\(.)", r"\1", value) for key, _, value in pairs}


def _number_at(path: Path) -> str:
    """The number of the block device ``path``, links followed; ``OutputError`` if it is not one."""
    try:
        state = path.stat()
    except FileNotFoundError:
        what = f"is a link to {path.readlink()}, which does not exist" if path.is_symlink() else "does not exist"
        raise OutputError(f"{path} {what}", hint=LIST_HINT) from None
    except OSError as failure:
        raise OutputError(f"cannot open {path}: {failure.strerror}", hint=LIST_HINT) from failure
    if not stat.S_ISBLK(state.st_mode):
        raise OutputError(f"{path} is not a block device", hint=LIST_HINT)
    return device_number(state)


def _links() -> list[Path]:
    """The links in /dev/disk/by-id that name a model, the preferred one of a disk last."""
    with contextlib.suppress(OSError):
        return sorted((link for link in BY_ID.iterdir() if not link.name.startswith(_NO_NAMES)), reverse=True)
    return []


def _sysfs(node: Mapping[str, Any], file: str) -> str:
    """The content of ``file`` in the sysfs directory of a device, "" if there is none."""
    with contextlib.suppress(OSError):
        return (_SYSFS / str(node["maj:min"]) / file).read_text("utf-8", errors="replace").strip()
    return ""


def _model(node: Mapping[str, Any]) -> str:
    """Vendor and model, without the number or the "ATA" that some buses have for a vendor."""
    vendor, model = _text(node.get("vendor")), _text(node.get("model"))
    return model if vendor.startswith(("0x", "ATA")) or model.startswith(vendor) else f"{vendor} {model}".strip()


def _text(value: object) -> str:
    return str(value).strip() if value is not None else ""


def _truth(value: object) -> bool:
    """A flag: true or, in lsblk before 2.33, "1"."""
    return value in (True, "1")


def _number(value: object) -> int | None:
    """A number, which lsblk before 2.33 prints as text."""
    with contextlib.suppress(ValueError, TypeError):
        return int(str(value))
    return None
