"""The page for people holds everything and lets nothing in; the sample is told."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from isoforge.errors import BaseIsoError, OutputError, UsageError
from isoforge.image.layouts import AMD64, ARM64_DOS, ARM64_GPT, Layout
from isoforge.proof.boot.evidence import prepare, to_json, write_evidence
from isoforge.proof.boot.qemu import Firmware, Medium
from isoforge.proof.boot.run import BootOutcome, BootRequest, Evidence, select_firmwares, select_hosts
from isoforge.proof.manifest import ImageFile
from tests.unit.proof.boot.test_expectations import HOSTS, MANIFEST, REPORT, host

GOOD = BootOutcome(host="web-1", firmware=Firmware.BIOS, medium=Medium.USB, seconds=9.96, differences=(), report=REPORT)
EVIDENCE = Evidence(
    iso=ImageFile(file="prod.iso", size=4096, sha256="a" * 64),
    manifest=MANIFEST,
    hosts=("web-1",),
    selection="as requested",
    boot_image="the ISO as it is",
    accelerator="tcg",
    versions={"QEMU": "7.2"},
    started_at=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
    faults=(),
    boots=(GOOD,),
)
HOSTILE = '</td><script src="https://example.org/x">&\''


def page_of(evidence: Evidence, folder: Path) -> str:
    return write_evidence(evidence, folder).read_text()


def test_what_a_menu_or_a_guest_says_is_text_on_the_page(tmp_path: Path) -> None:
    hostile = replace(HOSTS[0], title=HOSTILE, kernel_line=HOSTILE)
    bad = replace(
        GOOD,
        host="web-1",
        differences=(HOSTILE,),
        screen=(HOSTILE,),
        report=replace(REPORT, kernel_line=HOSTILE, kernel=HOSTILE, seed={HOSTILE: None}),
    )
    manifest = replace(MANIFEST, name=HOSTILE, hosts=(hostile,))
    page = page_of(replace(EVIDENCE, manifest=manifest, boots=(bad,), faults=(HOSTILE,), boot_image=HOSTILE), tmp_path)
    assert page.count("&lt;script src=&quot;https://example.org/x&quot;&gt;&amp;&#x27;") == 10
    assert "<script" not in page
    assert "1 of 1 boots differ from the manifest" in page


def test_a_picture_lies_in_the_page_itself(tmp_path: Path) -> None:
    (tmp_path / "menu-uefi.png").write_bytes(b"\x89PNG")
    page = page_of(EVIDENCE, tmp_path)
    assert 'src="data:image/png;base64,iVBORw=="' in page
    assert page.count("<img") == 1
    assert "1 of 1 boots match the manifest" in page


def test_json_tells_what_failed(tmp_path: Path) -> None:
    assert json.loads(to_json(EVIDENCE))["ok"] is True
    told = json.loads(to_json(replace(EVIDENCE, boots=(GOOD, replace(GOOD, differences=("no medium",))))))
    assert told["ok"] is False
    assert [(one["ok"], one["seconds"], one["medium"]) for one in told["boots"]] == [
        (True, 10.0, "usb"),
        (False, 10.0, "usb"),
    ]
    page_of(EVIDENCE, tmp_path)
    assert json.loads((tmp_path / "report.json").read_text())["versions"]["QEMU"] == "7.2"


def test_the_page_about_the_library_names_the_keys_of_the_evidence() -> None:
    page = (Path(__file__).parents[4] / "docs/library.md").read_text("utf-8")
    (row,) = re.findall(r"^\| `boot-test --json` \| (.*) \|$", page, re.MULTILINE)
    assert re.findall(r"`(\w+)`", row) == list(json.loads(to_json(EVIDENCE)))


def test_what_an_earlier_round_left_is_taken_away_and_nothing_else(tmp_path: Path) -> None:
    for name in ("report.html", "menu-bios.png", "notes.txt", "serial/web-1-bios-cd.log"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("old")
    prepare(tmp_path)
    assert sorted(file.name for file in tmp_path.rglob("*") if file.is_file()) == ["notes.txt"]


def test_evidence_cannot_be_put_into_a_file(tmp_path: Path) -> None:
    (tmp_path / "evidence").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        prepare(tmp_path / "evidence")


FIFTY = replace(MANIFEST, hosts=tuple(host(f"web-{number}", 1) for number in range(50)), default_host="web-20")


@pytest.mark.parametrize(
    ("order", "names"),
    [
        (BootRequest(iso=Path("a.iso")), ["web-0", "web-20", "web-49"]),
        (BootRequest(iso=Path("a.iso"), hosts=("web-7", "web-3", "web-7")), ["web-3", "web-7"]),
        (BootRequest(iso=Path("a.iso"), every_host=True), [f"web-{number}" for number in range(50)]),
    ],
)
def test_hosts_are_chosen_in_menu_order(order: BootRequest, names: list[str]) -> None:
    assert [host.name for host in select_hosts(FIFTY, order)[0]] == names


def test_a_sample_says_that_it_is_one() -> None:
    assert (
        select_hosts(FIFTY, BootRequest(iso=Path("a.iso")))[1]
        == "a sample of 50 hosts: the first, the last, the default host"
    )
    assert select_hosts(replace(FIFTY, default_host=None), BootRequest(iso=Path("a.iso")))[1] == (
        "a sample of 50 hosts: the first, the last"
    )
    assert select_hosts(MANIFEST, BootRequest(iso=Path("a.iso")))[1] == "all of them"


def test_whom_nobody_can_boot_is_refused() -> None:
    with pytest.raises(UsageError, match="web-99 is not on the ISO"):
        select_hosts(FIFTY, BootRequest(iso=Path("a.iso"), hosts=("web-99",)))
    with pytest.raises(BaseIsoError, match="no hosts"):
        select_hosts(replace(FIFTY, hosts=()), BootRequest(iso=Path("a.iso")))


@pytest.mark.parametrize(
    ("layout", "firmwares"),
    [
        (AMD64, (Firmware.BIOS, Firmware.SECUREBOOT)),
        (ARM64_DOS, (Firmware.SECUREBOOT,)),
        (ARM64_GPT, (Firmware.SECUREBOOT,)),
    ],
)
def test_by_default_an_iso_is_booted_by_what_it_is_for(layout: Layout, firmwares: tuple[Firmware, ...]) -> None:
    assert select_firmwares(layout, BootRequest(iso=Path("a.iso"))) == firmwares


def test_a_firmware_that_cannot_boot_the_iso_is_refused_with_those_that_can() -> None:
    order = BootRequest(iso=Path("a.iso"), firmwares=(Firmware.UEFI, Firmware.BIOS))
    assert select_firmwares(AMD64, order) == order.firmwares
    with pytest.raises(UsageError, match="is for arm64 and cannot be booted by bios") as caught:
        select_firmwares(ARM64_GPT, order)
    assert caught.value.hint == "choose --firmware from uefi, secureboot"
