"""Faults that a build may meet, and what has to be so after them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import stat
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from isoforge.run import run
from tests.iso.conftest import Outcome


def said(outcome: Outcome, code: int, *words: str, warning: str | None = None) -> None:
    """The outcome is an error and at most one hint on stderr, with ``words``, nothing on stdout, the exit ``code``.

    With ``warning``, the build's last warning contains it; warnings about the inventory do not count.
    """
    assert outcome.code == code, outcome.err
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    lines = [line for line in outcome.err.strip().splitlines() if " warning: " not in line]
    if warning is not None:
        first = lines.pop(0)
        assert first.startswith("warning: "), outcome.err
        assert warning in first
    assert [line.partition(": ")[0] for line in lines] in (["error"], ["error", "hint"]), outcome.err
    for word in words:
        assert word in outcome.err


def hidden_in(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".*") if path.name.startswith(".ubuntu")]


def program(folder: Path, text: str) -> str:
    """A PATH on which xorriso is a shell script."""
    folder.mkdir()
    script = folder / "xorriso"
    script.write_text(f"#!/bin/sh\n{text}\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return f"{folder}:/usr/bin:/bin"


def real_xorriso_but(folder: Path, text: str) -> str:
    """A PATH on which xorriso does ``text`` when it is to write an ISO, and else what it always does."""
    return program(folder, f'case "$*" in *dev\\ stdio:*) {text} ;; esac\nexec /usr/bin/xorriso "$@"')


DRAFT = '$(echo "$*" | sed "s/.*dev stdio:\\([^ ]*\\).*/\\1/")'
"""The file that such a xorriso is to write."""


def for_one_pass(base: Path, iso: Path) -> Path:
    """``iso``, a copy of the ``base`` ISO behind which nothing can be added: the file is larger than its volume."""
    iso.write_bytes(base.read_bytes() + bytes(2048))
    return iso


@contextlib.contextmanager
def small_file_system(folder: Path, mebibytes: int) -> Iterator[None]:
    run("mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", folder)
    try:
        yield
    finally:
        run("umount", folder)


def wait_for(file: Path, seconds: float = 60) -> str:
    """The text of ``file``, once there is one."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if file.is_file() and (text := file.read_text().strip()):
            return text
        time.sleep(0.05)
    raise AssertionError(f"{file} was not written")


def outputs(folder: Path) -> Mapping[str, str]:
    """The digest of every file in ``folder``, hidden ones and those below too, by name; none if it is not there."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def of_one_build(found: Mapping[str, str], folder: Path) -> bool:
    """Whether what was ``found`` in ``folder`` is an ISO with the manifest and the memo that were made for it."""
    (iso,) = (name for name in found if name.endswith(".iso"))
    told = json.loads((folder / "manifest.json").read_text())["iso"]
    memo = (folder / "SUMMARY.txt").read_text()
    return set(found) == {iso, "manifest.json", "SUMMARY.txt"} and told["sha256"] == found[iso] and found[iso] in memo


def at_work_in(folder: Path) -> list[str]:
    """What still runs with a file of ``folder`` open, or in it, once those that were killed are gone."""
    end = time.monotonic() + 2
    while (busy := _busy(folder)) and time.monotonic() < end:
        time.sleep(0.02)
    return busy


def _busy(folder: Path) -> list[str]:
    busy = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            held = [str(link.readlink()) for link in (process / "cwd", *(process / "fd").iterdir())]
            if any(Path(place.removesuffix(" (deleted)")).is_relative_to(folder) for place in held):
                busy.append((process / "cmdline").read_text().replace("\0", " "))
    return busy
