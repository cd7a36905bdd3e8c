"""Inventories as small as a test needs them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from isoforge.problems import Problem, Severity

ROOT = Path(__file__).parents[3]

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
            "ssh": "ssh: {authorized_keys: [ssh-ed25519 AAAA test]}\n",
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


def errors(problems: tuple[Problem, ...]) -> list[str]:
    """``address: text`` of every error."""
    return [f"{one.address}: {one.text}" for one in problems if one.severity is Severity.ERROR]
