"""What an ISO is, told for anybody's ISO; seeds without their secrets; two ISOs side by side."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path, PurePosixPath

import pytest

from isoforge.forge import multi
from isoforge.image.tree import read_file, read_tree
from isoforge.order import Order
from isoforge.proof.boot.synthetic_iso import Release, make_base
from isoforge.proof.read.diff import differences
from isoforge.proof.read.inspect import extract, inspect
from isoforge.selection import Selection
from isoforge.workspace import Workspace
from tests.iso import mutation as m
from tests.iso.conftest import Cli

HOSTS = ["site-a-m710q1", "site-a-m710q2"]


def test_own_iso_tells_its_base_its_hosts_and_its_menu(good: Path, noble: Path) -> None:
    told = inspect(good)
    assert (told.release, told.arch, told.volume_id) == ("24.04", "amd64", "Ubuntu-Server 24.04 LTS amd64")
    assert told.manifest is not None
    assert told.manifest.base_iso.title == told.title == inspect(noble).title
    assert [host.name for host in told.hosts if not host.name.startswith("isoforge-")] == HOSTS
    manifest = json.loads(good.with_name("manifest.json").read_text())
    for host in manifest["hosts"]:
        (seed,) = [seed for seed in told.hosts if seed.name == host["name"]]
        assert seed.entries == (host["title"],)
        assert {file.path.rpartition("/")[2]: file.sha256 for file in seed.files} == {
            name: host[f"{name.replace('-', '_')}_sha256"] for name in ("user-data", "meta-data", "vendor-data")
        }
        (entry,) = [entry for entry in told.menu if entry.title == host["title"] and entry.menu == m.MENU]
        assert (entry.kernel, entry.initrd, entry.kernel_line) == (
            host["kernel"],
            (host["initrd"],),
            host["kernel_line"],
        )
    submenus = {entry.submenu for entry in told.menu}
    assert ("Menu of Ubuntu-Server 24.04 LTS amd64 (asks before it installs)",) in submenus


@pytest.mark.parametrize("release", Release)
def test_official_layout_is_told(tmp_path: Path, release: Release) -> None:
    iso = tmp_path / "base.iso"
    make_base(iso, release=release, hwe=True)
    told = inspect(iso)
    assert (told.release, told.manifest, told.hosts) == (release.version, None, ())
    assert [(kernel.vmlinuz, kernel.initrd) for kernel in told.kernels] == [
        ("/casper/hwe-vmlinuz", "/casper/hwe-initrd"),
        ("/casper/vmlinuz", "/casper/initrd"),
    ]
    assert [(part.number, part.type) for part in told.partitions[:2]] == [(1, "basic data"), (2, "EFI system")]
    assert [record.platform for record in told.boot_records] == ["BIOS", "UEFI"]
    assert told.boot_records[1].start == told.partitions[1].start
    assert told.menu[0].title == "Try or Install Ubuntu Server"


def test_remaster_of_somebody_else_is_told(noble: Path, tmp_path: Path) -> None:
    files = {
        m.MENU: 'menuentry "Mine" {\n linux /casper/vmlinuz autoinstall "ds=nocloud;s=/cdrom/server/" ---\n}\n',
        "/server/user-data": "#cloud-config\n",
        "/server/meta-data": "",
    }
    told = inspect(m.remaster(noble, tmp_path / "other.iso", files))
    assert told.manifest is None
    (host,) = told.hosts
    assert (host.name, host.folder, host.entries) == ("server", "/server/", ("Mine",))


def test_isolinux_menu_is_told(noble: Path, tmp_path: Path) -> None:
    text = "label live\n menu label ^Install\n kernel /casper/vmlinuz\n append  initrd=/casper/initrd quiet ---\n"
    told = inspect(m.remaster(noble, tmp_path / "other.iso", {"/isolinux/txt.cfg": text}))
    (entry,) = [entry for entry in told.menu if entry.menu == "/isolinux/txt.cfg"]
    assert (entry.title, entry.kernel_line, entry.initrd) == ("Install", "quiet ---", ("/casper/initrd",))


def test_command_shows_what_matters(cli: Cli, good: Path) -> None:
    outcome = cli("inspect", good)
    assert (outcome.code, outcome.err) == (0, "")
    digest = json.loads(good.with_name("manifest.json").read_text())["hosts"][1]["user_data_sha256"]
    for words in (*HOSTS, digest, "24.04 amd64", "built by", "El Torito", "ds=nocloud;s=/cdrom/nocloud/site-a-m710q1/"):
        assert words in outcome.out
    told = json.loads(cli("inspect", good, "--json").out)
    assert told["hosts"][0]["name"] in HOSTS
    assert told["manifest"]["name"] == "good"


def test_markdown_has_the_digests_of_the_manifest(cli: Cli, good: Path, noble: Path) -> None:
    outcome = cli("inspect", good, "--markdown")
    assert (outcome.code, outcome.err) == (0, "")
    manifest = json.loads(good.with_name("manifest.json").read_text())
    assert f"| SHA-256 | `{manifest['iso']['sha256']}` |" in outcome.out
    for host in manifest["hosts"]:
        assert f"| `{host['name']}` | " in outcome.out
        assert f" | `{host['user_data_sha256']}` | `{host['meta_data_sha256']}` |" in outcome.out
    assert "built by" not in cli("inspect", noble, "--markdown").out
    assert cli("inspect", good, "--markdown", "--json").code == 2


def test_terminal_is_not_touched_by_what_stands_on_an_iso(cli: Cli, noble: Path, tmp_path: Path) -> None:
    files = {
        m.MENU: 'menuentry "\x1b]0;x\x07evil\x1b[2J" {\n linux /casper/vmlinuz ---\n}\n',
        "/nocloud/a\x1b[31m/user-data": "x",
    }
    outcome = cli("inspect", m.remaster(noble, tmp_path / "other.iso", files))
    assert outcome.code == 0
    assert "evil" in outcome.out
    assert "\x1b" not in outcome.out + outcome.err


def test_seed_is_shown_without_its_secrets(cli: Cli, good: Path) -> None:
    masked = cli("inspect", good, "--seed", HOSTS[0]).out
    whole = cli("inspect", good, "--seed", HOSTS[0], "--show-secrets").out
    seed = read_file(good, read_tree(good)[PurePosixPath(f"/nocloud/{HOSTS[0]}/user-data")]).decode()
    assert seed in whole
    assert "$6$" in whole or "$y$" in whole
    assert "$6$" not in masked
    assert "$y$" not in masked
    assert 'password: "***"' in masked
    assert "hostname: site-a-m710q1" in masked
    assert "ssh-ed25519 AAAA" in masked


def test_seed_of_a_host_that_is_not_there(cli: Cli, good: Path) -> None:
    outcome = cli("inspect", good, "--seed", "site-a-m710q7")
    assert (outcome.code, outcome.out) == (2, "")
    assert "has no seed of site-a-m710q7" in outcome.err
    assert HOSTS[0] in outcome.err


def test_seeds_and_menu_are_got_back(good: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    written = extract(good, folder)
    tree = read_tree(good)
    for file in written:
        place = PurePosixPath("/", file.relative_to(folder))
        assert file.read_bytes() == read_file(good, tree[place])
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert all(stat.S_IMODE(parent.stat().st_mode) == 0o700 for parent in file.parents[: len(place.parents)])
    names = {str(file.relative_to(folder)) for file in written}
    assert {"boot/grub/grub.cfg", *(f"nocloud/{host}/user-data" for host in HOSTS)} <= names


def test_extracting_overwrites_nothing(cli: Cli, good: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").write_text("mine")
    outcome = cli("inspect", good, "--extract", tmp_path / "out")
    assert outcome.code == 7
    assert "already exists" in outcome.err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]
    (tmp_path / "file").write_text("mine")
    assert cli("inspect", good, "--extract", tmp_path / "file").code == 7


@pytest.mark.parametrize("verb", ["inspect", "verify"])
def test_what_is_no_iso_gives_5(cli: Cli, tmp_path: Path, verb: str) -> None:
    assert cli(verb, tmp_path / "nowhere.iso").code == 5


def test_iso_does_not_differ_from_itself(cli: Cli, good: Path) -> None:
    outcome = cli("diff", good, good)
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")
    assert json.loads(cli("diff", good, good, "--json").out)["differences"] == []


def test_unpacked_build_does_not_differ(good: Path, noble: Path, tmp_path: Path) -> None:
    shutil.copytree(good.parents[4] / "inventory", tmp_path / "baremetal/inventory")
    order = Order(
        workspace=Workspace(baremetal=tmp_path / "baremetal"), selection=Selection(hosts=tuple(HOSTS)),
        name="good", base_iso=noble, timeout_s=15, render=True,
        unpack=True,
    )  # fmt: skip
    files = {difference.subject for difference in differences(good, multi(order).iso)}
    assert files == {"/isoforge/base-head", "/isoforge/manifest.json", "/md5sum.txt"}


def test_difference_is_told_by_its_part(good: Path, tmp_path: Path) -> None:
    iso = tmp_path / "other.iso"
    shutil.copyfile(good, iso)
    m.rewrite(iso, f"/nocloud/{HOSTS[0]}/user-data", "locale: en_US.UTF-8", "locale: de_DE.UTF-8")
    m.menu(iso, " autoinstall ", " autoinstalX ")
    m.flip(iso, 100)
    m.flip_in(iso, "/casper/hwe-vmlinuz")
    found = differences(good, iso)
    assert {(one.part, one.subject) for one in found} == {
        ("boot records", "mbr"),
        ("seeds", f"{HOSTS[0]}/user-data"),
        ("menu", "grub.cfg: Install site-a-m710q1 - Site A, ThinkCentre M710q number 1"),
        ("files", "/casper/hwe-vmlinuz"),
        ("files", m.MENU),
        ("files", f"/nocloud/{HOSTS[0]}/user-data"),
    }
    (seed,) = [one for one in found if one.part == "seeds"]
    assert "-  locale: en_US.UTF-8\n+  locale: de_DE.UTF-8" in seed.diff


def test_another_build_is_told_once_and_not_for_every_entry(good: Path, noble: Path, tmp_path: Path) -> None:
    shutil.copytree(good.parents[4] / "inventory", tmp_path / "baremetal/inventory")
    overlay = tmp_path / "baremetal/inventory/host_vars" / HOSTS[0] / "main.yml"
    overlay.write_text(f"{overlay.read_text()}locale: de_DE.UTF-8\nkernel_args: [quiet]\n")
    order = Order(
        workspace=Workspace(baremetal=tmp_path / "baremetal"), selection=Selection(hosts=tuple(HOSTS)),
        name="good", base_iso=noble, timeout_s=15, render=True,
    )  # fmt: skip
    found = differences(good, multi(order).iso)
    named = [(one.part, one.subject) for one in found if one.part != "files"]
    entry = "Install site-a-m710q1 - Site A, ThinkCentre M710q number 1"
    assert named == [
        ("volume", "build"),
        ("volume", "medium"),
        ("seeds", f"{HOSTS[0]}/meta-data"),
        ("seeds", f"{HOSTS[0]}/user-data"),
        ("menu", f"grub.cfg: {entry}"),
        ("menu", f"loopback.cfg: {entry}"),
    ]
    (line,) = [one.change for one in found if one.subject == f"grub.cfg: {entry}"]
    assert line.count("uuid=(medium)") == 2
    assert [one for one in found if "build-" in one.subject] == []


def test_secret_that_differs_is_not_shown(cli: Cli, good: Path, tmp_path: Path) -> None:
    iso = tmp_path / "other.iso"
    shutil.copyfile(good, iso)
    tree = read_tree(good)
    place = tree[PurePosixPath(f"/nocloud/{HOSTS[0]}/user-data")]
    content = read_file(good, place)
    hashed = content.index(b"$6$") + 20
    m.put(iso, place.extent + hashed, b"X" if content[hashed : hashed + 1] != b"X" else b"Y")
    outcome = cli("diff", good, iso)
    assert outcome.code == 8
    assert "only in masked secrets" in outcome.out
    assert "$6$" not in outcome.out
    assert "$6$" in cli("diff", good, iso, "--show-secrets").out


def test_hosts_that_only_one_has_are_named(cli: Cli, good: Path, noble: Path) -> None:
    outcome = cli("diff", noble, good, "--json")
    assert outcome.code == 8
    found = json.loads(outcome.out)["differences"]
    assert {one["subject"]: one["change"] for one in found if one["part"] == "hosts"}.items() >= dict.fromkeys(
        HOSTS, "only in the second"
    ).items()
    assert outcome.err.startswith("error: ")


def test_secrets_of_an_iso_are_listed_by_host_and_kind_and_not_shown(cli: Cli, noble: Path, tmp_path: Path) -> None:
    secret = "Xq7vJ2mR9tLw"  # noqa: S105 - it opens nothing
    seed = f"""\
