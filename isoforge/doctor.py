"""What this machine lacks, and the command that installs it."""

from __future__ import annotations

import enum
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from isoforge.collect import tracked
from isoforge.errors import ToolError
from isoforge.fleet.inventory.secrets import sops
from isoforge.image.xorriso import require_xorriso
from isoforge.packages import install_hint
from isoforge.proof.boot.qemu import QEMU, Firmware, find_ovmf


class Verdict(enum.StrEnum):
    """Whether a thing is there, is missed for some work only, or stands in the way of the main job."""

    OK = "ok"
    OPTIONAL = "optional"
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at: what it is for, how it stands, and the command that helps (empty if none)."""

    name: str
    purpose: str
    verdict: Verdict
    told: str
    cure: str = ""


def examine(baremetal: Path) -> list[Finding]:
    """Everything that isoforge may need on this machine and in ``baremetal``, the main job's needs first."""
    return [
        _xorriso(),
        *_programs(),
        _secrets_key(),
        _firmware(),
        _inventory(baremetal),
        *_leaks(baremetal),
    ]


def _xorriso() -> Finding:
    about: dict[str, str] = {"name": "xorriso", "purpose": "reads and writes ISOs"}
    try:
        return Finding(**about, verdict=Verdict.OK, told=require_xorriso())
    except ToolError as failure:
        return Finding(**about, verdict=Verdict.MISSING, told=failure.message, cure=failure.hint)


def _programs() -> Iterator[Finding]:
    for name, program, purpose in (
        ("sops", sops(), "decrypts secrets"),
        ("age-keygen", "age-keygen", "makes the key that secrets are encrypted for"),
        ("git", "git", "tells the commit that an ISO was made from"),
        ("qemu", QEMU, "boots an ISO to test it"),
    ):
        found = shutil.which(program)
        if found:
            yield Finding(name=name, purpose=purpose, verdict=Verdict.OK, told=found)
        else:
            help_with = install_hint(Path(program).name)
            yield Finding(name=name, purpose=purpose, verdict=Verdict.OPTIONAL, told="not here", cure=help_with)


def _secrets_key() -> Finding:
    place = "~/.config/sops/age/keys.txt"
    about: dict[str, str] = {"name": "age key", "purpose": "opens your secrets"}
    try:
        file = Path(place).expanduser()
    except RuntimeError:  # no HOME, and a user that this machine does not know: any number in a container
        return Finding(**about, verdict=Verdict.OPTIONAL, told="there is no home folder", cure="set HOME")
    if file.is_file():
        return Finding(**about, verdict=Verdict.OK, told=str(file))
    return Finding(**about, verdict=Verdict.OPTIONAL, told="none in its usual place", cure=f"age-keygen -o {file}")


def _firmware() -> Finding:
    about: dict[str, str] = {"name": "ovmf", "purpose": "is the UEFI firmware of boot tests"}
    try:
        return Finding(**about, verdict=Verdict.OK, told=str(find_ovmf(Firmware.SECUREBOOT)[0]))
    except ToolError as failure:
        return Finding(**about, verdict=Verdict.OPTIONAL, told="not here", cure=failure.hint)


def _inventory(baremetal: Path) -> Finding:
    about: dict[str, str] = {"name": "inventory", "purpose": "says which hosts there are"}
    file = baremetal / "inventory/hosts.yml"
    if file.is_file():
        return Finding(**about, verdict=Verdict.OK, told=str(file))
    return Finding(**about, verdict=Verdict.OPTIONAL, told=f"no {file}", cure="isoforge init")


def _leaks(baremetal: Path) -> Iterator[Finding]:
    for problem in tracked(baremetal):
        yield Finding(
            name="git",
            purpose="must not carry seeds and the overlay away",
            verdict=Verdict.MISSING,
            told=f"{problem.file} is tracked",
            cure=f"git rm --cached -- {problem.file}",
        )
