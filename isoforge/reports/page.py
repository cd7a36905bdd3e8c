"""The web page: the fleet as a table that needs nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from isoforge.reports.store import HostState
from isoforge.templates import render, shipped_templates

ORDER = ("failed", "unknown", "installing", "waiting", "installed")
"""The states as they are counted: what needs a person comes first."""


def page(fleet: Sequence[HostState], *, now: float) -> str:
    """The page (HTML) about ``fleet`` at ``now``, in seconds since 1970."""
    counts = Counter(one.state for one in fleet)
    rows = [
        {"host": one.host, "build": one.build_name or one.build, "state": one.state, "detail": detail(one, now=now)}
        for one in sorted(fleet, key=lambda one: ORDER.index(one.state))
    ]
    values = {"rows": rows, "counts": [(state, counts[state]) for state in ORDER if counts[state]], "total": len(rows)}
    return render("collect.html.j2", values, templates=[shipped_templates()])


def detail(one: HostState, *, now: float) -> str:
    """What there is to say about a host besides its state."""
    minutes = f"{max(0, round((now - one.since) / 60))} min"
    match one.state:
        case "installing":
            return ", ".join(part for part in (one.step, f"since {minutes}") if part)
        case "installed":
            return f"in {round(one.duration_s / 60)} min, {minutes} ago"
        case "failed" | "unknown":
            where = f"at {one.step}" if one.step else ""
            machine = f"machine {one.machine}" if one.machine and one.state == "unknown" else ""
            return ": ".join(part for part in (", ".join(filter(None, (machine, where))), one.reason) if part)
    return ""


def policy(text: str) -> tuple[str, ...]:
    """The headers that let a browser run nothing but the page's own script and style."""
    script, style = _digests(tuple(re.findall(r"<(?:script|style)>(.*?)</(?:script|style)>", text, re.DOTALL)))
    rules = (
        f"default-src 'none'; script-src '{script}'; style-src '{style}'; connect-src 'self'; img-src data:;"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return (f"Content-Security-Policy: {rules}", "Referrer-Policy: no-referrer")


@lru_cache(maxsize=1)
def _digests(texts: tuple[str, str]) -> tuple[str, str]:
    style, script = (f"sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}" for one in texts)
    return script, style
