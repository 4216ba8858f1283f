"""Faces turned and scaled to where a recogniser expects their five points."""

from typing import Any

import numpy as np

_Array = np.ndarray[Any, Any]

def norm_crop(img: _Array, landmark: _Array, image_size: int = 112, mode: str = "arcface") -> _Array: ...
