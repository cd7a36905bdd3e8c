"""A storage plan, played through before any disk is wiped: device by device, as curtin would act."""

from __future__ import annotations

from isoforge.fleet.check.findings import Findings
from isoforge.fleet.check.plan import contents, duplicates, members, mounts, preserved, tables
from isoforge.fleet.check.plan.actions import Plan
from isoforge.fleet.check.plan.capacity import Capacity


def check(findings: Findings, plan: Plan) -> None:
    """Report where ``plan`` would break off, or where what it makes would not start afterwards."""
    duplicates.check(findings, plan)
    tables.check(findings, plan)
    members.check(findings, plan)
    preserved.check(findings, plan)
    mounts.check(findings, plan)
    most = Capacity(findings=findings, plan=plan).play()
    contents.check(findings, plan, most)
