"""The proof by reading: what is sound passes, what cannot be asked is skipped, and the answer is fit for machines."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path, PurePosixPath

import pytest

from isoforge.errors import BaseIsoError
from isoforge.forge import multi
from isoforge.image.tree import Node, read_file, read_tree
from isoforge.order import Order
from isoforge.proof.boot.synthetic_iso import Release, make_base
from isoforge.proof.manifest import Manifest
from isoforge.proof.read.read_once import CHUNK, Other, read_once
from isoforge.proof.verify import menu_start
from isoforge.proof.verify.check import Outcome
from isoforge.proof.verify.verify import structural, verify
from isoforge.run import run
from isoforge.selection import Selection
from isoforge.workspace import Workspace
from tests.iso import mutation as m
from tests.iso.conftest import Cli

NAMES = [
    "volume", "descriptors", "directories", "partitions", "system-area", "el-torito", "esp", "views", "shadowing",
    "kernel-lines", "menu", "machines", "start", "seeds", "md5sum", "base-files", "inside", "manifest",
    "digest", "anchor",
]  # fmt: skip
NEED_A_MANIFEST = {"machines", "seeds", "manifest", "digest", "anchor"}

SEED = "#cloud-config\nautoinstall: {version: 1}\n"


def faults(iso: Path, base: Path | None = None) -> list[str]:
    return [f"{check.name}: {fault}" for check in verify(iso, base=base) for fault in check.faults]


def outcomes(iso: Path, base: Path | None = None) -> dict[str, Outcome]:
    return {check.name: check.outcome for check in verify(iso, base=base)}


def test_a_proof_that_two_processes_share_is_the_same(
    good: Path, noble: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    iso = tmp_path / "other.iso"
    shutil.copyfile(good, iso)
    m.rewrite(iso, "/isoforge/hosts.tsv", "pc0exmp1", "pc0exmp7")
    m.rewrite(iso, m.MENU, "set timeout=15", "set timeout=16")
    monkeypatch.setattr("isoforge.halves.os.sched_getaffinity", lambda _: {0, 1})
    for one in (good, iso):
        alone = verify(one, base=noble)
        monkeypatch.setattr(menu_start, "FEWEST_TO_SHARE", 2)
        assert verify(one, base=noble) == alone
        monkeypatch.undo()
        monkeypatch.setattr("isoforge.halves.os.sched_getaffinity", lambda _: {0, 1})
    assert "start" in {check.name for check in verify(iso) if check.faults}


@pytest.mark.parametrize("release", Release)
@pytest.mark.parametrize("hwe", [False, True])
def test_base_iso_has_no_fault(tmp_path: Path, release: Release, hwe: bool) -> None:
    iso = tmp_path / "base.iso"
    make_base(iso, release=release, hwe=hwe)
    assert faults(iso) == []
    assert {name for name, outcome in outcomes(iso).items() if outcome is Outcome.SKIPPED} == {
        *NEED_A_MANIFEST,
        "base-files",
        "inside",
    }


def test_own_iso_has_no_fault_and_every_question_is_asked(good: Path, noble: Path) -> None:
    assert outcomes(good, noble) == dict.fromkeys(NAMES, Outcome.OK)


@pytest.mark.parametrize("release", Release)
@pytest.mark.parametrize("unpack", [False, True])
def test_own_isos_of_every_release_have_no_fault(fleet: Path, release: Release, unpack: bool) -> None:
    base = fleet / "base.iso"
    make_base(base, release=release)
    order = Order(
        workspace=Workspace(baremetal=fleet / "baremetal"), selection=Selection(all_hosts=True),
        name="n", base_iso=base, default_host="site-a-m710q1",
        render=True, unpack=unpack,
    )  # fmt: skip
    iso = multi(order).iso
    assert faults(iso, base) == []
    skipped = {name for name, outcome in outcomes(iso, base).items() if outcome is Outcome.SKIPPED}
    assert skipped == ({"inside"} if unpack else set())


def test_iso_written_by_replay_has_no_fault(noble: Path, tmp_path: Path) -> None:
    """The way in which most remasters are written: padding behind the backup GPT, Gap1 and Joliet left out."""
    iso = m.remaster(noble, tmp_path / "other.iso", {"/nocloud/user-data": "#cloud-config\n", "/nocloud/meta-data": ""})
    assert faults(iso, noble) == []
    (partitions,) = [check for check in verify(iso) if check.name == "partitions"]
    assert any("padding" in remark for remark in partitions.remarks)


def test_replay_of_an_own_iso_is_told_only_by_its_digest(good: Path, noble: Path, tmp_path: Path) -> None:
    iso = m.remaster(good, tmp_path / "again.iso", {})
    shutil.copyfile(good.with_name("manifest.json"), tmp_path / "manifest.json")
    assert {line.partition(":")[0] for line in faults(iso, noble)} == {"digest", "inside"}


def test_seed_found_by_other_means_is_no_fault(noble: Path, tmp_path: Path) -> None:
    lines = "".join(
        f'menuentry "{number}" {{\n linux /casper/vmlinuz {words} ---\n initrd /casper/initrd\n}}\n'
        for number, words in enumerate([
            "autoinstall",
            "autoinstall ds=nocloud",
            r"autoinstall ds=nocloud\;s=http://192.0.2.1/seed/",
            "autoinstall 'ds=nocloud;s=/cdrom/nocloud/__dmi.system-uuid__/'",
            r"autoinstall ds=nocloud\;h=web\;s=file:///cdrom/nocloud/",
            r"$cmdline autoinstall ds=nocloud\;s=/cdrom/$host/",
        ])
    )  # fmt: skip
    files = {m.MENU: lines, "/nocloud/user-data": SEED, "/nocloud/meta-data": ""}
    md5sums = read_file(noble, read_tree(noble)[PurePosixPath("/md5sum.txt")]).decode().splitlines(keepends=True)
    files["/md5sum.txt"] = "".join(line for line in md5sums if "grub.cfg" not in line)
    assert faults(m.remaster(noble, tmp_path / "other.iso", files), noble) == []


def test_isolinux_takes_the_seed_as_it_is(noble: Path, tmp_path: Path) -> None:
    """The layout of 20.04: no quotes, no backslashes."""
    text = "label a\n menu label ^Install\n kernel /casper/vmlinuz\n append initrd=/casper/initrd autoinstall @ ---\n"
    files = {"/isolinux/txt.cfg": text.replace("@", "ds=nocloud;s=/cdrom/")}
    files |= {"/user-data": SEED, "/meta-data": ""}
    assert faults(m.remaster(noble, tmp_path / "other.iso", files)) == []


def test_iso_of_something_else_is_no_bug(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/file").write_text("x")
    plain, bare = tmp_path / "plain.iso", tmp_path / "bare.iso"
    run("xorriso", "-as", "mkisofs", "-r", "-o", plain, tmp_path / "tree")
    run("xorriso", "-as", "mkisofs", "--norock", "-o", bare, tmp_path / "tree")
    assert {"el-torito: no El Torito boot records: a CD drive cannot boot it"} <= set(faults(plain))
    assert any("no Rock Ridge names" in line for line in faults(bare))
    assert outcomes(bare)["views"] is Outcome.SKIPPED


def test_iso_dumped_from_a_larger_stick_has_no_fault(good: Path, noble: Path, tmp_path: Path) -> None:
    iso = m.with_manifest(good, tmp_path / good.name)
    with iso.open("ab") as file:
        file.write(os.urandom(1 << 20))
    checks = {check.name: check for check in verify(iso, base=noble)}
    assert [check.name for check in checks.values() if check.faults] == []
    assert "1048576 bytes follow" in checks["partitions"].remarks[0]
    assert "1048576 bytes follow" in checks["digest"].remarks[0]
    m.flip_in(iso, "/casper/initrd", 7)
    assert any(line.startswith("digest: the SHA-256") for line in faults(iso, noble))


def test_seed_iso_has_no_fault(cli: Cli, fleet: Path) -> None:
    outcome = cli("seed", "--host", "site-a-m710q1", "--render")
    assert outcome.code == 0, outcome.err
    assert faults(fleet / outcome.out.strip()) == []


@pytest.mark.parametrize("firmware", ["--bios", "--uefi", "--both"])
def test_iso_of_grub_mkrescue_has_no_fault(tmp_path: Path, firmware: str) -> None:
    """Others' ISOs may be for one firmware only: that is a remark."""
    menu, iso = tmp_path / "boot/grub/grub.cfg", tmp_path / "rescue.iso"
    menu.parent.mkdir(parents=True)
    menu.write_text('menuentry "x" {\n\ttrue\n}\n')
    folders = {"--bios": ["-d", "/usr/lib/grub/i386-pc"], "--uefi": ["-d", "/usr/lib/grub/x86_64-efi"], "--both": []}
    run("grub-mkrescue", *folders[firmware], "-o", iso, tmp_path / "boot/..")
    checks = {check.name: check for check in verify(iso)}
    assert [f"{check.name}: {fault}" for check in checks.values() for fault in check.faults] == []
    other = {"--bios": "UEFI", "--uefi": "BIOS", "--both": None}[firmware]
    remarks = checks["el-torito"].remarks
    assert [f"the {other} boot record is missing" in remark for remark in remarks] == ([True] if other else [])


