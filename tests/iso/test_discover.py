"""What a machine says of itself: the script on trees that look like a machine, here and at the other end of ssh."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sh
import yaml

from isoforge.errors import ToolError
from isoforge.fleet.facts import Facts, host_vars, read_facts
from isoforge.run import run
from isoforge.templates import shipped_templates
from tests.iso.conftest import Cli
from tests.iso.tool_sets import TOOL_SETS, ToolSet, every_tool_set

SCRIPT = shipped_templates() / "discover.sh"
UUID = "00112233-4455-6677-8899-aabbccddeeff"
GIB = 1 << 30
SSHD = Path("/usr/sbin/sshd")
IN_CI = os.environ.get("CI") == "true"
needs_sshd = pytest.mark.skipif(not (IN_CI or SSHD.exists()), reason="apt-get install openssh-server")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A tree with the parts of a machine that the script looks at, and its tools."""

    root: Path
    tools: ToolSet = TOOL_SETS[0]

    def write(self, name: str, text: str | bytes) -> Path:
        """Let the file ``name`` hold ``text``, with a newline after it as the kernel has it."""
        place = self.root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text if isinstance(text, bytes) else f"{text}\n".encode())
        return place

    def firmware(self, **values: str) -> None:
        for key, text in values.items():
            self.write(f"sys/class/dmi/id/{key}", text)

    def card(self, name: str, mac: str, *, link: bool = False, wireless: bool = False) -> None:
        self.write(f"sys/class/net/{name}/address", mac)
        self.write(f"sys/class/net/{name}/carrier", "1" if link else "0")
        (self.root / f"sys/class/net/{name}/device").mkdir()
        if wireless:
            (self.root / f"sys/class/net/{name}/wireless").mkdir()

    def route(self, card: str, gateway: str = "010200C0") -> None:
        head = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT"
        self.write("proc/net/route", f"{head}\n{card}\t00000000\t{gateway}\t0003\t0\t0\t100\t00000000\t0\t0\t0")

    def disk(self, name: str, *, size: int = 256 * GIB, removable: bool = False, **files: str | bytes) -> None:
        """A disk: ``files`` are below its directory, with __ for / in their names."""
        base = f"sys/block/{name}"
        (self.root / base / "device").mkdir(parents=True)
        self.write(f"{base}/size", str(size // 512))
        self.write(f"{base}/removable", str(int(removable)))
        for file, text in files.items():
            self.write(f"{base}/{file.replace('__', '/')}", text)

    def udev(self, name: str, number: str, *lines: str) -> None:
        """What udev has written down about the disk ``name``."""
        self.write(f"sys/block/{name}/dev", number)
        self.write(f"run/udev/data/b{number}", "\n".join(lines))

    def facts(self, **env: str) -> Facts:
        """What the script says here, with nothing on PATH but the machine's tools."""
        tools = self.tools.lay_out(self.root.parent / "tools")
        env = {"ISOFORGE_ROOT": str(self.root), "PATH": str(tools), **env}
        told = run(str(tools / "sh"), "-s", stdin=SCRIPT.read_text("utf-8"), env=env)
        return read_facts(told)


@pytest.fixture(params=every_tool_set())
def machine(tmp_path: Path, request: pytest.FixtureRequest) -> Machine:
    """A machine that says nothing yet."""
    (tmp_path / "machine").mkdir()
    return Machine(root=tmp_path / "machine", tools=request.param)


@pytest.fixture
def m710q(machine: Machine) -> Machine:
    """A small desktop machine with one NVMe disk and one card, booted from a stick by UEFI."""
    machine.firmware(
        sys_vendor="LENOVO",
        product_name="ThinkCentre M710q",
        product_serial="PC0EXMP3",
        product_uuid=UUID,
        chassis_asset_tag="To Be Filled By O.E.M.",
        board_serial="L1HF0EXMP",
    )
    (machine.root / "sys/firmware/efi").mkdir(parents=True)
    machine.card("enp0s31f6", "00:00:5E:00:53:03", link=True)
    machine.card("wlp1s0", "00:00:5e:00:53:13", link=True, wireless=True)
    machine.write("sys/class/net/lo/address", "00:00:00:00:00:00")
    machine.route("enp0s31f6")
    machine.write("proc/meminfo", "MemTotal:       16250232 kB\nMemFree:         1000000 kB")
    machine.disk("nvme0n1", device__model="EXAMPLE SSD 256G   ", device__serial="S4EXAMPLE0003", wwid="eui.0025")
    machine.udev(
        "nvme0n1",
        "259:0",
        "S:disk/by-id/nvme-EXAMPLE_SSD_256G_S4EXAMPLE0003",
        "E:ID_SERIAL_SHORT=S4EXAMPLE0003",
        "E:ID_SERIAL=EXAMPLE_SSD_256G_S4EXAMPLE0003",
        "E:ID_MODEL=EXAMPLE_SSD_256G",
        "E:ID_WWN=eui.0025",
    )
    machine.disk("sda", size=8 * GIB, removable=True, device__model="Stick", device__vpd_pg80=b"\0\x80\0\x04USB1")
    machine.disk("sr0", size=GIB)
    for name in ("loop0", "dm-0"):
        machine.write(f"sys/block/{name}/size", "2048")
    machine.write(
        "proc/mounts", "/dev/sda1 /cdrom iso9660 ro 0 0\n/dev/loop0 /rofs squashfs ro 0 0\ntmpfs /run tmpfs rw 0 0"
    )
    return machine


def test_a_machine_is_told_as_host_vars(m710q: Machine) -> None:
    facts = m710q.facts()
    told = host_vars(facts)
    assert yaml.safe_load(told) == {
        "match": {"serial": "PC0EXMP3", "uuid": UUID},
        "storage": {"disk": {"serial": "S4EXAMPLE0003"}},
        "hardware": {
            "memory": "15869M",
            "disks": [
                {
                    "serial": "S4EXAMPLE0003",
                    "model": "EXAMPLE_SSD_256G",
                    "path": "/dev/nvme0n1",
                    "size": 256 * GIB,
                }
            ],
        },
        "network": {"ethernets": {"enp0s31f6": {"mac": "00:00:5e:00:53:03", "dhcp4": True}}},
    }
    assert "# Vendor and model: LENOVO ThinkCentre M710q.\n" in told
    assert '  # asset_tag: "To Be Filled By O.E.M."   # a placeholder of the firmware, not a real value\n' in told
    assert '  # baseboard_serial: "L1HF0EXMP"\n' in told
    assert '  # serial: "USB1"   # sda, 8.6 GB, Stick; in use as /cdrom; removable\n' in told
    assert '    # wlp1s0: {mac: "00:00:5e:00:53:13"}   # wireless, with link\n' in told
    assert "current gateway: 192.0.2.1" in told
    assert [disk.name for disk in facts.disks] == ["nvme0n1", "sda"]
    assert facts.disks[0].by_id == ("nvme-EXAMPLE_SSD_256G_S4EXAMPLE0003",)
    assert (facts.disks[0].size_bytes, facts.disks[0].wwn, facts.firmware) == (256 * GIB, "eui.0025", "uefi")
    assert facts.warnings == ()


def test_a_machine_without_values_of_its_own_is_known_by_its_card(machine: Machine) -> None:
    machine.firmware(product_serial="Default string", product_uuid="03000200-0400-0500-0006-000700080009")
    machine.card("eno1", "00:00:5e:00:53:01", link=True)
    machine.card("eno2", "00:00:5e:00:53:02")
    facts = machine.facts()
    assert facts.match == {"mac": "00:00:5e:00:53:01"}
    assert facts.warnings[0] == "the firmware has neither a serial number nor a UUID of its own"


def test_a_board_serial_is_better_than_a_card(machine: Machine) -> None:
    machine.firmware(product_serial="0000000", board_serial="L1HF0EXMP")
    machine.card("eno1", "00:00:5e:00:53:01")
    assert machine.facts().match == {"baseboard_serial": "L1HF0EXMP"}


def test_of_several_disks_none_is_chosen_and_all_are_told(m710q: Machine) -> None:
    m710q.disk("sdb", device__vpd_pg80=b"\0\x80\0\x0c  WDEXMP 01  ", device__model="EXAMPLE HDD", queue__rotational="1")
    facts = m710q.facts()
    told = host_vars(facts)
    assert "storage" not in yaml.safe_load(told)
    assert '# serial: "S4EXAMPLE0003"   # nvme0n1' in told
    assert '# serial: "WDEXMP_01"   # sdb, 274.9 GB, EXAMPLE_HDD, rotating' in told
    assert "2 disks to choose from: no disk was selected" in facts.warnings


def test_a_disk_is_known_by_what_the_installer_compares(machine: Machine) -> None:
    machine.disk("sda", device__vpd_pg80=b"\0\x80\0\x04UNIT")
    machine.udev("sda", "8:0", "E:ID_SERIAL=35000c500a1b2c3d4", "E:ID_SERIAL_SHORT=ELSEWHERE", "E:ID_BUS=scsi")
    machine.disk("vda", serial="virtual-1")
    assert [disk.serial for disk in machine.facts().disks] == ["35000c500a1b2c3d4", "virtual-1"]


def test_a_stick_is_never_meant_even_if_it_says_that_it_stays(machine: Machine) -> None:
    place = machine.root / "sys/devices/pci0/usb2/2-1/host0"
    place.mkdir(parents=True)
    machine.disk("sda", serial="STICK1")
    (machine.root / "sys/block/sda/device").rmdir()
    (machine.root / "sys/block/sda/device").symlink_to(place)
    assert machine.facts().disk is None


def test_the_card_behind_a_bridge_on_a_bond_has_the_default_route_and_its_own_address(machine: Machine) -> None:
    for number in (1, 2):
        machine.card(f"eno{number}", "00:00:5e:00:53:01", link=True)
        machine.write(f"sys/class/net/eno{number}/bonding_slave/perm_hwaddr", f"00:00:5e:00:53:0{number}")
    machine.card("eno3", "00:00:5e:00:53:03", link=True)
    for upper, lower in (("br0", "bond0"), ("bond0", "eno2")):
        machine.write(f"sys/class/net/{upper}/lower_{lower}", "")
    machine.route("br0")
    facts = machine.facts()
    assert facts.card is not None
    assert (facts.card.name, facts.card.mac) == ("eno2", "00:00:5e:00:53:02")


def test_a_default_route_of_ipv6_counts_and_an_unreachable_one_does_not(machine: Machine) -> None:
    machine.card("eno1", "00:00:5e:00:53:01", link=True)
    machine.card("eno2", "00:00:5e:00:53:02", link=True)
    zeros, flags = "0" * 32, "00000400 00000001 00000000 00000003"
    machine.write(
        "proc/net/ipv6_route",
        f"{zeros} 00 {zeros} 00 {zeros} ffffffff 1 0 00200200 eno1\n"
        f"{zeros} 00 {zeros} 00 fe800000000000000000000000000001 {flags} eno2",
    )
    assert [card.has_route for card in machine.facts().cards] == [False, True]


def test_a_card_with_a_kernels_name_gets_one_of_ours(machine: Machine) -> None:
    machine.card("eth0", "00:00:5e:00:53:01")
    assert list(yaml.safe_load(host_vars(machine.facts()))["network"]["ethernets"]) == ["lan0"]


def test_odd_texts_cannot_leave_their_line(machine: Machine) -> None:
    machine.firmware(
        sys_vendor="A\nmatch: {serial: x}",
        product_name='#"\t: {',
        product_serial='a"b: c #',
        board_serial="caf\N{REGISTERED SIGN}",
    )
    machine.disk("sda", serial="S1", device__model='x\ty"\nof\tsda\tserial\tS2')
    facts = machine.facts()
    document = yaml.safe_load(host_vars(facts))
    disk = {"serial": "S1", "model": facts.disks[0].model, "path": "/dev/sda", "size": 256 * GIB}
    assert document == {
        "match": {"serial": 'a"b: c #'},
        "storage": {"disk": {"serial": "S1"}},
        "hardware": {"disks": [disk]},
    }
    assert "contains characters that the menu cannot compare" in host_vars(facts)


@pytest.mark.parametrize(
    "value", [b"PC0EXMP\xe9", b"\x81PC0EXMP1\x88", b"PC0\nEXMP1", b"PC0\x7f", "PC0\N{REGISTERED SIGN}".encode()]
)
def test_a_text_with_other_bytes_than_printable_ascii_is_odd(machine: Machine, value: bytes) -> None:
    machine.write("sys/class/dmi/id/product_serial", value + b"\n")
    machine.firmware(board_serial="L1HF0EXMP")
    facts = machine.facts()
    assert facts.match == {"baseboard_serial": "L1HF0EXMP"}
    assert facts.smbios[0].problem == "contains characters that the menu cannot compare"


def test_a_board_without_smbios_is_known_by_its_device_tree(machine: Machine) -> None:
    machine.write("proc/device-tree/model", b"Example Board 4\0")
    machine.write("proc/device-tree/serial-number", b"10000000exmp0001\0")
    facts = machine.facts()
    assert facts.match == {"serial": "10000000exmp0001"}
    assert (facts.product, facts.firmware) == ("Example Board 4", "")
    assert facts.warnings == ("no disks to choose from: no disk was selected",)


def test_where_there_is_smbios_the_device_tree_is_not_read(machine: Machine) -> None:
    machine.write("proc/device-tree/serial-number", b"10000000exmp0001\0")
    machine.firmware(product_serial="PC0EXMP3")
    assert machine.facts().match == {"serial": "PC0EXMP3"}


@pytest.fixture
def nobody_may_read(m710q: Machine) -> Iterator[Machine]:
    """The machine in a place that every user may enter; its serial number and UUID are root's to read."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        root = Path(folder, "machine")
        shutil.copytree(m710q.root, root, symlinks=True)
        for key in ("product_serial", "product_uuid"):
            (root / "sys/class/dmi/id" / key).chmod(0)
        yield Machine(root=root)


def as_nobody(machine: Machine, tools: Path) -> Facts:
    """The facts as an ordinary user gets them, with ``tools`` first on PATH."""
    env = {"ISOFORGE_ROOT": str(machine.root), "PATH": f"{tools}:{os.environ['PATH']}"}
    script = SCRIPT.read_text("utf-8")
    if os.geteuid() != 0:
        return read_facts(run("dash", "-s", stdin=script, env=env))
    words = ["--reuid=65534", "--regid=65534", "--clear-groups", "dash", "-s"]
    return read_facts(run("setpriv", *words, stdin=script, env=env))


def program(folder: Path, name: str, text: str) -> Path:
    """A program called ``name`` in ``folder``."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)
    return folder


def test_what_only_root_may_read_is_told_in_one_line(nobody_may_read: Machine) -> None:
    facts = as_nobody(nobody_may_read, program(nobody_may_read.root.parent / "tools", "sudo", "exit 1"))
    assert facts.warnings == ("could not read serial, uuid: only root can, and sudo would ask for a password",)
    assert facts.match == {"baseboard_serial": "L1HF0EXMP"}
    assert "# serial: (unknown)   # only root can read it" in host_vars(facts)


def test_sudo_without_a_password_is_used_and_asked_once_for_leave(nobody_may_read: Machine) -> None:
    asked = nobody_may_read.root.parent / "asked"
    asked.touch()
    asked.chmod(0o666)
    say = f'[ "$1" = -n ] || exit 1\nshift\necho "$1" >>{asked}\n[ "$1" = true ] || echo "sudo-$(basename "$2")"'
    facts = as_nobody(nobody_may_read, program(nobody_may_read.root.parent / "tools", "sudo", say))
    assert facts.match == {"serial": "sudo-product_serial", "uuid": "sudo-product_uuid"}
    assert asked.read_text().split() == ["true", "cat", "cat"]


def test_this_machine_can_be_asked() -> None:
    facts = read_facts(run("sh", "-s", stdin=SCRIPT.read_text("utf-8")))
    assert facts.firmware in ("uefi", "bios")
    yaml.safe_load(host_vars(facts))


@pytest.mark.parametrize("told", ["", "isoforge-facts\t1\ndmi\tproduct_serial\tX\n", "end\nisoforge-facts\t1\n", "{}"])
def test_an_answer_that_was_cut_off_is_no_answer(told: str) -> None:
    with pytest.raises(ToolError, match="incomplete"):
        read_facts(told)


def test_a_greeting_around_the_answer_does_no_harm(machine: Machine) -> None:
    machine.firmware(product_serial="PC0EXMP3")
    told = run("sh", "-s", stdin=SCRIPT.read_text("utf-8"), env={"ISOFORGE_ROOT": str(machine.root)})
    assert read_facts(f"Welcome!\ndmi\tproduct_serial\tX\n{told}bye\n").match == {"serial": "PC0EXMP3"}


def test_of_what_a_far_side_says_only_plain_text_is_taken() -> None:
    facts = read_facts("isoforge-facts\t1\ndmi\tproduct_serial\tA\x1b[2JB\N{LATIN SMALL LETTER E WITH ACUTE}\nend\n")
    assert facts.match == {"serial": "A[2JB"}


@pytest.mark.parametrize("shell", ["dash", "bash --posix", "busybox sh"])
def test_any_posix_shell_says_the_same(m710q: Machine, shell: str) -> None:
    name, *words = shell.split()
    told = run(name, *words, "-s", stdin=SCRIPT.read_text("utf-8"), env={"ISOFORGE_ROOT": str(m710q.root)})
    assert read_facts(told) == m710q.facts()


def test_shellcheck_finds_nothing() -> None:
    assert run("shellcheck", "--shell=sh", SCRIPT) == ""


# The other end of ssh


@pytest.fixture
def stand_in(m710q: Machine, tmp_path: Path) -> Path:
    """A folder with a program ssh that notes its words and lets the far shell be one on the machine of the test."""
    note = tmp_path / "words"
    text = f'printf "%s\\n" "$@" >{note}\nwhile [ "$1" != -- ]; do shift; done\nshift 2\necho Welcome!\n'
    return program(tmp_path / "ssh", "ssh", f'{text}ISOFORGE_ROOT={m710q.root} exec sh -c "$*"')


def on_path(folder: Path) -> dict[str, str]:
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def test_discover_asks_a_far_machine_and_never_for_a_password(cli: Cli, stand_in: Path) -> None:
    outcome = cli("discover", "--ssh", "ubuntu@192.0.2.11", "--json", **on_path(stand_in))
    told = json.loads(outcome.out)
    assert told["match"] == {"serial": "PC0EXMP3", "uuid": UUID}
    assert told["disks"][0]["by_id"] == ["nvme-EXAMPLE_SSD_256G_S4EXAMPLE0003"]
    words = (stand_in.parent / "words").read_text().splitlines()
    assert words[-3:] == ["--", "ubuntu@192.0.2.11", "sh -s"]
    assert "BatchMode=yes" in words


@pytest.mark.parametrize("destination", ["-oProxyCommand=touch x", "--", "a b", "u@-x", "a;b", "$(x)", "u@h\nx", "@h"])
def test_a_destination_that_ssh_would_take_for_something_else_is_refused(
    cli: Cli, stand_in: Path, destination: str
) -> None:
    outcome = cli("discover", f"--ssh={destination}", **on_path(stand_in))
    assert outcome.code == 2
    assert "invalid value" in outcome.err
    assert not (stand_in.parent / "words").exists()


@pytest.mark.parametrize(
    "destination", ["h", "192.0.2.1", "u@h.example.org", "u@2001:db8::1", "ssh://u@[2001:db8::1]:22"]
)
def test_a_destination_of_any_usual_form_is_taken(cli: Cli, stand_in: Path, destination: str) -> None:
    assert cli("discover", "--ssh", destination, **on_path(stand_in)).code == 0


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("ubuntu@h: Permission denied (publickey,password).", "install your key first (ssh-copy-id ubuntu@h)"),
        ("Host key verification failed.", "connect once by hand and verify the fingerprint of its key: ssh ubuntu@h"),
        ("ssh: connect to host h port 22: Connection refused", "Connection refused"),
    ],
)
def test_what_ssh_complains_of_is_one_line_with_the_cure(cli: Cli, tmp_path: Path, said: str, hint: str) -> None:
    folder = program(tmp_path / "ssh", "ssh", f'echo "{said}" >&2; exit 255')
    outcome = cli("discover", "--ssh", "ubuntu@h", **on_path(folder))
    assert outcome.code == 6
    assert outcome.err.startswith("error: ubuntu@h: ")
    assert hint in outcome.err
    assert [line.partition(": ")[0] for line in outcome.err.splitlines()] in (["error"], ["error", "hint"])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@needs_sshd
