"""A directory record of ISO 9660 with its Rock Ridge fields, and whether Linux reads what it lists as GRUB does."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from isoforge.image.rock_ridge import modified
from isoforge.image.sectors import BLOCK

RECORD = struct.Struct("<BBI4xI4x7sBBB4xB")
"""A directory record up to its name (ECMA-119, 9.1): length, blocks of an extended attribute record, first block,
bytes, time, flags, interleaved unit and gap, length of the name."""

DIRECTORY = 0x02
"""The flag of a directory record that it is a directory."""

ASSOCIATED = 0x04
"""The flag of a directory record that Linux does not list it (ECMA-119, 9.1.6)."""

MORE_EXTENTS = 0x80
"""The flag of a directory record that the next one goes on with the same file (ECMA-119, 9.1.6)."""

_FILE_MODE, _DIRECTORY_MODE, LINK_MODE = 0x8000, 0x4000, 0xA000

_NO_MODE = -1
"""The mode of a record without a PX field: Linux goes by its flags."""

_IN_PARTS = 0x01
"""The only flag of a Rock Ridge name that Linux accepts: the next field goes on with it."""


@dataclass(slots=True)
class Entry:
    """The directory record at byte ``position``, with its Rock Ridge fields; ``block``, ``size`` of its content.

    ``attributes`` are the blocks before the content that Linux skips and GRUB does not; ``fault`` is what is wrong with
    the fields."""

    position: int
    block: int
    size: int
    flags: int
    iso_name: bytes
    name: bytes = b""
    link: bytes | None = None
    mode: int = _NO_MODE
    modified: float = 0.0
    moved_to: int = 0
    moved: bool = False
    interleaved: bool = False
    attributes: int = 0
    fault: str = ""

    def take(self, signature: bytes, content: bytes) -> None:
        """Add what the Rock Ridge field ``content`` says."""
        if signature == b"NM":
            self.name += content[5:]
            if content[4] & ~_IN_PARTS:
                self.fault = f"has a name with the flags {content[4]}: Linux does not read it"
        elif signature == b"PX":
            self.mode = int.from_bytes(content[4:6], "little")
        elif signature == b"TF":
            self.modified = modified(content)
        elif signature == b"SL":
            self.link = (self.link or b"") + content[5:]
        else:
            self._take_rare(signature, content)

    def _take_rare(self, signature: bytes, content: bytes) -> None:
        if signature == b"CL":
            self.moved_to = int.from_bytes(content[4:8], "little")
        elif signature == b"RE":
            self.moved = True
        elif signature == b"ZF":
            self.fault = "is compressed (zisofs): Linux reads it otherwise than GRUB"
        elif signature == b"CE" and sum(struct.unpack_from("<I4xI", content, 12)) > BLOCK:
            self.fault = "has fields that extend beyond a block: Linux does not read them"

    @property
    def is_directory(self) -> bool:
        return bool(self.flags & DIRECTORY or self.moved_to)

    @property
    def problem(self) -> str:
        """Linux goes by the mode where there is one, and by the flag for further extents; it reads nothing interleaved
        and lists no associated files (fs/isofs/inode.c, namei.c, rock.c)."""
        if self.interleaved:
            return "is interleaved: Linux cannot read it"
        if self.flags & ASSOCIATED:
            return "is an associated file: Linux does not list it"
        if self.attributes:
            return "has an extended attribute record: Linux reads it from another block than GRUB"
        is_link = self.link is not None
        if self.mode == _NO_MODE:
            return "has a target, but no mode of a link" if is_link else self.fault
        kind = self.mode & 0xF000
        if (kind == _DIRECTORY_MODE) != self.is_directory:
            return "is a directory by its flags or by its mode, but not by both"
        if (kind == LINK_MODE) != is_link:
            return "is a link by its mode or by its target, but not by both"
        if kind not in (_FILE_MODE, _DIRECTORY_MODE, LINK_MODE):
            return "is neither a file, a directory nor a link by its mode"
        return self.fault
