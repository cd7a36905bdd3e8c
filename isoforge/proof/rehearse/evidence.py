"""The evidence of rehearsals as files: JSON, and one self-contained HTML page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from isoforge import __version__
from isoforge.errors import OutputError
from isoforge.masking.text import mask_facts
from isoforge.ownership import refuse_foreign_link, replace_file
from isoforge.proof.boot.evidence import as_data
from isoforge.proof.rehearse.rehearsal import STAGES, Rehearsal
from isoforge.proof.rehearse.run import RehearsalEvidence
from isoforge.templates import render

PAGE, FACTS = "rehearsal.html", "rehearsal.json"


def prepare(folder: Path) -> None:
    """Create ``folder`` and remove an earlier report from it; ``OutputError`` if it cannot be written."""
    refuse_foreign_link(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in (folder / PAGE, folder / FACTS):
            old.unlink(missing_ok=True)
    except OSError as failure:
        raise OutputError(f"{failure.filename or folder} cannot be written: {failure.strerror}") from failure


def write_evidence(evidence: RehearsalEvidence, folder: Path) -> Path:
    """Write rehearsal.html and rehearsal.json into ``folder`` and return the page. Secrets are masked."""
    document = to_json(evidence)
    replace_file(folder / FACTS, document.encode())
    facts = json.loads(document)
    for host in facts["hosts"]:
        for stage in host["stages"]:
            names = (f"{stage['name']}-menu.png", f"{stage['name']}.png")
            stage["pictures"] = [as_data(place) for name in names if (place := folder / host["host"] / name).is_file()]
    page = folder / PAGE
    replace_file(page, render("rehearsal.html.j2", {"facts": facts, "isoforge_version": __version__}).encode())
    return page


def to_json(evidence: RehearsalEvidence) -> str:
    """The evidence as JSON; ``ok`` first. Secrets in it are masked."""
    document = {
        "ok": all(one.ok for one in evidence.rehearsals),
        "iso": evidence.iso,
        "build_id": evidence.manifest.build_id,
        "base_iso": evidence.manifest.base_iso.title,
        "started_at": f"{evidence.started_at:%Y-%m-%dT%H:%M:%SZ}",
        "accelerator": evidence.accelerator,
        "versions": {"isoforge": __version__, **evidence.versions},
        "hosts": [_host(one) for one in evidence.rehearsals],
    }
    return json.dumps(mask_facts(document), indent=2, ensure_ascii=False) + "\n"


def _host(one: Rehearsal) -> dict[str, Any]:
    return {
        "host": one.host,
        "ok": one.ok,
        "firmware": str(one.firmware),
        "seconds": round(one.seconds, 1),
        "failure": one.failure,
        "machine": {
            "smbios": dict(one.machine.smbios),
            "disks": [asdict(disk) for disk in one.machine.disks],
            "network_cards": [asdict(card) for card in one.machine.cards],
        },
        "stages": list(_stages(one)),
        "not_done": [STAGES[name] for name in STAGES if name not in {stage.name for stage in one.stages}],
        "inspected": one.inspected,
        "notes": list(one.notes),
    }


def _stages(one: Rehearsal) -> Iterator[dict[str, Any]]:
    for stage in one.stages:
        outcome = stage.outcome
        yield {
            "name": stage.name,
            "title": STAGES[stage.name],
            "ok": not stage.differences,
            "differences": list(stage.differences),
            "seconds": round(outcome.seconds, 1),
            "ended_by": outcome.text,
            "menu": outcome.menu.highlighted if outcome.menu else None,
            "menu_titles": list(outcome.menu.titles) if outcome.menu else [],
            "progress": [{"seconds": seconds, "step": step} for seconds, step in outcome.progress],
            "reports": [dict(report) for report in outcome.reports],
            "screen": list(outcome.screen),
        }
