"""Hosts, groups, layers, and where a value came from."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from isoforge.errors import InventoryError
from isoforge.fleet.inventory.explain import explain
from isoforge.fleet.inventory.load import Inventory, load_inventory, survey
from isoforge.problems import Severity
from isoforge.yaml_tree import plain
from tests.unit.fleet.conftest import Write, facts

TREE = {
    "inventory/hosts.yml": """\
all:
  vars: {vars: {at: all-inline, all_inline: 1}}
  hosts:
    lone:
  children:
    site:
      vars: {vars: {at: site-inline}}
      children:
        rack:
          hosts:
            web-1: {vars: {at: host-inline}}
            web-2:
    odd:
      hosts:
        web-1:
""",
    "inventory/group_vars/all/main.yml": "vars: {at: all}\nhardware_profile: box\n",
    "inventory/group_vars/site.yml": "vars: {at: site}\n",
    "inventory/group_vars/rack/main.yml": "vars: {at: rack}\n",
    "inventory/group_vars/odd.yml": "vars: {at: odd, odd: 1}\n",
    "inventory/profiles/hardware/box.yml": "vars: {at: profile}\n",
    "inventory/host_vars/web-1/main.yml": "vars: {at: host}\n",
    "inventory-local/group_vars/all.yml": "vars: {at: local-all}\n",
    "inventory-local/group_vars/rack.yml": "vars: {at: local-rack}\n",
    "inventory-local/profiles/hardware/box.yml": "vars: {at: local-profile}\n",
    "inventory-local/host_vars/web-1.yml": "vars: {at: local-host}\n",
}

WEAKEST_FIRST = [
    "inventory/group_vars/all/main.yml",
    "inventory-local/group_vars/all.yml",
    "inventory/group_vars/odd.yml",
    "inventory/group_vars/site.yml",
    "inventory/group_vars/rack/main.yml",
    "inventory-local/group_vars/rack.yml",
    "inventory/profiles/hardware/box.yml",
    "inventory-local/profiles/hardware/box.yml",
    "inventory/host_vars/web-1/main.yml",
    "inventory-local/host_vars/web-1.yml",
]


def value(inventory: Inventory, host: str) -> Any:
    return inventory.host(host).values["vars"]["at"]


BARE = "all: {children: {site: {children: {rack: {hosts: {web-1: }}}}, odd: {hosts: {web-1: }}}}\n"


@pytest.mark.parametrize("count", range(1, len(WEAKEST_FIRST) + 1))
def test_each_layer_wins_over_all_that_are_weaker(write: Write, count: int) -> None:
    used = {name: TREE[name] for name in WEAKEST_FIRST[:count]}
    baremetal = write({"inventory/hosts.yml": BARE, **used})
    host = survey(baremetal).host("web-1")
    assert host.where(("vars", "at")).file == str(baremetal / WEAKEST_FIRST[count - 1])
    assert f"at: {host.values['vars']['at']}" in TREE[WEAKEST_FIRST[count - 1]]


def test_values_written_inline_are_weaker_than_files_of_the_same_step(write: Write) -> None:
    inventory = survey(write(TREE))
    assert value(inventory, "web-1") == "local-host"
    assert value(inventory, "lone") == "local-profile"
    assert inventory.host("lone").values["vars"]["all_inline"] == 1
    only_inline = survey(write({"inventory-local/hosts.yml": "all: {hosts: {web-1: {vars: {at: local-inline}}}}\n"}))
    assert value(only_inline, "web-1") == "local-host"


def test_a_host_in_several_groups_has_the_values_of_all(write: Write) -> None:
    host = survey(write(TREE)).host("web-1")
    assert host.groups == ("odd", "site", "rack")
    assert host.group == "rack"
    assert host.values["vars"]["odd"] == 1


def test_hosts_keep_the_order_of_the_file_and_the_overlay_adds_its_own_after_them(write: Write) -> None:
    inventory = survey(
        write({**TREE, "inventory-local/hosts.yml": "all: {children: {rack: {hosts: {db-1: , web-1: }}}}\n"})
    )
    assert [host.name for host in inventory.hosts] == ["lone", "web-1", "web-2", "db-1"]
    assert [host.name for host in inventory.group("site")] == ["web-1", "web-2", "db-1"]
    assert [host.name for host in inventory.group("all")] == ["lone", "web-1", "web-2", "db-1"]


def test_an_unknown_host_is_refused_with_the_nearest_and_the_place(write: Write) -> None:
    baremetal = write(TREE)
    with pytest.raises(InventoryError) as refused:
        survey(baremetal).host("web1")
    assert refused.value.message == "unknown host 'web1'; did you mean 'web-1'?"
    assert refused.value.hint == f"hosts are listed in {baremetal}/inventory/hosts.yml"


def test_an_unknown_group_is_refused(write: Write) -> None:
    with pytest.raises(InventoryError, match="unknown group 'racks'; did you mean 'rack'"):
        survey(write(TREE)).group("racks")


def test_no_inventory_at_all_is_one_sentence_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match=r"no inventory: .*hosts.yml does not exist \(isoforge init"):
        load_inventory(tmp_path)


@pytest.mark.parametrize("name", ["-web", "web 1", "web/1", "wéb", "w" * 64, "web\n"])
def test_a_name_that_cannot_be_a_directory_or_a_kernel_word_is_refused(write: Write, name: str) -> None:
    inventory = survey(write({"inventory/hosts.yml": f"all:\n  hosts:\n    {json.dumps(name)}:\n"}))
    assert [one.id for one in inventory.problems] == ["host-name-invalid"]


@pytest.mark.parametrize(
    ("hosts", "problem"),
    [
        ("web: {hosts: {a: }}\nhosts: {b: }\n", ("group-misplaced", 2, "", "hosts")),
        ("all: {host: {a: }}\n", ("key-unknown", 1, "groups.all", "host")),
        ("all: {hosts: [a, b]}\n", ("wrong-type", 1, "groups.all.hosts", "")),
        ("all: {children: {a: {children: {b: {children: {a: }}}}}}\n", ("group-circle", 1, "groups.a", "")),
        ("all: {hosts: {a: {vasr: 1}}}\n", ("key-unknown", 1, "hosts.a", "vasr")),
        ("all:\n  hosts: {a: , a: }\n", ("key-duplicate", 2, "", "all.hosts.a")),
        ("- a\n", ("wrong-type", 1, "", "")),
        ("all:\n\thosts: {a: }\n", ("yaml-tab", 2, "", "")),
        ("all: {hosts: {'web[01:10]': }}\n", ("ansible-range", 1, "hosts.web[01:10]", "")),
        ("all: {hosts: {a: {vars: !vault abc}}}\n", ("ansible-vault", 1, "", "all.hosts.a.vars")),
        ("all: {hosts: {a: {timezone: !Ref x}}}\n", ("yaml-tag", 1, "", "all.hosts.a.timezone")),
    ],
)
def test_a_crooked_hosts_file_is_reported_line_by_line(
    write: Write, hosts: str, problem: tuple[str, int, str, str]
) -> None:
    problems = survey(write({"inventory/hosts.yml": hosts})).problems
    assert problem in [(one.id, one.line, one.scope, one.key) for one in problems]


def test_a_range_of_hosts_is_answered_with_the_names_it_stands_for(write: Write) -> None:
    (problem,) = survey(write({"inventory/hosts.yml": "all: {hosts: {'web[08:11]-a': }}\n"})).problems
    assert "web08-a, web09-a, web10-a" in problem.message


def test_an_ini_inventory_is_answered_with_what_to_write_instead(write: Write) -> None:
    with pytest.raises(InventoryError) as refused:
        survey(write({"inventory/hosts.ini": "[web]\nweb-1\n"}))
    assert "hosts.yml" in refused.value.hint
    assert "YAML" in refused.value.hint


@pytest.mark.parametrize(
    ("folder", "known"),
    [
        ("host-vars", "host_vars"),
        ("groups_vars", "group_vars"),
        ("profile", "profiles"),
        ("profiles/hardwares", "hardware"),
    ],
)
def test_a_misspelt_folder_is_a_warning_that_names_the_right_one(write: Write, folder: str, known: str) -> None:
    baremetal = write({"inventory/hosts.yml": "all: {hosts: {web-1: }}\n", f"inventory/{folder}/web-1.yml": "a: 1\n"})
    (problem,) = survey(baremetal).problems
    assert (problem.id, problem.severity) == ("folder-misspelt", "warning")
    assert problem.file == str(baremetal / "inventory" / folder)
    assert repr(known) in problem.message


def test_values_for_a_host_that_is_not_listed_are_a_warning(write: Write) -> None:
    baremetal = write({**TREE, "inventory/host_vars/web1.yml": "timezone: Etc/UTC\n"})
    (problem,) = survey(baremetal).problems
    assert (problem.id, problem.severity, problem.scope) == ("host-unlisted", "warning", "hosts.web1")
    assert "'web-1'" in problem.message


def test_an_unknown_profile_is_refused_where_it_was_chosen(one_host: Write) -> None:
    baremetal = one_host("hardware_profile: lenvo", **{"inventory/profiles/hardware/lenovo.yml": "offline: true\n"})
    problems = survey(baremetal).problems
    assert facts(list(problems), baremetal) == [
        ("profile-unknown", "error", "host_vars/web-1.yml", 1, "hardware_profile")
    ]
    assert "'lenovo'" in problems[0].message


def test_a_profile_that_chooses_a_profile_is_refused(one_host: Write) -> None:
    baremetal = one_host(
        "hardware_profile: box", **{"inventory/profiles/hardware/box.yml": "hardware_profile: crate\n"}
    )
    (problem,) = survey(baremetal).problems
    assert (problem.id, problem.scope, problem.line) == ("profile-in-profile", "profiles.box", 1)


def test_every_problem_is_raised_at_once(one_host: Write) -> None:
    baremetal = one_host("locale: 5\ntimzone: Etc/UTC\nstorage: {layout: lvmm}\n")
    with pytest.raises(InventoryError) as refused:
        load_inventory(baremetal)
    assert refused.value.exit_code == 3
    text = str(refused.value)
    for part in ("web-1.yml:1: error: hosts.web-1.locale:", "web-1.yml:2: error:", "web-1.yml:3: error:"):
        assert part in text


def test_problems_of_a_host_are_its_own_its_groups_and_its_profiles(write: Write) -> None:
    wrong = "nonsense: 1\n"
    files = {**TREE, "inventory/group_vars/other.yml": wrong, "inventory/host_vars/web-2.yml": wrong}
    files |= {"inventory/group_vars/odd.yml": wrong, "inventory/profiles/hardware/box.yml": wrong}
    files["inventory/hosts.yml"] += "    other: {hosts: {db-1: }}\n"
    inventory = survey(write(files))
    scopes = {
        name: {one.scope for one in inventory.problems_of([inventory.host(name)])}
        for name in ("web-1", "web-2", "db-1")
    }
    assert scopes == {
        "web-1": {"groups.odd", "profiles.box"},
        "web-2": {"hosts.web-2", "profiles.box"},
        "db-1": {"groups.other", "profiles.box"},
    }


def test_groups_in_many_layers_and_long_chains_are_read_at_once(write: Write) -> None:
    layer = "{{children: {{g{0}a: , g{0}b: }}}}"
    layers = "".join(f"g{n}{side}: {layer.format(n + 1)}\n" for n in range(24) for side in "ab")
    chain = "".join(f"c{n}: {{children: {{c{n + 1}: }}}}\n" for n in range(1500))
    hosts = layers + chain + "g24a: {hosts: {web-1: }}\nc1500: {hosts: {web-1: }}\n"
    inventory = survey(write({"inventory/hosts.yml": hosts}))
    assert inventory.problems == ()
    assert len(inventory.host("web-1").groups) == 48 + 1 + 1501
    assert inventory.host("web-1").groups[-1] == "c1500"
    assert [host.name for host in inventory.group("c0")] == ["web-1"]


def test_each_circle_of_groups_is_one_problem_that_names_its_groups(write: Write) -> None:
    hosts = (
        "above: {children: {a: }}\na: {children: {b: , below: }}\nb: {children: {a: , c: }}\n"
        "self: {children: {self: }}\nc: {children: {d: }}\nd: {children: {c: }}\nbelow: {hosts: {web-1: }}\n"
    ) + "".join(f"n{n}: {{children: {{n{(n + 1) % 1500}: }}}}\n" for n in range(1500))
    problems = survey(write({"inventory/hosts.yml": hosts})).problems
    assert sorted((one.id, one.scope, one.message) for one in problems) == [
        ("group-circle", "groups.a", "contains itself, through b"),
        ("group-circle", "groups.c", "contains itself, through d"),
        ("group-circle", "groups.n0", "contains itself, through n1, n2, n3 and 1496 more"),
        ("group-circle", "groups.self", "contains itself"),
    ]


def test_what_is_not_a_regular_file_is_a_problem_of_that_file(write: Write) -> None:
    baremetal = write({"inventory/hosts.yml": "all: {hosts: {web-1: , web-2: }}\n", "inventory/host_vars/x": ""})
    os.mkfifo(baremetal / "inventory/host_vars/web-1.yml")
    (baremetal / "inventory/host_vars/web-2.yml").symlink_to("/dev/zero")
    problems = survey(baremetal).problems
    assert [(one.id, one.scope, Path(one.file).name) for one in problems] == [
        ("file-unreadable", "hosts.web-1", "web-1.yml"),
        ("file-unreadable", "hosts.web-2", "web-2.yml"),
    ]


@pytest.mark.parametrize("kind", ["to itself", "to nothing", "a file", "a pipe"])
@pytest.mark.parametrize(
    "folder", ["inventory-local", "inventory/host_vars", "inventory/host_vars/web-1", "inventory/profiles/hardware"]
)
def test_what_is_not_a_folder_where_one_is_expected_is_an_error(write: Write, folder: str, kind: str) -> None:
    path = write({"inventory/hosts.yml": "all: {hosts: {web-1: }}\n"}) / folder
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind.startswith("to "):
        path.symlink_to(path.name if kind == "to itself" else "nothing")
    else:
        path.touch() if kind == "a file" else os.mkfifo(path)
    problems = [(one.id, one.severity, one.file) for one in survey(path.parents[len(Path(folder).parts) - 1]).problems]
    expected = ("file-unreadable", Severity.ERROR, str(path))
    assert problems == ([] if (folder, kind) == ("inventory/host_vars/web-1", "a file") else [expected])


def test_explain_names_the_file_and_line_of_each_value_and_the_defaults(write: Write) -> None:
    baremetal = write(TREE)
    rows = {key: (shown, where) for key, shown, where in explain(survey(baremetal).host("web-1"))}
    assert rows["vars.at"] == ("local-host", f"{baremetal}/inventory-local/host_vars/web-1.yml:1")
    assert rows["vars.odd"] == ("1", f"{baremetal}/inventory/group_vars/odd.yml:1")
    assert rows["locale"] == ("en_US.UTF-8", "(default)")
    assert rows["ssh.allow_password"] == ("false", "(default)")


def test_explain_and_repr_never_show_a_password_hash(one_host: Write) -> None:
    host = survey(one_host("identity: {username: ops, password_hash: $6$abc$def}\nubuntu_pro: {token: C1}")).host(
        "web-1"
    )
    assert ("identity.password_hash", "(secret)") in [row[:2] for row in explain(host)]
    assert host.secret_paths() == {"identity.password_hash", "ubuntu_pro.token"}
    assert "$6$" not in repr(host) + repr(explain(host))


@pytest.mark.parametrize(
    ("network", "address"),
    [
        ("", ""),
        ("network: {ethernets: {a: {dhcp4: true}}}", "dhcp"),
        ("network: {ethernets: {a: {dhcp4: true}, b: {addresses: [192.0.2.7/24]}}}", "192.0.2.7"),
        ("network: {ethernets: {a: {}}, bonds: {b: {interfaces: [a], addresses: ['2001:db8::7/64']}}}", "2001:db8::7"),
    ],
)
def test_a_host_shows_its_first_static_address(one_host: Write, network: str, address: str) -> None:
    assert survey(one_host(network)).host("web-1").address == address


def test_match_keys_take_one_mac_or_several(one_host: Write) -> None:
    one = survey(one_host("match: {serial: PC1, mac: '00:00:5e:00:53:01'}")).host("web-1").match
    two = survey(one_host("match: {mac: ['00:00:5e:00:53:01', '00:00:5e:00:53:02']}")).host("web-1").match
    assert (one.serial, one.mac) == ("PC1", ("00:00:5e:00:53:01",))
    assert two.mac == ("00:00:5e:00:53:01", "00:00:5e:00:53:02")


def test_hosts_share_what_they_have_in_common_but_not_their_own(write: Write) -> None:
    inventory = survey(write(TREE))
    assert plain(inventory.host("web-2").node) != plain(inventory.host("web-1").node)
    assert value(inventory, "web-2") == "local-profile"
