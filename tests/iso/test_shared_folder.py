"""What another user of the machine plants in a folder that others can write to is neither used, followed nor removed.

Each attack has a control beside it: the same thing of our own works.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sh

from isoforge import atomic
from isoforge.atomic import locked, refuse_irregular
from isoforge.errors import InventoryError, OutputError, ToolError
from isoforge.fleet.seed.render import Seed, read_seed, write_seed
from isoforge.leftovers import JOURNAL, READY, commit
from isoforge.ownership import find_program, foreign_part, open_directory, replace_file, search_path, temporary_folder
from tests.iso.conftest import Cli
from tests.iso.faults import of_one_build, outputs, program, real_xorriso_but, said, wait_for

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="takes root, who plants files of another user")

OTHER_USER = 65534
"""The other user."""

Q1 = "site-a-m710q1"
ISO = "ubuntu-autoinstall-n.iso"
GENERATED = Path("baremetal/autoinstall/generated")


@pytest.fixture
def goal(fleet: Path) -> Path:
    """The folder that a build named n writes into."""
    return fleet / GENERATED / "_multi/n"


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A file of ours outside the output folder, which nobody may read or write through us."""
    file = tmp_path / "victim/secret"
    file.parent.mkdir()
    file.write_text("ours")
    return file


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder as /tmp is: everybody may write to it, nobody may remove the files of others."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o1777)
        yield Path(folder)


def words(base: Path, timeout_s: int, *more: str) -> tuple[str, ...]:
    """The command that builds n; each ``timeout_s`` gives an ISO that differs."""
    return (
        "multi", "--host", Q1, "--ubuntu-iso", os.fspath(base), "--name", "n", "--timeout", str(timeout_s), *more,
    )  # fmt: skip


def give_away(path: Path) -> None:
    """Make everything at and below ``path`` the other user's; symlinks too, but not what they lead to."""
    for one in (path, *(path.rglob("*") if path.is_dir() and not path.is_symlink() else ())):
        os.chown(one, OTHER_USER, OTHER_USER, follow_symlinks=False)


