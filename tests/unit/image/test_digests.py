"""Digests that are computed while a graft is filled, or of two files at once: right, or an error."""

from __future__ import annotations

import hashlib
import os
import random
import threading
from pathlib import Path

import pytest

from isoforge.errors import BaseIsoError
from isoforge.image.digests import STEP, digests_of, fill
from isoforge.image.inside import HEAD, Inside
from isoforge.image.ranges import CHUNK

SIZE = CHUNK + 3 * 2048


@pytest.fixture
def content() -> bytes:
    return random.Random(6).randbytes(SIZE)  # noqa: S311 - the same in every run


@pytest.fixture
def base(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "base.iso"
    path.write_bytes(content)
    return path


@pytest.fixture
def draft(tmp_path: Path) -> Path:
    """A graft as xorriso leaves it: head and tail, a hole in between."""
    path = tmp_path / "draft.iso"
    path.write_bytes(b"new head".ljust(HEAD, b"\0"))
    with path.open("r+b") as file:
        file.seek(SIZE)
        file.write(b"tail" * 1000)
    return path


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def grafted(content: bytes) -> bytes:
    return b"new head".ljust(HEAD, b"\0") + content[HEAD:] + b"tail" * 1000


def test_a_graft_gets_the_bytes_of_its_base_and_both_digests(base: Path, draft: Path, content: bytes) -> None:
    done: list[tuple[int, int]] = []
    inside = Inside(size=SIZE, head=content[:HEAD])
    digests = fill(draft, base, inside, listen=lambda *progress: done.append(progress))
    assert draft.read_bytes() == grafted(content)
    assert digests == (sha256(content), sha256(grafted(content)))
    assert done == [(HEAD + CHUNK, SIZE), (SIZE, SIZE)] or done == [(SIZE, SIZE)]


def test_the_base_may_be_read_from_a_graft_that_contains_it(base: Path, draft: Path, content: bytes) -> None:
    base.write_bytes(grafted(content))
    assert fill(draft, base, Inside(size=SIZE, head=content[:HEAD])) == (sha256(content), sha256(grafted(content)))


def test_without_digests_the_bytes_are_the_same(base: Path, draft: Path, content: bytes) -> None:
    assert fill(draft, base, Inside(size=SIZE, head=content[:HEAD]), digests=False) == (None, None)
    assert draft.read_bytes() == grafted(content)


@pytest.mark.parametrize("digests", [True, False])
def test_where_the_kernel_cannot_copy_the_bytes_are_read_and_written(
    base: Path, draft: Path, content: bytes, digests: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "copy_file_range", refuse)
    fill(draft, base, Inside(size=SIZE, head=content[:HEAD]), digests=digests)
    assert draft.read_bytes() == grafted(content)


@pytest.mark.parametrize("digests", [True, False])
def test_a_base_that_became_shorter_is_an_error_and_no_thread_is_left(base: Path, draft: Path, digests: bool) -> None:
    before = threading.active_count()
    os.truncate(base, HEAD + 100)
    with pytest.raises(BaseIsoError, match="became shorter"):
        fill(draft, base, Inside(size=SIZE, head=bytes(HEAD)), digests=digests)
    assert threading.active_count() == before


def test_files_of_different_sizes_are_digested_together(base: Path, draft: Path, content: bytes) -> None:
    base.write_bytes(content * 3)
    assert digests_of(base, draft) == [sha256(content * 3), sha256(draft.read_bytes())]
    assert digests_of(draft, base) == [sha256(draft.read_bytes()), sha256(content * 3)]


def test_steps_are_whole_blocks_of_every_file_system() -> None:
    assert HEAD % 4096 == CHUNK % 4096 == STEP % 4096 == 0
