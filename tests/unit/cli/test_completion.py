"""Which inventory the names behind the tab key come from, and that nothing is ever said but names."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from isoforge.cli.completion import group_names, host_names, profile_names
from isoforge.fleet.inventory.files import Tree
from tests.conftest import ROOT


def at(**params: object) -> Any:
    """The context of a command line on which these options have been typed."""
    return SimpleNamespace(params=params)


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A folder with an inventory of one host."""
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory/hosts.yml").write_text("all:\n  hosts:\n    web-1:\n")
    return tmp_path


def test_the_option_is_stronger_than_the_environment_and_that_than_the_usual_place(
    other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert host_names(at(), "site-a") == ["site-a-m710q1", "site-a-m710q2"]
    monkeypatch.setenv("ISOFORGE_BAREMETAL", str(other))
    assert host_names(at(), "") == ["web-1"]
    assert host_names(at(baremetal=ROOT / "baremetal"), "site-b-r") == ["site-b-raid1"]


def test_hosts_of_the_overlay_are_known_too(other: Path) -> None:
    (other / "inventory-local").mkdir()
    (other / "inventory-local/hosts.yml").write_text("all:\n  children:\n    g:\n      hosts:\n        web-2:\n")
    assert host_names(at(baremetal=other), "") == ["web-1", "web-2"]
    assert group_names(at(baremetal=other), "") == ["g"]


def test_a_host_that_was_named_is_not_offered_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert host_names(at(host=["site-a-m710q1"]), "site-a") == ["site-a-m710q2"]


@pytest.mark.parametrize("names", [host_names, group_names, profile_names])
def test_whatever_goes_wrong_nothing_is_offered_and_nothing_said(
    names: Any, other: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> NoReturn:
        raise RuntimeError("broken")

    monkeypatch.setattr(Tree, "hosts", broken)
    monkeypatch.setattr(Tree, "names", broken)
    assert names(at(baremetal=other), "") == []
    assert capsys.readouterr() == ("", "")
