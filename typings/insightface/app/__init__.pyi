"""A pack of ONNX models: faces found in a picture (H, W, 3) BGR uint8, aligned and embedded."""

from typing import Any, TypedDict

import numpy as np
from insightface.app.common import Face
from onnxruntime import SessionOptions

_Array = np.ndarray[Any, Any]

class _Model:
    model_file: str

class _Detector(_Model):
    # (N, 5): two corners and a score; (N, 5, 2): points, which a detector may lack.
    def detect(self, img: _Array) -> tuple[_Array, _Array]: ...

class _Recogniser(_Model):
    input_size: tuple[int, int]
    # The batch is a number, a name where it is free, or None.
    input_shape: list[int | str | None]
    def get_feat(self, imgs: list[_Array]) -> _Array: ...

class _Models(TypedDict):
    # A pack may lack one; whoever opens it asks before reading.
    detection: _Detector
    recognition: _Recogniser

class FaceAnalysis:
    models: _Models
    def __init__(
        self,
        name: str = ...,
        root: str = ...,
        allowed_modules: list[str] | None = None,
        *,
        providers: list[str] | None = None,
        sess_options: SessionOptions | None = None,
    ) -> None: ...
    def prepare(self, ctx_id: int, det_thresh: float = 0.5, det_size: tuple[int, int] | None = None) -> None: ...
    def get(self, img: _Array, max_num: int = 0) -> list[Face]: ...
