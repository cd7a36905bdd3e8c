"""The command that installs a program, on the distributions that people have."""

from __future__ import annotations

import pytest

from isoforge.packages import EVERYWHERE, INSTALLERS, PACKAGES, install_hint


@pytest.mark.parametrize(
    ("system", "command"),
    [
        ({"ID": "debian"}, "apt-get install xorriso"),
        ({"ID": "linuxmint", "ID_LIKE": "ubuntu debian"}, "apt-get install xorriso"),
        ({"ID": "fedora"}, "dnf install xorriso"),
        ({"ID": "rocky", "ID_LIKE": "rhel centos fedora"}, "dnf install xorriso"),
        ({"ID": "opensuse-tumbleweed", "ID_LIKE": "opensuse suse"}, "zypper install xorriso"),
        ({"ID": "opensuse-leap"}, "zypper install xorriso"),
        ({"ID": "arch"}, "pacman -S libisoburn"),
        ({"ID": "alpine"}, "apk add xorriso"),
        ({"ID": "something"}, "apt-get install xorriso"),
        ({}, "apt-get install xorriso"),
    ],
)
def test_a_program_is_installed_as_the_distribution_does_it(system: dict[str, str], command: str) -> None:
    assert install_hint("xorriso", system) == command


def test_every_installer_knows_the_same_programs() -> None:
    assert set(INSTALLERS.values()) == PACKAGES.keys()
    programs = {name for packages in PACKAGES.values() for name in packages} | EVERYWHERE.keys()
    for system in INSTALLERS:
        assert [name for name in programs if "on PATH" in install_hint(name, {"ID": system})] == []


def test_what_isoforge_brings_itself_comes_by_pip() -> None:
    assert install_hint("sops", {"ID": "arch"}) == "pip install 'isoforge[secrets]'"


def test_of_a_program_that_nobody_knows_nothing_is_claimed() -> None:
    assert install_hint("frobnicate", {"ID": "debian"}) == "install frobnicate and make sure that it is on PATH"
