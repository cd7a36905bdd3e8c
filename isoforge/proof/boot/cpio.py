"""Small initrds, written without root and without a program: the kernel's newc cpio format."""

from __future__ import annotations

import gzip
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

CONSOLE_DEVICE = (5, 1)
"""Major and minor number of /dev/console (kernel document admin-guide/devices)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file of an initrd: its path from the root, its type and permission bits, and what is in it."""

    path: PurePosixPath
    mode: int
    content: bytes = b""
    device: tuple[int, int] = (0, 0)


def file(path: str, content: bytes, *, executable: bool = False) -> Member:
    """A plain file, 0755 or 0644."""
    return Member(path=PurePosixPath(path), mode=stat.S_IFREG | (0o755 if executable else 0o644), content=content)


def console() -> Member:
    """/dev/console, without which the kernel starts init with no standard output."""
    return Member(path=PurePosixPath("dev/console"), mode=stat.S_IFCHR | 0o600, device=CONSOLE_DEVICE)


def initrd(members: Iterable[Member]) -> bytes:
    """The gzip-compressed `archive` of ``members``."""
    return gzip.compress(archive(members), compresslevel=6, mtime=0)


def archive(members: Iterable[Member]) -> bytes:
    """The archive of ``members`` and of the directories above them; the same bytes every time.

    The format is the one of the kernel document driver-api/early-userspace/buffer-format.
    """
    listed = list(members)
    above = sorted({parent for member in listed for parent in member.path.parents if parent.name})
    directories = [Member(path=parent, mode=stat.S_IFDIR | 0o755) for parent in above]
    records = [_record(number, member) for number, member in enumerate([*directories, *listed], start=1)]
    trailer = _record(0, Member(path=PurePosixPath("TRAILER!!!"), mode=0))
    return b"".join([*records, trailer])


def _record(number: int, member: Member) -> bytes:
    name = str(member.path).encode() + b"\0"
    links = 2 if stat.S_ISDIR(member.mode) else 1
    fields = (number, member.mode, 0, 0, links, 0, len(member.content), 0, 0, *member.device, len(name), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    return _padded(header + name) + _padded(member.content)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
