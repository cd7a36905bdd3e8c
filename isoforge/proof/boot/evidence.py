"""The evidence of boot tests as files: JSON, and one self-contained HTML page."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from isoforge import __version__
from isoforge.errors import OutputError
from isoforge.masking.text import mask_facts
from isoforge.ownership import refuse_foreign_link, replace_file
from isoforge.proof.boot.qemu import Firmware
from isoforge.proof.boot.run import BootOutcome, Evidence
from isoforge.templates import render

PAGE, FACTS = "report.html", "report.json"


def prepare(folder: Path) -> None:
    """Create ``folder`` for evidence and remove the pages, pictures and logs of an earlier boot test from it.

    Raises ``OutputError`` if it cannot be written, or is reached through another user's symlink.
    """
    for one in (folder, folder / "serial"):
        refuse_foreign_link(one)
    try:
        (folder / "serial").mkdir(parents=True, exist_ok=True)
        for old in (folder / PAGE, folder / FACTS, *folder.glob("menu-*.png"), *folder.glob("serial/*.log")):
            old.unlink(missing_ok=True)
    except OSError as failure:
        raise OutputError(f"{failure.filename or folder} cannot be written: {failure.strerror}") from failure


def write_evidence(evidence: Evidence, folder: Path) -> Path:
    """Write report.html and report.json into ``folder``, with the pictures in that folder, and return the page.

    Secrets in what they report, such as a kernel line, are masked.
    """
    evidence = mask_facts(evidence)
    pictures = [(firmware, folder / f"menu-{firmware}.png") for firmware in Firmware]
    replace_file(folder / FACTS, to_json(evidence).encode())
    page = folder / PAGE
    replace_file(
        page,
        render(
            "report.html.j2",
            {
                "evidence": evidence,
                "hosts": [(host, host.seed_digests) for host in evidence.manifest.hosts if host.name in evidence.hosts],
                "pictures": [(firmware, as_data(picture)) for firmware, picture in pictures if picture.is_file()],
                "isoforge_version": __version__,
            },
        ).encode(),
    )
    return page


def as_data(picture: Path) -> str:
    """A PNG picture as an address that holds it (RFC 2397)."""
    return f"data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode()}"


def to_json(evidence: Evidence) -> str:
    """The evidence as JSON; ``ok`` first. Secrets in it are masked."""
    document = {
        "ok": not evidence.problems,
        "iso": asdict(evidence.iso),
        "build_id": evidence.manifest.build_id,
        "started_at": f"{evidence.started_at:%Y-%m-%dT%H:%M:%SZ}",
        "hosts_on_iso": len(evidence.manifest.hosts),
        "hosts": evidence.hosts,
        "selection": evidence.selection,
        "boot_image": evidence.boot_image,
        "accelerator": evidence.accelerator,
        "versions": {"isoforge": __version__, **evidence.versions},
        "faults": evidence.faults,
        "boots": list(_boots(evidence.boots)),
    }
    return json.dumps(mask_facts(document), indent=2, ensure_ascii=False) + "\n"


def _boots(boots: tuple[BootOutcome, ...]) -> Iterator[dict[str, Any]]:
    for one in boots:
        facts = asdict(one)
        yield {
            "host": facts.pop("host"),
            "firmware": facts.pop("firmware"),
            "medium": facts.pop("medium"),
            "ok": not one.differences,
            "seconds": round(facts.pop("seconds"), 1),
            **facts,
        }
