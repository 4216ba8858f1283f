"""Pictures as arrays and as PNG files that carry A1111's `parameters` text."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from base_models.pictures.picture_file import load_picture


def to_bytes(picture: np.ndarray) -> np.ndarray:
    """(H, W, 3) float in 0..1 to uint8, as diffusers rounds; what is not finite becomes black."""
    return (np.nan_to_num(picture, nan=0.0) * 255).round().astype(np.uint8)


def failure_of(picture: np.ndarray) -> str | None:
    """Why a float picture (H, W, 3) shows nothing, or None where it shows something."""
    if not np.isfinite(picture).all():
        return "not finite"
    if picture.max() < 2 / 255:
        return "black"
    return "flat" if float(picture.std()) < 2 / 255 else None


def png_of(picture: np.ndarray, parameters: str) -> bytes:
    """(H, W, 3) float as a PNG file's bytes."""
    text = PngInfo()
    text.add_text("parameters", parameters)
    file = BytesIO()
    Image.fromarray(to_bytes(picture)).save(file, format="PNG", pnginfo=text)
    return file.getvalue()


def read_picture(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 of a picture file, as `load_picture` reads it. Raises UnreadablePictureError."""
    return np.asarray(load_picture(path))


def parameters_of(prompt: str, negative: str, facts: Mapping[str, object]) -> str:
    """A1111's text: the prompt, the negative prompt, then `key: value` pairs on one line."""
    told = [f"Negative prompt: {negative}"] if negative else []
    return "\n".join([prompt, *told, ", ".join(f"{key}: {value}" for key, value in facts.items())])
