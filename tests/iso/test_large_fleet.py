"""A fleet of a thousand hosts is read, rendered and written in seconds."""

from __future__ import annotations

import time
from pathlib import Path

from isoforge.fleet.inventory import load_inventory
from isoforge.fleet.seeds import render_seed, write_seed

ROOT = Path(__file__).parents[2]
LIMIT_S = 30
"""It takes five on two slow cores; the limit only catches what grows with the square of the hosts."""


def test_a_thousand_hosts_take_seconds(tmp_path: Path) -> None:
    examples = ROOT / "baremetal/inventory"
    (tmp_path / "inventory").mkdir()
    for name in ("group_vars", "profiles"):
        (tmp_path / "inventory" / name).symlink_to(examples / name)
    names = [f"host-{number:04}" for number in range(1000)]
    lines = "".join(f"        {name}:\n" for name in names)
    (tmp_path / "inventory/hosts.yml").write_text(f"all:\n  children:\n    site_b:\n    site_a:\n      hosts:\n{lines}")
    text = (examples / "host_vars/site-a-m710q1/main.yml").read_text()
    for name in names:
        path = tmp_path / "inventory/host_vars" / name / "main.yml"
        path.parent.mkdir(parents=True)
        path.write_text(text.replace("S4EXAMPLE0001", f"S4EXAMPLE-{name}"))
    start = time.monotonic()
    inventory = load_inventory(tmp_path)
    for host in inventory.hosts:
        write_seed(render_seed(host, templates=[ROOT / "templates"], release="24.04"), tmp_path / "generated")
    assert time.monotonic() - start < LIMIT_S
    assert len(list((tmp_path / "generated").iterdir())) == 1000
