"""Outputs are written atomically: files that belong together take their names together, or not at all."""

from __future__ import annotations

import fcntl
import os
import stat
import threading
from pathlib import Path

import pytest

from isoforge.atomic import locked, replace_together
from isoforge.errors import OutputError
from isoforge.leftovers import commit
from isoforge.ownership import open_directory
from isoforge.staging import publish, staging_directory


def everything(folder: Path) -> dict[str, bytes | None]:
    """What is below ``folder``: the content of each file, None for a folder."""
    return {str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes() for path in folder.rglob("*")}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def contents(tmp_path: Path) -> dict[Path, bytes]:
    """A new folder with two files, a new file in a folder that exists, and a file that is replaced."""
    (tmp_path / "old").mkdir()
    (tmp_path / "old/replaced").write_bytes(b"before")
    return {
        tmp_path / "above/new/one": b"1",
        tmp_path / "above/new/two": b"2",
        tmp_path / "old/added": b"3",
        tmp_path / "old/replaced": b"after",
    }


def test_all_files_are_written_and_nothing_else(tmp_path: Path, contents: dict[Path, bytes]) -> None:
    replace_together(contents)
    assert everything(tmp_path) == {
        "above": None,
        "above/new": None,
        "above/new/one": b"1",
        "above/new/two": b"2",
        "old": None,
        "old/added": b"3",
        "old/replaced": b"after",
    }


@pytest.mark.parametrize("failing", [1, 2, 3])
@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_if_one_rename_fails_everything_is_as_before(
    tmp_path: Path,
    contents: dict[Path, bytes],
    monkeypatch: pytest.MonkeyPatch,
    failing: int,
    failure: BaseException,
) -> None:
    before = everything(tmp_path)
    renamed: list[Path] = []

    def replace(draft: Path, goal: Path) -> None:
        if len(renamed) + 1 == failing:
            raise failure
        draft.rename(goal)
        renamed.append(goal)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(OutputError if isinstance(failure, OSError) else KeyboardInterrupt):
        replace_together(contents)
    assert len(renamed) == failing - 1
    assert everything(tmp_path) == before


def test_an_interrupt_behind_a_rename_leaves_nothing_new(
    tmp_path: Path, contents: dict[Path, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(tmp_path)

    def replace(draft: Path, goal: Path) -> None:
        draft.rename(goal)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(KeyboardInterrupt):
        replace_together(contents)
    assert everything(tmp_path) == before


def test_what_a_killed_process_left_hidden_is_overwritten(tmp_path: Path, contents: dict[Path, bytes]) -> None:
    for leftover in ("above/.new.draft", "old/.added.draft"):
        (tmp_path / leftover).mkdir(parents=True)
        (tmp_path / leftover / "one").write_bytes(b"half")
    (tmp_path / "old/.replaced.draft").write_bytes(b"half")
    replace_together(contents)
    assert list(tmp_path.rglob(".*")) == []
    assert {path: path.read_bytes() for path in contents} == contents


def test_private_files_and_their_folders_are_closed_whatever_the_umask(contents: dict[Path, bytes]) -> None:
    before = os.umask(0)
    try:
        replace_together(contents, private=True)
    finally:
        os.umask(before)
    assert {mode(path) for path in contents} == {0o600}
    assert {mode(path.parent) for path in contents} == {0o700}


def test_other_files_keep_their_mode_and_new_folders_take_that_of_their_parent(
    tmp_path: Path, contents: dict[Path, bytes]
) -> None:
    (tmp_path / "old/replaced").chmod(0o640)
    (tmp_path / "above").mkdir()
    (tmp_path / "above").chmod(0o750)
    replace_together(contents)
    assert mode(tmp_path / "old/replaced") == 0o640
    assert mode(tmp_path / "above/new") == 0o750


def test_a_folder_in_the_place_of_a_file_is_refused_and_left(tmp_path: Path, contents: dict[Path, bytes]) -> None:
    (tmp_path / "old/replaced").unlink()
    (tmp_path / "old/replaced").mkdir()
    before = everything(tmp_path)
    with pytest.raises(OutputError, match="cannot write"):
        replace_together(contents)
    assert everything(tmp_path) == before


def test_one_process_at_a_time_has_the_lock(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(OutputError, match="another build"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_who_waits_for_the_lock_gets_it_when_it_is_free(tmp_path: Path) -> None:
    steps = []

    def second() -> None:
        with locked(tmp_path, wait=True):
            steps.append("second")

    waiting = threading.Thread(target=second)
    with locked(tmp_path):
        waiting.start()
        steps.append("first")
    waiting.join(60)
    assert steps == ["first", "second"]


def test_a_file_system_without_locks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(_handle: int, _operation: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(OutputError, match="cannot lock"), locked(tmp_path):
        pass


def test_a_build_that_fails_leaves_no_folder_behind(tmp_path: Path) -> None:
    def fail(staging: Path) -> None:
        (staging / "closed").mkdir(mode=0)
        raise OutputError("stop")

    with pytest.raises(OutputError, match="stop"), staging_directory(tmp_path / "new/folder/a.iso") as staging:
        fail(staging)
    assert everything(tmp_path) == {}


def test_the_next_build_names_what_a_killed_one_had_ready_and_removes_what_it_had_not(tmp_path: Path) -> None:
    ready, torn = tmp_path / ".a.x.isoforge", tmp_path / ".b.y.isoforge"
    for folder in (ready, torn, torn / "gathered"):
        folder.mkdir(mode=0o700)
    (torn / "gathered/b.iso").write_bytes(b"whole")
    (ready / "draft").write_bytes(b"whole")
    with open_directory(ready) as handle:
        commit(handle, {"draft": "a.iso"})
    with staging_directory(tmp_path / "c.iso") as staging:
        assert everything(tmp_path) == {staging.name: None, "a.iso": b"whole"}
    assert everything(tmp_path) == {"a.iso": b"whole"}


def test_published_drafts_are_all_there(tmp_path: Path) -> None:
    with staging_directory(tmp_path / "a.iso") as staging:
        drafts = {staging / "draft": tmp_path / "a.iso", staging / "m": tmp_path / "manifest.json"}
        for draft in drafts:
            draft.write_text(draft.name)
        publish(drafts)
    assert everything(tmp_path) == {"a.iso": b"draft", "manifest.json": b"m"}


def test_a_link_or_folder_in_the_place_of_an_output_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link.iso").symlink_to("elsewhere")
    (tmp_path / "folder.iso").mkdir()
    for name in ("link.iso", "folder.iso"):
        with pytest.raises(OutputError, match="not a regular file"), staging_directory(tmp_path / name):
            pass
