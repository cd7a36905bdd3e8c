"""Base ISOs that lie in odd places, under odd names, or are of odd kinds: they are built on, or refused in one line."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from isoforge.forge import multi
from isoforge.image.tree import View, read_file, read_tree
from isoforge.order import Order
from isoforge.proof.boot.synthetic_iso import make_base
from isoforge.proof.verify.verify import verify
from isoforge.run import run
from isoforge.selection import Selection
from isoforge.workspace import Workspace
from tests.conftest import ROOT
from tests.iso.conftest import Cli, Outcome
from tests.iso.faults import said

Q1 = "site-a-m710q1"
MADE = Path("baremetal/autoinstall/generated/_multi/n/ubuntu-autoinstall-n.iso")


@pytest.fixture
def build(cli: Cli) -> Cli:
    def multi(base: str | os.PathLike[str], *more: str, **env: str) -> Outcome:
        return cli("multi", "--host", Q1, f"--ubuntu-iso={os.fspath(base)}", "--name", "n", "--render", *more, **env)

    return multi


@pytest.mark.parametrize(
    "name",
    [
        "with spaces.iso",
        'it\'s "quoted".iso',
        "a:b,c;d.iso",
        "back\\slash.iso",
        "new\nline.iso",
        "-x.iso",
        "ünïcödé 東京.iso",
        "stdio:b.iso",
        "$(reboot) `x` %s {}.iso",
        " .iso",
        "no suffix",
    ],
)
def test_a_base_iso_by_any_name(build: Cli, noble: Path, fleet: Path, name: str) -> None:
    (fleet / name).hardlink_to(noble)
    outcome = build(name)
    assert outcome.code == 0, outcome.err
    assert (fleet / MADE).is_file()


def test_a_folder_of_an_odd_name_to_work_in(cli: Cli, build: Cli, noble: Path, fleet: Path) -> None:
    odd = 'it\'s a: "fleet", ünïcödé\\ '
    shutil.move(fleet / "baremetal", fleet / odd)
    outcome = build(noble, "--baremetal", odd)
    assert outcome.code == 0, outcome.err
    iso = fleet / odd / MADE.relative_to("baremetal")
    assert cli("verify", iso, "--base", noble).code == 0


def test_a_base_iso_that_cannot_be_written(build: Cli, noble: Path, fleet: Path) -> None:
    folder = fleet / "share"
    folder.mkdir()
    shutil.copy(noble, folder / "base.iso")
    (folder / "base.iso").chmod(0o400)
    folder.chmod(0o500)
    outcome = build(folder / "base.iso")
    folder.chmod(0o700)
    assert outcome.code == 0, outcome.err


@pytest.fixture
def mounted_read_only(noble: Path, tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "read-only"
    place.mkdir()
    run("mount", "--bind", noble.parent, place)
    try:
        run("mount", "-o", "remount,bind,ro", place)
        yield place
    finally:
        run("umount", place)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root")
def test_a_base_iso_on_a_read_only_file_system(build: Cli, noble: Path, mounted_read_only: Path) -> None:
    outcome = build(mounted_read_only / noble.name)
    assert outcome.code == 0, outcome.err


@pytest.fixture
def remote(noble: Path, tmp_path: Path) -> Iterator[Path]:
    """A folder with a base ISO on a file system that is a program (FUSE), as a network share often is."""
    behind, place = tmp_path / "behind", tmp_path / "share"
    for folder in (behind, place):
        folder.mkdir()
    shutil.copy(noble, behind)
    run("bindfs", behind, place)
    try:
        yield place
    finally:
        run("umount", place)


@pytest.mark.skipif(
    not (shutil.which("bindfs") and os.access("/dev/fuse", os.W_OK) and os.geteuid() == 0), reason="takes FUSE"
)
def test_base_iso_and_output_on_a_share(build: Cli, cli: Cli, noble: Path, fleet: Path, remote: Path) -> None:
    shutil.move(fleet / "baremetal", remote / "baremetal")
    outcome = build(remote / noble.name, "--baremetal", remote / "baremetal")
    assert outcome.code == 0, outcome.err
    assert cli("verify", remote / MADE, "--base", remote / noble.name).code == 0


def test_a_sparse_base_iso_gives_the_same_bytes(build: Cli, noble: Path, fleet: Path) -> None:
    assert build(noble).code == 0
    before = (fleet / MADE).read_bytes()
    sparse = fleet / noble.name
    run("cp", "--sparse=always", noble, sparse)
    assert build(sparse).code == 0
    assert (fleet / MADE).read_bytes() == before


def test_a_pipe_is_refused(build: Cli, fleet: Path) -> None:
    os.mkfifo(fleet / "pipe")
    said(build("pipe"), 5, "is not a regular file: copy its contents into one first")


def test_a_device_is_refused(build: Cli) -> None:
    said(build("/dev/zero"), 5, "/dev/zero is not a regular file")


@pytest.mark.parametrize(
    "address", ["https://releases.ubuntu.com/a.iso", "http://192.0.2.1/a.iso", "ftp://192.0.2.1/a"]
)
def test_an_address_is_refused(build: Cli, address: str) -> None:
    said(build(address), 5, "is a URL: download it first")


OTHER_XORRISO = ROOT / ".cache/xorriso-debian-13"
"""Where scripts/setup.sh unpacks the xorriso of Debian 13 with the libraries that it runs on."""

OF_THE_BUILD = frozenset(
    {
        "/isoforge/manifest.json", "/md5sum.txt", "/isoforge/build", "/boot/grub/grub.cfg", "/boot/grub/loopback.cfg",
        "/.disk/casper-uuid-generic", "/.disk/casper-uuid-generic-hwe",
    }
)  # fmt: skip
"""The files that tell one build from another; what they are made from has the version of xorriso in it."""


@pytest.mark.skipif(not OTHER_XORRISO.is_dir(), reason="scripts/setup.sh test fetches a second xorriso")
def test_another_xorriso_makes_the_same_iso(build: Cli, cli: Cli, noble: Path, fleet: Path) -> None:
    """Both readers find it sound, and each file lies at the same place with the same bytes."""
    both = {}
    for path in ("/usr/bin:/bin", f"{OTHER_XORRISO}:/usr/bin:/bin"):
        outcome = build(noble, "--json", PATH=path)
        assert outcome.code == 0, outcome.err
        version = json.loads(outcome.out)["xorriso_version"]
        both[version] = fleet / f"{version}.iso"
        shutil.copy(fleet / MADE, both[version])
        for reader in ("/usr/bin:/bin", f"{OTHER_XORRISO}:/usr/bin:/bin"):
            verified = cli("verify", both[version], "--base", noble, PATH=reader)
            assert verified.code == 0, verified.out
    assert "1.5.6" in both
    trees = [files(iso) for iso in both.values()]
    for ours in OF_THE_BUILD:
        assert len({tree.pop(ours)[0] for tree in trees}) == 1, ours
    assert all(tree == trees[0] for tree in trees)


def files(iso: Path) -> dict[str, tuple[int, str]]:
    """Each file on ``iso`` but the build's stamp: where it lies, and the digest of its content."""
    named = {str(path): node for path, node in read_tree(iso).items() if node.kind == "file"}
    return {
        path: (node.extent, hashlib.sha256(read_file(iso, node)).hexdigest())
        for path, node in named.items()
        if not path.startswith("/isoforge/build-")
    }


