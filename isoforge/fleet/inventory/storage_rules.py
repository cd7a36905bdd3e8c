"""Which disks a host gives up, and whether its layout can be built on them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from isoforge.fleet.inventory.view import View
from isoforge.problems import Problem
from isoforge.yaml_tree import Path_

_PINNING = ("serial", "model", "path", "id_path", "devpath")
_WRITTEN_OUT = ("partitions", "raid1")
_LEAST_LITERAL = 3
"""A glob with fewer characters of its own than this fits disks that nobody thought of."""


def check_storage(view: View) -> Iterator[Problem]:
    """What is wrong with ``storage``; nothing if the raw section replaces it or a person answers it."""
    asked = {text for _, text in view.texts("interactive_sections")}
    if view.has("autoinstall", "storage") or asked & {"storage", "*"}:
        return
    layout = view.text("storage", "layout") or "lvm"
    yield from _check_disks(view, layout)
    yield from _check_extras(view, layout)
    if layout in _WRITTEN_OUT:
        yield from _check_partitions(view)


def _check_disks(view: View, layout: str) -> Iterator[Problem]:
    right, wrong = ("disks", "disk") if layout == "raid1" else ("disk", "disks")
    if view.has("storage", wrong):
        cure = "takes the two of storage.disks" if layout == "raid1" else "takes the one of storage.disk"
        yield view.error(("storage", wrong), f"layout {layout} {cure}")
    if layout != "raid1":
        yield from _check_disk(view, ("storage", "disk"))
        return
    disks = view.items("storage", right)
    if len(disks) != 2 and (disks or not view.has("storage", right)):
        yield view.error(("storage", right), f"raid1 needs two disks to mirror, not {len(disks) or 'none'}")
    for number in range(len(disks)):
        yield from _check_disk(view, ("storage", right, number))
    serials = [view.text("storage", right, number, "serial").strip("*") for number in range(len(disks))]
    if len(serials) == 2 and serials[0] and serials[0] == serials[1]:
        yield view.error(("storage", right, 1, "serial"), "is the serial number of the first disk")


def _check_disk(view: View, path: Path_) -> Iterator[Problem]:
    if not view.entries(*path):
        text = "is missing: say which disk may be wiped, best by its serial (lsblk -o NAME,MODEL,SERIAL)"
        yield view.error(path, text)
        return
    for key in _PINNING:
        node = view.host.node.at((*path, key))
        if node is not None and isinstance(node.value, str):
            yield from _check_pattern(view, (*path, key), node.value)
    if not any(view.has(*path, key) for key in _PINNING):
        text = "any disk of the machine could be meant: add its serial, model or path"
        yield view.warning(path, text)


def _check_pattern(view: View, path: Path_, pattern: str) -> Iterator[Problem]:
    if path[-1] == "path" and pattern.startswith("/dev/disk/"):
        yield view.error(path, "the installer knows kernel paths only (/dev/sda, /dev/nvme0n1): use serial instead")
    elif path[-1] == "path" and not pattern.startswith("/"):
        yield view.error(path, f"{pattern!r} is no path: it begins with /dev/")
    elif path[-1] == "serial" and pattern.startswith("REPLACE-"):
        text = "stands for a serial number that nobody has written yet: no disk fits, and nothing can be installed"
        yield view.warning(path, text)
    elif len(re.sub(r"\[.*?\]|[*?]", "", pattern)) < _LEAST_LITERAL:
        yield view.error(path, "fits almost any disk: write more of it out")


def _check_extras(view: View, layout: str) -> Iterator[Problem]:
    if layout == "direct" and view.has("storage", "passphrase"):
        text = "layout direct cannot encrypt: take lvm, zfs, partitions or raid1"
        yield view.error(("storage", "passphrase"), text)
    passphrase = view.host.node.at(("storage", "passphrase"))
    if passphrase is not None and passphrase.value == "":
        yield view.error(("storage", "passphrase"), "is empty")
    if layout != "lvm" and view.has("storage", "sizing_policy"):
        yield view.error(("storage", "sizing_policy"), f"is for layout lvm, not for {layout}")
    if layout not in _WRITTEN_OUT and view.has("storage", "partitions"):
        text = f"layout {layout} makes its own partitions: take layout partitions or raid1"
        yield view.error(("storage", "partitions"), text)


def _check_partitions(view: View) -> Iterator[Problem]:
    if not view.has("storage", "partitions"):
        return
    parts = view.items("storage", "partitions")
    mounts: dict[str, int] = {}
    for number in range(len(parts)):
        path = ("storage", "partitions", number)
        mount = view.text(*path, "mount")
        yield from _check_mount(view, (*path, "mount"), mount, mounts)
        mounts.setdefault(mount, number)
        if number < len(parts) - 1 and not view.has(*path, "size"):
            yield view.error((*path, "size"), "is missing: only the last partition takes all that is left")
    if "/" not in mounts:
        yield view.error(("storage", "partitions"), "none of them is mounted at /")


def _check_mount(view: View, path: Path_, mount: str, taken: dict[str, int]) -> Iterator[Problem]:
    if not mount:
        yield view.error(path, "is missing: where is it mounted? (swap for swap space)")
    elif mount == "/boot/efi":
        yield view.error(path, "is made by itself; storage.esp_size is its size")
    elif mount != "swap" and not re.fullmatch(r"/|(/[A-Za-z0-9._@-]+)+", mount):
        yield view.error(path, f"{mount!r} is no absolute path")
    elif mount in taken:
        yield view.error(path, f"{mount} is mounted twice")
