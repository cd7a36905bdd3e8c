"""What a machine says of itself (`isoforge discover`), and the part of host_vars that follows from it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from isoforge.errors import ToolError
from isoforge.fleet.smbios import is_placeholder
from isoforge.templates import render

SECTOR_BYTES = 512
"""The unit of /sys/block/*/size, whatever the disk's own sectors are (Documentation/ABI/stable/sysfs-block)."""

MEDIA = ("/cdrom", "/isodevice", "/run/live/medium", "/run/initramfs/live")
"""Where live systems mount the medium that they were started from."""

DMI_KEYS = {
    "serial": "product_serial",
    "uuid": "product_uuid",
    "baseboard_serial": "board_serial",
    "asset_tag": "chassis_asset_tag",
    "product": "product_name",
}
"""Match key → the kernel's name for it below /sys/class/dmi/id, those that tell machines apart best first."""

OWN = ("serial", "uuid")
"""The match keys that no other machine has; the others go with them as comments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One answer of the firmware: its text, or in ``flaw`` why there is none that could be a match key."""

    key: str
    text: str = ""
    flaw: str = ""


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
    """A disk. ``serial`` is what the installer can know it by; ``used_as`` is where parts of it are mounted."""

    name: str
    size_bytes: int
    model: str = ""
    serial: str = ""
    wwn: str = ""
    transport: str = ""
    is_rotational: bool = False
    is_removable: bool = False
    by_id: tuple[str, ...] = ()
    used_as: tuple[str, ...] = ()

    @property
    def may_be_meant(self) -> bool:
        """Whether a system could be installed on it: it is no stick, and not the medium that the machine runs from."""
        plugged_in = self.is_removable or self.transport == "usb"
        return bool(self.size_bytes and self.serial) and not plugged_in and not set(self.used_as) & set(MEDIA)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that a machine says of itself; empty for a machine that nobody has asked."""

    vendor: str = ""
    product: str = ""
    firmware: str = ""
    gateway: str = ""
    said: tuple[Said, ...] = ()
    cards: tuple[Card, ...] = ()
    disks: tuple[Disk, ...] = ()
    warnings: tuple[str, ...] = field(default=())

    @property
    def match(self) -> dict[str, str]:
        """The match keys that tell this machine from all others: serial and UUID; failing both, its board or a card."""
        real = {one.key: one.text for one in self.said if not one.flaw}
        own = {key: real[key] for key in OWN if key in real}
        if own or "baseboard_serial" in real:
            return own or {"baseboard_serial": real["baseboard_serial"]}
        return {"mac": self.card.mac} if self.card else {}

    @property
    def disk(self) -> Disk | None:
        """The disk to install on, if only one can be meant."""
        meant = [disk for disk in self.disks if disk.may_be_meant]
        return meant[0] if len(meant) == 1 else None

    @property
    def card(self) -> Card | None:
        """The network card to use, if only one can be meant: by its default route, its link, or for want of others."""
        wired = [card for card in self.cards if card.mac and not card.is_wireless]
        for choice in ([one for one in wired if one.has_route], [one for one in wired if one.has_link], wired):
            if len(choice) == 1:
                return choice[0]
        return None


def host_vars(facts: Facts, *, placeholder: str = "", address: str = "", gateway: str = "") -> str:
    """``facts`` as the YAML of docs/inventory.md: match, storage and network; what is left to a person as comments.

    ``placeholder`` stands for a disk that is not known yet; without it there is none then. ``address`` (with its
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


def read_facts(told: str) -> Facts:
    """The facts in what templates/discover.sh wrote; ``ToolError`` if that is cut off or nothing of the kind.

    Whatever stands before or after it, as a greeting of the far shell, is left out. The far side may say anything:
    only printable ASCII is taken.
    """
    lines = ["".join(char for char in line if char == "\t" or " " <= char <= "~") for line in told.splitlines()]
    try:
        start = lines.index("isoforge-facts\t1")
        end = lines.index("end", start)
    except ValueError:
        raise ToolError("the machine's answer was cut off", hint="does it have a POSIX shell, sed and tr?") from None
    return _Reader([line.split("\t") for line in lines[start + 1 : end]]).facts()


class _Reader:
    """Sorts the lines of the script: kind, and the fields that belong to it."""

    def __init__(self, lines: list[list[str]]) -> None:
        self.lines = lines

    def of(self, kind: str, count: int) -> Iterator[list[str]]:
        """The fields of each line of that kind, as many as ``count``: what is not there is empty."""
        for first, *fields in self.lines:
            if first == kind:
                yield (fields + [""] * count)[:count]

    def facts(self) -> Facts:
        dmi = dict(self.of("dmi", 2))
        routes = [(card, gateway) for card, gateway in self.of("route", 2)]
        firmware = next((name for (name,) in self.of("firmware", 1)), "")
        disks = tuple(self.disks())
        said = tuple(self.said(dmi))
        return Facts(
            vendor=_real(dmi.get("sys_vendor", "")),
            product=_real(dmi.get("product_name", "")),
            firmware=firmware,
            gateway=next((_address(gateway) for _, gateway in routes if gateway), ""),
            said=said,
            cards=tuple(self.cards({card for card, _ in routes})),
            disks=disks,
            warnings=tuple(_warnings(said, disks, firmware)),
        )

    def said(self, dmi: dict[str, str]) -> Iterator[Said]:
        unreadable = {key for (key,) in self.of("unreadable", 1)}
        odd = {key for (key,) in self.of("odd", 1)}
        for key, file in DMI_KEYS.items():
            text = dmi.get(file, "")
            if file in unreadable:
                yield Said(key=key, flaw="only root may read it")
            elif file in odd:
                yield Said(key=key, flaw="has characters that the menu cannot compare")
            elif text and is_placeholder(text):
                yield Said(key=key, text=text, flaw="is what firmware says when nothing was set")
            elif text:
                yield Said(key=key, text=text)

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
        places: dict[str, list[str]] = {}
        for device, place in self.of("mount", 2):
            owner = max((name for name in names if re.fullmatch(rf"{re.escape(name)}(p?\d+)?", device)), default="")
            places.setdefault(owner, []).append(place)
        for name, sectors in self.of("disk", 2):
            told = {key: text for disk, key, text in self.of("of", 3) if disk == name and key != "by-id"}
            by_id = tuple(text for disk, key, text in self.of("of", 3) if disk == name and key == "by-id")
            yield Disk(
                name=name, size_bytes=int(sectors) * SECTOR_BYTES if sectors.isdigit() else 0,
                model=told.get("ID_MODEL") or told.get("model", "").replace(" ", "_"), serial=_serial(told),
                wwn=told.get("ID_WWN") or told.get("wwid", ""),
                transport=told.get("transport") or told.get("ID_BUS") or ("nvme" if name.startswith("nvme") else ""),
                is_rotational=told.get("rotational") == "1", is_removable=told.get("removable") == "1",
                by_id=tuple(sorted(by_id)), used_as=tuple(dict.fromkeys(places.get(name, []))),
            )  # fmt: skip


def _serial(told: dict[str, str]) -> str:
    """What the installer finds the disk by: a part of udev's ID_SERIAL, which has blanks written as underscores."""
    whole, short = told.get("ID_SERIAL", ""), told.get("ID_SERIAL_SHORT", "")
    found = short if short and short in whole else whole
    return found or re.sub(r"\s+", "_", told.get("serial", ""))


def _real(text: str) -> str:
    return "" if is_placeholder(text) else text


def _address(route: str) -> str:
    """The gateway of a line of /proc/net/route: eight digits, the address's last byte first (on little-endian)."""
    if not re.fullmatch(r"[0-9A-F]{8}", route) or route == "00000000":
        return ""
    return ".".join(str(byte) for byte in reversed(bytes.fromhex(route)))


def _warnings(said: tuple[Said, ...], disks: tuple[Disk, ...], firmware: str) -> Iterator[str]:
    hidden = [one.key for one in said if one.flaw.startswith("only root")]
    if hidden:
        yield f"{', '.join(hidden)} could not be read: only root may, and sudo would ask for a password"
    if not any(one.key in OWN and not one.flaw for one in said) and not hidden:
        yield "the firmware gives neither a serial number nor a UUID of its own"
    meant = sum(disk.may_be_meant for disk in disks)
    if meant != 1:
        yield f"{meant or 'no'} disk{'s' * (meant != 1)} could be meant: nothing is chosen to be wiped"
    if firmware == "bios":
        yield "it was started by BIOS: the layouts partitions and raid1 need storage.firmware: bios"
