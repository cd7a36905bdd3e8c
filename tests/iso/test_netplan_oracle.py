"""What netplan itself says of the networks in the corpus, and of the keys that the checker dates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from isoforge.errors import ToolError
from isoforge.fleet.check import netplan_versions
from isoforge.fleet.check.network import inner
from isoforge.run import run
from tests.iso.test_seed_acceptance import generate, needs_netplan

CORPUS = Path(__file__).parents[1] / "corpus"
GOOD = sorted((CORPUS / "good").glob("*.user-data"))
BAD = sorted(CORPUS.glob("bad/netplan-*.user-data"))

pytestmark = needs_netplan


def installed() -> tuple[int, ...]:
    """The version of netplan here: Debian's is older than that of any Ubuntu but 22.04."""
    version = run("dpkg-query", "--show", "--showformat=${Version}", "netplan.io")
    return numbers(version.partition("-")[0].partition("+")[0])


def numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def body_of(document: Path) -> Any:
    network = yaml.safe_load(document.read_text("utf-8"))["autoinstall"].get("network")
    return inner(network)[1] if network else None


def needed(body: Any) -> tuple[int, ...]:
    """The version of netplan that the ``body`` needs, as the checker dates its keys."""
    return max((numbers(version) for _, version, _ in netplan_versions.newer(body, ())), default=(0, 104))


WITH_NETWORK = [document for document in GOOD if "network:" in document.read_text("utf-8") and body_of(document)]


@pytest.mark.parametrize("document", WITH_NETWORK, ids=lambda path: path.stem)
def test_netplan_takes_the_network_of_a_good_document_if_it_is_new_enough(document: Path, tmp_path: Path) -> None:
    body = body_of(document)
    if needed(body) <= installed():
        assert generate(body, tmp_path)
    else:
        with pytest.raises(ToolError):
            generate(body, tmp_path)


@pytest.mark.parametrize("document", BAD, ids=lambda path: path.stem)
def test_netplan_refuses_a_key_exactly_if_the_checker_dates_it_later(document: Path, tmp_path: Path) -> None:
    body = body_of(document)
    if needed(body) > installed():
        with pytest.raises(ToolError, match=r"unknown|Invalid"):
            generate(body, tmp_path)
    else:
        assert generate(body, tmp_path)


PLAIN: dict[str, Any] = {"version": 2, "ethernets": {"eno1": {"dhcp4": True}}}
SAMPLES = {
    "neigh-suppress": {**PLAIN, "tunnels": {"vx": {"mode": "vxlan", "id": 1, "link": "eno1", "remote": "192.0.2.2",
                                                  "neigh-suppress": True}}},
    **{key: {"version": 2, "ethernets": {"eno1": {key: True}}} for key in ("hairpin", "port-mac-learning")},
    "ra-overrides": {"version": 2, "ethernets": {"eno1": {"ra-overrides": {"use-dns": False}}}},
    "infiniband-mode": {"version": 2, "ethernets": {"ib0": {"infiniband-mode": "datagram"}}},
    "regulatory-domain": {"version": 2, "wifis": {"w": {"regulatory-domain": "GB", "access-points": {"x": {}}}}},
    **{
        f"mac-{word}": {"version": 2, "ethernets": {"eno1": {"macaddress": word}}}
        for word in netplan_versions.VALUES["macaddress"]
    },
    **{
        f"auth-{word}": {"version": 2, "wifis": {"w": {"access-points": {"x": {"auth": {
            "key-management": word, "method": "peap", "identity": "a", "password": "abcdefgh"}}}}}}
        for word in netplan_versions.VALUES["key-management"]
    },
    **{
        f"eap-{word}": {"version": 2, "wifis": {"w": {"access-points": {"x": {"auth": {
            "key-management": "eap", "method": word, "identity": "a", "password": "abcdefgh"}}}}}}
        for word in netplan_versions.VALUES["method"]
    },
}  # fmt: skip
"""For each key or value that the checker dates, and no document of the corpus has, a network with it."""


@pytest.mark.parametrize("name", SAMPLES)
def test_netplan_knows_a_key_exactly_from_the_version_on_that_the_checker_names(name: str, tmp_path: Path) -> None:
    body = SAMPLES[name]
    assert needed(body) > (0, 104)
    if needed(body) <= installed():
        assert generate(body, tmp_path)
    else:
        with pytest.raises(ToolError, match=r"unknown|Invalid"):
            generate(body, tmp_path)
