"""The guard, the detection and the stamp as dash runs them, on trees that look like /sys of a machine."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import sh
import yaml

from isoforge.fleet.inventory.load import Host, survey
from isoforge.fleet.seed.detect import detect_seed
from isoforge.fleet.seed.guard import guard_command, stamp_command
from isoforge.fleet.seed.medium import medium_files
from isoforge.fleet.seed.render import Seed, render_seed
from isoforge.fleet.seed.scripts import call_scripts, every_script, script
from isoforge.fleet.smbios import PLACEHOLDERS, both_orders, is_placeholder, normalised
from isoforge.iso_layout import DETECT, EARLY_COMMANDS, HOSTS_TABLE, SCRIPTS_FOLDER, SEED_FILES, SEEDS_FOLDER
from isoforge.run import run
from isoforge.seed_format import GUARD, STAMP, guard_keys
from tests.conftest import ROOT
from tests.iso.conftest import Cli
from tests.iso.tool_sets import BUSYBOX_ALONE, ToolSet, every_tool_set

TEMPLATES = [ROOT / "templates"]
UUID = "00112233-4455-6677-8899-aabbccddeeff"
TURNED = "33221100-5544-7766-8899-aabbccddeeff"
MAC = "00:00:5e:00:53:01"
OTHER_MAC = "00:00:5e:00:53:02"
FILES = {
    "serial": "product_serial",
    "uuid": "product_uuid",
    "product": "product_name",
    "asset_tag": "chassis_asset_tag",
    "baseboard_serial": "board_serial",
}


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A tree with the parts of a machine that the scripts look at, and the tools of its live system."""

    root: Path
    tools: ToolSet

    def describe(self, name: str, value: str) -> None:
        """Let the device tree have the property ``name``, which ends in a NUL."""
        place = self.root / "proc/device-tree" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(value.encode("utf-8", errors="surrogateescape") + b"\0")

    def give(self, key: str, value: str) -> None:
        """Let the firmware say ``value``; the kernel ends it with a newline."""
        place = self.root / "sys/class/dmi/id" / FILES[key]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(value.encode("utf-8", errors="surrogateescape") + b"\n")

    def plug(self, *macs: str) -> None:
        """Give it the network cards with these addresses, beside the loopback device."""
        for number, mac in enumerate(("00:00:00:00:00:00", *macs)):
            place = self.root / f"sys/class/net/eth{number}/address"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(f"{mac}\n")

    def said_on(self, console: str) -> str:
        """What was written to /dev/``console``."""
        return (self.root / "dev" / console).read_bytes().decode()


