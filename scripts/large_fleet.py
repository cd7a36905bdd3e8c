"""A generated inventory with any number of hosts, for benchmarks and tests of large fleets."""

from __future__ import annotations

import shutil
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "baremetal/inventory"

OWN = """\
description: Site A, number {number}
match:
  serial: PC{number:05}
storage:
  disk:
    serial: S4EXAMPLE{number:05}
network:
  ethernets:
    enp0s31f6:
      addresses: ["2001:db8::{number:x}/64"]
      gateway: "2001:db8::fffe"
"""


def large_fleet(baremetal: Path, hosts: int, *, a_group: int = 40) -> tuple[str, ...]:
    """Write an inventory into ``baremetal`` and return the names of its hosts.

    They are named site-a-00001 and so on and have one hardware type; each serial number ends in the number of the
    host. The groups rack_1, rack_2 … contain ``a_group`` hosts each.
    """
    inventory = baremetal / "inventory"
    for name in ("group_vars/all", "group_vars/site_a", "profiles"):
        shutil.copytree(EXAMPLES / name, inventory / name)
    names = [f"site-a-{number:05}" for number in range(1, hosts + 1)]
    lines = ["all:", "  children:", "    site_a:", "      children:"]
    for rack, first in enumerate(range(0, hosts, a_group), start=1):
        lines += [f"        rack_{rack}:", "          hosts:"]
        lines += [f"            {name}:" for name in names[first : first + a_group]]
    (inventory / "hosts.yml").write_text("\n".join(lines) + "\n")
    (inventory / "host_vars").mkdir()
    for number, name in enumerate(names, start=1):
        (inventory / "host_vars" / f"{name}.yml").write_text(OWN.format(number=number))
    return tuple(names)