def state(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Inode, owner and mode of everything below ``folder``."""
    entries = {str(path.relative_to(folder)): path.lstat() for path in folder.rglob("*")}
    return {name: (entry.st_ino, entry.st_uid, entry.st_mode) for name, entry in entries.items()}


def leftover(folder: Path) -> Path:
    """What a build leaves in ``folder`` that is killed when its ISO only lacks its name."""
    staging = folder / ".n.1234.isoforge"
    staging.mkdir(mode=0o700)
    (staging / "draft").write_text("an ISO from elsewhere")
    (staging / "draft").chmod(0o600)
    with open_directory(staging) as handle:
        commit(handle, {"draft": ISO})
    return staging


@contextlib.contextmanager
def as_other_user() -> Iterator[None]:
    os.setegid(OTHER_USER)
    os.seteuid(OTHER_USER)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def plant_of_another_user(staging: Path, _victim: Path) -> None:
    give_away(staging)


def plant_open_to_all(staging: Path, _victim: Path) -> None:
    staging.chmod(0o777)


def plant_a_copy(staging: Path, _victim: Path) -> None:
    (staging / READY).chmod(0o755)


def plant_a_symlink(staging: Path, victim: Path) -> None:
    staging.rename(victim.parent / "staging")
    staging.symlink_to(victim.parent / "staging")


def plant_a_pipe(staging: Path, victim: Path) -> None:
    staging.rename(victim.parent / "staging")
    os.mkfifo(staging)


def plant_a_linked_folder(staging: Path, victim: Path) -> None:
    (staging / READY).rename(victim.parent / READY)
    (staging / READY).symlink_to(victim.parent / READY)


def plant_a_linked_file(staging: Path, victim: Path) -> None:
    (staging / READY / ISO).unlink()
    (staging / READY / ISO).symlink_to(victim)


def plant_a_hard_link(staging: Path, victim: Path) -> None:
    (victim.parent / "second").hardlink_to(staging / READY / ISO)


def plant_a_file_of_another_user(staging: Path, _victim: Path) -> None:
    give_away(staging / READY / ISO)


def plant_a_pipe_as_file(staging: Path, _victim: Path) -> None:
    (staging / READY / ISO).unlink()
    os.mkfifo(staging / READY / ISO)


def plant_without_journal(staging: Path, _victim: Path) -> None:
    (staging / JOURNAL).unlink()


def plant_another_name(staging: Path, _victim: Path) -> None:
    (staging / READY / ISO).rename(staging / READY / "manifest.json")


def plant_other_bytes(staging: Path, _victim: Path) -> None:
    with (staging / READY / ISO).open("a") as file:
        file.write("more")


def plant_another_file(staging: Path, _victim: Path) -> None:
    before = (staging / READY / ISO).stat()
    (staging / READY / "new").write_text("AN ISO FROM ELSEWHERE")
    os.utime(staging / READY / "new", ns=(before.st_atime_ns, before.st_mtime_ns))
    (staging / READY / "new").replace(staging / READY / ISO)


def plant_a_linked_journal(staging: Path, victim: Path) -> None:
    (staging / JOURNAL).rename(victim.parent / JOURNAL)
    (staging / JOURNAL).symlink_to(victim.parent / JOURNAL)


def plant_a_journal_of_another_user(staging: Path, _victim: Path) -> None:
    give_away(staging / JOURNAL)


def plant_a_pipe_as_journal(staging: Path, _victim: Path) -> None:
    (staging / JOURNAL).unlink()
    os.mkfifo(staging / JOURNAL)


def plant_a_deep_journal(staging: Path, _victim: Path) -> None:
    (staging / JOURNAL).write_text("[" * 100_000)


def plant_a_list_as_journal(staging: Path, _victim: Path) -> None:
    (staging / JOURNAL).write_text(json.dumps([ISO]))


PLANTS = [one for name, one in list(globals().items()) if name.startswith("plant_")]


@pytest.mark.parametrize("plant", PLANTS, ids=lambda one: one.__name__.removeprefix("plant_"))
def test_a_planted_leftover_is_neither_named_nor_removed(
    cli: Cli, fleet: Path, goal: Path, victim: Path, plant: Callable[[Path, Path], None]
) -> None:
    goal.mkdir(parents=True)
    goal.chmod(0o1777)
    (goal / ISO).write_text("the last good ISO")
    plant(leftover(goal), victim)
    before = state(goal.parent.parent), state(victim.parent)
    outcome = cli(*words(fleet / "none.iso", 1))
    assert (state(goal.parent.parent), state(victim.parent)) == before
    assert (goal / ISO).read_text() == "the last good ISO"
    assert outcome.code == 5
    (warning,) = [line for line in outcome.err.splitlines() if "warning: " in line]
    assert ".n.1234.isoforge is left alone" in warning


def test_a_leftover_of_ours_is_named_and_removed(cli: Cli, fleet: Path, goal: Path) -> None:
    goal.mkdir(parents=True)
    goal.chmod(0o1777)
    (goal / ISO).write_text("the last good ISO")
    leftover(goal)
    said(cli(*words(fleet / "none.iso", 1)), 5, "does not exist")
    assert list(goal.iterdir()) == [goal / ISO]
    assert (goal / ISO).read_text() == "an ISO from elsewhere"


def test_an_unfinished_leftover_of_another_user_stays_and_ours_is_removed_without_following_links(
    cli: Cli, fleet: Path, goal: Path, victim: Path
) -> None:
    goal.mkdir(parents=True)
    for name in (".n.theirs.isoforge", ".n.ours.isoforge"):
        (goal / name).mkdir(mode=0o700)
        (goal / name / "tree").symlink_to(victim.parent)
        (goal / name / "closed").mkdir(mode=0)
    give_away(goal / ".n.theirs.isoforge")
    before = state(victim.parent)
    outcome = cli(*words(fleet / "none.iso", 1))
    assert outcome.code == 5
    assert ".n.theirs.isoforge is left alone" in outcome.err
    assert "user id" in outcome.err or "user nobody" in outcome.err
    assert ".n.ours" not in outcome.err
    assert [path.name for path in goal.iterdir()] == [".n.theirs.isoforge"]
    assert state(victim.parent) == before


def test_a_build_beside_a_planted_leftover_gives_our_iso(cli: Cli, noble: Path, goal: Path) -> None:
    assert cli(*words(noble, 1, "--render")).code == 0
    goal.chmod(0o1777)
    planted = leftover(goal)
    give_away(planted)
    outcome = cli(*words(noble, 2))
    assert outcome.code == 0
    assert "is left alone" in outcome.err
    assert {path.name for path in goal.iterdir()} == {ISO, "manifest.json", "SUMMARY.txt", planted.name}
    named = {name: digest for name, digest in outputs(goal).items() if "/" not in name}
    assert of_one_build(named, goal)


def test_a_staging_directory_that_is_exchanged_during_the_build_leads_nowhere(
    cli: Cli, noble: Path, goal: Path, victim: Path, tmp_path: Path
) -> None:
    assert cli(*words(noble, 1, "--render")).code == 0
    goal.chmod(0o777)
    exchange = f"cd '{goal}'; own=$(echo .n.*.isoforge .ubuntu*.isoforge | tr ' ' '\\n' | grep -v '[*]')"
    plant = f'mv "$own" moved; mkdir "$own"; ln -s "{victim}" "$own/{ISO}"; ln -s "{victim.parent}" "$own/tree"; cd -'
    outcome = cli(*words(noble, 2), PATH=real_xorriso_but(tmp_path / "bin", f"{exchange}; {plant}"))
    assert state(victim.parent).keys() == {"secret"}
    assert victim.read_text() == "ours"
    assert outcome.code in (0, 7)
    assert "Traceback" not in outcome.err
    (planted,) = goal.glob(".*.isoforge")
    assert (planted / ISO).is_symlink()
    assert of_one_build({name: sha for name, sha in outputs(goal).items() if "/" not in name}, goal)


@pytest.mark.parametrize("mode", [0o755, 0o777, 0o1777, 0o775])
def test_a_build_in_a_folder_of_any_mode_succeeds_and_a_folder_without_protection_is_named(
    cli: Cli, noble: Path, goal: Path, mode: int
) -> None:
    goal.mkdir(parents=True)
    goal.chmod(mode)
    outcome = cli(*words(noble, 1, "--render"))
    assert outcome.code == 0, outcome.err
    assert of_one_build(outputs(goal), goal)
    assert ("every user can replace the ISO" in outcome.err) == (mode == 0o777)
    assert "/proc/" not in outcome.err


def test_a_folder_of_another_user_is_named(cli: Cli, noble: Path, goal: Path) -> None:
    goal.mkdir(parents=True)
    os.chown(goal, OTHER_USER, OTHER_USER)
    outcome = cli(*words(noble, 1, "--render"))
    assert outcome.code == 0, outcome.err
    assert "who can replace the ISO in it" in outcome.err
    assert of_one_build(outputs(goal), goal)


def test_an_output_folder_behind_a_symlink_of_another_user_is_refused_and_one_of_ours_is_used(
    cli: Cli, noble: Path, goal: Path, victim: Path
) -> None:
    goal.parent.mkdir(parents=True)
    goal.symlink_to(victim.parent)
    give_away(goal)
    said(cli(*words(noble, 1, "--render")), 7, "the symlink ", "is not followed")
    assert state(victim.parent).keys() == {"secret"}
    os.chown(goal, 0, 0, follow_symlinks=False)
    assert cli(*words(noble, 1, "--render")).code == 0
    assert (victim.parent / ISO).is_file()


def test_an_output_that_is_a_hard_link_is_replaced_and_not_written_to(
    cli: Cli, noble: Path, goal: Path, victim: Path
) -> None:
    goal.mkdir(parents=True)
    (goal / ISO).hardlink_to(victim)
    (goal / "manifest.json").symlink_to(victim)
    said(cli(*words(noble, 1, "--render")), 7, "not a regular file")
    (goal / "manifest.json").unlink()
    assert cli(*words(noble, 1, "--render")).code == 0
    assert victim.read_text() == "ours"
    assert of_one_build(outputs(goal), goal)


def test_an_output_that_the_sticky_bit_keeps_is_refused_before_the_build(public: Path) -> None:
    (public / ISO).write_text("of root")
    (public / "own.iso").write_text("of the other user")
    give_away(public / "own.iso")
    with as_other_user():
        with pytest.raises(OutputError, match="already exists and belongs to user root"):
            refuse_irregular([public / ISO])
        refuse_irregular([public / "own.iso"])
    refuse_irregular([public / "own.iso"])


LOCK = "import fcntl, os, sys, time; d = os.open(sys.argv[1], 0); os.setuid(65534); fcntl.flock(d, 2); "


@pytest.fixture
def foreign_lock(tmp_path: Path) -> Callable[[Path], contextlib.AbstractContextManager[None]]:
    """Holds the lock on a folder in a process of the other user, during a block."""

    @contextlib.contextmanager
    def holding(folder: Path) -> Iterator[None]:
        python: Any = sh.Command(sys.executable)
        ready = tmp_path / "locked"
        code = LOCK + "print('locked', flush=True); time.sleep(60)"
        with ready.open("w") as out:
            child = python("-c", code, folder, _out=out, _bg=True, _bg_exc=False)
            try:
                wait_for(ready)
                yield
            finally:
                child.kill()
                with contextlib.suppress(sh.ErrorReturnCode):
                    child.wait()

    return holding


def test_the_lock_of_another_user_is_reported_and_does_not_block_for_ever(
    cli: Cli,
    noble: Path,
    goal: Path,
    foreign_lock: Callable[[Path], contextlib.AbstractContextManager[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    goal.mkdir(parents=True)
    monkeypatch.setattr(atomic, "LOCK_TIMEOUT_S", 0.5)
    with foreign_lock(goal):
        said(cli(*words(noble, 1, "--render")), 7, "another build is writing into", " of user ")
        with pytest.raises(OutputError, match=r"another build .*\(process \d+ of user "), locked(goal, wait=True):
            pass
    with locked(goal, wait=True):
        pass
    assert cli(*words(noble, 1, "--render")).code == 0


@pytest.fixture
def seed() -> Seed:
    return Seed(host="web-1", user_data=b"#cloud-config\n", meta_data=b"instance-id: a\n", vendor_data=b"")


def test_a_seed_that_another_user_planted_is_not_used(tmp_path: Path, seed: Seed) -> None:
    generated = tmp_path / "generated"
    folder = write_seed(seed, generated)
    assert read_seed(generated, "web-1") == seed
    give_away(folder / "user-data")
    with pytest.raises(InventoryError, match="user-data belongs to user"):
        read_seed(generated, "web-1")
    give_away(folder)
    with pytest.raises(InventoryError, match="web-1 belongs to user"):
        read_seed(generated, "web-1")
    with pytest.raises(OutputError, match="web-1 belongs to user"):
        write_seed(seed, generated)


def test_a_seed_behind_a_symlink_counts_as_its_owner(tmp_path: Path, seed: Seed, victim: Path) -> None:
    generated = tmp_path / "generated"
    link = write_seed(seed, generated) / "user-data"
    link.unlink()
    link.symlink_to(victim)
    assert read_seed(generated, "web-1").user_data == b"ours"
    give_away(link)
    with pytest.raises(InventoryError, match=r"the symlink .*user-data belongs to user"):
        read_seed(generated, "web-1")


@pytest.mark.parametrize("name", [".web-1.draft", "web-1/.user-data.draft"])
@pytest.mark.parametrize("kind", ["folder", "link"])
def test_a_planted_draft_of_a_seed_is_neither_removed_nor_followed(
    tmp_path: Path, seed: Seed, victim: Path, name: str, kind: str
) -> None:
    generated = tmp_path / "generated"
    generated.mkdir(mode=0o777)
    if name.startswith("web-1/"):
        write_seed(seed, generated)
    draft = generated / name
    if kind == "link":
        draft.symlink_to(victim.parent)
    else:
        draft.mkdir()
        (draft / "user-data").write_text("theirs")
    give_away(draft)
    before = state(tmp_path)
    with pytest.raises(OutputError, match=r"draft belongs to user .*it is not used"):
        write_seed(seed, generated)
    assert {path: entry for path, entry in state(tmp_path).items() if path in before} == before
    for one in (draft, *([] if kind == "link" else draft.rglob("*"))):
        os.chown(one, 0, 0, follow_symlinks=False)
    assert read_seed(write_seed(seed, generated).parent, "web-1") == seed
    assert victim.read_text() == "ours"


def test_a_log_file_behind_a_symlink_of_another_user_is_refused(cli: Cli, tmp_path: Path, victim: Path) -> None:
    log = tmp_path / "log"
    log.symlink_to(victim.parent / "new")
    give_away(log)
    said(cli("--log-file", log, "hosts"), 7, "the symlink ", "it is not used")
    assert not (victim.parent / "new").exists()
    os.chown(log, 0, 0, follow_symlinks=False)
    assert cli("--log-file", log, "hosts").code == 0
    assert (victim.parent / "new").is_file()


def test_a_file_is_replaced_and_not_written_to_through_a_link(tmp_path: Path, victim: Path) -> None:
    (tmp_path / "symlink").symlink_to(victim)
    (tmp_path / "hard-link").hardlink_to(victim)
    for name in ("symlink", "hard-link", "new"):
        replace_file(tmp_path / name, b"theirs", mode=0o600)
        assert (tmp_path / name).read_bytes() == b"theirs"
        assert stat.S_IMODE((tmp_path / name).lstat().st_mode) == 0o600
    assert victim.read_text() == "ours"


@pytest.mark.parametrize(("mode", "safe"), [(0o777, False), (0o1777, True), (0o755, True), (0o775, True)])
def test_a_temporary_folder_in_which_files_can_be_exchanged_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, safe: bool
) -> None:
    tmp_path.chmod(mode)
    monkeypatch.setattr(tempfile, "tempdir", os.fspath(tmp_path))
    if safe:
        with temporary_folder() as folder:
            assert folder.parent == tmp_path
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        return
    with pytest.raises(ToolError, match="every user can replace files in the temporary folder"), temporary_folder():
        pass
    assert list(tmp_path.iterdir()) == []


EVIL = 'touch {trace}; exec /usr/bin/xorriso "$@"'


@pytest.mark.parametrize("entry", ["bin", "", ".", "world-writable", "in-world-writable", "sticky", "safe"])
def test_root_runs_no_program_from_a_relative_or_world_writable_entry_of_path(
    cli: Cli, noble: Path, fleet: Path, tmp_path: Path, entry: str
) -> None:
    trace = tmp_path / "trace"
    relative = entry in ("bin", "", ".")
    (tmp_path / "above").mkdir()
    folder = fleet / entry if relative else tmp_path / "above" / entry
    if not folder.is_dir():
        program(folder, EVIL.format(trace=trace))
    else:
        program(fleet / "first", EVIL.format(trace=trace))
        (fleet / "first/xorriso").rename(fleet / "xorriso")
    folder.chmod({"world-writable": 0o777, "sticky": 0o1777}.get(entry, 0o755))
    folder.parent.chmod(0o777 if entry == "in-world-writable" else 0o755)
    first = entry if relative else os.fspath(folder)
    outcome = cli(*words(noble, 1, "--render"), PATH=f"{first}:/usr/bin:/bin")
    assert outcome.code == 0, outcome.err
    assert trace.exists() == (entry == "safe")


def test_a_program_that_is_only_in_an_unsafe_entry_of_path_is_refused_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "bin", "exit 0")
    (tmp_path / "bin/xorriso").rename(tmp_path / "bin/isoforge-test-program")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin")
    assert find_program("isoforge-test-program") == f"{tmp_path}/bin/isoforge-test-program"
    (tmp_path / "bin").chmod(0o777)
    with pytest.raises(ToolError, match=r"is only in .*/bin, and every user can write to .*/bin: root does not run it"):
        find_program("isoforge-test-program")
    monkeypatch.setenv("PATH", "bin:/usr/bin")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ToolError, match="is only in bin, and this entry of PATH is relative"):
        find_program("isoforge-test-program")
    assert find_program("isoforge-no-such-program") is None
    assert search_path() == "/usr/bin"
    with as_other_user():
        assert search_path() == "bin:/usr/bin"


def test_every_symlink_on_the_way_counts(tmp_path: Path, victim: Path) -> None:
    (tmp_path / "inner").symlink_to(victim.parent)
    (tmp_path / "outer").symlink_to("victim/../inner")
    (tmp_path / "loop").symlink_to("loop")
    way = tmp_path / "outer/secret"
    assert foreign_part(way) == ""
    assert foreign_part(tmp_path / "loop/secret") == ""
    assert foreign_part(tmp_path / "none/secret") == ""
    give_away(tmp_path / "inner")
    assert foreign_part(way).startswith(f"the symlink {tmp_path}/inner belongs to user")
    os.chown(tmp_path / "inner", 0, 0, follow_symlinks=False)
    give_away(victim)
    assert foreign_part(way).startswith(f"{victim} belongs to user")
    give_away(victim.parent)
    assert foreign_part(way) == ""