@pytest.fixture(params=every_tool_set())
def machine(tmp_path: Path, request: pytest.FixtureRequest) -> Machine:
    """A machine without values; its consoles are plain files, ttyS0 and the screen take kernel messages."""
    made = Machine(root=tmp_path / "machine", tools=request.param)
    for name in ("tty0", "tty1", "tty2", "tty6", "ttyS0", "ttyS1", "console"):
        (made.root / "dev").mkdir(parents=True, exist_ok=True)
        (made.root / "dev" / name).touch()
    (made.root / "sys/class/tty/console").mkdir(parents=True)
    (made.root / "sys/class/tty/console/active").write_text("tty0 ttyS0\n")
    return made


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a script ended: its exit code and what it wrote."""

    code: int
    said: str


def run_on(machine: Machine, words: Sequence[str], *, wait_s: int = 0) -> Ending:
    """Start ``words`` as the installer would on ``machine``, with its tools alone."""
    tools = machine.tools.lay_out(machine.root.parent / "tools")
    env = {"PATH": str(tools), "ISOFORGE_ROOT": str(machine.root), "ISOFORGE_WAIT_S": str(wait_s)}
    program: Any = sh.Command(str(tools / words[0]))
    ran = program(*words[1:], _env=env, _in="", _tty_out=False, _ok_code=list(range(256)), _return_cmd=True)
    return Ending(code=ran.exit_code, said=ran.stdout.decode() + ran.stderr.decode())


def host(tmp_path: Path, match: Mapping[str, object], name: str = "web-1", **more: object) -> Host:
    """A host with ``match``, whatever the checks of the inventory would say to it."""
    folder = tmp_path / f"fleet-{name}/inventory"
    (folder / "host_vars").mkdir(parents=True, exist_ok=True)
    (folder / "hosts.yml").write_text(f"all:\n  hosts:\n    {name}:\n")
    values = {
        "identity": {"username": "ops"},
        "ssh": {
            "authorized_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"]
        },
        "storage": {"layout": "direct", "disk": {"serial": "DISK0001"}},
        "match": dict(match),
        **more,
    }
    (folder / f"host_vars/{name}.yml").write_text(yaml.safe_dump(values))
    return survey(folder.parent).host(name)


def guard_on(machine: Machine, tmp_path: Path, match: Mapping[str, object], *, wait_s: int = 0) -> Ending:
    return run_on(machine, guard_command(host(tmp_path, match), TEMPLATES), wait_s=wait_s)


BOARD = {"serial-number": "10000000exmp0001", "model": "Example Board 4"}
"""What the device tree of a small arm64 board says."""

PASSING: list[tuple[dict[str, object], dict[str, str]]] = [
    ({"serial": "PC0EXMP1"}, {"serial": "PC0EXMP1"}),
    ({"serial": "pc0exmp1"}, {"serial": "  PC0ExMP1   "}),
    ({"serial": " PC0EXMP1 "}, {"serial": "PC0EXMP1"}),
    ({"serial": "a  b"}, {"serial": "A  B"}),
    ({"serial": "$(reboot) `x` \"'\\ ;&|*?[a]%s"}, {"serial": "$(reboot) `x` \"'\\ ;&|*?[a]%s"}),
    ({"serial": "-e"}, {"serial": "-E"}),
    ({"serial": "="}, {"serial": "="}),
    ({"uuid": UUID}, {"uuid": UUID}),
    ({"uuid": UUID.upper()}, {"uuid": TURNED}),
    ({"uuid": TURNED}, {"uuid": UUID.upper()}),
    ({"product": "ThinkCentre M710q"}, {"product": "ThinkCentre M710q"}),
    ({"asset_tag": "A-17"}, {"asset_tag": "A-17"}),
    ({"baseboard_serial": "L1HF"}, {"baseboard_serial": "L1HF"}),
    ({"serial": "PC0EXMP1", "product": "M710q"}, {"serial": "PC0EXMP1", "product": "M710q"}),
]


@pytest.mark.parametrize(("match", "values"), PASSING)
def test_the_guard_lets_the_hosts_machine_pass(
    machine: Machine, tmp_path: Path, match: dict[str, object], values: dict[str, str]
) -> None:
    for key, value in values.items():
        machine.give(key, value)
    assert guard_on(machine, tmp_path, match) == Ending(code=0, said="isoforge: this machine is host web-1\n")
    assert machine.said_on("tty1") == machine.said_on("ttyS0") == ""


DEVICE_TREE: list[tuple[dict[str, object], dict[str, str], int]] = [
    ({"serial": "10000000EXMP0001"}, {"serial-number": "10000000exmp0001"}, 0),
    ({"serial": "10000000EXMP0001", "product": "Example Board 4"}, BOARD, 0),
    ({"serial": "10000000EXMP0001", "product": "Example Board 5"}, BOARD, 1),
    ({"serial": "10000000EXMP0001"}, {"serial-number": "10000000exmp0002"}, 1),
    ({"serial": "10000000EXMP0001"}, {"serial-number": "10000000exmp0001\udce9"}, 1),
    ({"serial": "0000000000000000"}, {"serial-number": "0000000000000000"}, 1),
    ({"uuid": UUID}, BOARD, 1),
    ({"serial": "10000000EXMP0001"}, {}, 1),
]


@pytest.mark.parametrize(("match", "properties", "code"), DEVICE_TREE)
def test_without_smbios_the_device_tree_has_serial_number_and_product(
    machine: Machine, tmp_path: Path, match: dict[str, object], properties: dict[str, str], code: int
) -> None:
    for name, value in properties.items():
        machine.describe(name, value)
    assert guard_on(machine, tmp_path, match).code == code


def test_where_there_is_smbios_the_device_tree_is_not_looked_at(machine: Machine, tmp_path: Path) -> None:
    machine.describe("serial-number", "10000000EXMP0001")
    machine.give("product", "Example Server")
    assert guard_on(machine, tmp_path, {"serial": "10000000EXMP0001"}).code == 1
    assert "  serial: none\n" in machine.said_on("tty1").replace("\r", "")


def test_the_refusal_shows_the_texts_of_the_device_tree(machine: Machine, tmp_path: Path) -> None:
    for name, value in BOARD.items():
        machine.describe(name, value)
    lines = guard_on(machine, tmp_path, {"serial": "PC0EXMP1"}).said.splitlines()
    assert "  serial: 10000000exmp0001" in lines
    assert "  product: Example Board 4" in lines


REFUSED: list[tuple[dict[str, object], dict[str, str]]] = [
    ({"serial": "PC0EXMP1"}, {}),
    ({"serial": "PC0EXMP1"}, {"serial": ""}),
    ({"serial": "PC0EXMP1"}, {"serial": "PC0EXMP2"}),
    ({"serial": "PC0EXMP1"}, {"serial": "PC0EXMP11"}),
    ({"serial": "PC0EXMP*"}, {"serial": "PC0EXMP1"}),
    ({"serial": "PC0.XMP1"}, {"serial": "PC0EXMP1"}),
    ({"serial": "a b"}, {"serial": "a  b"}),
    ({"serial": "PC0EXMP1"}, {"uuid": UUID, "product": "PC0EXMP1"}),
    ({"serial": "PC0EXMP1"}, {"serial": "PC0EXMP1\N{REGISTERED SIGN}"}),
    ({"serial": "PC0EXMP1"}, {"serial": "PC0EXMP1\x1b[2J"}),
    ({"serial": "PC0EXMP1"}, {"serial": "PC0EXMP1\udce9"}),  # the byte 0351, which is not UTF-8
    ({"serial": "PC0EXMP1"}, {"serial": "\udc81PC0EXMP1\udc88"}),  # bytes that dash uses for itself
    ({"serial": "PC0EXMP1"}, {"serial": "PC0\nEXMP1"}),
    ({"serial": "To Be Filled By O.E.M."}, {"serial": "To Be Filled By O.E.M."}),
    ({"serial": "0000000"}, {"serial": "0000000"}),
    ({"uuid": "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"}, {"uuid": "ffffffff-ffff-ffff-ffff-ffffffffffff"}),
    ({"uuid": UUID}, {"uuid": "00112233-4455-6677-8899-aabbccddeefe"}),
    ({"uuid": UUID}, {"uuid": "33221100-4455-6677-8899-aabbccddeeff"}),
    ({"serial": "PC0EXMP1", "product": "M710q"}, {"serial": "PC0EXMP1", "product": "M720q"}),
    ({"serial": "PC0EXMP1", "product": "M710q"}, {"serial": "PC0EXMP1"}),
]


@pytest.mark.parametrize(("match", "values"), REFUSED)
def test_the_guard_stops_on_another_machine(
    machine: Machine, tmp_path: Path, match: dict[str, object], values: dict[str, str]
) -> None:
    for key, value in values.items():
        machine.give(key, value)
    ending = guard_on(machine, tmp_path, match)
    assert ending.code == 1
    assert "STOPPED. This machine is not host web-1." in ending.said
    assert "\x1b" not in ending.said


@pytest.mark.parametrize(
    ("wanted", "cards", "code"),
    [
        ([MAC], [MAC], 0),
        ([MAC.upper()], [OTHER_MAC, MAC], 0),
        ([MAC], [MAC.upper()], 0),
        ([MAC, OTHER_MAC], [OTHER_MAC, MAC], 0),
        ([MAC], [OTHER_MAC], 1),
        ([MAC, OTHER_MAC], [MAC], 1),
        ([MAC], [], 1),
        (["00:00:00:00:00:00"], [], 1),
        (["ff:ff:ff:ff:ff:ff"], ["ff:ff:ff:ff:ff:ff"], 1),
    ],
)
def test_every_mac_address_must_be_there(
    machine: Machine, tmp_path: Path, wanted: list[str], cards: list[str], code: int
) -> None:
    machine.plug(*cards)
    assert guard_on(machine, tmp_path, {"mac": wanted}).code == code


@pytest.mark.parametrize(("serial", "code"), [("PC0EXMP1", 0), ("PC0EXMP2", 1)])
def test_busybox_may_be_the_shell_too(machine: Machine, tmp_path: Path, serial: str, code: int) -> None:
    machine.give("serial", serial)
    alone = replace(machine, tools=BUSYBOX_ALONE)
    assert guard_on(alone, tmp_path, {"serial": "PC0EXMP1"}).code == code


def test_a_card_in_a_bond_is_known_by_its_own_address(machine: Machine, tmp_path: Path) -> None:
    machine.plug(MAC)
    own = machine.root / "sys/class/net/eth1/bonding_slave/perm_hwaddr"
    own.parent.mkdir()
    own.write_text(f"{OTHER_MAC}\n")
    assert guard_on(machine, tmp_path, {"mac": OTHER_MAC}).code == 0


def test_the_guard_waits_for_a_card_and_for_nothing_else(machine: Machine, tmp_path: Path) -> None:
    words = guard_command(host(tmp_path, {"mac": MAC}), TEMPLATES)
    late = f"(sleep 1; mkdir -p {machine.root}/sys/class/net/e; echo {MAC} >{machine.root}/sys/class/net/e/address) &\n"
    assert run_on(machine, [*words[:2], late + words[2], *words[3:]], wait_s=20).code == 0
    started = datetime.datetime.now(datetime.UTC)
    assert guard_on(machine, tmp_path, {"serial": "PC0EXMP1", "mac": MAC}, wait_s=60).code == 1
    assert (datetime.datetime.now(datetime.UTC) - started).total_seconds() < 20


def test_the_refusal_says_what_was_expected_found_and_to_do_on_every_console(machine: Machine, tmp_path: Path) -> None:
    machine.give("serial", "PF0ABC2")
    machine.give("product", "ThinkCentre M710q")
    machine.give("asset_tag", "To Be Filled By O.E.M.")
    machine.plug(OTHER_MAC)
    said = guard_on(machine, tmp_path, {"serial": "PC0EXMP1", "product": "ThinkCentre M710q"}).said
    assert said.splitlines() == [
        "",
        "isoforge: STOPPED. This machine is not host web-1.",
        "",
        "Expected:",
        "  serial: PC0EXMP1 (does not match)",
        "  product: ThinkCentre M710q (matches)",
        "Found on this machine:",
        "  serial: PF0ABC2",
        "  uuid: none",
        "  product: ThinkCentre M710q",
        "  asset_tag: To Be Filled By O.E.M. (placeholder: does not identify a machine)",
        "  baseboard_serial: none",
        f"  mac: {OTHER_MAC}",
        "",
        "What to do: restart and choose the entry of this machine. If this is the right machine, correct",
        '"match" of host web-1 in the inventory and rebuild the ISO.',
        "",
        "Nothing was installed, and no disk was written to.",
        'To restart, press Ctrl-Alt-Del and remove the medium; to power off, run "poweroff" in a shell (Alt-F2).',
    ]
    for console in ("tty1", "tty2", "tty6", "ttyS0"):
        assert machine.said_on(console) == said.replace("\n", "\r\n")
    assert machine.said_on("ttyS1") == ""  # no console: something else may listen there, as a UPS


def test_without_a_list_of_consoles_the_refusal_goes_to_the_console(machine: Machine, tmp_path: Path) -> None:
    (machine.root / "sys/class/tty/console/active").unlink()
    assert guard_on(machine, tmp_path, {"serial": "PC0EXMP1"}).code == 1
    assert "STOPPED" in machine.said_on("console")


def test_a_guard_without_keys_lets_nobody_pass(machine: Machine) -> None:
    machine.give("serial", "PC0EXMP1")
    assert run_on(machine, ["sh", "-c", script(GUARD, "web-1", TEMPLATES), GUARD, "web-1"]).code == 1
    assert run_on(machine, ["sh", "-c", script(GUARD, "web-1", TEMPLATES), GUARD, "web-1", "seral=PC0EXMP1"]).code == 1


SAMPLES = [
    *PLACEHOLDERS,
    "",
    "-",
    "0",
    "00-00",
    "FFFF",
    "xXxX",
    "0f",
    "f0",
    "serial",
    "0x",
    "PC0",
    "N/A",
    "n/b",
    " none ",
]


def test_shell_and_python_agree_on_placeholders_and_spelling(machine: Machine) -> None:
    functions = script(GUARD, "web-1", TEMPLATES).partition("host=$1")[0]
    told = 'for one in "$@"; do placeholder "$(small "$one")" && echo yes || echo no; done'
    said = run_on(machine, ["sh", "-c", f"{functions}\n{told}", "x", *SAMPLES]).said.split()
    assert said == ["yes" if is_placeholder(one) else "no" for one in SAMPLES]
    spelt = run_on(machine, ["sh", "-c", f'{functions}\nsmall "$1"', "x", "  A  B'c\\ "]).said
    assert spelt == normalised("  A  B'c\\ ") == "a  b'c\\"
    assert run_on(machine, ["sh", "-c", f'{functions}\nturned "$1"', "x", UUID]).said == both_orders(UUID)[1] == TURNED


@pytest.mark.parametrize("name", [GUARD, DETECT, STAMP])
def test_shellcheck_finds_nothing(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(script(name, "web-1", TEMPLATES))
    assert run("shellcheck", "--shell=sh", tmp_path / name) == ""


def medium_for(machine: Machine, *hosts: Host) -> None:
    """Lay on the machine's medium what a build lays there for ``hosts``."""
    seeds = [render_seed(one, templates=TEMPLATES) for one in hosts]
    lay(machine, medium_files(hosts, seeds, TEMPLATES).every)


