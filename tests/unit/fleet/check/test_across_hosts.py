"""Across hosts: what must be one host's alone is reported for the second that has it, with the first one's name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from isoforge.fleet.check import review
from isoforge.fleet.check.across_hosts import FleetEntry, check_fleet, fleet_entry
from isoforge.fleet.inventory.load import survey
from tests.unit.fleet.conftest import PUBLIC_KEY, Write


def host(number: int, values: Mapping[str, str] | None = None, *, match: Mapping[str, str] | None = None) -> FleetEntry:
    own = {
        "hostname": f"site-a-m710q{number}",
        "mac": f"00:00:5e:00:53:{number % 256:02x}",
        "address": f"192.0.{2 + number // 250}.{1 + number % 250}",
        "disk": f"*S3Z1NB0K{number:06}*",
        "instance": f"site-a-m710q{number}-1",
        **(values or {}),
    }
    lan = {"match": {"macaddress": own["mac"]}, "addresses": [f"{own['address']}/24"]}
    autoinstall: dict[str, Any] = {
        "identity": {"hostname": own["hostname"]},
        "network": {"version": 2, "ethernets": {"lan": lan}},
        "storage": {"layout": {"name": "lvm", "match": {"serial": own["disk"]}}},
    }
    return fleet_entry(
        f"m{number}",
        user_data={"autoinstall": autoinstall},
        meta_data={"instance-id": own["instance"]},
        match={"serial": f"PF{number:06}"} if match is None else match,
    )


def found(*hosts: FleetEntry) -> list[tuple[str, str, str]]:
    return [(entry.name, one.id, ".".join(map(str, one.path))) for entry, one in check_fleet(hosts)]


def test_a_review_that_two_processes_share_finds_the_same(
    write: Write, templates: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Problems of each kind: of the inventory, of seeds, of one value in hosts of both halves, a placeholder key."""
    monkeypatch.setattr("isoforge.halves.os.sched_getaffinity", lambda _: {0, 1})
    names = [f"web-{number}" for number in range(1, 10)]
    hosts = "".join(f"    {name}:\n" for name in names)
    common = f"identity: {{username: ops}}\nssh: {{authorized_keys: [{PUBLIC_KEY}]}}\n"
    files = {"inventory/hosts.yml": f"all:\n  hosts:\n{hosts}", "inventory/group_vars/all.yml": common}
    for number, name in enumerate(names):
        disk = f"storage: {{disk: {{serial: S4TEST{number % 7:02}}}}}\nmatch: {{serial: PC{number % 6}}}\n"
        files[f"inventory/host_vars/{name}.yml"] = disk + (
            "locale: [1]\n" if number == 8 else "nonsense: 1\n" * (number == 2)
        )
    inventory = survey(write(files))
    results = []
    for least in (None, 2):
        monkeypatch.setattr(review, "FEWEST_TO_SHARE", least)
        options: dict[str, Any] = {"templates": templates, "release": None}
        results.append(review.review_inventory(inventory, inventory.hosts, **options))
    assert results[0] == results[1]
    assert {"disk-serial-shared", "match-shared", "wrong-type", "key-unknown"} <= {
        one.id for one in results[0].problems
    }
    assert [seed.host for seed in results[1].seeds] == names


def test_hosts_that_share_nothing_are_no_problem() -> None:
    assert found(host(1), host(2), host(3)) == []


LAN = "autoinstall.network.ethernets.lan"


@pytest.mark.parametrize(
    ("values", "id_", "path"),
    [
        ({"hostname": "SITE-A-m710q1"}, "host-name-shared", "autoinstall.identity.hostname"),
        ({"mac": "00:00:5E:00:53:01"}, "mac-shared", f"{LAN}.match.macaddress"),
        ({"address": "192.0.2.2"}, "address-shared", f"{LAN}.addresses.0"),
        ({"disk": "*S3Z1NB0K000001*"}, "disk-serial-shared", "autoinstall.storage.layout.match.serial"),
        ({"instance": "site-a-m710q1-1"}, "instance-id-shared", "instance-id"),
    ],
)
def test_a_shared_value_is_reported_for_the_second_host(values: dict[str, str], id_: str, path: str) -> None:
    assert found(host(1), host(2, values)) == [("m2", id_, path)]


@pytest.mark.parametrize(
    ("first", "second", "hosts"),
    [
        ({"serial": "PF1"}, {"serial": "pf1 "}, ["m2"]),
        ({"serial": "PF1", "mac": "x"}, {"serial": "PF1"}, ["m2"]),
        ({"serial": "PF1"}, {"serial": "PF1", "mac": "x"}, ["m1"]),
        ({"serial": "PF1", "mac": "x"}, {"serial": "PF1", "mac": "y"}, []),
        (
            {"uuid": "00112233-4455-6677-8899-AABBCCDDEEFF"},
            {"uuid": "33221100-5544-7766-8899-aabbccddeeff"},
            ["m2"],
        ),
        ({"mac": "x"}, {"mac": "x,y"}, ["m1"]),
        ({"serial": "P  F1"}, {"serial": "P F1"}, []),
        ({"serial": "PF1"}, {"uuid": "PF1"}, []),
        ({}, {}, []),
        ({"serial": ""}, {"serial": ""}, []),
    ],
)
def test_match_keys_that_could_both_fit_are_reported_with_their_values(
    first: dict[str, str], second: dict[str, str], hosts: list[str]
) -> None:
    pairs = list(check_fleet([host(1, match=first), host(2, match=second)]))
    assert [(entry.name, one.id, one.path) for entry, one in pairs] == [
        (name, "match-shared", ("match",)) for name in hosts
    ]
    for entry, one in pairs:
        assert all(value in one.message for value in entry.match.values())


def test_disks_named_in_a_list_of_actions_are_compared_too() -> None:
    actions = {"storage": {"config": [{"type": "disk", "id": "d", "serial": "S3Z1NB0K000001"}]}}
    second = fleet_entry("m2", user_data={"autoinstall": actions}, meta_data={}, match={})
    assert found(host(1), second) == [("m2", "disk-serial-shared", "autoinstall.storage.config.0.serial")]


def test_a_seed_that_cannot_be_read_has_nothing_to_compare() -> None:
    assert found(*(fleet_entry(name, user_data={}, meta_data={}, match={}) for name in ("m1", "m2"))) == []
