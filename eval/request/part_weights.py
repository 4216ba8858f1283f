"""Weights by part in a specification: `[lora.weights]`, an axis a part, and `weights` of what is blended in."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import TypeVar

from pydantic import Field, model_validator

from foundation.toml_config import Section
from loras.weights import DENOISER_NAMES, TEXT_PARTS, Weights

Value = TypeVar("Value")


class _ByPart(Section):
    @model_validator(mode="after")
    def _one_word_a_part(self) -> _ByPart:
        denoiser = [word for word in DENOISER_NAMES if getattr(self, word) is not None]
        if len(denoiser) > 1:
            raise ValueError(f"{' and '.join(denoiser)} are one part; name it once")
        apart = [part for part in TEXT_PARTS if getattr(self, part) is not None]
        if self.te is not None and apart:
            raise ValueError(f"te is all text encoders, and {' and '.join(apart)} of them are named, too; name either")
        return self


class PartWeights(_ByPart):
    """How strongly one LoRA acts on each part; what is not named is 1."""

    unet: float | None = None
    """Its weight on the denoiser: a UNet, or a transformer."""
    transformer: float | None = None
    """The same, as it is called in families that have a transformer."""
    model: float | None = None
    """The same, as ComfyUI calls it."""
    te: float | None = None
    """Its weight on all text encoders."""
    te1: float | None = None
    """Its weight on the first text encoder."""
    te2: float | None = None
    """Its weight on the second text encoder."""
    te3: float | None = None
    """Its weight on the third text encoder; without it, as on the second."""
    adapter: float | None = None
    """Its weight on the adapter between text and denoiser (Anima); without it, as on the denoiser."""

    @property
    def said(self) -> dict[str, float]:
        """What is named, by word."""
        return {word: value for word, value in self.model_dump().items() if value is not None}


class PartAxes(_ByPart):
    """Weights to try on each part, an axis a part; one that is not named is 1."""

    unet: list[float] | None = Field(default=None, min_length=1)
    """Weights on the denoiser: a UNet, or a transformer."""
    transformer: list[float] | None = Field(default=None, min_length=1)
    """The same, as it is called in families that have a transformer."""
    model: list[float] | None = Field(default=None, min_length=1)
    """The same, as ComfyUI calls it."""
    te: list[float] | None = Field(default=None, min_length=1)
    """Weights on all text encoders together."""
    te1: list[float] | None = Field(default=None, min_length=1)
    """Weights on the first text encoder, apart from the others."""
    te2: list[float] | None = Field(default=None, min_length=1)
    """Weights on the second text encoder, apart from the first."""
    te3: list[float] | None = Field(default=None, min_length=1)
    """Weights on the third text encoder; without them, as on the second."""
    adapter: list[float] | None = Field(default=None, min_length=1)
    """Weights on the adapter between text and denoiser (Anima); without them, as on the denoiser."""

    @property
    def said(self) -> dict[str, list[float]]:
        """What is named, by word."""
        return {word: values for word, values in self.model_dump().items() if values is not None}


def every_weight(axes: Mapping[str, list[float]]) -> list[Weights]:
    """Every combination of weights on the parts, the denoiser's changing fastest, as grids have always listed them."""
    texts = [word for word in axes if word not in DENOISER_NAMES]
    words = [*texts, *(word for word in axes if word in DENOISER_NAMES)]
    combined = product(*(axes[word] for word in words))
    return [Weights.by(dict(zip(words, values, strict=True))) for values in combined]
