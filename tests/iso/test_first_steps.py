"""The way to a first host of one's own: new-host, passwd, and names completed in a shell."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import stat
import sys
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import sh
import yaml

from isoforge import new_host
from isoforge.errors import OutputError
from isoforge.fleet.check.password_hash import flaw
from isoforge.fleet.inventory.load import Inventory, survey
from isoforge.image.tree import read_file, read_tree
from isoforge.new_host import NewHost, add_host
from isoforge.run import run
from tests.iso.conftest import Cli
from tests.iso.test_discover import Machine

INVENTORY = Path("baremetal/inventory")
OVERLAY = Path("baremetal/inventory-local")
FACTS = """\
match:
  serial: "PC0EXMP3"   # from the label
storage:
  disk:
    serial: "S4EXAMPLE0003"
network:
  ethernets:
    enp0s31f6:
      mac: "00:00:5e:00:53:03"
      dhcp4: true
"""


def everything(fleet: Path) -> dict[str, bytes]:
    """Each file of the fleet, hidden ones too."""
    return {str(path.relative_to(fleet)): path.read_bytes() for path in fleet.rglob("*") if path.is_file()}


def told(cli: Cli, name: str) -> dict[str, Any]:
    """What `isoforge hosts` says of the host."""
    (row,) = json.loads(cli("hosts", name, "--json").out)
    assert isinstance(row, dict)
    return row


@pytest.fixture
def facts(fleet: Path) -> Path:
    """A file with what `isoforge discover` printed."""
    (fleet / "facts.yml").write_text(FACTS)
    return fleet / "facts.yml"


def test_a_new_host_is_listed_and_passes_the_check(cli: Cli, fleet: Path) -> None:
    before = everything(fleet)
    words = ["--profile", "lenovo-m710q", "--group", "site_a", "--description", "Desk: 3 #"]
    outcome = cli("new-host", "site-a-m710q3", *words, "--address", "192.0.2.13/24", "--gateway", "192.0.2.1")
    assert outcome.code == 0, outcome.err
    own = str(INVENTORY / "host_vars/site-a-m710q3/main.yml")
    assert outcome.out.split() == [own, str(INVENTORY / "hosts.yml")]
    assert cli("check", "--host", "site-a-m710q3").code == 0
    row = told(cli, "site-a-m710q3")
    assert (row["description"], row["group"], row["profile"]) == ("Desk: 3 #", "site_a", "lenovo-m710q")
    assert row["address"] == "192.0.2.13"
    after = everything(fleet)
    assert {name for name in after if after[name] != before.get(name)} == {own, str(INVENTORY / "hosts.yml")}


def test_a_disk_that_nobody_has_named_yet_is_none_and_said(cli: Cli) -> None:
    outcome = cli("new-host", "web-1")
    assert "warning: hosts.web-1.storage.disk.serial: is a placeholder for a serial number" in outcome.err
    assert cli("new-host", "web-2").code == 0
    assert cli("check").code == 0
    assert cli("check", "--host", "web-2", "--strict").code == 3


def test_a_disk_that_the_profile_names_is_not_asked_for(cli: Cli, fleet: Path) -> None:
    (fleet / INVENTORY / "profiles/hardware/one-nvme.yml").write_text("storage: {disk: {path: /dev/nvme0n1}}\n")
    outcome = cli("new-host", "web-1", "--profile", "one-nvme")
    assert "storage" not in outcome.err
    assert "storage" not in yaml.safe_load((fleet / INVENTORY / "host_vars/web-1/main.yml").read_text())
    assert cli("check", "--host", "web-1").code == 0


def test_facts_go_in_as_they_are(cli: Cli, fleet: Path, facts: Path) -> None:
    assert cli("new-host", "web-1", "--from-facts", facts).code == 0
    text = (fleet / INVENTORY / "host_vars/web-1/main.yml").read_text()
    assert text.endswith("\n\n" + FACTS)
    assert told(cli, "web-1")["match"] == {"serial": "PC0EXMP3"}
    assert cli("check", "--host", "web-1").code == 0


def test_a_static_address_takes_the_place_of_dhcp_on_the_card_that_was_found(
    cli: Cli, fleet: Path, facts: Path
) -> None:
    assert cli("new-host", "web-1", "--from-facts", facts, "--address", "192.0.2.13/24").code == 0
    written = yaml.safe_load((fleet / INVENTORY / "host_vars/web-1/main.yml").read_text())
    card = {"mac": "00:00:5e:00:53:03", "addresses": ["192.0.2.13/24"]}
    assert written["network"]["ethernets"]["enp0s31f6"] == card
    assert cli("check", "--host", "web-1").code == 0


def test_the_overlay_gets_a_hosts_yml_of_its_own(cli: Cli, fleet: Path, facts: Path) -> None:
    before = everything(fleet / INVENTORY)
    assert cli("new-host", "web-1", "--group", "site_b", "--overlay", "--from-facts", facts).code == 0
    assert cli("new-host", "web-2", "--group", "site_b", "--overlay").code == 0
    assert everything(fleet / INVENTORY) == before
    assert (fleet / OVERLAY / "hosts.yml").read_text().splitlines()[1:] == [
        "all:", "  children:", "    site_b:", "      hosts:", "        web-1:", "        web-2:",
    ]  # fmt: skip
    assert told(cli, "web-1")["group"] == "site_b"
    assert cli("check").code == 0


def test_a_group_that_is_new_is_made_and_said(cli: Cli) -> None:
    outcome = cli("new-host", "web-1", "--group", "site_aa")
    assert outcome.code == 0
    assert "created group site_aa; did you mean 'site_a'" in outcome.err
    assert told(cli, "web-1")["group"] == "site_aa"


REFUSED: list[tuple[list[str], int, str]] = [
    (["site-a-m710q1"], 3, "host site-a-m710q1 already exists in baremetal/inventory/hosts.yml:1"),
    (["web-1", "--profile", "lenovo-m710"], 3, "did you mean 'lenovo-m710q'?\nhint: choose from lenovo-m710q"),
    (["web_1"], 2, "invalid host name 'web_1'"),
    (["../web"], 2, "invalid host name"),
    (["isoforge-detect"], 2, "invalid host name"),
    (["web-1", "--group", "a b"], 2, "invalid group name 'a b'"),
    (["web-1", "--group", "a: {b"], 2, "invalid group name"),
    (["web-1", "--profile", "../x"], 2, "invalid profile name"),
    (["web-1", "--address", "192.0.2.13"], 2, "has no prefix length (for example 192.0.2.13/24)"),
    (["web-1", "--address", "192.0.2.300/24"], 2, "invalid address"),
    (["web-1", "--address", "192.0.2.13/24", "--gateway", "198.51.100.1"], 2, "is not in the network"),
    (["web-1", "--gateway", "198.51.100.1"], 2, "needs --address"),
    (["web-1", "--from-facts", "no-such-file"], 2, "cannot read --from-facts no-such-file: No such file"),
    (["stray"], 3, "but hosts.yml has no host stray"),
]


@pytest.mark.parametrize(("words", "code", "said"), REFUSED)
def test_what_cannot_be_meant_changes_nothing(cli: Cli, fleet: Path, words: list[str], code: int, said: str) -> None:
    (fleet / OVERLAY / "host_vars/stray").mkdir(parents=True)
    before = everything(fleet)
    outcome = cli("new-host", *words)
    assert outcome.code == code, outcome.err
    assert said in outcome.err
    assert [line.split(": ")[0] for line in outcome.err.splitlines()] in (["error"], ["error", "hint"])
    assert everything(fleet) == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("match: {seral: X}\n", "did you mean 'serial'"),
        ("match:\n  serial: 12\n", "put it in quotes"),
        ("description: x\n", "hardware facts have match, storage, hardware, network only"),
        ("late_commands: [reboot]\n", "hardware facts have"),
        ("match: [\n", "not valid YAML"),
        ("- a\n", "must be a mapping"),
        ("match: {serial: X}\nmatch: {serial: Y}\n", "written twice"),
        ("match: {serial: PC0EXMP1}\n", "host site-a-m710q1 has the same match.serial: PC0EXMP1"),
        ("match: {serial: ' pc0exmp1'}\n", "host site-a-m710q1 has the same match.serial"),
        ("storage: {disk: {serial: S4EXAMPLE0001}}\n", "host site-a-m710q1 has the same disk serial"),
    ],
)
def test_facts_that_are_wrong_or_anothers_are_refused(cli: Cli, fleet: Path, text: str, said: str) -> None:
    (fleet / "facts.yml").write_text(text)
    before = everything(fleet)
    outcome = cli("new-host", "web-1", "--from-facts", "facts.yml")
    assert outcome.code == 3, outcome.err
    assert said in outcome.err
    assert "the inventory has" not in outcome.err
    assert everything(fleet) == before


def test_a_hosts_yml_in_braces_is_left_alone_and_the_lines_are_told(cli: Cli, fleet: Path) -> None:
    (fleet / INVENTORY / "hosts.yml").write_text("all: {hosts: {a: }}\n")
    shutil.rmtree(fleet / INVENTORY / "host_vars")
    before = everything(fleet)
    outcome = cli("new-host", "web-1", "--group", "g")
    assert outcome.code == 3
    assert "add the host yourself: all: {children: {g: {hosts: {web-1: }}}}" in outcome.err
    assert everything(fleet) == before


def test_hosts_yml_keeps_its_mode_and_a_link_stays_one(cli: Cli, fleet: Path) -> None:
    file = fleet / INVENTORY / "hosts.yml"
    file.rename(fleet / "elsewhere.yml")
    (fleet / "elsewhere.yml").chmod(0o640)
    file.symlink_to("../../elsewhere.yml")
    assert cli("new-host", "web-1").code == 0
    assert file.is_symlink()
    assert stat.S_IMODE((fleet / "elsewhere.yml").stat().st_mode) == 0o640
    assert "    web-1:\n" in (fleet / "elsewhere.yml").read_text()


@pytest.mark.parametrize("overlay", [False, True])
def test_if_hosts_yml_cannot_be_put_in_place_the_hosts_file_goes_again(
    fleet: Path, monkeypatch: pytest.MonkeyPatch, overlay: bool
) -> None:
    before, folders = everything(fleet), sorted(fleet.rglob("*"))

    named = []

    def full(draft: Path, goal: Path) -> None:
        if goal.name == "hosts.yml":
            raise OSError(28, "No space left on device")
        draft.rename(goal)
        named.append(goal.name)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match=r"No space left on device \(nothing was changed\)"):
        add_host(fleet / "baremetal", NewHost(name="web-1", overlay=overlay))
    assert named == ["web-1"]
    assert (everything(fleet), sorted(fleet.rglob("*"))) == (before, folders)


def test_while_a_host_is_added_nobody_else_adds_one(fleet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited = []

    def second_comer(baremetal: Path) -> Inventory:
        folder = os.open(baremetal, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(folder)
        waited.append(baremetal)
        return survey(baremetal)

    monkeypatch.setattr(new_host, "survey", second_comer)
    add_host(fleet / "baremetal", NewHost(name="web-1"))
    assert waited == [fleet / "baremetal"]


def test_two_who_add_at_once_both_have_their_host(cli: Cli, fleet: Path) -> None:
    python: Any = sh.Command(sys.executable)
    names = [f"web-{number}" for number in range(4)]
    started = [
        python(
            "-m", "isoforge", "new-host", name, "--group", "site_a", _cwd=str(fleet), _env=dict(os.environ), _bg=True
        )
        for name in names
    ]
    for one in started:
        one.wait()
    assert set(names) <= {row["name"] for row in json.loads(cli("hosts", "--json").out)}


def test_from_a_machine_to_an_iso_that_knows_it(cli: Cli, fleet: Path, noble: Path, tmp_path: Path) -> None:
    machine = Machine(root=tmp_path / "machine")
    machine.firmware(product_serial="PC0EXMP3", product_name="ThinkCentre M710q")
    machine.card("enp0s31f6", "00:00:5e:00:53:03", link=True)
    machine.disk("nvme0n1", device__serial="S4EXAMPLE0003")
    isoforge = f"{sys.executable} -m isoforge"
    script = f"{isoforge} discover | {isoforge} new-host web-1 --group site_a --from-facts -"
    run("bash", "-euo", "pipefail", "-c", script, cwd=fleet, env={**os.environ, "ISOFORGE_ROOT": str(machine.root)})
    assert cli("check", "--host", "web-1").code == 0
    made = cli("multi", "--host", "web-1", "--host", "site-a-m710q1", "--ubuntu-iso", noble, "--name", "n", "--render")
    assert made.code == 0, made.err
    iso = fleet / made.out.strip()
    tree = read_tree(iso)
    menu = b"".join(read_file(iso, node) for path, node in tree.items() if path.suffix == ".cfg")
    assert b"pc0exmp3" in menu
    assert b"web-1\tpc0exmp3\t" in read_file(iso, tree[PurePosixPath("/isoforge/hosts.tsv")])
    seed = yaml.safe_load(read_file(iso, tree[PurePosixPath("/nocloud/web-1/user-data")]))["autoinstall"]
    assert seed["storage"]["layout"]["match"]["serial"] == "*S4EXAMPLE0003*"
    guard = seed["early-commands"][0]
    on_medium = machine.root / "cdrom/isoforge/scripts/isoforge-guard"
    on_medium.parent.mkdir(parents=True)
    on_medium.write_bytes(read_file(iso, tree[PurePosixPath("/isoforge/scripts/isoforge-guard")]))
    passed = run(*guard, env={"ISOFORGE_ROOT": str(machine.root), "ISOFORGE_WAIT_S": "0"})
    assert passed == "isoforge: this machine is host web-1\n"


# Passwords


@pytest.mark.parametrize(("method", "prefix"), [("sha512", "$6$"), ("yescrypt", "$y$")])
def test_passwd_prints_a_hash_and_nothing_else(fleet: Path, method: str, prefix: str) -> None:
    words = ["-m", "isoforge", "passwd", "--method", method]
    told = run(sys.executable, *words, stdin="correct horse battery\n", cwd=fleet)
    assert told.startswith(prefix)
    assert flaw(told.strip()) is None


@pytest.mark.parametrize(
    ("typed", "said"),
    [("", "is empty"), ("hunter2\n", "shorter than 8"), ("one line too\nmany for me\n", "more than one line")],
)
def test_passwd_refuses_in_one_line(fleet: Path, typed: str, said: str) -> None:
    ran = sh.Command(sys.executable)(
        "-m", "isoforge", "passwd", _in=typed, _cwd=str(fleet), _ok_code=[2], _return_cmd=True, _tty_out=False
    )
    assert ran.stdout == b""
    assert said in ran.stderr.decode()
    assert "hunter2" not in ran.stderr.decode()


def test_passwd_asks_twice_on_a_terminal_and_shows_nothing(fleet: Path, tmp_path: Path) -> None:
    script = f"{sys.executable} -m isoforge passwd >{tmp_path / 'hash'}"
    python: Any = sh.Command("bash")
    shown: list[str] = []

    def answer(text: str, stdin: Any) -> None:
        shown.append(text)
        if "".join(shown).endswith(": "):
            stdin.put("correct horse battery\n")
            shown.append("\n")

    ran = python(
        "-c",
        script,
        _cwd=str(fleet),
        _tty_in=True,
        _unify_ttys=True,
        _out=answer,
        _out_bufsize=0,
        _bg=True,
        _timeout=30,
    )
    ran.wait()
    assert "".join(shown).count(":") == 2
    assert "horse" not in "".join(shown)
    assert flaw((tmp_path / "hash").read_text().strip()) is None


# Names behind <TAB>


def offered(fleet: Path, line: str, **env: str) -> list[str]:
    """What bash offers at the end of ``line``, by the completion that isoforge installs."""
    words = line.split(" ")
    bash = f"""
