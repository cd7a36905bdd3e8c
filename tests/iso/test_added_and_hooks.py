"""Files put onto the ISO as they are, and a script that changes the unpacked base ISO: listed, proven, reproducible."""

from __future__ import annotations

import json
import os
from hashlib import md5, sha256
from pathlib import Path, PurePosixPath

import pytest

from isoforge.image.tree import read_file, read_tree
from tests.iso.conftest import Cli
from tests.iso.mutation import with_manifest

Q1 = "site-a-m710q1"
GENERATED = Path("baremetal/autoinstall/generated")
BUILD = ("multi", "--host", Q1, "--render")


def iso_of(fleet: Path, name: str) -> Path:
    return fleet / GENERATED / "_multi" / name / f"ubuntu-autoinstall-{name}.iso"


def content(iso: Path, path: str) -> bytes:
    return read_file(iso, read_tree(iso)[PurePosixPath(path)])


def hook(fleet: Path, text: str, name: str = "hook.sh") -> Path:
    file = fleet / name
    file.write_text(f"#!/bin/sh\nset -eu\n{text}\n")
    file.chmod(0o755)
    return file


def test_files_and_folders_are_added_listed_and_proven(cli: Cli, fleet: Path, noble: Path, tmp_path: Path) -> None:
    (fleet / "a=b").write_text("a file\n")
    (fleet / "docs/sub").mkdir(parents=True)
    (fleet / "docs/sub/ü x.txt").write_text("deep\n")
    ran = cli(*BUILD, "--ubuntu-iso", noble, "--name", "n", "--add", "a=b=/lab/a", "--add", "docs=/lab/docs", "--json")
    assert ran.code == 0, ran.err
    added = {one["path"]: one["sha256"] for one in json.loads(ran.out)["added"]}
    assert added == {
        "/lab/a": sha256(b"a file\n").hexdigest(),
        "/lab/docs/sub/ü x.txt": sha256(b"deep\n").hexdigest(),
    }
    iso = iso_of(fleet, "n")
    assert content(iso, "/lab/docs/sub/ü x.txt") == b"deep\n"
    digest = md5(b"a file\n", usedforsecurity=False).hexdigest()
    assert f"{digest}  ./lab/a\n" in content(iso, "/md5sum.txt").decode()
    assert cli("verify", iso, "--base", noble).code == 0
    refused = cli("update", iso, "--render")
    assert (refused.code, "give them with --add again" in refused.err) == (2, True)
    copy = with_manifest(iso, tmp_path / "n.iso")
    copy.write_bytes(copy.read_bytes().replace(b"a file\n", b"a fire\n"))
    assert "/lab/a differs from the manifest's" in cli("verify", copy).out


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("docs", "expected SRC=/DEST"),
        ("docs=lab", "must be absolute"),
        ("docs=/", "must be absolute"),
        ("docs=/lab/../etc", "must be absolute"),
        ("docs=/lab/a\nb", "must be absolute"),
        ("docs=/nocloud/x", "belongs to the ISO itself"),
        ("docs=/autoinstall.yaml", "belongs to the ISO itself"),
        ("file=/MD5SUM.txt", "the base ISO has /md5sum.txt already"),
        ("missing=/lab/x", "No such file"),
        ("pipe=/lab/x", "it is a pipe"),
        ("links=/lab", "it is a link"),
        ("empty=/lab", "the folder is empty"),
    ],
)
def test_what_cannot_be_added_is_a_usage_error(cli: Cli, fleet: Path, noble: Path, option: str, message: str) -> None:
    for folder in ("docs", "links", "empty"):
        (fleet / folder).mkdir()
    (fleet / "docs/x").write_text("x")
    (fleet / "file").write_text("x")
    (fleet / "links/x").symlink_to("/etc/passwd")
    os.mkfifo(fleet / "pipe")
    ran = cli(*BUILD, "--ubuntu-iso", noble, "--name", "n", "--add", option)
    assert ran.code == 2, ran.err
    assert message in ran.err
    assert not iso_of(fleet, "n").exists()


def test_one_name_is_added_once(cli: Cli, fleet: Path, noble: Path) -> None:
    (fleet / "x").write_text("x")
    for second in ("x=/lab/x", "x=/lab/x/y", "x=/lab"):
        ran = cli(*BUILD, "--ubuntu-iso", noble, "--name", "n", "--add", "x=/lab/x", "--add", second)
        assert (ran.code, "is added twice" in ran.err) == (2, True)


def test_a_hook_changes_adds_and_removes_files(cli: Cli, fleet: Path, noble: Path) -> None:
    tree = {str(path): node for path, node in read_tree(noble).items()}
    victim = next(path for path in tree if path.startswith("/pool/") and tree[path].kind == "file")
    script = hook(
        fleet,
        f"""pwd > ../pwd; [ "$ISOFORGE_TREE" = "$(pwd)" ]; echo "$ISOFORGE_NAME $ISOFORGE_ARCH" > made-by
echo 'Ubuntu' >> casper/filesystem.manifest-extra; rm .{victim}; touch md5sum.txt
cp -p .disk/info x; cat x > .disk/info; rm x""",
    )
    words = (*BUILD, "--ubuntu-iso", noble, "--unpack", "--hook", script)
    ran = cli(*words, "--name", "n", "--json")
    assert ran.code == 0, ran.err
    facts = json.loads(ran.out)["hook"]
    assert (facts["name"], facts["sha256"]) == ("hook.sh", sha256(script.read_bytes()).hexdigest())
    assert [one["path"] for one in facts["changed"]] == ["/casper/filesystem.manifest-extra", "/made-by"]
    assert facts["removed"] == [victim]
    iso = iso_of(fleet, "n")
    assert content(iso, "/made-by") == b"n amd64\n"
    sums = content(iso, "/md5sum.txt").decode()
    assert "./made-by\n" in sums
    assert victim not in sums
    proof = cli("verify", iso, "--base", noble)
    assert proof.code == 0, proof.out
    first = iso.read_bytes()
    assert cli(*words, "--name", "n").code == 0
    assert iso.read_bytes() == first
    hook(fleet, "echo other > made-by")
    assert cli(*words, "--name", "n").code == 0
    assert iso.read_bytes() != first


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo one; echo 'no such luck' >&2; exit 3", "hook.sh failed: no such luck"),
        ("mkdir nocloud; echo x > nocloud/x", "are written by isoforge"),
        ("ln -s /etc/passwd here", "/here, which is neither a file nor a folder"),
        ("touch 'a\nb'", "has control characters"),
    ],
)
def test_a_hook_that_fails_or_leaves_what_cannot_be_there(
    cli: Cli, fleet: Path, noble: Path, script: str, message: str
) -> None:
    ran = cli(*BUILD, "--ubuntu-iso", noble, "--name", "n", "--unpack", "--hook", hook(fleet, script))
    assert ran.code == 6, ran.err
    assert message in ran.err
    assert not iso_of(fleet, "n").exists()
    assert not list((fleet / GENERATED).rglob("*.isoforge"))


def test_a_hook_needs_unpack_and_a_program(cli: Cli, fleet: Path, noble: Path) -> None:
    script = hook(fleet, "true")
    assert "--hook needs --unpack" in cli(*BUILD, "--ubuntu-iso", noble, "--name", "n", "--hook", script).err
    script.chmod(0o644)
    words = (*BUILD, "--ubuntu-iso", noble, "--name", "n", "--unpack", "--hook")
    assert "is not executable" in cli(*words, script).err
    ran = cli(*words, fleet / "missing")
    assert (ran.code, "does not exist" in ran.err) == (2, True)
