"""What a plan keeps of what is on the disks: `preserve: true` on something that the plan itself has just made.

Source: curtin verifies what is preserved, after it has wiped and partitioned what is not, and stops if it is gone.
"""

from __future__ import annotations

from isoforge.fleet.check.findings import Findings
from isoforge.fleet.check.plan.actions import Action, Plan

_KINDS = ("partition", "raid", "lvm_volgroup", "lvm_partition", "dm_crypt", "format")


def check(findings: Findings, plan: Plan) -> None:
    """Report what cannot be preserved, because what holds it is created anew."""
    for disk in plan.of("disk"):
        if disk.is_preserved and disk.fields.get("wipe"):
            message = "contradicts `preserve: true`: curtin refuses a disk with both, so remove one of them"
            findings.error("preserve-and-wipe", disk.at("wipe"), message)
    for action in plan.of(*_KINDS):
        lost = next((one for one in plan.below(action) if _is_created(one)), None)
        if action.is_preserved and lost is not None:
            message = f"cannot be preserved: {lost.id!r}, which holds it, is created anew"
            findings.error("preserved-on-new", action.at("preserve"), message)


def _is_created(action: Action) -> bool:
    """A disk keeps its contents if it gets no partition table and is not wiped."""
    if action.is_preserved:
        return False
    return action.kind != "disk" or bool(action.text("ptable") or action.text("wipe"))
