"""The scripts of real seeds in a real guest: the guard lets the host's machine pass and no other, detection finds it.

The guest's probe runs the early-command that the installer would run, at the moment when the medium is mounted.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from isoforge.fleet.inventory.host import Host, MatchKeys
from isoforge.fleet.inventory.load import survey
from isoforge.fleet.seed.medium import medium_files
from isoforge.fleet.seed.render import render_seed
from isoforge.iso_layout import DETECT
from isoforge.proof.boot import cpio
from isoforge.proof.boot.boot import BootResult, BootSpec, boot
from isoforge.proof.boot.probe import Guest, find_guest, in_load_order, medium_drivers, probe
from isoforge.proof.boot.qemu import Firmware, Medium
from isoforge.release import Release
from isoforge.run import run
from tests.conftest import ROOT, Once

pytestmark = pytest.mark.boots

TEMPLATES = [ROOT / "templates"]
UUID = "00112233-4455-6677-8899-aabbccddeeff"
TURNED = "33221100-5544-7766-8899-aabbccddeeff"
MAC = "00:00:5e:00:53:01"
OTHER_MAC = "00:00:5e:00:53:02"

FLEET = {
    "by-serial": MatchKeys(serial="PC0EXMP1", uuid=TURNED),
    "by-mac": MatchKeys(mac=(MAC,)),
    "by-other-mac": MatchKeys(mac=(OTHER_MAC,)),
}

CARD = "virtio_net"

HOOK = r"""
while read -r module; do insmod "/probe/$module.ko" 2>/dev/null; done </probe/cards
ISOFORGE_WAIT_S=2 sh "/probe/$(kernel_word early)" >/run/early 2>&1
fact "early-command $?"
fact "last-word $(tail -n 1 /run/early | tr -d "\r")"
fact "installs $(sed -n 's/^  hostname: //p' /autoinstall.yaml 2>/dev/null)"
"""
"""What the probe does beside its own work, before it says where the seed is."""

BEFORE = 'fact "seed-folder '


def fleet() -> list[Host]:
    pattern = survey(ROOT / "baremetal").hosts[0]
    values = {**pattern.values, "hostname": None}
    return [replace(pattern, name=name, match=match, values=values) for name, match in FLEET.items()]


def early_command(user_data: bytes) -> bytes:
    """The first early-command in ``user_data``, as a script that starts its words."""
    words = yaml.safe_load(user_data)["autoinstall"]["early-commands"][0]
    return f"{shlex.join(words)}\n".encode()


def guests_initrd(guest: Guest, scripts: dict[str, bytes]) -> bytes:
    """The probe with `HOOK`, a driver for network cards and ``scripts`` by name."""
    members = {str(member.path): member for member in probe(guest)}
    init = members["init"].content.decode()
    assert init.count(BEFORE) == 1
    members["init"] = cpio.file("init", init.replace(BEFORE, HOOK + BEFORE).encode(), executable=True)
    known = set(in_load_order(guest, medium_drivers(guest.arch)))
    drivers = [path for path in in_load_order(guest, [*medium_drivers(guest.arch), CARD]) if path not in known]
    names = [path.name.partition(".")[0].replace("-", "_") for path in drivers]
    added = [cpio.file(f"probe/{name}.ko", path.read_bytes()) for name, path in zip(names, drivers, strict=True)]
    added.append(cpio.file("probe/cards", "".join(f"{name}\n" for name in names).encode()))
    added += [cpio.file(f"probe/{name}", text) for name, text in scripts.items()]
    return cpio.initrd([*members.values(), *added])


@pytest.fixture(scope="session")
def guarded_iso(once: Once, bootable_base: Path) -> Path:
    """`make_guarded` for amd64."""
    guest = find_guest(ROOT / ".cache")
    return once("guarded", lambda folder: make_guarded(folder, bootable_base, guest)) / "guarded.iso"


def make_guarded(folder: Path, base: Path, guest: Guest, *, console: str = "ttyS0") -> None:
    """Make an ISO with an entry for each script, and the table and configs that detection reads."""
    seeds = [render_seed(host, templates=TEMPLATES, release=Release(year=24, month=4)) for host in fleet()]
    on_iso = {str(path).lstrip("/"): text for path, text in medium_files(fleet(), seeds, TEMPLATES).every.items()}
    user_data = {path.split("/")[1]: text for path, text in on_iso.items() if path.endswith("/user-data")}
    scripts = {name.replace(DETECT, "detect"): early_command(text) for name, text in user_data.items()}
    scripts["of-another-medium"] = scripts["by-serial"].replace(b"/cdrom/", b"/cdrom/nowhere/")
    files = {"casper/initrd": guests_initrd(guest, scripts), **on_iso}
    words = f"console=tty0 console={console} ---"
    files["boot/grub/grub.cfg"] = "".join(
        f"menuentry '{name}' {{\n linux /casper/vmlinuz early={name} {words}\n initrd /casper/initrd\n}}\n"
        for name in scripts
    ).encode()
    grafts: list[str | Path] = []
    for name, content in files.items():
        path = folder / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        grafts += ["-map", path, f"/{name}"]
    replay = ["-boot_image", "any", "replay"]
    run("xorriso", "-indev", base, "-outdev", folder / "guarded.iso", *replay, *grafts)


def started(
    iso: Path, entry: str, *, firmware: Firmware = Firmware.BIOS, serial: str = "PF0ABC2", macs: tuple[str, ...] = ()
) -> BootResult:
    cards = [word for mac in macs for word in ("-device", f"virtio-net-pci,romfile=,mac={mac}")]
    return boot(
        BootSpec(
            iso=iso,
            firmware=firmware,
            medium=Medium.CD,
            menu_path=(entry,),
            extra_qemu_args=("-smbios", f"type=1,serial={serial},uuid={UUID},product=M710q", *cards),
        )
    )


def fact(result: BootResult, name: str) -> str:
    """What the guest said of ``name``."""
    (value,) = re.findall(rf"^isoforge-probe {name} (.*?)\r*$", result.serial, re.MULTILINE)
    return str(value)


@pytest.mark.parametrize("firmware", [Firmware.BIOS, Firmware.SECUREBOOT])
def test_the_hosts_machine_passes(guarded_iso: Path, firmware: Firmware) -> None:
    result = started(guarded_iso, "by-serial", firmware=firmware, serial="pc0exmp1")
    assert (fact(result, "early-command"), fact(result, "last-word")) == (
        "0",
        "isoforge: this machine is host by-serial",
    )


@pytest.mark.parametrize("firmware", [Firmware.BIOS, Firmware.SECUREBOOT])
def test_another_machine_is_stopped_and_the_console_says_why(guarded_iso: Path, firmware: Firmware) -> None:
    result = started(guarded_iso, "by-serial", firmware=firmware)
    assert fact(result, "early-command") == "1"
    said = result.serial.replace("\r", "")
    assert "isoforge: STOPPED. This machine is not host by-serial.\n" in said
    assert "  serial: PC0EXMP1 (does not match)\n" in said
    assert "  serial: PF0ABC2\n" in said
    assert f"  uuid: {UUID}\n" in said


def test_without_the_script_on_the_medium_the_console_says_so(guarded_iso: Path) -> None:
    result = started(guarded_iso, "of-another-medium", serial="PC0EXMP1")
    assert fact(result, "early-command") == "1"
    said = result.serial.replace("\r", "")
    assert "\nisoforge: STOPPED. /cdrom/nowhere/isoforge/scripts/isoforge-guard is missing or damaged." in said


def test_a_card_is_known_by_its_mac_address(guarded_iso: Path) -> None:
    assert fact(started(guarded_iso, "by-mac", macs=(MAC,)), "early-command") == "0"
    assert fact(started(guarded_iso, "by-mac", macs=(OTHER_MAC,)), "early-command") == "1"


def test_detection_installs_the_host_whose_card_is_in_the_machine(guarded_iso: Path) -> None:
    result = started(guarded_iso, "detect", macs=(OTHER_MAC,))
    assert (fact(result, "early-command"), fact(result, "installs")) == ("0", "by-other-mac")


def test_detection_stops_where_two_hosts_cards_are_in_the_machine(guarded_iso: Path) -> None:
    result = started(guarded_iso, "detect", macs=(MAC, OTHER_MAC))
    assert (fact(result, "early-command"), fact(result, "installs")) == ("1", "")
    assert "More than one host on this medium matches this machine: by-mac by-other-mac." in result.serial
