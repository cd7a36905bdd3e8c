"""md5sum.txt, kept true: casper reads the medium against it, and so do people."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

NEVER_LISTED = frozenset({"eltorito.img", "boot.catalog", "md5sum.txt"})
"""Base names that Ubuntu leaves out: the first two are rewritten with every repack (their own address is in them)."""


def refreshed(md5sums: str, staged: Mapping[PurePosixPath, Path]) -> str:
    """``md5sums`` with the lines of ``staged`` files made true: existing lines rewritten, new files added at the end.

    ``staged`` maps a file's place on the ISO to where it lies now. A changed file that the base does not list stays
    unlisted (26.04 leaves out grub.cfg): casper waits ten seconds for each listed file that it cannot find.
    """
    lines = []
    fresh = {f".{place}": file for place, file in staged.items()}
    for line in md5sums.splitlines():
        digest, _, name = line.partition("  ")
        file = fresh.pop(name, None)
        lines.append(f"{digest if file is None else _md5(file)}  {name}")
    added = [name for name in sorted(fresh) if _may_be_added(PurePosixPath(name))]
    lines += [f"{_md5(fresh[name])}  {name}" for name in added]
    return "".join(f"{line}\n" for line in lines)


def _may_be_added(name: PurePosixPath) -> bool:
    return name.name not in NEVER_LISTED and name != PurePosixPath("boot/grub/grub.cfg")


def _md5(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
