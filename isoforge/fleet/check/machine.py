"""What the inventory says of a host's machine, as far as rules about its seed depend on it."""

from __future__ import annotations

from typing import Any

from isoforge.fleet.check.findings import mapping
from isoforge.fleet.check.plan.machine_disks import disks_of
from isoforge.fleet.inventory.host import Host


def machine_of(host: Host) -> dict[str, Any]:
    """The arguments ``firmware`` (``uefi``, ``bios`` or None) and ``disks`` of `Findings` and `check_user_data`.

    Values of a wrong type count as unknown: they are reported elsewhere.
    """
    firmware = mapping(host.values["storage"]).get("firmware")
    disks = disks_of(mapping(host.values["hardware"]).get("disks"))
    return {"firmware": firmware if firmware in ("uefi", "bios") else None, "disks": disks}