def lay(machine: Machine, files: Mapping[PurePosixPath, bytes]) -> None:
    """Lay ``files`` on the machine's medium."""
    for path, content in files.items():
        place = on_medium(machine, path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)


def on_medium(machine: Machine, path: PurePosixPath) -> Path:
    """Where ``path`` of the ISO is on the machine."""
    return machine.root / "cdrom" / path.relative_to("/")


def seed_on(machine: Machine, name: str) -> Path:
    """The user-data of the host called ``name`` on the machine's medium."""
    return on_medium(machine, SEEDS_FOLDER / name / "user-data")


def first_early_command(user_data: bytes) -> Sequence[str]:
    words: Sequence[str] = yaml.safe_load(user_data)["autoinstall"]["early-commands"][0]
    return words


def detect_on(machine: Machine) -> Ending:
    """Run the detection from the machine's medium; from a seed that contains the script if there is no medium."""
    seed = seed_on(machine, DETECT)
    user_data = seed.read_bytes() if seed.exists() else detect_seed(templates=TEMPLATES).user_data
    return run_on(machine, first_early_command(user_data))


FLEET: list[tuple[str, dict[str, object]]] = [
    ("by-serial", {"serial": "PC0EXMP1"}),
    ("by-uuid", {"uuid": UUID}),
    ("by-mac", {"mac": MAC}),
    ("by-macs", {"mac": ["00:00:5e:00:53:08", "00:00:5e:00:53:09"]}),
    ("by-both", {"serial": "PC0EXMP2", "product": "M710q"}),
    ("by-tags", {"asset_tag": "A 17", "baseboard_serial": "L1HF"}),
    ("by-nothing", {}),
]


