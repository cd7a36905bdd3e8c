"""Files of the inventory reach the installed system: beside the seed, on an ISO or taken alone, and proven there."""

from __future__ import annotations

import json
import os
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import sh

from isoforge.fleet.seed.render import read_seed
from isoforge.image.tree import read_file, read_tree
from isoforge.masking.document import masked
from isoforge.proof.boot.probe import find_busybox
from isoforge.seed_format import rows_of
from isoforge.yaml_limits import load
from tests.iso.conftest import Cli
from tests.iso.mutation import with_manifest

Q1, Q2 = "site-a-m710q1", "site-a-m710q2"
INVENTORY = Path("baremetal/inventory")
GENERATED = Path("baremetal/autoinstall/generated")
BINARY = bytes(range(256)) * 64


@pytest.fixture
def with_files(fleet: Path) -> Path:
    """The fleet with a file for all hosts, which the overlay replaces, one of its group, and one of a host."""
    for tree in ("inventory", "inventory-local"):
        (fleet / "baremetal" / tree / "files/sub").mkdir(parents=True)
    (fleet / INVENTORY / "files/motd").write_text("of the inventory\n")
    (fleet / "baremetal/inventory-local/files/motd").write_text("of the overlay\n")
    (fleet / INVENTORY / "files/sub/binary").write_bytes(BINARY)
    add(fleet, "group_vars/all/files.yml", "files: {/etc/motd: {source: motd}}\n")
    add(
        fleet,
        "group_vars/site_a/files.yml",
        "files: {/opt/app/data: {source: sub/binary, mode: '0755', owner: '7:8'}}\n",
    )
    add(fleet, f"host_vars/{Q1}/files.yml", "files: {/etc/motd: {mode: '0640'}, '/srv/a b/ü': {content: own}}\n")
    return fleet


def add(fleet: Path, name: str, text: str) -> None:
    (fleet / INVENTORY / name).parent.mkdir(parents=True, exist_ok=True)
    (fleet / INVENTORY / name).write_text(text)


def iso_of(fleet: Path, name: str) -> Path:
    return fleet / GENERATED / "_multi" / name / f"ubuntu-autoinstall-{name}.iso"


def test_files_of_all_groups_and_the_host_are_on_the_iso_and_in_the_manifest(
    cli: Cli, with_files: Path, noble: Path
) -> None:
    ran = cli("multi", "--host", Q1, "--host", Q2, "--name", "n", "--ubuntu-iso", noble, "--render", "--json")
    assert ran.code == 0, ran.err
    hosts = {host["name"]: host for host in json.loads(ran.out)["hosts"]}
    listed = [(one["target"], one["owner"], one["mode"], one["sha256"]) for one in hosts[Q1]["files"]]
    assert listed == [
        ("/etc/motd", "root:root", "0640", sha256(b"of the overlay\n").hexdigest()),
        ("/opt/app/data", "7:8", "0755", sha256(BINARY).hexdigest()),
        ("/srv/a b/ü", "root:root", "0644", sha256(b"own").hexdigest()),
    ]
    assert [one["target"] for one in hosts[Q2]["files"]] == ["/etc/motd", "/opt/app/data"]
    iso = iso_of(with_files, "n")
    tree = read_tree(iso)
    for one in hosts[Q1]["files"]:
        assert sha256(read_file(iso, tree[Path(one["path"])])).hexdigest() == one["sha256"]  # type: ignore[index]
    again = cli("multi", "--host", Q1, "--host", Q2, "--name", "m", "--ubuntu-iso", noble)
    assert again.code == 0, again.err
    assert "seed-stale" not in again.err
    (with_files / "baremetal/inventory-local/files/motd").write_text("changed\n")
    assert "seed-stale" in cli("multi", "--host", Q1, "--name", "k", "--ubuntu-iso", noble).err


