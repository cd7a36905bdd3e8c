"""Inventories as small as a test needs them, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from isoforge.fleet.check.review import review_inventory
from isoforge.fleet.inventory.load import survey
from isoforge.problems import Problem
from isoforge.release import Release

ROOT = Path(__file__).parents[3]

PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHRlc3Qga2V5IG9mIGlzb2ZvcmdlLCAzMiBieXRlcyEh test"
"""A key of the right form, whose bytes are a sentence."""

Write = Callable[..., Path]


@pytest.fixture
def templates() -> list[Path]:
    """The shipped templates."""
    return [ROOT / "templates"]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write files of an inventory, by their path in ``baremetal/``, and return that directory."""

    def written(files: dict[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / "baremetal" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path / "baremetal"

    return written


@pytest.fixture
def one_host(write: Write) -> Write:
    """An inventory with the one host web-1, sound but for the values that are given, which replace its own."""

    def written(values: str, **files: str) -> Path:
        sound = {
            "identity": "identity: {username: ops}\n",
            "ssh": f"ssh: {{authorized_keys: [{PUBLIC_KEY}]}}\n",
            "storage": "storage: {disk: {serial: S4TEST01}}\n",
        }
        own = "".join(
            text
            for key, text in sound.items()
            if f"{key}:" not in values.splitlines() and f"\n{key}:" not in f"\n{values}"
        )
        return write(
            {
                "inventory/hosts.yml": "all:\n  hosts:\n    web-1:\n",
                "inventory/host_vars/web-1.yml": values + "\n" + own,
                **files,
            }
        )

    return written


Fact = tuple[str, str, str, int | None, str]


def reviewed(baremetal: Path, *hosts: str, release: str | None = None) -> list[Problem]:
    """Every problem of ``hosts`` (all, if none is named) of the inventory in ``baremetal``."""
    inventory = survey(baremetal)
    chosen = [inventory.host(name) for name in hosts] or list(inventory.hosts)
    return review_inventory(inventory, chosen, templates=[ROOT / "templates"], release=Release.of(release)).problems


def facts(problems: list[Problem], baremetal: Path) -> list[Fact]:
    """Id, severity, file (below ``baremetal/inventory``), line and key of each problem."""
    below = str(baremetal / "inventory") + "/"
    return [(one.id, str(one.severity), one.file.removeprefix(below), one.line, one.key) for one in problems]
