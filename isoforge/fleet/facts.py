"""The hardware facts of a machine (`isoforge discover`), and the part of host_vars that follows from them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from isoforge.errors import ToolError
from isoforge.fleet.smbios import is_placeholder
from isoforge.templates import render

SECTOR_BYTES = 512
"""The unit of /sys/block/*/size, whatever the disk's own sectors are (Documentation/ABI/stable/sysfs-block)."""

KIB = 1024
"""The unit of /proc/meminfo."""

MEDIA = ("/cdrom", "/isodevice", "/run/live/medium", "/run/initramfs/live")
"""Where live systems mount the medium that they were started from."""

DMI_KEYS = {
    "serial": "product_serial",
    "uuid": "product_uuid",
    "baseboard_serial": "board_serial",
    "asset_tag": "chassis_asset_tag",
    "product": "product_name",
}
"""Match key → the kernel's name for it below /sys/class/dmi/id, the key that is likeliest to be unique first."""

OWN = ("serial", "uuid")
"""The match keys that are unique to a machine; the others are added as comments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmbiosValue:
    """A value of the firmware under its match key; ``problem`` is why it cannot be used as one (empty if it can)."""

    key: str
    value: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A network card: ``mac`` is its own address, also in a bond; ``has_route`` if the default route leaves by it."""

    name: str
    mac: str
    driver: str
    has_link: bool
    is_wireless: bool
    has_route: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A disk. ``serial`` is what the installer can select it by; its partitions are mounted at ``mount_points``."""

    name: str
    size_bytes: int
    model: str = ""
    serial: str = ""
    wwn: str = ""
    transport: str = ""
    is_rotational: bool = False
    is_removable: bool = False
    by_id: tuple[str, ...] = ()
    mount_points: tuple[str, ...] = ()

    @property
    def is_candidate(self) -> bool:
        """Whether a system could be installed on it: not a USB stick, and not the medium that the machine runs from."""
        return self.is_built_in and bool(self.serial)

    @property
    def is_built_in(self) -> bool:
        """Whether it belongs to the machine: it is neither plugged in nor the medium that the machine runs from."""
        plugged_in = self.is_removable or self.transport == "usb"
        return bool(self.size_bytes) and not plugged_in and not set(self.mount_points) & set(MEDIA)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The facts of a machine; empty for a machine that was not examined.

    ``memory_bytes`` is what the kernel has of it: a little less than what is built in. 0 if it is not known.
    """

    vendor: str = ""
    product: str = ""
    firmware: str = ""
    memory_bytes: int = 0
    gateway: str = ""
    smbios: tuple[SmbiosValue, ...] = ()
    cards: tuple[Card, ...] = ()
    disks: tuple[Disk, ...] = ()
    warnings: tuple[str, ...] = field(default=())

    @property
    def match(self) -> dict[str, str]:
        """The match keys that identify this machine: serial number and UUID; without both, its board or a card."""
        real = {one.key: one.value for one in self.smbios if not one.problem}
        own = {key: real[key] for key in OWN if key in real}
        if own or "baseboard_serial" in real:
            return own or {"baseboard_serial": real["baseboard_serial"]}
        return {"mac": self.card.mac} if self.card else {}

    @property
    def disk(self) -> Disk | None:
        """The disk to install on; None unless there is exactly one candidate."""
        candidates = [disk for disk in self.disks if disk.is_candidate]
        return candidates[0] if len(candidates) == 1 else None

    @property
    def card(self) -> Card | None:
        """The network card to use: the only wired one with a default route, with a link, or at all; None otherwise."""
        wired = [card for card in self.cards if card.mac and not card.is_wireless]
        for choice in ([one for one in wired if one.has_route], [one for one in wired if one.has_link], wired):
            if len(choice) == 1:
                return choice[0]
        return None


def host_vars(facts: Facts, *, placeholder: str = "", address: str = "", gateway: str = "") -> str:
    """``facts`` as the YAML of docs/inventory.md: match, storage and network; undecided values as comments.

    ``placeholder`` is the serial number to write while the disk is not known; empty writes none. ``address`` (with its
    prefix length) and ``gateway`` make the network static.
    """
    values = {
        "facts": facts,
        "match": facts.match,
        "placeholder": placeholder,
        "address": address,
        "gateway": gateway,
    }
    return render("init/facts.yml.j2", values)


def read_facts(output: str) -> Facts:
    """The facts in the output of templates/discover.sh; ``ToolError`` if it is incomplete or something else.

    Anything before or after it, such as a greeting of the remote shell, is skipped. The remote machine is not trusted:
    only printable ASCII is read.
    """
    lines = ["".join(char for char in line if char == "\t" or " " <= char <= "~") for line in output.splitlines()]
    try:
        start = lines.index("isoforge-facts\t1")
        end = lines.index("end", start)
    except ValueError:
        raise ToolError(
            "the output of the machine is incomplete", hint="check that it has a POSIX shell, cat and sed"
        ) from None
    return _Reader([line.split("\t") for line in lines[start + 1 : end]]).facts()


class _Reader:
    """Sorts the lines of the script: kind, and the fields that belong to it."""

    def __init__(self, lines: list[list[str]]) -> None:
        self.lines = lines

    def of(self, kind: str, count: int) -> Iterator[list[str]]:
        """The fields of each line of that kind, as many as ``count``: missing ones are empty."""
        for first, *fields in self.lines:
            if first == kind:
                yield (fields + [""] * count)[:count]

    def facts(self) -> Facts:
        dmi = dict(self.of("dmi", 2))
        routes = [(card, gateway) for card, gateway in self.of("route", 2)]
        firmware = next((name for (name,) in self.of("firmware", 1)), "")
        memory = next((kib for (kib,) in self.of("memory", 1) if kib.isdigit()), "0")
        disks = tuple(self.disks())
        smbios = tuple(self.smbios(dmi))
        return Facts(
            vendor=_real(dmi.get("sys_vendor", "")),
            product=_real(dmi.get("product_name", "")),
            firmware=firmware,
            memory_bytes=int(memory) * KIB,
            gateway=next((_address(gateway) for _, gateway in routes if gateway), ""),
            smbios=smbios,
            cards=tuple(self.cards({card for card, _ in routes})),
            disks=disks,
            warnings=tuple(_warnings(smbios, disks, firmware)),
        )

    def smbios(self, dmi: dict[str, str]) -> Iterator[SmbiosValue]:
        unreadable = {key for (key,) in self.of("unreadable", 1)}
        odd = {key for (key,) in self.of("odd", 1)}
        for key, file in DMI_KEYS.items():
            text = dmi.get(file, "")
            if file in unreadable:
                yield SmbiosValue(key=key, problem="only root can read it")
            elif file in odd:
                yield SmbiosValue(key=key, problem="contains characters that the menu cannot compare")
            elif text and is_placeholder(text):
                yield SmbiosValue(key=key, value=text, problem="a placeholder of the firmware, not a real value")
            elif text:
                yield SmbiosValue(key=key, value=text)

    def cards(self, routed: set[str]) -> Iterator[Card]:
        over = [(upper, lower) for upper, lower in self.of("over", 2)]
        while more := {lower for upper, lower in over if upper in routed} - routed:
            routed |= more
        for name, mac, link, kind, driver in self.of("card", 5):
            real = mac.lower() if re.fullmatch(r"([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}", mac) else ""
            yield Card(
                name=name, mac=real if set(real) - set("0:") and set(real) - set("f:") else "", driver=driver,
                has_link=link == "1", is_wireless=kind == "wireless", has_route=name in routed,
            )  # fmt: skip

    def disks(self) -> Iterator[Disk]:
        names = [name for name, _ in self.of("disk", 2)]
        mounts: dict[str, list[str]] = {}
        for device, mount_point in self.of("mount", 2):
            owner = max((name for name in names if re.fullmatch(rf"{re.escape(name)}(p?\d+)?", device)), default="")
            mounts.setdefault(owner, []).append(mount_point)
        for name, sectors in self.of("disk", 2):
            udev = {key: text for disk, key, text in self.of("of", 3) if disk == name and key != "by-id"}
            by_id = tuple(text for disk, key, text in self.of("of", 3) if disk == name and key == "by-id")
            yield Disk(
                name=name, size_bytes=int(sectors) * SECTOR_BYTES if sectors.isdigit() else 0,
                model=udev.get("ID_MODEL") or udev.get("model", "").replace(" ", "_"), serial=_serial(udev),
                wwn=udev.get("ID_WWN") or udev.get("wwid", ""),
                transport=udev.get("transport") or udev.get("ID_BUS") or ("nvme" if name.startswith("nvme") else ""),
                is_rotational=udev.get("rotational") == "1", is_removable=udev.get("removable") == "1",
                by_id=tuple(sorted(by_id)), mount_points=tuple(dict.fromkeys(mounts.get(name, []))),
            )  # fmt: skip


def _serial(udev: dict[str, str]) -> str:
    """The serial number that the installer matches: a part of udev's ID_SERIAL, in which blanks are underscores."""
    whole, short = udev.get("ID_SERIAL", ""), udev.get("ID_SERIAL_SHORT", "")
    serial = short if short and short in whole else whole
    return serial or re.sub(r"\s+", "_", udev.get("serial", ""))


def _real(text: str) -> str:
    return "" if is_placeholder(text) else text


def _address(route: str) -> str:
    """The gateway of a line of /proc/net/route: eight digits, the address's last byte first (on little-endian)."""
    if not re.fullmatch(r"[0-9A-F]{8}", route) or route == "00000000":
        return ""
    return ".".join(str(byte) for byte in reversed(bytes.fromhex(route)))


def _warnings(smbios: tuple[SmbiosValue, ...], disks: tuple[Disk, ...], firmware: str) -> Iterator[str]:
    hidden = [one.key for one in smbios if one.problem.startswith("only root")]
    if hidden:
        yield f"could not read {', '.join(hidden)}: only root can, and sudo would ask for a password"
    if not any(one.key in OWN and not one.problem for one in smbios) and not hidden:
        yield "the firmware has neither a serial number nor a UUID of its own"
    candidates = sum(disk.is_candidate for disk in disks)
    if candidates != 1:
        yield f"{candidates or 'no'} disks to choose from: no disk was selected"
    if firmware == "bios":
        yield "the machine was booted by BIOS: the layouts partitions and raid1 need storage.firmware: bios"