@pytest.fixture
def fleet_medium(machine: Machine, tmp_path: Path) -> Machine:
    """The machine with the medium of `FLEET` in it."""
    medium_for(machine, *(host(tmp_path, match, name) for name, match in FLEET))
    return machine


@pytest.mark.parametrize(
    ("values", "cards", "name"),
    [
        ({"serial": " pc0exmp1 "}, [], "by-serial"),
        ({"uuid": TURNED}, [], "by-uuid"),
        ({"serial": "Default string"}, [OTHER_MAC, MAC], "by-mac"),
        ({}, ["00:00:5e:00:53:09", "00:00:5e:00:53:08"], "by-macs"),
        ({"serial": "PC0EXMP2", "product": "M710q"}, [], "by-both"),
        ({"asset_tag": "a 17", "baseboard_serial": "L1HF"}, [], "by-tags"),
    ],
)
def test_detection_installs_the_one_host_that_fits(
    fleet_medium: Machine, values: dict[str, str], cards: list[str], name: str
) -> None:
    for key, value in values.items():
        fleet_medium.give(key, value)
    fleet_medium.plug(*cards)
    ending = detect_on(fleet_medium)
    assert ending.said.splitlines()[:2] == [f"isoforge: this machine is host {name}"] * 2  # detection, then guard
    assert ending.code == 0
    put = fleet_medium.root / "autoinstall.yaml"
    assert yaml.safe_load(put.read_text())["identity"]["hostname"] == name
    assert put.stat().st_mode & 0o777 == 0o600


