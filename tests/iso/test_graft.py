"""The base ISO inside a graft: proven, given back, and kept when the hosts change."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from isoforge.errors import BaseIsoError, OutputError, ProofError
from isoforge.image.inside import HEAD, inside_of
from isoforge.image.medium import extent_of, interrupted, replace_graft
from isoforge.image.sectors import LBA
from isoforge.image.tree import View, read_file, read_tree
from isoforge.iso_layout import BASE_HEAD, GRUB_CFG
from isoforge.proof.manifest import Manifest
from isoforge.proof.verify.verify import verify
from isoforge.restore import restore
from isoforge.run import run
from tests.iso import mutation as m
from tests.iso.conftest import Cli, Outcome
from tests.iso.faults import for_one_pass, hidden_in, said

Q1, Q2 = "site-a-m710q1", "site-a-m710q2"
FOLDER = Path("baremetal/autoinstall/generated/_multi/n")
ISO = FOLDER / "ubuntu-autoinstall-n.iso"

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="takes root")


def built(cli: Cli, base: Path, *hosts: str, more: tuple[str, ...] = ("--render",)) -> Outcome:
    words = [word for host in hosts for word in ("--host", host)]
    outcome = cli("multi", *words, "--name", "n", "--ubuntu-iso", base, *more)
    assert outcome.code == 0, outcome.err
    return outcome


def inside_faults(iso: Path, base: Path | None = None) -> tuple[str, ...]:
    (check,) = (check for check in verify(iso, base=base) if check.name == "inside")
    return check.faults


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# The base inside.


def test_a_graft_has_every_byte_of_its_base(good: Path, noble: Path) -> None:
    inside = inside_of(good)
    assert inside is not None
    base, iso = noble.read_bytes(), good.read_bytes()
    assert (inside.size, inside.head) == (len(base), base[:HEAD])
    assert iso[HEAD : inside.size] == base[HEAD:]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 1.0])
def test_a_flipped_byte_of_the_base_is_found_by_its_digest_alone(
    good: Path, noble: Path, tmp_path: Path, share: float
) -> None:
    iso = m.with_manifest(good, tmp_path / good.name)
    assert inside_faults(iso) == ()
    position = HEAD + int(share * (noble.stat().st_size - 1 - HEAD))
    with iso.open("r+b") as file:
        file.seek(position)
        byte = file.read(1)
        file.seek(position)
        file.write(bytes([byte[0] ^ 1]))
    assert "the base ISO inside has the SHA-256" in inside_faults(iso)[0]


def test_a_changed_head_of_the_base_is_found(good: Path, noble: Path, tmp_path: Path) -> None:
    iso = m.with_manifest(good, tmp_path / good.name)
    m.flip_in(iso, str(BASE_HEAD), 100)
    assert "the base ISO inside has the SHA-256" in inside_faults(iso)[0]
    assert "the base ISO inside is not" in inside_faults(iso, noble)[1]
    m.flip_in(iso, str(BASE_HEAD), 32769)
    assert "damaged" in inside_faults(iso)[0]


def test_without_any_list_or_manifest_the_digest_is_a_remark(good: Path, noble: Path, tmp_path: Path) -> None:
    iso = shutil.copyfile(good, tmp_path / good.name)
    (check,) = (check for check in verify(iso) if check.name == "inside")
    assert check.faults == ()
    assert check.remarks == (f"no SHA256SUMS at hand lists {sha256(noble)}",)


def test_a_list_beside_the_iso_names_the_base(good: Path, noble: Path, tmp_path: Path) -> None:
    iso = shutil.copyfile(good, tmp_path / good.name)
    (tmp_path / "SHA256SUMS").write_text(f"{sha256(noble)} *ubuntu-24.04-live-server-amd64.iso\n")
    (check,) = (check for check in verify(iso) if check.name == "inside")
    assert (
        check.detail
        == "inside: ubuntu-24.04-live-server-amd64.iso, as listed in a SHA256SUMS without a valid signature"
    )


def test_what_a_graft_needs_is_checked_before_it_is_written(cli: Cli, noble: Path, fleet: Path, tmp_path: Path) -> None:
    built(cli, for_one_pass(noble, tmp_path / "padded.iso"), Q1)
    manifest = Manifest.from_file(fleet / FOLDER / "manifest.json")
    assert (manifest.method, manifest.base_head) == ("repack", None)
    assert BASE_HEAD not in read_tree(fleet / ISO)
    said(cli("restore", ISO), 5, "does not contain its base ISO")
    said(cli("update", ISO, "--render"), 5, "does not contain its base ISO")


def test_a_graft_is_no_base(cli: Cli, good: Path) -> None:
    said(cli("multi", "--host", Q1, "--name", "n", "--ubuntu-iso", good, "--render"), 5, "was built by isoforge")


# Restore.


def test_restore_gives_the_base_back(cli: Cli, good: Path, noble: Path, fleet: Path) -> None:
    outcome = cli("restore", good, "--json")
    facts = json.loads(outcome.out)
    assert (facts["iso"], facts["sha256"]) == (noble.name, sha256(noble))
    assert facts["expected"] == facts["sha256"]
    assert (fleet / noble.name).read_bytes() == noble.read_bytes()
    assert cli("restore", good).code == 0  # the same again is no error
    said(cli("restore", good, "--output", good), 7, "is the ISO to restore itself")


def test_restore_keeps_nothing_that_is_damaged(good: Path, tmp_path: Path) -> None:
    iso = m.with_manifest(good, tmp_path / good.name)
    with iso.open("r+b") as file:
        file.seek(HEAD + 5)
        file.write(b"?")
    with pytest.raises(ProofError, match="is damaged"):
        restore(iso, tmp_path / "out.iso")
    assert not (tmp_path / "out.iso").exists()
    assert hidden_in(tmp_path) == []


def test_restore_overwrites_nothing_else(good: Path, tmp_path: Path) -> None:
    (tmp_path / "out.iso").write_text("mine")
    with pytest.raises(OutputError, match="already exists"):
        restore(good, tmp_path / "out.iso")
    assert (tmp_path / "out.iso").read_text() == "mine"


def test_restore_of_an_official_iso_says_what_it_needs(noble: Path, tmp_path: Path) -> None:
    with pytest.raises(BaseIsoError, match="does not contain its base ISO"):
        restore(noble, tmp_path / "out.iso")
    with pytest.raises(BaseIsoError, match="does not exist"):
        restore(tmp_path / "none.iso", tmp_path / "out.iso")


# Update of a file.


def test_an_update_gives_the_same_files_as_a_new_build(cli: Cli, noble: Path, fleet: Path) -> None:
    built(cli, noble, Q1, more=("--render", "--default-host", Q1, "--timeout", "7"))
    wanted = {path.name: path.read_bytes() for path in (fleet / FOLDER).iterdir()}
    sizes = []
    built(cli, noble, Q1, Q2)
    for _ in range(2):
        outcome = cli("update", ISO, "--host", Q1, "--default-host", Q1, "--timeout", "7")
        assert outcome.code == 0, outcome.err
        assert {path.name: path.read_bytes() for path in (fleet / FOLDER).iterdir()} == wanted
        assert Q2.encode() not in (fleet / ISO).read_bytes()
        outcome = cli("update", ISO, "--all", "--render", "--fast")
        assert outcome.code == 0, outcome.err
        sizes.append((fleet / ISO).stat().st_size)
    assert len(set(sizes)) == 1


def test_an_update_without_options_keeps_hosts_and_menu(cli: Cli, noble: Path, fleet: Path) -> None:
    built(cli, noble, Q1, Q2, more=("--render", "--default-host", Q2, "--timeout", "9"))
    before = (fleet / ISO).read_bytes()
    assert cli("update", ISO).code == 0
    assert (fleet / ISO).read_bytes() == before
    said(cli("update", ISO, "--force", "/dev/null"), 2, "is a file")
    variables = fleet / "baremetal/inventory/host_vars" / Q2 / "main.yml"
    variables.write_text(variables.read_text() + "timezone: Europe/Paris\n")
    assert cli("update", ISO, "--render").code == 0
    manifest = Manifest.from_file(fleet / FOLDER / "manifest.json")
    assert [host.name for host in manifest.hosts] == [Q1, Q2]
    assert (manifest.default_host, manifest.timeout_s) == (Q2, 9)
    assert b"Europe/Paris" in (fleet / ISO).read_bytes()
    assert (fleet / ISO).read_bytes() != before


def test_an_update_on_a_damaged_base_is_refused(cli: Cli, noble: Path, fleet: Path) -> None:
    built(cli, noble, Q1)
    with (fleet / ISO).open("r+b") as file:
        file.seek(noble.stat().st_size // 2)
        file.write(os.urandom(16))
    before = (fleet / ISO).read_bytes()
    said(cli("update", ISO, "--render"), 8, "the base ISO inside", "is damaged")
    assert (fleet / ISO).read_bytes() == before
    assert hidden_in(fleet) == []


def test_the_password_of_a_menu_is_not_lost_by_an_update(cli: Cli, noble: Path, fleet: Path) -> None:
    (fleet / "hash").write_text(f"grub.pbkdf2.sha512.10000.{'A' * 128}.{'B' * 128}\n")
    built(cli, noble, Q1, more=("--render", "--menu-password", "hash"))
    said(cli("update", ISO), 2, "has a password")
    assert cli("update", ISO, "--menu-password", "hash").code == 0
    assert Manifest.from_file(fleet / FOLDER / "manifest.json").menu_password


def test_files_of_add_are_not_lost_by_an_update(cli: Cli, noble: Path, fleet: Path) -> None:
    (fleet / "notes").write_text("rack 7\n")
    built(cli, noble, Q1, more=("--render", "--add", "notes=/site/notes"))
    before = (fleet / ISO).read_bytes()
    said(cli("update", ISO), 2, "has files of --add (/site/notes)")
    assert cli("update", ISO, "--add", "notes=/site/notes").code == 0
    assert (fleet / ISO).read_bytes() == before


# Update of a stick.


class Recorder:
    """A medium in a file, that remembers what is written to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.writes: list[tuple[int, bytes]] = []

    def write(self, start: int, content: bytes) -> None:
        assert start % LBA == len(content) % LBA == 0
        self.writes.append((start, bytes(content)))
        put(self.path, start, content)

    def sync(self) -> None:
        """Nothing: the power cuts of the tests come between any two sectors."""


