"""The verbs about the fleet: check, hosts, gen, and the choice of hosts by group or all of them."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from pathlib import Path

from isoforge.fleet.inventory.secrets import sops
from isoforge.run import run
from tests.iso.conftest import Cli

GENERATED = Path("baremetal/autoinstall/generated")
SALT = "Qm9yZWFsRm9yZXN0"
HASH = f"$6${SALT}$" + base64.b64encode(hashlib.sha512(b"not a password").digest(), b"./").decode()[:86]
KEY = base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0 " + hashlib.sha256(b"not a key").digest()).decode()
SITE_A = ["site-a-m710q1", "site-a-m710q2"]


def append(fleet: Path, name: str, text: str) -> Path:
    file = fleet / "baremetal/inventory-local/host_vars" / name / "main.yml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_examples_have_no_errors(cli: Cli) -> None:
    outcome = cli("check")
    assert outcome.code == 0, outcome.out
    assert " warning: " in outcome.out


def test_strict_takes_warnings_for_errors(cli: Cli) -> None:
    assert cli("check", "--strict").code == 3


def test_every_problem_is_reported_at_once_with_its_place(cli: Cli, fleet: Path) -> None:
    append(fleet, SITE_A[0], "hostnme: x\nautoinstall:\n  ssh:\n    authorized_keys: []\n")
    append(fleet, SITE_A[1], "timezone: Europe/Pariss\n")
    outcome = cli("check")
    assert outcome.code == 3
    overlay = "baremetal/inventory-local/host_vars"
    assert f"{overlay}/{SITE_A[0]}/main.yml:1: error: hosts.{SITE_A[0]}.hostnme: " in outcome.out
    assert "did you mean 'hostname'" in outcome.out
    assert f"{overlay}/{SITE_A[1]}/main.yml:1: error: hosts.{SITE_A[1]}.timezone: " in outcome.out
    assert outcome.err.startswith("error: ")
    assert len(outcome.err.splitlines()) == 1


def test_raw_autoinstall_is_checked_where_it_was_written(cli: Cli, fleet: Path) -> None:
    file = append(fleet, SITE_A[0], "autoinstall:\n  ssh:\n    authorized_keys: []\n")
    outcome = cli("check")
    assert outcome.code == 3
    assert f"{file.relative_to(fleet)}:3: error: hosts.{SITE_A[0]}.autoinstall.ssh.authorized_keys: " in outcome.out


def test_two_hosts_with_one_address_are_reported_where_the_second_is_written(cli: Cli, fleet: Path) -> None:
    shutil.copytree(
        fleet / "baremetal/inventory/host_vars" / SITE_A[0], fleet / "baremetal/inventory-local/host_vars" / SITE_A[1]
    )
    outcome = cli("check", "--json")
    assert outcome.code == 3
    errors = {problem["id"]: problem for problem in json.loads(outcome.out) if problem["severity"] == "error"}
    assert set(errors) == {"address-shared", "disk-serial-shared", "match-shared"}
    for problem in errors.values():
        assert problem["file"] == f"baremetal/inventory-local/host_vars/{SITE_A[1]}/main.yml"
        assert problem["scope"] == f"hosts.{SITE_A[1]}"
        assert problem["line"]


def test_a_seed_written_by_hand_is_checked(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "user-data"
    file.write_text("# mine\n#cloud-config\nautoinstall: {version: 1}\n")
    outcome = cli("check", file)
    assert outcome.code == 3
    assert f"{file}:1" in outcome.out


def test_a_fault_stops_gen_and_multi_before_anything_is_written(cli: Cli, fleet: Path, noble: Path) -> None:
    append(fleet, SITE_A[0], "autoinstall:\n  storage:\n    layout: {name: lvn}\n")
    assert cli("gen", "--host", SITE_A[0]).code == 3
    build = cli("multi", "--host", SITE_A[0], "--ubuntu-iso", noble, "--name", "n", "--render")
    assert build.code == 3
    assert "lvn" in build.err
    assert not (fleet / GENERATED).exists()


def test_group_and_all_choose_hosts(cli: Cli, fleet: Path, noble: Path) -> None:
    assert cli("gen", "--group", "site_a").code == 0
    assert sorted(path.name for path in (fleet / GENERATED).iterdir()) == SITE_A
    told = cli("multi", "--all", "--ubuntu-iso", noble, "--name", "n", "--render", "--json").out
    every = [host["name"] for host in json.loads(cli("hosts", "--json").out)]
    assert [host["name"] for host in json.loads(told)["hosts"]] == every
    assert len(every) >= 6


def test_hosts_shows_what_is_rendered(cli: Cli) -> None:
    assert cli("gen", "--host", SITE_A[0]).code == 0
    rendered = {host["name"]: host["rendered"] for host in json.loads(cli("hosts", "--json").out)}
    assert rendered[SITE_A[0]] is True
    assert rendered[SITE_A[1]] is False
    table = cli("hosts").out.splitlines()
    assert table[0].split() == ["host", "group", "profile", "address", "match", "keys", "seed"]
    assert table[1].split()[0] == SITE_A[0]


def test_explain_tells_the_file_of_each_value(cli: Cli, fleet: Path) -> None:
    append(fleet, SITE_A[0], "locale: fr_FR.UTF-8\n")
    told = {row["key"]: row for row in json.loads(cli("hosts", SITE_A[0], "--explain", "--json").out)}
    assert told["locale"]["value"] == "fr_FR.UTF-8"
    assert told["locale"]["origin"] == f"baremetal/inventory-local/host_vars/{SITE_A[0]}/main.yml:1"


def test_a_seed_older_than_the_inventory_is_told(cli: Cli, fleet: Path, noble: Path) -> None:
    args = ("multi", "--host", SITE_A[0], "--ubuntu-iso", noble, "--name", "n")
    key = f"ssh: {{authorized_keys: [ssh-ed25519 {KEY} ops]}}\n"
    append(fleet, SITE_A[0], key)
    assert cli("gen", "--host", SITE_A[0]).code == 0
    assert cli(*args, "--strict").code == 0
    append(fleet, SITE_A[0], f"{key}timezone: Europe/Paris\n")
    outcome = cli(*args)
    assert outcome.code == 0
    assert "the inventory has changed since the seed was rendered; --render renders it again" in outcome.err
    strict = cli(*args, "--strict")
    assert strict.code == 3
    assert "the inventory has changed" in strict.err


def test_private_files_in_git_are_an_error(cli: Cli, fleet: Path) -> None:
    file = append(fleet, SITE_A[0], "timezone: Europe/Paris\n")
    run("git", "init", "-q", fleet)
    run("git", "-C", fleet, "add", "-f", file)
    name = file.relative_to(fleet)
    outcome = cli("check")
    assert outcome.code == 3
    assert f"git rm --cached -- {name}" in outcome.out
    assert cli("doctor").code == 3


def test_init_gives_a_fleet_that_can_be_checked(cli: Cli, fleet: Path) -> None:
    outcome = cli("init", "new")
    assert outcome.code == 0
    assert "age-keygen" in outcome.err
    assert cli("check", "--baremetal", fleet / "new/baremetal").code == 0
    again = cli("init", "new")
    assert again.code == 7
    assert "already exists" in again.err


def test_init_keeps_what_a_gitignore_says_already(cli: Cli, fleet: Path) -> None:
    (fleet / "new").mkdir()
    (fleet / "new/.gitignore").write_text("mine")
    assert cli("init", "new").code == 0
    lines = (fleet / "new/.gitignore").read_text().splitlines()
    assert lines[0] == "mine"
    assert "/baremetal/inventory-local/" in lines


def test_a_recipient_that_is_none_is_refused(cli: Cli, fleet: Path) -> None:
    outcome = cli("init", "new", "--age-recipient", "AGE-SECRET-KEY-1")
    assert outcome.code == 2
    assert "AGE-SECRET-KEY" not in outcome.err
    assert not (fleet / "new").exists()


def test_first_secret_of_a_new_fleet_reaches_its_seed(cli: Cli, fleet: Path, tmp_path: Path) -> None:
    key = tmp_path / "keys.txt"
    run("age-keygen", "-o", key)
    assert cli("init", "new", "--age-recipient", run("age-keygen", "-y", key).strip()).code == 0
    overlay = fleet / "new/baremetal/inventory-local/host_vars/site-a-m710q1"
    overlay.mkdir(parents=True)
    secrets = overlay / "secrets.sops.yaml"
    secrets.write_text(f"identity:\n  password_hash: {HASH}\n")
    plain = cli("check", "--baremetal", fleet / "new/baremetal")
    assert plain.code == 3
    assert plain.out.count("sops --encrypt --in-place") == 1
    run(sops(), "--encrypt", "--in-place", secrets, cwd=fleet / "new", env={"SOPS_AGE_KEY_FILE": str(key)})
    args = ("gen", "--host", "site-a-m710q1", "--baremetal", fleet / "new/baremetal")
    assert cli(*args, SOPS_AGE_KEY_FILE=str(key)).code == 0
    user_data = (fleet / "new" / GENERATED / "site-a-m710q1/user-data").read_text()
    assert SALT in user_data
    explained = cli("hosts", "site-a-m710q1", "--explain", "--baremetal", fleet / "new/baremetal")
    assert SALT not in explained.out + explained.err


def test_multi_takes_the_words_that_plan_prints(cli: Cli, noble: Path) -> None:
    told = cli("plan", "--format", "github", "--size", "3")
    assert (told.code, told.err) == (0, "")
    rows = json.loads(told.out)["include"]
    assert [row["name"] for row in rows] == ["site_a", "site_b-1", "site_b-2"]
    for row in rows:
        build = cli("multi", *row["args"].split(), "--name", row["name"], "--ubuntu-iso", noble, "--render", "--json")
        assert build.code == 0, build.err
        assert [host["name"] for host in json.loads(build.out)["hosts"]] == row["hosts"].split()
    listed = json.loads(cli("plan", "--group", "site_a", "--by", "host").out)
    assert [job["args"] for job in listed] == [["--host", name] for name in SITE_A]
    for words in (("--format", "jenkins"), ("--by", "rack"), ("--size", "0")):
        assert cli("plan", *words).code == 2