def test_detection_knows_a_machine_by_its_device_tree(machine: Machine, tmp_path: Path) -> None:
    medium_for(machine, host(tmp_path, {"serial": "10000000EXMP0001", "product": "Example Board 4"}, "board"))
    for name, value in BOARD.items():
        machine.describe(name, value)
    assert detect_on(machine).code == 0
    assert yaml.safe_load((machine.root / "autoinstall.yaml").read_text())["identity"]["hostname"] == "board"


@pytest.mark.parametrize(
    ("values", "cards", "said"),
    [
        ({}, [], "No host on this medium matches this machine."),
        ({"serial": "PC0EXMP2"}, ["00:00:5e:00:53:08"], "No host on this medium matches this machine."),
        ({"serial": "-"}, [], "No host on this medium matches this machine."),
        ({"serial": "PC0EXMP1"}, [MAC], "More than one host on this medium matches this machine: by-serial by-mac."),
    ],
)
def test_detection_stops_where_none_or_two_fit(
    fleet_medium: Machine, values: dict[str, str], cards: list[str], said: str
) -> None:
    for key, value in values.items():
        fleet_medium.give(key, value)
    fleet_medium.plug(*cards)
    ending = detect_on(fleet_medium)
    assert ending.code == 1
    assert f"isoforge: STOPPED. {said}\n" in ending.said
    assert f"  serial: {values.get('serial', 'none')}" in fleet_medium.said_on("ttyS0")
    assert all(f"  mac: {card}" in fleet_medium.said_on("tty1") for card in cards)
    assert not (fleet_medium.root / "autoinstall.yaml").exists()


def test_detection_stops_on_a_medium_without_its_files(machine: Machine, tmp_path: Path) -> None:
    machine.give("serial", "PC0EXMP1")
    assert "host table is missing" in detect_on(machine).said
    medium_for(machine, host(tmp_path, {"serial": "PC0EXMP1"}))
    whole = seed_on(machine, "web-1").read_text()
    for broken in ("", "#cloud-config\n", whole.replace("version: 1", "version: 2")):
        seed_on(machine, "web-1").write_text(broken)
        ending = detect_on(machine)
        assert ending.code == 1
        assert "no configuration for host web-1" in ending.said
    seed_on(machine, "web-1").unlink()
    assert "no configuration for host web-1" in detect_on(machine).said


def test_detection_stops_where_the_hosts_early_commands_are_missing(machine: Machine, tmp_path: Path) -> None:
    machine.give("serial", "PC0EXMP1")
    medium_for(machine, host(tmp_path, {"serial": "PC0EXMP1"}, early_commands=["true"]))
    assert detect_on(machine).code == 0
    on_medium(machine, SEEDS_FOLDER / "web-1" / EARLY_COMMANDS).unlink()
    ending = detect_on(machine)
    assert ending.code == 1
    assert "no early-commands for host web-1" in ending.said


