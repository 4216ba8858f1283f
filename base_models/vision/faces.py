"""The face model of a name, whichever library runs it."""

from __future__ import annotations

from base_models.vision.face_model import FaceModel
from base_models.vision.insightface_pack import load_pack
from base_models.vision.opencv_faces import load_opencv_faces
from foundation.path_fields import OPENCV_FACES


def load_faces(name: str, device: str = "auto") -> FaceModel:
    """Load "miniature", a pack's folder, an insightface pack by name (downloaded once), or "opencv:FOLDER".

    `device`: "cpu", "cuda", or "auto" (CUDA where onnxruntime has it); OpenCV's are read by the CPU. Raises
    FacePackError.
    """
    return load_opencv_faces(name) if name.startswith(OPENCV_FACES) else load_pack(name, device)