source <("{sys.executable}" -m isoforge --show-completion)
COMP_WORDS=({" ".join(words[:-1])} "{words[-1]}") COMP_CWORD={len(words) - 1}
_isoforge_completion isoforge
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    here = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(fleet), **env}
    return run("bash", "--norc", "-euc", bash, cwd=fleet, env=here).split()


EXAMPLES = ["site-a-m710q1", "site-a-m710q2", "site-b-static-bond", "site-b-raid1", "site-b-luks", "site-b-dhcp-mac"]


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("isoforge multi --host ", EXAMPLES),
        ("isoforge multi --host site-a", EXAMPLES[:2]),
        ("isoforge multi --host site-a-m710q1 --host site-a", EXAMPLES[1:2]),
        ("isoforge multi --default-host site-b-l", ["site-b-luks"]),
        ("isoforge full --host site-a", EXAMPLES[:2]),
        ("isoforge hosts site-b-r", ["site-b-raid1"]),
        ("isoforge check --group ", ["site_a", "site_b"]),
        ("isoforge new-host web-1 --profile ", ["lenovo-m710q"]),
        ("isoforge new-host web-1 --group site_a", ["site_a"]),
        ("isoforge multi --baremetal elsewhere --host ", []),
        ("isoforge new-h", ["new-host"]),
    ],
)
def test_bash_completes_names_from_the_inventory(fleet: Path, line: str, names: list[str]) -> None:
    assert offered(fleet, line) == names


def test_completion_knows_which_inventory_is_meant(fleet: Path) -> None:
    (fleet / "other/inventory").mkdir(parents=True)
    (fleet / "other/inventory/hosts.yml").write_text("all:\n  hosts:\n    web-1:\n")
    assert offered(fleet, "isoforge gen --host ", ISOFORGE_BAREMETAL="other") == ["web-1"]
    assert offered(fleet, "isoforge gen --baremetal other --host ") == ["web-1"]


def test_completion_is_silent_about_what_is_wrong(cli: Cli, fleet: Path) -> None:
    (fleet / INVENTORY / "hosts.yml").write_bytes(b"all: [\xff")
    env = {"_ISOFORGE_COMPLETE": "complete_bash", "COMP_WORDS": "isoforge multi --host ", "COMP_CWORD": "3"}
    outcome = cli(**env)
    assert (outcome.out.strip(), outcome.err) == ("", "")
