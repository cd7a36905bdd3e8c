"""Where builds and reports come from, besides the network: manifests, and what sticks have brought home."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from isoforge.errors import UsageError
from isoforge.proof.manifest import Manifest
from isoforge.regular_file import read_regular
from isoforge.reports.parse import MAX_BYTES, Report, ReportError, parse_report
from isoforge.reports.store import Build
from isoforge.workspace import Workspace

MAX_FILES = 10_000
"""Files of a folder that are read; a stick has one for each installation."""


def builds_of(manifests: Iterable[Path], workspace: Workspace) -> list[Build]:
    """The builds of ``manifests``; without one, all that lie in the workspace. Raises ``UsageError`` for a bad file."""
    files = list(manifests) or sorted(workspace.generated.glob("_*/*/manifest.json"))
    if not files:
        raise UsageError(
            f"no manifest.json in {workspace.generated}",
            hint="give the manifest.json of the ISO that installs the hosts",
        )
    builds = {}
    for file in files:
        try:
            build = Build.of(Manifest.from_file(file))
        except OSError as failure:
            raise UsageError(f"cannot read {file}: {failure.strerror}") from failure
        except ValueError as failure:
            raise UsageError(f"{file}: {failure}", hint="give the manifest.json beside an ISO") from failure
        builds[build.id] = build
    return list(builds.values())


def reports_in(folder: Path) -> tuple[list[Report], list[str]]:
    """The reports in ``folder``, a mounted stick or a folder of one, and a line for each other file.

    Raises ``UsageError`` if it cannot be read.
    """
    reports, faults = [], []
    for file in _files(folder):
        try:
            reports.append(parse_report(read_regular(file, MAX_BYTES)))
        except ReportError as error:
            faults.append(f"{file} is not a report: {error}")
        except OSError as failure:
            faults.append(f"{file} cannot be read: {failure.strerror}")
    return reports, faults


def _files(folder: Path) -> Iterator[Path]:
    try:
        places = [place for place in (folder, folder / "isoforge") if place.is_dir()]
        files = sorted(file for place in places for file in place.glob("*.json"))
    except OSError as failure:
        raise UsageError(f"cannot read {folder}: {failure.strerror}") from failure
    if not places:
        raise UsageError(f"{folder} is not a folder", hint="mount the stick, and give the folder where it is mounted")
    yield from files[:MAX_FILES]
