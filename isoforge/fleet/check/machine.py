"""What the inventory says of a host's machine: its firmware."""

from __future__ import annotations

from isoforge.fleet.inventory.host import Host


def firmware_of(host: Host) -> str | None:
    """``uefi`` or ``bios``; None for any other value, which is reported elsewhere."""
    storage = host.values["storage"]
    firmware = storage.get("firmware") if isinstance(storage, dict) else None
    return firmware if firmware in ("uefi", "bios") else None
