"""What goes wrong says so in one clear line, with the right exit code, and loses nothing."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import sh

from isoforge.proof.boot.synthetic_iso import Release, make_base
from isoforge.run import run
from tests.iso.conftest import Cli, Outcome
from tests.iso.faults import DRAFT, hidden_in, program, real_xorriso_but, said, small_file_system, wait_for

Q1, Q2 = "site-a-m710q1", "site-a-m710q2"
GENERATED = Path("baremetal/autoinstall/generated")
FOLDER = GENERATED / "_multi/n"


@pytest.fixture
def multi(cli: Cli, noble: Path) -> Cli:
    def build(
        *args: str | os.PathLike[str], base: Path = noble, host: str = Q1, name: str = "n", **env: str
    ) -> Outcome:
        return cli("multi", "--host", host, "--ubuntu-iso", base, "--name", name, *args, **env)

    return build


def test_missing_base_iso(multi: Cli, tmp_path: Path, fleet: Path) -> None:
    said(multi("--render", base=tmp_path / "not-there.iso"), 5, "not-there.iso does not exist", "isoforge fetch 24.04")
    assert not (fleet / FOLDER).exists()


def test_truncated_base_iso(multi: Cli, noble: Path, tmp_path: Path, fleet: Path) -> None:
    short = tmp_path / "short.iso"
    short.write_bytes(noble.read_bytes()[:-4096])
    said(multi("--render", base=short), 5, "truncated", "4096 bytes are missing")
    assert not (fleet / FOLDER).exists()


@pytest.mark.parametrize("content", [b"", b"not an ISO" * 9999, bytes(1 << 20)])
def test_base_iso_that_is_none(multi: Cli, tmp_path: Path, content: bytes) -> None:
    iso = tmp_path / "other.iso"
    iso.write_bytes(content)
    said(multi("--render", base=iso), 5, "is not an ISO image")


def test_directory_as_base_iso(multi: Cli, tmp_path: Path) -> None:
    said(multi("--render", base=tmp_path), 5, "is a directory")


def test_iso_that_is_not_ubuntus(multi: Cli, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/file").write_text("x")
    iso = tmp_path / "other.iso"
    run("xorriso", "-as", "mkisofs", "-r", "-o", iso, tmp_path / "tree")
    said(multi("--render", base=iso), 5, "is not an official Ubuntu ISO")


@pytest.mark.parametrize(
    ("info", "words"),
    [
        ('Ubuntu-Server 20.04.6 LTS "Focal Fossa" - Release amd64 (20230314)', "out of standard support"),
        ('Ubuntu-Server 24.04.1 LTS "Noble Numbat" - Release riscv64 (20240827)', "only amd64 and arm64"),
        ('Ubuntu 22.04.5 LTS "Jammy Jellyfish" - Release amd64 (20240911)', "of Ubuntu Desktop, releases from 24.04"),
        ('Kubuntu 24.04 LTS "Noble Numbat" - Release amd64 (20240424)', "not an official Ubuntu ISO"),
        ("Debian GNU/Linux 12.5.0", "not an official Ubuntu ISO"),
    ],
)
def test_ubuntu_iso_that_is_not_supported(multi: Cli, noble: Path, tmp_path: Path, info: str, words: str) -> None:
    (tmp_path / "info").write_text(info)
    iso = tmp_path / "other.iso"
    run(
        "xorriso",
        "-indev",
        noble,
        "-outdev",
        iso,
        "-boot_image",
        "any",
        "replay",
        "-map",
        tmp_path / "info",
        "/.disk/info",
    )
    said(multi("--render", base=iso), 5, words)


def test_iso_of_our_own_as_base(multi: Cli, fleet: Path) -> None:
    assert multi("--render").code == 0
    said(multi(base=fleet / FOLDER / "ubuntu-autoinstall-n.iso", name="again"), 5, "was built by isoforge")


def test_seed_that_was_not_rendered(multi: Cli, fleet: Path) -> None:
    said(multi(), 3, Q1, "user-data", f"isoforge gen --host {Q1}")
    assert not (fleet / FOLDER).exists()


def test_host_that_does_not_exist(multi: Cli) -> None:
    said(multi("--render", host="site-a-m710q3"), 3, "unknown host 'site-a-m710q3'", "did you mean")


@pytest.mark.parametrize("name", ["$(reboot)", "../up", "a b", "", "-x", "é", "a\nb", "a;b"])
def test_host_name_that_is_none(cli: Cli, noble: Path, name: str) -> None:
    outcome = cli("multi", f"--host={name}", "--ubuntu-iso", noble, "--name", "n", "--render")
    said(outcome, 2, "invalid host name")


def test_host_named_twice(multi: Cli) -> None:
    said(multi("--host", Q1, "--render"), 2, f"host {Q1} is selected twice")


def test_default_host_that_is_not_on_the_iso(multi: Cli) -> None:
    said(multi("--render", "--default-host", Q2), 2, f"default host {Q2}")


def test_negative_timeout(multi: Cli) -> None:
    said(multi("--render", "--grub-timeout", "-1"), 2, "-1")


def test_timeout_that_is_no_number(multi: Cli) -> None:
    said(multi("--render", "--grub-timeout", "soon"), 2, "--grub-timeout", "integer")


@pytest.mark.parametrize("name", ["a/b", "..", "", "a b", "$(x)"])
def test_name_that_is_none(multi: Cli, name: str) -> None:
    said(multi("--render", name=name), 2, "invalid ISO name")


def test_no_inventory_here(cli: Cli, fleet: Path, noble: Path) -> None:
    (fleet / "baremetal").rename(fleet / "elsewhere")
    said(cli("multi", "--host", Q1, "--ubuntu-iso", noble, "--name", "n"), 3, "baremetal/inventory/hosts.yml")


def test_output_that_is_the_base_iso(cli: Cli, fleet: Path, noble: Path) -> None:
    goal = fleet / FOLDER / "ubuntu-autoinstall-n.iso"
    goal.parent.mkdir(parents=True)
    goal.write_bytes(noble.read_bytes())
    hard_link = fleet / "base.iso"
    hard_link.hardlink_to(goal)
    before = goal.read_bytes()
    for base in (goal, hard_link):
        said(cli("multi", "--host", Q1, "--ubuntu-iso", base, "--name", "n", "--render"), 7, "is the base ISO itself")
    assert goal.read_bytes() == before


@pytest.mark.parametrize("kind", ["directory", "link"])
def test_something_else_at_the_output(multi: Cli, fleet: Path, kind: str) -> None:
    goal = fleet / FOLDER / "ubuntu-autoinstall-n.iso"
    goal.parent.mkdir(parents=True)
    if kind == "directory":
        goal.mkdir()
    else:
        goal.symlink_to("/nonexistent/target.iso")
    said(multi("--render"), 7, "is not a regular file")
    assert hidden_in(fleet) == []


def test_a_file_where_the_folder_should_be(multi: Cli, fleet: Path) -> None:
    (fleet / GENERATED / "_multi").mkdir(parents=True)
    (fleet / FOLDER).write_text("in the way")
    said(multi("--render"), 7, "n")


def test_two_base_isos_to_choose_from(cli: Cli, fleet: Path, noble: Path) -> None:
    (fleet / "files").mkdir()
    for name in ("a.iso", "b.iso"):
        (fleet / "files" / name).symlink_to(noble)
    said(cli("multi", "--host", Q1, "--name", "n", "--render"), 5, "a.iso, b.iso", "--ubuntu-iso")


def test_only_base_iso_in_files_is_taken(cli: Cli, fleet: Path, noble: Path) -> None:
    (fleet / "files").mkdir()
    (fleet / "files/my.iso").symlink_to(noble)
    (fleet / "files/notes.iso").write_text("no image")
    assert cli("multi", "--host", Q1, "--name", "n", "--render").code == 0


def test_no_base_iso_at_all(cli: Cli) -> None:
    said(cli("multi", "--host", Q1, "--name", "n", "--render"), 5, "files/", "--ubuntu-iso")


def test_xorriso_missing(cli: Cli, noble: Path, tmp_path: Path) -> None:
    outcome = cli("multi", "--host", Q1, "--ubuntu-iso", noble, "--name", "n", "--render", PATH=str(tmp_path))
    said(outcome, 6, "xorriso is not installed", "apt-get install xorriso")


def test_xorriso_too_old(cli: Cli, noble: Path, tmp_path: Path) -> None:
    path = program(tmp_path / "bin", "echo 'xorriso version   :  1.5.2'")
    outcome = cli("multi", "--host", Q1, "--ubuntu-iso", noble, "--name", "n", "--render", PATH=path)
    said(outcome, 6, "xorriso 1.5.2 is too old", "1.5.4")


@pytest.mark.parametrize(
    ("does", "code", "words"),
    [
        ("echo 'xorriso : FAILURE : it broke' >&2; exit 32", 6, "it broke"),
        ("kill -9 $$", 6, "killed"),
        ("exit 0", 6, "wrote no image"),
    ],
)
def test_last_good_iso_stays_when_xorriso_fails(
    multi: Cli, fleet: Path, tmp_path: Path, does: str, code: int, words: str
) -> None:
    assert multi("--render").code == 0
    before = {path: path.read_bytes() for path in (fleet / FOLDER).iterdir()}
    said(multi("--timeout", "3", PATH=real_xorriso_but(tmp_path / "bin", does)), code, words)
    assert {path: path.read_bytes() for path in (fleet / FOLDER).iterdir()} == before


def test_draft_that_is_not_what_was_meant_is_never_named(multi: Cli, fleet: Path, tmp_path: Path) -> None:
    spoil = f'/usr/bin/xorriso "$@"; printf X | dd of="{DRAFT}" bs=1 seek=600 conv=notrunc 2>/dev/null; exit 0'
    outcome = multi("--render", PATH=real_xorriso_but(tmp_path / "bin", spoil))
    assert outcome.code == 8
    assert "GPT" in outcome.err
    assert not (fleet / FOLDER).exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system takes root")
def test_no_room_is_said_before_the_start(multi: Cli, fleet: Path, noble: Path) -> None:
    (fleet / FOLDER).mkdir(parents=True)
    with small_file_system(fleet / FOLDER, noble.stat().st_size // (1 << 20) + 2):
        said(multi("--render"), 7, "not enough space", "MiB missing")
        assert list((fleet / FOLDER).iterdir()) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_stops_xorriso_and_leaves_nothing(
    cli: Cli, fleet: Path, noble: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    assert cli("multi", "--host", Q1, "--ubuntu-iso", noble, "--name", "n", "--render").code == 0
    before = {path: path.read_bytes() for path in (fleet / FOLDER).iterdir()}
    path = real_xorriso_but(tmp_path / "bin", f"echo $$ > {tmp_path}/pid; exec sleep infinity")
    python: Any = sh.Command(sys.executable)
    args = ("multi", "--host", Q1, "--ubuntu-iso", os.fspath(noble), "--name", "n")
    child = python(
        "-m", "isoforge", *args,
        _cwd=os.fspath(fleet), _env={**os.environ, "PATH": path}, _bg=True, _bg_exc=False, _ok_code=[code],
    )  # fmt: skip
    xorriso = int(wait_for(tmp_path / "pid"))
    child.signal(number)
    child.wait(timeout=60)
    assert not Path(f"/proc/{xorriso}").exists(), Path(f"/proc/{xorriso}/stat").read_text()
    assert {path: path.read_bytes() for path in (fleet / FOLDER).iterdir()} == before


def test_two_builds_of_one_name_do_not_meet(multi: Cli, fleet: Path) -> None:
    assert multi("--render").code == 0
    folder = os.open(fleet / FOLDER, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        said(multi(), 7, "another build is writing")
    finally:
        os.close(folder)
    assert multi().code == 0


def test_hwe_base_with_half_a_pair_is_refused(multi: Cli, noble: Path, tmp_path: Path) -> None:
    iso = tmp_path / "half.iso"
    run("xorriso", "-indev", noble, "-outdev", iso, "-boot_image", "any", "replay", "-rm", "/casper/hwe-initrd", "--")
    said(multi("--render", base=iso), 5, "/casper/hwe-initrd", "pairs")


@pytest.mark.parametrize("release", [Release.JAMMY, Release.RESOLUTE])
def test_supported_releases_build(multi: Cli, tmp_path: Path, release: Release) -> None:
    iso = tmp_path / "base it's: ünusual.iso"
    make_base(iso, release=release)
    outcome = multi("--render", base=iso)
    assert outcome.code == 0, outcome.err


def test_base_iso_by_a_link(multi: Cli, noble: Path, tmp_path: Path) -> None:
    (tmp_path / "link.iso").symlink_to(noble)
    assert multi("--render", base=tmp_path / "link.iso").code == 0