def test_a_changed_or_missing_file_is_noticed(cli: Cli, with_files: Path, noble: Path, tmp_path: Path) -> None:
    assert cli("multi", "--host", Q1, "--name", "n", "--ubuntu-iso", noble, "--render").code == 0
    copy = with_manifest(iso_of(with_files, "n"), tmp_path / "n.iso")
    content = copy.read_bytes()
    assert content.count(b"of the overlay\n") == 1
    copy.write_bytes(content.replace(b"of the overlay\n", b"of the intruder"))
    ran = cli("verify", copy)
    assert ran.code == 8
    assert f"/nocloud/{Q1}/files/0001 differs from the manifest's" in ran.out + ran.err


def test_rendered_files_are_private_and_former_ones_are_removed(cli: Cli, with_files: Path) -> None:
    folder = with_files / GENERATED / Q1
    assert cli("gen", "--host", Q1).code == 0
    assert {path.name: path.stat().st_mode & 0o777 for path in (folder / "files").iterdir()} == dict.fromkeys(
        ("table", "0001", "0002", "0003"), 0o600
    )
    assert (folder / "files").stat().st_mode & 0o777 == 0o700
    assert "Seed(host=" in repr(read_seed(with_files / GENERATED, Q1))
    (with_files / INVENTORY / f"host_vars/{Q1}/files.yml").write_text("files: {/etc/motd: null, /opt/app/data: null}\n")
    assert cli("gen", "--host", Q1).code == 0
    assert not list((folder / "files").iterdir())
    assert b"isoforge-files" not in (folder / "user-data").read_bytes()


