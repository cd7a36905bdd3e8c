"""The command that writes the draft, and the dates in it."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import pytest

from isoforge.errors import OutputError
from isoforge.image.base import BaseIso
from isoforge.image.repack import Graft, Method, repack_command, stage, volume_date

WHEN = datetime(2024, 4, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("method", "drives"),
    [
        (Method.GRAFT, ["-dev", "stdio:/out/draft.iso"]),
        (Method.REPACK, ["-indev", "base.iso", "-outdev", "stdio:/out/draft.iso"]),
        (Method.UNPACK, ["-outdev", "stdio:/out/draft.iso"]),
    ],
)
def test_command_replays_the_base_and_lays_the_staging_tree_over_it(
    base: BaseIso, method: Method, drives: list[str]
) -> None:
    assert repack_command(base, Path("/out/draft.iso"), modified="2024010100000042", method=method) == [
        "-stdio_sync", "off",
        "-pacifier", "interval=0.1",
        *drives,
        "-as", "mkisofs",
        "-r", "-J", "-joliet-long", "-l",
        "-iso-level", "3",
        "-hide-joliet", "./nocloud",
        "-hide-joliet", "./isoforge/build-*",
        "-V", "Ubuntu-Server 24.04 LTS amd64",
        "--modification-date=2024010100000042",
        "--gpt_disk_guid", "modification-date",
        "--set_all_file_dates", "set_to_mtime",
        "-graft-points", "/=.",
    ]  # fmt: skip


def test_staged_files_are_for_their_owner_and_of_one_age(tmp_path: Path) -> None:
    stage([Graft(target=PurePosixPath("/nocloud/h/user-data"), content=b"#cloud-config\n")], tmp_path, when=WHEN)
    file = tmp_path / "nocloud/h/user-data"
    assert file.read_bytes() == b"#cloud-config\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert {path.stat().st_mtime for path in (file, file.parent, file.parent.parent)} == {WHEN.timestamp()}


def test_a_file_in_the_way_of_a_folder_is_an_error(tmp_path: Path) -> None:
    grafts = [Graft(target=PurePosixPath(path), content=b"") for path in ("/nocloud", "/nocloud/h/user-data")]
    with pytest.raises(OutputError, match="cannot stage"):
        stage(grafts, tmp_path, when=WHEN)


def test_two_builds_have_two_file_systems() -> None:
    assert volume_date(WHEN, "0123456789ab") != volume_date(WHEN, "0123456789ac")


def test_no_date_lies_after_the_one_that_was_asked_for() -> None:
    assert "2023042312000000" < volume_date(WHEN, "ffffffffffff") < "2024042312000000"
