"""A picture file -> its size, and its pixels as training sees them."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from foundation.errors import UnusablePicturesError

Size: TypeAlias = tuple[int, int]  # width, height
UNREADABLE = (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError)
ORIENTATION, TURNED_ON_ITS_SIDE = 0x0112, (5, 6, 7, 8)


@dataclass(frozen=True)
class Frame:
    """How a picture is cut: scaled from `original` to `resized`, then cropped at the centre to `bucket`."""

    original: Size
    resized: Size
    bucket: Size

    def time_ids(self) -> tuple[int, int, int, int, int, int]:
        """What SDXL is told of the cut: original height and width, crop top and left, target height and width.

        The crop is reckoned as kohya's `get_crop_ltrb` does: half of what the picture, fitted *into* the bucket, would
        leave empty.
        """
        (width, height), aspect = self.bucket, self.original[0] / self.original[1]
        wider = width / height > aspect
        left = int((width - height * aspect) // 2) if wider else 0
        top = 0 if wider else int((height - width / aspect) // 2)
        return (self.original[1], self.original[0], top, left, height, width)


def cover(size: Size, bucket: Size) -> Frame:
    """Scaled so that the bucket is just covered."""
    wide = size[0] / size[1] > bucket[0] / bucket[1]
    scale = bucket[1] / size[1] if wide else bucket[0] / size[0]
    resized = (max(bucket[0], int(size[0] * scale + 0.5)), max(bucket[1], int(size[1] * scale + 0.5)))
    return Frame(size, resized, bucket)


def size_of(path: Path) -> Size:
    """(width, height), turned as EXIF says, from the file's header alone.

    Raises UnusablePicturesError, naming the file, when it cannot be read.
    """
    with _opened(path) as picture:
        width, height = picture.size
        turned = picture.getexif().get(ORIENTATION) in TURNED_ON_ITS_SIDE
    return (height, width) if turned else (width, height)


def load_pixels(path: Path, frame: Frame) -> NDArray[np.float32]:
    """(3, height, width) float32 in -1..1: turned as EXIF says, scaled and cropped as `frame` says.

    Transparency is dropped, as kohya does. Raises UnusablePicturesError, naming the file, when it cannot be read.
    """
    with _opened(path) as picture:
        upright = ImageOps.exif_transpose(picture).convert("RGB")
    if upright.size != frame.original:
        raise UnusablePicturesError({path: "is of another size than when the run was planned"})
    scaled = upright.resize(frame.resized, Image.Resampling.LANCZOS)
    left, top = ((whole - part) // 2 for whole, part in zip(frame.resized, frame.bucket, strict=True))
    cut = scaled.crop((left, top, left + frame.bucket[0], top + frame.bucket[1]))
    return np.asarray(cut, dtype=np.float32).transpose(2, 0, 1) / np.float32(127.5) - np.float32(1.0)


@contextmanager
def _opened(path: Path) -> Generator[Image.Image]:
    try:
        with Image.open(path) as picture:
            yield picture
    except UNREADABLE as error:
        raise UnusablePicturesError({path: f"cannot be read as a picture ({error})"}) from error
