"""What a base ISO says about itself, read without xorriso: its release, and what it can install."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from isoforge.base_contents import BaseContents, base_contents
from isoforge.errors import BaseIsoError
from isoforge.image.disk_info import read_disk_info
from isoforge.image.tree import Node, read_file, read_tree
from isoforge.iso_layout import CASPER, DISK_INFO, INSTALL_SOURCES
from isoforge.release import Release

_KERNELS = {"ga": "vmlinuz", "hwe": "hwe-vmlinuz"}
_MOST_BYTES = 1 << 20
"""A file that is read here has a few hundred bytes."""


def read_contents(path: Path, tree: Mapping[PurePosixPath, Node]) -> BaseContents:
    """What the ISO at ``path`` contains, whose files are ``tree``."""
    return base_contents(
        _text(path, tree, INSTALL_SOURCES),
        kernels=[name for name, file in _KERNELS.items() if CASPER / file in tree],
        size_bytes=path.stat().st_size,
    )


def read_release(path: Path) -> tuple[Release, BaseContents]:
    """The release of the Ubuntu ISO at ``path``, and its contents, for a check of seeds without a build.

    Raises ``BaseIsoError`` if it cannot be read, or is not an ISO of Ubuntu.
    """
    try:
        tree = read_tree(path)
        title = _text(path, tree, DISK_INFO)
        info = read_disk_info(title)
        if info is None:
            raise BaseIsoError(f"{path} is not an ISO of Ubuntu: its .disk/info is {title[:80]!r}")
        return info.release, read_contents(path, tree)
    except OSError as failure:
        raise BaseIsoError(f"cannot read base ISO {path}: {failure.strerror}") from failure


def _text(path: Path, tree: Mapping[PurePosixPath, Node], file: PurePosixPath) -> str:
    """The text of ``file``; "" if there is none, or it is far larger than such a file."""
    node = tree.get(file)
    if node is None or node.kind != "file" or node.size > _MOST_BYTES:
        return ""
    return read_file(path, node).decode("utf-8", errors="replace")
