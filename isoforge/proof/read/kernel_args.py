"""The kernel arguments that name a seed, read as cloud-init reads them."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from isoforge.iso_layout import CDROM

_SEED = re.compile(r"(?:^|;)(?:s|seedfrom)=([^;]*)")


def seed_address(word: str) -> str:
    """The address of the seed that a kernel argument ``ds=nocloud;s=…`` names; empty for any other argument."""
    match = _SEED.search(word.partition(";")[2]) if word.startswith("ds=nocloud") else None
    return match[1] if match else ""


def seed_folder(word: str) -> PurePosixPath | None:
    """The folder on the ISO that a kernel argument names as the seed; None if it names none, or one chosen at boot."""
    address = seed_address(word).removeprefix("file://")
    if not f"{address}/".startswith(f"{CDROM}/") or "$" in address or "__dmi." in address or "%s" in address:
        return None
    return PurePosixPath("/", address.removeprefix(str(CDROM)).strip("/"))
