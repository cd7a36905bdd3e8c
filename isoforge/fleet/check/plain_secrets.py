"""Plain-text secrets: what anybody who holds the stick can read and should not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from isoforge.fleet.check.findings import Findings
from isoforge.yaml_limits import KeyPath

_VALUE = r"(?:\"(?!\$)[^\"\n]+\"|'[^'\n]+'|(?![$!*\"'])[^\s\"'|;&]+)"
"""What stands for a secret in a command: quoted or not, but not the value of a variable, and not a locked account."""

_ENCRYPTED = r"(?!.*\bchpasswd\b[^|;&\n]*\s-(?:e|-encrypted)\b)"

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
        re.compile(
            rf"{_ENCRYPTED}(?:(?:echo|printf)\b[^|\n]*?['\"\s][\w.-]+:(?![$!*])[^'\"|\s]+[^|\n]*\|[^|\n]*\bchpasswd\b"
            r"|\bchpasswd\b[^\n]*<<-?\s*['\"]?\w+['\"]?[^\n]*\n[\w.-]+:(?![$!*\s])\S+"
            r"|\bchpasswd\b[^\n]*<<<\s*['\"]?[\w.-]+:(?![$!*])\S+)",
            re.DOTALL,
        ),
        "a password",
    ),
    ("passwd", re.compile(r"(?:echo|printf)\b[^|\n]+\|[^|\n]*\bpasswd\b"), "a password"),
    ("passwd", re.compile(rf"\bopenssl\s+passwd\b(?:\s+-\S+)*\s+(?!-){_VALUE}"), "a password"),
    ("-pass", re.compile(rf"(?<!\S)--(?:[\w-]+-)?pass(?:word|phrase|wd)?[= ]\s*{_VALUE}"), "a password"),
    ("password", re.compile(rf"\bmount\b[^;&|\n]*[,\s]password={_VALUE}"), "a password"),
    ("password", re.compile(rf"\bnmcli\b[^;&|\n]*\spassword\s+{_VALUE}"), "a password"),
    ("login", re.compile(rf"\b(?:docker|podman|helm|az|oc)\s[^;&|\n]*\blogin\s[^;&|\n]*-p\s*{_VALUE}"), "a password"),
    ("mysql", re.compile(rf"\bmysql\w*\b[^;&|\n]*\s-p(?![\s-]){_VALUE}"), "a password"),
    ("earer", re.compile(r"\bAuthorization:\s*[Bb]earer\s+(?!\$)\S{8,}"), "a token"),
    ("pro", re.compile(r"\b(?:pro|ua)\s+attach\s+C[1-9A-HJ-NP-Za-km-z]{23,29}\b"), "an Ubuntu Pro token"),
    ("TOKEN=", re.compile(rf"TOKEN=(?!/){_VALUE}"), "a token"),
    ("SECRET=", re.compile(rf"SECRET=(?!/){_VALUE}"), "a secret"),
    ("KEY=", re.compile(rf"API_?KEY=(?!/){_VALUE}"), "a key"),
    ("PASS", re.compile(rf"\b(?:PG|MYSQL_|SSH)?PASS(?:WORD|WD)?={_VALUE}"), "a password"),
    ("sshpass", re.compile(rf"\bsshpass\s+-p\s*{_VALUE}"), "a password"),
    ("user", re.compile(r"\buser(?:add|mod)\b[^;&|\n]*\s(?:-p|--password)[= ]\s*['\"]?(?![$!*'\"])\S"), "a password"),
    ("cryptsetup", re.compile(r"(?:echo|printf)\b[^|\n]+\|[^|\n]*\bcryptsetup\b"), "a passphrase"),
    ("sudo", re.compile(r"(?:echo|printf)\b[^|\n]+\|[^|\n]*\bsudo\s+(?:-\w+\s+)*-\w*S"), "a password"),
    ("curl", re.compile(rf"\bcurl\b[^;&|\n]*\s(?:-u|--user)[= ]\s*['\"]?[^\s:'\"]+:{_VALUE}"), "a password"),
)
"""What a secret looks like; without the word in front of its pattern there is none, and no need to look closer."""


def check(findings: Findings, data: Any) -> None:
    """Look at every text of the document; nothing of a secret is shown."""
    for path, text in _texts(data, ()):
        if path[:3] == ("autoinstall", "ssh", "authorized-keys"):
            continue  # checked there, as an error
        for word, pattern, name in SECRETS:
            if word in text and pattern.search(text):
                message = f"contains {name} in plain text: anyone who has the ISO can read it"
                findings.warning("plain-text-secret", path, message, leak=True)
                break


def _texts(data: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """Every text in ``data`` that is long enough to hold a secret, with its path; of a list of words its whole line."""
    if isinstance(data, str):
        if len(data) >= 8:
            yield path, data
    elif isinstance(data, dict):
        for key, value in data.items():
            yield from _texts(value, (*path, key))
    elif isinstance(data, list):
        if path[-2:-1] and str(path[-2]).endswith(("-commands", "runcmd", "bootcmd")):
            yield path, " ".join(str(word) for word in data)
            return
        for index, value in enumerate(data):
            yield from _texts(value, (*path, index))
