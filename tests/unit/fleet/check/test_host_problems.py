"""What is wrong with a host: each mistake is reported once, under its id, at its line and its key of the inventory."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isoforge.fleet.check.review import review_inventory
from isoforge.fleet.inventory.explain import explain
from isoforge.fleet.inventory.load import survey
from isoforge.fleet.inventory.schema import REFERENCE, Key, Kind, shape
from isoforge.problems import Problem
from tests.unit.fleet.conftest import PUBLIC_KEY, ROOT, Write, facts, reviewed

WRONG: list[tuple[str, list[str]]] = [
    ("hostname: 1234", ["wrong-type hostname:1"]),
    ("hostname: no", ["wrong-type hostname:1"]),
    ("instance_id: 12:30", ["wrong-type instance_id:1"]),
    ("match: {mac: 52:54:00:12:34:56}", ["wrong-type match.mac:1"]),
    ("match: {serial: 2024-01-31}", ["wrong-type match.serial:1"]),
    ("packages: vim", ["wrong-type packages:1"]),
    ("late_commands: reboot", ["wrong-type late_commands:1"]),
    ("late_commands: [{a: b}]", ["wrong-type late_commands[0]:1"]),
    ("offline: 'yes'", ["wrong-type offline:1"]),
    ("storage: [a]", ["wrong-type storage:1"]),
    ("snaps: {name: lxd}", ["wrong-type snaps:1"]),
    ("snaps: true", ["wrong-type snaps:1"]),
    ("snaps: [lxd]", ["wrong-type snaps[0]:1"]),
    ("autoinstall: [a]", ["wrong-type autoinstall:1"]),
    ("autoinstall: {x: {when: 2024-01-31}}", ["wrong-type autoinstall.x.when:1", "key-unknown autoinstall.x:1"]),
    ("hostnme: a", ["key-unknown hostnme:1"]),
    ("ssh: {authorized-keys: [a]}", ["key-unknown ssh.authorized-keys:1"]),
    ("autoinstall: {reporting: {a: {type: webhook}}}", ["key-missing autoinstall.reporting.a.endpoint:1"]),
    ("storage: {layout: btrfs, disk: {serial: S4TEST01}}", ["invalid-choice storage.layout:1"]),
    ("storage: {layout: raid5, disks: [{serial: S4TEST01}]}", ["invalid-choice storage.layout:1"]),
    (
        "storage: {firmware: legacy, layout: partitions, disk: {serial: S4TEST01}}",
        ["invalid-choice storage.firmware:1"],
    ),
    ("storage: {swap: 4, disk: {serial: S4TEST01}}", ["size-invalid storage.swap:1"]),
    ("hardware: {disks: [{serial: S4TEST02, size: 480G}]}", ["disk-not-in-machine storage.disk:4"]),
    ("hardware: {disks: [{size: 480}]}", ["size-invalid hardware.disks[0].size:1"]),
    ("hardware: {disks: {size: 480G}, memory: 16G}", ["wrong-type hardware.disks:1"]),
    (
        "storage: {layout: partitions, disk: {serial: S4TEST01}, partitions: [{mount: /, size: 200G}]}\n\
hardware: {disks: [{serial: S4TEST01, size: 100G}]}",
        ["size-too-large storage.partitions[0].size:1"],
    ),
    (
        "storage: {layout: partitions, disk: {serial: S4TEST01}, esp_size: 29G}\n\
hardware: {disks: [{serial: S4TEST01, size: 30G}]}",
        ["size-too-small storage:1"],
    ),
    ("ansible_host: 192.0.2.1", ["key-unknown ansible_host:1"]),
    ("ssh: {authorized_keys: [/root/.ssh/id_ed25519.pub]}", ["ssh-key-invalid ssh.authorized_keys[0]:1"]),
    ("snaps: [{name: 'lxd, hello'}]", ["snap-name-invalid snaps[0].name:1"]),
    (
        "storage: {layout: partitions, disk: {serial: S4TEST01}, partitions: [{mount: /srv/, size: 9G}, {mount: /}]}",
        ["mount-invalid storage.partitions[0].mount:1"],
    ),
    (
        "network: {ethernets: {a: {addresses: [192.0.2.2/24], gateway: 192.0.2.3}, b: {addresses: [192.0.2.3/24]}}}",
        ["router-is-host network.ethernets.a.gateway:1"],
    ),
    ("network: {ethernets: {eno1: {adresses: [192.0.2.1/24]}}}", ["key-unknown network.ethernets.eno1.adresses:1"]),
    ("storage: {disk: {seral: X}}", ["key-unknown storage.disk.seral:1"]),
    ("storage: {disk: {serial: S4TEST01, size: larges}}", ["invalid-choice storage.disk.size:1"]),
    ("shutdown: halt", ["invalid-choice shutdown:1"]),
    ("hostname: web_1", ["host-name-invalid hostname:1"]),
    ("hostname: web-1.", ["host-name-invalid hostname:1"]),
    ("identity: {username: Ops}", ["user-name-invalid identity.username:1"]),
    ("match: {uuid: abc}", ["invalid-format match.uuid:1"]),
    ("proxy: proxy.example.org:3128", ["proxy-invalid proxy:1"]),
    ("timezone: Europe/Berln", ["time-zone-unknown timezone:1"]),
    ("storage: {swap: 2GiB}", ["size-invalid storage.swap:1", "disk-missing storage.disk:1"]),
    ("storage: {swap: 2 gb}", ["size-invalid storage.swap:1", "disk-missing storage.disk:1"]),
    ("storage: {swap: lots}", ["size-invalid storage.swap:1", "disk-missing storage.disk:1"]),
    ("storage: {swap: -1}", ["size-invalid storage.swap:1", "disk-missing storage.disk:1"]),
    ("storage: {layout: lvm}", ["disk-missing storage.disk:1"]),
    ("storage: {disk: {}}", ["disk-missing storage.disk:1"]),
    ("storage: {disk: {serial: '*'}}", ["disk-pattern-too-wide storage.disk.serial:1"]),
    ("storage: {disk: {path: /dev/disk/by-id/x}}", ["disk-never-matches storage.disk.path:1"]),
    ("storage: {disk: {path: sda}}", ["disk-never-matches storage.disk.path:1"]),
    (
        "storage: {disks: [{serial: S4TEST01}]}",
        ["disk-key-for-other-layout storage.disks:1", "disk-missing storage.disk:1"],
    ),
    (
        "storage: {layout: raid1, disk: {serial: S4TEST01}}",
        ["disk-key-for-other-layout storage.disk:1", "raid-too-few-members storage.disks:1"],
    ),
    ("storage: {layout: raid1}", ["raid-too-few-members storage.disks:1"]),
    ("storage: {layout: raid1, disks: [{serial: S4TEST01}]}", ["raid-too-few-members storage.disks:1"]),
    (
        "storage: {layout: raid1, disks: [{serial: S4TEST01}, {serial: '*S4TEST01*'}]}",
        ["disk-twice storage.disks[1].serial:1"],
    ),
    (
        "storage: {layout: direct, disk: {serial: S4T1}, passphrase: x}",
        ["secret-in-inventory storage.passphrase:1 warning", "layout-not-encrypted storage.passphrase:1"],
    ),
    ("storage: {disk: {serial: S4T1}, passphrase: ''}", ["value-empty storage.passphrase:1"]),
    (
        "storage: {layout: zfs, disk: {serial: S4T1}, sizing_policy: all}",
        ["sizing-policy-ignored storage.sizing_policy:1"],
    ),
    ("storage: {disk: {serial: S4T1}, partitions: [{mount: /}]}", ["partitions-ignored storage.partitions:1"]),
    (
        "storage: {layout: partitions, disk: {serial: S4T1}, partitions: [{mount: /srv}]}",
        ["root-not-mounted storage:1"],
    ),
    (
        "storage: {layout: partitions, disk: {serial: S4T1}, partitions: [{mount: /}, {mount: /srv}]}",
        ["size-rest-not-last storage.partitions[0].size:1"],
    ),
    (
        "storage: {layout: partitions, disk: {serial: S4T1}, partitions: [{mount: /, size: 9G}, {mount: /}]}",
        ["mount-twice storage.partitions[1].mount:1"],
    ),
    (
        "storage: {layout: partitions, disk: {serial: S4T1}, partitions: [{mount: /boot/efi, size: 1G}, {mount: /}]}",
        ["mount-twice storage.partitions[0].mount:1"],
    ),
    (
        "storage: {layout: partitions, disk: {serial: S4T1}, partitions: [{mount: srv}]}",
        ["mount-invalid storage.partitions[0].mount:1"],
    ),
    (
        "storage: {layout: partitions, disk: {serial: S4T1}, partitions: [{size: 1G}]}",
        ["mount-missing storage.partitions[0].mount:1"],
    ),
    ("identity: {username: ops}\nssh: {install_server: true}", ["login-missing identity:1"]),
    ("identity: {realname: Ops}", ["user-name-missing identity.username:1"]),
    ("identity: {username: ops, sudo: password}", ["sudo-impossible identity.sudo:1"]),
    (
        "identity: {username: ops}\nssh: {authorized_keys: ['-----BEGIN OPENSSH PRIVATE KEY-----']}",
        ["ssh-key-private ssh.authorized_keys[0]:2"],
    ),
    (
        "network: {ethernets: {eno1: {addresses: [192.0.2.1]}}}",
        ["prefix-length-missing network.ethernets.eno1.addresses[0]:1"],
    ),
    (
        "network: {ethernets: {eno1: {addresses: [192.0.2.999/24]}}}",
        ["address-invalid network.ethernets.eno1.addresses[0]:1"],
    ),
    (
        "network: {ethernets: {eno1: {addresses: [192.0.2.9/255.255.255.0]}}}",
        ["prefix-length-invalid network.ethernets.eno1.addresses[0]:1"],
    ),
    (
        "network: {ethernets: {eno1: {addresses: [192.0.2.9/24], gateway: 192.0.3.1}}}",
        ["router-unreachable network.ethernets.eno1.gateway:1"],
    ),
    (
        "network: {ethernets: {eno1: {gateway: [192.0.2.1, 192.0.2.2]}}}",
        ["default-route-twice network.ethernets.eno1.gateway[1]:1"],
    ),
    (
        "network: {ethernets: {eno1: {dhcp4: true, dhcp6: true, dhcp4-overrides: {use-dns: false}}}}",
        ["dhcp-overrides-differ network.ethernets.eno1.dhcp6-overrides:1"],
    ),
    ("network: {ethernets: {eno1: {gateway: router}}}", ["router-invalid network.ethernets.eno1.gateway:1"]),
    (
        "network: {ethernets: {eno1: {nameservers: {addresses: [dns]}}}}",
        ["nameserver-invalid network.ethernets.eno1.nameservers.addresses[0]:1"],
    ),
    (
        "network: {ethernets: {eno1: {routes: [{via: 192.0.2.1}]}}}",
        ["key-missing network.ethernets.eno1.routes[0].to:1"],
    ),
    (
        "network: {ethernets: {eno1: {routes: [{to: there, via: 192.0.2.1}]}}}",
        ["route-invalid network.ethernets.eno1.routes[0].to:1"],
    ),
    ("network: {ethernets: {eno1: {set-name: lan0}}}", ["set-name-without-match network.ethernets.eno1.set-name:1"]),
    (
        "network: {ethernets: {a-very-long-name: {mac: '00:00:5e:00:53:01'}}}",
        ["invalid-format network.ethernets.a-very-long-name:1"],
    ),
    (
        "network: {ethernets: {a: {mac: '00:00:5e:00:53:01'}, b: {mac: '00:00:5E:00:53:01'}}}",
        ["mac-twice network.ethernets.b.mac:1"],
    ),
    (
        "network: {ethernets: {eno1: {}}, bonds: {b0: {interfaces: [eno2]}}}",
        ["device-unknown network.bonds.b0.interfaces[0]:1"],
    ),
    (
        "network: {vlans: {v: {id: 4095, link: eno1}}}",
        ["out-of-range network.vlans.v.id:1", "device-unknown network.vlans.v.link:1"],
    ),
    ("network: {vlans: {v: {id: 40}}}", ["key-missing network.vlans.v.link:1"]),
    ("network: {ethernets: {a: {}}, bridges: {a: {}}}", ["device-name-twice network.bridges.a:1"]),
    ("offline: true\npackages: [vim]", ["needs-network packages:2"]),
    ("kernel_args: [ip=dhcp]", ["kernel-arg-refused kernel_args[0]:1"]),
    ("kernel_args: ['a b']", ["kernel-arg-refused kernel_args[0]:1"]),
    ("kernel_args: [persistent]", ["kernel-arg-refused kernel_args[0]:1"]),
    ("kernel_args: ['console=tty0;reboot']", ["kernel-arg-refused kernel_args[0]:1"]),
    ("kernel_args: [autoinstall]", ["kernel-arg-refused kernel_args[0]:1"]),
    ("snaps: [{channel: stable}]", ["key-missing snaps[0].name:1"]),
    ("hardware_profile: box\nprofile: box", ["profile-unknown hardware_profile:1", "key-unknown profile:2"]),
    ("late_commands: [touch /target/a, 'echo \"a']", ["shell-syntax late_commands[1]:1"]),
    ("late_commands: ['cd /x &&']", ["shell-syntax late_commands[0]:1"]),
    ("late_commands:\n  - >\n    cat <<EOF >/target/x\n    a\n    EOF", ["heredoc-folded late_commands[0]:2"]),
    (
        "network: {ethernets: {a: {addresses: [192.0.2.9/24]}, b: {addresses: [192.0.2.9/24]}}}",
        ["address-twice network.ethernets.b.addresses[0]:1"],
    ),
    (
        "network: {ethernets: {a: {addresses: [192.0.2.9/24], gateway: 192.0.2.9}}}",
        ["router-is-host network.ethernets.a.gateway:1"],
    ),
    (
        "network: {ethernets: {a: {addresses: [224.0.0.5/24]}}}",
        ["address-multicast network.ethernets.a.addresses[0]:1"],
    ),
    ("packages: ['a, b']", ["package-name-invalid packages[0]:1"]),
    ("keyboard: {layout: de, variant: zz}", ["keyboard-variant-unknown keyboard.variant:1"]),
    ("keyboard: {layout: 'us,ru', variant: ',a,b'}", ["keyboard-variants-missing keyboard.variant:1"]),
    ("storage: {layout: zfs, disk: {serial: S4TEST01}, swap: 2G}", ["swap-on-zfs storage.swap:1 warning"]),
    ("ignore: [ssh-key-exampl]", ["ignore-unknown ignore[0]:1"]),
    ("ignore: [root-not-mounted]", ["ignore-error ignore[0]:1"]),
    (
        "autoinstall: {apt: {primary: [], mirror-selection: {primary: [country-mirror]}}}",
        ["apt-mirror-twice autoinstall.apt.primary:1"],
    ),
    ("autoinstall: {late-commands: ['echo \"a']}", ["shell-syntax autoinstall.late-commands[0]:1"]),
    ("user_data: {runcmd: ['echo \"a']}", ["shell-syntax user_data.runcmd[0]:1"]),
]


def short(problems: list[Problem]) -> list[str]:
    return [f"{one.id} {one.key}:{one.line}{' warning' * (one.severity == 'warning')}" for one in problems]


@pytest.mark.parametrize(("values", "problems"), WRONG)
def test_a_mistake_is_reported_once_where_it_was_written(one_host: Write, values: str, problems: list[str]) -> None:
    baremetal = one_host(values)
    found = reviewed(baremetal)
    assert short(found) == problems
    assert {one.file for one in found} == {str(baremetal / "inventory/host_vars/web-1.yml")}
    assert all(one.scope == "hosts.web-1" for one in found)


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
        "user_data: {users: [{name: ops}]}\nidentity: {}",
        "vars: {anything: {goes: [here, 1, true]}}",
        "timezone: geoip",
        "identity: {username: ops}\nstorage: {disk: {serial: S4TEST01}, passphrase: null}",
    ],
)
def test_what_is_right_is_left_alone(one_host: Write, values: str) -> None:
    assert short(reviewed(one_host(values))) == []


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ("interactive_sections: [storage]\nstorage: {layout: lvm}", "interactive interactive_sections:1 warning"),
        ("storage: {disk: {size: largest}}", "disk-any-of-machine storage.disk:1 warning"),
        ("storage: {disk: {serial: S4T1}, passphrase: hunter2}", "secret-in-inventory storage.passphrase:1 warning"),
        (f"ssh: {{authorized_keys: [{PUBLIC_KEY}], allow_password: true}}",
         "password-login-impossible ssh.allow_password:1 warning"),
        ("match: {}", "match-empty match:1 warning"),
        ("storage: {disk: {serial: REPLACE-web-1}}", "disk-serial-placeholder storage.disk.serial:1 warning"),
        ("late_commands: [curtin in-target -- apt install htop]", "apt-asks late_commands[0]:1 warning"),
        ("autoinstall: {storage: {swap: {size: 0}}}", "storage-by-default autoinstall.storage:1 warning"),
        ("source: {id: ubuntu-servr}", "source-unknown source.id:1 warning"),
        ("user_data: {chpasswd: {list: 'a:hunter2'}}", "password-plain-text user_data.chpasswd.list:1 warning"),
        ("user_data: {runcmd: [[apt, install, vim]]}", "apt-asks user_data.runcmd[0]:1 warning"),
        ("late_commands: ['echo a:hunter2 | chroot /target chpasswd']", "plain-text-secret late_commands[0]:1 warning"),
    ],
)  # fmt: skip
def test_what_is_mostly_not_meant_is_a_warning_that_can_be_ignored(one_host: Write, values: str, problem: str) -> None:
    baremetal = one_host(values)
    assert short(reviewed(baremetal)) == [problem]
    inventory = survey(baremetal)
    id_ = problem.split()[0]
    templates = [ROOT / "templates"]
    review = review_inventory(inventory, inventory.hosts, templates=templates, release=None, ignored=[id_])
    assert review.problems == []


def test_a_host_ignores_the_warnings_that_it_names(one_host: Write) -> None:
    assert short(reviewed(one_host("match: {}\nignore: [match-empty]"))) == []


def test_six_mistakes_of_six_kinds_in_three_files_are_six_problems(write: Write) -> None:
    baremetal = write(
        {
            "inventory/hosts.yml": "all:\n  children:\n    rack:\n      hosts:\n        web-1:\n        web-2:\n",
            "inventory/group_vars/rack/main.yml": f"""\
