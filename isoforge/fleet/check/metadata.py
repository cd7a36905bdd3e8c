"""meta-data: the few keys that NoCloud reads from it."""

from __future__ import annotations

from isoforge.fleet.check import access, schema
from isoforge.fleet.check.findings import Findings, meant


def check(found: Findings) -> None:
    """Judge the parsed document that ``found`` was made for; an empty one is right, it must only be there."""
    for fault in found.document.faults:
        found.error(fault.route, fault.text, line=fault.line)
    data = found.document.data
    if not found.document.readable or data is None:
        return
    if not isinstance(data, dict):
        found.error((), f"must be a mapping (instance-id: …) or empty, not {schema.kind(data)}")
        return
    known = schema.words("meta-data-keys")
    for key, value in data.items():
        if key not in known:
            found.warning((key,), f"NoCloud reads no such key{meant(key, known)}")
        elif key in {"instance-id", "local-hostname", "hostname"}:
            _check_text(found, key, value)


def _check_text(found: Findings, key: str, value: object) -> None:
    trap = schema.trapped(found.document.place((key,)), value, "string", (key,))
    if trap:
        found.error((key,), trap)
    elif not isinstance(value, str):
        found.error((key,), f"must be text, not {schema.kind(value)}")
    elif not value:
        found.error((key,), "is empty")
    elif key != "instance-id" and not all(access.HOST_LABEL.fullmatch(label) for label in value.split(".")):
        found.error((key,), f"{value!r} is not a host name: letters, digits and hyphens")