def test_a_real_ssh_server_answers_to_a_key(cli: Cli, tmp_path: Path) -> None:
    """With OpenSSH's own server and client, on this machine."""
    port = free_port()
    for key in ("host", "user"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / key)
    known = (tmp_path / "host.pub").read_text().split()[:2]
    (tmp_path / "known").write_text(f"[127.0.0.1]:{port} {' '.join(known)}\n")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where root's server gives its privileges up; no service has made it
    (tmp_path / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {tmp_path}/host\nAuthorizedKeysFile {tmp_path}/user.pub\n"
        "StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\nPidFile none\n"
    )
    options = f"-F none -i {tmp_path}/user -o IdentitiesOnly=yes -o UserKnownHostsFile={tmp_path}"
    folder = program(tmp_path / "ssh", "ssh", f'exec {shutil.which("ssh")} {options}/known "$@"')
    daemon: Any = sh.Command(str(SSHD))
    running = daemon("-D", "-e", "-f", tmp_path / "sshd_config", _bg=True, _bg_exc=False)
    try:
        sh.Command("sh")(
            "-c", f"for _ in $(seq 50); do ssh-keyscan -p {port} 127.0.0.1 2>/dev/null | grep -q . && exit; done"
        )
        destination = f"ssh://{getpass.getuser()}@127.0.0.1:{port}"
        outcome = cli("discover", "--ssh", destination, "--json", **on_path(folder))
        assert outcome.code == 0, outcome.err
        assert json.loads(outcome.out) == json.loads(cli("discover", "--json").out)
        stranger = program(tmp_path / "no", "ssh", f'exec {shutil.which("ssh")} {options}/none "$@"')
        refused = cli("discover", "--ssh", destination, **on_path(stranger))
        assert refused.code == 6
        assert "connect once by hand" in refused.err
    finally:
        running.terminate()
        running.wait()
