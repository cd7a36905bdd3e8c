"""Every key that an inventory may hold: its kind, its default and its meaning, as data.

`REFERENCE` is the one place where a key is written down: defaults, checks and the documentation come from it.
A name is a dotted path; ``*`` stands for a name that people choose, ``[]`` for the items of a list.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from isoforge.fleet.inventory.schema_live import LIVE
from isoforge.fleet.inventory.schema_netplan import NETPLAN
from isoforge.fleet.inventory.schema_report import REPORT
from isoforge.yaml_limits import KeyPath


class Kind(enum.StrEnum):
    """What may stand at a key."""

    TEXT = "text"
    INTEGER = "whole number"
    BOOLEAN = "true or false"
    SIZE = "size: 512M, 1.5G or a number of bytes"
    TEXTS = "list of texts"
    TEXT_OR_TEXTS = "text or list of texts"
    COMMANDS = "list of commands, each a text or a list of words"
    MAPPING = "mapping"
    LIST = "list of mappings"
    ANY = "anything"
    ANY_MAPPING = "mapping, passed on unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One inventory key.

    ``choices`` are the only texts that it takes (all if empty); ``pattern`` is a regular expression that the whole
    text (or each text of a list) must match, and ``form`` describes its form, which for what goes into the seed as it
    is, the check of seeds knows. A ``required`` key must be
    there if the mapping around it is. A ``secret`` key is never shown, wherever it was written.
    """

    name: str
    kind: Kind
    meaning: str
    default: Any = None
    choices: tuple[str, ...] = ()
    pattern: str = ""
    form: str = ""
    required: bool = False
    secret: bool = False


HOST_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
"""A host's name in the inventory: it becomes a directory on the ISO and a word on the kernel line."""

_MAC = r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}"
_GLOB_FORM = "a glob that matches the whole text, for example *S4EVNX0R*"
_DISK_KEYS = (
    ("serial", "the disk's serial number, as in udev's ID_SERIAL"),
    ("model", "its model (udev's ID_MODEL: spaces are underscores)"),
    ("vendor", "its vendor"),
    ("path", "its kernel path, for example /dev/nvme0n1 or /dev/sd*; never /dev/disk/by-*"),
    ("id_path", "where it is plugged in (udev's ID_PATH); Ubuntu 23.10 and later"),
    ("devpath", "its path under /sys; Ubuntu 23.10 and later"),
)


def _disk(name: str) -> Iterator[Key]:
    for key, meaning in _DISK_KEYS:
        yield Key(name=f"{name}.{key}", kind=Kind.TEXT, meaning=f"{meaning}: {_GLOB_FORM}")
    yield Key(name=f"{name}.ssd", kind=Kind.BOOLEAN, meaning="only disks without (true) or with (false) moving parts")
    yield Key(
        name=f"{name}.size",
        kind=Kind.TEXT,
        choices=("largest", "smallest"),
        meaning="which of the matching disks; it is not a size",
    )


def _text(name: str, meaning: str, **more: Any) -> Key:
    return Key(name=name, kind=Kind.TEXT, meaning=meaning, **more)


def _keys(kind: Kind, name: str, meaning: str, **more: Any) -> Key:
    return Key(name=name, kind=kind, meaning=meaning, **more)


