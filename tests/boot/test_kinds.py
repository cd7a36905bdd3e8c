"""The kinds of official ISO beside Ubuntu Server for amd64: a host's entry boots, with the kernel and the seed that the
manifest promises. Each kind once, on a firmware and a medium of its own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from isoforge.image.layouts import ARM64_GPT
from isoforge.proof.boot.boot import BootSpec, boot
from isoforge.proof.boot.expectations import differences
from isoforge.proof.boot.probe import find_guest
from isoforge.proof.boot.qemu import Firmware, Medium
from isoforge.proof.boot.synthetic_iso import Kind, Release, make_base
from tests.boot.conftest import BOTH, HOSTS, built, example_inventory, manifest_of
from tests.conftest import ROOT, Once

CACHE = ROOT / ".cache"
HAS_ARM64 = os.environ.get("CI") == "true" or (CACHE / "arm64-boot/stamp").is_file()
needs_arm64 = pytest.mark.skipif(not HAS_ARM64, reason="scripts/setup.sh arm64")
pytestmark = pytest.mark.boots


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A kind of base ISO, the kernel that its host asks for, and where it is booted."""

    kind: Kind
    kernel: str = "ga"
    firmware: Firmware = Firmware.SECUREBOOT
    medium: Medium = Medium.CD


TRIALS = {
    "desktop": Trial(kind=Kind(desktop=True)),
    "server-hwe": Trial(kind=Kind(hwe=True), kernel="hwe", firmware=Firmware.BIOS, medium=Medium.USB),
    "arm64-largemem": Trial(
        kind=Kind(layout=ARM64_GPT, release=Release.RESOLUTE, largemem=True), firmware=Firmware.UEFI
    ),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=needs_arm64 if name.startswith("arm64") else ()) for name in TRIALS]
)
def test_the_entry_of_a_host_gets_what_the_manifest_promises(once: Once, name: str) -> None:
    trial = TRIALS[name]

    def make(folder: Path) -> None:
        guest = find_guest(CACHE, trial.kind.layout.arch)
        make_base(folder / "base.iso", kind=trial.kind, guest=guest, cache=CACHE)

    def lay_out(baremetal: Path) -> None:
        example_inventory(baremetal)
        variables = baremetal / f"inventory/host_vars/{HOSTS[0]}/main.yml"
        variables.write_text(variables.read_text() + f"\nkernel: {trial.kernel}\n")

    iso = built(once, once(f"base-{name}", make) / "base.iso", name, lay_out, selection=BOTH)
    host = manifest_of(iso).hosts[0]
    assert ("hwe" in host.kernel) == (trial.kernel == "hwe")
    result = boot(
        BootSpec(
            iso=iso,
            firmware=trial.firmware,
            medium=trial.medium,
            arch=trial.kind.layout.arch,
            menu_path=(host.title,),
            timeout_s=600,
        )
    )
    assert differences(result, host, manifest_of(iso)) == ()