def test_detection_stops_where_the_config_cannot_be_put(machine: Machine, tmp_path: Path) -> None:
    machine.give("serial", "PC0EXMP1")
    medium_for(machine, host(tmp_path, {"serial": "PC0EXMP1"}))
    (machine.root / "autoinstall.yaml").mkdir()
    ending = detect_on(machine)
    assert ending.code == 1
    assert "Could not write the configuration of host web-1 to /autoinstall.yaml" in ending.said


def test_detection_runs_the_hosts_own_early_commands_up_to_the_first_failure(machine: Machine, tmp_path: Path) -> None:
    machine.give("serial", "PC0EXMP1")
    note = machine.root / "note"
    commands = [f'echo "it\'s" >>{note}; false; true', ["sh", "-c", f"cat {note} >>{note}.2"], "exit 7", f"rm {note}"]
    medium_for(machine, host(tmp_path, {"serial": "PC0EXMP1"}, early_commands=commands))
    assert detect_on(machine).code == 7
    assert note.read_text() == (machine.root / "note.2").read_text() == "it's\n"


def test_detection_takes_the_section_out_of_any_seed(machine: Machine, tmp_path: Path) -> None:
    """What detection puts in place is the autoinstall section of the seed, whatever is in it."""
    texts: dict[str, Any] = {
        "description": "a # b",
        "late_commands": ["#no comment\n\n  a: b\n# neither\n", "x" * 5000 + " y: z", 'a "b" \\ $c'],
        "user_data": {"write_files": [{"path": "/a", "content": "autoinstall:\n  version: 1\nend\n"}]},
        "packages": ["nginx"],
    }
    one = host(tmp_path, {"serial": "PC0EXMP1", "uuid": UUID, "mac": [MAC]}, **texts)
    machine.give("serial", "PC0EXMP1")
    machine.give("uuid", UUID)
    machine.plug(MAC)
    medium_for(machine, one)
    assert {path.name for path in seed_on(machine, "web-1").parent.iterdir()} == set(SEED_FILES)
    ending = detect_on(machine)
    assert (ending.code, ending.said) == (0, "isoforge: this machine is host web-1\n" * 2)
    put = yaml.safe_load((machine.root / "autoinstall.yaml").read_text())
    assert put == yaml.safe_load(seed_on(machine, "web-1").read_text())["autoinstall"]


HAND_WRITTEN = {
    "four blanks": "#cloud-config\nautoinstall:\n    version: 1\n    early-commands:\n    - touch @\n",
    "on one line": "#cloud-config\nautoinstall: {version: 1, early-commands: [touch @]}\n",
    "a comment in between": "#cloud-config\nautoinstall:\n  version: 1\n# here\n  early-commands: [touch @]\n",
    "an alias": "#cloud-config\nx: &x [touch @]\nautoinstall:\n  version: 1\n  early-commands: *x\n",
    "something behind it": "#cloud-config\nautoinstall:\n  early-commands: [touch @]\n  version: 1\ntimezone: UTC\n",
}


@pytest.mark.parametrize("text", HAND_WRITTEN.values(), ids=HAND_WRITTEN)
def test_detection_reads_seeds_that_were_written_by_hand(machine: Machine, tmp_path: Path, text: str) -> None:
    note = machine.root / "note"
    machine.give("serial", "PC0EXMP1")
    one = host(tmp_path, {"serial": "PC0EXMP1"})
    user_data = text.replace("@", str(note)).encode()
    seed = Seed(host="web-1", user_data=user_data, meta_data=b"", vendor_data=b"")
    lay(machine, medium_files([one], [seed], TEMPLATES).every)
    assert seed_on(machine, "web-1").read_bytes() == user_data
    assert detect_on(machine).code == 0
    assert note.exists()
    put = yaml.safe_load((machine.root / "autoinstall.yaml").read_text())
    assert put == {"version": 1, "early-commands": [f"touch {note}"]}


def test_detection_runs_the_guard_of_the_seed_too(machine: Machine, tmp_path: Path) -> None:
    """A table that is not that of the seeds installs nothing."""
    medium_for(machine, host(tmp_path, {"serial": "PC0EXMP1"}))
    table = on_medium(machine, HOSTS_TABLE)
    table.write_text(table.read_text().replace("pc0exmp1", "pc0exmp2"))
    machine.give("serial", "PC0EXMP2")
    ending = detect_on(machine)
    assert ending.code == 1
    assert "STOPPED. This machine is not host web-1." in ending.said


def called_on(machine: Machine, tmp_path: Path) -> Ending:
    """Run the guard of web-1 as its seed on the machine's medium calls it."""
    seed = seed_on(machine, "web-1")
    if not seed.exists():
        medium_for(machine, host(tmp_path, {"serial": "PC0EXMP1"}))
    return run_on(machine, first_early_command(seed.read_bytes()))


