"""Digests that are worked out while a file still grows: right, or none."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from isoforge.errors import BaseIsoError, OutputError
from isoforge.image.base import unchanged
from isoforge.image.digests import AHEAD, CHUNK, HEAD, UNREAD_TAIL, Digests, digesting

WHOLE = HEAD + UNREAD_TAIL + 6 * CHUNK + 12345


@pytest.fixture
def content() -> bytes:
    return random.Random(6).randbytes(WHOLE)  # noqa: S311 - the same in every run


@pytest.fixture
def base(tmp_path: Path) -> Path:
    path = tmp_path / "base.iso"
    path.write_bytes(b"base" * CHUNK)
    return path


@pytest.fixture
def draft(tmp_path: Path) -> Path:
    return tmp_path / "draft.iso"


@pytest.fixture
def readers(base: Path, draft: Path) -> Iterator[Digests]:
    with digesting(base, draft, enabled=True, paced=True) as readers:
        yield readers


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def read_so_far(readers: Digests, path: Path, enough: int) -> None:
    """Wait until ``enough`` bytes of ``path`` are read."""
    deadline = time.monotonic() + 20
    while readers.done[path] < enough:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_file_that_grows_is_digested_as_it_turns_out(
    readers: Digests, base: Path, draft: Path, content: bytes
) -> None:
    with draft.open("wb") as file:
        for place in range(0, WHOLE, 300_000):
            file.write(content[place : place + 300_000])
            file.flush()
    assert readers.wait() == (sha256(base.read_bytes()), sha256(content))


@pytest.mark.parametrize("place", [0, 32768, HEAD - 1, HEAD + 5 * CHUNK], ids=["mbr", "volume", "head", "a chunk"])
def test_a_byte_rewritten_behind_the_reader_is_digested_as_it_is_in_the_end(
    readers: Digests, draft: Path, content: bytes, place: int
) -> None:
    draft.write_bytes(content)
    read_so_far(readers, draft, HEAD + 6 * CHUNK)
    with draft.open("r+b") as file:
        file.seek(place)
        file.write(bytes([content[place] ^ 1]))
    assert readers.wait()[1] == sha256(draft.read_bytes()) != sha256(content)


def test_room_taken_first_and_filled_later_is_digested_as_it_is_in_the_end(
    readers: Digests, draft: Path, content: bytes
) -> None:
    draft.write_bytes(bytes(WHOLE))
    read_so_far(readers, draft, HEAD + 6 * CHUNK)
    draft.write_bytes(content)
    assert readers.wait()[1] == sha256(content)


def test_another_file_of_the_drafts_name_is_digested_in_its_place(
    readers: Digests, draft: Path, content: bytes
) -> None:
    draft.write_bytes(content)
    read_so_far(readers, draft, HEAD + 6 * CHUNK)
    other = draft.with_name("other")
    other.write_bytes(content[::-1])
    other.rename(draft)
    assert readers.wait()[1] == sha256(content[::-1])


def test_the_end_of_a_draft_is_not_read_before_it_is_complete(readers: Digests, draft: Path, content: bytes) -> None:
    draft.write_bytes(content)
    read_so_far(readers, draft, HEAD + 6 * CHUNK)
    with draft.open("r+b") as file:
        file.seek(WHOLE - UNREAD_TAIL)
        file.write(bytes(UNREAD_TAIL))
    assert readers.wait()[1] == sha256(draft.read_bytes())


def test_a_draft_that_is_cut_behind_the_reader_is_digested_as_it_is_in_the_end(
    readers: Digests, draft: Path, content: bytes
) -> None:
    draft.write_bytes(content)
    read_so_far(readers, draft, HEAD + 6 * CHUNK)
    draft.write_bytes(content[: HEAD + CHUNK])
    assert readers.wait()[1] == sha256(content[: HEAD + CHUNK])


def test_a_base_that_becomes_shorter_is_told_even_while_the_draft_is_waited_for(tmp_path: Path, draft: Path) -> None:
    base = tmp_path / "base.iso"
    base.write_bytes(bytes(AHEAD + 8 * CHUNK))
    with digesting(base, draft, enabled=True, paced=True) as readers:
        read_so_far(readers, base, AHEAD)  # it waits there for a draft that does not come
        base.write_bytes(b"")
        draft.write_bytes(b"draft")
        with pytest.raises(BaseIsoError, match="became shorter"):
            readers.wait()


def test_nothing_is_read_if_no_digest_is_wanted(base: Path, draft: Path, content: bytes) -> None:
    with digesting(base, draft, enabled=False, paced=True) as readers:
        draft.write_bytes(content)
        assert readers.wait() == (None, None)
    assert readers.done[base] == 0


def test_readers_end_with_whoever_started_them(base: Path, draft: Path) -> None:
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt), digesting(base, draft, enabled=True, paced=True):  # noqa: PT012
        assert threading.active_count() > before
        raise KeyboardInterrupt
    assert threading.active_count() == before


@pytest.mark.parametrize(
    "change", [lambda file: file.write_bytes(b"b" * 4), lambda file: file.write_bytes(b"bas"), Path.unlink]
)
def test_a_base_that_changed_explains_whatever_went_wrong(tmp_path: Path, change: object) -> None:
    base = tmp_path / "base.iso"
    base.write_bytes(b"base")
    with pytest.raises(BaseIsoError, match="changed while it was read"), unchanged(base):  # noqa: PT012
        change(base)  # type: ignore[operator]
        raise OutputError("whatever followed from it")


def test_a_base_that_stayed_as_it_was_explains_nothing(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no room"), unchanged(tmp_path / "base.iso"):
        raise OutputError("no room")
