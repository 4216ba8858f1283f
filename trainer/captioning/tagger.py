"""Taggers as ONNX files: WD's (selected_tags.csv beside model.onnx) and DeepDanbooru's (tags.txt), told by their list.

WD's take BGR of 0..255 on a white square and say each tag's probability; DeepDanbooru's take RGB of 0..1 on a square of
grey edges. Ratings and characters' names are never said: a name would draw somebody else in.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from PIL import Image

from foundation.errors import UserError
from foundation.text_files import read_text
from trainer.captioning.said import Said
from trainer.captioning.vocabulary import Vocabulary

NAME = "tagger"
WD_LIST, DEEPDANBOORU_LIST, MODEL = "selected_tags.csv", "tags.txt", "model.onnx"
GENERAL = "0"  # the category of WD's list that is neither a rating (9) nor a character (4)
THRESHOLD = 0.35  # WD's own, for general tags
NOT_SAID = "rating:"
NHWC = 4


class TaggerError(UserError):
    """A tagger that cannot be loaded, or whose tags are not its model's."""


@dataclass(frozen=True)
class TagList:
    """A tag for each of the model's outputs, as a caption writes it; None for one that is never said.

    `is_wd`: whether pictures are BGR of 0..255.
    """

    tags: tuple[str | None, ...]
    is_wd: bool


class Tagger:
    """A tagger's model with its list."""

    name = NAME

    def __init__(self, path: Path, vocabulary: Vocabulary, threshold: float = THRESHOLD) -> None:
        model = path / MODEL if path.is_dir() else path
        self._list, self._vocabulary, self._threshold = read_tags(model), vocabulary, threshold
        self._session: Any = _session(model)
        shape: list[object] = list(self._session.get_inputs()[0].shape)
        if len(shape) != NHWC or shape[-1] != 3 or not isinstance(shape[1], int):
            raise TaggerError(
                f"{model}: takes {shape}, not pictures (N, side, side, 3); name a WD or DeepDanbooru tagger"
            )
        self._side = shape[1]
        self._known = {tag for tag in self._list.tags if tag}

    def describe(self, pictures: Sequence[np.ndarray]) -> Iterator[Said]:
        """Of each picture (H, W, 3) RGB uint8."""
        return (self._said(self._probabilities(picture)) for picture in pictures)

    def _probabilities(self, picture: np.ndarray) -> dict[str, float]:
        prepared = prepared_picture(picture, self._side, self._list.is_wd)
        name: str = self._session.get_inputs()[0].name
        found = np.asarray(self._session.run(None, {name: prepared[None]})[0], dtype=np.float64)[0]
        if len(found) != len(self._list.tags):
            raise TaggerError(
                f"the tagger says {len(found)} numbers and its list has {len(self._list.tags)} tags; they belong to "
                "different models, so put the model's own list beside it"
            )
        return {tag: float(one) for tag, one in zip(self._list.tags, found, strict=True) if tag}

    def _said(self, probabilities: dict[str, float]) -> Said:
        scores: dict[str, dict[str, float]] = {}
        spoken: set[str] = set()
        for slot, group in self._vocabulary.items():
            names = {option: [one for one in named if one in self._known] for option, named in group.options.items()}
            spoken.update(one for named in names.values() for one in named)
            found = {option: max(probabilities[one] for one in named) for option, named in names.items() if named}
            sure = {option: score for option, score in found.items() if score >= self._threshold}
            if sure or (found and group.nothing):
                scores[slot] = sure
        tags = [tag for tag, one in probabilities.items() if one >= self._threshold and tag not in spoken]
        return Said(self.name, {slot: one or {"": 1.0} for slot, one in scores.items()}, tuple(tags))


def read_tags(model: Path) -> TagList:
    """The list beside a model. Raises TaggerError where there is none, or it is of another form."""
    if not model.is_file():
        raise TaggerError(f"{model}: no such tagger; give its ONNX file, or the folder that has {MODEL}")
    if (path := model.with_name(WD_LIST)).is_file():
        rows = list(csv.DictReader(io.StringIO(read_text(path))))
        if not rows or not {"name", "category"} <= rows[0].keys():
            raise TaggerError(f"{path}: has no columns `name` and `category`; download the model's own list again")
        return TagList(tuple(_plain(row["name"]) if row["category"] == GENERAL else None for row in rows), True)
    if (path := model.with_name(DEEPDANBOORU_LIST)).is_file():
        lines = [line.strip() for line in read_text(path).splitlines() if line.strip()]
        return TagList(tuple(None if line.startswith(NOT_SAID) else _plain(line) for line in lines), False)
    raise TaggerError(f"{model}: its tag list is not beside it; put {WD_LIST} (WD) or {DEEPDANBOORU_LIST} there")


def prepared_picture(picture: np.ndarray, side: int, is_wd: bool) -> np.ndarray:
    """(side, side, 3) float32, the whole picture in the middle of a square: BGR over white, or RGB with its edges drawn
    out."""
    height, width = picture.shape[:2]
    longest = max(height, width)
    top, left = (longest - height) // 2, (longest - width) // 2
    around = ((top, longest - height - top), (left, longest - width - left), (0, 0))
    square = np.pad(picture, around, constant_values=255) if is_wd else np.pad(picture, around, mode="edge")
    filtered = Image.Resampling.BICUBIC if is_wd else Image.Resampling.BOX
    scaled = np.asarray(Image.fromarray(square).resize((side, side), filtered), dtype=np.float32)
    return np.ascontiguousarray(scaled[:, :, ::-1]) if is_wd else scaled / 255


def _plain(tag: str) -> str:
    """As a caption writes it; faces of signs, as ^_^, stay as they are."""
    return tag.replace("_", " ") if any(one.isalpha() for one in tag) and len(tag) > 3 else tag


def _session(model: Path) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(model), options, onnxruntime.get_available_providers())
    except Exception as error:  # onnxruntime's errors have no common type of their own
        raise TaggerError(f"{model}: not an ONNX model that can be read ({error}); download it again") from error
