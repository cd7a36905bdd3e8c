"""The inventory's `report`: values that have no effect, delay an installation, or let others read what is reported."""

from __future__ import annotations

from isoforge.fleet.check.host_view import HostView

TIMEOUT_S = range(5, 601)
"""Seconds: a machine needs some to connect at all; nobody waits ten minutes for a report."""

_NEED_A_URL = ("token", "ca", "webhook")


def check_report(view: HostView) -> None:
    """What is wrong with the keys of ``report``."""
    timeout = view.host.node.at(("report", "timeout"))
    if timeout is not None and isinstance(timeout.value, int) and timeout.value not in TIMEOUT_S:
        message = f"must be from {TIMEOUT_S.start} to {TIMEOUT_S.stop - 1} seconds, got {timeout.value}"
        view.error("report-timeout-invalid", ("report", "timeout"), message)
    url = view.text("report", "url")
    if url is None or not view.has("report", "url"):
        for key in _NEED_A_URL:
            if view.has("report", key):
                view.warning("report-url-missing", ("report", key), "has no effect without report.url")
        return
    if url.startswith("http:"):
        message = "is not encrypted: others on the network can read the reports and their token; use https"
        view.warning("report-not-encrypted", ("report", "url"), message)
    if view.true("report", "webhook"):
        message = "the installer waits for each answer without a time limit: it stops where the receiver is unreachable"
        view.warning("report-webhook-blocks", ("report", "webhook"), message)
