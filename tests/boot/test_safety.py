"""The menu knows the machine, and nothing installs the wrong one or the same one twice."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from isoforge.image.grub_password import hashed
from isoforge.proof.boot.boot import BootResult, BootSpec, boot
from isoforge.proof.boot.qemu import Firmware, Medium
from isoforge.proof.boot.screen import is_entry
from isoforge.selection import Selection
from tests.boot.conftest import built, example_inventory, manifest_of
from tests.boot.local_disk import SAYS, as_next_device, ext4_disk, make_local_disk
from tests.conftest import Once

pytestmark = pytest.mark.boots

BY_SERIAL, BY_UUID, BY_BOTH = "site-a-m710q1", "site-a-m710q2", "site-b-raid1"
BY_ASSET_TAG, BY_BOARD = BY_SERIAL, BY_UUID
UUID = "4c4c4544-0043-3010-8052-b4c04f564231"
TURNED = "44454c4c-4300-1030-8052-b4c04f564231"
MATCH = {
    BY_SERIAL: {"serial": "PC0EXMP1"},
    BY_UUID: {"uuid": UUID},
    BY_BOTH: {"serial": "it's $HOME; a }", "product": "Box 1"},
}
LOCAL_DISK = "Boot from local disk (installs nothing)"
WHOLE_BOOT_S = 900
"""A limit for a machine that hangs; on a busy one a boot of ten seconds may take minutes."""
INSTALLED = "ubuntu/shimx64.efi"

Booted = tuple[Firmware, Medium]
BIOS: Booted = (Firmware.BIOS, Medium.USB)
SECURE: Booted = (Firmware.SECUREBOOT, Medium.CD)


def safe(
    once: Once,
    base: Path,
    name: str,
    *,
    known_by: Mapping[str, Mapping[str, str]] = MATCH,
    auto: bool = False,
    password_hash: str = "",
) -> Path:
    """An ISO of the three hosts, each known by other match keys."""

    def with_match_keys(baremetal: Path) -> None:
        example_inventory(baremetal)
        for host, match in known_by.items():
            overlay = baremetal / "inventory/host_vars" / host / "main.yml"
            written = yaml.safe_load(overlay.read_text())
            overlay.write_text(yaml.safe_dump({**written, "match": match}))

    return built(
        once,
        base,
        name,
        with_match_keys,
        selection=Selection(hosts=tuple(known_by)),
        auto=auto,
        password_hash=password_hash,
    )


@pytest.fixture(scope="session")
def matched(once: Once, bootable_base: Path) -> Path:
    return safe(once, bootable_base, "matched")


def left_alone(
    iso: Path, booted: Booted, *machine: str, menu_path: tuple[str, ...] = (), disk_says: str = ""
) -> BootResult:
    """What is result when nobody touches a key on a machine that QEMU describes so."""
    firmware, medium = booted
    return boot(
        BootSpec(
            iso=iso,
            firmware=firmware,
            medium=medium,
            menu_path=menu_path,
            timeout_s=WHOLE_BOOT_S,
            extra_qemu_args=machine,
            local_disk_text=disk_says,
        )
    )


def assert_installs(result: BootResult, host: str, heading: str) -> None:
    facts = next(facts for facts in manifest_of(result.spec.iso).hosts if facts.name == host)
    assert is_entry(heading, result.menu.titles[0])
    assert is_entry(f"{facts.title} (this machine)", result.menu.highlighted)
    assert result.report
    assert result.report.kernel_line == f"BOOT_IMAGE={facts.kernel} {facts.kernel_line}"
    assert result.report.seed["user-data"] == facts.user_data_sha256
    assert result.report.uuid == manifest_of(result.spec.iso).medium


def assert_installs_nothing(result: BootResult, heading: str) -> None:
    assert is_entry(heading, result.menu.titles[0])
    assert result.menu.highlighted == LOCAL_DISK
    assert result.report is None
    assert result.fallback_message


@pytest.mark.parametrize("booted", [BIOS, SECURE])
def test_a_serial_number_chooses_its_host(matched: Path, booted: Booted) -> None:
    result = left_alone(matched, booted, "-smbios", "type=1,serial= pc0exMP1 ")
    assert_installs(result, BY_SERIAL, f"This machine: serial pc0exMP1 -> {BY_SERIAL}")


@pytest.mark.parametrize(("booted", "uuid"), [(BIOS, UUID), (SECURE, TURNED)])
def test_a_uuid_chooses_its_host_in_both_byte_orders(matched: Path, booted: Booted, uuid: str) -> None:
    result = left_alone(matched, booted, "-smbios", f"type=1,uuid={uuid}")
    assert_installs(result, BY_UUID, f"This machine: UUID {uuid} -> {BY_UUID}")


@pytest.mark.parametrize(
    ("booted", "smbios", "heading"),
    [
        (BIOS, "type=3,asset=at-0077", f"asset tag at-0077 -> {BY_ASSET_TAG}"),
        (SECURE, "type=2,serial=MB 9", f"main board mb 9 -> {BY_BOARD}"),
    ],
)
def test_an_asset_tag_and_a_main_boards_serial_choose_their_hosts(
    once: Once, bootable_base: Path, booted: Booted, smbios: str, heading: str
) -> None:
    known_by = {BY_ASSET_TAG: {"asset_tag": "AT-0077"}, BY_BOARD: {"baseboard_serial": "mb 9"}}
    iso = safe(once, bootable_base, "tagged", known_by=known_by)
    result = left_alone(iso, booted, "-smbios", smbios)
    assert_installs(result, heading.split()[-1], f"This machine: {heading}")


def test_a_serial_number_that_looks_like_grub_script_is_only_text(matched: Path) -> None:
    result = left_alone(matched, SECURE, "-smbios", f"type=1,serial={MATCH[BY_BOTH]['serial']},product=BOX 1")
    assert_installs(result, BY_BOTH, f"This machine: serial {MATCH[BY_BOTH]['serial']} -> {BY_BOTH}")


@pytest.mark.parametrize(
    ("booted", "smbios", "heading"),
    [
        (BIOS, "serial=OTHER1", "This machine: serial OTHER1: no entry matches"),
        (SECURE, f"serial={MATCH[BY_BOTH]['serial']}", f"This machine: serial {MATCH[BY_BOTH]['serial']}: no entry"),
        (SECURE, "serial=To Be Filled By O.E.M.", "This machine: no serial number, no UUID: no entry"),
        (BIOS, f"serial=pc0exmp1,uuid={UUID}", "This machine: serial pc0exmp1: several entries match"),
    ],
)
def test_a_machine_that_is_not_known_for_sure_starts_its_disk(
    matched: Path, booted: Booted, smbios: str, heading: str
) -> None:
    result = left_alone(matched, booted, "-smbios", f"type=1,{smbios}")
    assert heading[:60] in result.menu.titles[0]
    assert_installs_nothing(result, result.menu.titles[0])


@pytest.mark.parametrize(("booted", "folder"), [(BIOS, "/boot/isoforge"), (SECURE, "/isoforge")])
def test_a_machine_that_this_build_has_installed_is_not_installed_again(
    matched: Path, tmp_path: Path, booted: Booted, folder: str
) -> None:
    stamp = f"{folder}/{manifest_of(matched).build_id}-{BY_SERIAL}"
    disk = ext4_disk(tmp_path, stamp, f"{stamp}@2026-11-22")
    result = left_alone(matched, booted, *disk, "-smbios", "type=1,serial=PC0EXMP1")
    assert result.menu.highlighted == "Boot the installed system (this build installed it on 2026-11-22)"
    assert result.report is None
    assert result.fallback_message


def test_the_stamp_of_another_host_or_build_means_nothing(matched: Path, tmp_path: Path) -> None:
    disk = ext4_disk(tmp_path, f"/isoforge/{manifest_of(matched).build_id}-{BY_UUID}", f"/isoforge/0-{BY_SERIAL}")
    result = left_alone(matched, BIOS, *disk, "-smbios", "type=1,serial=PC0EXMP1")
    assert_installs(result, BY_SERIAL, f"This machine: serial PC0EXMP1 -> {BY_SERIAL}")


def test_with_auto_an_unknown_machine_detects_itself(once: Once, bootable_base: Path) -> None:
    result = left_alone(safe(once, bootable_base, "auto", auto=True), SECURE)
    assert result.menu.highlighted == "Detect this machine and install its host"
    assert result.report
    assert result.report.seed_folder == "/cdrom/nocloud/isoforge-detect/"
    assert None not in result.report.seed.values()


def test_with_auto_a_machine_that_was_installed_is_left_alone(once: Once, bootable_base: Path, tmp_path: Path) -> None:
    iso = safe(once, bootable_base, "auto", auto=True)
    result = left_alone(iso, SECURE, *ext4_disk(tmp_path, f"/isoforge/{manifest_of(iso).build_id}"))
    assert result.menu.highlighted == "Boot the installed system (this build installed it)"
    assert result.report is None


@pytest.mark.parametrize("booted", [BIOS, SECURE])
def test_a_second_medium_with_an_older_build_is_not_taken(
    matched: Path, once: Once, bootable_base: Path, booted: Booted
) -> None:
    older = safe(once, bootable_base, "older")
    assert manifest_of(older).medium != manifest_of(matched).medium
    second = (
        "-drive", f"if=none,id=second,format=raw,snapshot=on,file={older}",
        "-device", "ide-hd,drive=second,bus=ide.0",
    )  # fmt: skip
    result = left_alone(matched, booted, *second, "-smbios", "type=1,serial=PC0EXMP1")
    assert_installs(result, BY_SERIAL, f"This machine: serial PC0EXMP1 -> {BY_SERIAL}")


def test_from_a_stick_the_second_disk_is_the_local_one(matched: Path, local_disk: Path) -> None:
    # Its last character stays with the firmware: GRUB starts it with interrupts off.
    result = left_alone(matched, BIOS, *as_next_device(local_disk), disk_says=SAYS[:-1])
    assert result.fallback_message == SAYS[:-1]


@pytest.mark.parametrize("booted", [SECURE, (Firmware.UEFI, Medium.USB)])
def test_on_uefi_the_installed_system_is_started_by_its_own_shim(once: Once, matched: Path, booted: Booted) -> None:
    def installed(folder: Path) -> None:  # firmware by itself starts nothing from it
        make_local_disk(folder / "disk.img", boot_programs=INSTALLED)

    disk = once("installed-disk", installed) / "disk.img"
    result = left_alone(matched, booted, *as_next_device(disk), disk_says=SAYS)
    assert result.fallback_message == SAYS


@pytest.mark.parametrize("booted", [BIOS, SECURE])
def test_of_several_disks_the_one_that_this_build_installed_is_started(
    matched: Path, tmp_path: Path, booted: Booted
) -> None:
    stamp = f"/boot/isoforge/{manifest_of(matched).build_id}-{BY_SERIAL}"
    older, newer = tmp_path / "older.img", tmp_path / "newer.img"
    make_local_disk(older, boot_programs=INSTALLED, says="The older system was started.")
    make_local_disk(newer, boot_programs=INSTALLED, says=SAYS, files=(stamp,))
    machine = (*as_next_device(older, newer), "-smbios", "type=1,serial=PC0EXMP1")
    result = left_alone(matched, booted, *machine, disk_says=SAYS[:-1])
    assert (result.menu.highlighted, result.fallback_message) == (
        "Boot the installed system (this build installed it)",
        SAYS[:-1],
    )


@pytest.mark.parametrize("booted", [BIOS, SECURE])
def test_a_menu_password_is_asked_for_before_anything_is_installed(
    once: Once, bootable_base: Path, booted: Booted
) -> None:
    iso = safe(once, bootable_base, "password", password_hash=hashed("open sesame", salt=b"salt" * 4, rounds=1000))
    firmware, medium = booted
    spec = BootSpec(
        iso=iso,
        firmware=firmware,
        medium=medium,
        timeout_s=WHOLE_BOOT_S,
        extra_qemu_args=("-smbios", "type=1,serial=PC0EXMP1"),
        local_disk_text="Enter username:",
    )
    assert boot(spec).fallback_message == "Enter username:"
    assert left_alone(iso, booted, menu_path=(LOCAL_DISK,)).report is None