def put(path: Path, start: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(start)
        file.write(content)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, good: Path, noble: Path) -> tuple[Path, Path]:
    """A build for two hosts on a stick, and one for a single host that is to take its place."""
    from isoforge.forge import multi
    from isoforge.order import Order
    from isoforge.selection import Selection
    from isoforge.workspace import Workspace

    folder = tmp_path_factory.mktemp("pair")
    order = Order(
        workspace=Workspace(baremetal=good.parents[4]), selection=Selection(hosts=(Q1,)), name="single",
        base_iso=noble, default_host=Q1, render=True,
    )  # fmt: skip
    new = multi(order).iso
    stick = folder / "stick"
    shutil.copyfile(good, stick)
    os.truncate(stick, good.stat().st_size + (8 << 20))
    return stick, new


@pytest.mark.parametrize("is_longer", [True, False])
def test_an_updated_stick_has_the_bytes_of_a_new_build_and_nothing_of_the_old_one(
    pair: tuple[Path, Path], good: Path, tmp_path: Path, is_longer: bool
) -> None:
    new = pair[1] if is_longer else good
    medium = Recorder(shutil.copyfile(pair[0], tmp_path / "stick"))
    put(medium.path, 0, (good if is_longer else pair[1]).read_bytes())
    inside = inside_of(medium.path)
    assert inside is not None
    written = replace_graft(medium, extent_of(medium.path), new, inside)
    assert written < 10 << 20
    content, wanted = medium.path.read_bytes(), new.read_bytes()
    assert content[: len(wanted)] == wanted
    assert not any(content[len(wanted) :]) or not is_longer
    assert (Q2.encode() in content) != is_longer


