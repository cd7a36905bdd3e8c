"""A fleet of hundreds is one ISO: its menu has submenus, and whatever is wrong in their files is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from isoforge.forge import multi
from isoforge.image.tree import read_file, read_tree
from isoforge.order import Order
from isoforge.proof.manifest import Manifest
from isoforge.proof.read.grub import read_grub
from isoforge.proof.read.inspect import extract, inspect
from isoforge.proof.verify.verify import verify
from isoforge.selection import Selection
from isoforge.workspace import Workspace
from scripts.large_fleet import large_fleet
from tests.conftest import Once
from tests.iso import mutation as m

SUBMENU_FILE = "/isoforge/menu/site-a-00001.cfg"
SECOND = "site-a-00066"
SEED = "/cdrom/nocloud/site-a-00007/"
KNOWN = "/isoforge/machines/serial/07.cfg"
DEFAULT = "site-a-00142"


@pytest.fixture(scope="session")
def large(once: Once, noble: Path) -> Path:
    """An ISO of 150 hosts, of which one group is large and another small; nobody changes it."""

    def make(folder: Path) -> None:
        large_fleet(folder / "baremetal", 150, a_group=130)
        order = Order(
            workspace=Workspace(baremetal=folder / "baremetal", output_folder=folder / "iso"),
            selection=Selection(all_hosts=True),
            name="large",
            base_iso=noble,
            default_host=DEFAULT,
            render=True,
        )
        multi(order)

    return once("large", make) / "iso/ubuntu-autoinstall-large.iso"


def manifest_of(iso: Path) -> Manifest:
    return Manifest.from_json(iso.with_name("manifest.json").read_text())


def text_of(iso: Path, place: str) -> str:
    return read_file(iso, read_tree(iso)[PurePosixPath(place)]).decode()


def test_large_iso_has_no_fault(large: Path, noble: Path) -> None:
    assert [(check.name, check.faults) for check in verify(large, base=noble) if check.faults] == []


def test_hosts_lie_in_submenus_by_group_and_those_of_a_large_group_by_names(large: Path) -> None:
    ways = [host.submenu for host in manifest_of(large).hosts]
    rack_1, rack_2 = "rack_1: 130 hosts, site-a-00001 to site-a-00130", "rack_2: 20 hosts, site-a-00131 to site-a-00150"
    assert ways[0] == (rack_1, "site-a-00001 to site-a-00065: 65 hosts")
    assert ways[129] == (rack_1, "site-a-00066 to site-a-00130: 65 hosts")
    assert ways[130:] == [(rack_2,)] * 20
    assert [entry.submenu for entry in inspect(large).menu if entry.title.startswith("Install site-a-00066")] == [
        ways[129]
    ] * 2  # grub.cfg and loopback.cfg


def test_the_default_names_the_way_through_the_submenus(large: Path) -> None:
    assert read_grub(text_of(large, "/boot/grub/grub.cfg")).variables["default"][0] == f"group-rack_2>host-{DEFAULT}"


def test_the_menu_itself_does_not_grow_with_the_fleet(large: Path) -> None:
    text = text_of(large, "/boot/grub/grub.cfg")
    assert "host-site-a-00001 " not in text
    assert len(text) < 16_000


def test_the_memo_tells_in_which_submenu_an_entry_is(large: Path) -> None:
    memo = large.with_name("SUMMARY.txt").read_text()
    place = memo.index("Install site-a-00066 ")
    above = memo[:place].rstrip().splitlines()[-1]
    assert above.strip().endswith("site-a-00066 to site-a-00130: 65 hosts")
    assert "Detect this machine" in memo
    assert memo.count("<- starts by itself") == 1


def test_what_grub_reads_is_extracted_too(large: Path, tmp_path: Path) -> None:
    extract(large, tmp_path / "out")
    for place in (SUBMENU_FILE, KNOWN, "/isoforge/loopback/site-a-00001.cfg"):
        assert (tmp_path / "out" / place.lstrip("/")).read_text() == text_of(large, place)


BROKEN: dict[str, tuple[Callable[[Path], object], set[str], str]] = {
    "submenu whose file is missing": (
        lambda iso: m.menu(iso, f"source {SUBMENU_FILE}", f"source {SUBMENU_FILE.replace('00001', '00099')}"),
        {"kernel-lines", "menu", "machines", "start"}, "/isoforge/menu/site-a-00099.cfg is not on the ISO",
    ),
    "submenu with the entries of another": (
        lambda iso: m.menu(iso, f"source {SUBMENU_FILE}", f"source {SUBMENU_FILE.replace('00001', '00131')}"),
        {"kernel-lines", "menu", "machines", "start"}, "0 entries have the manifest's kernel line of site-a-00001",
    ),
    "another host's seed in a submenu": (
        lambda iso: m.rewrite(iso, SUBMENU_FILE, "nocloud/site-a-00007/", "nocloud/site-a-00008/"),
        {"menu", "start"}, "0 entries have the manifest's kernel line of site-a-00007",
    ),
    "bare ; in a submenu": (
        lambda iso: m.rewrite(iso, SUBMENU_FILE, f"nocloud\\;s={SEED}", f"nocloud;s={SEED}"),
        {"kernel-lines", "menu", "start"},
        f"{SUBMENU_FILE}:34 'Install site-a-00007 - Site A, number 7': an unquoted ; cuts",
    ),
    "entry in another submenu than the manifest says": (
        lambda iso: m.menu(iso, "site-a-00001 to site-a-00065: 65 hosts", "site-a-00001 to site-a-00064: 65 hosts"),
        {"menu"}, "the entry of site-a-00001 is in",
    ),
    "default through a submenu that is none": (
        lambda iso: m.menu(iso, "set default=group-rack_2\\>", "set default=group-rack_9\\>"),
        {"menu"}, "contains 'group-rack_9', which is not a submenu",
    ),
    "machine taken for another host": (
        lambda iso: m.rewrite(iso, KNOWN, "isoforge_fits site-a-00007 7 ", "isoforge_fits site-a-00008 8 "),
        {"machines", "start"},
        "serial 'pc00007' as site-a-00008: that serial belongs to site-a-00007",
    ),
    "machine known by another's serial number": (
        lambda iso: m.rewrite(iso, KNOWN, "'xpc00007'", "'xpc00107'"),
        {"machines", "start"}, "the menu does not recognize the machine of site-a-00007 by its serial pc00007",
    ),
    "machine that is looked up elsewhere": (
        lambda iso: m.rewrite(iso, KNOWN, "'xpc00007'", "'xpc00008'"),
        {"machines", "start"}, "a machine with the serial 'pc00008' is not looked up here",
    ),
    "machine whose entry is somewhere else": (
        lambda iso: m.rewrite(iso, KNOWN, " 7 site-a-00001 ", " 7 site-a-00066 "),
        {"machines", "start"}, f"the entry of site-a-00007 is looked for in site-a-00066, but is in {SUBMENU_FILE}",
    ),
    "machine of a host that is none": (
        lambda iso: m.rewrite(iso, KNOWN, "isoforge_fits site-a-00007 ", "isoforge_fits site-a-00907 "),
        {"machines", "start"}, "site-a-00907 is not a host of the manifest",
    ),
    "machine that the menu treats like no other": (
        lambda iso: m.menu(
            iso, "\nset isoforge_mark=\n",
            '\nset isoforge_mark=\nif [ "x$isoforge_serial" = xpc00093 ]; then isoforge_menu_file=site-a-00001; fi\n',
        ),
        {"start"}, "the machine of site-a-00093",
    ),
    "entry of one host that installs another": (
        lambda iso: m.rewrite(iso, f"/isoforge/menu/{SECOND}.cfg", "/nocloud/site-a-00093/", "/nocloud/site-a-00094/"),
        {"menu", "start"}, "the entry of site-a-00093",
    ),
    "machine that is offered under another name": (
        lambda iso: m.rewrite(iso, KNOWN, "'Install site-a-00007 ", "'Install site-a-00008 "),
        {"machines"}, "is 'Install site-a-00008",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", BROKEN)
def test_verify_names_the_fault(large: Path, noble: Path, tmp_path: Path, fault: str) -> None:
    spoil, names, words = BROKEN[fault]
    iso = m.with_manifest(large, tmp_path / "broken.iso")
    spoil(iso)
    told = [(check.name, fault) for check in verify(iso, base=noble) for fault in check.faults]
    assert {name for name, _ in told} == {*names, "md5sum", "digest"}, told
    assert any(words in said for _, said in told), told
