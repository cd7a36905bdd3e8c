"""What is read, and what is refused, without waiting for it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from isoforge.regular_file import is_present, read_argument, read_regular


def test_a_link_to_a_regular_file_is_read_and_a_file_over_the_limit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "link", 5) == b"12345"
    assert read_argument(tmp_path / "link", 3) == b"123"
    with pytest.raises(OSError, match="it is larger than"):
        read_regular(tmp_path / "link", 4)


def test_a_link_that_leads_nowhere_is_present_and_is_named_with_its_target(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nothing")
    assert is_present(tmp_path / "link")
    assert not is_present(tmp_path / "nothing")
    assert not is_present(tmp_path / "nothing/in/it")
    with pytest.raises(OSError, match="it is a link to nothing, which does not exist"):
        read_regular(tmp_path / "link", 1)


def test_a_pipe_is_an_argument_if_somebody_writes_to_it(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="it is a pipe, and nobody writes to it"):
        read_argument(pipe, 10)
    with pytest.raises(OSError, match="it is a pipe"):
        read_regular(pipe, 10)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    writing = os.open(pipe, os.O_WRONLY)

    def write() -> None:
        os.write(writing, b"written later")
        os.close(writing)

    late = threading.Timer(0.1, write)
    late.start()
    assert read_argument(pipe, 100) == b"written later"
    late.join()
    os.close(reading)


def test_a_device_is_read_as_an_argument_up_to_the_limit() -> None:
    assert read_argument(Path("/dev/zero"), 100) == bytes(100)
    with pytest.raises(OSError, match="it is a device"):
        read_regular(Path("/dev/zero"), 100)
