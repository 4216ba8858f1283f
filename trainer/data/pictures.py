"""A picture file -> its pixels as training sees them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from base_models.pictures.picture_file import Size, UnreadablePictureError, load_picture
from foundation.errors import UnusablePicturesError


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


def load_pixels(path: Path, frame: Frame) -> NDArray[np.float32]:
    """(3, height, width) float32 in -1..1: as `load_picture` reads it, scaled and cropped as `frame` says.

    Raises UnusablePicturesError, naming the file, when it cannot be read.
    """
    try:
        upright = load_picture(path)
    except UnreadablePictureError as error:
        raise UnusablePicturesError({path: error.fault}) from error
    if upright.size != frame.original:
        raise UnusablePicturesError({path: "is of another size than when the run was planned"})
    scaled = upright.resize(frame.resized, Image.Resampling.LANCZOS)
    left, top = ((whole - part) // 2 for whole, part in zip(frame.resized, frame.bucket, strict=True))
    cut = scaled.crop((left, top, left + frame.bucket[0], top + frame.bucket[1]))
    return np.asarray(cut, dtype=np.float32).transpose(2, 0, 1) / np.float32(127.5) - np.float32(1.0)
