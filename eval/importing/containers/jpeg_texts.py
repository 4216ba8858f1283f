"""The texts of a JPEG: EXIF in its APP1 segments, read up to where the pixels begin (ITU T.81, annex B)."""

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
from eval.importing.containers.exif_texts import HEADER, exif_texts

JPEG = b"\xff\xd8"
_APP1, _SCAN, _END = 0xE1, 0xDA, 0xD9
# Frames of every kind; C4, C8 and CC are tables.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset([0x01, *range(0xD0, 0xD9)])


def read_jpeg(stream: BinaryIO) -> tuple[tuple[int, int], dict[str, str]]:
    """Size and texts. Raises DamagedPictureError."""
    end, budget = length_of(stream), TextBudget()
    exactly(stream, len(JPEG))
    size: tuple[int, int] | None = None
    texts: dict[str, str] = {}
    for _ in range(MOST_CHUNKS):
        marker = _marker(stream)
        if marker in (_SCAN, _END):
            break
        if marker in _ALONE:
            continue
        length = struct.unpack(">H", exactly(stream, 2))[0] - 2
        if length < 0:
            raise DamagedPictureError("is damaged: a part of it has no length")
        if marker in _FRAMES:
            height, width = struct.unpack(">HH", exactly(stream, length)[1:5])
            size = (width, height)
        elif marker == _APP1:
            budget.take(length)
            data = exactly(stream, length)
            texts |= exif_texts(data) if data.startswith(HEADER) else {}
        else:
            skip(stream, length, end)
    if size is None:
        raise DamagedPictureError("has no header")
    return size, texts


def _marker(stream: BinaryIO) -> int:
    if exactly(stream, 1) != b"\xff":
        raise DamagedPictureError("is damaged: a part of it does not begin where it should")
    while (found := exactly(stream, 1)) == b"\xff":
        continue
    return found[0]
