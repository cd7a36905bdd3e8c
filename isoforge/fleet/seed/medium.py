"""The seeds of a fleet as they are on its ISO: what all of them contain is there once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from isoforge.fleet.inventory.host import Host
from isoforge.fleet.seed.detect import detect_files, detect_seed, match_table
from isoforge.fleet.seed.guard import match_pairs
from isoforge.fleet.seed.render import Seed
from isoforge.fleet.seed.report import Receiver
from isoforge.fleet.seed.scripts import call_scripts, every_script
from isoforge.iso_layout import HOSTS_TABLE, SCRIPTS_FOLDER, SEEDS_FOLDER


@dataclass(frozen=True, slots=True, kw_only=True)
class MediumFiles:
    """The files on an ISO, by their path: of the hosts' ``seeds``, of the entry "Detect this machine" (none if no host
    has match keys), the ``scripts`` that those call, and what ``report`` needs."""

    seeds: Mapping[PurePosixPath, bytes]
    detection: Mapping[PurePosixPath, bytes]
    scripts: Mapping[PurePosixPath, bytes]
    report: Mapping[PurePosixPath, bytes] = field(default_factory=dict)

    @property
    def every(self) -> dict[PurePosixPath, bytes]:
        """All of them."""
        return {**self.seeds, **self.detection, **self.scripts, **self.report}


def medium_files(
    hosts: Sequence[Host], seeds: Sequence[Seed], templates: Sequence[Path], *, receiver: Receiver | None = None
) -> MediumFiles:
    """What an ISO for ``hosts`` has of their ``seeds``, with the scripts of ``templates``; a machine that no host fits
    reports to the ``receiver``."""
    scripts = every_script(templates)
    called: set[str] = set()

    def calling(seed: Seed) -> Seed:
        user_data, names = call_scripts(seed.user_data, scripts)
        called.update(names)
        return replace(seed, user_data=user_data, document=None)

    on_medium = [calling(seed) for seed in seeds]
    detection = {}
    if any(match_pairs(host.match) for host in hosts):
        detection[HOSTS_TABLE] = match_table(hosts)
        for seed in on_medium:
            detection |= {SEEDS_FOLDER / seed.host / name: text for name, text in detect_files(seed).items()}
        detection |= _files(calling(detect_seed(templates=templates, receiver=receiver)))
    return MediumFiles(
        seeds={path: text for seed in on_medium for path, text in _files(seed).items()},
        detection=detection,
        scripts={SCRIPTS_FOLDER / name: scripts[name].encode() for name in scripts if name in called},
    )


def _files(seed: Seed) -> dict[PurePosixPath, bytes]:
    return {SEEDS_FOLDER / seed.host / name: text for name, text in seed.files.items()}
