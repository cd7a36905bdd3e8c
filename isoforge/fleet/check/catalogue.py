"""All kinds of problems by their ids, from problems.yaml: what each means, and an example that has it."""

from __future__ import annotations

import importlib.resources
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from isoforge.yaml_limits import load

SEVERITIES = ("error", "warning")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of problem: ``severity`` is ``error`` or ``warning``, ``meaning`` a sentence or two, and ``example`` the
    input that has it: the values of a host, a seed, or files of an inventory by name."""

    id: str
    severity: str
    meaning: str
    example: Mapping[str, Any]


@cache
def kinds() -> Mapping[str, Kind]:
    """Every kind of problem by its id, in alphabetical order."""
    source = importlib.resources.files("isoforge.fleet.check") / "problems.yaml"
    entries = load(source.read_text(encoding="utf-8"))
    return {
        id_: Kind(id=id_, severity=entry.pop("severity"), meaning=entry.pop("meaning"), example=entry)
        for id_, entry in sorted(entries.items())
    }


@cache
def ignorable() -> frozenset[str]:
    """The ids of warnings, which can be ignored."""
    return frozenset(id_ for id_, kind in kinds().items() if kind.severity == "warning")
