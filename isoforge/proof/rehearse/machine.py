"""The virtual machine that a host's seed and its match keys ask for: SMBIOS values, network cards and disks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

GIB = 1 << 30

ROOM_BYTES = 8 * GIB
"""What a disk has beside its partitions of a fixed size: an installed server takes 4 to 6 GiB."""

SERIAL_LIMIT, MODEL_LIMIT = 20, 40
"""Characters of a disk's serial number and model (ATA8-ACS, IDENTIFY DEVICE, words 10-19 and 27-46)."""

UNITS = {"": 1, "B": 1, "K": 1 << 10, "M": 1 << 20, "G": GIB, "T": 1 << 40}
"""What a size in a storage plan is multiplied by (curtin, util.human2bytes)."""

SMBIOS = {
    "serial": "type=1,serial=",
    "uuid": "type=1,uuid=",
    "product": "type=1,product=",
    "baseboard_serial": "type=2,serial=",
    "asset_tag": "type=3,asset=",
}
"""QEMU's option for the value of each match key."""

STRANGE = {
    "serial": "ISOFORGE-OTHER",
    "uuid": "15f00000-0000-4000-8000-000000000001",
    "product": "Another machine",
    "baseboard_serial": "ISOFORGE-OTHER-BOARD",
    "asset_tag": "ISOFORGE-OTHER-TAG",
}
"""The values of a machine that is no host of any inventory."""

ON_BUS_0 = re.compile("enp0s([0-9]+)(?:f([0-9]+))?")
ONBOARD = re.compile("eno([0-9]+)")
"""Names of network cards that tell where the card is (systemd.net-naming-scheme(7))."""

LPC_SLOT = 31
"""The slot of a q35 machine whose functions 0, 2 and 3 are QEMU's own; so a PC's Ethernet is function 6 there."""

TAKEN_SLOTS = frozenset({0, 1, 2})
"""Host bridge, graphics and what QEMU gives the first free slot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A disk: serial number and model (empty: any), its size in bytes, and the start of its device name."""

    serial: str = ""
    model: str = ""
    size: int
    kind: str = "sd"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A network card: its MAC address, and the name that the seed has for it (empty: none)."""

    mac: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine: its SMBIOS values by match key, its disks and its network cards.

    ``notes`` are sentences about what is not as the seed has it.
    """

    smbios: Mapping[str, str]
    disks: tuple[Disk, ...]
    cards: tuple[Card, ...]
    notes: tuple[str, ...] = ()

    def stranger(self) -> Machine:
        """A machine that no entry matches, with the same disks."""
        cards = tuple(replace(card, mac=_mac(100 + number)) for number, card in enumerate(self.cards))
        return replace(self, smbios=STRANGE, cards=cards)


def machine_for(seed: Mapping[str, Any], match: Iterable[str], *, disk_bytes: int) -> Machine:
    """The machine for the autoinstall section ``seed`` of a host with the keys ``match`` (KEY=VALUE).

    Each disk has at least ``disk_bytes``, and room for the partitions that the seed lists.
    """
    keys = [pair.partition("=")[::2] for pair in match]
    cards = tuple(_cards(seed.get("network") or {}, [value for key, value in keys if key == "mac"]))
    notes = tuple(
        f"the network card {card.name} has another name here: it is at another address of the bus"
        for card in cards
        if card.name and not _place(card)
    )
    return Machine(
        smbios={key: value for key, value in keys if key in SMBIOS},
        disks=tuple(_disks(seed.get("storage") or {}, disk_bytes)),
        cards=cards,
        notes=notes,
    )


def qemu_extra(machine: Machine, disks: Iterable[Path], *, arch: str = "amd64") -> list[str]:
    """QEMU's arguments for ``machine``, whose disks are the raw images ``disks``, in the same order."""
    words: list[str] = []
    for key, value in machine.smbios.items():
        words += ["-smbios", SMBIOS[key] + value.replace(",", ",,")]
    for number, card in enumerate(machine.cards):
        words += ["-netdev", f"hubport,id=net{number},hubid={number}"]
        model = "e1000e" if arch == "amd64" else "virtio-net-pci"
        device = f"{model},romfile=,netdev=net{number},id=card{number},mac={card.mac}"
        place = _place(card) if arch == "amd64" else ""
        words += ["-device", device + (f",addr={place}" if place not in ("", "onboard") else "")]
        if place == "onboard":
            instance = card.name.removeprefix("eno")
            words += ["-smbios", f"type=41,designation=LAN,kind=ethernet,instance={instance},pcidev=card{number}"]
    for number, (disk, image) in enumerate(zip(machine.disks, disks, strict=True), start=1):
        file = str(image).replace(",", ",,")
        words += ["-drive", f"if=none,id=disk{number},format=raw,discard=unmap,file={file}"]
        words += ["-device", _drive(disk, number, arch)]
    return words


