"""Whatever happens to a build: its three outputs are those from before or all new, and nothing else is left."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sh

from isoforge.errors import ToolError
from isoforge.image import xorriso as xorriso_module
from isoforge.image.xorriso import xorriso
from isoforge.proof.boot.synthetic_iso import make_base
from isoforge.run import run
from tests.conftest import Once
from tests.iso.conftest import Cli, Outcome
from tests.iso.faults import (
    DRAFT,
    at_work_in,
    for_one_pass,
    of_one_build,
    outputs,
    program,
    real_xorriso_but,
    said,
    small_file_system,
    wait_for,
)

Q1 = "site-a-m710q1"
GENERATED = Path("baremetal/autoinstall/generated")
MOMENTS = 20
"""How many moments of a build each signal hits."""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="takes root")


@pytest.fixture(scope="session")
def large(once: Once) -> Path:
    """A base ISO that takes a second to build on; nobody changes it."""
    name = "ubuntu-24.04-live-server-amd64.iso"
    return once("large-base", lambda folder: make_base(folder / name, filler_bytes=60 << 20)) / name


@pytest.fixture
def goal(fleet: Path) -> Path:
    """The folder that a build named n writes into."""
    return fleet / GENERATED / "_multi/n"


def words(base: Path, timeout_s: int, *more: str) -> tuple[str, ...]:
    """The command that builds n; each ``timeout_s`` gives an ISO that differs."""
    return (
        "multi", "--host", Q1, "--ubuntu-iso", os.fspath(base), "--name", "n", "--timeout", str(timeout_s), *more,
    )  # fmt: skip


Start = Callable[..., Any]


@pytest.fixture
def start(fleet: Path) -> Start:
    """Starts isoforge in the fleet's folder and hands the process out; any exit code is fine."""

    def started(*args: str, **env: str) -> Any:
        python: Any = sh.Command(sys.executable)
        every = list(range(-64, 256))
        return python(
            "-m", "isoforge", *args, _cwd=os.fspath(fleet), _env={**os.environ, **env}, _bg=True, _bg_exc=False,
            _ok_code=every, _tty_out=False, _return_cmd=True,
        )  # fmt: skip

    return started


