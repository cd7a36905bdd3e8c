"""The store: every report that was accepted, in one SQLite file, and the state of the fleet that follows from them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from isoforge.errors import OutputError
from isoforge.proof.manifest import Manifest
from isoforge.reports.parse import Report

MAX_UNKNOWN = 1000
"""Machines that are in no manifest, for each build: one that makes up names cannot fill the disk."""

MAX_REPORTS = 500
"""Reports for each host of a build."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS reports (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL, build TEXT NOT NULL, host TEXT NOT NULL, state TEXT NOT NULL,
    step TEXT NOT NULL, reason TEXT NOT NULL, time REAL NOT NULL, started_at REAL NOT NULL, duration_s INTEGER NOT NULL,
    machine TEXT NOT NULL, body TEXT NOT NULL, received REAL NOT NULL, UNIQUE (build, id)
);
CREATE INDEX IF NOT EXISTS by_host ON reports (build, host);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """A build whose hosts may report: its id, its name, its ``hosts``, and the SHA-256 of its token (None: none)."""

    id: str
    name: str
    hosts: tuple[str, ...]
    token_sha256: str | None

    @staticmethod
    def of(manifest: Manifest) -> Build:
        hosts = tuple(host.name for host in manifest.hosts)
        return Build(id=manifest.build_id, name=manifest.name, hosts=hosts, token_sha256=manifest.report_token_sha256)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostState:
    """What is known of one host of a build, or of an unknown machine.

    ``state`` is waiting, installing, installed, failed or unknown; ``since`` is when that was reported (seconds since
    1970, 0 while it waits), and ``machine`` the machine that reported it.
    """

    build: str
    build_name: str
    host: str
    state: str
    step: str = ""
    reason: str = ""
    since: float = 0.0
    duration_s: int = 0
    machine: str = ""


class Store:
    """The store in ``file``, which is made if it does not exist, and is readable only by its owner."""

    def __init__(self, file: Path, builds: Sequence[Build]) -> None:
        self.builds = {build.id: build for build in builds}
        self._steps: dict[tuple[str, str], str] = {}
        self._fleet: list[HostState] | None = None
        try:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            file.touch(mode=0o600)
            self._base = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
            self._reader = sqlite3.connect(file, isolation_level=None)
            self._base.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; {_SCHEMA}")
        except (OSError, sqlite3.Error) as failure:
            raise OutputError(f"cannot use {file} as the store of reports: {failure}") from None

    def close(self) -> None:
        """Close the file; everything that was added is in it."""
        self._reader.close()
        self._base.close()

    def add(self, reports: Iterable[tuple[Report, float]]) -> list[bool]:
        """Keep ``reports``, each with the time it was received, all or none; for each, whether it is new.

        When this returns, they are on the disk. A report that was received before, or that is one too many for its host
        or its build, is not kept. Raises ``sqlite3.Error`` if they cannot be written.
        """
        self._base.execute("BEGIN IMMEDIATE")
        try:
            kept = [self._add(report, received) for report, received in reports]
        except BaseException:
            self._base.execute("ROLLBACK")
            raise
        self._base.execute("COMMIT")
        self._fleet = None
        return kept

    def _add(self, report: Report, received: float) -> bool:
        build = self.builds.get(report.build)
        (count,) = self._base.execute(
            "SELECT count(*) FROM reports WHERE build = ? AND host = ?", (report.build, report.host)
        ).fetchone()
        if count >= (MAX_REPORTS if build and report.host in build.hosts else MAX_UNKNOWN):
            return False
        values = {**asdict(report), "received": received}
        names = ", ".join(values)
        marks = ", ".join(f":{name}" for name in values)
        done = self._base.execute(f"INSERT OR IGNORE INTO reports ({names}) VALUES ({marks})", values)  # noqa: S608
        return done.rowcount == 1

    def installing(self, host: str) -> str | None:
        """The build for which ``host`` is being installed now; None if there is none, or more than one."""
        builds = [one.build for one in self.fleet() if one.host == host and one.state == "installing"]
        return builds[0] if len(builds) == 1 else None

    def set_step(self, build: str, host: str, step: str) -> None:
        """The step of a host that is being installed, as its installer says; not kept in the file."""
        self._steps[build, host] = step
        self._fleet = None

    def fleet(self) -> list[HostState]:
        """The state of every host of every build, in the order of the manifests, then of every unknown machine."""
        if self._fleet is None:
            self._fleet = self._read()
        return self._fleet

    def _read(self) -> list[HostState]:
        latest: dict[tuple[str, str, str], HostState] = {}
        ended: dict[tuple[str, str, str], float] = {}
        rows = self._reader.execute(
            "SELECT build, host, state, step, reason, time, started_at, duration_s, machine, received"
            " FROM reports ORDER BY received, number"
        )
        for build_id, host, state, step, reason, time, started_at, duration_s, machine, received in rows:
            build = self.builds.get(build_id)
            known = build is not None and host in build.hosts
            key = (build_id, host, "" if known else machine)
            if state == "installing" and key in ended and started_at < ended[key]:
                continue  # sent before the end, and received after it
            if state != "installing":
                ended[key] = time
            before = latest.get(key)
            same = before is not None and (before.state, before.step) == (state, step)
            latest[key] = HostState(
                build=build_id,
                build_name=build.name if build else "",
                host=host,
                state=state if known else "unknown",
                step=self._steps.get((build_id, host), step) if state == "installing" else step,
                reason=reason,
                since=before.since if same and before else received,
                duration_s=duration_s,
                machine=machine,
            )
        known_hosts = []
        for build in self.builds.values():
            for host in build.hosts:
                nothing = HostState(build=build.id, build_name=build.name, host=host, state="waiting")
                known_hosts.append(latest.pop((build.id, host, ""), nothing))
        return [*known_hosts, *latest.values()]