#cloud-config
autoinstall:
  identity: {{username: ops, password: $6$saltsalt$abcdefghijklmnopqrstuv0123456789}}
  late-commands:
  - curl -u admin:{secret} https://192.0.2.1/ready
  # export API_TOKEN={secret}
"""
    menu = read_file(noble, read_tree(noble)[PurePosixPath("/boot/grub/grub.cfg")]).decode()
    menu += f"menuentry 'x' {{ linux /casper/vmlinuz url=https://ops:{secret}@192.0.2.1/x }}\n"
    iso = m.remaster(noble, tmp_path / "other.iso", {"/nocloud/web-1/user-data": seed, "/boot/grub/grub.cfg": menu})
    outcome = cli("inspect", iso, "--secrets", "--json")
    assert outcome.code == 0
    listed = json.loads(outcome.out)["secrets"]
    assert [(one["host"], one["key"], one["kind"], one["certain"]) for one in listed] == [
        ("web-1", "autoinstall.identity.password", "password hash", True),
        ("web-1", "autoinstall.late-commands[0]", "password", True),
        ("web-1", "", "token", True),
        ("", "", "password in a URL", True),
    ]
    assert [one["line"] for one in listed[:3]] == [3, 5, 6]
    assert {one["file"] for one in listed} == {"/nocloud/web-1/user-data", "/boot/grub/grub.cfg"}
    table = cli("inspect", iso, "--secrets")
    assert table.code == 0
    assert "web-1" in table.out
    assert secret not in outcome.out + table.out + cli("inspect", iso, "--seed", "web-1").out
    assert "https://ops:***@192.0.2.1/x" in cli("inspect", iso).out
    assert secret not in cli("inspect", iso).out + cli("inspect", iso, "--json").out
    assert f"https://ops:{secret}@192.0.2.1/x" in cli("inspect", iso, "--show-secrets").out


def test_secret_that_differs_in_a_kernel_line_is_not_shown(cli: Cli, noble: Path, tmp_path: Path) -> None:
    menu = read_file(noble, read_tree(noble)[PurePosixPath("/boot/grub/grub.cfg")]).decode()
    isos = []
    for name in ("one", "two"):
        entry = f"menuentry 'x' {{ linux /casper/vmlinuz url=https://ops:Xq7vJ2mR{name}@192.0.2.1/x }}\n"
        isos.append(m.remaster(noble, tmp_path / f"{name}.iso", {"/boot/grub/grub.cfg": menu + entry}))
    outcome = cli("diff", *isos)
    assert outcome.code == 8
    assert "only in masked secrets" in outcome.out
    assert "Xq7vJ2mR" not in outcome.out
    assert "Xq7vJ2mRtwo" in cli("diff", *isos, "--show-secrets").out


def test_a_run_of_inspect_combines_no_two_outputs(cli: Cli, noble: Path) -> None:
    assert cli("inspect", noble, "--secrets", "--markdown").code == 2


def test_official_iso_has_no_secrets(cli: Cli, noble: Path) -> None:
    assert cli("inspect", noble, "--secrets").out == "No secrets found.\n"
    assert json.loads(cli("inspect", noble, "--secrets", "--json").out)["secrets"] == []
