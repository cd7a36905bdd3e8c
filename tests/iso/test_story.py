"""What isoforge says while it works: to people at a terminal, into a log file, and to programs."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sh

from tests.iso.conftest import Cli, Outcome
from tests.iso.faults import real_xorriso_but, wait_for

Q1, MAC = "site-a-m710q1", "00:00:5e:00:53:04"
FOLDER = Path("baremetal/autoinstall/generated/_multi/n")
SLOWLY = "sleep 1"
"""What xorriso does before it writes: long enough that somebody sees it."""

Terminal = Callable[..., str]


@pytest.fixture
def build(cli: Cli, noble: Path) -> Cli:
    def run(*args: str | os.PathLike[str], **env: str) -> Outcome:
        return cli("multi", "--host", Q1, "--ubuntu-iso", noble, "--name", "n", "--render", *args, **env)

    return run


@pytest.fixture
def terminal(fleet: Path) -> Terminal:
    """Runs isoforge in a terminal of so many columns, and returns what it showed."""

    def isoforge(columns: int, *args: str | os.PathLike[str], **env: str) -> str:
        python: Any = sh.Command(sys.executable)
        kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
        ran = python(
            "-m",
            "isoforge",
            *(os.fspath(arg) for arg in args),
            _cwd=os.fspath(fleet),
            _env={**kept, "TERM": "xterm-256color", **env},
            _tty_out=True,
            _tty_size=(24, columns),
            _err_to_out=True,
            _return_cmd=True,
        )
        return str(ran.stdout.decode().replace("\r\n", "\n"))

    return isoforge


def plain(shown: str) -> str:
    """What a terminal showed, without what sets styles and moves the cursor."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)


# At a terminal


@pytest.mark.parametrize("columns", [80, 40])
def test_hosts_are_readable_in_a_narrow_terminal(terminal: Terminal, columns: int) -> None:
    shown = plain(terminal(columns, "hosts"))
    assert max(len(line) for line in shown.splitlines()) <= columns
    for word in (Q1, "site-b-static-bond", "lenovo-m710q", "192.0.2.12", MAC):
        assert word in shown


def test_styles_are_for_terminals_that_want_them(terminal: Terminal, cli: Cli) -> None:
    assert "\x1b[1m" in terminal(80, "hosts")
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert "\x1b" not in terminal(80, "hosts", **env)
    assert "\x1b" not in cli("hosts").out
    assert "\x1b" not in cli("hosts", FORCE_COLOR="1").out


def test_bar_shows_the_phase_and_is_gone_at_the_end(terminal: Terminal, noble: Path, tmp_path: Path) -> None:
    args = ("multi", "--host", Q1, "--ubuntu-iso", noble, "--name", "n", "--render")
    shown = terminal(100, *args, PATH=real_xorriso_but(tmp_path / "bin", SLOWLY))
    assert re.search(r"writing the ISO ━* *━+.* 0%", plain(shown))
    assert "authorized_keys" in plain(shown)  # a warning goes above the bar
    last = shown.rpartition("\x1b[2K")[2]
    assert plain(last).lstrip().startswith("Built and verified one ISO for 1 host")


@pytest.mark.parametrize("env", [{"TERM": "dumb"}])
def test_terminal_that_cannot_move_its_cursor_gets_no_bar(terminal: Terminal, noble: Path, env: dict[str, str]) -> None:
    shown = terminal(100, "multi", "--host", Q1, "--ubuntu-iso", noble, "--name", "n", "--render", **env)
    assert "\x1b" not in shown
    assert "writing the ISO" not in shown


def test_without_a_terminal_a_build_says_warnings_and_its_account(build: Cli) -> None:
    lines = build().err.splitlines()
    said = [line for line in lines if " warning: " not in line]
    assert said.index("Built and verified one ISO for 1 host:") == 0
    assert not any("writing" in line for line in lines)


@pytest.mark.parametrize("args", [("-v", "hosts"), ("hosts", "-v"), ("hosts", "--verbose")])
def test_verbose_stands_before_the_verb_or_behind_it(cli: Cli, args: tuple[str, ...]) -> None:
    assert cli(*args).code == 0


def test_verbose_tells_the_story(build: Cli) -> None:
    told = build("-v").err
    for words in ("running: xorriso ", "reading the inventory", "writing the ISO"):
        assert words in told


# The log file


