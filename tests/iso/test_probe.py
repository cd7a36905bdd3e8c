"""The probe reads the kernel line as cloud-init does, and its initrd holds what a kernel needs to find the medium."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from isoforge.errors import ToolError
from isoforge.proof.boot import cpio
from isoforge.proof.boot.probe import MEDIUM_DRIVERS, find_busybox, find_guest, in_load_order, probe
from isoforge.run import run
from isoforge.templates import shipped_templates
from tests.conftest import ROOT

IN_CI = os.environ.get("CI") == "true"


def shell_function(name: str) -> str:
    """The function ``name`` of the probe's init."""
    script = (shipped_templates() / "probe/init").read_text()
    start = script.index(f"{name}() {{\n")
    return script[start : script.index("\n}\n", start) + 3]


@pytest.mark.parametrize(
    ("kernel_line", "folder"),
    [
        ("autoinstall ds=nocloud;s=/cdrom/nocloud/web-1/ ---", "/cdrom/nocloud/web-1/"),
        ("ds=nocloud;seedfrom=/cdrom/nocloud/web-1/ ---", "/cdrom/nocloud/web-1/"),
        ("ds=nocloud;s=file:///cdrom/nocloud/web-1/ ---", "/cdrom/nocloud/web-1/"),
        ("ds=nocloud;h=web-1;s=/cdrom/nocloud/web-1/;i=7 ---", "/cdrom/nocloud/web-1/"),
        ("ds=nocloud;s=/cdrom/a/ ds=nocloud;s=/cdrom/b/ ---", "/cdrom/b/"),
        ("autoinstall ds=nocloud", ""),
        ("autoinstall ds=nocloud\\;s=/cdrom/a/ ---", ""),
        ('autoinstall "ds=nocloud;s=/cdrom/a/" ---', ""),
        ("xds=nocloud;s=/cdrom/a/ ---", ""),
        ("quiet splash ---", ""),
    ],
)
def test_seed_folder_is_the_one_cloud_init_would_read(kernel_line: str, folder: str, tmp_path: Path) -> None:
    cmdline = tmp_path / "cmdline"
    cmdline.write_text(f"BOOT_IMAGE=/casper/vmlinuz {kernel_line}\n")
    function = shell_function("seed_folder").replace("/proc/cmdline", str(cmdline))
    assert run("busybox", "sh", "-c", f"set -f\n{function}\nseed_folder") == folder


def test_modules_come_after_those_they_need() -> None:
    guest = find_guest(ROOT / ".cache")
    modules = list(in_load_order(guest, MEDIUM_DRIVERS))
    names = [module.name.partition(".")[0].replace("-", "_") for module in modules]
    assert len(names) == len(set(names))
    assert {"isofs", "cdrom", "usb_storage"} <= set(names)
    for place, module in enumerate(modules):
        needed = run("/sbin/modinfo", "--field", "depends", module).strip().replace("-", "_")
        assert not set(needed.split(",")) & set(names[place:])


@pytest.mark.skipif(not (IN_CI or (ROOT / ".cache/arm64-boot").is_dir()), reason="scripts/setup.sh arm64")
def test_a_guest_for_arm64_has_its_own_kernel_shell_and_drivers() -> None:
    guest = find_guest(ROOT / ".cache", "arm64")
    members = {str(member.path): member.content for member in probe(guest)}
    assert members["probe/busybox"][18:20] == members["probe/usb_storage.ko"][18:20] == b"\xb7\0"  # e_machine, AArch64
    assert "probe/ata_piix.ko" not in members


def test_without_a_shell_for_arm64_the_error_names_the_cure(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="no statically linked busybox for arm64") as caught:
        find_busybox("arm64", tmp_path)
    assert "scripts/setup.sh arm64" in caught.value.hint


def test_a_module_that_the_kernel_lacks_is_named() -> None:
    guest = find_guest(ROOT / ".cache")
    with pytest.raises(ToolError, match="no module no_such_driver"):
        list(in_load_order(guest, ["no-such-driver"]))


def test_without_a_kernel_the_error_names_the_cure(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="no kernel") as caught:
        find_guest(tmp_path)
    assert "scripts/setup.sh demo" in caught.value.hint


def test_an_initrd_unpacks_to_what_was_put_in(tmp_path: Path) -> None:
    archive = tmp_path / "initrd.cpio"
    members = [cpio.file("conf/uuid.conf", b"1234\n"), cpio.file("init", b"#!/bin/sh\n", executable=True)]
    (tmp_path / "initrd.gz").write_bytes(cpio.initrd(members))
    archive.write_text(run("gzip", "-dc", tmp_path / "initrd.gz"))
    run("busybox", "cpio", "-idF", archive, cwd=tmp_path)
    assert (tmp_path / "conf/uuid.conf").read_text() == "1234\n"
    assert (tmp_path / "init").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "conf/uuid.conf").stat().st_mode & 0o777 == 0o644


def test_behind_another_initrd_the_probe_brings_no_modules() -> None:
    names = {str(member.path) for member in probe()}
    assert names == {"dev/console", "init", "probe/busybox", "probe/wanted"}
    assert "probe/isofs.ko" in {str(member.path) for member in probe(find_guest(ROOT / ".cache"))}
