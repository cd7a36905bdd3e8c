"""A fleet is split so that each host is built once, under valid ISO names."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path

import pytest
import yaml

from isoforge.ci_matrix import GITHUB_JOBS, GroupBy, Job, JobFormat, format_jobs, split_jobs
from isoforge.errors import InventoryError, UsageError
from isoforge.fleet.inventory.load import Inventory, survey
from isoforge.iso_layout import BUILD_NAME

FLEET = {
    "hosts": {"alone": None},
    "children": {
        "north": {
            "hosts": dict.fromkeys(["n1", "n2", "n3"]),
            "children": {"_lab": {"hosts": {"l1": None}}},
        },
        "south": {"hosts": dict.fromkeys(["s1", "s2", "s3", "s4", "s5"])},
        "south-1": {"hosts": {"t1": None}},
        "empty": {},
    },
}


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    return fleet(tmp_path, FLEET)


def fleet(folder: Path, everybody: object) -> Inventory:
    (folder / "inventory").mkdir()
    (folder / "inventory/hosts.yml").write_text(yaml.safe_dump({"all": everybody}, sort_keys=False))
    return survey(folder)


def hosts_of(inventory: Inventory, args: tuple[str, ...]) -> list[str]:
    """The hosts that ``multi`` selects with these options."""
    words = zip(args[::2], args[1::2], strict=True)
    chosen = (inventory.group(word) if option == "--group" else [inventory.host(word)] for option, word in words)
    return [host.name for host in chain.from_iterable(chosen)]


@pytest.mark.parametrize("by", GroupBy)
@pytest.mark.parametrize("size", [None, 1, 2, 5])
def test_the_options_of_the_jobs_select_each_host_once(inventory: Inventory, by: GroupBy, size: int | None) -> None:
    jobs = split_jobs(inventory, inventory.hosts, by=by, size=size)
    selected = [name for job in jobs for name in hosts_of(inventory, job.args)]
    assert selected == [name for job in jobs for name in job.hosts]
    assert sorted(selected) == sorted(host.name for host in inventory.hosts)
    assert max(len(job.hosts) for job in jobs) <= (size or 5)


def test_a_site_is_named_by_its_group_and_its_parts_by_number(inventory: Inventory) -> None:
    assert {job.name: job.args for job in split_jobs(inventory, inventory.hosts)} == {
        "ungrouped": ("--host", "alone"),
        "north": ("--host", "n1", "--host", "n2", "--host", "n3"),
        "lab": ("--group", "_lab"),
        "south": ("--group", "south"),
        "south-1": ("--group", "south-1"),
    }
    parts = split_jobs(inventory, inventory.hosts, size=3)
    assert [job.name for job in parts] == ["ungrouped", "north", "lab", "south-1", "south-2", "south-1.2"]


def test_names_are_those_of_isos_and_no_two_are_the_same(tmp_path: Path) -> None:
    long = "g" * 80
    groups = {long: "a", long + "x": "b", "_": "c", "__": "d", "Rack": "e", "rack": "f", "_.-": "g"}
    children = {group: {"hosts": {host: None}} for group, host in groups.items()}
    inventory = fleet(tmp_path, {"children": children})
    names = [job.name for job in split_jobs(inventory, inventory.hosts)]
    assert len({name.lower() for name in names}) == len(groups)
    assert [name for name in names if not BUILD_NAME.fullmatch(name)] == []


def test_github_gets_a_matrix_in_one_line(inventory: Inventory) -> None:
    text = format_jobs(split_jobs(inventory, inventory.hosts[1:4]), JobFormat.GITHUB)
    assert text.count("\n") == 1
    assert json.loads(text) == {
        "include": [{"name": "north", "hosts": "n1 n2 n3", "args": "--host n1 --host n2 --host n3"}]
    }


def test_github_is_not_given_more_jobs_than_it_allows() -> None:
    many = [Job(name=f"j{number}", hosts=("h",), args=("--host", "h")) for number in range(GITHUB_JOBS + 1)]
    assert len(json.loads(format_jobs(many[1:], JobFormat.GITHUB))["include"]) == GITHUB_JOBS
    with pytest.raises(UsageError, match="257 jobs; GitHub allows at most 256") as refused:
        format_jobs(many, JobFormat.GITHUB)
    assert "--size" in refused.value.hint
    assert format_jobs(many, JobFormat.GITLAB).count("extends: .isoforge") == len(many)


def test_gitlab_gets_a_job_for_each_iso(inventory: Inventory) -> None:
    pipeline = yaml.safe_load(format_jobs(split_jobs(inventory, inventory.hosts, size=3), JobFormat.GITLAB))
    assert list(pipeline)[3:5] == ["iso south-1", "iso south-2"]
    assert pipeline["iso south-2"] == {
        "extends": ".isoforge",
        "variables": {"NAME": "south-2", "HOSTS": "s4 s5", "ARGS": "--host s4 --host s5"},
    }


def test_programs_get_lists(inventory: Inventory) -> None:
    document = json.loads(format_jobs(split_jobs(inventory, inventory.hosts[:1]), JobFormat.JSON))
    assert document == [{"name": "ungrouped", "hosts": ["alone"], "args": ["--host", "alone"]}]


def test_an_inventory_without_hosts_is_refused(inventory: Inventory) -> None:
    with pytest.raises(InventoryError, match="no hosts in the inventory"):
        split_jobs(inventory, ())
