"""Sizes in a storage plan, as the installer reads them: bytes, a percentage, or all that is left.

Source: curtin's human2bytes and the installer's model of storage. Every unit is binary (1G and 1GB are 2^30 bytes), and
a percentage is a whole number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

MIB = 1 << 20
GIB = 1 << 30

LEAST_BYTES = MIB
"""A number below this is not meant as bytes: its unit is missing."""

SIZE = re.compile(r"(\d{1,18}(\.\d{1,18})?|\.\d{1,18})[KMGT]?B?|\d{1,18}%")
"""The text of a size; the installer fails at a fraction of a per cent."""

_BYTES = re.compile(r"(\d*\.?\d+)([KMGT]?)B?")
_UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Exactly one of: so many ``bytes``, ``percent`` of what holds it, or the ``rest``."""

    bytes: int | None = None
    percent: int | None = None
    rest: bool = False


def parsed(value: Any) -> Size | None:
    """The size that ``value`` stands for: the rest if it is None.

    None for what is not a size, for nothing, and for a number of bytes whose unit must be missing: these are reported
    elsewhere.
    """
    if value is None or (isinstance(value, int) and value == -1):
        return Size(rest=True)
    if isinstance(value, str) and SIZE.fullmatch(value):
        if value.endswith("%"):
            return Size(percent=int(value[:-1])) if int(value[:-1]) else None
        number, unit = _BYTES.fullmatch(value).groups()  # type: ignore[union-attr]
        size = int(float(number) * (1 << _UNITS[unit]))
        return Size(bytes=size) if size and not has_no_unit(value) else None
    is_whole = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1 << 80
    return Size(bytes=int(value)) if is_whole and value == int(value) and not has_no_unit(value) else None


def has_no_unit(value: Any) -> bool:
    """Whether ``value`` is so small a number of bytes that its unit must be missing: ``20`` for 20G."""
    if isinstance(value, str):
        return bool(re.fullmatch(r"\d{1,18}B?", value)) and 0 < int(value.rstrip("B")) < LEAST_BYTES
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < LEAST_BYTES


def up(size: int, unit: int = MIB) -> int:
    """``size`` rounded up to whole ``unit``s (both in bytes)."""
    return -(-size // unit) * unit


def down(size: int, unit: int = MIB) -> int:
    """``size`` rounded down to whole ``unit``s (both in bytes)."""
    return size // unit * unit


def readable(size: int) -> str:
    """``size`` in bytes as people write it in a plan: ``512M``, ``1.5G``."""
    for unit in "TGMK":
        count = size / (1 << _UNITS[unit])
        if count >= 1:
            return f"{count:.1f}".removesuffix(".0") + unit
    return f"{size} bytes"
