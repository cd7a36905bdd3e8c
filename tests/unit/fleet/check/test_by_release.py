"""What installers of different releases, and base ISOs with different contents, make of the same document."""

from __future__ import annotations

import pytest

from isoforge.base_contents import BaseContents, Source
from isoforge.fleet.check.engine import check_user_data
from isoforge.fleet.check.review import review_inventory
from isoforge.fleet.inventory.load import survey
from isoforge.release import Release
from tests.unit.fleet.conftest import ROOT, Write

HEAD = """\
#cloud-config
autoinstall:
  version: 1
  user-data: {}
"""
MATCH = "match: {serial: '*S4TEST01'}"
HYBRID = f"  storage: {{layout: {{name: hybrid, {MATCH}}}}}\n"
SERVER = BaseContents(sources=(Source(id="ubuntu-server-minimal"), Source(id="ubuntu-server", is_default=True)))
DESKTOP = BaseContents(
    sources=(
        Source(id="ubuntu-desktop-minimal", variant="desktop", is_default=True),
        Source(id="ubuntu-desktop", variant="desktop", has_tpm=True),
    )
)


def ids(body: str, release: str | None = None, base: BaseContents | None = None) -> list[str]:
    found = check_user_data((HEAD + body).encode(), file="user-data", release=Release.of(release), base=base)
    return [one.id for one in found]


DEFAULTS = "  late-commands: [\"echo 'Defaults logfile=/x' > /target/etc/sudoers.d/log\"{}]\n"
COPIED = "  late-commands: [cp /cdrom/sudoers /target/etc/sudoers.d/ops]\n"
RULE = "  late-commands: [\"echo 'ops ALL=(ALL:ALL) NOPASSWD: ALL' > /target/etc/sudoers.d/ops\"]\n"
WILD = "  late-commands: [\"echo 'ops ALL=(ALL) NOPASSWD: /bin/ls *' > /target/etc/sudoers.d/ops\"]\n"
CHECKED = ", 'curtin in-target -- visudo -cf /etc/sudoers.d/log'"


@pytest.mark.parametrize(
    ("body", "release", "expected"),
    [
        (DEFAULTS.format(""), None, []),
        (DEFAULTS.format(""), "24.04.5", []),
        (DEFAULTS.format(""), "25.10", ["sudoers-unchecked"]),
        (DEFAULTS.format(""), "26.04.1", ["sudoers-unchecked"]),
        (DEFAULTS.format(CHECKED), "26.04.1", []),
        (COPIED, "26.04", ["sudoers-unchecked"]),
        (WILD, "26.04", ["sudoers-unchecked"]),
        (RULE, "26.04", []),
    ],
)
def test_a_file_for_sudo_is_to_be_checked_where_sudo_is_another_program(
    body: str, release: str | None, expected: list[str]
) -> None:
    assert ids(body, release) == expected


@pytest.mark.parametrize(
    ("body", "base", "expected"),
    [
        (HYBRID, None, ["layout-needs-tpm"]),
        (HYBRID, BaseContents(), ["layout-needs-tpm"]),
        (HYBRID, SERVER, ["layout-not-on-iso"]),
        (HYBRID, DESKTOP, ["layout-not-on-iso"]),
        ("  source: {id: ubuntu-desktop}\n" + HYBRID, DESKTOP, []),
    ],
)
def test_the_layout_hybrid_needs_a_source_with_a_system_of_snapd(
    body: str, base: BaseContents | None, expected: list[str]
) -> None:
    assert ids(body, "26.04", base) == expected


@pytest.mark.parametrize(
    ("base", "more", "expected"),
    [
        (DESKTOP, "offline: true", ["needs-network"]),
        (DESKTOP, "offline: true\nssh: {install_server: false}\nidentity: {username: ops, password_hash: '!'}", []),
        (DESKTOP, "offline: false", []),
        (SERVER, "offline: true", []),
        (None, "offline: true", []),
    ],
)
def test_a_desktop_iso_has_no_ssh_server_for_a_machine_without_network(
    one_host: Write, base: BaseContents | None, more: str, expected: list[str]
) -> None:
    inventory = survey(one_host(more))
    folders = [ROOT / "templates"]
    found = review_inventory(inventory, list(inventory.hosts), templates=folders, release=None, base=base).problems
    assert [one.id for one in found if one.id == "needs-network"] == expected


@pytest.mark.parametrize(("release", "refuses"), [("22.04", False), ("24.04.4", True), ("26.04", True)])
def test_newer_installers_refuse_a_key_that_cloud_init_does_not_know(release: str, refuses: bool) -> None:
    body = (HEAD + "  user-data: {runcmds: [touch /x]}\n").replace("  user-data: {}\n", "").encode()
    (found,) = check_user_data(body, file="user-data", release=Release.of(release))
    assert found.id == "cloud-config-key-unknown"
    assert (f"the installer of {release} refuses it" in found.message) is refuses


def cards(*options: str) -> str:
    lines = [f"      eno{number}: {{{words}}}\n" for number, words in enumerate(options, 1)]
    return "  network:\n    version: 2\n    ethernets:\n" + "".join(lines)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (cards("dhcp4: true"), []),
        (cards("dhcp4: true", "dhcp4: true"), ["network-may-wait"]),
        (cards("dhcp4: true", "dhcp6: true", "dhcp4: true"), ["network-may-wait"]),
        (cards("dhcp4: true, optional: true", "dhcp4: true"), []),
        (cards("dhcp4: true", "dhcp4: true, optional: true"), []),
        (cards("dhcp4: true", "dhcp4: false"), []),
        (cards("dhcp4: true, match: {name: 'en*'}"), []),
    ],
)
def test_a_second_card_may_keep_each_boot_waiting(body: str, expected: list[str]) -> None:
    assert ids(body) == expected


@pytest.mark.parametrize(
    "body",
    [
        "  network: null\n",
        "  kernel: null\n",
        "  identity: {hostname: a, username: lxd, password: '!'}\n  ssh: {allow-pw: true}\n",
        "  storage: {layout: {name: lvm, mode: use_gap}}\n",
        """\
  storage:
    config:
    - {type: disk, id: disk, serial: S4TEST01_X, ptable: gpt, wipe: superblock-recursive}
    - {type: partition, id: esp, device: disk, size: 1G, flag: boot, grub_device: true}
    - {type: format, id: esp-fs, volume: esp, fstype: fat32}
    - {type: partition, id: root, device: disk, size: -1}
    - {type: format, id: root-fs, volume: root, fstype: ext4}
    - {type: mount, id: root-mount, device: root-fs, path: /}
    - {type: mount, id: esp-mount, device: esp-fs, path: /boot/efi}
""",
    ],
)
@pytest.mark.parametrize("release", ["24.04", "24.04.4", "26.04.1"])
def test_what_installers_take_is_no_problem(body: str, release: str) -> None:
    assert ids(body, release) == []