def after(number: int, code: int) -> bool:
    """Whether a build that got the signal ``number`` may end with ``code``: done, stopped, or not yet awake."""
    return code in (0, 128 + number, -number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_at_any_moment_loses_nothing(
    cli: Cli, start: Start, large: Path, fleet: Path, goal: Path, tmp_path: Path, number: signal.Signals
) -> None:
    bases = (large, for_one_pass(large, tmp_path / "one-pass.iso"))
    began = time.monotonic()
    assert cli(*words(large, 0, "--render")).code == 0
    duration = time.monotonic() - began
    moments = [random.uniform(0.2, duration) for _ in range(MOMENTS)]  # noqa: S311 - told when one of them fails
    for count, moment in enumerate(moments, start=1):
        if count % 2:
            shutil.rmtree(goal)
        before = outputs(goal)
        build = start(*words(bases[count // 2 % 2], count, "--render"))
        time.sleep(moment)
        if build.is_alive():
            build.signal(number)
        build.wait(timeout=60)
        told = f"moment {count} of {moments}: {moment} s: {build.stderr.decode()}"
        assert after(number, build.exit_code), told
        assert at_work_in(fleet) == [], told
        if number == signal.SIGKILL:
            said(cli(*words(fleet / "none.iso", count)), 5, "does not exist")
        found = outputs(goal)
        assert found == before or of_one_build(found, goal), told
        if number == signal.SIGKILL and list(fleet.rglob(".*.draft")):  # of a seed: who writes it again clears it
            assert cli(*words(large, 0, "--render")).code == 0, told
        assert not list(fleet.rglob(".*.isoforge")) + list(fleet.rglob(".*.draft")), told
        if not found or count == MOMENTS:
            assert cli(*words(large, 0)).code == 0, told


@pytest.fixture
def traced(fleet: Path) -> Callable[..., Outcome]:
    """Runs a build under strace, which causes a fault in one of its system calls; its log is beside the fleet."""

    def build(base: Path, timeout_s: int, *options: str) -> Outcome:
        strace: Any = sh.Command("strace")
        ran = strace(
            "-f", "-y", "-qq", "-o", fleet.parent / "strace", *options, sys.executable, "-m", "isoforge",
            *words(base, timeout_s),
            _cwd=os.fspath(fleet), _in="", _tty_out=False, _ok_code=list(range(-64, 256)), _return_cmd=True,
        )  # fmt: skip
        return Outcome(code=ran.exit_code, out=ran.stdout.decode(), err=ran.stderr.decode())

    return build


RENAMES = "rename,renameat,renameat2"


def test_a_kill_between_two_renames_is_mended_by_the_next_build(
    cli: Cli, traced: Callable[..., Outcome], noble: Path, fleet: Path, goal: Path
) -> None:
    assert cli(*words(noble, 1, "--render")).code == 0
    old = outputs(goal)
    torn = []
    for count in range(1, 99):
        outcome = traced(noble, count + 1, "-e", f"trace={RENAMES}", "-e", f"inject={RENAMES}:signal=KILL:when={count}")
        if outcome.code == 0:
            break
        assert outcome.code in (-9, 137), outcome.err
        named = {name: digest for name, digest in outputs(goal).items() if "/" not in name}
        torn.append(not of_one_build(named, goal))
        said(cli(*words(fleet / "none.iso", 3)), 5, "does not exist")
        assert set(outputs(goal)) == set(old)
        assert of_one_build(outputs(goal), goal)
    assert any(torn), "no kill came between two names: nothing was proven"
    assert outputs(goal) != old


def test_data_is_on_the_disk_before_the_names(
    cli: Cli, traced: Callable[..., Outcome], noble: Path, fleet: Path, goal: Path
) -> None:
    assert cli(*words(noble, 1, "--render")).code == 0
    assert traced(noble, 2, "-e", f"trace={RENAMES},fsync").code == 0
    calls = re.findall(r"(rename|fsync)\w*\((.*)\) = 0", (fleet.parent / "strace").read_text())
    steps = [f"{name} {paths}" for name, paths in calls if os.fspath(goal.relative_to(fleet)) in paths]

    def first(*parts: str) -> int:
        return next(at for at, step in enumerate(steps) if all(part in step for part in parts))

    ready = first("rename", '"gathered"', '"ready"')
    for name in ("ubuntu-autoinstall-n.iso", "manifest.json", "SUMMARY.txt"):
        assert first("fsync", f".isoforge/{name}>") < first("rename", f'"{name}"', "/gathered>") < ready
        assert ready < first("rename", "/ready>", f'"{name}"')
    assert first("fsync", "/gathered>") < ready
    assert first("fsync", ".isoforge/journal.json>") < ready
    folder = [at for at, step in enumerate(steps) if step.startswith("fsync") and step.endswith("/_multi/n>")]
    assert ready < folder[0] < first("rename", "/ready>", '.iso"') < folder[-1]
    assert max(at for at, step in enumerate(steps) if "/ready>" in step) < folder[-1]


def test_a_folder_that_cannot_be_locked_is_refused(
    cli: Cli, traced: Callable[..., Outcome], noble: Path, goal: Path
) -> None:
    assert cli(*words(noble, 1, "--render")).code == 0
    before = outputs(goal)
    said(traced(noble, 2, "-e", "trace=flock", "-e", "inject=flock:error=ENOLCK"), 7, "cannot lock", "local disk")
    assert outputs(goal) == before


FREE = 'free=$(df --output=avail -B1 "{folder}" | tail -n 1)'


@as_root
@pytest.mark.parametrize(
    ("left", "one_pass"), [(0, False), (70, False), (99, False), (0, True), (70, True), (100, True)]
)
def test_a_disk_that_fills_while_the_iso_is_written(
    cli: Cli, large: Path, goal: Path, tmp_path: Path, left: int, one_pass: bool
) -> None:
    """When xorriso starts, ``left`` percent of what the draft still needs are free."""
    base = for_one_pass(large, tmp_path / "one-pass.iso") if one_pass else large
    assert cli(*words(base, 1, "--render")).code == 0
    size = (goal / "ubuntu-autoinstall-n.iso").stat().st_size
    kept = {path.name: path.read_bytes() for path in goal.iterdir()}
    with small_file_system(goal, (2 * size + (64 << 20)) >> 20):
        for name, content in kept.items():
            (goal / name).write_bytes(content)
        before = outputs(goal)
        used = f'used=$(du -B1 "{DRAFT}" 2>/dev/null | cut -f1)'
        room = f"room=$(((({size} - ${{used:-0}}) * {left} / 100 + 4095) / 4096 * 4096))"
        fill = f'{FREE.format(folder=goal)}; {used}; {room}; fallocate -l $((free - room)) "{goal}/other"'
        outcome = cli(*words(base, 2), PATH=real_xorriso_but(tmp_path / "bin", fill))
        said(outcome, 7, "MiB missing" if left < 100 else "No space left on device")
        (goal / "other").unlink()
        assert outputs(goal) == before
        assert at_work_in(goal) == []


@pytest.mark.parametrize(
    ("error", "code", "reason"), [("ENOSPC", 7, "No space"), ("EDQUOT", 7, "quota"), ("EIO", 6, "Input/output")]
)
def test_a_write_of_xorriso_that_fails_half_way(
    cli: Cli, noble: Path, fleet: Path, goal: Path, tmp_path: Path, error: str, code: int, reason: str
) -> None:
    assert cli(*words(noble, 1, "--render")).code == 0
    before = outputs(goal)
    strace = f'exec strace -f -qq -o /dev/null -P "{DRAFT}" -e inject=write:error={error}:when=100+'
    outcome = cli(*words(noble, 2), PATH=real_xorriso_but(tmp_path / "bin", f'{strace} /usr/bin/xorriso "$@"'))
    assert outcome.code == code
    assert reason in outcome.err
    assert outputs(goal) == before
    assert at_work_in(fleet) == []


@as_root
def test_a_full_tmp_is_no_matter(cli: Cli, noble: Path, tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    with small_file_system(full, 1):
        run("fallocate", "-l", str(1 << 20), full / "other")
        assert cli(*words(noble, 1, "--render"), TMPDIR=os.fspath(full)).code == 0


def test_an_xorriso_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", program(tmp_path / "bin", f"echo $$ > {tmp_path}/pid; trap '' TERM; exec sleep 60"))
    monkeypatch.setattr(xorriso_module, "STALL_TIMEOUT_S", 0.5)
    with pytest.raises(ToolError, match=r"xorriso made no progress for 0\.5 s and was killed"):
        xorriso("-version")
    assert not Path("/proc", wait_for(tmp_path / "pid")).exists()


@pytest.mark.parametrize("sign", ["echo . >> draft", "echo ': UPDATE :  '$i'% done' >&2", "echo $i >&2"])
def test_an_xorriso_that_is_slow_is_not_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sign: str) -> None:
    moving = f"for i in 1 2 3 4 5 6 7 8 9; do sleep 0.5; {sign}; done; echo done"
    monkeypatch.setenv("PATH", program(tmp_path / "bin", moving))
    monkeypatch.setattr(xorriso_module, "STALL_TIMEOUT_S", 3)
    assert xorriso("-version", cwd=tmp_path, growing=tmp_path / "draft") == "done\n"


def test_an_xorriso_that_only_asks_for_patience_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    thanks = "xorriso : UPDATE : Thank you for being patient since $i seconds."
    waiting = f"for i in 1 2 3 4 5 6 7 8 9; do sleep 0.2; echo '{thanks}' >&2; done"
    monkeypatch.setenv("PATH", program(tmp_path / "bin", waiting))
    monkeypatch.setattr(xorriso_module, "STALL_TIMEOUT_S", 0.5)
    with pytest.raises(ToolError, match="made no progress"):
        xorriso("-version")


@pytest.mark.parametrize("moment", ["before", "behind"])
def test_an_output_folder_that_is_removed_during_the_build(
    cli: Cli, noble: Path, fleet: Path, goal: Path, tmp_path: Path, moment: str
) -> None:
    assert cli(*words(noble, 1, "--render")).code == 0
    away = f"rm -rf '{goal}'"
    does = away if moment == "before" else f'/usr/bin/xorriso "$@"; {away}; exit 0'
    said(cli(*words(noble, 2), PATH=real_xorriso_but(tmp_path / "bin", does)), 7, "_multi/n was removed")
    assert not goal.exists()
    assert at_work_in(fleet) == []


OVERWRITE = "printf X | dd of={base} bs=1 seek=9000000 conv=notrunc 2>/dev/null"


@pytest.mark.parametrize(
    ("change", "moment"),
    [
        (OVERWRITE, "before"),
        (OVERWRITE, "behind"),
        ("truncate -s -1M {base}", "before"),
        ("truncate -s 40000 {base}", "before"),
        ("cp -p {base} {base}.new; mv {base}.new {base}", "behind"),
        ("rm {base}", "before"),
    ],
)
def test_a_base_iso_that_changes_while_it_is_read(
    cli: Cli, noble: Path, fleet: Path, goal: Path, tmp_path: Path, change: str, moment: str
) -> None:
    base = tmp_path / "base.iso"
    shutil.copy(noble, base)
    assert cli(*words(base, 1, "--render")).code == 0
    before = outputs(goal)
    does = change.format(base=base)
    if moment == "behind":
        does = f'/usr/bin/xorriso "$@"; {does}; exit 0'
    said(cli(*words(base, 2), PATH=real_xorriso_but(tmp_path / "bin", does)), 5, "base.iso changed while it was read")
    assert outputs(goal) == before
    assert at_work_in(fleet) == []


def test_a_kill_takes_xorriso_along(start: Start, noble: Path, fleet: Path, tmp_path: Path) -> None:
    path = real_xorriso_but(tmp_path / "bin", f"echo $$ > {tmp_path}/pid; trap '' TERM INT; exec sleep 60")
    build = start(*words(noble, 1, "--render"), PATH=path)
    wait_for(tmp_path / "pid")
    assert at_work_in(fleet) != []
    build.signal(signal.SIGKILL)
    build.wait()
    assert at_work_in(fleet) == []


@pytest.fixture
def frozen(goal: Path) -> Iterator[Path]:
    """The goal's folder; what a test did to it is undone."""
    yield goal
    run("chattr", "-i", goal)


@as_root
def test_an_output_folder_that_can_no_longer_be_written(cli: Cli, noble: Path, frozen: Path, tmp_path: Path) -> None:
    assert cli(*words(noble, 1, "--render")).code == 0
    before = outputs(frozen)
    freeze = f'/usr/bin/xorriso "$@"; chattr +i "{frozen}"; exit 0'
    outcome = cli(*words(noble, 2), PATH=real_xorriso_but(tmp_path / "bin", freeze))
    said(outcome, 7, "cannot write", warning="finished files are in")
    assert {name: digest for name, digest in outputs(frozen).items() if "/" not in name} == before
    said(cli(*words(noble, 2)), 7, "cannot write", warning="finished files are in")
    run("chattr", "-i", frozen)
    assert cli(*words(noble, 3)).code == 0
    assert of_one_build(outputs(frozen), frozen)


@as_root
def test_a_read_only_file_system_is_refused(cli: Cli, noble: Path, goal: Path) -> None:
    assert cli(*words(noble, 1, "--render")).code == 0
    before = outputs(goal)
    run("mount", "--bind", goal, goal)
    try:
        run("mount", "-o", "remount,bind,ro", goal)
        said(cli(*words(noble, 2)), 7, "cannot write", "Read-only file system")
    finally:
        run("umount", goal)
    assert outputs(goal) == before


def test_two_builds_of_one_name_at_once(start: Start, noble: Path, fleet: Path, goal: Path, tmp_path: Path) -> None:
    path = real_xorriso_but(tmp_path / "bin", "sleep 2")
    builds = [start(*words(noble, timeout_s, "--render"), PATH=path) for timeout_s in (1, 2)]
    for build in builds:
        build.wait()
    assert sorted(build.exit_code for build in builds) == [0, 7]
    assert any(b"another build is writing" in build.stderr for build in builds)
    assert of_one_build(outputs(goal), goal)
    assert list(fleet.rglob(".*.isoforge")) == []


def test_two_builds_of_different_names_at_once(start: Start, noble: Path, goal: Path) -> None:
    builds = [start(*words(noble, count, "--render")[:6], name, "--render") for count, name in enumerate("nm")]
    for build in builds:
        build.wait()
        assert build.exit_code == 0, build.stderr
    for folder in (goal, goal.with_name("m")):
        assert of_one_build(outputs(folder), folder)
