"""Across hosts: what must be one host's alone is told of the second that has it, with the first one's name."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest

from isoforge.fleet.check.across_hosts import FleetEntry, check_fleet, entry

USER_DATA = """#cloud-config
autoinstall:
  version: 1
  identity: {{hostname: {hostname}, username: ops, password: "!"}}
  network:
    version: 2
    ethernets:
      lan:
        match: {{macaddress: "{mac}"}}
        addresses: [{address}/24]
  storage:
    layout: {{name: lvm, match: {{serial: "{disk}"}}}}
"""


LAN = "autoinstall.network.ethernets.lan"


def host(number: int, values: Mapping[str, str] | None = None, *, match: Mapping[str, str] | None = None) -> FleetEntry:
    own = {
        "hostname": f"site-a-m710q{number}",
        "mac": f"00:00:5e:00:53:{number % 256:02x}",
        "address": f"192.0.{2 + number // 250}.{1 + number % 250}",
        "disk": f"*S3Z1NB0K{number:06}*",
        "instance": f"site-a-m710q{number}-1",
        **(values or {}),
    }
    return entry(
        name=f"m{number}",
        file=f"m{number}.yml",
        user_data=USER_DATA.format(**own),
        meta_data=f"instance-id: {own['instance']}\n",
        match={"serial": f"PF{number:06}"} if match is None else match,
        match_line=3,
    )


def test_hosts_that_share_nothing_are_no_problem() -> None:
    assert check_fleet([host(1), host(2), host(3)]) == []


@pytest.mark.parametrize(
    ("values", "line", "address", "said"),
    [
        ({"hostname": "SITE-A-m710q1"}, 4, "autoinstall.identity.hostname", "'SITE-A-m710q1' is the host name"),
        ({"mac": "00:00:5E:00:53:01"}, 9, f"{LAN}.match.macaddress", "00:00:5E:00:53:01 is the MAC address"),
        ({"address": "192.0.2.2"}, 10, f"{LAN}.addresses[0]", "192.0.2.2 is the IP address"),
        ({"disk": "*S3Z1NB0K000001*"}, 12, "autoinstall.storage.layout.match.serial", "'*S3Z1NB0K000001*' is the disk"),
        ({"instance": "site-a-m710q1-1"}, None, "meta-data.instance-id", "'site-a-m710q1-1' is the instance-id"),
    ],
)
def test_shared_value_is_told_of_the_second_host(
    values: dict[str, str], line: int | None, address: str, said: str
) -> None:
    (found,) = check_fleet([host(1), host(2, values)])
    assert (found.file, found.line, found.address) == ("m2.yml", line, f"hosts.m2.{address}")
    assert found.text.startswith(said)
    assert found.text.endswith("of hosts.m1 too")


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ({"serial": "PF1"}, {"serial": "pf1 "}, ["m2.match: the match keys are those of hosts.m1 too"]),
        (
            {"serial": "PF1", "mac": "x"},
            {"serial": "PF1"},
            ["m2.match: the match keys fit every machine that hosts.m1"],
        ),
        (
            {"serial": "PF1"},
            {"serial": "PF1", "mac": "x"},
            ["m1.match: the match keys fit every machine that hosts.m2"],
        ),
        ({"serial": "PF1", "mac": "x"}, {"serial": "PF1", "mac": "y"}, []),
        (
            {"uuid": "00112233-4455-6677-8899-AABBCCDDEEFF"},
            {"uuid": "33221100-5544-7766-8899-aabbccddeeff"},
            ["m2.match: the match keys are those of hosts.m1 too"],
        ),
        ({"mac": "x"}, {"mac": "x,y"}, ["m1.match: the match keys fit every machine that hosts.m2"]),
        ({"serial": "P  F1"}, {"serial": "P F1"}, []),
        ({"serial": "PF1"}, {"uuid": "PF1"}, []),
        ({}, {}, []),
        ({"serial": ""}, {"serial": ""}, []),
    ],
)
def test_match_keys_that_could_both_fit_are_told(
    first: dict[str, str], second: dict[str, str], said: list[str]
) -> None:
    found = [str(one) for one in check_fleet([host(1, match=first), host(2, match=second)])]
    assert len(found) == len(said)
    assert all(part in one for one, part in zip(found, said, strict=True))


def test_disks_named_in_a_list_of_actions_are_compared_too() -> None:
    actions = (
        "#cloud-config\nautoinstall:\n  storage:\n    config:\n      - {type: disk, id: d, serial: S3Z1NB0K000001}\n"
    )
    second = entry(name="m2", file="m2.yml", user_data=actions)
    assert [str(one) for one in check_fleet([host(1), second])] == [
        "m2.yml:5  hosts.m2.autoinstall.storage.config[0].serial: 'S3Z1NB0K000001' is the disk serial of hosts.m1 too"
    ]


def test_seed_that_cannot_be_read_has_nothing_to_compare() -> None:
    broken = [entry(name=name, file="x", user_data="a: [", meta_data="b: [") for name in ("m1", "m2")]
    assert check_fleet(broken) == []


def test_two_thousand_hosts_are_compared_in_seconds() -> None:
    fleet = [host(number, {"mac": f"02:00:00:00:{number // 256:02x}:{number % 256:02x}"}) for number in range(2000)]
    start = time.monotonic()
    assert check_fleet(fleet) == []
    assert time.monotonic() - start < 2
