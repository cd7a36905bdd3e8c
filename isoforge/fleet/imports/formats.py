"""The formats of inventories that can be imported."""

from __future__ import annotations

import enum


class Format(enum.StrEnum):
    """The formats that can be imported; ``ansible`` is the JSON of ``ansible-inventory --list``."""

    ANSIBLE = "ansible"
    INI = "ini"
    YAML = "yaml"
    CSV = "csv"
