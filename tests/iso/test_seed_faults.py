"""Seeds and kernel lines with which nothing is installed, or not what they say: all on one ISO, an entry each."""

from __future__ import annotations

from pathlib import Path

import pytest

from isoforge.proof.verify.check import Check
from isoforge.proof.verify.verify import verify
from tests.iso import mutation as m
from tests.iso.test_fault_corpus import failed, told

HEAD = "#cloud-config\n"
SOUND = f"{HEAD}autoinstall:\n  version: 1\n"

SEEDS: dict[str, tuple[str, str]] = {
    # user-data, words of the fault; none: it is sound
    "nothing": (HEAD, "is not a mapping"),
    "list": (f"{HEAD}- autoinstall\n", "is not a mapping"),
    "only-users": (f"{HEAD}users: []\n", "has no autoinstall section"),
    "text": (f"{HEAD}autoinstall: yes\n", "is not a mapping: the installer refuses it"),
    "no-version": (f"{HEAD}autoinstall:\n  locale: C\n", "without a version"),
    "version-elsewhere": (f"{HEAD}autoinstall:\n  storage: {{version: 1}}\nversion: 1\n", "without a version"),
    "two-documents": (f"{SOUND}---\n{SOUND}", "has 2 documents"),
    "twice": (f"{SOUND}autoinstall: {{version: 1}}\n", "has the key autoinstall twice"),
    "quoted-twice": (f'{SOUND}"autoinstall":\n  version: 1\n', "has the key autoinstall twice"),
    "guard-twice": (f"{SOUND}  early-commands: [a]\n  early-commands: []\n", "key autoinstall.early-commands twice"),
    "sound": (SOUND, ""),
    "windows": (SOUND.replace("\n", "\r\n"), ""),
    "alias": (f"{HEAD}x: &a {{version: 1}}\nautoinstall: *a\n", ""),
    "merged": (f"{HEAD}x: &a {{version: 1}}\nautoinstall:\n  <<: *a\n", ""),
    "same-key-deeper": (f"{HEAD}autoinstall:\n  version: 1\n  user-data: {{autoinstall: {{}}, version: 2}}\n", ""),
    "flow": (f"{HEAD}{{autoinstall: {{version: 1}}}}\n", ""),
    "template": (f"## template: jinja\n{HEAD}a: b\n", ""),
}

LINES: dict[str, tuple[str, str]] = {
    # kernel arguments before the ---, words of the fault
    "disabled": ("autoinstall cloud-init=disabled", "with cloud-init=disabled the installer is not started"),
    "shell": ("autoinstall init=/bin/sh", "with init=/bin/sh"),
    "break": ("autoinstall break=top", "with break=top"),
    "two sources": (r"autoinstall ds=none ds=nocloud\;s=/cdrom/nocloud/sound/", "names 2 data sources"),
    "relative": (r"autoinstall ds=nocloud\;s=nocloud/sound/", "the seed 'nocloud/sound/' is not a folder or a URL"),
    "no address": (r"autoinstall ds=nocloud\;s=", "the seed '' is not a folder"),
    "no file": ("autoinstall subiquity.autoinstallpath=/cdrom/x.yaml", "file /cdrom/x.yaml is not on the ISO"),
    "file": ("autoinstall subiquity.autoinstallpath=/cdrom/nocloud/sound/user-data", ""),
    "asks first": (r"ds=nocloud\;s=/cdrom/nocloud/only-users/", ""),
    "URL": (r"autoinstall ds=nocloud\;s=http://192.0.2.1/", ""),
    "for support": ("init=/bin/sh", ""),
}

ENTRY = "menuentry '{title}' {{\n\tlinux /casper/vmlinuz {line} ---\n\tinitrd /casper/initrd\n}}\n"


@pytest.fixture(scope="module")
def faults(noble: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What is wrong with the kernel lines of an ISO that has all of them."""
    lines = {name: rf"autoinstall ds=nocloud\;s=/cdrom/nocloud/{name}/" for name in SEEDS}
    lines |= {name: line for name, (line, _) in LINES.items()}
    files = {m.MENU: "".join(ENTRY.format(title=title, line=line) for title, line in lines.items())}
    for name, (text, _) in SEEDS.items():
        files |= {f"/nocloud/{name}/user-data": text, f"/nocloud/{name}/meta-data": ""}
    checks = verify(m.remaster(noble, tmp_path_factory.mktemp("seeds") / "other.iso", files))
    return list(next(check.faults for check in checks if check.name == "kernel-lines"))


@pytest.mark.parametrize("name", [*SEEDS, *LINES])
def test_what_does_not_install_is_named(faults: list[str], name: str) -> None:
    words = {**SEEDS, **LINES}[name][1]
    own = [fault for fault in faults if f" {name!r}: " in fault]
    assert bool(own) == bool(words), own
    assert all(words in fault for fault in own)


def verified(noble: Path, folder: Path, files: dict[str, str]) -> tuple[Check, ...]:
    return verify(m.remaster(noble, folder / "other.iso", files))


@pytest.mark.parametrize(
    ("path", "check", "words"),
    [
        ("/casper/vmlinuz", "kernel-lines", "the kernel /casper/vmlinuz is empty"),
        ("/casper/initrd", "kernel-lines", "the initrd /casper/initrd is empty"),
        ("/casper/ubuntu-server-minimal.squashfs", "directories", "is not a squashfs file system"),
    ],
)
def test_empty_files_that_the_live_system_needs_are_named(
    noble: Path, tmp_path: Path, path: str, check: str, words: str
) -> None:
    checks = verified(noble, tmp_path, {path: ""})
    assert failed(checks) == {check, "md5sum"}, told(checks)
    assert words in told(checks)


def test_an_initrd_before_its_kernel_is_named(noble: Path, tmp_path: Path) -> None:
    menu = "menuentry x {\n\tinitrd /casper/initrd\n\tlinux /casper/vmlinuz ---\n}\n"
    checks = verified(noble, tmp_path, {m.MENU: menu})
    assert failed(checks) == {"start", "md5sum"}, told(checks)
    assert "the entry 'x': GRUB prints error: you need to load the kernel first" in told(checks)
