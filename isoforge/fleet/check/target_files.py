"""The files for a host's installed system: where they come from, where they go, and how large they are."""

from __future__ import annotations

import re

from isoforge.fleet.check.host_view import HostView
from isoforge.fleet.seed.target_files import MOST_BYTES, read_source, target_files
from isoforge.masking.spans import PASSWORD_HASH
from isoforge.masking.text import find
from isoforge.release import Release
from isoforge.yaml_limits import KeyPath

_NOT_ON_DISK = ("/proc", "/sys", "/dev", "/run", "/tmp", "/cdrom", "/boot/isoforge")  # noqa: S108  refused
"""What is not on the installed system's disk, and the folder of isoforge's own stamps."""


def check_target_files(view: HostView, release: Release | None) -> None:
    """Report each file that could not be put where it is to go, or would not be what was meant."""
    for target, entry in view.entries("files").items():
        path: KeyPath = ("files", target)
        reason = _wrong_path(target)
        if reason:
            view.error("file-path-invalid", path, f"{target!r} {reason}")
        values = entry.mapping or {}
        if ("source" in values) == ("content" in values):
            view.error("file-source-missing", path, "needs either a source or content")
        elif "source" in values:
            _check_source(view, path)
        if view.text(*path, "content") and not values["content"].secret:
            _check_text(view, (*path, "content"), view.text(*path, "content"))
        user = view.text(*path, "owner").partition(":")[0]
        has_early_user = release is not None and release.series >= "26.04"
        if user and user == view.text("identity", "username") and not has_early_user:
            message = f"{user} is created at the first start by installers before 24.04.4: write '1000:1000'"
            view.warning("file-owner-late", (*path, "owner"), message)
    total = sum(len(file.content) for file in target_files(view.host))
    if total > MOST_BYTES:
        message = f"have {total >> 20} MiB together, the limit is {MOST_BYTES >> 20} MiB: use multi --add"
        view.error("files-too-large", ("files",), message)


def _wrong_path(target: str) -> str:
    """Why a file cannot be at ``target``; "" if it can."""
    if not target.startswith("/") or re.search(r"//|/\.{1,2}(/|$)|/$", target):
        return "is not an absolute path without '..' and double slashes"
    if not target.isprintable() or len(target) > 1000:
        return "has control characters, or is too long"
    taken = next((folder for folder in _NOT_ON_DISK if f"{target}/".startswith(f"{folder}/")), None)
    return f"is in {taken}, which is not kept" if taken else ""


def _check_source(view: HostView, path: KeyPath) -> None:
    node = view.host.node.at((*path, "source"))
    if node is None or not isinstance(node.value, str):
        return
    try:
        content = read_source(node)
    except ValueError as error:
        view.error("file-source-missing", (*path, "source"), str(error))
    except OSError as error:
        view.error("file-source-missing", (*path, "source"), f"{node.value} cannot be read: {error.strerror}")
    else:
        _check_text(view, (*path, "source"), content[: 1 << 20].decode("utf-8", errors="replace"))


def _check_text(view: HostView, path: KeyPath, text: str) -> None:
    """Files of the inventory are not encrypted, and anyone who has the ISO can read them."""
    kinds = [span.kind for span in find(text) if span.certain and span.kind != PASSWORD_HASH]
    if kinds:
        message = f"holds a secret ({kinds[0]}) in plain text: put it into secrets.sops.yaml, as content"
        view.warning("file-secret", path, message, leak=True)
