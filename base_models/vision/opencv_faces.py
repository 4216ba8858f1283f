"""Faces in a picture, read by OpenCV's own detector and recogniser: YuNet and SFace of the OpenCV Zoo."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import onnxruntime

from base_models.vision.face_model import LARGEST_DETECTOR_SIZE, FaceModel, FacePackError, FoundFaces, largest_of
from base_models.vision.licences import UNKNOWN_LICENCE, licence_file_of
from foundation.files import sha256_of
from foundation.path_fields import OPENCV_FACES

# Those of the OpenCV Zoo's own YuNet class.
SCORE_THRESHOLD, OVERLAP_THRESHOLD, MOST_BOXES = 0.6, 0.3, 5000
CROP_SIDE = 112
# FaceDetectorYN reads these outputs by name, so a detector has them; a recogniser's one output may have any name.
DETECTOR_OUTPUTS = {f"{part}_{stride}" for part in ("cls", "obj", "bbox", "kps") for stride in (8, 16, 32)}
PUBLISHED = {"face_detection_yunet": "YuNet MIT", "face_recognition_sface": "SFace Apache-2.0"}
GET_THEM = (
    "put face_detection_yunet_2023mar.onnx and face_recognition_sface_2021dec.onnx of the OpenCV Zoo into it, "
    "and no other ONNX file"
)


@dataclass(frozen=True)
class _Files:
    """The two ONNX files of a folder."""

    detector: Path
    recogniser: Path


class OpenCvFaces(FaceModel):
    """YuNet and SFace, or ONNX files of the same inputs and outputs."""

    def __init__(self, name: str, files: _Files) -> None:
        digest = hashlib.sha256()
        for path in (files.detector, files.recogniser):
            digest.update(sha256_of(path).encode())
        super().__init__(name, digest.hexdigest(), _licence_of(files))
        side = (LARGEST_DETECTOR_SIZE, LARGEST_DETECTOR_SIZE)
        with _quiet():
            self._detector = cv2.FaceDetectorYN.create(
                str(files.detector), "", side, SCORE_THRESHOLD, OVERLAP_THRESHOLD, MOST_BOXES
            )
            self._recogniser = cv2.FaceRecognizerSF.create(str(files.recogniser), "")
        # Files of other shapes open as well, and fail at their first picture.
        blank = np.zeros((CROP_SIDE, CROP_SIDE, 3), dtype=np.uint8)
        self._find(blank)
        list(self._embed([blank]))

    @property
    def input_side(self) -> int:
        return CROP_SIDE

    def _find(self, bgr: np.ndarray) -> FoundFaces:
        height, width = bgr.shape[:2]
        scale = min(1.0, LARGEST_DETECTOR_SIZE / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        self._detector.setInputSize(size)
        shown = bgr if scale == 1 else cv2.resize(bgr, size, interpolation=cv2.INTER_AREA)
        rows = self._boxes(shown)
        if not len(rows):
            return FoundFaces(0)
        # A row: the box's corner and sides, five points, a score. The crop is cut from the picture as it is.
        rows[:, :14] /= scale
        largest = largest_of(rows[:, 2] * rows[:, 3])
        row = rows[largest.at]
        crop = np.array(self._recogniser.alignCrop(bgr, row))
        box = np.array([row[0], row[1], row[0] + row[2], row[1] + row[3]])
        points = row[4:14].reshape(5, 2).copy()
        return FoundFaces(len(rows), crop, float(row[14]), largest.side, largest.rivals, box, points)

    def _boxes(self, bgr: np.ndarray) -> np.ndarray:
        """(N, 15); OpenCV says None of a picture without a face."""
        found = cast("np.ndarray | None", self._detector.detect(bgr)[1])
        return np.empty((0, 15), dtype=np.float32) if found is None else np.array(found, dtype=np.float32)

    def _embed(self, crops: list[np.ndarray]) -> Iterator[np.ndarray]:
        # What OpenCV returns is overwritten by the next face.
        return (np.array(self._recogniser.feature(crop), dtype=np.float32).ravel() for crop in crops)


def load_opencv_faces(name: str) -> OpenCvFaces:
    """Load "opencv:FOLDER". Raises FacePackError."""
    folder = Path(name.removeprefix(OPENCV_FACES)).expanduser()
    if not folder.is_dir():
        raise FacePackError(f"{folder}: no such folder; make it, and {GET_THEM}")
    files = _files_of(folder)
    try:
        return OpenCvFaces(name, files)
    except cv2.error as error:
        reason = " ".join(str(error).split())
        raise FacePackError(
            f"{folder}: OpenCV {cv2.__version__} cannot run these models ({reason}); {GET_THEM}"
        ) from error


def _files_of(folder: Path) -> _Files:
    """Which ONNX file finds faces and which tells them apart, by what they put out. Raises FacePackError."""
    outputs = {path: _outputs_of(path) for path in sorted(folder.glob("*.onnx"))}
    return _Files(
        _the_one(folder, "detector (YuNet)", [path for path, names in outputs.items() if names >= DETECTOR_OUTPUTS]),
        _the_one(folder, "recogniser (SFace)", [path for path, names in outputs.items() if len(names) == 1]),
    )


def _the_one(folder: Path, what: str, found: list[Path]) -> Path:
    if not found:
        raise FacePackError(f"{folder}: no ONNX file in it is a {what}; {GET_THEM}")
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise FacePackError(f"{folder}: {names} may each be the {what}; leave one there")
    return found[0]


def _outputs_of(path: Path) -> set[str]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common type of their own
        raise FacePackError(f"{path}: not an ONNX model that can be read ({error}); download it again") from error
    return {output.name for output in session.get_outputs()}


def _licence_of(files: _Files) -> str:
    """What the folder says, or what is known of files that have their published names."""
    published = [
        next((licence for start, licence in PUBLISHED.items() if path.name.startswith(start)), None)
        for path in (files.detector, files.recogniser)
    ]
    known = [one for one in published if one]
    told = f"{', '.join(known)} (as published in the OpenCV Zoo)" if len(known) == len(published) else UNKNOWN_LICENCE
    return licence_file_of(files.detector.parent) or told


@contextmanager
def _quiet() -> Generator[None]:
    """OpenCV warns of a target that nobody asked for, whenever it opens a model."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)
