"""The keys of every verb's JSON, which programs rely on: a key that is renamed or removed is a breaking change."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from isoforge.proof.boot.evidence import to_json
from tests.iso.conftest import ROOT, Cli
from tests.unit.proof.boot.test_evidence import EVIDENCE

MANIFEST = """
    schema_version name build_id medium default_host timeout_s auto guard detect menu_password method replaced
    isoforge_version xorriso_version source_commit source_date_epoch menu_colors hidden_menu added hook
    iso iso.file iso.size iso.sha256
    base_iso base_iso.title base_iso.release base_iso.arch base_iso.volume_id base_iso.modified base_iso.file
    base_iso.size base_iso.sha256 base_iso.origin base_iso.official_name
    base_iso.boot base_iso.boot.part base_iso.boot.sha256
    hosts hosts.name hosts.title hosts.submenu hosts.kernel hosts.initrd hosts.kernel_line hosts.seed hosts.guarded
    hosts.match hosts.files hosts.files_table_sha256
    hosts.user_data_sha256 hosts.meta_data_sha256 hosts.vendor_data_sha256
    detect_files detect_files.path detect_files.sha256 scripts scripts.path scripts.sha256
    base_head base_head.path base_head.sha256 report report_files report_token_sha256
"""

KEYS = {
    "hosts --json": "name description group profile address match rendered",
    "hosts site-a-m710q1 --explain --json": "key value origin",
    "check --json": "id severity file line scope key message also leak",
    "plan": "name hosts args",
    "plan --format github": "include include.name include.hosts include.args",
    "multi --all --name n --render --ubuntu-iso BASE --json": MANIFEST,
    "full --host site-a-m710q1 --render --ubuntu-iso BASE --json": MANIFEST,
    "verify ISO --json": "iso ok checks checks.name checks.outcome checks.detail checks.faults checks.remarks",
    "inspect ISO --json": """
        file size volume_id modified title release arch manifest base_origin inside_size
        kernels kernels.vmlinuz kernels.initrd
        partitions partitions.number partitions.type partitions.start partitions.size
        boot_records boot_records.platform boot_records.start boot_records.size boot_records.media boot_records.segment
        menu menu.menu menu.title menu.submenu menu.kernel menu.initrd menu.kernel_line
        hosts hosts.name hosts.folder hosts.entries hosts.files hosts.files.path hosts.files.size hosts.files.sha256
    """,
    "diff BASE ISO --json": """
        one two differences differences.part differences.subject differences.change differences.diff
    """,
    "write --list --json": """
        devices devices.device devices.link devices.size devices.bus devices.model devices.serial devices.removable
        devices.contents devices.refusals
    """,
    "doctor --json": "name purpose verdict detail fix",
    "discover --json": """
        vendor product firmware memory_bytes gateway match warnings smbios smbios.key smbios.value smbios.problem
        cards cards.name cards.mac cards.driver cards.has_link cards.is_wireless cards.has_route
        disks disks.name disks.size_bytes disks.model disks.serial disks.wwn disks.transport disks.is_rotational
        disks.is_removable disks.by_id disks.mount_points
    """,
}
"""Each key with those above it, by the command that prints it."""

BOOT_TEST = """
    ok build_id started_at hosts_on_iso hosts selection boot_image accelerator versions faults
    iso iso.file iso.size iso.sha256
    boots boots.host boots.firmware boots.medium boots.ok boots.seconds boots.differences boots.screen
    boots.report boots.report.kernel_line boots.report.kernel boots.report.firmware boots.report.secure_boot
    boots.report.uuid boots.report.medium boots.report.on_partition boots.report.seed_folder boots.report.seed
    boots.report.views boots.report.failed_modules
"""

MAPS = {"match", "versions", "seed", "views"}
"""Keys whose values are mappings from names that depend on the data."""


def keys_of(document: Any, above: str = "") -> Iterator[str]:
    """Every key of ``document``, behind the keys above it and a dot; those of `MAPS` and of manifests in it are not."""
    for item in document if isinstance(document, list) else [document]:
        for key, value in item.items() if isinstance(item, dict) else ():
            yield above + key
            if key not in MAPS and above + key != "manifest":
                yield from keys_of(value, f"{above}{key}.")


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """The root of a machine with a serial number, a network card and a disk."""
    files = {
        "sys/class/dmi/id/product_serial": "PC0EXMP3",
        "sys/class/net/eno1/address": "00:00:5e:00:53:01",
        "sys/class/net/eno1/carrier": "1",
        "sys/class/net/eno1/device/vendor": "",
        "sys/block/sda/size": "500000000",
        "sys/block/sda/device/vendor": "",
    }
    for name, text in files.items():
        file = tmp_path / "machine" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")
    return tmp_path / "machine"


@pytest.mark.parametrize("command", KEYS)
def test_json_has_these_keys(cli: Cli, noble: Path, good: Path, machine: Path, command: str) -> None:
    files = {"BASE": str(noble), "ISO": str(good)}
    outcome = cli(*(files.get(word, word) for word in command.split()), ISOFORGE_ROOT=str(machine))
    assert set(keys_of(json.loads(outcome.out))) == set(KEYS[command].split()), outcome.err


def test_json_of_boot_test_has_these_keys() -> None:
    assert set(keys_of(json.loads(to_json(EVIDENCE)))) == set(BOOT_TEST.split())


@pytest.mark.parametrize("command", [*KEYS, "boot-test ISO --json"])
def test_every_key_at_the_top_is_documented(command: str) -> None:
    page = (ROOT / "docs" / ("manifest.md" if KEYS.get(command) is MANIFEST else "library.md")).read_text("utf-8")
    keys = KEYS.get(command, BOOT_TEST).split()
    assert [key for key in keys if "." not in key and f"`{key}`" not in page] == []
