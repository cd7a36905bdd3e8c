"""How SMBIOS values are compared, and which of them are placeholders that identify no machine.

The guard and the menu both use what is defined here, so they compare alike.
"""

from __future__ import annotations

import re
import string

PLACEHOLDERS = (
    "to be filled by o.e.m.",
    "to be filled by oem",
    "not specified",
    "not applicable",
    "not available",
    "not defined",
    "not settable",
    "none",
    "null",
    "n/a",
    "na",
    "unknown",
    "undefined",
    "invalid",
    "empty",
    "default",
    "default string",
    "default_string",
    "o.e.m.",
    "oem",
    "oem string",
    "system serial number",
    "system product name",
    "system version",
    "system manufacturer",
    "system sku",
    "chassis serial number",
    "chassis asset tag",
    "base board serial number",
    "base board asset tag",
    "base board product name",
    "serial number",
    "product name",
    "asset tag",
    "asset-1234567890",
    "no asset tag",
    "no asset information",
    "type1productconfigid",
    "123456789",
    "1234567890",
    "0123456789",
    "012345678",
    "03000200-0400-0500-0006-000700080009",
    "00020003-0004-0005-0006-000700080009",
    "02000300-0400-0500-0006-000700080009",
    "12345678-1234-5678-90ab-cddeefaabbcc",
    "78563412-3412-7856-90ab-cddeefaabbcc",
)
"""What firmware contains where no value was set: whole texts, as `normalised` returns them."""

_BETWEEN = " .:_-"

FILLERS = tuple(f"{digit}{_BETWEEN}" for digit in "0fx")
"""A text made of the characters of one of these only is a placeholder too: all zeros, all f, all x, or only dashes."""

PLACEHOLDER_PATTERNS = tuple(f"[{digit} .:_-]*" for digit in "0fx")
"""`FILLERS` as POSIX extended regular expressions, each for a whole text (the empty one too)."""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SMALL = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def normalised(text: str) -> str:
    """``text`` as values are compared: without blanks at the ends, ASCII letters in lower case."""
    return text.strip(" ").translate(_SMALL)


def is_placeholder(text: str) -> bool:
    """Whether ``text`` identifies no machine: it is empty, or one of the placeholders of firmware."""
    plain = normalised(text)
    return plain in PLACEHOLDERS or any(not set(plain) - set(filler) for filler in FILLERS)


def both_orders(uuid: str) -> tuple[str, ...]:
    """The normalised ``uuid``, and with the bytes of its first three fields reversed if that differs.

    SMBIOS before 2.6 and some firmware write these fields in the other byte order (SMBIOS reference, 7.2.1).
    """
    plain = normalised(uuid)
    if not _UUID.fullmatch(plain):
        return (plain,)
    *fields, clock, node = plain.split("-")
    swapped = "-".join(["".join(_pairs(field)[::-1]) for field in fields] + [clock, node])
    return (plain,) if swapped == plain else (plain, swapped)


def _pairs(digits: str) -> list[str]:
    return [digits[at : at + 2] for at in range(0, len(digits), 2)]