def test_a_seed_on_an_iso_calls_the_guard_of_the_medium(machine: Machine, tmp_path: Path) -> None:
    machine.give("serial", "PC0EXMP1")
    assert called_on(machine, tmp_path) == Ending(code=0, said="isoforge: this machine is host web-1\n")
    machine.give("serial", "PC0EXMP2")
    ending = called_on(machine, tmp_path)
    assert ending == guard_on(machine, tmp_path, {"serial": "PC0EXMP1"})
    assert ending.code == 1


def test_the_line_that_calls_a_script_is_one_line(machine: Machine, tmp_path: Path) -> None:
    medium_for(machine, host(tmp_path, {"serial": "PC0EXMP1"}))
    text = first_early_command(seed_on(machine, "web-1").read_bytes())[2]
    assert "\n" not in text
    assert len(text) < 600
    file = tmp_path / "call"
    file.write_text(text)
    assert run("shellcheck", "--shell=sh", "--exclude=SC2046,SC2059,SC2086,SC2164", file) == ""


MEDIA = {
    "none": lambda script: script.unlink(),
    "that of another build": lambda script: script.write_bytes(script.read_bytes() + b"#\n"),
    "one with a damaged script": lambda script: script.write_bytes(script.read_bytes().replace(b"exit 1", b"exit 0")),
    "one whose script ends early": lambda script: script.write_bytes(script.read_bytes()[:2048]),
    "one with an empty script": lambda script: script.write_bytes(b""),
    "one with a folder": lambda script: (script.unlink(), script.mkdir()),
}


@pytest.mark.parametrize("damage", MEDIA.values(), ids=MEDIA)
@pytest.mark.parametrize("serial", ["PC0EXMP1", "PC0EXMP2"])
def test_without_the_script_of_its_build_a_seed_refuses_every_machine(
    machine: Machine, tmp_path: Path, damage: Callable[[Path], object], serial: str
) -> None:
    machine.give("serial", serial)
    medium_for(machine, host(tmp_path, {"serial": "PC0EXMP1"}))
    script = on_medium(machine, SCRIPTS_FOLDER / GUARD)
    damage(script)
    ending = called_on(machine, tmp_path)
    assert ending.code == 1
    words = f"isoforge: STOPPED. {script} is missing or damaged. Nothing was installed. Write the medium again."
    assert words in ending.said
    for console in ("tty1", "tty2", "tty6", "ttyS0"):
        assert machine.said_on(console) == f"\r\n{words}\r\n"
    assert machine.said_on("tty0") == machine.said_on("ttyS1") == ""


@pytest.mark.parametrize(("last", "code"), [("exit 7", 7), ("kill -9 $$", 137), ('"$nowhere"', 2), ("exit 0", 0)])
def test_a_guard_that_ends_in_another_way_than_it_should_is_no_match(
    machine: Machine, tmp_path: Path, last: str, code: int
) -> None:
    text = f"set -u\n{last}\n"
    one = host(tmp_path, {"serial": "PC0EXMP1"})
    rendered = render_seed(one, templates=TEMPLATES).user_data
    own, _ = call_scripts(rendered, every_script(TEMPLATES))
    old, new = (hashlib.sha256(each.encode()).hexdigest() for each in (script(GUARD, "web-1", TEMPLATES), text))
    place = on_medium(machine, SCRIPTS_FOLDER / GUARD)
    place.parent.mkdir(parents=True)
    place.write_text(text)
    ending = run_on(machine, first_early_command(own.decode().replace(old, new).encode()))
    assert ending.code == code
    assert ("STOPPED" in machine.said_on("tty1")) == (code != 0)
    assert code == 0 or f"missing or damaged, or failed with {code}. Nothing was installed" in ending.said


def test_without_the_script_of_the_stamp_an_installation_still_ends_well(machine: Machine, tmp_path: Path) -> None:
    medium_for(machine, host(tmp_path, {"serial": "PC0EXMP1"}))
    words = yaml.safe_load(seed_on(machine, "web-1").read_bytes())["autoinstall"]["late-commands"][0]
    (machine.root / "cdrom/isoforge/build").write_text("0123456789ab\n")
    assert run_on(machine, words) == Ending(code=0, said="")
    assert "0123456789ab-web-1" in stamps(machine)
    on_medium(machine, SCRIPTS_FOLDER / STAMP).unlink()
    assert run_on(machine, words).code == 0


def stamp_on(machine: Machine) -> Ending:
    web = replace(survey(ROOT / "baremetal").hosts[0], name="web-1")
    return run_on(machine, stamp_command(web, TEMPLATES))


