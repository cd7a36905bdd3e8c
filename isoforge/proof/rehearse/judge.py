"""What a rehearsal must show: the differences between what machines did and what the manifest and the seed say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from isoforge.proof.boot.boot import NO_BOOT_DEVICE
from isoforge.proof.boot.screen import is_entry
from isoforge.proof.manifest import HostFacts, Manifest
from isoforge.proof.rehearse.disks import FileSystem
from isoforge.proof.rehearse.watch import OFF, REPORT, TIMEOUT, Outcome

INSTALLED_TITLE, LOCAL_TITLE = "Boot the installed system", "Boot from local disk"
"""How the menu's entries begin that install nothing."""

STOPPED = "stopped"
NOTHING = "nothing"
LOGIN = "login"
DISK = "disk"

STOP = re.compile(r"An error occurred\. Press enter to start a shell|isoforge: STOPPED\.[^\r\n]*|Kernel panic[^\r\n]*")
"""How an installation that has failed says so on a console (subiquity, cmd/server.py and ui; the guard)."""

NO_DEVICE = re.compile(NO_BOOT_DEVICE)

STAMP_FOLDERS = ("/boot/isoforge", "/isoforge", "/@/boot/isoforge")
"""Where the stamp of a build is, seen from the file system that has it."""

BOOT_FINISHED = "/var/lib/cloud/instance/boot-finished"
"""What cloud-init writes at the end of each start."""

USER_NAME = re.compile(r"[a-z_][a-z0-9_.-]*\$?", re.IGNORECASE)


def install_endings() -> dict[str, re.Pattern[str]]:
    """What ends an installation that is not a success."""
    return {STOPPED: STOP, NOTHING: NO_DEVICE}


def boot_endings(hostname: str) -> dict[str, re.Pattern[str]]:
    """What ends a start of the installed system."""
    return {LOGIN: re.compile(rf"{re.escape(hostname)} login:"), STOPPED: STOP, NOTHING: NO_DEVICE}


def hostname_of(seed: Mapping[str, Any], host: HostFacts) -> str:
    """The name that the installed system has."""
    return str((seed.get("identity") or {}).get("hostname") or host.name)


def stamped(systems: Sequence[FileSystem], manifest: Manifest, host: HostFacts) -> FileSystem | None:
    """The file system with the stamp of this build for ``host``; None if there is none."""
    name = f"{manifest.build_id}-{host.name}"
    return next((one for one in systems for folder in STAMP_FOLDERS if one.exists(f"{folder}/{name}")), None)


def judge_install(outcome: Outcome, host: HostFacts, *, by_hand: bool, unstamped: bool) -> Iterator[str]:
    """In what the installation differs from one that succeeds; ``unstamped``: the disks show that none did."""
    if outcome.menu and not by_hand and not is_entry(host.title, outcome.menu.highlighted):
        yield f"the menu chose {outcome.menu.highlighted!r}, expected {host.title!r}"
    if outcome.ending == TIMEOUT:
        yield f"the installation did not end within {outcome.text.removeprefix('the ')}"
    elif outcome.ending == NOTHING:
        yield f"nothing was installed: the firmware says {outcome.text!r}"
    elif outcome.ending in (STOPPED, REPORT):
        yield f"the installation failed: {outcome.text}"
    elif outcome.ending == OFF and unstamped:
        yield "the machine restarted, but no disk has this build's stamp: nothing was installed"


def judge_again(outcome: Outcome, *, by_hand: bool) -> Iterator[str]:
    """In what a second start with the ISO differs from one that leaves the installed system alone."""
    expected = (INSTALLED_TITLE, LOCAL_TITLE) if by_hand else (INSTALLED_TITLE,)
    if outcome.menu and not outcome.menu.highlighted.startswith(expected):
        yield f"the menu chose {outcome.menu.highlighted!r} on the installed machine, expected {INSTALLED_TITLE!r}"
    yield from _judge_boot(outcome)


