"""The form of the files of submenus and look-ups: of a large fleet, those that have it need not all be evaluated."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from isoforge.iso_layout import LOOPBACK_FOLDER, MACHINES_FOLDER, MENU_FOLDER
from isoforge.proof.read.image import Image

SUBMENU_FOLDERS = (MENU_FOLDER, LOOPBACK_FOLDER)
"""Where the files of submenus are."""

_TEXT = r"(?:[A-Za-z0-9_./:=,+@%-]|\\.|'[^']*')+"
_CONDITION = rf'"x\$isoforge_[a-z_]+" = {_TEXT}'
_MACHINE_LINE = re.compile(
    rf"#.*|(?:el)?if \[ {_CONDITION}(?: -a {_CONDITION})* \]; then|fi|\tset isoforge_several=yes"
    rf"|\tisoforge_fits {_TEXT} [0-9]+(?: {_TEXT} {_TEXT})?"
)
_MENU_LINE = re.compile(
    rf'menuentry {_TEXT}(?:"\$\{{isoforge_here_[0-9]+\}}")? --id {_TEXT}(?: --unrestricted)? \{{|\}}|\ttrue'
    rf"|\tset gfxpayload=keep|\tlinux(?: {_TEXT}| iso-scan/filename=\$\{{iso_path\}})+|\tinitrd {_TEXT}"
)


def unusual_files(image: Image) -> Iterator[PurePosixPath]:
    """The files of submenus and look-ups with a line that `multi` would not write."""
    for path in image.tree:
        form = (
            _MENU_LINE if path.parent in SUBMENU_FOLDERS else _MACHINE_LINE if MACHINES_FOLDER in path.parents else None
        )
        if form is not None and path.suffix == ".cfg":
            lines = image.text(path).splitlines()
            if not all(not line or form.fullmatch(line) for line in lines):
                yield path
