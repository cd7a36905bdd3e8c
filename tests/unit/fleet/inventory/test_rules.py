"""Keys, kinds and rules: each mistake is said at its line, and what is right is left alone."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isoforge.fleet.inventory.load import explain, survey
from isoforge.fleet.inventory.rules import check_release
from isoforge.fleet.inventory.schema import REFERENCE, Key, Kind, shape
from isoforge.problems import Severity
from tests.unit.fleet.conftest import Write, errors

WRONG = [
    # kinds
    ("hostname: 1234", "hostname: is a number (1234), but text is needed here; put it in quotes"),
    ("hostname: no", "hostname: is true or false (False), but text is needed here; put it in quotes"),
    ("instance_id: 12:30", "instance_id: is a number (750), but text is needed here; put it in quotes"),
    ("match: {mac: 52:54:00:12:34:56}", "match.mac: is a number"),
    ("match: {serial: 2024-01-31}", "match.serial: is a date or something else that YAML made of it, but text"),
    ("packages: vim", "packages: is text, but a list is needed here; write it as a list"),
    ("late_commands: reboot", "late_commands: is text, but a list is needed here"),
    ("late_commands: [{a: b}]", "late_commands[0]: is a mapping, but text is needed here"),
    ("offline: 'yes'", "offline: is text, but true or false is needed here"),
    ("storage: [a]", "storage: is a list, but a mapping is needed here"),
    ("snaps: {name: lxd}", "snaps: is a mapping, but a list is needed here"),
    ("snaps: true", "snaps: is true or false (True), but a list is needed here"),
    ("snaps: [lxd]", "snaps[0]: is text, but a mapping is needed here"),
    ("autoinstall: [a]", "autoinstall: is a list, but a mapping is needed here"),
    ("autoinstall: {x: {when: 2024-01-31}}", "autoinstall.x.when: is a date"),
    # names and choices
    ("hostnme: a", "hostnme: unknown key; did you mean hostname"),
    ("ssh: {authorized-keys: [a]}", "ssh.authorized-keys: unknown key; did you mean authorized_keys"),
    (
        "network: {ethernets: {eno1: {adresses: [192.0.2.1/24]}}}",
        "network.ethernets.eno1.adresses: unknown key; did you",
    ),
    ("storage: {disk: {seral: X}}", "storage.disk.seral: unknown key; did you mean serial"),
    (
        "storage: {disk: {serial: S4TEST01, size: larges}}",
        "storage.disk.size: 'larges' is not known here; did you mean larg",
    ),
    ("shutdown: halt", "shutdown: 'halt' is not known here; it takes reboot or poweroff"),
    ("hostname: web_1", "hostname: 'web_1' is not letters, digits and hyphens"),
    ("hostname: web-1.", "hostname: 'web-1.' is not letters"),
    ("identity: {username: Ops}", "identity.username: 'Ops' is not a small letter"),
    ("match: {uuid: abc}", "match.uuid: 'abc' is not a UUID"),
    ("proxy: proxy.example.org:3128", "proxy: 'proxy.example.org:3128' is not an http or https URL"),
    ("timezone: Europe/Berln", "timezone: there is no time zone Europe/Berln; did you mean Europe/Berlin"),
    # sizes
    ("storage: {swap: 2GiB}", "storage.swap: '2GiB' is not a size; did you mean 2G"),
    ("storage: {swap: 2 gb}", "storage.swap: '2 gb' is not a size; did you mean 2G"),
    ("storage: {swap: lots}", "storage.swap: 'lots' is not a size; write it as 512M, 20G or 1.5T"),
    ("storage: {swap: -1}", "storage.swap: a size cannot be negative"),
    # disks
    ("storage: {layout: lvm}", "storage.disk: is missing: say which disk may be wiped"),
    ("storage: {disk: {}}", "storage.disk: is missing: say which disk may be wiped"),
    ("storage: {disk: {serial: '*'}}", "storage.disk.serial: fits almost any disk"),
    ("storage: {disk: {path: /dev/disk/by-id/x}}", "storage.disk.path: the installer knows kernel paths only"),
    ("storage: {disk: {path: sda}}", "storage.disk.path: 'sda' is no path"),
    ("storage: {disks: [{serial: S4TEST01}]}", "storage.disks: layout lvm takes the one of storage.disk"),
    ("storage: {layout: raid1, disk: {serial: S4TEST01}}", "storage.disk: layout raid1 takes the two of storage.disks"),
    ("storage: {layout: raid1}", "storage.disks: raid1 needs two disks to mirror, not none"),
    ("storage: {layout: raid1, disks: [{serial: S4TEST01}]}", "storage.disks: raid1 needs two disks to mirror, not 1"),
    (
        "storage: {layout: raid1, disks: [{serial: S4TEST01}, {serial: '*S4TEST01*'}]}",
        "storage.disks[1].serial: is the serial number of the first disk",
    ),
    (
        "storage: {layout: direct, disk: {serial: S4T1}, passphrase: x}",
        "storage.passphrase: layout direct cannot encrypt",
    ),
    ("storage: {disk: {serial: S4T1}, passphrase: ''}", "storage.passphrase: is empty"),
    ("storage: {layout: zfs, disk: {serial: S4T1}, sizing_policy: all}", "storage.sizing_policy: is for layout lvm"),
    ("storage: {disk: {serial: S4T1}, partitions: [{mount: /}]}", "storage.partitions: layout lvm makes its own"),
    # partitions
    (
        "storage: {layout: partitions, disk: {serial: S4T1}, partitions: [{mount: /srv}]}",
        "none of them is mounted at /",
    ),
    (
        "storage: {layout: partitions, disk: {serial: S4T1}, partitions: [{mount: /}, {mount: /srv}]}",
        "storage.partitions[0].size: is missing: only the last partition takes all that is left",
    ),
    (
        "storage: {layout: partitions, disk: {serial: S4T1}, partitions: [{mount: /, size: 9G}, {mount: /}]}",
        "storage.partitions[1].mount: / is mounted twice",
    ),
    (
        "storage: {layout: partitions, disk: {serial: S4T1}, partitions: [{mount: /boot/efi, size: 1G}, {mount: /}]}",
        "storage.partitions[0].mount: is made by itself",
    ),
    (
        "storage: {layout: partitions, disk: {serial: S4T1}, partitions: [{mount: srv}]}",
        "mount: 'srv' is no absolute path",
    ),
    ("storage: {layout: partitions, disk: {serial: S4T1}, partitions: [{size: 1G}]}", "mount: is missing: where is it"),
    # access
    ("identity: {username: ops}\nssh: {install_server: true}", "identity: nobody could log in"),
    ("identity: {realname: Ops}", "identity.username: is missing: who is the first user?"),
    ("identity: {username: ops, sudo: password}", "identity.sudo: sudo would ask for a password that does not exist"),
    ("identity: {username: ops}\nssh: {authorized_keys: ['-----BEGIN OPENSSH PRIVATE KEY-----']}", "is a private key"),
    # network
    ("network: {ethernets: {eno1: {addresses: [192.0.2.1]}}}", "addresses[0]: '192.0.2.1' lacks its prefix length"),
    ("network: {ethernets: {eno1: {addresses: [192.0.2.999/24]}}}", "'192.0.2.999/24' is not an IP address"),
    ("network: {ethernets: {eno1: {addresses: [192.0.2.9/255.255.255.0]}}}", "write the netmask as a number, /24"),
    (
        "network: {ethernets: {eno1: {addresses: [192.0.2.9/24], gateway: 192.0.3.1}}}",
        "in none of this device's networks",
    ),
    ("network: {ethernets: {eno1: {gateway: [192.0.2.1, 192.0.2.2]}}}", "gateway[1]: is a second gateway for IPv4"),
    (
        "network: {ethernets: {eno1: {dhcp4: true, dhcp6: true, dhcp4-overrides: {use-dns: false}}}}",
        "network.ethernets.eno1.dhcp6-overrides: must say the same of use-dns",
    ),
    ("network: {ethernets: {eno1: {gateway: router}}}", "gateway: 'router' is not an IP address"),
    ("network: {ethernets: {eno1: {nameservers: {addresses: [dns]}}}}", "nameservers.addresses[0]: 'dns' is not an IP"),
    ("network: {ethernets: {eno1: {routes: [{via: 192.0.2.1}]}}}", "routes[0].to: is missing"),
    ("network: {ethernets: {eno1: {routes: [{to: there, via: 192.0.2.1}]}}}", "'there' is not a network"),
    ("network: {ethernets: {eno1: {set-name: lan0}}}", "set-name: needs a mac"),
    (
        "network: {ethernets: {a-very-long-name: {mac: '00:00:5e:00:53:01'}}}",
        "a device's name has at most 15 characters",
    ),
    ("network: {ethernets: {a: {mac: '00:00:5e:00:53:01'}, b: {mac: '00:00:5E:00:53:01'}}}", "is the MAC address of a"),
    (
        "network: {ethernets: {eno1: {}}, bonds: {b0: {interfaces: [eno2]}}}",
        "there is no device eno2 under network; did",
    ),
    ("network: {vlans: {v: {id: 4095, link: eno1}}}", "network.vlans.v.id: a VLAN's id is a number from 1 to 4094"),
    ("network: {vlans: {v: {id: 40}}}", "network.vlans.v.link: is missing"),
    ("network: {ethernets: {a: {}}, bridges: {a: {}}}", "network.bridges.a: there is a a in network.ethernets already"),
    # the rest
    ("offline: true\npackages: [vim]", "packages: needs a network, and offline: true says that there is none"),
    ("kernel_args: [ip=dhcp]", "kernel_args[0]: 'ip=dhcp' is not allowed on the kernel line"),
    ("kernel_args: ['a b']", "kernel_args[0]: 'a b' is not allowed"),
    ("kernel_args: [persistent]", "kernel_args[0]: 'persistent' is not allowed"),
    ("kernel_args: ['console=tty0;reboot']", "is not allowed"),
    ("kernel_args: [autoinstall]", "is not allowed"),
    ("snaps: [{channel: stable}]", "snaps[0].name: is missing"),
    ("hardware_profile: box\nprofile: box", "profile: unknown key; did you mean hardware_profile"),
]


@pytest.mark.parametrize(("values", "said"), WRONG)
def test_a_mistake_is_said(one_host: Write, values: str, said: str) -> None:
    assert any(said in line for line in errors(survey(one_host(values)).problems))


@pytest.mark.parametrize(
    "values",
    [
        "hostname: web-1.example.org",
        "hostname: '1234'",
        "late_commands: [touch /target/x, [curtin, in-target, --, 'true']]",
        "early_commands: ['echo {{ not ours }}']",
        "kernel_args: [console=tty0, 'console=ttyS0,115200n8', nomodeset, net.ifnames=0, nvme_core.io_timeout=60]",
        "network: {ethernets: {eno1: {dhcp4: true}, eno2: {optional: true}}}",
        "network: {ethernets: {eno1: {addresses: ['2001:db8::2/64'], gateway: 'fe80::1'}}}",
        "network: {ethernets: {eno1: {dhcp4: true, dhcp4-overrides: {use-dns: false, use-domains: route}}}}",
        "storage: {layout: zfs, disk: {model: Samsung*}}",
        "storage: {layout: raid1, disks: [{model: Samsung*}, {model: Samsung*}]}",
        "storage: {layout: partitions, disk: {path: /dev/vda}, partitions: [{mount: swap, size: 1G}, {mount: /}]}",
        "storage: {disk: {serial: S4TEST01}, swap: 0}",
        "autoinstall: {storage: {layout: {name: lvm}}}\nstorage: {layout: lvm}",
        "interactive_sections: [storage]\nstorage: {layout: lvm}",
        "user_data: {users: [{name: ops}]}\nidentity: {}",
        "vars: {anything: {goes: [here, 1, true]}}",
        "timezone: geoip",
        "identity: {username: ops}\nstorage: {disk: {serial: S4TEST01}, passphrase: null}",
    ],
)
def test_what_is_right_is_left_alone(one_host: Write, values: str) -> None:
    assert survey(one_host(values)).problems == ()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ("storage: {disk: {size: largest}}", "storage.disk: any disk of the machine could be meant"),
        ("storage: {disk: {serial: S4TEST01}, passphrase: hunter2}", "storage.passphrase: stands here in plain text"),
        ("identity: {username: ops, password_hash: $6$x}", "identity.password_hash: stands here in plain text"),
        ("ssh: {authorized_keys: [ssh-ed25519 AAAA a], allow_password: true}", "ssh.allow_password: there is no"),
        ("ssh: {authorized_keys: [AAAAC3Nz]}", "ssh.authorized_keys[0]: does not look like a public key"),
        ("match: {}", "match: is empty"),
    ],
)
def test_what_is_mostly_not_meant_is_a_warning(one_host: Write, values: str, said: str) -> None:
    problems = survey(one_host(values)).problems
    assert not errors(problems)
    assert [problem.severity for problem in problems] == [Severity.WARNING]
    assert said in f"{problems[0].address}: {problems[0].text}"


def test_no_problem_shows_a_secret(one_host: Write) -> None:
    identity = "identity: {username: ops, password_hash: hunter2}"
    values = f"{identity}\nubuntu_pro: {{token: hunter2}}\nstorage: {{passphrase: hunter2}}"
    problems = survey(one_host(values)).problems
    assert len(problems) >= 4
    assert "hunter2" not in "".join(str(problem) for problem in problems)


def test_a_mistake_that_many_hosts_share_is_said_once(write: Write) -> None:
    hosts = "all: {hosts: {a: , b: , c: }}\n"
    shared = "identity: {username: ops, password_hash: x}\nstorage: {disk: {serial: '*'}}\n"
    problems = survey(write({"inventory/hosts.yml": hosts, "inventory/group_vars/all.yml": shared})).problems
    (shared_one,) = [problem for problem in problems if problem.severity is Severity.ERROR]
    assert str(shared_one).endswith(
        "hosts.a.storage.disk.serial: fits almost any disk: write more of it out (and 2 more hosts)"
    )
    assert list(shared_one.hosts_among({"a", "b", "c", "d"})) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("values", "release", "said"),
    [
        ("storage: {layout: zfs, disk: {serial: S4T1}}", "22.04.5", "zfs needs Ubuntu 23.10 or later"),
        (
            "storage: {disk: {serial: S4T1}, sizing_policy: all}",
            "22.04",
            "sizing_policy: needs the installer of Ubuntu 23.10",
        ),
        ("storage: {disk: {id_path: pci-0000*}}", "22.04", "id_path: needs the installer of Ubuntu 23.10"),
        ("source: {id: ubuntu-server-minimal}", "22.04.2", "source.id: needs the installer of Ubuntu 23.04"),
        ("storage: {layout: zfs, disk: {id_path: pci-0000*}}", "24.04", ""),
        ("storage: {layout: zfs, disk: {id_path: pci-0000*}}", None, ""),
    ],
)
def test_what_a_release_cannot_do_is_refused(one_host: Write, values: str, release: str | None, said: str) -> None:
    found = [str(problem) for problem in check_release(survey(one_host(values)).host("web-1"), release)]
    assert bool(found) == bool(said)
    assert all(said in line for line in found)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5) | st.dates(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(min_size=1, max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(st.sampled_from(REFERENCE), anything)
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_value_at_any_key_ends_in_anything_but_a_problem(write: Write, key: Key, value: object) -> None:
    nested = value
    for step in reversed(key.name.replace("[]", ".[]").split(".")):
        nested = [nested] if step == "[]" else {"name" if step == "*" else step: nested}
    hosts = {"inventory/hosts.yml": "all: {hosts: {web-1: }}\n"}
    inventory = survey(write({**hosts, "inventory/host_vars/web-1.yml": yaml.safe_dump(nested, allow_unicode=True)}))
    assert inventory.host("web-1").name == "web-1"
    explain(inventory.host("web-1"))


def test_the_reference_is_sound() -> None:
    names = [key.name for key in REFERENCE]
    assert len(names) == len(set(names))
    for key in REFERENCE:
        assert key.meaning, key.name
        assert bool(key.pattern) == bool(key.form), key.name
        assert key.default in key.choices if key.choices and key.default else True, key.name
        parent = key.name.replace("[]", ".[]").rpartition(".")[0].replace(".[]", "[]")
        assert not parent or parent in names or parent.endswith("[]"), key.name


def test_every_key_of_the_reference_is_known_to_the_tree() -> None:
    for key in REFERENCE:
        at = shape()
        for step in key.name.replace("[]", ".[]").split("."):
            at = at.children[step]
        assert at.key is key
        assert at.children or key.kind not in (Kind.MAPPING, Kind.LIST), key.name