identity: {{username: ops}}
ssh:
  authorized_keys:
    - {PUBLIC_KEY}
    - ssh-ed25519 AAAA
timzone: Etc/UTC
""",
            "inventory/profiles/hardware/box.yml": "storage:\n  layout: direct\n  disk: {serial: '*'}\n",
            "inventory/host_vars/web-1/main.yml": """\
hardware_profile: box
offline: 12
network:
  ethernets:
    eno1: {addresses: [192.0.2.300/24]}
late_commands:
  - touch /target/x
  - echo "not closed
""",
            "inventory/host_vars/web-2/main.yml": "storage: {layout: banana}\nhostnme: x\n",
        }
    )
    assert facts(reviewed(baremetal, "web-1"), baremetal) == [
        ("ssh-key-invalid", "error", "group_vars/rack/main.yml", 5, "ssh.authorized_keys[1]"),
        ("key-unknown", "error", "group_vars/rack/main.yml", 6, "timzone"),
        ("wrong-type", "error", "host_vars/web-1/main.yml", 2, "offline"),
        ("address-invalid", "error", "host_vars/web-1/main.yml", 5, "network.ethernets.eno1.addresses[0]"),
        ("shell-syntax", "error", "host_vars/web-1/main.yml", 8, "late_commands[1]"),
        ("disk-pattern-too-wide", "error", "profiles/hardware/box.yml", 3, "storage.disk.serial"),
    ]


def test_what_a_template_made_up_keeps_the_path_in_the_seed(one_host: Write) -> None:
    baremetal = one_host("late_commands: [touch /target/x]")
    own = baremetal / "templates"
    own.mkdir()
    shipped = (ROOT / "templates/user-data.j2").read_text("utf-8")
    (own / "user-data.j2").write_text(shipped + "  error-commands: ['echo \"not closed']\n", encoding="utf-8")
    inventory = survey(baremetal)
    review = review_inventory(inventory, inventory.hosts, templates=[own, ROOT / "templates"], release=None)
    (problem,) = review.problems
    assert (problem.id, problem.file, problem.line) == ("shell-syntax", str(own / "user-data.j2"), None)
    assert problem.key == "autoinstall.error-commands[0]"


def test_a_template_that_fails_hides_nothing_else(one_host: Write) -> None:
    baremetal = one_host("match: {}\nkernel_args: [autoinstall]")
    own = baremetal / "templates"
    own.mkdir()
    (own / "user-data.j2").write_text("#cloud-config\n{{ nobody_knows }}\n", encoding="utf-8")
    inventory = survey(baremetal)
    review = review_inventory(inventory, inventory.hosts, templates=[own, ROOT / "templates"], release=None)
    assert [one.id for one in review.problems] == ["match-empty", "kernel-arg-refused", "template-failed"]
    assert "nobody_knows" in review.failures[0].message


@pytest.mark.parametrize(
    ("text", "id_"),
    [
        ("identity:\n\tusername: ops\n", "yaml-tab"),
        ("identity: [ops\n", "yaml-syntax"),
        ("description: 'the web server\nhostname: web-1\n", "yaml-syntax"),
        ("$ANSIBLE_VAULT;1.1;AES256\n6261\n6262\n", "ansible-vault"),
        ("ops\n", "wrong-type"),
    ],
)
def test_nothing_is_reported_as_missing_that_a_file_may_have_which_cannot_be_read(
    write: Write, text: str, id_: str
) -> None:
    baremetal = write({"inventory/hosts.yml": "all: {hosts: {web-1: }}", "inventory/host_vars/web-1.yml": text})
    assert [(one.id, one.file) for one in reviewed(baremetal)] == [
        (id_, str(baremetal / "inventory/host_vars/web-1.yml"))
    ]


def test_lists_of_hosts_that_are_not_read_are_reported(write: Write) -> None:
    files = {"hosts.yml": "web-1:\nweb-2:\n", "hosts.ini": "[all]\nweb-1\n", "hosts.yaml": "all: {hosts: {web-1: }}\n"}
    problems = reviewed(write({f"inventory/{name}": text for name, text in files.items()}))
    assert [(one.id, one.file.rpartition("/")[2]) for one in problems] == [
        ("file-not-read", "hosts.ini"),
        ("file-not-read", "hosts.yaml"),
        ("no-hosts", "hosts.yml"),
    ]


def test_no_problem_shows_a_secret(one_host: Write) -> None:
    identity = "identity: {username: ops, password_hash: hunter2}"
    values = f"{identity}\nubuntu_pro: {{token: hunter2}}\nstorage: {{passphrase: hunter2}}"
    problems = reviewed(one_host(values))
    assert len(problems) >= 4
    assert "hunter2" not in "".join(str(problem) for problem in problems)


def test_a_mistake_that_many_hosts_share_is_reported_once(write: Write) -> None:
    hosts = "all: {hosts: {a: , b: , c: }}\n"
    shared = (
        f"identity: {{username: ops}}\nssh: {{authorized_keys: [{PUBLIC_KEY}]}}\nstorage: {{disk: {{serial: '*'}}}}\n"
    )
    problems = reviewed(write({"inventory/hosts.yml": hosts, "inventory/group_vars/all.yml": shared}))
    (one,) = problems
    assert (one.id, one.hosts, one.line) == ("disk-pattern-too-wide", ("a", "b", "c"), 3)
    assert str(one).endswith("(and 2 more hosts) [disk-pattern-too-wide]")


@pytest.mark.parametrize(
    ("values", "release", "problem"),
    [
        ("storage: {layout: zfs, disk: {serial: S4T1}}", "22.04", "key-too-new storage.layout:1"),
        ("storage: {layout: zfs, disk: {serial: S4T1}}", "22.04.5", "key-maybe-too-new storage.layout:1 warning"),
        ("storage: {disk: {serial: S4T1}, sizing_policy: all}", "22.04", "key-too-new storage.sizing_policy:1"),
        ("source: {id: ubuntu-server-minimal}", "22.04.2", "key-too-new source.id:1"),
        ("storage: {layout: zfs, disk: {id_path: pci-0000*}}", "24.04", ""),
        ("storage: {layout: zfs, disk: {id_path: pci-0000*}}", None, ""),
    ],
)
def test_what_a_release_does_not_know_is_reported(
    one_host: Write, values: str, release: str | None, problem: str
) -> None:
    problems = [one for one in reviewed(one_host(values), release=release) if not one.id.startswith("disk-maybe")]
    assert short(problems) == ([problem] if problem else [])


def test_the_examples_have_no_error_and_warn_only_of_what_must_be_replaced() -> None:
    assert short(reviewed(ROOT / "baremetal")) == [
        "ssh-key-example ssh.authorized_keys[0]:22 warning",
        "passphrase-example storage.passphrase:16 warning",
    ]


def test_hosts_that_share_a_value_are_reported_where_the_second_wrote_it(write: Write) -> None:
    own = "match: {serial: PC1}\nstorage: {disk: {serial: S4TEST01}}\nnetwork:\n  ethernets:\n    eno1:\n"
    shared = f"identity: {{username: ops}}\nssh: {{authorized_keys: [{PUBLIC_KEY}]}}\n"
    baremetal = write(
        {
            "inventory/hosts.yml": "all: {hosts: {a: , b: }}\n",
            "inventory/group_vars/all.yml": shared,
            "inventory/host_vars/a.yml": own + "      addresses: [192.0.2.1/24]\n",
            "inventory/host_vars/b.yml": own + "      addresses: [192.0.2.1/24]\nhostname: A\n",
        }
    )
    assert facts(reviewed(baremetal), baremetal) == [
        ("match-shared", "error", "host_vars/b.yml", 1, "match"),
        ("disk-serial-shared", "error", "host_vars/b.yml", 2, "storage.disk.serial"),
        ("address-shared", "error", "host_vars/b.yml", 6, "network.ethernets.eno1.addresses[0]"),
        ("host-name-shared", "error", "host_vars/b.yml", 7, "hostname"),
    ]


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
    review_inventory(inventory, inventory.hosts, templates=[ROOT / "templates"], release=None)


def test_the_reference_is_sound() -> None:
    names = [key.name for key in REFERENCE]
    assert len(names) == len(set(names))
    for key in REFERENCE:
        assert key.meaning, key.name
        assert key.form or not key.pattern, key.name
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