LARGE = (4 << 30) + (512 << 20)
"""Bytes of a file that takes more than one directory record; the ISO is one of 5 GB with it."""

LAYER = PurePosixPath("/casper/large.squashfs")


@pytest.fixture
def large_base(fleet: Path) -> Path:
    """A base ISO with `LAYER`, zeros but for a few `marks`. It takes no room: on the disk, zeros are a hole."""
    small, content, large = fleet / "small.iso", fleet / "content", fleet / "large.iso"
    make_base(small)
    with content.open("wb") as file:
        file.truncate(LARGE)
        for place, mark in marks().items():
            file.seek(place)
            file.write(mark)
    add = (
        "-indev", small, "-outdev", "-", "-boot_image", "any", "replay", "-compliance", "iso_9660_level=3",
        "-map", content, LAYER, "-rm", "/md5sum.txt", "--",
    )  # fmt: skip
    writing = shlex.join(["xorriso", *map(str, add)])
    run("sh", "-c", f"{writing} | cp --sparse=always /dev/stdin {shlex.quote(str(large))}")
    assert large.stat().st_size > 4.8e9
    assert large.stat().st_blocks * 512 < 100e6
    return large


def marks() -> dict[int, bytes]:
    """What stands where in the large file: at both ends, and across the first byte that 32 bits cannot count."""
    there = {place: hashlib.sha256(str(place).encode()).digest() for place in (0, (4 << 30) - 16, LARGE - 32)}
    return {**there, 0: b"hsqs" + there[0]}


def test_a_file_over_4_gib_stays_whole(large_base: Path, fleet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is forced to the disk here: 5 GB of zeros would take it a minute, and they are thrown away."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    order = Order(
        workspace=Workspace(baremetal=fleet / "baremetal"),
        selection=Selection(hosts=(Q1,)),
        name="n",
        base_iso=large_base,
        render=True,
    )
    result = multi(order)
    made = result.iso
    assert result.manifest.method == "repack"
    for view in View:
        node = read_tree(made, view)[LAYER]
        assert node.size == LARGE
        with made.open("rb") as iso:
            for place, mark in marks().items():
                iso.seek(node.extent + place)
                assert iso.read(len(mark)) == mark
    assert [fault for check in verify(made, base=large_base) for fault in check.faults] == []
    made.unlink()
