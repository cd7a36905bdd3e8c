"""A seed on an ISO of its own, for use beside the untouched official ISO."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from isoforge.image.xorriso import xorriso
from isoforge.iso_layout import CIDATA


def write_cidata(draft: Path, files: Mapping[str, bytes], staging: Path) -> None:
    """Write ``draft``, a small ISO with ``files``, by their path; ``staging`` is an empty private folder.

    Raises ``ToolError`` if xorriso fails. The draft is readable only by its owner.
    """
    for name, content in files.items():
        path = staging / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(content)
    xorriso(
        "-outdev", f"stdio:{draft}", "-as", "mkisofs", "-r", "-J", "-V", CIDATA, "-graft-points", "/=.", cwd=staging
    )
    draft.chmod(0o600)
