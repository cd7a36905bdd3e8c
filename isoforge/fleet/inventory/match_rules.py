"""What match keys must be to tell one machine from all others."""

from __future__ import annotations

from collections.abc import Iterator

from isoforge.fleet.inventory.view import View
from isoforge.fleet.smbios import is_placeholder
from isoforge.iso_layout import DETECT, TABLE_KEYS
from isoforge.problems import Problem


def check_match(view: View) -> Iterator[Problem]:
    """What is wrong with the match keys of a host, and with its name."""
    if view.host.name == DETECT:
        yield view.error((), f"{DETECT} is the menu's own name for the entry that detects the machine: take another")
    node = view.host.node.at(("match",))
    if node is not None and node.value == {}:
        yield view.warning(("match",), "is empty: nothing tells this machine from the others")
    for key in (*TABLE_KEYS, "mac"):
        written = view.host.node.at(("match", key))
        if written is not None and written.value in ("", []):
            yield view.error(("match", key), "is empty: the guard would have nothing to compare; leave it out")
        for path, value in view.texts("match", key):
            if not all(" " <= char <= "~" for char in value):
                yield view.error(path, "has characters other than printable ASCII, which the menu cannot compare")
            elif is_placeholder(value):
                said = f"{value!r} is what firmware says when nothing was set: many machines have it"
                yield view.error(path, said)
