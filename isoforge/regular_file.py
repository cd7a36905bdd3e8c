"""Files of others, read so that no pipe, device or link can hold the program up, and an error names its file."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import stat
from collections.abc import Iterator
from pathlib import Path

_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a directory",
}

IRREGULAR, TOO_LARGE = errno.EINVAL, errno.EFBIG
"""The ``errno`` of an ``OSError`` for what is not a regular file, and for a file over the limit."""


ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
"""The ``errno`` of an ``OSError`` for a path that leads to nothing: also through a link to itself."""


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Give an ``OSError`` in the block the name of the file ``path``, which is read in it, if it has none.

    A read that fails does not know the name of its file, and a build reads several.
    """
    try:
        yield
    except OSError as failure:
        if failure.filename is None:
            failure.filename = os.fspath(path)
        raise


def is_present(path: Path) -> bool:
    """Whether there is anything at ``path``, a link that leads nowhere included; ``OSError`` if that cannot be seen."""
    try:
        path.lstat()
    except OSError as error:
        if error.errno not in ABSENT:
            raise
        return False
    return True


def require_regular(path: Path, *, pipes: bool = False) -> None:
    """Raise ``OSError`` unless there is a regular file at ``path``, or, with ``pipes``, a pipe or a character device.

    Its ``strerror`` says what is there instead, such as "it is a socket".
    """
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
    except FileNotFoundError:
        if path.is_symlink():
            what = f"it is a link to {path.readlink()}, which does not exist"
            raise OSError(IRREGULAR, what, str(path)) from None
        raise
    if kind != stat.S_IFREG and not (pipes and kind in (stat.S_IFIFO, stat.S_IFCHR)):
        number = errno.EISDIR if kind == stat.S_IFDIR else IRREGULAR
        raise OSError(number, f"it is {_KINDS.get(kind, 'not a regular file')}", str(path))


def read_regular(path: Path, limit: int) -> bytes:
    """The content of the regular file ``path``, which may be a link to one.

    Raises ``OSError``, whose ``strerror`` says so, if it is anything else or has more than ``limit`` bytes. What may
    never end is not opened.
    """
    require_regular(path)
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # it may have changed into a pipe by now
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(IRREGULAR, "it is not a regular file", str(path))
        content = file.read(limit + 1)
    if len(content) > limit:
        raise OSError(TOO_LARGE, f"it is larger than {limit >> 20} MiB", str(path))
    return content


def read_argument(path: Path, most: int) -> bytes:
    """The first ``most`` bytes of a file named on the command line: a regular file, or a pipe as from ``<(…)``.

    Raises ``OSError`` for anything else, as `read_regular` does, and for a pipe that nobody has open for writing.
    """
    require_regular(path, pipes=True)
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        content = bytearray()
        while len(content) < most:
            try:
                chunk = os.read(handle, min(most - len(content), 1 << 16))
            except BlockingIOError:  # somebody has it open for writing and has not written yet
                select.select([handle], [], [])
                continue
            if not chunk:
                break
            content += chunk
    finally:
        os.close(handle)
    if not content and path.is_fifo():
        raise OSError(IRREGULAR, "it is a pipe, and nobody writes to it", str(path))
    return bytes(content)