def late_command(user_data: bytes) -> list[str]:
    commands: Any = load(user_data.decode())["autoinstall"]["late-commands"]
    return next(command for command in commands if "isoforge-files" in command)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """The root folder of a live system, whose /target is an installed system of busybox alone."""
    target = tmp_path / "root/target"
    for folder in ("bin", "etc", "run"):
        (target / folder).mkdir(parents=True)
    (target / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\n")
    (target / "etc/group").write_text("root:x:0:\n")
    busybox = find_busybox("amd64")
    shutil.copy(busybox, target / "bin/busybox")
    for name in ("sh", "mkdir", "cat", "chown", "chmod", "mv"):
        (target / "bin" / name).symlink_to("busybox")
    return tmp_path / "root"


def run(command: list[str], machine: Path) -> Any:
    program: Any = sh.Command(command[0])
    return program(
        *command[1:], _env={**os.environ, "ISOFORGE_ROOT": str(machine)}, _ok_code=list(range(256)), _return_cmd=True
    )


def lay(iso: Path, machine: Path) -> None:
    for path, node in read_tree(iso).items():
        if node.kind == "file" and path.parts[1] in ("nocloud", "isoforge"):
            copy = machine / "cdrom" / path.relative_to("/")
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(read_file(iso, node))


@pytest.mark.skipif(os.geteuid() != 0, reason="chroot(8) is for root")
def test_the_late_command_copies_them_to_the_installed_system(
    cli: Cli, with_files: Path, noble: Path, machine: Path
) -> None:
    assert cli("multi", "--host", Q1, "--name", "n", "--ubuntu-iso", noble, "--render").code == 0
    lay(iso_of(with_files, "n"), machine)
    target = machine / "target"
    (machine / "outside").mkdir()
    (machine / "outside/motd").write_text("not to be touched\n")
    (target / "etc/motd").symlink_to(machine / "outside/motd")
    (target / "srv").symlink_to("/run")  # a link that would lead out of the target
    command = late_command((machine / "cdrom/nocloud" / Q1 / "user-data").read_bytes())
    assert "sha256sum" in command[2]
    assert len(command[2]) < 200  # the script itself is on the medium
    ran = run(command, machine)
    assert ran.exit_code == 0, ran.stderr
    assert (target / "etc/motd").read_text() == "of the overlay\n"
    assert (machine / "outside/motd").read_text() == "not to be touched\n"
    data = (target / "opt/app/data").stat()
    assert (data.st_mode & 0o7777, data.st_uid, data.st_gid) == (0o755, 7, 8)
    assert (target / "opt/app").stat().st_mode & 0o777 == 0o755
    assert (target / "run/a b/ü").read_text() == "own"
    (machine / "cdrom/nocloud" / Q1 / "files/0002").write_bytes(b"damaged")
    assert b"0002 is damaged" in run(command, machine).stderr
    assert run(command, machine).exit_code == 1
    (machine / "cdrom/nocloud" / Q1 / "files/table").write_bytes(b"")
    assert b"of another build" in run(command, machine).stderr
    shutil.rmtree(machine / "cdrom/nocloud" / Q1 / "files")
    assert b"neither the medium nor" in run(command, machine).stderr
    (machine / "cdrom/isoforge/scripts/isoforge-files").write_text("exit 0\n")
    assert run(command, machine).exit_code != 0


def test_a_seed_taken_alone_carries_them(cli: Cli, with_files: Path) -> None:
    ran = cli("seed", "--host", Q1, "--render")
    assert ran.code == 0, ran.err
    iso = with_files / ran.out.strip()
    tree = {str(path): node for path, node in read_tree(iso).items()}
    rows = rows_of(read_file(iso, tree["/files/table"]))
    assert [row.target for row in rows] == ["/etc/motd", "/opt/app/data", "/srv/a b/ü"]
    assert read_file(iso, tree["/files/0002"]) == BINARY
    assert "by-label" in late_command(read_file(iso, tree["/user-data"]))[2]


@pytest.mark.parametrize(
    ("files", "id_"),
    [
        ("{/etc/x: {source: ../../secret}}", "file-source-missing"),
        ("{/etc/x: {source: /etc/passwd}}", "file-source-missing"),
        ("{/etc/x: {source: link}}", "file-source-missing"),
        ("{/etc/x: {source: sub}}", "file-source-missing"),
        ("{/etc/x: {source: pipe}}", "file-source-missing"),
        ("{/etc/x: {source: motd, content: a}}", "file-source-missing"),
        ("{etc/x: {source: motd}}", "file-path-invalid"),
        ('{"/etc/a\\nb": {source: motd}}', "file-path-invalid"),
        ("{/etc/../x: {source: motd}}", "file-path-invalid"),
        ("{/boot/isoforge/x: {source: motd}}", "file-path-invalid"),
        ("{/etc/x: {source: motd, mode: 0644}}", "wrong-type"),
        ("{/etc/x: {source: motd, owner: 'a;b'}}", "invalid-format"),
        ("{/etc/x: {source: large}}", "file-source-missing"),
    ],
)
def test_what_cannot_be_copied_stops_the_build(cli: Cli, with_files: Path, noble: Path, files: str, id_: str) -> None:
    folder = with_files / INVENTORY / "files"
    (folder / "link").symlink_to("../hosts.yml")
    os.mkfifo(folder / "pipe")
    with (folder / "large").open("wb") as large:
        large.truncate((64 << 20) + 1)
    add(with_files, f"host_vars/{Q1}/files.yml", f"files: {files}\n")
    ran = cli("multi", "--host", Q1, "--name", "n", "--ubuntu-iso", noble, "--render")
    assert ran.code == 3, ran.err
    assert f"[{id_}]" in ran.err
    assert ran.err.count("error:") <= 3
    assert not iso_of(with_files, "n").exists()


def test_nothing_of_a_seed_is_shown_with_its_files(cli: Cli, with_files: Path, noble: Path) -> None:
    add(
        with_files,
        f"host_vars/{Q1}/files.yml",
        "files: {/etc/app: {content: 'token=ghp_abcdefghijklmnopqrstuvwxyz0123456789'}}\n",
    )
    ran = cli("multi", "--host", Q1, "--name", "n", "--ubuntu-iso", noble, "--render", "--json")
    assert "[file-secret]" in ran.err
    assert "ghp_" not in ran.out + ran.err
    assert "ghp_" not in cli("inspect", iso_of(with_files, "n"), "--seed", Q1).out
    assert masked("a: 1\n") == "a: 1\n"
