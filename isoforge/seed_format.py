"""How the guard stands in a seed's user-data, for those who write it and those who read it back from an ISO."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from isoforge.yaml_limits import FastLoader

GUARD = "isoforge-guard"
STAMP = "isoforge-stamp"
"""The names under which a seed's scripts run: the word after the script in ``sh -c SCRIPT NAME …``."""


def guard_keys(user_data: bytes, host: str) -> tuple[str, ...] | None:
    """The match keys, as ``KEY=VALUE``, that the guard in ``user_data`` compares; None if no guard of ``host`` leads.

    Only the document's beginning is read, up to its first early-command.
    """
    try:
        words = _first_early_command(yaml.parse(user_data.decode("utf-8"), Loader=FastLoader))
    except (UnicodeDecodeError, yaml.YAMLError, StopIteration):
        return None
    is_guard = words[:2] == ["sh", "-c"] and words[3:5] == [GUARD, host]
    return tuple(words[5:]) if is_guard else None


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