def test_whole_is_read_in_one_pass(good: Path) -> None:
    tree = read_tree(good)
    reading = read_once(good, tree)
    assert reading.sha256 == hashlib.sha256(good.read_bytes()).hexdigest()
    for path, node in tree.items():
        if node.kind == "file":
            content = read_file(good, node)
            assert reading.md5s[path] == hashlib.md5(content, usedforsecurity=False).hexdigest(), path


def test_files_that_share_places_or_overlap_are_each_read(tmp_path: Path) -> None:
    image, other = tmp_path / "one", tmp_path / "two"
    content = os.urandom(2 * CHUNK + 999)
    image.write_bytes(content)
    other.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    files = {
        PurePosixPath(name): Node(kind="file", extent=start, size=size)
        for name, start, size in (
            ("/a", 5, 10), ("/same", 5, 10), ("/over", 7, CHUNK), ("/all", 0, len(content)),
            ("/last", len(content) - 1, 1), ("/edge", CHUNK - 1, 2), ("/none", 0, 0), ("/behind", len(content) - 1, 2),
        )
    }  # fmt: skip
    reading = read_once(image, files, other=Other(path=other, files=files))
    for path, node in files.items():
        if str(path) != "/behind":
            part = content[node.extent : node.extent + node.size]
            assert reading.md5s[path] == hashlib.md5(part, usedforsecurity=False).hexdigest(), path
    assert PurePosixPath("/behind") not in reading.md5s
    assert reading.differing == {PurePosixPath("/all"), PurePosixPath("/last")}


