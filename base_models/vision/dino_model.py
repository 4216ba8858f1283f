"""Whole pictures as vectors, read by DINOv2: how alike are two pictures of a thing, without a word said about it?"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from huggingface_hub import try_to_load_from_cache
from PIL import Image
from transformers import AutoConfig, AutoModel
from transformers.image_processing_utils import BaseImageProcessor
from transformers.utils import logging

from base_models.model_hub import hub_model, refuse_path
from base_models.vision.licences import licence_file_of
from base_models.vision.torch_judges import device_of, digest_of, unit_vectors
from foundation.errors import UserError
from foundation.path_fields import DINOV2
from foundation.typed.untyped import untyped

# DINOv3 is not among them: its licence is another one.
KINDS = ("dinov2", "dinov2_with_registers")
PUBLISHED_LICENCE = "Apache-2.0 (DINOv2 as published by Meta)"
GET_IT = "name a folder with config.json, preprocessor_config.json and model.safetensors, or facebook/dinov2-base"


class DinoError(UserError):
    """A DINOv2 that cannot be loaded."""


@dataclass(frozen=True)
class Preparation:
    """How a picture is made ready: `side` of the square, the filter that scales, and each channel's mean and SD."""

    side: int
    resample: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """(3, side, side) float32 of a picture (H, W, 3) RGB uint8, whole; what is padded is as grey as the mean."""
        height, width = picture.shape[:2]
        scale = self.side / max(height, width)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = Image.fromarray(picture).resize(size, Image.Resampling(self.resample))
        levels = (np.asarray(small, dtype=np.float32) / 255 - np.array(self.mean, np.float32)) / np.array(
            self.std, np.float32
        )
        square = np.zeros((self.side, self.side, 3), dtype=np.float32)
        top, left = (self.side - size[1]) // 2, (self.side - size[0]) // 2
        square[top : top + size[1], left : left + size[0]] = levels
        return square.transpose(2, 0, 1)


@dataclass
class DinoModel:
    """A DINOv2 in float32. `sha256` covers its weights and how pictures are prepared for it."""

    name: str
    sha256: str
    licence: str
    _model: Any
    _prepare: Preparation
    _device: torch.device

    def embed_pictures(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Unit embeddings (N, E) float32 of pictures (H, W, 3) RGB uint8, whole: padded, never cropped."""
        return unit_vectors(self._read, pictures)

    def _read(self, pictures: Sequence[np.ndarray]) -> torch.Tensor:
        shown = torch.tensor(np.stack([self._prepare(picture) for picture in pictures]), device=self._device)
        # The first of the tokens stands for the whole picture.
        return self._model(pixel_values=shown).last_hidden_state[:, 0]


def load_dino(name: str, device: str = "auto") -> DinoModel:
    """Load "dinov2:FOLDER" or "dinov2:OWNER/NAME" of the hub. Raises DinoError."""
    source = name.removeprefix(DINOV2)
    folder = Path(source).expanduser()
    if not folder.is_dir() and (folder.is_absolute() or source.startswith(".")):
        raise DinoError(f"{folder}: no such folder; {GET_IT}")
    if not folder.is_dir():
        refuse_path("DINOv2", source)
        if not isinstance(try_to_load_from_cache(source, "model.safetensors"), str):
            hub_model("DINOv2", source).announce()
    place = device_of(device)
    try:
        with _quiet():
            _check_kind(source)
            prepare = _preparation(source)
            model, told = untyped(AutoModel).from_pretrained(
                source, dtype=torch.float32, output_loading_info=True, use_safetensors=True
            )
    except DinoError:
        raise
    except Exception as error:  # transformers, huggingface_hub and safetensors each raise their own
        raise DinoError(f"DINOv2 `{source}` cannot be loaded ({error}); {GET_IT}") from error
    if lacking := sorted({*told["missing_keys"], *(key for key, *_ in told["mismatched_keys"])}):
        raise DinoError(f"DINOv2 `{source}` lacks {len(lacking)} of its weights, as {lacking[0]}; download it again")
    licence = licence_file_of(folder) or PUBLISHED_LICENCE
    return DinoModel(name, digest_of(model, prepare), licence, model.to(place).eval(), prepare, place)


def _check_kind(source: str) -> None:
    kind = str(untyped(AutoConfig).from_pretrained(source).model_type)
    if kind not in KINDS:
        raise DinoError(f"`{source}` is a model of kind {kind}, not DINOv2; {GET_IT}")


def _preparation(source: str) -> Preparation:
    """What the model's preprocessor_config.json says, but for its crop, which would cut portraits."""
    read = untyped(BaseImageProcessor).get_image_processor_dict(source)[0]
    said = cast("dict[str, Any]", read)
    return Preparation(
        side=int(said["crop_size"]["height"]),
        resample=int(said["resample"]),
        mean=tuple(map(float, said["image_mean"])),
        std=tuple(map(float, said["image_std"])),
    )


@contextmanager
def _quiet() -> Generator[None]:
    """transformers shows a bar of its own for weights that are read in a moment."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
