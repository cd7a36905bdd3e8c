"""The directories of an ISO are read as they were written: long names, links, deep folders, huge files."""

from __future__ import annotations

import contextlib
import os
import struct
from pathlib import Path, PurePosixPath

import pytest

from isoforge.errors import BaseIsoError
from isoforge.image.tree import Node, read_file, read_tree
from isoforge.run import run
from tests.iso import mutation as m

EPOCH = 1713873600


def written(tree: Path, iso: Path, *options: str) -> Path:
    run("xorriso", "-no_rc", "-as", "mkisofs", "-r", *options, "-o", iso, tree)
    return iso


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    folder = root.joinpath(*(f"level-{number}-{'x' * 60}" for number in range(12)))
    folder.mkdir(parents=True)
    (folder / "deep").write_text("deep")
    (root / ("n" * 240)).write_text("long name")
    (root / "ünïcødé ; name").write_text("other letters")
    (root / "empty").write_bytes(b"")
    (root / "many").mkdir()
    for number in range(300):
        (root / f"many/{number:03d}-{'y' * 40}").write_text(str(number))
    for name, target in {
        "here": ".", "up": "../..", "root": "/", "far": "/" + "/".join(["z" * 200] * 4), "long": "w" * 250,
        "dots": "../a/./b",
    }.items():  # fmt: skip
        (root / name).symlink_to(target)
    for path in (*root.rglob("*"), root):
        os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)
    return root


@pytest.mark.parametrize("options", [(), ("-J", "-joliet-long", "-l", "-iso-level", "3"), ("-partition_offset", "16")])
def test_tree_is_read_as_it_was_written(tree: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    iso = written(tree, tmp_path / "x.iso", *options)
    found = read_tree(iso)
    assert {str(path) for path in found} == {f"/{path.relative_to(tree)}" for path in tree.rglob("*")}
    for path, node in found.items():
        source = tree / path.relative_to("/")
        assert node.modified == EPOCH
        if source.is_symlink():
            assert (node.kind, node.target) == ("link", os.readlink(source)), path  # noqa: PTH115 - the text as it is
        elif source.is_dir():
            assert node.kind == "directory"
        else:
            assert (node.kind, read_file(iso, node)) == ("file", source.read_bytes()), path


def test_file_in_several_stretches_is_one(tmp_path: Path) -> None:
    """As files over 4 GiB are recorded; here the stretches are made small by hand."""
    (tmp_path / "tree").mkdir()
    for name in ("a", "b"):
        (tmp_path / "tree" / name).write_bytes(name.encode() * 2048)
    iso = written(tmp_path / "tree", tmp_path / "x.iso")
    before = read_tree(iso)
    first, second = (before[PurePosixPath("/", name)] for name in ("a", "b"))
    assert second.extent == first.extent + 2048
    whole = iso.read_bytes()
    place = whole.index(b"NM\x06\x01\x00b")
    m.put(iso, place + 5, b"a")
    m.put(iso, whole.rindex(b"A", 0, whole.index(b"NM\x06\x01\x00a")) - 33 + 25, b"\x80")
    assert read_tree(iso) == {
        PurePosixPath("/a"): Node(kind="file", modified=first.modified, extent=first.extent, size=4096)
    }


def test_file_in_pieces_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    for name in ("a", "b", "c"):
        (tmp_path / "tree" / name).write_bytes(name.encode() * 2048)
    iso = written(tmp_path / "tree", tmp_path / "x.iso")
    m.put(iso, iso.read_bytes().index(b"NM\x06\x01\x00c") + 5, b"a")
    with pytest.raises(BaseIsoError, match="not contiguous"):
        read_tree(iso)


@pytest.mark.parametrize("name", [b"/", b"."])
def test_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: bytes) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/a").write_text("x")
    iso = written(tmp_path / "tree", tmp_path / "x.iso")
    m.put(iso, iso.read_bytes().index(b"NM\x06\x01\x00a") + 5, name)
    with pytest.raises(BaseIsoError, match="is called"):
        read_tree(iso)


def test_no_flipped_byte_of_the_directories_is_a_bug(tmp_path: Path) -> None:
    """Whatever stands there, it is read or refused, and the end comes soon."""
    (tmp_path / "tree/folder").mkdir(parents=True)
    (tmp_path / "tree/folder/file").write_text("x")
    (tmp_path / "tree/link").symlink_to("folder/file")
    iso = written(tmp_path / "tree", tmp_path / "x.iso")
    whole = iso.read_bytes()
    root = struct.unpack_from("<I", whole, 16 * 2048 + 158)[0] * 2048
    for place in (*range(root, root + 500), *range(root + 2048, root + 2048 + 300)):
        for byte in (0, 1, 0x7F, 0xFF):
            m.put(iso, place, bytes([byte]))
            with contextlib.suppress(BaseIsoError):
                read_tree(iso)
        m.put(iso, place, whole[place : place + 1])
