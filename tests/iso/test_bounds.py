"""Small inputs that stand for endless ones end like ordinary ones: with one line, soon, and in little memory.

Each command is a process of its own, whose address space and processor time the kernel limits. Time on the clock is
not compared: other work on the machine would count."""

from __future__ import annotations

import binascii
import json
import os
import shutil
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import sh

from isoforge.image.sectors import BLOCK, LBA
from tests.iso import mutation as m

MEMORY = 200 << 20
"""Bytes that a command, and each program that it runs, may have in memory at its peak."""

ADDRESS_SPACE = 1 << 30
"""Bytes that a process may reserve: code, threads' stacks and mapped files count too."""

MORE_CPU_S = 3
"""Seconds of processor time that a hostile input may take more than an ordinary one of the same kind."""

HANG_S = 150
"""Seconds on the clock after which a command waits for what never comes, such as the writer of a pipe."""

LAUNCHER = """
import atexit, json, pathlib, resource, runpy, sys
report, space, cpu_s = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
def usage():
    own, programs = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    status = pathlib.Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0])  # ru_maxrss has the peak of the process that started this one
    cpu = sum(one.ru_utime + one.ru_stime for one in (own, programs))
    report.write_text(json.dumps({"cpu_s": cpu, "memory": max(peak, programs.ru_maxrss) << 10}))
atexit.register(usage)
resource.setrlimit(resource.RLIMIT_AS, (space, space))
resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
sys.argv[:] = ["isoforge", *sys.argv[4:]]
runpy.run_module("isoforge", run_name="__main__")
"""

Q1 = "site-a-m710q1"
INVENTORY = "baremetal/inventory"
BUILD = ("multi", "--host", Q1, "--ubuntu-iso", "base.iso", "--name", "n", "--render")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a command ended, and what it took: processor seconds with its programs, bytes of memory at its peak."""

    code: int
    out: str
    err: str
    cpu_s: float
    memory: int

    @property
    def errors(self) -> list[str]:
        """The lines that report an error; the number of errors after a list of them is not one more."""
        lines = (self.out + self.err).splitlines()
        return [line for line in lines if "error: " in line and not line.startswith("error: the inventory has ")]


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory: pytest.TempPathFactory, noble: Path, good: Path) -> Path:
    """A fleet's folder with an ordinary inventory, base ISO and ISO of ours; nobody changes it."""
    folder = tmp_path_factory.mktemp("ordinary")
    shutil.copytree(good.parents[4] / "inventory", folder / INVENTORY)
    (folder / "good").mkdir()
    (folder / "base.iso").hardlink_to(noble)
    (folder / "good/good.iso").hardlink_to(good)
    shutil.copy(good.with_name("manifest.json"), folder / "good")
    return folder


@pytest.fixture
def folder(ordinary: Path, tmp_path: Path) -> Path:
    """A copy of the ordinary folder, to change."""
    return Path(shutil.copytree(ordinary, tmp_path / "fleet"))


def isoforge(folder: Path, *command: str, cpu_s: float = 60) -> Outcome:
    """Run ``command`` in ``folder`` within the bounds; after ``cpu_s`` seconds of its own the kernel ends it."""
    report = folder.parent / "usage.json"
    report.unlink(missing_ok=True)
    ran = sh.Command(sys.executable)(
        "-c", LAUNCHER, os.fspath(report), ADDRESS_SPACE, int(cpu_s) + 1, *command, _cwd=os.fspath(folder), _in="",
        _tty_out=False, _ok_code=list(range(-64, 256)), _return_cmd=True, _timeout=HANG_S,
    )  # fmt: skip
    out, err = ran.stdout.decode(), ran.stderr.decode()
    assert report.exists(), f"ended by the kernel ({ran.exit_code}): {out}{err}"
    return Outcome(code=ran.exit_code, out=out, err=err, **json.loads(report.read_text()))


ControlOf = Callable[..., Outcome]


@pytest.fixture(scope="module")
def control(ordinary: Path, tmp_path_factory: pytest.TempPathFactory) -> ControlOf:
    """The same command in the ordinary folder; it must succeed within the bounds too. Each command runs once."""
    outcomes: dict[tuple[str, ...], Outcome] = {}

    def outcome(*command: str) -> Outcome:
        if command not in outcomes:
            copy = shutil.copytree(ordinary, tmp_path_factory.mktemp("control") / "fleet")
            outcomes[command] = isoforge(copy, *command)
            assert (outcomes[command].code, outcomes[command].memory < MEMORY) == (0, True), outcomes[command]
        return outcomes[command]

    return outcome


def assert_bounded(
    control: ControlOf, folder: Path, command: tuple[str, ...], ordinary: tuple[str, ...] = ()
) -> Outcome:
    """Run ``command`` in ``folder`` and compare what it took with the control: itself or the command ``ordinary``."""
    most = control(*(ordinary or command)).cpu_s + MORE_CPU_S
    outcome = isoforge(folder, *command, cpu_s=most)
    assert outcome.memory < MEMORY, outcome
    assert outcome.cpu_s < most, outcome
    assert "Traceback" not in outcome.err, outcome.err
    return outcome


LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)
"""Ten thousand million values in less than 1 kB."""

MERGES = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 8)}]}}\n" for n in range(1, 10))
DIAMONDS = "".join(f"g{n}{side}: {{children: {{g{n + 1}a: , g{n + 1}b: }}}}\n" for n in range(24) for side in "ab")
CHAIN = "".join(f"c{n}: {{children: {{c{n + 1}: }}}}\n" for n in range(1500))
CYCLE = "".join(f"c{n}: {{children: {{c{(n + 1) % 1500}: }}}}\n" for n in range(1500))


def add(path: str, text: str) -> Callable[[Path], None]:
    """Append ``text`` to the file ``path`` of the folder, or make it."""

    def change(folder: Path) -> None:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text((file.read_text() if file.exists() else "") + text)

    return change


def instead(path: str, make: Callable[[Path], object]) -> Callable[[Path], None]:
    """Put what ``make`` makes where the file ``path`` of the folder is."""

    def change(folder: Path) -> None:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        make(file)

    return change


def zeros(path: Path) -> None:
    path.symlink_to("/dev/zero")


def loop(path: Path) -> None:
    """A link to a link, and so on, to the first one."""
    names = [path.name, *(f"{path.stem}-{n}" for n in range(20))]
    for name, target in zip(names, [*names[1:], names[0]], strict=True):
        path.with_name(name).symlink_to(target)


HOSTS = f"{INVENTORY}/hosts.yml"
VARS = f"{INVENTORY}/group_vars/all/more.yml"
SECRETS = f"baremetal/inventory-local/host_vars/{Q1}/secrets.sops.yaml"
VERIFY = ("verify", "good/good.iso")

# What is wrong, how, the command, its exit code.
HOSTILE: list[tuple[str, Callable[[Path], None], tuple[str, ...], int]] = [
    ("aliases in hosts.yml", add(HOSTS, LAUGHS), ("check",), 3),
    ("aliases in group_vars", add(VARS, LAUGHS), BUILD, 3),
    ("merges in group_vars", add(VARS, MERGES), ("check",), 3),
    ("aliases in a seed", add("user-data", "#cloud-config\n" + LAUGHS), ("check", "user-data"), 3),
    ("a circle of groups", add(HOSTS, CYCLE), ("check",), 3),
    ("a circle of links", instead(VARS, loop), ("check",), 3),
    ("a folder that is in itself", instead(f"{INVENTORY}/host_vars/x", lambda p: p.symlink_to(".")), ("check",), 0),
    ("a pipe as hosts.yml", instead(HOSTS, os.mkfifo), ("check",), 3),
    ("zeros as group_vars", instead(VARS, zeros), BUILD, 3),
    ("a pipe as secrets", instead(SECRETS, os.mkfifo), BUILD, 3),
    ("zeros as secrets", instead(SECRETS, zeros), BUILD, 3),
    ("a pipe as base", instead("base.iso", os.mkfifo), BUILD, 5),
    ("zeros as base", instead("base.iso", zeros), BUILD, 5),
    ("a pipe as manifest", instead("good/manifest.json", os.mkfifo), VERIFY, 8),
    ("zeros as manifest", instead("good/manifest.json", zeros), VERIFY, 8),
]


@pytest.mark.parametrize(("change", "command", "code"), [one[1:] for one in HOSTILE], ids=[one[0] for one in HOSTILE])
def test_a_hostile_document_or_file_is_one_error_within_the_bounds(
    folder: Path, control: ControlOf, change: Callable[[Path], None], command: tuple[str, ...], code: int
) -> None:
    change(folder)
    outcome = assert_bounded(control, folder, command, ("check",) if command[0] == "check" else command)
    assert (outcome.code, len(outcome.errors)) == (code, int(code != 0)), outcome


@pytest.mark.parametrize("command", [("check",), ("hosts",), BUILD], ids=lambda command: command[0])
def test_layers_and_chains_of_groups_are_read_like_others(
    folder: Path, control: ControlOf, command: tuple[str, ...]
) -> None:
    groups = DIAMONDS + CHAIN + f"g24a: {{hosts: {{{Q1}: }}}}\nc1500: {{hosts: {{{Q1}: }}}}\n"
    add(HOSTS, groups)(folder)
    outcome = assert_bounded(control, folder, command)
    assert (outcome.code, outcome.errors) == (0, []), outcome


FAR = 0xFFFFFFFFFFFFFFFF


