"""What an inventory says cannot break out of the menu, and what was asked for is on the ISO."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from isoforge.forge import BuildResult, multi
from isoforge.image.base import BaseIso, read_base
from isoforge.image.entry import MenuEntry
from isoforge.image.match import Match
from isoforge.image.menu import Menu, menu_files
from isoforge.image.submenus import FLAT, in_menu_order
from isoforge.image.tree import read_file, read_tree
from isoforge.iso_layout import GRUB_CFG, HOST_NAME, LOOPBACK_CFG
from isoforge.order import Order
from isoforge.plan import with_build_id
from isoforge.proof.read.grub import read_grub
from isoforge.proof.verify.machine_lookup import read_conditions
from isoforge.run import run
from isoforge.selection import Selection
from isoforge.templates import one_line
from isoforge.workspace import Workspace
from tests.iso.conftest import Cli

HOSTS = ("site-a-m710q1", "site-a-m710q2")

hostile = st.text(
    st.one_of(st.sampled_from("'\"\\$`(){};&|<>#\n\r\t \0*?[]=-é→\x1b"), st.characters(exclude_categories=["Cs"])),
    max_size=60,
)
long = st.builds(lambda text: text * 400, hostile)
host_names = st.from_regex(HOST_NAME, fullmatch=True).filter(lambda name: len(name) < 64)
printable = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=40)


@pytest.fixture(scope="module")
def base(noble: Path, tmp_path_factory: pytest.TempPathFactory) -> BaseIso:
    return read_base(noble, tmp_path_factory.mktemp("base"))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(host_names, st.one_of(hostile, long), printable), min_size=1, max_size=3, unique_by=lambda t: t[0]
    ),
    st.booleans(),
)
@example([("h", "it's ${isoforge} $(reboot) `x` }\n}; \\", "it's $HOME \" ] ; } \\")], False)
@example([("h", "it's ${isoforge} $(reboot) `x` }\n}; \\", "it's $HOME \" ] ; } \\")], True)
@example([("h", "x" * 10_000, "'")], True)
def test_no_description_and_no_match_key_breaks_out_of_the_menu(
    base: BaseIso, tmp_path: Path, hosts: list[tuple[str, str, str]], folded: bool
) -> None:
    entries = [
        MenuEntry(
            host=name,
            description=description,
            kernel=base.kernel("ga"),
            match=Match(texts=(("serial", (serial,)), ("product", (serial,)))),
        )
        for name, description, serial in hosts
    ]
    others = [replace(entries[0], host=f"other-{number}", match=None) for number in range(FLAT)] if folded else []
    menu = with_build_id(
        Menu(
            name="hostile",
            build_id="",
            entries=in_menu_order([*entries, *others]),
            default_host=None,
            timeout_s=5,
            about=tuple(one_line(description)[:160] for _, description, _ in hosts),
            placeholders=tuple(serial for _, _, serial in hosts),
        ),
        "0123456789ab",
    )
    files = {str(file): text for file, text in menu_files(menu, base).items()}
    for text in files.values():
        place = tmp_path / "hostile.cfg"
        place.write_text(text, "utf-8")
        run("grub-script-check", place)
    for machine in entries:
        assert machine.match
        cases = [case for file in machine.match.files for case in read_conditions(files[str(file)])]
        assert dict(machine.match.texts)["serial"] in [(case.values["serial"],) for case in cases]
    for start in (GRUB_CFG, LOOPBACK_CFG):
        told = read_grub(files[str(start)], files.get)
        assert told.problems == ()
        found = {entry.entry_id: entry for entry in told.entries if entry.entry_id.startswith("host-")}
        assert [found[entry.entry_id].title for entry in menu.entries] == [entry.title for entry in menu.entries]
        for entry in menu.entries:
            words = [word for word in found[entry.entry_id].linux[1:] if not word.startswith("iso-scan/")]
            assert " ".join(words) == entry.kernel_line
        assert len(found) == len(menu.entries)


def built(fleet: Path, noble: Path, *, render: bool = True, guard: bool = True) -> BuildResult:
    return multi(
        Order(
            workspace=Workspace(baremetal=fleet / "baremetal"),
            selection=Selection(hosts=HOSTS),
            name="safe",
            base_iso=noble,
            render=render,
            guard=guard,
        )
    )


def test_every_medium_file_of_casper_is_the_builds_own(fleet: Path, noble: Path) -> None:
    made = built(fleet, noble)
    tree = read_tree(made.iso)
    files = [path for path in tree if path.match("/.disk/casper-uuid-*")]
    assert len(files) == 2
    assert {read_file(made.iso, tree[path]).decode() for path in files} == {f"{made.manifest.medium}\n"}
    assert read_file(made.iso, tree[PurePosixPath("/isoforge/build")]).decode() == f"{made.manifest.build_id}\n"
    assert PurePosixPath(f"/isoforge/build-{made.manifest.build_id}") in tree
    assert all(f" uuid={made.manifest.medium} " in host.kernel_line for host in made.manifest.hosts)


def test_what_detection_reads_lies_on_the_iso(fleet: Path, noble: Path) -> None:
    made = built(fleet, noble)
    tree = read_tree(made.iso)
    table = read_file(made.iso, tree[PurePosixPath("/isoforge/hosts.tsv")]).decode()
    assert [line.split("\t")[0] for line in table.splitlines()] == list(HOSTS)
    for place in ("isoforge-detect/user-data", *(f"{host}/user-data" for host in HOSTS)):
        assert tree[PurePosixPath("/nocloud") / place].size > 0


def test_every_host_with_match_keys_is_guarded_and_the_manifest_says_so(fleet: Path, noble: Path) -> None:
    manifest = built(fleet, noble).manifest
    assert manifest.guard
    assert [host.guarded for host in manifest.hosts] == [True, True]


def test_no_guard_is_written_into_manifest_and_memo(fleet: Path, noble: Path) -> None:
    made = built(fleet, noble, guard=False)
    written = json.loads(made.manifest_file.read_text())
    assert written["guard"] is False
    assert [host["guarded"] for host in written["hosts"]] == [False, False]
    assert "install ANY machine" in made.summary.read_text()


def test_no_guard_does_not_pass_over_a_guard_that_is_there(cli: Cli, noble: Path) -> None:
    assert cli("gen", "--host", HOSTS[0]).code == 0
    refused = cli("multi", "--host", HOSTS[0], "--ubuntu-iso", noble, "--name", "safe", "--no-guard")
    assert refused.code == 2
    assert "contains a guard" in refused.err


@pytest.mark.parametrize("contradicted", [["--default-host", HOSTS[0]], ["--menu-password", "hash"]])
def test_auto_is_for_machines_that_nobody_stands_before(
    cli: Cli, fleet: Path, noble: Path, contradicted: list[str]
) -> None:
    (fleet / "hash").write_text(f"grub.pbkdf2.sha512.1.00.{'0' * 128}\n")
    words = ["multi", "--host", HOSTS[0], "--ubuntu-iso", noble, "--name", "safe", "--render", "--auto"]
    refused = cli(*words, *contradicted)
    assert refused.code == 2
    assert "cannot be combined" in refused.err


def test_the_password_protects_all_but_the_local_disk(cli: Cli, fleet: Path, noble: Path) -> None:
    secret = f"grub.pbkdf2.sha512.1.00.{'0' * 128}"
    (fleet / "hash").write_text(f"{secret}\n")
    words = ["multi", "--host", HOSTS[0], "--ubuntu-iso", noble, "--name", "safe", "--render", "--json"]
    made = cli(*words, "--menu-password", "hash")
    assert made.code == 0, made.err
    assert json.loads(made.out)["menu_password"] is True
    assert secret not in made.out + made.err
    folder = fleet / "baremetal/autoinstall/generated/_multi/safe"
    iso = folder / "ubuntu-autoinstall-safe.iso"
    for place in ("grub.cfg", "loopback.cfg"):
        text = read_file(iso, read_tree(iso)[PurePosixPath("/boot/grub") / place]).decode()
        assert f"\npassword_pbkdf2 operator {secret}\n" in text
        assert not any("--unrestricted" in line for line in text.splitlines() if "--id host-" in line)
        assert any("--unrestricted" in line for line in text.splitlines() if "--id local-disk" in line)
    assert secret not in "".join((folder / name).read_text() for name in ("manifest.json", "SUMMARY.txt"))
