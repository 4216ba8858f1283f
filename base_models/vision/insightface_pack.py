"""Faces in a picture, read by an insightface pack: how many, and the largest one's embedding."""

from __future__ import annotations

import hashlib
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import onnxruntime
from insightface.app import FaceAnalysis
from insightface.utils import ensure_available
from insightface.utils.face_align import norm_crop

from base_models.model_hub import Fetched, is_offline
from base_models.vision.face_model import LARGEST_DETECTOR_SIZE, FaceModel, FacePackError, FoundFaces, largest_of
from base_models.vision.licences import UNKNOWN_LICENCE, licence_file_of
from foundation.files import sha256_of
from miniature.paths import folder_of

# insightface 2.1 aligns faces by a function that scikit-image has renamed, and is warned about it at every face.
warnings.filterwarnings("ignore", category=FutureWarning, module="insightface")

MODULES = ("detection", "recognition")
DETECTOR_STRIDE = 32
DETECTION_THRESHOLD = 0.5
EMBEDDED_TOGETHER = 64
NON_COMMERCIAL = "non-commercial research only (insightface model zoo)"
# As insightface's model zoo tells them.
PACK_SIZES = {
    "antelopev2": "407 MB",
    "buffalo_l": "326 MB",
    "buffalo_m": "313 MB",
    "buffalo_s": "159 MB",
    "buffalo_sc": "16 MB",
}
KNOWN_LICENCES = dict.fromkeys(PACK_SIZES, NON_COMMERCIAL)
FETCHED_PACKS = Path("~/.insightface/models")


class InsightFacePack(FaceModel):
    """A pack of insightface's layout."""

    def __init__(self, name: str, sha256: str, licence: str, analysis: FaceAnalysis) -> None:
        super().__init__(name, sha256, licence)
        self._analysis, self._prepared = analysis, 0

    @property
    def input_side(self) -> int:
        return int(self._analysis.models["recognition"].input_size[0])

    def _find(self, bgr: np.ndarray) -> FoundFaces:
        """As insightface's `FaceAnalysis.get`, which would align and embed every face, not the largest alone."""
        self._prepare(detector_size(bgr))
        boxes, landmarks = self._analysis.models["detection"].detect(bgr)
        if not len(boxes):
            return FoundFaces(0)
        largest = largest_of(_areas(boxes))
        crop = norm_crop(bgr, landmarks[largest.at], self.input_side)
        box = boxes[largest.at]
        return FoundFaces(
            len(boxes), crop, float(box[4]), largest.side, largest.rivals, box[:4].copy(), landmarks[largest.at].copy()
        )

    def _embed(self, crops: list[np.ndarray]) -> Iterator[np.ndarray]:
        recogniser = self._analysis.models["recognition"]
        # A fixed batch is a number in the model's input; a free one has a name, or none.
        together = 1 if isinstance(recogniser.input_shape[0], int) else EMBEDDED_TOGETHER
        for start in range(0, len(crops), together):
            part = crops[start : start + together]
            yield from recogniser.get_feat(part).reshape(len(part), -1)

    def _prepare(self, size: int) -> None:
        # insightface keeps one session a size by itself; preparing only names the size to use.
        if size != self._prepared:
            self._analysis.prepare(ctx_id=0, det_thresh=DETECTION_THRESHOLD, det_size=(size, size))
            self._prepared = size


def load_pack(name: str, device: str = "auto") -> InsightFacePack:
    """Load "miniature", a pack's folder, or an insightface pack by name (downloaded once). Raises FacePackError.

    `device`: "cpu", "cuda", or "auto" (CUDA where onnxruntime has it).
    """
    folder = _pack_folder(name)
    analysis = _analysis(folder, device)
    missing = [module for module in MODULES if module not in analysis.models]
    if missing:
        raise FacePackError(f"{folder}: the face pack has no {' and no '.join(missing)} model; choose another pack")
    digest = hashlib.sha256()
    for module in MODULES:
        digest.update(sha256_of(Path(analysis.models[module].model_file)).encode())
    return InsightFacePack(name, digest.hexdigest(), licence_of(folder), analysis)


def detector_size(picture: np.ndarray) -> int:
    """The side of the detector's square input: the longer side rounded up to its coarsest stride, at most 640.

    insightface's own default would look at every picture twice, and blow a small one up to 640.
    """
    longer = max(picture.shape[:2])
    return min(LARGEST_DETECTOR_SIZE, -(-longer // DETECTOR_STRIDE) * DETECTOR_STRIDE)


def licence_of(folder: Path) -> str:
    """The first line of the pack's licence file, or what is known of packs of that name."""
    return licence_file_of(folder) or KNOWN_LICENCES.get(folder.name, UNKNOWN_LICENCE)


def _pack_folder(name: str) -> Path:
    local = folder_of("faces", name) or Path(name).expanduser()
    if not local.is_dir():
        if local.is_absolute() or len(local.parts) > 1 or name.startswith("."):
            raise FacePackError(f"{local}: no such face pack; name a folder of ONNX files, `miniature` or `buffalo_l`")
        local = _downloaded(name)
    # The archive of antelopev2 holds a folder of its own name.
    nested = local / local.name
    return nested if nested.is_dir() and not any(local.glob("*.onnx")) else local


def _downloaded(name: str) -> Path:
    """The folder of one of insightface's published packs, fetched if it is not there yet."""
    if not (fetched := FETCHED_PACKS.expanduser() / name).is_dir():
        if name not in PACK_SIZES:
            raise FacePackError(
                f"face pack `{name}`: neither a folder nor one of insightface's ({', '.join(PACK_SIZES)}), so no "
                "server was asked for it; name one of these, a folder of ONNX files, opencv:FOLDER or `miniature`"
            )
        Fetched("face pack", name, "github.com/deepinsight", PACK_SIZES[name], KNOWN_LICENCES[name]).announce()
    elif is_offline():
        return fetched  # insightface would look whether there is a newer one
    with redirect_stdout(sys.stderr):
        try:
            return Path(ensure_available("models", name))
        except Exception as error:  # requests, zipfile and insightface each raise their own
            raise FacePackError(
                f"face pack `{name}`: not a folder, and insightface could not fetch it ({error}); "
                "name a folder of ONNX files, opencv:FOLDER, `miniature` or `buffalo_l`"
            ) from error


def _analysis(folder: Path, device: str) -> FaceAnalysis:
    with redirect_stdout(sys.stderr):
        try:
            return FaceAnalysis(
                name=str(folder),
                allowed_modules=list(MODULES),
                providers=_providers(device),
                sess_options=_session_options(),
            )
        except AssertionError as error:  # insightface asserts that a detector was found
            raise FacePackError(
                f"{folder}: the face pack has no detection model of insightface's kind; choose another pack, or write "
                "opencv:FOLDER for models of the OpenCV Zoo"
            ) from error
        except Exception as error:  # protobuf, onnxruntime and the manifest reader each raise their own
            raise FacePackError(f"{folder}: the face pack cannot be loaded ({error})") from error


def _providers(device: str) -> list[str]:
    has_cuda = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    if device == "cpu" or not has_cuda:
        return ["CPUExecutionProvider"]
    return ["CUDAExecutionProvider", "CPUExecutionProvider"]


def _session_options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    options.log_severity_level = 3
    # Waiting threads that spin take the CPU from the diffusion model beside them.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _areas(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
