"""A face that was found, with what each model of the pack said of it."""

from typing import Any

import numpy as np

_Array = np.ndarray[Any, Any]

class Face(dict[str, Any]):
    bbox: _Array
    det_score: float
    @property
    def normed_embedding(self) -> _Array: ...
