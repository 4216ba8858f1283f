"""The text chunks of a PNG, before and behind its pixels (tEXt, zTXt, iTXt, eXIf: PNG specification, 11.3)."""

from __future__ import annotations

import struct
import zlib
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

PNG = b"\x89PNG\r\n\x1a\n"
_TEXTS = (b"tEXt", b"zTXt", b"iTXt", b"eXIf")


def read_png(stream: BinaryIO) -> tuple[tuple[int, int], dict[str, str]]:
    """Size and texts by keyword; of two of one keyword the first counts. Raises DamagedPictureError."""
    end, budget = length_of(stream), TextBudget()
    exactly(stream, len(PNG))
    size: tuple[int, int] | None = None
    texts: dict[str, str] = {}
    for _ in range(MOST_CHUNKS):
        length, kind = struct.unpack(">I4s", exactly(stream, 8))
        if kind == b"IHDR":
            size = struct.unpack(">II", exactly(stream, 8))
            skip(stream, max(0, length - 8) + 4, end)
        elif kind in _TEXTS:
            budget.take(length)
            for key, text in _texts_in(kind, _checked(stream, kind, length), budget).items():
                texts.setdefault(key, text)
        elif kind == b"IEND":
            break
        else:
            skip(stream, length + 4, end)
    else:
        raise DamagedPictureError("has more parts than a picture")
    if size is None:
        raise DamagedPictureError("has no header")
    return size, texts


def _checked(stream: BinaryIO, kind: bytes, length: int) -> bytes:
    data, told = exactly(stream, length), struct.unpack(">I", exactly(stream, 4))[0]
    if zlib.crc32(data, zlib.crc32(kind)) != told:
        raise DamagedPictureError("has a damaged text: its checksum is another")
    return data


def _texts_in(kind: bytes, data: bytes, budget: TextBudget) -> dict[str, str]:
    if kind == b"eXIf":
        return exif_texts(data)
    keyword, _, rest = data.partition(b"\0")
    key = keyword.decode("latin-1")
    if kind == b"tEXt":
        return {key: _latin_or_unicode(rest)}
    if kind == b"zTXt":
        return {key: _latin_or_unicode(budget.inflated(rest[1:]))}
    is_packed, (_, _, text) = rest[:1] == b"\1", _language_and_text(rest)
    return {key: (budget.inflated(text) if is_packed else text).decode("utf-8", "replace")}


def _language_and_text(rest: bytes) -> tuple[bytes, bytes, bytes]:
    language, _, more = rest[2:].partition(b"\0")
    translated, _, text = more.partition(b"\0")
    return language, translated, text


def _latin_or_unicode(data: bytes) -> str:
    """Latin-1 by the specification; tools that write UTF-8 there mean UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")
