"""md5sum.txt, kept up to date: casper checks the medium against it, and so do people."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import PurePosixPath

from isoforge.iso_layout import NOT_IN_MD5SUM_TXT


def refreshed(md5sums: str, staged: Mapping[PurePosixPath, bytes]) -> str:
    """``md5sums`` updated for the ``staged`` files: existing lines rewritten, lines of new files added at the end.

    A changed file that the base does not list stays unlisted (26.04 does not list grub.cfg), and no missing file is
    listed: casper waits ten seconds for each file that it cannot find.
    """
    fresh = {f".{path}": _md5(content) for path, content in staged.items()}
    lines = []
    for line in md5sums.splitlines():
        digest, _, name = line.partition("  ")
        lines.append(f"{fresh.pop(name, digest)}  {name}")
    lines += [f"{fresh[name]}  {name}" for name in sorted(fresh) if PurePosixPath(name).name not in NOT_IN_MD5SUM_TXT]
    return "".join(f"{line}\n" for line in lines)


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
