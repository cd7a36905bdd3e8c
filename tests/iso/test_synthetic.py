"""The synthetic base ISO has the layout of Ubuntu's live-server ISO, as xorriso, sfdisk and mtools read it."""

from __future__ import annotations

import hashlib
import re
import shlex
from pathlib import Path

import pytest

from isoforge.proof.boot.synthetic_iso import MIB, Release, casper_uuid, make_base
from isoforge.run import run

SYSTEM_AREA_BYTES = 32768


def extract(iso: Path, target: Path) -> Path:
    """The whole tree of ``iso`` under ``target``, writable."""
    run("xorriso", "-osirrox", "on", "-indev", iso, "-extract", "/", target)
    run("chmod", "-R", "u+w", target)
    return target


def partition_view(iso: Path, view: Path) -> Path:
    """``iso`` from the first byte of its partition 1 on, as a stick's partition shows it."""
    with iso.open("rb") as whole:
        whole.seek(SYSTEM_AREA_BYTES)
        view.write_bytes(whole.read())
    return view


def contents(tree: Path) -> dict[str, str | bytes]:
    """Every file and symlink under ``tree`` with what is in it."""
    return {
        str(path.relative_to(tree)): str(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in tree.rglob("*")
        if path.is_symlink() or path.is_file()
    }


@pytest.fixture(scope="module", params=list(Release), ids=lambda release: release.version)
def release(request: pytest.FixtureRequest) -> Release:
    assert isinstance(request.param, Release)
    return request.param


@pytest.fixture(scope="module")
def base(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Path:
    iso = tmp_path_factory.mktemp("base") / "base.iso"
    make_base(iso, release=release)
    return iso


@pytest.fixture(scope="module")
def tree(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return extract(base, tmp_path_factory.mktemp("tree"))


def test_its_boot_records_read_as_those_of_an_official_iso(base: Path, release: Release) -> None:
    report = run("xorriso", "-indev", base, "-report_el_torito", "as_mkisofs")
    number = r"\d+"
    expected = [
        f"-V 'Ubuntu-Server {release.number} amd64'",
        f"--modification-date='{release.built:%Y%m%d}12000000'",
        f"--grub2-mbr --interval:local_fs:0s-15s:zero_mbrpt,zero_gpt:'{base}'",
        "--protective-msdos-label",
        "-partition_cyl_align off",
        "-partition_offset 16",
        "--mbr-force-bootable",
        f"-append_partition 2 28732ac11ff8d211ba4b00a0c93ec93b --interval:local_fs:Nd-Nd::'{base}'",
        "-appended_part_as_gpt",
        "-iso_mbr_part_type a2a0d0ebe5b9334487c068b6b72699c7",
        "-c '/boot.catalog'",
        "-b '/boot/grub/i386-pc/eltorito.img'",
        "-no-emul-boot",
        "-boot-load-size 4",
        "-boot-info-table",
        "--grub2-boot-info",
        "-eltorito-alt-boot",
        "-e '--interval:appended_partition_2_start_Ns_size_Nd:all::'",
        "-no-emul-boot",
        "-boot-load-size N",
    ]
    shape = [re.escape(line).replace("Nd", f"{number}d").replace("Ns", f"{number}s") for line in expected]
    shape[-1] = shape[-1].replace("N", number)
    # Below 1 GiB xorriso also names a disk geometry, which the report of a full-size ISO lacks.
    lines = [line for line in report.splitlines() if not re.match("-partition_(hd_cyl|sec_hd) ", line)]
    assert len(lines) == len(shape)
    assert [line for line, pattern in zip(lines, shape, strict=True) if not re.fullmatch(pattern, line)] == []


def test_the_efi_boot_record_is_exactly_the_appended_esp(base: Path) -> None:
    words = shlex.split(run("xorriso", "-indev", base, "-report_el_torito", "as_mkisofs"))
    report = " ".join(words)
    appended = re.search(r"--interval:local_fs:(\d+)d-(\d+)d:", report)
    record = re.search(r"appended_partition_2_start_(\d+)s_size_(\d+)d:", report)
    assert appended
    assert record
    first, last, start, size = map(int, (*appended.groups(), *record.groups()))
    assert (start * 4, size) == (first, last - first + 1)
    assert int(words[-1]) == size


def test_sfdisk_reads_its_gpt_without_a_warning(base: Path) -> None:
    complaints: list[str] = []
    table = run("/usr/sbin/sfdisk", "--dump", base, on_line=complaints.append)
    assert complaints == []
    assert "label: gpt" in table
    assert re.search(r"1 : start= *64,", table)
    assert 'name="ISO9660"' in table
    assert re.search(r'type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B,.*name="Appended2"', table)
    assert re.search(r'size= *600,.*name="Gap1"', table)


def test_the_stick_shows_the_same_files_as_the_cd(base: Path, tmp_path: Path) -> None:
    view = partition_view(base, tmp_path / "partition.iso")
    assert contents(extract(view, tmp_path / "stick")) == contents(extract(base, tmp_path / "cd"))


def test_windows_names_are_there_beside_rock_ridge(base: Path) -> None:
    descriptors = base.read_bytes()[16 * 2048 : 20 * 2048]
    assert [descriptors[start] for start in range(0, len(descriptors), 2048)] == [1, 0, 2, 255]


def test_its_tree_has_ubuntus_names_and_symlinks(tree: Path, release: Release) -> None:
    links = {str(path.relative_to(tree)): str(path.readlink()) for path in tree.rglob("*") if path.is_symlink()}
    assert links == {"ubuntu": ".", "dists/stable": release.suite, "dists/unstable": release.suite}
    assert (tree / "casper/ubuntu-server-minimal.squashfs").read_bytes().startswith(b"hsqs")
    assert not (tree / "boot/grub/x86_64-efi/grub.cfg").exists()
    assert not (tree / "casper/hwe-vmlinuz").exists()
    assert (tree / ".disk/info").read_text().startswith(f"Ubuntu-Server {release.number} ")


def test_md5sum_txt_is_true_and_complete_by_ubuntus_rule(tree: Path, release: Release) -> None:
    lines = (tree / "md5sum.txt").read_text().splitlines()
    listed = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    there = {f"./{path.relative_to(tree)}" for path in tree.rglob("*") if path.is_file() and not path.is_symlink()}
    left_out = {"./boot/grub/i386-pc/eltorito.img", "./boot.catalog", "./md5sum.txt"}
    if release is Release.RESOLUTE:
        left_out.add("./boot/grub/grub.cfg")
    assert there - set(listed) == left_out
    assert set(listed) <= there
    for name, digest in listed.items():
        assert hashlib.md5((tree / name).read_bytes(), usedforsecurity=False).hexdigest() == digest


def test_loopback_cfg_is_grub_cfg_cut_down_and_with_the_iso_named(tree: Path) -> None:
    menu = (tree / "boot/grub/grub.cfg").read_text()
    entries = menu[menu.index("menuentry") : menu.index("grub_platform\n")]
    expected = entries.replace("---", "iso-scan/filename=${iso_path} ---")
    assert (tree / "boot/grub/loopback.cfg").read_text() == expected


def test_initrd_and_medium_carry_the_same_casper_uuid(tree: Path, release: Release, tmp_path: Path) -> None:
    archive = tmp_path / "initrd.cpio"
    archive.write_text(run("gzip", "-dc", tree / "casper/initrd"))
    run("busybox", "cpio", "-idF", archive, cwd=tmp_path)
    assert (tmp_path / "conf/uuid.conf").read_text() == (tree / ".disk/casper-uuid-generic").read_text()
    assert (tmp_path / "conf/uuid.conf").read_text().strip() == str(casper_uuid(release, "generic"))


def test_the_esp_holds_the_signed_programs_and_no_menu(base: Path, tree: Path, tmp_path: Path) -> None:
    run("xorriso", "-osirrox", "on", "-indev", base, "-extract_boot_images", tmp_path)
    esp = tmp_path / "eltorito_img2_uefi.img"
    names = run("mdir", "-b", "-/", "-i", esp, "::").split()
    assert sorted(name.lower() for name in names) == [
        "::/efi/",
        "::/efi/boot/",
        *(f"::/efi/boot/{name}" for name in ("bootx64.efi", "grubx64.efi", "mmx64.efi")),
    ]
    run("mcopy", "-i", esp, "::/EFI/boot/*", tmp_path)
    for program in (tree / "EFI/boot").iterdir():
        assert (tmp_path / program.name).read_bytes() == program.read_bytes()


def test_an_hwe_kernel_comes_with_its_own_initrd_uuid_and_entry(tmp_path: Path) -> None:
    make_base(tmp_path / "base.iso", hwe=True)
    tree = extract(tmp_path / "base.iso", tmp_path / "tree")
    menu = (tree / "boot/grub/grub.cfg").read_text()
    assert "linux\t/casper/hwe-vmlinuz  ---\n\tinitrd\t/casper/hwe-initrd\n" in menu
    uuids = {(tree / f".disk/casper-uuid-{flavour}").read_text() for flavour in ("generic", "generic-hwe")}
    assert len(uuids) == 2
    assert (tree / "casper/hwe-initrd").read_bytes() != (tree / "casper/initrd").read_bytes()


def test_two_builds_are_the_same_bytes(tmp_path: Path) -> None:
    make_base(tmp_path / "one.iso")
    make_base(tmp_path / "two.iso")
    assert (tmp_path / "one.iso").read_bytes() == (tmp_path / "two.iso").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.iso", "two.iso"]


def test_filler_makes_it_larger_and_leaves_it_sound(tmp_path: Path) -> None:
    make_base(tmp_path / "plain.iso")
    make_base(tmp_path / "large.iso", filler_bytes=20 * MIB)
    grown = (tmp_path / "large.iso").stat().st_size - (tmp_path / "plain.iso").stat().st_size
    assert grown == pytest.approx(20 * MIB, abs=MIB)
    tree = extract(tmp_path / "large.iso", tmp_path / "tree")
    run("md5sum", "--check", "--quiet", "md5sum.txt", cwd=tree)
