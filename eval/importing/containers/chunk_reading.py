"""What all containers share: bounds, the error of a damaged file, and bytes that must be there."""

from __future__ import annotations

import zlib
from typing import BinaryIO

from foundation.errors import UserError

MOST_TEXT = 8 * 2**20  # bytes of all texts of a picture together; the largest of real workflows have two million
MOST_CHUNKS = 200_000


class DamagedPictureError(UserError):
    """A picture file that is cut off, damaged or of another kind. The text says which."""


def exactly(stream: BinaryIO, count: int) -> bytes:
    """So many bytes. Raises DamagedPictureError where the file ends before."""
    found = stream.read(count)
    if len(found) < count:
        raise DamagedPictureError("is cut off")
    return found


def skip(stream: BinaryIO, count: int, end: int) -> None:
    """Pass over bytes that must be there. Raises DamagedPictureError."""
    if stream.seek(count, 1) > end:
        raise DamagedPictureError("is cut off")


def length_of(stream: BinaryIO) -> int:
    """The file's size in bytes; it stands at its beginning afterwards."""
    end = stream.seek(0, 2)
    stream.seek(0)
    return end


class TextBudget:
    """How much text may still be taken of a picture."""

    def __init__(self) -> None:
        self._left = MOST_TEXT

    def take(self, count: int) -> None:
        """Count bytes. Raises DamagedPictureError beyond what a picture may say."""
        self._left -= count
        if self._left < 0:
            raise DamagedPictureError(f"carries more than {MOST_TEXT // 2**20} MB of text, which is not read")

    def inflated(self, packed: bytes) -> bytes:
        """Compressed bytes as they were, never more of them than are left. Raises DamagedPictureError."""
        opened = zlib.decompressobj()
        try:
            found = opened.decompress(packed, self._left + 1)
        except zlib.error as error:
            raise DamagedPictureError("has a damaged text") from error
        self.take(len(found))
        return found