def states(writes: list[tuple[int, bytes]]) -> Iterator[tuple[int, int, int]]:
    """Which writes are done when the power fails, and how many bytes of the next: every sector of a head, some of
    the rest."""
    for index, (_, content) in enumerate(writes):
        step = 7 * LBA if len(content) == HEAD else max(LBA, len(content) // 3 // LBA * LBA)
        for done in range(0, len(content), step):
            yield index, done, len(writes)


def menus(stick: Path) -> list[bytes]:
    """The menus that firmware can come to: through the whole device, and through partition 1."""
    found = []
    for view in View:
        try:
            node = read_tree(stick, view).get(GRUB_CFG)
        except BaseIsoError:
            continue
        if node and node.extent + node.size <= stick.stat().st_size:
            found.append(read_file(stick, node))
    return found


def test_a_power_cut_at_any_sector_never_leaves_a_mixture_that_installs(
    pair: tuple[Path, Path], noble: Path, tmp_path: Path
) -> None:
    stick, new = pair
    inside, old = inside_of(stick), extent_of(stick)
    assert inside is not None
    medium = Recorder(shutil.copyfile(stick, tmp_path / "recorded"))
    replace_graft(medium, old, new, inside)
    torn = tmp_path / "torn"
    shutil.copyfile(stick, torn)
    base_menu = read_file(noble, read_tree(noble)[GRUB_CFG])
    old_menu = read_file(stick, read_tree(stick)[GRUB_CFG])
    kinds = set()
    last = -1
    for index, done, _ in states(medium.writes):
        if last >= 0 and index != last:
            put(torn, *medium.writes[last])
        last = index
        start, content = medium.writes[index]
        put(torn, start, content[:done])
        for menu in menus(torn):
            if menu == base_menu:
                kinds.add("base")
            elif menu.startswith(interrupted()):
                kinds.add("interrupted")
            else:
                assert (index, done, menu) == (0, 0, old_menu), f"write {index}, byte {done}: another menu"
                kinds.add("old")
    assert kinds == {"base", "interrupted", "old"}
    put(torn, *medium.writes[last])
    assert menus(torn) == [read_file(new, read_tree(new)[GRUB_CFG])] * 2


def test_after_the_base_head_a_stick_is_the_official_iso(pair: tuple[Path, Path], noble: Path, tmp_path: Path) -> None:
    stick, new = pair
    inside = inside_of(stick)
    assert inside is not None
    medium = Recorder(shutil.copyfile(stick, tmp_path / "stick"))
    replace_graft(medium, extent_of(stick), new, inside)
    torn = tmp_path / "torn"
    shutil.copyfile(stick, torn)
    heads = [index for index, (start, content) in enumerate(medium.writes) if not start and len(content) == HEAD]
    for start, content in medium.writes[: heads[1]]:
        put(torn, start, content)
    assert torn.read_bytes()[: noble.stat().st_size] == noble.read_bytes()
    faults = [f"{check.name}: {fault}" for check in verify(torn, base=noble) for fault in check.faults]
    assert faults == []
    put(torn, *medium.writes[heads[1]])
    (menu,) = (check for check in verify(torn, base=noble) if check.name == "menu")
    assert menu.faults == (
        "an update of this medium was interrupted, and it installs nothing: run isoforge update again",
    )


@pytest.fixture
def loop(tmp_path: Path, good: Path) -> Iterator[Path]:
    image = tmp_path / "stick.img"
    shutil.copyfile(good, image)
    os.truncate(image, good.stat().st_size + (16 << 20))
    device = Path(run("losetup", "--find", "--show", image).strip())
    try:
        yield device
    finally:
        run("losetup", "--detach", device)


@as_root
def test_a_stick_is_updated_read_back_and_updated_again(cli: Cli, loop: Path, fleet: Path, noble: Path) -> None:
    said(cli("update", loop, "--host", Q1, "--render"), 7, "is not removable", "--force")
    outcome = cli("update", loop, "--host", Q1, "--default-host", Q1, "--render", "--force", loop, "--json")
    assert outcome.code == 0, outcome.err
    facts = json.loads(outcome.out)
    assert facts["written"] < 10 << 20
    assert [host["name"] for host in facts["hosts"]] == [Q1]
    built(cli, noble, Q1, more=("--default-host", Q1, "--timeout", "15"))
    wanted = (fleet / ISO).read_bytes()
    outcome = cli("update", loop, "--name", "n", "--force", loop)
    assert outcome.code == 0, outcome.err
    image = loop.read_bytes()
    assert image[: len(wanted)] == wanted
    assert Q2.encode() not in image
    assert [check.name for check in verify(loop) if check.faults] == []


@as_root
def test_a_stick_with_the_official_iso_alone_takes_a_build(cli: Cli, loop: Path, noble: Path, fleet: Path) -> None:
    with loop.open("r+b") as device:
        device.write(noble.read_bytes())
    said(cli("update", loop, "--host", Q1, "--render", "--force", loop), 2, "no build to take the name from")
    assert cli("update", loop, "--name", "n", "--host", Q1, "--render", "--force", loop).code == 0
    built(cli, noble, Q1)
    wanted = (fleet / ISO).read_bytes()
    assert loop.read_bytes()[: len(wanted)] == wanted


@as_root
def test_a_stick_with_anything_else_is_left_alone(cli: Cli, loop: Path) -> None:
    before = loop.read_bytes()
    with loop.open("r+b") as device:
        device.write(bytes(1 << 20))
    said(cli("update", loop, "--name", "n", "--host", Q1, "--render", "--force", loop), 5, "ISO")
    assert loop.read_bytes()[1 << 20 :] == before[1 << 20 :]
