"""How a machine says who it is, and which of its answers mean nothing.

The guard and the menu compare alike because they take what is here.
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
"""What firmware says when nobody has set a value: whole texts, as `normalised` gives them."""

_BETWEEN = " .:_-"

FILLERS = tuple(f"{digit}{_BETWEEN}" for digit in "0fx")
"""A text of nothing but the characters of one of these says nothing either: all zeros, all f, all x, or only dashes."""

PLACEHOLDER_PATTERNS = tuple(f"[{digit} .:_-]*" for digit in "0fx")
"""`FILLERS` as POSIX extended regular expressions, each for a whole text (the empty one too)."""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SMALL = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def normalised(text: str) -> str:
    """``text`` as two of its kind are compared: no blanks at the ends, small letters (of ASCII)."""
    return text.strip(" ").translate(_SMALL)


def is_placeholder(text: str) -> bool:
    """Whether ``text`` names no machine: it is empty, or what firmware says in place of a value."""
    plain = normalised(text)
    return plain in PLACEHOLDERS or any(not set(plain) - set(filler) for filler in FILLERS)


def both_orders(uuid: str) -> tuple[str, ...]:
    """The normalised ``uuid``, and with its first three fields turned around if that is another.

    SMBIOS before 2.6 and some firmware write these fields in the other byte order (SMBIOS reference, 7.2.1).
    """
    plain = normalised(uuid)
    if not _UUID.fullmatch(plain):
        return (plain,)
    *fields, clock, node = plain.split("-")
    turned = "-".join(["".join(_pairs(field)[::-1]) for field in fields] + [clock, node])
    return (plain,) if turned == plain else (plain, turned)


def _pairs(digits: str) -> list[str]:
    return [digits[at : at + 2] for at in range(0, len(digits), 2)]
