"""The guard: what keeps a host's seed from installing another machine, and the stamp that a build leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from isoforge.fleet.inventory.host import Host, MatchKeys
from isoforge.fleet.seed.scripts import command
from isoforge.iso_layout import TABLE_KEYS
from isoforge.seed_format import GUARD, STAMP


def match_pairs(match: MatchKeys) -> list[tuple[str, str]]:
    """Each match key that was given, with its value as it was written; one pair for each MAC address."""
    texts = [(key, getattr(match, key)) for key in TABLE_KEYS]
    return [pair for pair in (*texts, *(("mac", mac) for mac in match.mac)) if pair[1]]


def guard_command(host: Host, templates: Sequence[Path], scripts: Mapping[str, str] | None = None) -> list[str]:
    """The early-command that fails on a machine which one of the match keys of ``host`` does not fit.

    Values are arguments of the script and never part of its text. Empty for a host without match keys: there is nothing
    to compare. ``scripts`` is `every_script` of the ``templates``, if it is known already.
    """
    pairs = match_pairs(host.match)
    words = [f"{key}={value}" for key, value in pairs]
    return command(GUARD, host.name, templates, *words, scripts=scripts) if pairs else []


def stamp_command(host: Host, templates: Sequence[Path], scripts: Mapping[str, str] | None = None) -> list[str]:
    """The late-command that leaves ``/boot/isoforge/<build-id>-<host>`` on the installed system."""
    return command(STAMP, host.name, templates, host.name, scripts=scripts)


def guarded(section: Mapping[str, Any], guard: list[str], late: Sequence[list[str]]) -> dict[str, Any]:
    """The autoinstall ``section`` with ``guard`` (if any) as its first early-command and ``late`` as its first
    late-commands.

    It is done to the finished section, so that neither a template nor a raw ``autoinstall:`` can leave them out. A list
    that is invalid is kept unchanged: the check of seeds refuses it.
    """
    early, own = section.get("early-commands") or [], section.get("late-commands") or []
    result = {key: section[key] for key in ("version", "interactive-sections") if key in section}
    if isinstance(early, list) and (guard or early):
        result["early-commands"] = [*([guard] if guard else []), *early]
    result |= {key: value for key, value in section.items() if key not in result}
    if isinstance(own, list):
        result["late-commands"] = [*late, *own]
    return result