def stamps(machine: Machine) -> dict[str, str]:
    """The files in isoforge/ of the installed system's /boot, and what is in them."""
    folder = machine.root / "target/boot/isoforge"
    return {path.name: path.read_text() for path in folder.iterdir()} if folder.is_dir() else {}


def test_the_stamp_says_which_build_installed_which_host_and_when(machine: Machine) -> None:
    (machine.root / "cdrom/isoforge").mkdir(parents=True)
    (machine.root / "cdrom/isoforge/build").write_text("0123456789ab\n")
    old = machine.root / "target/boot/isoforge/aaaaaaaaaaaa-web-2"
    old.parent.mkdir(parents=True)
    old.touch()
    assert stamp_on(machine) == Ending(code=0, said="")
    today = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}"
    kept = stamps(machine)
    assert kept.keys() == {"0123456789ab", "0123456789ab-web-1", f"0123456789ab-web-1@{today}"}
    line = kept["0123456789ab-web-1"]
    assert line.startswith(f"0123456789ab web-1 {today}T")
    assert line.endswith("Z\n")
    assert line.count("\n") == 1


def test_without_a_build_id_on_the_medium_there_is_no_stamp_and_no_failure(machine: Machine) -> None:
    assert stamp_on(machine) == Ending(code=0, said="")
    assert stamps(machine) == {}
    (machine.root / "cdrom/isoforge").mkdir(parents=True)
    (machine.root / "cdrom/isoforge/build").write_text("../../etc/passwd\n")
    ending = stamp_on(machine)
    assert ending.code == 0
    assert "does not contain a build id: the menu will not recognise this system as installed" in ending.said
    assert stamps(machine) == {}


@pytest.mark.parametrize("in_the_way", ["target", "target/boot"])
def test_a_stamp_that_cannot_be_left_is_told_and_fails_nothing(machine: Machine, in_the_way: str) -> None:
    (machine.root / "cdrom/isoforge").mkdir(parents=True)
    (machine.root / "cdrom/isoforge/build").write_text("0123456789ab\n")
    (machine.root / in_the_way).parent.mkdir(exist_ok=True)
    (machine.root / in_the_way).write_text("no directory")
    ending = stamp_on(machine)
    assert ending.code == 0
    where = machine.root / "target/boot/isoforge"
    assert f"could not create {where}: the menu will not recognise this system as installed" in ending.said


SEED = "baremetal/autoinstall/generated/site-a-m710q1/user-data"


def test_a_seed_without_its_guard_is_made_on_request_only(cli: Cli, fleet: Path) -> None:
    assert cli("gen", "--host", "site-a-m710q1", "--no-guard").code == 0
    assert guard_keys((fleet / SEED).read_bytes(), "site-a-m710q1") is None
    assert cli("gen", "--host", "site-a-m710q1").code == 0
    assert guard_keys((fleet / SEED).read_bytes(), "site-a-m710q1")


def test_a_seed_that_lost_its_guard_is_told_before_it_goes_onto_an_iso(cli: Cli, noble: Path) -> None:
    build = ["multi", "--host", "site-a-m710q1", "--ubuntu-iso", noble, "--name", "lost"]
    cli("gen", "--host", "site-a-m710q1", "--no-guard")
    assert "site-a-m710q1/user-data: warning: hosts.site-a-m710q1" in cli(*build).err
    assert "[guard-missing]" in cli(*build).err
    cli("gen", "--host", "site-a-m710q1")
    outcome = cli(*build)
    assert outcome.code == 0
    assert "[guard-missing]" not in outcome.err


@pytest.mark.parametrize("verb", ["gen", "check"])
def test_secrets_in_clear_are_errors_where_they_are_forbidden(cli: Cli, fleet: Path, verb: str) -> None:
    file = fleet / "baremetal/inventory-local/host_vars/site-a-m710q1/main.yml"
    file.parent.mkdir(parents=True)
    file.write_text("late_commands: ['curl https://ops:hunter2hunter2@example.org/']\n")
    allowed = cli(verb, "--host", "site-a-m710q1")
    assert allowed.code == 0
    assert "warning: hosts.site-a-m710q1.late_commands[0]:" in allowed.out + allowed.err
    assert "[plain-text-secret]" in allowed.out + allowed.err
    forbidden = cli(verb, "--host", "site-a-m710q1", "--forbid-secrets")
    assert forbidden.code == 3
    assert "hunter2" not in forbidden.out + forbidden.err
    file.unlink()
    assert cli("gen", "--host", "site-a-m710q1", "--forbid-secrets").code == 0


def test_a_seed_written_by_hand_is_searched_for_secrets_too(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "user-data").write_text(
        "#cloud-config\nautoinstall:\n  version: 1\n  user-data: {}\n  late-commands: ['ftp://ops:hunter2@example.org/']\n"
    )
    assert cli("check", tmp_path / "user-data").code == 0
    assert cli("check", tmp_path / "user-data", "--forbid-secrets").code == 3