def test_draft_is_asked_without_reading_its_large_files(good: Path, noble: Path, tmp_path: Path) -> None:
    manifest = Manifest.from_json(good.with_name("manifest.json").read_text())
    place = PurePosixPath(m.MENU)
    staged = {place: read_file(good, read_tree(good)[place])}
    draft = tmp_path / "draft.iso"
    shutil.copyfile(good, draft)
    m.flip_in(draft, "/casper/ubuntu-server-minimal.squashfs", 9)
    m.flip_in(draft, "/nocloud/site-a-m710q2/user-data", 99)
    m.menu(draft, " autoinstall ", " autoinstalX ")
    run("xorriso", "-no_rc", "-osirrox", "on", "-indev", noble, "-extract_boot_images", tmp_path / "records")
    records = {file.stem: file.read_bytes() for file in (tmp_path / "records").iterdir()}
    records["mbr_code_grub2"] = bytes(446)
    del records["gpt_part2_efi"]
    faults = {
        check.name: check.faults
        for check in structural(draft, base=noble, manifest=manifest, staged=staged, boot_records=records)
        if check.faults
    }
    assert {"seeds", "staged", "menu", "md5sum"} <= faults.keys()
    assert faults["boot-records"] == (
        "mbr_code_grub2 differs from the one extracted from the base ISO",
        "gpt_part2_efi was not extracted from the base ISO",
    )
    assert "/casper/ubuntu-server-minimal.squashfs differs from the base ISO's" not in faults.get("base-files", ())


