"""Every example host and every layout, rendered for each release and held against the texts in tests/golden/seeds/.

After an intended change: ISOFORGE_WRITE_GOLDEN=1 pytest tests/unit/fleet/seed/test_golden_seeds.py, and read the diff.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest
import yaml

from isoforge.fleet.check.engine import check_meta_data, check_user_data
from isoforge.fleet.inventory.load import Host, Inventory, survey
from isoforge.fleet.seed.render import render_seed
from isoforge.fleet.seed.scripts import call_scripts, every_script
from isoforge.problems import Problem, Severity
from isoforge.release import Release
from tests.unit.fleet.conftest import ROOT

GOLDEN = ROOT / "tests" / "golden"
TEMPLATES = [ROOT / "templates"]
RELEASES = ("22.04", "24.04", "26.04")
NEWER_ONLY = {"zfs": "22.04", "zfs-luks": "22.04"}


@cache
def fleets() -> tuple[Inventory, ...]:
    return survey(ROOT / "baremetal"), survey(GOLDEN / "fleet")


HOSTS = [host for fleet in fleets() for host in fleet.hosts]


def rendered(host: Host, release: str | None) -> tuple[str, str]:
    seed = render_seed(host, templates=TEMPLATES, release=Release.of(release))
    return seed.user_data.decode(), seed.meta_data.decode()


def on_medium(user_data: str) -> str:
    """The seed as it is on an ISO, where the scripts are not part of it."""
    return call_scripts(user_data.encode(), every_script(TEMPLATES))[0].decode()


def golden(host: Host, release: str) -> Path:
    """The text for a release, or that for 24.04, which holds for every release that has none of its own."""
    own = GOLDEN / "seeds" / f"{host.name}.{release}.user-data"
    return own if own.is_file() else GOLDEN / "seeds" / f"{host.name}.user-data"


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.name)
def test_a_seed_is_what_it_was(host: Host, release: str) -> None:
    text, meta = rendered(host, release)
    called = on_medium(text)
    if NEWER_ONLY.get(host.name) == release:
        assert [one.id for one in problems_of(text, meta, host, release)][:1] == ["key-too-new"]
        return
    if os.environ.get("ISOFORGE_WRITE_GOLDEN"):
        kept_for_all = GOLDEN / "seeds" / f"{host.name}.user-data"
        usual = on_medium(rendered(host, "24.04")[0])
        kept_for_all.write_text(usual, encoding="utf-8")
        if called != usual:
            (GOLDEN / "seeds" / f"{host.name}.{release}.user-data").write_text(called, encoding="utf-8")
    assert called == golden(host, release).read_text(encoding="utf-8")


def problems_of(user_data: str, meta_data: str, host: Host, release: str | None) -> list[Problem]:
    firmware = host.values["storage"]["firmware"]
    base = Release.of(release)
    problems = check_user_data(user_data.encode(), file="user-data", release=base, firmware=firmware)
    return problems + check_meta_data(meta_data.encode(), file="meta-data")


@pytest.mark.parametrize("release", [None, *RELEASES])
@pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.name)
def test_a_seed_passes_the_check_of_seeds(host: Host, release: str | None) -> None:
    if NEWER_ONLY.get(host.name) == release:
        return
    problems = problems_of(*rendered(host, release), host, release)
    accepted = {"networks", "everything", "raid1-luks"}
    problems = [one for one in problems if one.id != "ssh-key-example"]
    assert [str(one) for one in problems if one.severity is Severity.ERROR or host.name not in accepted] == []


def test_no_golden_text_is_left_over() -> None:
    used = {golden(host, release) for host in HOSTS for release in RELEASES}
    assert set((GOLDEN / "seeds").iterdir()) == used


def test_releases_differ_where_the_installer_does() -> None:
    everything = next(host for host in HOSTS if host.name == "everything")
    old, new = (
        yaml.safe_load(rendered(everything, release)[0])["autoinstall"]["apt"] for release in ("22.04", "24.04")
    )
    assert old["primary"] == [{"arches": ["default"], "uri": "http://mirror.example.org/ubuntu"}]
    assert "fallback" not in old
    assert new["mirror-selection"] == {"primary": [{"uri": "http://mirror.example.org/ubuntu"}]}
    assert new["fallback"] == "abort"
