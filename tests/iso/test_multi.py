"""The main job: hosts and a base ISO in, one ISO out that holds what was meant, on every view of it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
import yaml

from isoforge.forge import BuildResult, multi
from isoforge.image.base import read_base
from isoforge.image.sectors import read_gpt
from isoforge.image.tree import View, read_file, read_joliet, read_tree
from isoforge.iso_layout import SCRIPTS_FOLDER, SEED_FILES
from isoforge.order import Order
from isoforge.run import run
from isoforge.selection import Selection
from isoforge.workspace import Workspace
from tests.iso.conftest import Cli
from tests.iso.faults import for_one_pass

HOSTS = ("site-a-m710q1", "site-a-m710q2")
GENERATED = "baremetal/autoinstall/generated"


@pytest.fixture
def built(fleet: Path, noble: Path) -> BuildResult:
    return multi(order(fleet / "baremetal", noble, render=True))


def order(baremetal: Path, base_iso: Path, *, render: bool = False, unpack: bool = False) -> Order:
    """The order of the guide."""
    return Order(
        workspace=Workspace(baremetal=baremetal),
        selection=Selection(hosts=HOSTS),
        name="prod-2025-03",
        base_iso=base_iso,
        timeout_s=15,
        render=render,
        unpack=unpack,
    )


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_output_lies_where_the_guide_says(built: BuildResult, fleet: Path) -> None:
    folder = fleet / GENERATED / "_multi/prod-2025-03"
    assert sorted(path.name for path in folder.iterdir()) == [
        "SUMMARY.txt",
        "manifest.json",
        "ubuntu-autoinstall-prod-2025-03.iso",
    ]
    assert built.iso == folder / "ubuntu-autoinstall-prod-2025-03.iso"
    assert stat.S_IMODE(built.iso.stat().st_mode) == 0o600


def test_seeds_on_the_iso_are_those_that_were_rendered_with_one_copy_of_their_scripts(
    built: BuildResult, fleet: Path
) -> None:
    tree = read_tree(built.iso)
    for host in HOSTS:
        folder = fleet / GENERATED / host
        on_iso = {name: read_file(built.iso, tree[PurePosixPath("/nocloud", host, name)]) for name in SEED_FILES}
        assert on_iso["meta-data"] == (folder / "meta-data").read_bytes()
        whole, calling = (yaml.safe_load(text) for text in ((folder / "user-data").read_bytes(), on_iso["user-data"]))
        for commands in ("early-commands", "late-commands", "error-commands"):
            pairs = list(zip(whole["autoinstall"][commands], calling["autoinstall"][commands], strict=True))
            ours = [(inline, call) for inline, call in pairs if inline != call]
            assert ours
            for inline, call in ours:
                script = read_file(built.iso, tree[SCRIPTS_FOLDER / call[3]])
                assert inline[2] == script.decode()
                call[2] = inline[2]
        assert calling == whole
        assert sorted(path.name for path in tree if path.parent.name == host) == sorted(SEED_FILES)
        assert tree[PurePosixPath(f"/nocloud/{host}/vendor-data")].size == 0


def test_stick_and_cd_show_the_same_files(built: BuildResult) -> None:
    assert read_tree(built.iso, View.PARTITION) == read_tree(built.iso, View.DEVICE)


def test_xorriso_reads_the_same_tree_through_the_partition(built: BuildResult, tmp_path: Path) -> None:
    view = tmp_path / "partition.iso"
    with built.iso.open("rb") as whole:
        whole.seek(32768)
        view.write_bytes(whole.read())
    listings = [run("xorriso", "-no_rc", "-indev", iso, "-find", "/", "-exec", "lsdl") for iso in (built.iso, view)]
    catalog_is_a_file_there = listings[0].replace("er--r--r--", "-r--r--r--")
    assert catalog_is_a_file_there == listings[1]
    assert "/nocloud/site-a-m710q1/user-data" in listings[0]


def test_boot_records_are_the_bases(built: BuildResult, noble: Path, tmp_path: Path) -> None:
    for name in ("before", "after"):
        (tmp_path / name).mkdir()
    base = read_base(noble, tmp_path / "before")
    folder = tmp_path / "after"
    run("xorriso", "-no_rc", "-osirrox", "on", "-indev", built.iso, "-extract_boot_images", folder / "boot-records")
    esp = "boot-records/gpt_part2_efi.img"
    assert (tmp_path / "before" / esp).read_bytes() == (folder / esp).read_bytes()
    assert (folder / esp).read_bytes() == (folder / "boot-records/eltorito_img2_uefi.img").read_bytes()
    assert base.boot_records == tmp_path / "before/boot-records"


def test_partition_table_has_no_fault(built: BuildResult) -> None:
    gpt = read_gpt(built.iso)
    assert gpt is not None
    assert gpt.problems == ()
    warnings: list[str] = []
    run("/usr/sbin/sfdisk", "-d", built.iso, on_line=warnings.append)
    assert warnings == []


def test_every_file_of_the_base_is_still_there_and_unchanged(built: BuildResult, noble: Path) -> None:
    before, after = read_tree(noble), read_tree(built.iso)
    rewritten = {*built.manifest.replaced, "/boot.catalog", "/boot/grub/i386-pc/eltorito.img"}
    for path, node in before.items():
        if str(path) not in rewritten:
            now = after[path]
            assert (now.kind, now.target) == (node.kind, node.target)
            assert read_file(built.iso, now) == read_file(noble, node), path


def test_joliet_is_still_there(built: BuildResult) -> None:
    with built.iso.open("rb") as file:
        file.seek(17 * 2048)
        descriptors = [file.read(2048) for _ in range(4)]
    assert any(sector[0] == 2 and sector[88:91] in (b"%/@", b"%/C", b"%/E") for sector in descriptors)


def test_joliet_has_everything_but_seeds_and_what_the_menu_knows_its_medium_by(built: BuildResult) -> None:
    joliet, everything = read_joliet(built.iso), read_tree(built.iso)
    links = {path for path, node in everything.items() if node.kind == "link"}
    hidden = {path for path in everything if PurePosixPath("/nocloud") in (path, *path.parents)}
    hidden.add(PurePosixPath("/isoforge", f"build-{built.manifest.build_id}"))
    assert joliet is not None
    assert everything.keys() - joliet.keys() - links == hidden
    assert everything.keys() >= joliet.keys()


def test_md5sum_txt_is_true_for_every_file_it_lists(built: BuildResult) -> None:
    tree = read_tree(built.iso)
    lines = read_file(built.iso, tree[PurePosixPath("/md5sum.txt")]).decode().splitlines()
    listed = {}
    for line in lines:
        digest, name = line.split("  ./")
        content = read_file(built.iso, tree[PurePosixPath("/", name)])
        assert hashlib.md5(content, usedforsecurity=False).hexdigest() == digest, name
        listed[name] = digest
    assert len(listed) == len(lines)
    assert {"boot/grub/grub.cfg", "nocloud/site-a-m710q2/user-data", "isoforge/manifest.json"} <= listed.keys()


def test_nothing_at_the_root_installs_by_itself(built: BuildResult) -> None:
    assert PurePosixPath("/autoinstall.yaml") not in read_tree(built.iso)


def test_manifest_tells_the_truth(built: BuildResult, noble: Path) -> None:
    told = json.loads(built.manifest_file.read_text())
    assert told["schema_version"] == 1
    assert told["iso"] == {
        "file": built.iso.name,
        "size": built.iso.stat().st_size,
        "sha256": sha256(built.iso.read_bytes()),
    }
    assert told["base_iso"]["file"] == noble.name
    assert told["base_iso"]["sha256"] == sha256(noble.read_bytes())
    assert told["base_iso"]["release"] == "24.04"
    assert told["base_iso"]["volume_id"] == "Ubuntu-Server 24.04 LTS amd64"
    assert [host["name"] for host in told["hosts"]] == list(HOSTS)
    tree = read_tree(built.iso)
    for host in told["hosts"]:
        for name in ("user-data", "meta-data"):
            content = read_file(built.iso, tree[PurePosixPath(host["seed"]) / name])
            assert host[f"{name.replace('-', '_')}_sha256"] == sha256(content)
    assert (told["default_host"], told["timeout_s"]) == (None, 15)
    assert re.fullmatch(r"1\.5\.\d+", told["xorriso_version"])


def test_copy_of_the_manifest_on_the_iso_leaves_out_what_it_cannot_know(built: BuildResult) -> None:
    node = read_tree(built.iso)[PurePosixPath("/isoforge/manifest.json")]
    inside = json.loads(read_file(built.iso, node))
    beside = json.loads(built.manifest_file.read_text())
    assert inside["iso"] is None
    assert inside["hosts"] == beside["hosts"]
    assert inside["build_id"] == beside["build_id"]


def test_memo_names_what_matters(built: BuildResult) -> None:
    memo = built.summary.read_text()
    for words in (*HOSTS, built.iso.name, "15 seconds", "boots from its local disk", "dd if=", "sha256sum"):
        assert words in memo


def test_memo_shouts_what_the_timeout_installs(cli: Cli, noble: Path, fleet: Path) -> None:
    args = ("--ubuntu-iso", noble, "--name", "n", "--default-host", HOSTS[1], "--timeout", "7", "--render")
    assert cli("multi", "--host", HOSTS[0], "--host", HOSTS[1], *args).code == 0
    memo = (fleet / GENERATED / "_multi/n/SUMMARY.txt").read_text()
    assert f"after 7 seconds without a key press, {HOSTS[1]} IS INSTALLED" in memo
    facts = [line.partition("  ")[0] for line in memo.splitlines()[3:12]]
    assert facts == ["ISO", "Size", "SHA-256", "Build", "Base ISO", "", "", "", "Built with"]


def test_same_inputs_give_the_same_bytes(built: BuildResult, tmp_path: Path, noble: Path) -> None:
    elsewhere = tmp_path / "else where"
    built.iso.parents[4].joinpath("inventory").rename(elsewhere)
    (tmp_path / "b").mkdir()
    elsewhere.rename(tmp_path / "b/inventory")
    old = os.umask(0o002)
    try:
        again = multi(order(tmp_path / "b", noble, render=True))
    finally:
        os.umask(old)
    assert again.iso.read_bytes() == built.iso.read_bytes()


def test_another_overlay_gives_another_file_system(built: BuildResult, fleet: Path, noble: Path) -> None:
    selection = Selection(hosts=HOSTS[:1])
    other = multi(replace(order(fleet / "baremetal", noble, render=False), selection=selection, name="prod-2025-03b"))
    uuids = {run("xorriso", "-no_rc", "-indev", iso, "-pvd_info").split("Modif. Time  : ")[1][:16] for iso in (
        built.iso, other.iso, noble,
    )}  # fmt: skip
    assert len(uuids) == 3


def test_unpacked_build_has_the_same_tree(built: BuildResult, fleet: Path, noble: Path, tmp_path: Path) -> None:
    graft = shutil.copyfile(built.iso, tmp_path / "graft.iso")
    one_pass = multi(order(fleet / "baremetal", for_one_pass(noble, tmp_path / noble.name)))
    isos = [graft, one_pass.iso.rename(tmp_path / "one-pass.iso")]
    isos.append(multi(order(fleet / "baremetal", noble, unpack=True)).iso)
    lists = [run("xorriso", "-no_rc", "-indev", iso, "-find", "/", "-exec", "lsdl").splitlines() for iso in isos]
    contents = [digests(iso) for iso in isos]
    assert lists[1] == lists[2]
    assert contents[1] == contents[2]
    only = ("/isoforge", "/isoforge/base-head", "/isoforge/manifest.json", "/md5sum.txt")
    assert [line for line in lists[0] if not line.endswith(tuple(f"'{path}'" for path in only))] == [
        line for line in lists[1] if not line.endswith(tuple(f"'{path}'" for path in only))
    ]
    assert {str(path) for path in contents[0] if contents[0][path] != contents[1].get(path)} == set(only[1:])


def digests(iso: Path) -> dict[PurePosixPath, str]:
    moved = {PurePosixPath("/boot.catalog"), PurePosixPath("/boot/grub/i386-pc/eltorito.img")}
    return {
        path: sha256(read_file(iso, node))
        for path, node in read_tree(iso).items()
        if node.kind == "file" and path not in moved
    }