def test_draft_that_is_no_iso_is_a_failed_check(good: Path, noble: Path, tmp_path: Path) -> None:
    (tmp_path / "draft.iso").write_bytes(bytes(1 << 20))
    manifest = Manifest.from_json(good.with_name("manifest.json").read_text())
    (check,) = structural(tmp_path / "draft.iso", base=noble, manifest=manifest, staged={}, boot_records={})
    assert check.outcome is Outcome.FAILED
    assert "is not an ISO image" in check.faults[0]


def test_no_iso_at_all(tmp_path: Path, noble: Path) -> None:
    (tmp_path / "notes").write_text("x")
    for iso in (tmp_path / "notes", tmp_path, tmp_path / "not-there.iso"):
        with pytest.raises(BaseIsoError):
            verify(iso)
        with pytest.raises(BaseIsoError):
            verify(noble, base=iso)


def test_command_prints_one_line_a_check(cli: Cli, good: Path, noble: Path) -> None:
    outcome = cli("verify", good, "--base", noble)
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert [line.split()[1] for line in lines] == NAMES
    assert all(line.startswith("ok ") for line in lines)


def test_command_gives_8_and_one_line_on_stderr(cli: Cli, noble: Path, tmp_path: Path) -> None:
    iso = m.remaster(noble, tmp_path / "other.iso", {"/autoinstall.yaml": "version: 1\n"})
    outcome = cli("verify", iso)
    assert outcome.code == 8
    assert "\n          /autoinstall.yaml is in the root folder" in outcome.out
    assert outcome.err == ("error: other.iso: 1 of 20 checks failed (shadowing)\n")


def test_command_prints_json(cli: Cli, noble: Path, tmp_path: Path) -> None:
    iso = m.remaster(noble, tmp_path / "other.iso", {"/autoinstall.yaml": "version: 1\n"})
    outcome = cli("verify", iso, "--json")
    assert outcome.code == 8
    told = json.loads(outcome.out)
    assert told["ok"] is False
    by_name = {check["name"]: check for check in told["checks"]}
    assert list(by_name) == NAMES
    assert by_name["shadowing"]["outcome"] == "failed"
    assert by_name["seeds"]["outcome"] == "skipped"
    assert set(by_name["volume"]) == {"name", "outcome", "detail", "faults", "remarks"}


def test_command_gives_5_for_what_is_no_iso(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("x")
    outcome = cli("verify", tmp_path / "notes")
    assert (outcome.code, outcome.out) == (5, "")
    assert outcome.err == f"error: {tmp_path / 'notes'} is not an ISO image\n"


def test_manifest_elsewhere_can_be_named(cli: Cli, good: Path, tmp_path: Path) -> None:
    iso, elsewhere = tmp_path / "iso" / good.name, tmp_path / "kept.json"
    iso.parent.mkdir()
    iso.symlink_to(good)
    shutil.copyfile(good.with_name("manifest.json"), elsewhere)
    assert "skipped digest" in cli("verify", iso).out
    assert "ok      digest" in cli("verify", iso, "--manifest", elsewhere).out


def test_manifest_json_of_another_program_beside_a_foreign_iso_does_not_matter(noble: Path, tmp_path: Path) -> None:
    shutil.copyfile(noble, tmp_path / "base.iso")
    (tmp_path / "manifest.json").write_text('{"name": "something else"}')
    assert faults(tmp_path / "base.iso") == []


def test_verify_changes_nothing(good: Path, noble: Path, tmp_path: Path) -> None:
    iso = tmp_path / good.name
    shutil.copyfile(good, iso)
    iso.chmod(0o400)
    before = (iso.stat().st_mtime_ns, sorted(tmp_path.iterdir()))
    verify(iso, base=noble)
    assert (iso.stat().st_mtime_ns, sorted(tmp_path.iterdir())) == before


def test_a_large_file_is_read_once(tmp_path: Path) -> None:
    iso = tmp_path / "large.iso"
    make_base(iso, filler_bytes=128 << 20)
    before = bytes_read()
    assert faults(iso) == []
    assert bytes_read() - before < iso.stat().st_size + (16 << 20)


def bytes_read() -> int:
    """How many bytes this process has read so far, from the disk or from memory (proc_pid_io(5), rchar)."""
    return int(Path("/proc/self/io").read_text().split()[1])