def gpt(offset: int, *numbers: int, form: str) -> Callable[[Path], None]:
    """Write numbers into both headers of the GPT, with the checksums that they then need."""

    def change(iso: Path) -> None:
        for place in (LBA, iso.stat().st_size - LBA):
            header = bytearray(m.get(iso, place, 92))
            struct.pack_into(form, header, offset, *numbers)
            struct.pack_into("<I", header, 16, 0)
            struct.pack_into("<I", header, 16, binascii.crc32(header))
            m.put(iso, place, bytes(header))

    return change


def directory(name: bytes, extent: int, size: int) -> Callable[[Path], None]:
    """Write another extent (a block) and size (bytes) into every record of the directories of that name."""

    def change(iso: Path) -> None:
        new = b"".join(struct.pack(form, number) for number in (extent, size) for form in ("<I", ">I"))
        whole = iso.read_bytes()
        for block in blocks(iso, name):
            old = struct.pack("<I", block) + struct.pack(">I", block)
            place = whole.index(old)
            while place >= 0:
                m.put(iso, place, new)
                place = whole.find(old, place + 1)

    return change


def blocks(iso: Path, name: bytes) -> list[int]:
    """The blocks of the directories of that name, by the path table."""
    size, _, place = struct.unpack("<III", m.get(iso, 16 * BLOCK + 132, 12))
    table = m.get(iso, place * BLOCK, size)
    extents, at = [], 0
    while at < size:
        length = table[at]
        if table[at + 8 : at + 8 + length].upper() == name:
            extents.append(struct.unpack_from("<I", table, at + 2)[0])
        at += 8 + length + length % 2
    assert extents
    return extents


def root(extent: int, size: int) -> Callable[[Path], None]:
    """Write another extent (a block) and size (bytes) into the volume descriptor's record of the root directory."""
    record = b"".join(struct.pack(form, number) for number in (extent, size) for form in ("<I", ">I"))
    return lambda iso: m.put(iso, 16 * BLOCK + 158, record)


def boot_info(iso: Path) -> None:
    place = m.node(iso, "/boot/grub/i386-pc/eltorito.img").extent
    m.put(iso, place + 8, b"\xff" * 12)  # addresses of the descriptor and the file, its length
    m.put(iso, place + 2548, struct.pack("<Q", FAR))  # GRUB's own list


# What is wrong, how, the exit codes of verify, inspect and of a build from it; None where it makes no difference.
IMAGES: list[tuple[str, Callable[[Path], None], tuple[int, int, int | None]]] = [
    ("GPT entries of no bytes", gpt(84, 0, form="<I"), (8, 0, 5)),
    ("GPT entries of 4 GiB", gpt(84, 0xFFFFFFFF, form="<I"), (8, 0, 5)),
    ("GPT of 4 giga entries of 2 GiB", gpt(80, 0xFFFFFFFF, 0x80000000, form="<II"), (8, 0, 5)),
    ("GPT list out of range", gpt(72, FAR, form="<Q"), (8, 0, 5)),
    ("backup GPT out of range", gpt(32, FAR, form="<Q"), (8, 0, 5)),
    ("MBR pointer out of range", lambda iso: m.put(iso, 432, struct.pack("<Q", FAR)), (8, 0, 5)),
    ("MBR partitions out of range", lambda iso: m.put(iso, 446, b"\xff" * 64), (8, 0, 5)),
    ("boot info table out of range", boot_info, (8, 0, 8)),
    ("boot catalog out of range", lambda iso: m.put(iso, 17 * BLOCK + 71, b"\xff" * 4), (8, 0, 5)),
    ("root directory of 4 GiB", root(20, 0xFFFFF800), (8, 5, 5)),
    ("root directory out of range", root(0xFFFFFFFF, 2048), (8, 5, 5)),
    ("root directory at the descriptors", root(16, 2048), (8, 5, 5)),
    ("directory of 4 GiB", directory(b"BOOT", 20, 0xFFFFF800), (8, 5, 5)),
    ("directory out of range", directory(b"BOOT", 0xFFFFFFF0, 2048), (8, 5, 5)),
    ("directory at the descriptors", directory(b"GRUB", 16, 1 << 20), (8, 5, 5)),
    ("volume of 8 TiB", lambda iso: m.put(iso, 16 * BLOCK + 80, b"\xff" * 8), (8, 0, 5)),
    ("path table of 4 GiB", lambda iso: m.put(iso, 16 * BLOCK + 132, b"\xff" * 8), (8, 0, None)),
]


@pytest.mark.parametrize(("change", "codes"), [one[1:] for one in IMAGES], ids=[one[0] for one in IMAGES])
def test_a_hostile_image_is_one_error_within_the_bounds(
    folder: Path, control: ControlOf, change: Callable[[Path], None], codes: tuple[int, int, int | None]
) -> None:
    change(folder / "good/good.iso")
    change(folder / "base.iso")
    for command, code in zip((VERIFY, ("inspect", "good/good.iso"), BUILD), codes, strict=True):
        if code is not None:
            outcome = assert_bounded(control, folder, command)
            assert (outcome.code, len(outcome.errors)) == (code, int(code != 0)), outcome
