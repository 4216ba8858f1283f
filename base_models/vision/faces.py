"""Faces in a picture, read by an insightface pack: how many, and the largest one's embedding."""

from __future__ import annotations

import hashlib
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from insightface.app import FaceAnalysis
from insightface.utils import ensure_available
from insightface.utils.face_align import norm_crop

from base_models.vision.appearance import appearance_of
from foundation.errors import UserError
from foundation.files import sha256_of
from miniature.paths import folder_of

# insightface 2.1 aligns faces by a function that scikit-image has renamed, and is warned about it at every face.
warnings.filterwarnings("ignore", category=FutureWarning, module="insightface")

MODULES = ("detection", "recognition")
DETECTOR_STRIDE = 32
LARGEST_DETECTOR_SIZE = 640
DETECTION_THRESHOLD = 0.5
EMBEDDED_TOGETHER = 64
RIVAL = 0.5  # of the largest face's area, from which on another one may as well be meant
LICENCE_FILES = ("MODEL.LICENSE", "LICENSE", "LICENSE.txt", "LICENSE.md")
NON_COMMERCIAL = "non-commercial research only (insightface model zoo)"
KNOWN_LICENCES = {name: NON_COMMERCIAL for name in ("antelopev2", "buffalo_l", "buffalo_m", "buffalo_s", "buffalo_sc")}
UNKNOWN_LICENCE = "unknown licence"


class FacePackError(UserError):
    """A face pack that is not there, or lacks a detector or a recogniser."""


@dataclass(frozen=True)
class FaceReading:
    """Faces found in one picture: how many; the largest one's unit embedding (D,) float32 and detection score.

    `look`: what that face looks like, aligned (`base_models.vision.appearance`). `side`: of its box, in pixels;
    `rivals`: how many other faces have at least half its area.
    """

    count: int
    embedding: np.ndarray | None
    detection_score: float
    look: np.ndarray | None = None
    side: float = 0.0
    rivals: int = 0


@dataclass(frozen=True)
class _Found:
    """What the detector found in a picture: how many faces; the largest one's aligned crop (BGR) and score."""

    count: int
    crop: np.ndarray | None = None
    score: float = 0.0
    side: float = 0.0
    rivals: int = 0


@dataclass
class FaceModel:
    """A detector and a recogniser. `sha256` covers both ONNX files: scores of different ones are not comparable."""

    name: str
    sha256: str
    licence: str
    _analysis: FaceAnalysis
    _prepared: int = 0

    def read(self, picture: np.ndarray) -> FaceReading:
        """The faces of a picture (H, W, 3) RGB uint8. Of several, the largest box is read, never the best match."""
        return self.read_all([picture])[0]

    def read_all(self, pictures: Sequence[np.ndarray]) -> list[FaceReading]:
        """`read` of each picture; their largest faces go through the recogniser together, where it takes several.

        How many go together may move the last bits of an embedding (below 1e-5), not what is found.
        """
        found = [self._find(picture) for picture in pictures]
        vectors = iter(self._embed([one.crop for one in found if one.crop is not None]))
        return [
            FaceReading(0, None, 0.0)
            if one.crop is None
            else FaceReading(
                one.count, _unit(next(vectors)), one.score, appearance_of(one.crop[:, :, ::-1]), one.side, one.rivals
            )
            for one in found
        ]

    @property
    def input_side(self) -> int:
        """The side in pixels that the recogniser takes a face in at."""
        return int(self._analysis.models["recognition"].input_size[0])

    def _find(self, picture: np.ndarray) -> _Found:
        """As insightface's `FaceAnalysis.get`, which would align and embed every face, not the largest alone."""
        self._prepare(detector_size(picture))
        bgr = np.ascontiguousarray(picture[:, :, ::-1])
        boxes, landmarks = self._analysis.models["detection"].detect(bgr)
        if not len(boxes):
            return _Found(0)
        at = max(range(len(boxes)), key=lambda face: _area(boxes[face]))
        crop = norm_crop(bgr, landmarks[at], self._analysis.models["recognition"].input_size[0])
        areas = [_area(box) for box in boxes]
        rivals = sum(area >= RIVAL * areas[at] for area in areas) - 1
        return _Found(len(boxes), crop, float(boxes[at][4]), areas[at] ** 0.5, rivals)

    def _embed(self, crops: list[np.ndarray]) -> Iterator[np.ndarray]:
        """An embedding (D,) of each crop."""
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


def load_faces(name: str, device: str = "auto") -> FaceModel:
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
    return FaceModel(name, digest.hexdigest(), licence_of(folder), analysis)


def detector_size(picture: np.ndarray) -> int:
    """The side of the detector's square input: the longer side rounded up to its coarsest stride, at most 640.

    insightface's own default would look at every picture twice, and blow a small one up to 640.
    """
    longer = max(picture.shape[:2])
    return min(LARGEST_DETECTOR_SIZE, -(-longer // DETECTOR_STRIDE) * DETECTOR_STRIDE)


def licence_of(folder: Path) -> str:
    """The first line of the pack's licence file, or what is known of packs of that name."""
    for file in (folder / name for name in LICENCE_FILES):
        lines = file.read_text(encoding="utf-8", errors="replace").split("\n") if file.is_file() else []
        text = next((line.strip("# \t\r") for line in lines if line.strip("# \t\r")), None)
        if text:
            return text
    return KNOWN_LICENCES.get(folder.name, UNKNOWN_LICENCE)


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
    with redirect_stdout(sys.stderr):
        try:
            return Path(ensure_available("models", name))
        except Exception as error:  # requests, zipfile and insightface each raise their own
            raise FacePackError(
                f"face pack `{name}`: not a folder, and insightface could not fetch it ({error}); "
                "name a folder of ONNX files, `miniature` or `buffalo_l`"
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
            raise FacePackError(f"{folder}: the face pack has no detection model; choose another pack") from error
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


def _area(box: np.ndarray) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))


def _unit(embedding: np.ndarray) -> np.ndarray | None:
    """None for an embedding without a direction, which would be alike to nothing and to everything."""
    length = float(np.linalg.norm(embedding))
    return (embedding / length).astype(np.float32) if np.isfinite(length) and length > 0 else None
