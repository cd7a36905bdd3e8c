"""How a plan formats and mounts: a file system and a path for each, written as mount(8) and fstab(5) take them.

Source: curtin's format and mount handlers, and the fstab that it writes from them.
"""

from __future__ import annotations

import re

from isoforge.fleet.check.findings import Findings
from isoforge.fleet.check.plan.actions import Action, Plan

_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_TAKES_UUID = frozenset({"ext2", "ext3", "ext4", "btrfs", "xfs", "swap"})
_NOWHERE = ("", "none")


def check(findings: Findings, plan: Plan) -> None:
    """Report formats and mounts that curtin could not carry out."""
    for action in plan.of("format"):
        _check_format(findings, action)
    for action in plan.of("mount"):
        _check_mount(findings, plan, action)


def _check_format(findings: Findings, action: Action) -> None:
    uuid = action.text("uuid")
    if uuid and action.text("fstype") in _TAKES_UUID and not _UUID.fullmatch(uuid):
        message = f"{uuid!r} is not a UUID (8, 4, 4, 4 and 12 hexadecimal digits)"
        findings.error("uuid-invalid", action.at("uuid"), message)
    if "fstype" in action.fields and action.fields["fstype"] is None and not action.is_preserved:
        findings.error("value-empty", action.at("fstype"), "is empty: choose a file system, such as ext4")


def _check_mount(findings: Findings, plan: Plan, action: Action) -> None:
    path, options = action.text("path"), action.text("options")
    if "device" not in action.fields and not (action.text("spec") and action.text("fstype")):
        message = "is required: the id of the `format` action that is mounted"
        findings.error("key-missing", action.at("device"), message)
    of = plan.named(action, action.fields.get("device"))
    fstype = of.text("fstype") if of is not None and of.kind == "format" else ""
    if path in _NOWHERE and fstype not in ("", "swap"):
        message = f"is required for {fstype}: only swap space is used without a mount point"
        findings.error("mount-missing", action.at("path"), message)
    elif fstype == "swap" and path.startswith("/"):
        message = 'is swap space, which has no place in the tree: write `path: ""`'
        findings.error("mount-invalid", action.at("path"), message)
    elif re.search(r"\s", path):
        findings.error("mount-invalid", action.at("path"), "contains a space, which would end the field in /etc/fstab")
    elif "/.." in path or "/./" in path:
        findings.error("mount-invalid", action.at("path"), "contains . or ..: write the plain path")
    if re.search(r"\s", options):
        message = "contains a space, which would end the field in /etc/fstab: separate options with commas only"
        findings.error("mount-options-invalid", action.at("options"), message)
