"""The texts of a WebP: EXIF in its own chunk (RFC 9649)."""

from __future__ import annotations

import struct
from typing import BinaryIO

from eval.importing.containers.chunk_reading import (
    MOST_CHUNKS,
    DamagedPictureError,
    TextBudget,
    exactly,
    length_of,
    skip,
)
from eval.importing.containers.exif_texts import exif_texts

RIFF = b"RIFF"
_HEAD = 10  # bytes of a frame that hold its size


def read_webp(stream: BinaryIO) -> tuple[tuple[int, int], dict[str, str]]:
    """Size and texts. Raises DamagedPictureError."""
    end, budget = length_of(stream), TextBudget()
    head = exactly(stream, 12)
    told = struct.unpack("<I", head[4:8])[0] + 8
    if head[8:] != b"WEBP":
        raise DamagedPictureError("is no WebP file, whatever its name says")
    if told > end:
        raise DamagedPictureError("is cut off")
    size: tuple[int, int] | None = None
    texts: dict[str, str] = {}
    for _ in range(MOST_CHUNKS):
        if stream.tell() + 8 > told:
            break
        kind, length = struct.unpack("<4sI", exactly(stream, 8))
        padded = length + length % 2
        if kind == b"EXIF":
            budget.take(length)
            texts |= exif_texts(exactly(stream, length))
            padded -= length
        elif kind in (b"VP8X", b"VP8 ", b"VP8L") and length >= _HEAD and size is None:
            size = _size_in(kind, exactly(stream, _HEAD))
            padded -= _HEAD
        skip(stream, padded, end + 1)
    if size is None:
        raise DamagedPictureError("has no header")
    return size, texts


def _size_in(kind: bytes, data: bytes) -> tuple[int, int]:
    if kind == b"VP8X":
        return int.from_bytes(data[4:7], "little") + 1, int.from_bytes(data[7:10], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(data[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack("<HH", data[6:10])
    return width & 0x3FFF, height & 0x3FFF
