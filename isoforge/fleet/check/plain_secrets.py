"""Secrets in clear: what anybody who holds the stick can read and should not."""

from __future__ import annotations

import re
from typing import Any

from isoforge.fleet.check.document import walk
from isoforge.fleet.check.findings import Findings

SECRETS = (
    ("PRIVATE KEY", re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"), "a private key"),
    ("AGE-SECRET", re.compile(r"AGE-SECRET-KEY-1[0-9A-Z]{20,}"), "an age key"),
    ("gh", re.compile(r"\b(ghp|gho|ghs|ghu|ghr)_[0-9A-Za-z]{30,}"), "a GitHub token"),
    ("github_pat_", re.compile(r"\bgithub_pat_\w{30,}"), "a GitHub token"),
    ("glpat-", re.compile(r"\bglpat-[\w-]{20,}"), "a GitLab token"),
    ("AKIA", re.compile(r"\bAKIA[0-9A-Z]{16}\b"), "an AWS key"),
    ("xox", re.compile(r"\bxox[abpr]-[0-9A-Za-z-]{20,}"), "a Slack token"),
    ("tskey-", re.compile(r"\btskey-[0-9A-Za-z-]{20,}"), "a Tailscale key"),
    ("eyJ", re.compile(r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"), "a JSON web token"),
    ("://", re.compile(r"\b[a-z][a-z0-9+.-]*://[^/\s:@]+:[^/\s@]+@"), "a password in a URL"),
    (
        "chpasswd",
        re.compile(r"echo\s+['\"]?\w+:(?![$!*])[^'\"|\s]+['\"]?\s*\|[^|]*\bchpasswd\b(?!.*\s-(e|-encrypted)\b)"),
        "a password",
    ),
)
"""What a secret looks like; without the word in front of its pattern there is none, and no need to look closer."""


def check(found: Findings, data: Any) -> None:
    """Look at every text of the document; nothing of a secret is shown."""
    for route, value in walk(data):
        if not isinstance(value, str) or len(value) < 8:
            continue
        if route[:3] == ("autoinstall", "ssh", "authorized-keys"):
            continue  # judged there, as an error
        for word, pattern, name in SECRETS:
            if word in value and pattern.search(value):
                found.warning(route, f"holds {name} in clear: whoever has the ISO can read it", leak=True)
