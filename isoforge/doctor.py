"""What isoforge needs on this machine, what is missing, and the command that installs it."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from isoforge.collect import tracked
from isoforge.errors import ToolError
from isoforge.fleet.inventory.secrets import sops
from isoforge.image.xorriso import require_xorriso
from isoforge.ownership import find_program
from isoforge.packages import install_hint
from isoforge.proof.boot.qemu import QEMU, QEMU_ARM64, Firmware, find_ovmf
from isoforge.regular_file import is_present


class Verdict(enum.StrEnum):
    """Whether a thing is present, missing but needed for some verbs only, or missing and needed to build ISOs."""

    OK = "ok"
    OPTIONAL = "optional"
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check: what the thing is for, its state in a few words, and the command that fixes it (empty if none)."""

    name: str
    purpose: str
    verdict: Verdict
    detail: str
    fix: str = ""


def examine(baremetal: Path) -> list[Finding]:
    """Everything that isoforge may need on this machine and in ``baremetal``, the main job's needs first."""
    return [
        _xorriso(),
        *_programs(),
        _secrets_key(),
        *_firmware(),
        _inventory(baremetal),
        *_leaks(baremetal),
    ]


def _xorriso() -> Finding:
    about: dict[str, str] = {"name": "xorriso", "purpose": "reads and writes ISOs"}
    try:
        return Finding(**about, verdict=Verdict.OK, detail=require_xorriso())
    except ToolError as failure:
        return Finding(**about, verdict=Verdict.MISSING, detail=failure.message, fix=failure.hint)


def _programs() -> Iterator[Finding]:
    for name, program, purpose in (
        ("sops", sops(), "decrypts secrets"),
        ("age-keygen", "age-keygen", "creates the key that secrets are encrypted for"),
        ("gpgv", "gpgv", "checks the signature of Ubuntu's list of ISOs"),
        ("lsblk", "lsblk", "lists the sticks that can be written to"),
        ("git", "git", "records the commit that an ISO was built from"),
        ("qemu", QEMU, "boots an ISO to test it"),
        ("qemu-arm64", QEMU_ARM64, "boots an ISO for arm64 to test it"),
    ):
        about: dict[str, str] = {"name": name, "purpose": purpose}
        try:
            path = find_program(program)
        except ToolError as failure:
            yield Finding(**about, verdict=Verdict.OPTIONAL, detail=failure.message, fix=failure.hint)
            continue
        if path:
            yield Finding(**about, verdict=Verdict.OK, detail=path)
        else:
            fix = install_hint(Path(program).name)
            yield Finding(**about, verdict=Verdict.OPTIONAL, detail="not installed", fix=fix)


def _secrets_key() -> Finding:
    path = "~/.config/sops/age/keys.txt"
    about: dict[str, str] = {"name": "age key", "purpose": "decrypts your secrets"}
    try:
        file = Path(path).expanduser()
    except RuntimeError:  # no HOME, and a user that this machine does not know: any number in a container
        return Finding(**about, verdict=Verdict.OPTIONAL, detail="no home folder", fix="set HOME")
    if file.is_file():
        return Finding(**about, verdict=Verdict.OK, detail=str(file))
    return Finding(**about, verdict=Verdict.OPTIONAL, detail=f"not found: {path}", fix=f"age-keygen -o {file}")


def _firmware() -> Iterator[Finding]:
    for name, arch, purpose in (
        ("ovmf", "amd64", "UEFI firmware for boot tests"),
        ("aavmf", "arm64", "UEFI firmware for boot tests of ISOs for arm64"),
    ):
        about: dict[str, str] = {"name": name, "purpose": purpose}
        try:
            yield Finding(**about, verdict=Verdict.OK, detail=str(find_ovmf(Firmware.SECUREBOOT, arch)[0]))
        except ToolError as failure:
            yield Finding(**about, verdict=Verdict.OPTIONAL, detail="not installed", fix=failure.hint)


def _inventory(baremetal: Path) -> Finding:
    about: dict[str, str] = {"name": "inventory", "purpose": "lists the hosts"}
    file = baremetal / "inventory/hosts.yml"
    if file.is_file():
        return Finding(**about, verdict=Verdict.OK, detail=str(file))
    if is_present(file):
        return Finding(**about, verdict=Verdict.OPTIONAL, detail=f"not a regular file: {file}", fix=f"rm {file}")
    return Finding(**about, verdict=Verdict.OPTIONAL, detail=f"not found: {file}", fix="isoforge init")


def _leaks(baremetal: Path) -> Iterator[Finding]:
    for problem in tracked(baremetal):
        yield Finding(
            name="git",
            purpose="must not track seeds and the overlay",
            verdict=Verdict.MISSING,
            detail=f"{problem.file} is tracked by git",
            fix=f"git rm --cached -- {problem.file}",
        )
