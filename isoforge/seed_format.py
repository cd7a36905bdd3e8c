"""The scripts of isoforge in a seed's user-data, for those who write them and those who read them back from an ISO.

A command of isoforge's own is a list of words: ``sh -c TEXT NAME ARGS…``. In a seed by itself TEXT is the script. In a
seed on an ISO of `multi` it is a short text that runs the script from the medium (`call_text`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from isoforge.iso_layout import CDROM, DETECT, SCRIPTS_FOLDER
from isoforge.yaml_limits import FastLoader

GUARD = "isoforge-guard"
STAMP = "isoforge-stamp"
FILES = "isoforge-files"
REPORT = "isoforge-report"
"""The names under which a seed's scripts run: the word after the script in ``sh -c SCRIPT NAME …``."""

SCRIPTS = {GUARD: True, DETECT: True, STAMP: False, FILES: True, REPORT: False}
"""The scripts by name, and whether an installation must stop if one cannot be run from the medium."""

_SHA256 = re.compile("[0-9a-f]{64}")

_REQUIRED = (
    f"f=$ISOFORGE_ROOT{CDROM}{SCRIPTS_FOLDER}/$0;"
    't=$(cat $f)&&[ "$(printf "%s\\n" "$t"|sha256sum)" = "{sha256}  -" ]&&'
    '{{ sh -c "$t" "$0" "$@";r=$?;[ $r -gt 1 ]||exit $r;}};'
    "cd $ISOFORGE_ROOT/dev;"
    'printf "\\r\\nisoforge: STOPPED. $f is missing or damaged${{r:+, or failed with $r}}.'
    ' Nothing was installed. Write the medium again.\\r\\n"'
    "|timeout 5 tee tty[1-6] $(sed s/tty0// ../sys/class/tty/console/active||echo console);"
    "exit ${{r:-1}}"
)
"""Runs the script that it has read and compared, so that neither a medium that fails while it is read nor that of
another build is taken for a match. 0 and 1 are the script's own answers. Everything else is a refusal, on the same
consoles as the guard's. Tests set ISOFORGE_ROOT, a prefix of every path."""

_OPTIONAL = f'sh $ISOFORGE_ROOT{CDROM}{SCRIPTS_FOLDER}/$0 "$@"||:'
"""Never fails: a script that reports or records must not stop an installation that is complete."""

_LATE = (
    f"f=$ISOFORGE_ROOT{CDROM}{SCRIPTS_FOLDER}/$0;"
    't=$(cat $f)&&[ "$(printf "%s\\n" "$t"|sha256sum)" = "{sha256}  -" ]&&sh -c "$t" "$0" "$@"'
)
"""The same for a late-command: its failure is that of the installation, which the installer shows."""


def has_report(user_data: bytes) -> bool:
    """Whether the seed with this ``user_data`` reports how its installation ended."""
    return REPORT.encode() in user_data


def call_text(name: str, sha256: str) -> str:
    """What runs the script called ``name`` from the medium in place of its text, on one line (POSIX sh).

    The live system mounts the medium at /cdrom however it was started: casper does so with a CD, a stick, and an ISO
    file (iso-scan). A script without which an installation must stop has to have the digest ``sha256`` (hex digits).
    """
    if name == FILES:
        return _LATE.format(sha256=sha256)
    return _REQUIRED.format(sha256=sha256) if SCRIPTS[name] else _OPTIONAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """A guard in a seed: the match keys that it compares (``KEY=VALUE``), and the SHA-256 of the script on the medium
    that it calls, None if the script is in the seed itself."""

    keys: tuple[str, ...]
    script_sha256: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    """A line of a host's table of files: the file's ``name`` beside the table, its SHA-256 (hex digits), and the mode
    (octal), owner and absolute path that it gets on the installed system."""

    name: str
    sha256: str
    mode: str
    owner: str
    target: str


def table_of(rows: Iterable[FileRow]) -> bytes:
    """The table with ``rows``: fields separated by tabs, lines ended by newlines."""
    lines = ["\t".join((row.name, row.sha256, row.mode, row.owner, row.target)) for row in rows]
    return "".join(f"{line}\n" for line in lines).encode()


def rows_of(table: bytes) -> tuple[FileRow, ...]:
    """The rows of a ``table``; ``ValueError`` if it is not one."""
    rows = []
    for line in table.decode("utf-8").splitlines():
        name, digest, mode, owner, target = line.split("\t")
        if not re.fullmatch("[0-9]{4,9}", name) or not _SHA256.fullmatch(digest) or not target.startswith("/"):
            raise ValueError(f"not a line of a table of files: {line[:60]!r}")
        rows.append(FileRow(name=name, sha256=digest, mode=mode, owner=owner, target=target))
    return tuple(rows)


def sha256_of(content: bytes) -> str:
    """The SHA-256 of ``content`` as hex digits."""
    return hashlib.sha256(content).hexdigest()


def find_guard(user_data: bytes, host: str) -> Guard | None:
    """The guard of ``host`` that leads the early-commands in ``user_data``; None if there is none.

    Only the document's beginning is read, up to its first early-command. A text that mentions the scripts of the medium
    and is not exactly `call_text` is no guard.
    """
    try:
        words = _first_early_command(yaml.parse(user_data.decode("utf-8"), Loader=FastLoader))
    except (UnicodeDecodeError, yaml.YAMLError, StopIteration):
        return None
    if words[:2] != ["sh", "-c"] or words[3:5] != [GUARD, host]:
        return None
    digest = None
    if str(SCRIPTS_FOLDER) in words[2]:
        digest = next(iter(_SHA256.findall(words[2])), "")
        if words[2] != call_text(GUARD, digest):
            return None
    return Guard(keys=tuple(words[5:]), script_sha256=digest)


def guard_keys(user_data: bytes, host: str) -> tuple[str, ...] | None:
    """The match keys that the guard in ``user_data`` compares (`find_guard`); None if no guard of ``host`` leads."""
    guard = find_guard(user_data, host)
    return guard.keys if guard else None


def _first_early_command(events: Iterator[Any]) -> list[str]:
    """The words of the first early-command of a document, which is given as the parser's events; empty if it has no
    such list of words."""
    while not isinstance(next(events), yaml.DocumentStartEvent):
        pass
    for wanted in ("autoinstall", "early-commands"):
        if not isinstance(next(events), yaml.MappingStartEvent):
            return []
        while isinstance(key := next(events), yaml.ScalarEvent) and key.value != wanted:
            _skip(events)
        if not isinstance(key, yaml.ScalarEvent):
            return []
    if not all(isinstance(next(events), yaml.SequenceStartEvent) for _ in range(2)):
        return []
    words = []
    while isinstance(word := next(events), yaml.ScalarEvent):
        words.append(word.value)
    return words


def _skip(events: Iterator[Any]) -> None:
    """Go past the value that comes next."""
    depth = 0
    while True:
        event = next(events)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth <= 0:
            return