def test_log_file_holds_the_story_with_times_in_utc(build: Cli, tmp_path: Path) -> None:
    outcome = build("--log-file", tmp_path / "log")
    assert "running: xorriso" not in outcome.err
    text = (tmp_path / "log").read_text()
    stamped = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ")
    assert stamped.match(text)
    for words in (
        "running: xorriso ",
        "Z reading the base ISO\n",
        "Z writing the ISO: 0%\n",
        " warning: ",
        "Built and verified one ISO",
    ):
        assert words in text
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


def test_failure_is_in_the_log_file_too(cli: Cli, tmp_path: Path) -> None:
    outcome = cli("--log-file", tmp_path / "log", "gen", "--host", "nobody")
    assert (outcome.code, outcome.out) == (3, "")
    assert (tmp_path / "log").read_text().endswith(f"Z {outcome.err}")


def test_log_file_that_cannot_be_written_stops_the_build_before_it_begins(build: Cli, fleet: Path) -> None:
    outcome = build("--log-file", "no/such/folder/log")
    assert (outcome.code, outcome.out) == (7, "")
    assert outcome.err == (
        "error: cannot write log file no/such/folder/log: No such file or directory\nhint: give another --log-file\n"
    )
    assert not (fleet / "baremetal/autoinstall").exists()


def test_log_goes_to_stderr_when_asked(build: Cli) -> None:
    assert "Z writing the ISO: 0%" in build("--log-file", "/dev/stderr").err


# JSON events


def events(outcome: Outcome) -> list[dict[str, Any]]:
    told = [json.loads(line) for line in outcome.err.splitlines()]
    assert {event["schema_version"] for event in told} == {1}
    return told


def test_stderr_is_json_from_the_first_line_to_the_built_iso(build: Cli, fleet: Path) -> None:
    outcome = build("--json-events", "--json")
    told = events(outcome)
    manifest = json.loads(outcome.out)
    assert {event["event"] for event in told} == {"progress", "warning", "built"}
    phases = list(dict.fromkeys(event["phase"] for event in told if event["event"] == "progress"))
    assert phases[:3] == ["reading the inventory", "reading the base ISO", "writing the ISO"]
    assert told[-1] == {
        "schema_version": 1,
        "event": "built",
        "iso": str(FOLDER / "ubuntu-autoinstall-n.iso"),
        "manifest": str(FOLDER / "manifest.json"),
        "summary": str(FOLDER / "SUMMARY.txt"),
        "sha256": manifest["iso"]["sha256"],
        "size": (fleet / FOLDER / "ubuntu-autoinstall-n.iso").stat().st_size,
    }


def test_failure_is_one_event_with_everything_in_it(cli: Cli, fleet: Path, noble: Path) -> None:
    overlay = fleet / f"baremetal/inventory-local/host_vars/{Q1}"
    overlay.mkdir(parents=True)
    (overlay / "main.yml").write_text("timezon: Etc/UTC\nhostnam: a\n")
    outcome = cli("full", "--host", Q1, "--render", "--json-events", "--ubuntu-iso", noble)
    last = events(outcome)[-1]
    assert (last["event"], last["exit_code"], outcome.code) == ("failed", 3, 3)
    assert len(last["problems"]) == 2
    assert "\n" not in last["message"]


def test_missing_option_is_an_event_too(cli: Cli) -> None:
    assert events(cli("full", "--json-events"))[-1]["message"].startswith("Missing option '--host'")
    last = events(cli("multi", "--json-events", "--all"))[-1]
    assert (last["message"], last["hint"]) == ("Missing option '--name'", "isoforge multi --help")


@pytest.mark.parametrize(
    ("number", "code", "words"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_signal_is_the_last_event(
    fleet: Path, noble: Path, tmp_path: Path, number: signal.Signals, code: int, words: str
) -> None:
    path = real_xorriso_but(tmp_path / "bin", f"echo $$ > {tmp_path}/pid; exec sleep 60")
    python: Any = sh.Command(sys.executable)
    args = ("multi", "--host", Q1, "--ubuntu-iso", os.fspath(noble), "--name", "n", "--render", "--json-events")
    child = python(
        "-m", "isoforge", *args,
        _cwd=os.fspath(fleet), _env={**os.environ, "PATH": path}, _bg=True, _bg_exc=False, _ok_code=[code],
    )  # fmt: skip
    wait_for(tmp_path / "pid")
    child.signal(number)
    child.signal(number)  # whoever presses Ctrl-C twice gets no torn draft by it
    child.wait(timeout=60)
    told = events(Outcome(code=child.exit_code, out="", err=child.stderr.decode()))
    assert told[-1]["event"] == "failed"
    assert (told[-1]["exit_code"], told[-1]["message"]) == (code, words)
    assert not (fleet / FOLDER).exists()
