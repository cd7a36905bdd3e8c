"""The entry "Detect this machine": its seed finds out whose machine it runs on, from a table on the medium."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from isoforge.errors import InventoryError
from isoforge.fleet.inventory.host import Host
from isoforge.fleet.seed.guard import match_pairs
from isoforge.fleet.seed.render import HEADER, Seed
from isoforge.fleet.seed.report import ERROR, Receiver, report_command
from isoforge.fleet.seed.scripts import command
from isoforge.fleet.smbios import normalised
from isoforge.iso_layout import AUTOINSTALL, DETECT, EARLY_COMMANDS, EMPTY_FIELD, TABLE_KEYS
from isoforge.templates import dump
from isoforge.yaml_limits import load

__all__ = ["bare_autoinstall", "detect_files", "detect_seed", "early_script", "match_table"]

NO_DISK = {"layout": {"name": "direct", "match": {"serial": "*no-disk-detection-did-not-finish*", "size": "largest"}}}
"""Storage that fits no machine: whatever went wrong, the seed that only looks can never install anything itself."""

_WORD = rb'    - (?:[A-Za-z/][A-Za-z0-9_/.-]*|"(?:[^"\\\n]|\\["\\])*")\n'
_SECTION = re.compile(rb"(?:#[^\n]*\n)+autoinstall:\n(?:(?:  [^\n]*)?\n)+(?:[^ \n#](?s:.*))?")
_OWN_ALONE = re.compile(
    rb"(?:#[^\n]*\n)+autoinstall:\n  version: 1\n(?:  early-commands:\n(?:  - - sh\n(?:%s)+)+)?(?=  [a-z])" % _WORD
)
"""The user-data out of which templates/guard/detect.j2 takes the autoinstall section, and isoforge's own commands."""


def detect_seed(*, templates: Sequence[Path], receiver: Receiver | None = None) -> Seed:
    """The seed of the entry "Detect this machine", for the folder `DETECT` beside those of the hosts.

    It holds no secret. Its one early-command reads /isoforge/hosts.tsv on the medium
    (`match_table`); of the one host that fits it puts the autoinstall section in place of this seed's own config and
    runs the early-commands, both from the host's folder (`detect_files`). If none or several fit, it fails before a
    disk is looked at; with a ``receiver``, it reports that.
    """
    section: dict[str, Any] = {
        "version": 1,
        "early-commands": [command(DETECT, DETECT, templates)],
        **({"error-commands": [report_command(ERROR, DETECT, receiver, templates)]} if receiver else {}),
        "user-data": {},
        "storage": NO_DISK,
    }
    return Seed(
        host=DETECT,
        user_data=f"{HEADER}\n{dump({'autoinstall': section})}".encode(),
        meta_data=dump({"instance-id": DETECT}).encode(),
        vendor_data=b"",
        match=(),
    )


def match_table(hosts: Iterable[Host]) -> bytes:
    """What /isoforge/hosts.tsv says: a line for each host with match keys, its fields apart by tabs.

    Name, serial, uuid, product, asset_tag, baseboard_serial, and the MAC addresses with commas between them; each as
    `normalised`, "-" where none was given.
    """
    lines = []
    for host in hosts:
        if not match_pairs(host.match):
            continue
        fields = [normalised(getattr(host.match, key)) for key in TABLE_KEYS]
        macs = ",".join(normalised(mac) for mac in host.match.mac)
        lines.append("\t".join([host.name, *(field or EMPTY_FIELD for field in (*fields, macs))]) + "\n")
    return "".join(lines).encode()


def detect_files(seed: Seed) -> dict[str, bytes]:
    """The files, by name, that detection needs beside the files of ``seed``, which is as it is on the ISO.

    There are none for a seed that isoforge has rendered, unless the host has early-commands of its own: then the script
    that runs them all. A seed that was written by hand may need its autoinstall section once more, by itself.
    """
    files = {}
    if b"\n  version: 1\n" not in seed.user_data or not _SECTION.fullmatch(seed.user_data):
        files[AUTOINSTALL] = bare_autoinstall(seed)
    leading = _OWN_ALONE.match(seed.user_data)
    if AUTOINSTALL in files or leading is None or b"early-commands" in seed.user_data[leading.end() :]:
        files[EARLY_COMMANDS] = early_script(seed)
    return files


def bare_autoinstall(seed: Seed) -> bytes:
    """The autoinstall mapping of ``seed`` by itself, as every release reads it from /autoinstall.yaml."""
    return dump(_section(seed)).encode()


def early_script(seed: Seed) -> bytes:
    """A script (POSIX sh) that runs the early-commands of ``seed`` as the installer would: up to the first failure.

    The guard is among them. A text is handed to ``sh -c``, a list of words is started as it stands.
    """
    lines = ["set -e"]
    for entry in _section(seed).get("early-commands") or []:
        words = ["sh", "-c", entry] if isinstance(entry, str) else [str(word) for word in entry]
        lines.append(shlex.join(words))
    return ("\n".join(lines) + "\n").encode()


def _section(seed: Seed) -> dict[str, Any]:
    document = _loaded(seed.user_data)
    section = document.get("autoinstall") if isinstance(document, dict) else None
    if not isinstance(section, dict):
        raise InventoryError(f"host {seed.host}: its user-data has no autoinstall section")
    return section


@lru_cache(maxsize=1)
def _loaded(user_data: bytes) -> Any:
    """The document in ``user_data``, cached for the next part that is read."""
    return load(user_data.decode("utf-8"))
