"""A picture file's texts and size, read from its header and chunks: pixels are passed over, sizes are bounded.

What a text says is a stranger's: it is handed on as text and never obeyed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from eval.importing.containers.chunk_reading import DamagedPictureError
from eval.importing.containers.jpeg_texts import JPEG, read_jpeg
from eval.importing.containers.png_texts import PNG, read_png
from eval.importing.containers.webp_texts import RIFF, read_webp

# By the bytes a file begins with.
CONTAINERS: Mapping[bytes, Callable[[BinaryIO], tuple[tuple[int, int], dict[str, str]]]] = {
    PNG: read_png,
    JPEG: read_jpeg,
    RIFF: read_webp,
}


@dataclass(frozen=True)
class PictureTexts:
    """`size`: (width, height) in pixels; `texts`: what the file says, by key ("parameters", "prompt", ..)."""

    size: tuple[int, int]
    texts: Mapping[str, str]
    name: str = ""


def read_texts(stream: BinaryIO, name: str = "") -> PictureTexts:
    """What a picture file says. Raises DamagedPictureError for what is cut off, or of a kind that carries no texts."""
    begins = stream.read(8)
    for mark, read in CONTAINERS.items():
        if begins.startswith(mark):
            stream.seek(0)
            size, texts = read(stream)
            return PictureTexts(size, texts, name)
    raise DamagedPictureError("is no PNG, JPEG or WebP file, whatever its name says")
