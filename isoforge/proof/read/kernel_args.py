"""Kernel arguments: those that name a seed, read as cloud-init reads them, and those with secrets, masked."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from isoforge.iso_layout import CDROM
from isoforge.masking.names import secret_kind
from isoforge.masking.text import mask

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


def masked_line(line: str) -> str:
    """A kernel line with its secrets masked: passwords in addresses, and arguments whose name means a secret."""
    is_harmless = "://" not in line and not any(secret_kind(word.partition("=")[0]) for word in line.split())
    return line if is_harmless else mask(line)
