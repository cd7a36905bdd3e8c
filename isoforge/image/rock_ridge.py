"""Fields of Rock Ridge behind a directory record: where a link points to, when a file was changed (RRIP 1.12)."""

from __future__ import annotations

import functools
from datetime import datetime, timedelta, timezone


def link_target(components: bytes) -> bytes:
    """Where a link points to, from the component records of its SL fields (RRIP 1.12, 4.1.3)."""
    parts, offset, whole = [], 0, True
    while offset + 2 <= len(components):
        flags, length = components[offset], components[offset + 1]
        special = {0x02: b".", 0x04: b"..", 0x08: b""}
        part = special.get(flags & 0x0E, components[offset + 2 : offset + 2 + length])
        if whole:
            parts.append(part)
        else:
            parts[-1] += part
        whole = not flags & 0x01
        offset += 2 + length
    return b"/" if parts == [b""] else b"/".join(parts)


@functools.lru_cache(maxsize=1024)  # most files of an ISO have one of a few times
def modified(field: bytes) -> float:
    """The time of modification in a TF field of the short form, in seconds of the epoch (RRIP 1.12, 4.1.6)."""
    flags = field[4]
    if not flags & 0x02 or flags & 0x80:
        return 0.0
    offset = 5 + 7 * (flags & 0x01)
    years, month, day, hour, minute, second = field[offset : offset + 6]
    quarters = int.from_bytes(field[offset + 6 : offset + 7], "little", signed=True)
    zone = timezone(timedelta(minutes=15 * quarters))
    return datetime(1900 + years, month, day, hour, minute, second, tzinfo=zone).timestamp()
