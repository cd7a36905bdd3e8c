"""Secrets in clear: what anybody who holds the stick can read and should not."""

from __future__ import annotations

import re
from typing import Any

from isoforge.fleet.check.document import walk
from isoforge.fleet.check.findings import Findings

SECRETS = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"), "a private key"),
    (re.compile(r"AGE-SECRET-KEY-1[0-9A-Z]{20,}"), "an age key"),
    (re.compile(r"\b(ghp|gho|ghs|ghu|ghr)_[0-9A-Za-z]{30,}|\bgithub_pat_\w{30,}"), "a GitHub token"),
    (re.compile(r"\bglpat-[\w-]{20,}"), "a GitLab token"),
    (re.compile(r"\bAKIA[0-9A-Z]{16}\b"), "an AWS key"),
    (re.compile(r"\bxox[abpr]-[0-9A-Za-z-]{20,}"), "a Slack token"),
    (re.compile(r"\btskey-[0-9A-Za-z-]{20,}"), "a Tailscale key"),
    (re.compile(r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"), "a JSON web token"),
    (re.compile(r"\b[a-z][a-z0-9+.-]*://[^/\s:@]+:[^/\s@]+@"), "a password in a URL"),
    (
        re.compile(r"echo\s+['\"]?\w+:(?![$!*])[^'\"|\s]+['\"]?\s*\|[^|]*\bchpasswd\b(?!.*\s-(e|-encrypted)\b)"),
        "a password",
    ),
)


def check(found: Findings, data: Any) -> None:
    """Look at every text of the document; nothing of a secret is shown."""
    for route, value in walk(data):
        if not isinstance(value, str) or len(value) < 8:
            continue
        if route[:3] == ("autoinstall", "ssh", "authorized-keys"):
            continue  # judged there, as an error
        for pattern, name in SECRETS:
            if pattern.search(value):
                found.warning(route, f"holds {name} in clear: whoever has the ISO can read it", leak=True)
