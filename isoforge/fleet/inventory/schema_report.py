"""The keys of `report`: how an installation says how it ended. Part of `schema.REFERENCE`, in the same form."""

from __future__ import annotations

from typing import Any

_URL = r"https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/%+-]*)?"
_PEM = r"\s*-----BEGIN CERTIFICATE-----\n([A-Za-z0-9+/= \n-]+|-----(BEGIN|END) CERTIFICATE-----)+"

REPORT: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("report", "MAPPING", "how an installation reports how it ended", {}),
    ("report.enabled", "BOOLEAN", "false: the host's seed has no report", {"default": True}),
    (
        "report.url",
        "TEXT",
        "where it is sent, besides the machine's disk, screens and sticks: the address of isoforge collect",
        {"pattern": _URL, "form": "an http or https URL without user name, password and query"},
    ),
    (
        "report.token",
        "TEXT",
        "the bearer token sent with it (default: isoforge makes one for each build)",
        {
            "pattern": r"[A-Za-z0-9._~+/-]{20,200}=*",
            "form": "20 to 200 letters, digits and . _ ~ + / -",
            "secret": True,
        },
    ),
    (
        "report.ca",
        "TEXT",
        "certificate of the authority that signed the server's, if it is not a public one",
        {"pattern": _PEM, "form": "one or more PEM certificates"},
    ),
    (
        "report.timeout",
        "INTEGER",
        "seconds by which sending it may delay the end of the installation, from 5 to 600",
        {"default": 60},
    ),
    (
        "report.serial",
        "TEXT",
        "a serial port that shows the page though it is not a console, for example ttyS0",
        {"pattern": r"tty(S|AMA|USB)[0-9]{1,3}|hvc[0-9]{1,2}", "form": "the name of a port, such as ttyS0"},
    ),
    (
        "report.webhook",
        "BOOLEAN",
        "let the installer itself post each of its events too; it waits for the answer without a time limit",
        {"default": False},
    ),
)
"""Name, kind (of `schema.Kind`), meaning and the other fields of each key."""
