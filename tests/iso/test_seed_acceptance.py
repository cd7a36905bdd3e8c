"""Rendered seeds before the judges of the installed system: cloud-init's schema and netplan, the real programs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from isoforge.errors import ToolError
from isoforge.fleet.inventory.load import Host, survey
from isoforge.fleet.seed.render import render_seed
from isoforge.release import Release
from isoforge.run import run

ROOT = Path(__file__).parents[2]
HOSTS = [host for place in (ROOT / "baremetal", ROOT / "tests/golden/fleet") for host in survey(place).hosts]
WITH_NETWORK = [host for host in HOSTS if any(host.values["network"].values())]

IN_CI = os.environ.get("CI") == "true"
"""There scripts/setup.sh has installed both, and a missing one fails the test."""

needs_cloud_init = pytest.mark.skipif(not (IN_CI or shutil.which("cloud-init")), reason="apt-get install cloud-init")
needs_netplan = pytest.mark.skipif(not (IN_CI or shutil.which("netplan")), reason="apt-get install netplan.io")


def seed(host: Host) -> bytes:
    return render_seed(host, templates=[ROOT / "templates"], release=Release(year=24, month=4)).user_data


def autoinstall(host: Host) -> dict[str, Any]:
    return dict(yaml.safe_load(seed(host))["autoinstall"])


def judge(user_data: bytes, folder: Path) -> None:
    """``cloud-init schema`` over ``user_data``; ToolError if it is not content."""
    path = folder / "user-data"
    path.write_bytes(user_data)
    said = run("cloud-init", "schema", "--config-file", path)
    assert "Valid" in said


def of_the_target(host: Host) -> dict[str, Any]:
    """The cloud-config that the installer leaves for the first boot: what it makes of identity, and user-data."""
    section = autoinstall(host)
    made: dict[str, Any] = {"locale": section["locale"], "timezone": section["timezone"], "growpart": {"mode": "off"}}
    if "identity" in section:
        identity = section["identity"]
        made["hostname"] = identity["hostname"]
        made["users"] = [
            {
                "name": identity["username"],
                "gecos": identity.get("realname", ""),
                "passwd": identity["password"],
                "shell": "/bin/bash",
                "groups": "adm,sudo",
                "lock_passwd": False,
                "ssh_authorized_keys": section["ssh"]["authorized-keys"],
            }
        ]
    return {**made, **section.get("user-data", {})}


@needs_cloud_init
@pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.name)
def test_cloud_init_takes_the_seed(host: Host, tmp_path: Path) -> None:
    judge(seed(host), tmp_path)


@needs_cloud_init
@pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.name)
def test_cloud_init_takes_what_the_target_boots_with(host: Host, tmp_path: Path) -> None:
    judge(b"#cloud-config\n" + yaml.safe_dump(of_the_target(host)).encode(), tmp_path)


@needs_cloud_init
@pytest.mark.parametrize(
    "broken",
    [
        b"#cloud-config\nautoinstall: {}\n",
        b"#cloud-config\nusers: 5\n",
        b"# comment\n#cloud-config\nautoinstall: {version: 1}\n",
    ],
)
def test_this_judge_can_refuse(broken: bytes, tmp_path: Path) -> None:
    with pytest.raises(ToolError):
        judge(broken, tmp_path)


def generate(network: object, folder: Path) -> list[str]:
    """``netplan generate`` over ``network``; the names of the files that it wrote."""
    path = folder / "etc/netplan/00-installer-config.yaml"
    path.parent.mkdir(parents=True)
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump({"network": network}), encoding="utf-8")
    run("netplan", "generate", "--root-dir", folder)
    return sorted(made.name for made in (folder / "run").rglob("*") if made.is_file())


@needs_netplan
@pytest.mark.parametrize("host", WITH_NETWORK, ids=lambda host: host.name)
def test_netplan_makes_every_device_of(host: Host, tmp_path: Path) -> None:
    network = autoinstall(host)["network"]
    made = generate(network, tmp_path)
    for section in ("ethernets", "bonds", "bridges", "vlans"):
        for device in network.get(section, {}):
            assert f"10-netplan-{device}.network" in made


@needs_netplan
def test_a_gateway_becomes_a_default_route_for_either_family(tmp_path: Path) -> None:
    host = next(host for host in HOSTS if host.name == "site-b-static-bond")
    generate(autoinstall(host)["network"], tmp_path)
    text = (tmp_path / "run/systemd/network/10-netplan-bond0.network").read_text()
    assert "[Route]\nDestination=0.0.0.0/0\nGateway=192.0.2.1\n" in text
    assert "[Route]\nDestination=::/0\nGateway=2001:db8:b::1\n" in text


@needs_netplan
def test_a_mac_address_finds_the_card_and_names_it(tmp_path: Path) -> None:
    host = next(host for host in HOSTS if host.name == "site-b-dhcp-mac")
    generate(autoinstall(host)["network"], tmp_path)
    text = (tmp_path / "run/systemd/network/10-netplan-lan0.link").read_text()
    assert "MACAddress=00:00:5e:00:53:04" in text
    assert "Name=lan0" in text


@needs_netplan
@pytest.mark.parametrize(
    "broken",
    [
        {"version": 1},
        {"version": 2, "ethernets": {"a": {"adresses": []}}},
        {"version": 2, "bonds": {"b": {"interfaces": ["gone"]}}},
    ],
)
def test_this_judge_of_networks_can_refuse(broken: object, tmp_path: Path) -> None:
    with pytest.raises(ToolError):
        generate(broken, tmp_path)
