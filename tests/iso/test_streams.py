"""Stdin, stdout and stderr that are closed, full, endless or left: one line where there is somebody to read it."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import sh

from isoforge.doctor import Verdict, examine
from tests.iso.conftest import Cli

GOOD_WORDS = "correct horse battery"


@pytest.fixture
def shell(fleet: Path) -> Any:
    """Runs a line of bash in the fleet's folder; ``$I`` is isoforge. Gives the exit code and what was written."""

    def run(line: str) -> tuple[int, str]:
        ran = sh.Command("bash")(
            "-o", "pipefail", "-c", line, _cwd=os.fspath(fleet),
            _env={**os.environ, "I": f"{sys.executable} -m isoforge"},
            _in="", _tty_out=False, _err_to_out=True, _ok_code=list(range(256)), _return_cmd=True, _timeout=60,
        )  # fmt: skip
        return ran.exit_code, ran.stdout.decode()

    return run


def test_closed_streams_end_no_verb(shell: Any) -> None:
    assert shell("$I hosts >&-") == (0, "")
    assert shell("$I check <&- >&- 2>&-") == (0, "")
    assert shell("$I verify nothing.iso 2>&-") == (5, "")
    assert shell("$I passwd <&-") == (2, "error: the password is empty\n")


def test_reader_who_goes_away_hears_no_more(shell: Any) -> None:
    assert shell("{ sleep 1; $I hosts; } | true") == (7, "")


@pytest.mark.parametrize(
    "line",
    [
        "$I new-host web-1 --from-facts /dev/zero",
        "$I multi --all --name n --menu-password /dev/zero",
        "yes | tr -d '\\n' | $I passwd",
    ],
)
def test_input_without_end_is_refused(shell: Any, line: str) -> None:
    code, said = shell(f"ulimit -v 4000000; set +o pipefail; {line}")
    assert code == 2
    assert [line.partition(": ")[0] for line in said.splitlines()] in (["error"], ["error", "hint"])


def test_endless_file_is_refused_as_a_seed(shell: Any) -> None:
    code, said = shell("ulimit -v 4000000; $I check /dev/zero")
    assert code == 3
    assert "/dev/zero:1: error: " in said
    assert "[yaml-too-large]" in said


def test_menu_password_is_taken_from_a_pipe(shell: Any) -> None:
    code, said = shell(f"echo '{GOOD_WORDS}' | $I menu-password")
    assert code == 0
    assert said.startswith("grub.pbkdf2.sha512.")
    assert len(said.splitlines()) == 1


def test_destination_that_a_variable_left_empty_is_not_this_machine(cli: Cli) -> None:
    outcome = cli("discover", "--ssh", "")
    assert (outcome.code, outcome.out) == (2, "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["all"], "all would be both a host and a group"),
        (["web-1", "--group", "site-a-m710q1"], None),
        (["Site-A-M710Q1"], "Site-A-M710Q1 differs from site-a-m710q1 in upper and lower case only"),
    ],
)
def test_new_host_is_no_group_and_no_other_host(cli: Cli, fleet: Path, words: list[str], said: str | None) -> None:
    before = (fleet / "baremetal/inventory/hosts.yml").read_bytes()
    outcome = cli("new-host", *words)
    assert outcome.code == 3
    assert (said or "site-a-m710q1 would be both") in outcome.err
    assert (fleet / "baremetal/inventory/hosts.yml").read_bytes() == before


def test_pipe_in_place_of_an_iso_is_called_one(cli: Cli, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "is not a regular file: copy its contents into one first" in cli("inspect", tmp_path / "pipe").err


def test_doctor_tells_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def unknown(_user: int) -> None:
        raise KeyError

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    found = {finding.name: finding for finding in examine(tmp_path)}
    assert (found["age key"].verdict, found["age key"].fix) == (Verdict.OPTIONAL, "set HOME")


@pytest.mark.parametrize(
    "line",
    [
        "ulimit -n 9; $I check",
        "ulimit -s 4000000; ulimit -v 3000000; $I check",
    ],
)
def test_machine_that_gives_no_more_is_no_bug(shell: Any, line: str) -> None:
    code, said = shell(f"G=baremetal/autoinstall/generated/site-a-m710q1; {line}")
    assert (code, len(said.splitlines())) == (6, 2)
    assert re.match(r"error: (the system refused|out of memory)", said)


def test_huge_inventory_file_is_a_problem_of_the_inventory(shell: Any) -> None:
    code, said = shell("ulimit -v 3000000; truncate -s 5G baremetal/inventory/group_vars/all/main.yml; $I hosts")
    assert (code, said.count("[yaml-too-large]")) == (3, 1)


def test_folder_that_was_removed_under_our_feet_takes_no_log(shell: Any) -> None:
    assert shell('mkdir gone && cd gone && rmdir "$PWD" && $I hosts --log-file l') == (
        7,
        "error: cannot write log file l: No such file or directory\nhint: give another --log-file\n",
    )


def test_timeout_that_grub_would_take_for_another_is_refused(cli: Cli) -> None:
    outcome = cli("multi", "--host", "site-a-m710q1", "--name", "n", "--timeout", "4294967296")
    assert (outcome.code, outcome.err.count("timeout must be 2147483647 s or less")) == (2, 1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--address", "192.0.2.11/33"], "invalid address: 192.0.2.11/33"),
        (["--gateway", "192.0.2.1"], "needs --address"),
        (["--address", "fe80::1%eth0/64"], "contains a zone (%card)"),
    ],
)
def test_address_that_is_none_is_told_with_one_that_is(cli: Cli, words: list[str], said: str) -> None:
    outcome = cli("new-host", "web-1", *words)
    assert outcome.code == 2
    assert said in outcome.err


def test_a_seed_of_gigabytes_is_refused_before_it_is_read(shell: Any) -> None:
    folder = "baremetal/autoinstall/generated/site-a-m710q1"
    make = f"mkdir -p {folder}; truncate -s 5G {folder}/user-data"
    code, said = shell(f"{make}; ulimit -v 1000000; $I seed --host site-a-m710q1")
    assert code == 3
    assert "user-data cannot be read: it is larger than 16 MiB" in said
