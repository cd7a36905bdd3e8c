"""Pictures of a guest's screen as PNG files."""

from __future__ import annotations

import re
import struct
import zlib

PPM_HEAD = re.compile(rb"P6\s+(\d+)\s+(\d+)\s+255\s")


def ppm_to_png(ppm: bytes) -> bytes:
    """The picture ``ppm`` (binary, 8 bits a colour, as QEMU writes it) as PNG."""
    head = PPM_HEAD.match(ppm)
    if head is None:
        raise ValueError("not a binary PPM picture with 8 bits a colour")
    width, height = int(head[1]), int(head[2])
    pixels = ppm[head.end() :]
    stride = 3 * width
    rows = b"".join(b"\0" + pixels[row * stride : (row + 1) * stride] for row in range(height))
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
            _chunk(b"IDAT", zlib.compress(rows, 6)),
            _chunk(b"IEND", b""),
        ]
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
