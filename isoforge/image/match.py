"""Which machine an entry is for, as GRUB can see it: comparisons of what SMBIOS says, in files that it looks up."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TypeVar

from isoforge.iso_layout import LOOKUP_KEYS, lookup_file

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """What SMBIOS must say on the machine that an entry is for.

    ``texts`` are pairs of a variable of the menu (as ``serial``) and the values of which it must have one, normalised
    as the menu normalises what it reads; all pairs must hold. ``decides`` is False where that is not enough to take a
    machine for this one (its MAC addresses count too, which GRUB cannot see): such an entry is never chosen, but it
    keeps others from being taken for the only one that fits.
    """

    texts: tuple[tuple[str, tuple[str, ...]], ...]
    decides: bool = True

    @property
    def conditions(self) -> tuple[str, ...]:
        """GRUB commands of which one succeeds on that machine.

        The x in front keeps a text from being read as an operator; in double quotes a value is not read again.
        """
        names = [name for name, _ in self.texts]
        return tuple(
            "[ " + " -a ".join(_same(name, value) for name, value in zip(names, values, strict=True)) + " ]"
            for values in itertools.product(*(values for _, values in self.texts))
        )

    @property
    def key(self) -> str:
        """What the menu looks it up by."""
        names = {name for name, _ in self.texts}
        return next(key for key in LOOKUP_KEYS if key in names)

    @property
    def files(self) -> frozenset[PurePosixPath]:
        """Where the menu looks for it: at the ending of each value of its key."""
        return frozenset(lookup_file(self.key, value) for value in dict(self.texts)[self.key])


def sorted_by_file(
    known: Iterable[tuple[Match, T]],
) -> Mapping[PurePosixPath, Mapping[tuple[str, ...], list[tuple[Match, T]]]]:
    """What goes into each file: whoever has the same conditions, together."""
    files: dict[PurePosixPath, dict[tuple[str, ...], list[tuple[Match, T]]]] = {}
    for match, who in known:
        for file in sorted(match.files):
            files.setdefault(file, {}).setdefault(match.conditions, []).append((match, who))
    return files


def _same(name: str, value: str) -> str:
    quoted = value.replace("'", r"'\''")
    return f"\"x$isoforge_{name}\" = 'x{quoted}'"
