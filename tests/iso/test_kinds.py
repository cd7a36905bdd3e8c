"""Each kind of official ISO can be a base: built by `multi` without an option, and proven by `verify`."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from isoforge.image.layouts import AMD64, ARM64_DOS, ARM64_GPT, Layout
from isoforge.iso_layout import GRUB_CFG
from isoforge.proof.boot.synthetic_iso import Kind, Release, make_base
from isoforge.proof.read.image import Image
from isoforge.proof.verify.verify import verify
from isoforge.run import run
from tests.iso.conftest import ROOT, Cli

CACHE = ROOT / ".cache"
needs_arm64 = pytest.mark.skipif(
    not (CACHE / "arm64-boot/stamp").is_file(), reason="scripts/setup.sh test fetches the boot programs for arm64"
)
HOST = "site-a-m710q1"
FOLDER = "baremetal/autoinstall/generated/_multi/n"
PACKAGES = 170
"""As many folders as put the boot catalog where official ISOs have it."""

KINDS: Mapping[str, Kind] = {
    "server": Kind(release=Release.RESOLUTE),
    "desktop": Kind(desktop=True),
    "server-hwe": Kind(hwe=True),
    "arm64-server-dos": Kind(layout=ARM64_DOS, hwe=True),
    "arm64-desktop-dos": Kind(layout=ARM64_DOS, desktop=True),
    "arm64-server-gpt": Kind(layout=ARM64_GPT, release=Release.RESOLUTE),
    "arm64-desktop-gpt": Kind(layout=ARM64_GPT, release=Release.RESOLUTE, desktop=True),
    "arm64-largemem": Kind(layout=ARM64_GPT, release=Release.RESOLUTE, largemem=True),
}


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=needs_arm64 if name.startswith("arm64") else ()) for name in KINDS],
)
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Kind, Path]:
    kind = replace(KINDS[request.param], packages=PACKAGES)
    iso = tmp_path_factory.mktemp("base") / f"{request.param}.iso"
    make_base(iso, kind=kind, cache=CACHE)
    return kind, iso


def test_it_is_built_and_verified(cli: Cli, fleet: Path, base: tuple[Kind, Path]) -> None:
    kind, iso = base
    built = cli("multi", "--host", HOST, "--ubuntu-iso", iso, "--name", "n", "--render", "--json")
    assert built.code == 0, built.err
    manifest = json.loads(built.out)
    assert manifest["base_iso"]["arch"] == kind.arch
    _, _, kept = manifest["hosts"][0]["kernel_line"].partition(" ---")
    assert kept.split() == [
        *(["quiet", "splash"] if kind.desktop else []),
        *(["console=tty0"] if kind.layout is not AMD64 else []),
    ]
    image = fleet / FOLDER / "ubuntu-autoinstall-n.iso"
    proof = cli("verify", image, "--base", iso, "--json")
    assert proof.code == 0, proof.out
    checks = {check["name"]: check for check in json.loads(proof.out)["checks"]}
    for name in ("partitions", "esp", "views", "el-torito", "system-area", "shadowing", "start", "kernel-lines"):
        assert checks[name]["outcome"] == "ok", checks[name]
    expected = "MBR, partitions 1, 2" if kind.has_dos_label else "GPT and its backup, partitions 1, 2, 3"
    assert checks["partitions"]["detail"] == expected
    with Image(image) as read:
        words = [entry.linux for entry in read.menus[GRUB_CFG].entries if "autoinstall" in entry.linux]
    sets_cmdline = kind.layout is not AMD64 and kind.release is Release.RESOLUTE
    assert all((line[line.index("---") - 1] == "$cmdline") is sets_cmdline for line in words)
    facts = json.loads(cli("inspect", image, "--json").out)
    assert f" {kind.arch}\n" in cli("inspect", image).out
    assert facts["arch"] == kind.arch
    assert [part["number"] for part in facts["partitions"]][:2] == [1, 2]
    assert kind.arch in (fleet / FOLDER / "SUMMARY.txt").read_text()


def test_its_boot_records_are_of_its_layout(base: tuple[Kind, Path]) -> None:
    kind, iso = base
    with Image(iso) as image:
        assert image.layout is kind.layout
        assert tuple(one.platform for one in image.boot_catalog.images) == kind.layout.platforms  # type: ignore[union-attr]
        assert kind.layout.boot_catalog in image.tree
    words = shlex.split(run("xorriso", "-indev", iso, "-report_el_torito", "as_mkisofs"))
    assert words[words.index("-c") + 1] == str(kind.layout.boot_catalog)
    assert all(word in words for word in kind.layout.needed)
    assert not any(word in words for word in kind.layout.absent)
    plain = run("xorriso", "-indev", iso, "-report_el_torito", "plain")
    catalog = re.search(r"^El Torito catalog +: +(\d+) ", plain, re.MULTILINE)
    assert catalog
    assert 798 <= int(catalog[1]) <= 998  # of 24.04.4 and 26.04.1
    if kind.layout is not AMD64:
        cylinder = 2048 if kind.has_dos_label else 1  # sectors; xorriso aligns to whole ones below 1024 of them
        assert int(words[words.index("-boot-load-size") + 1]) == -(-13504 // cylinder) * cylinder
    if kind.has_dos_label:
        assert words[words.index("-iso_mbr_part_type") + 1] == "0xcd"
        assert words[words.index("-append_partition") + 2] == "0xef"
        assert words[words.index("-partition_cyl_align") + 1] == "all"
    else:
        assert words[words.index("-iso_mbr_part_type") + 1] == "a2a0d0ebe5b9334487c068b6b72699c7"


def test_its_menu_sources_and_names_are_of_its_edition(base: tuple[Kind, Path]) -> None:
    kind, iso = base
    with Image(iso) as image:
        menu = image.text(GRUB_CFG)
        product = "Ubuntu" if kind.desktop else "Ubuntu-Server"
        assert image.title.startswith(f"{product} {kind.release.number} ")
        assert image.volume.volume_id == f"{product} {kind.release.number} {kind.layout.arch}"
        assert ("Ubuntu (safe graphics)" in menu) == (kind.desktop and kind.layout is AMD64)
        assert ("grub_platform" in menu) == (kind.layout is AMD64)
        assert ("--- quiet splash" in menu) == kind.desktop
        sources = image.content(next(path for path in image.tree if path.name == "install-sources.yaml")).decode()
    ids = re.findall(r"^  id: (\S+)$", sources, re.MULTILINE)
    edition = "desktop" if kind.desktop else "server"
    assert ids == ([f"ubuntu-{edition}-minimal", f"ubuntu-{edition}"])


@needs_arm64
def test_an_iso_with_a_dos_label_is_proven_on_a_larger_stick(cli: Cli, fleet: Path, tmp_path: Path) -> None:
    iso = tmp_path / "arm64.iso"
    make_base(iso, kind=KINDS["arm64-server-dos"], cache=CACHE)
    built = cli("multi", "--host", HOST, "--ubuntu-iso", iso, "--name", "n", "--render")
    assert built.code == 0, built.err
    stick = fleet / FOLDER / "ubuntu-autoinstall-n.iso"
    size = stick.stat().st_size
    os.truncate(stick, size + (8 << 20))
    checks = {check.name: check for check in verify(stick, base=iso)}
    assert [(check.name, check.faults) for check in checks.values() if check.faults] == []
    assert f"{8 << 20} bytes follow the ISO, as on a larger stick" in checks["digest"].remarks
    with stick.open("r+b") as file:
        file.seek(size - 4096)
        file.write(b"changed")
    faults = {check.name for check in verify(stick, base=iso) if check.faults}
    assert "digest" in faults
    os.truncate(stick, size - 2048)
    assert any(check.faults for check in verify(stick, base=iso))


def with_shadowing_menu(iso: Path, changed: Path, text: str, layout: Layout = AMD64) -> Path:
    """``iso`` with ``text`` as the menu that GRUB on UEFI reads first."""
    cfg = changed.with_suffix(".cfg")
    cfg.write_text(text)
    replay = ("-boot_image", "any", "replay")
    run("xorriso", "-indev", iso, "-outdev", changed, *replay, "-map", cfg, layout.shadowing_menu)
    return changed


def test_a_menu_that_only_loads_the_menu_is_kept(cli: Cli, fleet: Path, noble: Path, tmp_path: Path) -> None:
    text = "insmod part_gpt\ninsmod part_msdos\nsource /boot/grub/grub.cfg\n"
    iso = with_shadowing_menu(noble, tmp_path / "old.iso", text)
    built = cli("multi", "--host", HOST, "--ubuntu-iso", iso, "--name", "n", "--render", "--json")
    assert built.code == 0, built.err
    assert str(AMD64.shadowing_menu) not in json.loads(built.out)["replaced"]
    with Image(fleet / FOLDER / "ubuntu-autoinstall-n.iso") as image:
        assert image.text(AMD64.shadowing_menu) == text


@pytest.mark.parametrize("layout", [AMD64, pytest.param(ARM64_DOS, marks=needs_arm64)], ids=lambda layout: layout.name)
def test_a_menu_that_would_shadow_the_menu_is_replaced_and_listed(
    cli: Cli, fleet: Path, tmp_path: Path, layout: Layout
) -> None:
    base = tmp_path / "base.iso"
    make_base(base, kind=Kind(layout=layout), cache=CACHE)
    iso = with_shadowing_menu(base, tmp_path / "odd.iso", "set timeout=0\n", layout)
    built = cli("multi", "--host", HOST, "--ubuntu-iso", iso, "--name", "n", "--render", "--json")
    assert built.code == 0, built.err
    assert str(layout.shadowing_menu) in json.loads(built.out)["replaced"]
    with Image(fleet / FOLDER / "ubuntu-autoinstall-n.iso") as image:
        assert image.text(layout.shadowing_menu) == "source /boot/grub/grub.cfg\n"


@pytest.mark.parametrize("number", ["26.10", "28.04 LTS"])
def test_a_release_that_is_not_known_yet_is_built_with_a_warning(
    cli: Cli, noble: Path, tmp_path: Path, number: str
) -> None:
    info = tmp_path / "info"
    info.write_text(f'Ubuntu-Server {number} "Zealous Zebra" - Daily amd64 (20280420)')
    iso = tmp_path / "new.iso"
    replay = ("-boot_image", "any", "replay")
    run("xorriso", "-indev", noble, "-outdev", iso, *replay, "-map", info, "/.disk/info")
    built = cli("multi", "--host", HOST, "--ubuntu-iso", iso, "--name", "n", "--render")
    assert built.code == 0, built.err
    (line,) = (line for line in built.err.splitlines() if "this release is not known" in line)
    assert line.startswith("warning: ")
    assert line.endswith(": this release is not known to this version of isoforge; built as 26.04")
