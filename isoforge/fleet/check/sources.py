"""What a seed wants from its base ISO, against what that ISO contains, where it is at hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isoforge.base_contents import BaseContents
from isoforge.fleet.check import schema
from isoforge.fleet.check.findings import Findings, mapping, text
from isoforge.fleet.check.installers import DESKTOP_WITHOUT_IDENTITY
from isoforge.problems import did_you_mean
from isoforge.release import Release


def check(findings: Findings, autoinstall: Mapping[str, Any]) -> None:
    """Report a source, or a layout that needs one, that the base ISO lacks."""
    _check_id(findings, autoinstall)
    _check_tpm(findings, autoinstall)


def _check_tpm(findings: Findings, autoinstall: Mapping[str, Any]) -> None:
    """The layout hybrid takes its system from snapd (controllers/filesystem.py), which servers do not have."""
    layout = mapping(mapping(autoinstall.get("storage")).get("layout"))
    if text(layout.get("name")) != "hybrid":
        return
    path = ("autoinstall", "storage", "layout", "name")
    chosen = findings.base.source(source_id(autoinstall)) if findings.base is not None else None
    if chosen is None:
        message = "needs a source with TPM support, as desktop ISOs have: the installer of a server ISO fails"
        findings.warning("layout-needs-tpm", path, message)
    elif not chosen.has_tpm:
        able = ", ".join(one.id for one in findings.base.sources if one.has_tpm) if findings.base else ""
        others = f"; {able} does: name it in `source.id`" if able else ""
        message = f"the source {chosen.id} of the base ISO does not support TPM: the installer fails{others}"
        findings.error("layout-not-on-iso", path, message)


def source_id(autoinstall: Mapping[str, Any]) -> str:
    """The id of the source that is wanted, "" for the ISO's default."""
    return text(mapping(autoinstall.get("source")).get("id"))


def _check_id(findings: Findings, autoinstall: Mapping[str, Any]) -> None:
    """Report a ``source.id`` that the base ISO lacks or, where it is not at hand, that no official ISO has.

    The installer has no message for it: it stops with an internal error (controllers/source.py).
    """
    wanted = source_id(autoinstall)
    path = ("autoinstall", "source", "id")
    if not wanted:
        return
    ids = [one.id for one in findings.base.sources] if findings.base is not None else []
    if ids and wanted not in ids:
        message = f"the base ISO has no source {wanted!r}: it has {', '.join(ids)}{did_you_mean(wanted, ids)}"
        findings.error("source-not-on-iso", path, message)
    elif not ids and wanted not in (known := schema.words("sources")):
        near = did_you_mean(wanted, known)
        message = f"official ISOs have no source {wanted!r}: the installer fails if its ISO has none{near}"
        findings.warning("source-unknown", path, message)


def asks_for_user(release: Release | None, base: BaseContents | None, source: str) -> bool:
    """Whether the system that is installed asks for its first user by itself: Ubuntu Desktop does from 24.04 on.

    ``source`` is its id, "" for the ISO's default. False if the ISO is not at hand.
    """
    chosen = base.source(source) if base is not None else None
    is_recent = release is None or DESKTOP_WITHOUT_IDENTITY.holds(release)
    return is_recent and chosen is not None and chosen.variant == "desktop"
