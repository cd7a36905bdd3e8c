"""meta-data: the few keys that NoCloud reads from it."""

from __future__ import annotations

from isoforge.fleet.check import access, schema
from isoforge.fleet.check.findings import Findings
from isoforge.problems import did_you_mean


def check(findings: Findings) -> None:
    """Check the parsed document of ``findings``; an empty one is right, it must only be there."""
    data = findings.document.data
    if not findings.document.readable or data is None:
        return
    if not isinstance(data, dict):
        message = f"must be a mapping (instance-id: …) or empty, not {schema.kind(data)}"
        findings.error("wrong-type", (), message)
        return
    known = schema.words("meta-data-keys")
    for key, value in data.items():
        if key not in known:
            findings.warning("meta-data-key-unknown", (key,), f"NoCloud has no such key{did_you_mean(key, known)}")
        elif key in {"instance-id", "local-hostname", "hostname"}:
            _check_text(findings, key, value)


def _check_text(findings: Findings, key: str, value: object) -> None:
    trap = schema.trapped(findings.document.written((key,)), value, "string", (key,))
    if trap:
        findings.error("unquoted-value", (key,), trap)
    elif not isinstance(value, str):
        findings.error("wrong-type", (key,), f"must be text, not {schema.kind(value)}")
    elif not value:
        findings.error("value-empty", (key,), "is empty")
    elif key != "instance-id" and not access.is_host_name(value):
        findings.error("host-name-invalid", (key,), access.bad_host_name(value))
