"""QEMU is started with the firmware and the medium that were asked for, and never writes to the ISO."""

from __future__ import annotations

from pathlib import Path

import pytest

from isoforge.errors import ToolError
from isoforge.packages import install_hint
from isoforge.proof.boot import qemu
from isoforge.proof.boot.qemu import Firmware, Medium, find_ovmf, qemu_arguments

ISO = Path("/srv/iso/a,b.iso")


@pytest.fixture(autouse=True)
def ovmf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An OVMF of a few bytes."""
    for name in ("CODE.fd", "VARS.fd", "CODE.sb.qcow2", "VARS.sb.qcow2", "ARM.fd", "ARM_VARS.fd"):
        (tmp_path / name).write_text(name)
    pairs = {
        Firmware.UEFI: (("/nowhere/CODE.fd", "/nowhere/VARS.fd"), (f"{tmp_path}/CODE.fd", f"{tmp_path}/VARS.fd")),
        Firmware.SECUREBOOT: ((f"{tmp_path}/CODE.sb.qcow2", f"{tmp_path}/VARS.sb.qcow2"),),
    }
    monkeypatch.setattr(qemu, "OVMF", pairs)
    arm = ((f"{tmp_path}/ARM.fd", f"{tmp_path}/ARM_VARS.fd"),)
    monkeypatch.setattr(qemu, "AAVMF", {Firmware.UEFI: (), Firmware.SECUREBOOT: arm})
    return tmp_path


def arguments(firmware: Firmware, medium: Medium, scratch: Path) -> list[str]:
    scratch.mkdir()
    return qemu_arguments(ISO, firmware=firmware, medium=medium, scratch=scratch)


def test_bios_and_cd(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    assert arguments(Firmware.BIOS, Medium.CD, scratch) == [
        "-machine", "q35",
        "-accel", "tcg",
        "-m", "2048",
        "-display", "none",
        "-nic", "none",
        "-monitor", "none",
        "-no-reboot",
        "-chardev", f"file,id=serial,path={scratch}/serial.log",
        "-serial", "chardev:serial",
        "-qmp", f"unix:{scratch}/qmp.sock",
        "-fw_cfg", f"name=etc/sercon-port,file={scratch}/sercon-port",
        "-drive", "if=none,id=medium,media=cdrom,format=raw,readonly=on,file=/srv/iso/a,,b.iso",
        "-device", "ide-cd,drive=medium,bootindex=0",
    ]  # fmt: skip
    assert (scratch / "sercon-port").read_bytes() == b"\xf8\x03"


def test_secure_boot_and_stick(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    words = " ".join(arguments(Firmware.SECUREBOOT, Medium.USB, scratch))
    assert "-machine q35,smm=on" in words
    assert "driver=cfi.pflash01,property=secure,value=on" in words
    assert f"unit=0,format=qcow2,readonly=on,file={tmp_path}/CODE.sb.qcow2" in words
    assert f"unit=1,format=qcow2,file={scratch}/VARS.sb.qcow2" in words
    assert "format=raw,snapshot=on,file=/srv/iso/a,,b.iso" in words
    assert "usb-storage,drive=medium,removable=on,bootindex=0" in words


@pytest.mark.parametrize("medium", list(Medium))
def test_a_machine_for_arm64_has_a_usb_medium_a_keyboard_and_a_screen(tmp_path: Path, medium: Medium) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    words = qemu_arguments(ISO, firmware=Firmware.SECUREBOOT, medium=medium, scratch=scratch, arch="arm64")
    text = " ".join(words)
    assert text.startswith("-machine virt -cpu cortex-a72 -device ramfb -device qemu-xhci -device usb-kbd -accel tcg ")
    assert text.count("qemu-xhci") == 1
    assert "secure" not in text
    assert f"unit=0,format=raw,readonly=on,file={tmp_path}/ARM.fd" in text
    assert words[-1].startswith("usb-storage,drive=medium,")
    assert ("media=cdrom" in text) == (medium is Medium.CD)


def test_guests_for_arm64_are_emulated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qemu, "runs_under", lambda _name: True)
    assert qemu.accelerator("arm64") == "tcg"


def test_without_uefi_for_arm64_the_error_says_what_to_install() -> None:
    with pytest.raises(ToolError, match="AAVMF for uefi is not installed") as caught:
        find_ovmf(Firmware.UEFI, "arm64")
    assert caught.value.hint == install_hint("aavmf")


def test_the_firmwares_variables_are_a_copy(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    words = " ".join(arguments(Firmware.UEFI, Medium.CD, scratch))
    assert f"file={tmp_path}/VARS.fd" not in words
    assert (scratch / "VARS.fd").read_text() == "VARS.fd"


def test_an_ovmf_in_the_second_place_is_found(tmp_path: Path) -> None:
    assert find_ovmf(Firmware.UEFI) == (tmp_path / "CODE.fd", tmp_path / "VARS.fd")


def test_without_ovmf_the_error_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "VARS.sb.qcow2").unlink()
    with pytest.raises(ToolError, match="OVMF for secureboot is not installed") as caught:
        find_ovmf(Firmware.SECUREBOOT)
    assert caught.value.hint == install_hint("ovmf")
