"""Each start of a rehearsal has one outcome that is as it must be; any other is a difference."""

from __future__ import annotations

from dataclasses import replace

import pytest

from isoforge.proof.boot.screen import Menu
from isoforge.proof.manifest import HostFacts
from isoforge.proof.rehearse import judge
from isoforge.proof.rehearse.watch import OFF, REPORT, TIMEOUT, Outcome

HOST = HostFacts(
    name="a",
    title="Install a - host",
    kernel="/casper/vmlinuz",
    initrd="/casper/initrd",
    kernel_line="",
    seed="/nocloud/a/",
    user_data_sha256="",
    meta_data_sha256="",
    vendor_data_sha256="",
)


def outcome(ending: str, highlighted: str = "Install a - host (this machine)", text: str = "text") -> Outcome:
    menu = Menu(titles=(highlighted,), highlighted=highlighted, countdown=True)
    return Outcome(name="", ending=ending, text=text, seconds=1, menu=menu, reports=(), screen=(), progress=())


def installed(seen: Outcome, *, unstamped: bool = False, by_hand: bool = False) -> list[str]:
    return list(judge.judge_install(seen, HOST, by_hand=by_hand, unstamped=unstamped))


def test_an_installation_that_restarts_and_leaves_its_stamp_is_one() -> None:
    assert installed(outcome(OFF)) == []
    assert installed(outcome(OFF), unstamped=True) == [
        "the machine restarted, but no disk has this build's stamp: nothing was installed"
    ]


@pytest.mark.parametrize("ending", [TIMEOUT, judge.STOPPED, judge.NOTHING, REPORT])
def test_any_other_end_of_an_installation_is_a_difference(ending: str) -> None:
    assert len(installed(outcome(ending))) == 1


def test_a_menu_that_chose_another_entry_is_a_difference() -> None:
    assert installed(outcome(OFF, "Install b - other (this machine)")) == [
        "the menu chose 'Install b - other (this machine)', expected 'Install a - host'"
    ]
    assert installed(outcome(OFF, "Boot from local disk"), by_hand=True) == []


def test_an_installed_machine_must_not_be_installed_again() -> None:
    good = outcome(judge.LOGIN, "Boot the installed system (this build installed it on 2026-11-30)")
    assert list(judge.judge_again(good, by_hand=False)) == []
    assert len(list(judge.judge_again(outcome(judge.LOGIN), by_hand=False))) == 1
    assert len(list(judge.judge_again(replace(good, ending=judge.NOTHING), by_hand=False))) == 1


def test_another_machine_must_keep_its_disks() -> None:
    assert list(judge.judge_other(outcome(judge.NOTHING), changed=False)) == []
    assert list(judge.judge_other(outcome(judge.NOTHING), changed=True)) == [
        "the disks of another machine were written to"
    ]


@pytest.mark.parametrize(
    ("text", "ending"),
    [
        ("An error occurred. Press enter to start a shell", judge.STOPPED),
        ("isoforge: STOPPED. This machine is not host a.\r\n", judge.STOPPED),
        ("No bootable device", judge.NOTHING),
        ("isoforge: this machine is host a", None),
    ],
)
def test_what_ends_an_installation_is_on_the_serial_port(text: str, ending: str | None) -> None:
    found = [key for key, pattern in judge.install_endings().items() if pattern.search(text)]
    assert found == ([ending] if ending else [])
