"""Which machine an entry is for, by what GRUB can read: comparisons of SMBIOS values, in files that the menu reads."""

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
    """The SMBIOS values of the machine that an entry is for.

    ``texts`` are pairs of a variable of the menu (as ``serial``) and the values of which it must have one, normalised
    as the menu normalises what it reads; all pairs must match. ``decides`` is False if they do not suffice to identify
    the machine (its MAC addresses count too, which GRUB cannot read): such an entry is never selected, but another one
    that matches is then not the only one.
    """

    texts: tuple[tuple[str, tuple[str, ...]], ...]
    decides: bool = True

    @property
    def conditions(self) -> tuple[str, ...]:
        """GRUB commands of which one succeeds on that machine.

        The x before a text keeps it from being parsed as an operator; in double quotes a value is not parsed again.
        """
        names = [name for name, _ in self.texts]
        return tuple(
            "[ " + " -a ".join(_same(name, value) for name, value in zip(names, values, strict=True)) + " ]"
            for values in itertools.product(*(values for _, values in self.texts))
        )

    @property
    def key(self) -> str:
        """The name of the value by which the menu looks it up."""
        names = {name for name, _ in self.texts}
        return next(key for key in LOOKUP_KEYS if key in names)

    @property
    def files(self) -> frozenset[PurePosixPath]:
        """The files that list it: one for the ending of each value of its key."""
        return frozenset(lookup_file(self.key, value) for value in dict(self.texts)[self.key])


def sorted_by_file(
    items: Iterable[tuple[Match, T]],
) -> Mapping[PurePosixPath, Mapping[tuple[str, ...], list[tuple[Match, T]]]]:
    """The items of each file, grouped by their conditions."""
    files: dict[PurePosixPath, dict[tuple[str, ...], list[tuple[Match, T]]]] = {}
    for match, item in items:
        for file in sorted(match.files):
            files.setdefault(file, {}).setdefault(match.conditions, []).append((match, item))
    return files


def _same(name: str, value: str) -> str:
    quoted = value.replace("'", r"'\''")
    return f"\"x$isoforge_{name}\" = 'x{quoted}'"
