"""A picture file -> a square of pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from trainer.errors import DatasetError


def load_square(path: Path, side: int) -> Tensor:
    """(3, side, side) float32 in -1..1: turned as EXIF says, resized to cover the square, cropped at the centre.

    Transparency is dropped, as kohya does. Raises DatasetError, naming the file, when it cannot be read.
    """
    try:
        with Image.open(path) as opened:
            upright = ImageOps.exif_transpose(opened).convert("RGB")
            square = ImageOps.fit(upright, (side, side), method=Image.Resampling.LANCZOS)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DatasetError(f"{path}: cannot be read as a picture ({error}); replace or remove it") from error
    pixels = torch.from_numpy(np.array(square, dtype=np.float32))
    return pixels.permute(2, 0, 1) / 127.5 - 1.0
