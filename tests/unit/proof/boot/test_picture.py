"""A guest's screen becomes a PNG file that any viewer opens."""

from __future__ import annotations

import struct
import zlib

import pytest

from isoforge.proof.boot.screen import ppm_to_png

RED_BLUE = b"P6\n2 1\n255\n" + bytes([255, 0, 0, 0, 0, 255])


def chunks(png: bytes) -> dict[bytes, bytes]:
    """The chunks of ``png`` by their kind; each one's checksum is compared."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    found = {}
    place = 8
    while place < len(png):
        (length,) = struct.unpack_from(">I", png, place)
        kind, data = png[place + 4 : place + 8], png[place + 8 : place + 8 + length]
        assert struct.unpack_from(">I", png, place + 8 + length) == (zlib.crc32(kind + data),)
        found[kind] = data
        place += 12 + length
    return found


def test_size_and_pixels_are_kept() -> None:
    png = chunks(ppm_to_png(RED_BLUE))
    assert list(png) == [b"IHDR", b"IDAT", b"IEND"]
    assert struct.unpack(">IIBBBBB", png[b"IHDR"]) == (2, 1, 8, 2, 0, 0, 0)
    assert zlib.decompress(png[b"IDAT"]) == b"\0" + bytes([255, 0, 0, 0, 0, 255])


def test_another_kind_of_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="PPM"):
        ppm_to_png(b"P5\n2 1\n255\n\0\0")