def _drive(disk: Disk, number: int, arch: str) -> str:
    kind = "virtio-blk-pci" if disk.kind == "vd" or arch != "amd64" else "nvme" if disk.kind == "nvme" else "ide-hd"
    options = [kind, f"drive=disk{number}", f"bootindex={number}"]
    serial = disk.serial or (f"ISOFORGE{number:04}" if kind != "virtio-blk-pci" else "")
    if serial:
        options.append(f"serial={serial.replace(',', ',,')}")
    if kind == "ide-hd":
        options.append(f"bus=ide.{number}")
        if disk.model:
            options.append(f"model={disk.model.replace(',', ',,')}")
    return ",".join(options)


def _place(card: Card) -> str:
    """The PCI address that gives ``card`` its name on a PC; "onboard" for one by its index; empty if there is none."""
    if ONBOARD.fullmatch(card.name):
        return "onboard"
    match = ON_BUS_0.fullmatch(card.name)
    if not match:
        return ""
    slot, function = int(match[1]), int(match[2] or 0)
    own = slot == LPC_SLOT and function in (1, 4, 5, 6, 7)
    free = slot not in TAKEN_SLOTS and slot < LPC_SLOT and function == 0
    return f"{slot:x}.{function}" if own or free else ""


def _cards(network: Mapping[str, Any], macs: list[str]) -> Iterator[Card]:
    """A card for each of the seed's ``ethernets``, and for each of the match key's ``macs`` that none of them has."""
    ethernets = (network.get("network") or network).get("ethernets") or {}
    wanted = {}
    for name, entry in ethernets.items():
        match = (entry or {}).get("match") or {}
        wanted[name] = str(match.get("macaddress") or "").lower(), bool(match)
    left = [mac for mac in macs if mac.lower() not in {mac for mac, _ in wanted.values()}]
    for number, (name, (mac, matched)) in enumerate(wanted.items()):
        chosen = mac or (left.pop(0) if left else _mac(number))
        yield Card(mac=chosen, name="" if matched else str(name))
    for mac in left:
        yield Card(mac=mac)


def _mac(number: int) -> str:
    """A MAC address of documentation (RFC 7042, 2.1.2)."""
    return f"00:00:5e:00:53:{0x80 + number % 0x80:02x}"


def _disks(storage: Mapping[str, Any], disk_bytes: int) -> Iterator[Disk]:
    config = storage.get("config") or []
    listed = [item for item in config if isinstance(item, Mapping) and item.get("type") == "disk"]
    if not listed:
        yield _disk((storage.get("layout") or {}).get("match") or {}, disk_bytes)
        return
    for item in listed:
        parts = [one for one in config if one.get("type") == "partition" and one.get("device") == item.get("id")]
        fixed = sum(size_bytes(one.get("size")) for one in parts)
        yield _disk({**item, **(item.get("match") or {})}, max(disk_bytes, fixed + ROOM_BYTES))


def _disk(match: Mapping[str, Any], size: int) -> Disk:
    """A disk that ``match`` selects; of a pattern, the text without its wildcards."""
    path, serial = str(match.get("path") or ""), _plain(match.get("serial"))
    model = _plain(match.get("model"))
    name = path.removeprefix("/dev/")
    if name.startswith("disk/by-id/"):
        serial = serial or name.partition("-")[2].partition("-")[2]
    if "_" in serial:  # udev's ID_SERIAL: model and serial number
        own_model, _, serial = serial.rpartition("_")
        model = model or own_model.replace("_", " ")
    kind = next((one for one in ("vd", "nvme") if name.startswith(one)), "sd")
    return Disk(serial=serial[:SERIAL_LIMIT], model=model[:MODEL_LIMIT], size=size, kind=kind)


def _plain(pattern: object) -> str:
    return re.sub(r"\[.*?\]", "0", str(pattern or "")).replace("*", "").replace("?", "0")


def size_bytes(size: object) -> int:
    """A size of a storage plan in bytes; 0 for one that depends on the disk (-1, a percentage)."""
    match = re.fullmatch(r"([0-9.]+)([BKMGT]?)B?", str(size or "").strip().upper())
    return int(float(match[1]) * UNITS[match[2]]) if match else 0
