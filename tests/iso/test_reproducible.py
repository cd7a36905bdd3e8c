"""The same inputs give the same bytes, whoever builds, whenever and wherever; what must differ, differs."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from isoforge.errors import ToolError
from isoforge.image.sectors import read_volume
from isoforge.run import ExitError, run
from tests.conftest import ROOT

HOSTS = ("--host", "site-a-m710q1", "--host", "site-b-dhcp-mac")
OUTPUT = Path("baremetal/autoinstall/generated/_multi/n")
THAT_DAY = "2031-05-06 07:08:09"
FAKETIME = ("timeout", "--kill-after=5", "120", "faketime", "--exclude-monotonic")
"""libfaketime's own locks do not survive a fork that comes while another thread holds one: a child of Python then waits
for ever, and the build is started again."""


@dataclass(frozen=True, kw_only=True)
class World:
    """The circumstances of a build: what runs it (``words``), in what environment, from which folder, on what files.

    ``inside`` is the folder of the fleet below the test's own; ``shuffled`` writes its files in another order, with
    other times. ``attempts`` is how often it is started if it fails.
    """

    words: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    inside: str = "fleet"
    shuffled: bool = False
    attempts: int = 1


WORLDS = {
    "as it is": World(),
    "in another folder, from another folder": World(inside="else where/é/fleet"),
    "with files written in another order, at other times": World(shuffled=True),
    "under umask 000": World(words=("sh", "-c", 'umask 000; exec "$@"', "sh")),
    "under umask 077": World(words=("sh", "-c", 'umask 077; exec "$@"', "sh")),
    "by another user": World(words=("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--")),
    "without a home": World(words=("env", "-u", "HOME")),
    "in Turkish": World(env={"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"}),
    "in French": World(env={"LC_ALL": "fr_FR.ISO-8859-1", "LANG": "fr_FR"}),
    "in ASCII": World(env={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
    "at the date line": World(env={"TZ": "Pacific/Kiritimati"}),
    "with another order of sets": World(env={"PYTHONHASHSEED": "4711"}),
    "on another day": World(words=(*FAKETIME, THAT_DAY), env={"NO_FAKE_STAT": "1"}, attempts=3),
}


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that every user may enter, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="isoforge-test-") as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


def lay_out(fleet: Path, base: Path, *, shuffled: bool = False) -> None:
    """The example inventory in ``fleet``/baremetal and the base ISO beside it, for everybody to write."""
    examples = ROOT / "baremetal/inventory"
    files = sorted(path for path in examples.rglob("*") if path.is_file())
    for number, file in enumerate(reversed(files) if shuffled else files):
        copy = fleet / "baremetal/inventory" / file.relative_to(examples)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
        if shuffled:
            os.utime(copy, (86400.5 * number, 1_900_000_000 + number))
    shutil.copyfile(base, fleet / base.name)
    for path in [fleet, *fleet.rglob("*")]:
        path.chmod(0o777 if path.is_dir() else 0o666)


def build(fleet: Path, *options: str, world: World = WORLDS["as it is"], at: Path | None = None) -> dict[str, str]:
    """Build in ``fleet`` as ``world`` has it, and return the SHA-256 of each file of the output by its name."""
    python = [sys.executable, "-m", "isoforge", "multi", *HOSTS, "--name", "n", "--render", *options]
    program, *args = [*world.words, *python]
    base = next(fleet.glob("*.iso"))
    words = (
        "--ubuntu-iso",
        os.path.relpath(base, at or fleet),
        "--baremetal",
        os.path.relpath(fleet / "baremetal", at or fleet),
    )
    path = f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"
    env = {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", **world.env}
    for attempt in range(1, world.attempts + 1):
        try:
            run(program, *args, *words, cwd=at or fleet, env=env)
            break
        except ToolError:
            if attempt == world.attempts:
                raise
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in (fleet / OUTPUT).iterdir()}


@pytest.fixture(scope="module")
def first(place: Path, noble: Path) -> dict[str, str]:
    """The SHA-256 of ISO, manifest and memo of one build, as it is."""
    lay_out(place / "first", noble)
    return build(place / "first")


@pytest.mark.parametrize("name", WORLDS)
def test_build_gives_the_same_bytes(name: str, place: Path, noble: Path, first: dict[str, str]) -> None:
    world = WORLDS[name]
    if world.words[:1] == ("setpriv",) and os.geteuid() != 0:
        pytest.skip("becoming another user takes root")
    if "faketime" in world.words:
        world = with_another_day(world, place)
    below = place / name.replace(" ", "-")
    fleet = below / world.inside
    lay_out(fleet, noble, shuffled=world.shuffled)
    below.chmod(0o777)
    assert build(fleet, world=world, at=below if world.inside != "fleet" else None) == first
    shutil.rmtree(below)


def with_another_day(world: World, place: Path) -> World:
    """``world`` with a PATH on which xorriso, too, lives on that day: it gets none of our environment."""
    if shutil.which("faketime") is None:
        pytest.skip("faketime is not on this machine")
    programs = place / "bin"
    programs.mkdir()
    script = programs / "xorriso"
    script.write_text(f'#!/bin/sh\nexport NO_FAKE_STAT=1\nexec {shlex.join(world.words)} /usr/bin/xorriso "$@"\n')
    script.chmod(0o755)
    shown = run(*world.words, "date", "+%Y")
    assert shown == "2031\n"
    return replace(world, env={**world.env, "PATH": f"{programs}:/usr/bin:/bin"})


def test_output_holds_the_three_files_and_no_time_of_day(place: Path, first: dict[str, str]) -> None:
    assert sorted(first) == ["SUMMARY.txt", "manifest.json", "ubuntu-autoinstall-n.iso"]
    manifest = json.loads((place / "first" / OUTPUT / "manifest.json").read_text("utf-8"))
    assert manifest["source_date_epoch"] is None
    assert manifest["base_iso"]["modified"] < "2025"


def test_unpacked_build_has_the_same_tree_and_seeds_in_another_order(
    place: Path, noble: Path, first: dict[str, str]
) -> None:
    lay_out(place / "unpacked", noble)
    files = build(place / "unpacked", "--unpack")
    name = "ubuntu-autoinstall-n.iso"
    isos = [place / folder / OUTPUT / name for folder in ("first", "unpacked")]
    with pytest.raises(ExitError) as difference:
        run(sys.executable, "-m", "isoforge", "diff", *isos, env={"PYTHONPATH": str(ROOT)})
    assert difference.value.status == 8
    assert files[name] != first[name]
    manifests = [json.loads(iso.with_name("manifest.json").read_text("utf-8")) for iso in isos]
    differing = {key for key in manifests[0] if manifests[0][key] != manifests[1][key]}
    assert differing == {"iso", "method", "base_head"}


def test_source_date_epoch_is_the_latest_date_on_the_iso(place: Path, noble: Path, first: dict[str, str]) -> None:
    fleet = place / "dated"
    lay_out(fleet, noble)
    dated = World(env={"SOURCE_DATE_EPOCH": "1600000000"})
    files = [build(fleet, world=dated) for _ in range(2)]
    assert files[0] == files[1] != first
    iso = fleet / OUTPUT / "ubuntu-autoinstall-n.iso"
    volume = read_volume(iso)
    assert volume is not None
    assert "20190913" < volume.modified < "20200914"
    listed = run("xorriso", "-no_rc", "-indev", iso, "-find", "/nocloud", "-exec", "lsdl")
    assert listed.count("Sep 13  2020") == len(listed.splitlines()) > 5
    assert json.loads(iso.with_name("manifest.json").read_text("utf-8"))["source_date_epoch"] == 1600000000


def test_source_date_epoch_that_is_no_number_is_refused(place: Path) -> None:
    for epoch, words in (("yesterday", "must be a number of seconds"), ("9" * 30, "is out of range")):
        with pytest.raises(Exception, match=words):
            build(place / "first", world=World(env={"SOURCE_DATE_EPOCH": epoch}))