REFERENCE: tuple[Key, ...] = (
    # The host itself, and how the menu finds it
    _text("description", "short description, also shown in the menu", default=""),
    _text(
        "hostname",
        "the installed machine's host name (default: the host's name in the inventory)",
        form="letters, digits and hyphens, with dots between the parts",
    ),
    _text("hardware_profile", "the file in profiles/hardware/ that describes the machine's type", default=""),
    _text(
        "instance_id",
        "cloud-init's instance-id (default: host name and a digest of the seed)",
        pattern=r"[A-Za-z0-9][A-Za-z0-9._-]*",
        form="letters, digits, dots, underscores and hyphens",
    ),
    _keys(Kind.MAPPING, "match", "what identifies this machine (SMBIOS values, MAC addresses)"),
    _text("match.serial", "system serial number (dmidecode -s system-serial-number)"),
    _text("match.uuid", "system UUID", pattern=r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", form="a UUID"),
    _text("match.product", "product name; alone it matches every machine of the type"),
    _text("match.asset_tag", "chassis asset tag"),
    _text("match.baseboard_serial", "serial number of the main board"),
    _keys(Kind.TEXT_OR_TEXTS, "match.mac", "MAC address, or several", pattern=_MAC, form="a MAC address"),
    # The live system and the machine
    *(Key(name=name, kind=Kind[kind], meaning=meaning, **more) for name, kind, meaning, more in LIVE),
    # Who, and in which language
    _keys(Kind.MAPPING, "identity", "the first user"),
    _text(
        "identity.username",
        "the first user's name",
        form="a small letter or _, then at most 31 small letters, digits, _ or -",
    ),
    _text("identity.realname", "the first user's full name", default="", form="a name without a colon"),
    _text(
        "identity.password_hash",
        "crypt(3) hash of the password, as printed by isoforge passwd (default: no password login)",
        secret=True,
    ),
    _text(
        "identity.sudo",
        "whether sudo asks for the password (default: it does if there is one)",
        choices=("password", "nopasswd"),
    ),
    _text("locale", "the installed system's locale", default="en_US.UTF-8"),
    _keys(Kind.MAPPING, "keyboard", "the keyboard at the console"),
    _text("keyboard.layout", "XKB layout", default="us"),
    _text("keyboard.variant", "XKB variant", default=""),
    _text("keyboard.toggle", "keys that switch between two layouts, for example alt_shift_toggle"),
    _text("timezone", "time zone, for example Europe/Berlin", default="Etc/UTC"),
    # Network: netplan's own words, two shorthands added
    *(Key(name=name, kind=Kind[kind], meaning=meaning, **more) for name, kind, meaning, more in NETPLAN),
    # Storage
    _keys(Kind.MAPPING, "storage", "which disks are wiped, and how they are partitioned"),
    _text(
        "storage.layout",
        "lvm, direct and zfs are the installer's own; partitions and raid1 define every partition",
        default="lvm",
        choices=("lvm", "direct", "zfs", "partitions", "raid1"),
    ),
    _keys(Kind.MAPPING, "storage.disk", "the one disk that may be wiped (every layout but raid1)"),
    *_disk("storage.disk"),
    _keys(Kind.LIST, "storage.disks", "the two disks that may be wiped (raid1)"),
    *_disk("storage.disks[]"),
    _text(
        "storage.firmware",
        "how the machine boots; partitions and raid1 support only one of the two",
        default="uefi",
        choices=("uefi", "bios"),
    ),
    _text("storage.passphrase", "passphrase that encrypts the disk with LUKS; asked for at every boot", secret=True),
    _text(
        "storage.sizing_policy",
        "lvm: use the whole disk for /, or leave room; Ubuntu 23.10 and later",
        choices=("scaled", "all"),
    ),
    _keys(Kind.SIZE, "storage.swap", "size of the swap file; 0 for none (default: the installer decides)"),
    _keys(Kind.SIZE, "storage.esp_size", "size of the EFI system partition (partitions, raid1)", default="1G"),
    _keys(Kind.SIZE, "storage.boot_size", "size of /boot beside an encrypted / (partitions, raid1)", default="2G"),
    _keys(
        Kind.LIST,
        "storage.partitions",
        "partitions after the boot partitions, in order (default: one / on the remaining space)",
    ),
    _text("storage.partitions[].mount", "where it is mounted; swap for swap space"),
    _keys(Kind.SIZE, "storage.partitions[].size", "its size; the last one may omit it to use the remaining space"),
    _text("storage.partitions[].format", "its file system", default="ext4", choices=("ext4", "xfs", "btrfs", "swap")),
    _text("storage.partitions[].options", "mount options, for example noatime,nodev"),
    # Access
    _keys(Kind.MAPPING, "ssh", "remote access"),
    _keys(Kind.BOOLEAN, "ssh.install_server", "install the SSH server", default=True),
    _keys(Kind.TEXTS, "ssh.authorized_keys", "public keys of the first user", default=[]),
    _keys(Kind.BOOLEAN, "ssh.allow_password", "allow logging in with a password over SSH", default=False),
    # Software
    _keys(Kind.MAPPING, "source", "which of the ISO's variants is installed"),
    _text("source.id", "its id in casper/install-sources.yaml (ubuntu-server-minimal); Ubuntu 23.04 and later"),
    _keys(Kind.BOOLEAN, "source.search_drivers", "look for third-party drivers"),
    _keys(Kind.TEXTS, "packages", "Debian packages to add; needs the network", default=[], form="a name"),
    _keys(Kind.LIST, "snaps", "snaps to add; needs the network"),
    _text("snaps[].name", "the snap's name", required=True),
    _text("snaps[].channel", "its channel", default="stable"),
    _keys(Kind.BOOLEAN, "snaps[].classic", "install it without confinement", default=False),
    _keys(Kind.MAPPING, "apt", "package archives"),
    _text("apt.mirror", "the archive to use instead of Ubuntu's own", form="an http or https URL"),
    _keys(Kind.BOOLEAN, "apt.geoip", "ask a server on the internet which mirror is near", default=False),
    _text(
        "apt.fallback",
        "what to do if no archive answers (omitted for a base ISO before 23.04)",
        default="offline-install",
        choices=("abort", "continue-anyway", "offline-install"),
    ),
    _keys(Kind.ANY_MAPPING, "apt.sources", "additional archives, in the format of curtin's apt.sources"),
    _text("proxy", "HTTP proxy for the installer and the installed system", form="an http or https URL"),
    _text("updates", "updates to install right away", default="security", choices=("security", "all")),
    _keys(Kind.BOOLEAN, "refresh_installer", "let the installer update itself first; needs the network", default=False),
    _keys(Kind.BOOLEAN, "drivers", "install third-party drivers that the machine needs", default=False),
    _keys(Kind.MAPPING, "ubuntu_pro", "Ubuntu Pro"),
    _text(
        "ubuntu_pro.token",
        "the token that attaches the machine",
        form="a token of 24 to 30 characters that starts with C",
        secret=True,
    ),
    # Commands, and the end
    _keys(Kind.COMMANDS, "early_commands", "run before disks and network are probed", default=[]),
    _keys(Kind.COMMANDS, "late_commands", "run at the end; the installed system is /target", default=[]),
    _keys(Kind.COMMANDS, "error_commands", "run when the installation fails", default=[]),
    _keys(Kind.TEXTS, "interactive_sections", "sections to ask interactively; the installer waits", default=[]),
    _text("shutdown", "what to do after the installation", default="reboot", choices=("reboot", "poweroff")),
    *(Key(name=name, kind=Kind[kind], meaning=meaning, **more) for name, kind, meaning, more in REPORT),
    # What is passed on
    _keys(Kind.ANY_MAPPING, "user_data", "cloud-config for the installed system's first boot"),
    _keys(Kind.ANY_MAPPING, "vendor_data", "cloud-config for the live system, beside the installer"),
    _keys(Kind.ANY_MAPPING, "autoinstall", "any other keys for the installer, merged into autoinstall: last"),
    _keys(Kind.ANY_MAPPING, "vars", "values for your own templates"),
    _keys(Kind.TEXTS, "ignore", "ids of warnings that check does not report for the host", default=[]),
)

PASSED_ON = frozenset(key.name for key in REFERENCE if key.kind is Kind.ANY_MAPPING and "." not in key.name)
"""Mappings that are not ours to judge; in them, null is a value like any other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A key with what may stand below it: keys by name, a shape for any name, a shape for list items."""

    key: Key
    children: dict[str, Shape] = field(default_factory=dict)

    @property
    def any_name(self) -> Shape | None:
        return self.children.get("*")

    @property
    def item(self) -> Shape | None:
        return self.children.get("[]")


@cache
def shape() -> Shape:
    """`REFERENCE` as a tree; the root is the whole of a host's values."""
    root = Shape(key=Key(name="", kind=Kind.MAPPING, meaning="a host's values"))
    for key in REFERENCE:
        at = root
        *parents, last = key.name.replace("[]", ".[]").split(".")
        for step in parents:
            at = at.children.setdefault(step, Shape(key=Key(name=key.name, kind=Kind.MAPPING, meaning="")))
        known = at.children.get(last)
        at.children[last] = Shape(key=key, children=known.children if known else {})
    return root


def filled(value: Any, at: Shape) -> Any:
    """``value`` (plain) with every key that its shape knows: defaults where there are some, else None."""
    if value is None and at.key.kind is Kind.ANY_MAPPING:
        return {}
    if at.key.kind is Kind.MAPPING:
        return _filled_mapping({} if value is None else value, at)
    if at.key.kind is Kind.LIST and at.item is not None:
        return [filled(item, at.item) for item in value] if isinstance(value, list) else value
    return at.key.default if value is None else value


def _filled_mapping(value: Any, at: Shape) -> Any:
    if not isinstance(value, dict):
        return value
    named = {name: filled(value.get(name), child) for name, child in at.children.items() if name not in ("*", "[]")}
    if at.any_name is not None:
        named |= {name: filled(child, at.any_name) for name, child in value.items()}
    return named


def find(path: KeyPath) -> Shape | None:
    """The shape at ``path``; the nearest passed-on mapping if the path leads into one; None if there is no such key."""
    at: Shape | None = shape()
    for step in path:
        if at is None or at.key.kind in (Kind.ANY, Kind.ANY_MAPPING):
            return at
        if isinstance(step, str):
            at = at.children.get(step) or at.any_name
        elif at.children:
            at = at.item
    return at
