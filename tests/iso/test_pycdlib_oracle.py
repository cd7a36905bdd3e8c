"""pycdlib, another reader of ISO 9660, reads the same trees as isoforge: it shares no code with our reader."""

from __future__ import annotations

import calendar
import io
import shutil
import stat
import struct
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pycdlib
import pytest

from isoforge.image.layouts import ARM64_DOS, ARM64_GPT
from isoforge.image.sectors import BLOCK
from isoforge.image.tree import Node, View, read_joliet, read_tree, view_start
from isoforge.proof.boot.synthetic_iso import Kind, Release, make_base
from tests.iso import mutation as m
from tests.iso.test_kinds import CACHE, needs_arm64

KINDS = {
    "arm64-dos": Kind(layout=ARM64_DOS, hwe=True),
    "arm64-gpt": Kind(layout=ARM64_GPT, release=Release.RESOLUTE),
}
TYPES = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}

Tree = Mapping[PurePosixPath, Node]


@pytest.fixture(
    scope="module",
    params=["amd64", "built", *(pytest.param(name, marks=needs_arm64) for name in KINDS)],
)
def iso(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base of each architecture and layout, and an ISO that was built."""
    if request.param in ("amd64", "built"):
        path: Path = request.getfixturevalue("noble" if request.param == "amd64" else "good")
        return path
    path = tmp_path_factory.mktemp("oracle") / f"{request.param}.iso"
    make_base(path, kind=KINDS[request.param], cache=CACHE)
    return path


def by_pycdlib(image: Path, view: View = View.DEVICE, *, joliet: bool = False) -> Tree:
    """The tree of ``image`` as pycdlib reads it, with the extents on the device."""
    start = view_start(image, view)
    reader = pycdlib.PyCdlib()
    reader.open_fp(io.BytesIO(image.read_bytes()[start:]))
    kind = "joliet_path" if joliet else "rr_path"
    try:
        return {
            PurePosixPath(folder, name): _node(reader.get_record(**{kind: str(PurePosixPath(folder, name))}), start)
            for folder, folders, files in reader.walk(**{kind: "/"})
            for name in (*folders, *files)
        }
    finally:
        reader.close()


def _node(record: Any, start: int) -> Node:
    rock_ridge = record.rock_ridge
    if rock_ridge is None:  # Joliet
        kind, modified = "directory" if record.is_dir() else "file", 0.0
    else:
        kind = TYPES[stat.S_IFMT(rock_ridge.get_file_mode())]
        modified = _seconds(rock_ridge.dr_entries.tf_record.modification_time)
        assert (kind == "directory") == record.is_dir()
        assert (kind == "link") == rock_ridge.is_symlink()
    if kind == "link":
        return Node(kind=kind, modified=modified, target=rock_ridge.symlink_path().decode())
    size = record.get_data_length() if kind == "file" else 0
    extent = record.extent_location() * BLOCK + start if size else 0
    return Node(kind=kind, modified=modified, extent=extent, size=size)


def _seconds(date: Any) -> float:
    """A date of a directory record, whose fields pycdlib leaves as they are (ECMA-119, 9.1.5)."""
    fields = (1900 + date.years_since_1900, date.month, date.day_of_month, date.hour, date.minute, date.second)
    return float(calendar.timegm(fields) - 900 * date.gmtoffset)


def by_isoforge(image: Path, view: View = View.DEVICE, *, joliet: bool = False) -> Tree:
    """The same by isoforge, without the fields that pycdlib does not have."""
    tree = read_joliet(image, view) if joliet else read_tree(image, view)
    assert tree, "no such tree"
    assert not any(node.problem or node.continues for node in tree.values())
    return {path: replace(node, records=()) for path, node in tree.items()}


@pytest.mark.parametrize("view", View)
def test_both_read_the_same_names_types_links_extents_sizes_and_dates(iso: Path, view: View) -> None:
    tree = by_isoforge(iso, view)
    assert {node.kind for node in tree.values()} == set(TYPES.values())
    assert by_pycdlib(iso, view) == tree


@pytest.mark.parametrize("view", View)
def test_both_read_the_same_names_extents_and_sizes_by_joliet(iso: Path, view: View) -> None:
    tree = by_isoforge(iso, view, joliet=True)
    assert by_pycdlib(iso, view, joliet=True) == tree


def _other_name(iso: Path) -> None:
    m.put(iso, m.name_place(iso, b"vmlinuz", View.DEVICE), b"V")


def _other_extent(iso: Path) -> None:
    """To a block where no other file begins: of two files in one place pycdlib gives both the size of one."""
    m.put(iso, m.node(iso, "/casper/vmlinuz").records[0] + 2, struct.pack("<I", 16) + struct.pack(">I", 16))


@pytest.mark.parametrize("change", [_other_name, _other_extent])
def test_the_comparison_fails_for_an_image_with_one_change(
    noble: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    changed = Path(shutil.copyfile(noble, tmp_path / "changed.iso"))
    assert by_pycdlib(changed) == by_isoforge(noble)
    change(changed)
    assert by_pycdlib(changed) != by_isoforge(noble)
    assert by_isoforge(changed) != by_pycdlib(noble)
    assert by_pycdlib(changed) == by_isoforge(changed)