def judge_disk(outcome: Outcome) -> Iterator[str]:
    """In what a start from disk alone differs from one of an installed system."""
    yield from _judge_boot(outcome)


def _judge_boot(outcome: Outcome) -> Iterator[str]:
    if outcome.ending not in (LOGIN, DISK):
        yield f"the installed system did not start: {outcome.text}"


def judge_other(outcome: Outcome, *, changed: bool) -> Iterator[str]:
    """In what a start on another machine differs from one that touches nothing."""
    if changed:
        yield "the disks of another machine were written to"
    if outcome.ending == TIMEOUT and outcome.menu is None:
        yield "no menu came up on another machine"


def kernel_lines(system: FileSystem) -> list[str]:
    """The kernel lines in the GRUB menu on ``system``, each once."""
    text = system.text("/boot/grub/grub.cfg") or system.text("/grub/grub.cfg") or ""
    rows = (line.split(maxsplit=1) for line in text.splitlines())
    return list(dict.fromkeys(row[1] for row in rows if len(row) > 1 and row[0] == "linux"))


def judge_system(systems: Sequence[FileSystem], seed: Mapping[str, Any], hostname: str) -> Iterator[str]:
    """In what the installed system differs from ``seed``: host name, first user, keys, network."""
    root = next((one for one in systems if one.exists("/etc/hostname")), None)
    if root is None:
        return
    found = (root.text("/etc/hostname") or "").strip()
    if found != hostname:
        yield f"host name is {found!r}, expected {hostname!r} (seed)"
    user = str((seed.get("identity") or {}).get("username") or "")
    if USER_NAME.fullmatch(user):
        yield from _judge_user(root, user, (seed.get("ssh") or {}).get("authorized-keys") or ())
    yield from _judge_network(root, seed.get("network") or {})


def _judge_user(root: FileSystem, user: str, keys: Sequence[str]) -> Iterator[str]:
    rows = [row.split(":") for row in (root.text("/etc/passwd") or "").splitlines()]
    row = next((row for row in rows if row[0] == user), None)
    if row is None:
        yield f"there is no user {user}, expected by the seed"
        return
    home = row[5] if len(row) > 5 and re.fullmatch(r"[\w/.-]+", row[5]) else f"/home/{user}"
    present = {_key(line) for line in (root.text(f"{home}/.ssh/authorized_keys") or "").splitlines()}
    for key in keys:
        if _key(key) not in present:
            name = " ".join(key.split()[2:]) or key[:40]
            yield f"{user} has no key {name!r} in authorized_keys, expected by the seed"


def _key(line: str) -> tuple[str, ...]:
    """Type and key of a line in authorized_keys, without its comment."""
    return tuple(line.split()[:2])


def _judge_network(root: FileSystem, network: Mapping[str, Any]) -> Iterator[str]:
    expected = _addresses(network)
    files = [name for name in root.names("/etc/netplan") if name.endswith(".yaml")]
    if not expected or not files:
        return
    found: dict[str, list[str]] = {}
    for name in files:
        try:
            found |= _addresses(yaml.safe_load(root.text(f"/etc/netplan/{name}") or "") or {})
        except yaml.YAMLError:
            yield f"/etc/netplan/{name} is not YAML"
    for interface, addresses in expected.items():
        if interface not in found:
            yield f"the network configuration has no {interface}, expected by the seed"
        elif found[interface] != addresses:
            yield f"{interface} has the addresses {found[interface]}, expected {addresses} (seed)"


def _addresses(network: Mapping[str, Any]) -> dict[str, list[str]]:
    inner = network.get("network") or network
    kinds = ("ethernets", "bonds", "bridges", "vlans")
    interfaces = {name: entry for kind in kinds for name, entry in (inner.get(kind) or {}).items()}
    return {name: [str(one) for one in (entry or {}).get("addresses") or ()] for name, entry in interfaces.items()}
