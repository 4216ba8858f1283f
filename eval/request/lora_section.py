"""The table `[lora]` of a grid's specification: files, weights by part, and what is blended in."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, field_validator, model_validator

from foundation.path_fields import AnchoredPath, FilePattern
from foundation.toml_config import Section
from loras.weights import DENOISER_NAMES, TEXT_PARTS, Weights

DTYPES = Literal["float32", "float16", "bfloat16"]
Sectioned = TypeVar("Sectioned", bound=Section)


class _ByPart(Section):
    @property
    def said(self) -> dict[str, Any]:
        """What is named, by word."""
        return {word: value for word, value in self.model_dump().items() if value is not None}

    @model_validator(mode="after")
    def _one_word_a_part(self) -> _ByPart:
        said = self.said
        denoiser = [word for word in DENOISER_NAMES if word in said]
        if len(denoiser) > 1:
            raise ValueError(f"{' and '.join(denoiser)} are one part; name it once")
        apart = [part for part in TEXT_PARTS if part in said]
        if "te" in said and apart:
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


class AlsoEntry(Section):
    """Another LoRA blended in; `{}` stands for none. `checkpoints` says beside which ones of the grid it is tried."""

    file: AnchoredPath | None = None
    """Another LoRA that is blended in; an entry without one stands for none."""
    unet: float = 1.0
    """Its weight on the UNet."""
    te: float = 1.0
    """Its weight on the text encoders."""
    weights: PartWeights = PartWeights()
    """Its weights by part, instead of `unet` and `te`, where text encoders are to differ."""
    checkpoints: Literal["all", "first", "last"] = "all"
    """Beside which of the grid's checkpoints it is tried, in the order of training."""

    @model_validator(mode="after")
    def _said_once(self) -> AlsoEntry:
        return _checked_once(self, self.weights.said)

    @property
    def on_parts(self) -> Weights:
        """Its weights."""
        return Weights.by(self.weights.said) if self.weights.said else Weights.of(self.unet, self.te)


class GuestEntry(Section):
    """Somebody else's LoRA beside one's own checkpoints: the same prompts and seeds, its own trigger in them.

    It is a row at each of the grid's weights, with nothing blended in."""

    file: AnchoredPath
    """The LoRA file; its rows are named by it."""
    trigger: str = Field(min_length=1)
    """What calls its subject: put in the place of the grid's trigger. Of a LoRA without one, the class word."""
    class_word: str | None = Field(default=None, alias="class", min_length=1)
    """What its subject is: what the base model is shown for it; without it, the grid's class word."""

    @field_validator("trigger", "class_word")
    @classmethod
    def _words(cls, words: str | None) -> str | None:
        if words is not None and (not words.strip() or not words.isprintable()):
            raise ValueError("write words, on one line")
        return words


def _checked_once(section: Sectioned, by_part: Mapping[str, object]) -> Sectioned:
    """Raise ValueError where weights are said both in the table itself and by part."""
    both = [key for key in ("unet", "te") if key in section.model_fields_set]
    if by_part and both:
        raise ValueError(f"weights are given by part ({', '.join(by_part)}), and as {' and '.join(both)}; give either")
    return section


class LoraSection(Section):
    """`checkpoints` are files or patterns; every combination with weights (`unet`, `te`, or by part in `weights`) and
    `also` is a cell."""

    checkpoints: list[FilePattern] = Field(min_length=1)
    """LoRA files, or patterns of them; each is a row of cells."""
    unet: list[float] = Field(default=[1.0], min_length=1)
    """Weights on the UNet, each a cell of every checkpoint."""
    te: list[float] = Field(default=[1.0], min_length=1)
    """Weights on the text encoders, each a cell of every checkpoint."""
    weights: PartAxes = PartAxes()
    """Weights by part, an axis a part, instead of `unet` and `te`: `te1` and `te2` apart, a `transformer`."""
    also: list[AlsoEntry | list[AlsoEntry]] = Field(default_factory=lambda: [AlsoEntry()])
    """What is blended in, each a cell: an entry, or a list of entries that come together."""
    guest: list[GuestEntry] = Field(default_factory=list[GuestEntry])
    """Other people's LoRA files, each with its own trigger: `[[lora.guest]]`, a table each."""
    export_dtype: DTYPES = "float16"
    """The type in which LoRAs are added up and exported."""

    @field_validator("also")
    @classmethod
    def _some(cls, also: list[AlsoEntry | list[AlsoEntry]]) -> list[AlsoEntry | list[AlsoEntry]]:
        for together in also:
            if isinstance(together, list) and {"first", "last"} <= {entry.checkpoints for entry in together}:
                raise ValueError("LoRAs that come together stand beside the first checkpoint or the last; name one")
        return also or [AlsoEntry()]

    @field_validator("guest")
    @classmethod
    def _each_once(cls, guests: list[GuestEntry]) -> list[GuestEntry]:
        if len({(one.file, one.trigger) for one in guests}) < len(guests):
            raise ValueError("a file stands there twice with one trigger; name it once")
        return guests

    @model_validator(mode="after")
    def _said_once(self) -> LoraSection:
        return _checked_once(self, self.weights.said)

    @property
    def said_weights(self) -> dict[str, list[float]]:
        """The axes of weights, by word."""
        return self.weights.said or {"te": self.te, "unet": self.unet}

    @property
    def also_lists(self) -> list[list[AlsoEntry]]:
        """What is blended in together, a list for each value of the axis."""
        return [entry if isinstance(entry, list) else [entry] for entry in self.also]

    @property
    def blended(self) -> list[Path]:
        """Every file that is blended in, as often as it is named."""
        return [entry.file for entries in self.also_lists for entry in entries if entry.file is not None]


def every_weight(axes: Mapping[str, list[float]]) -> list[Weights]:
    """Every combination of weights on the parts, the denoiser's changing fastest, as grids have always listed them."""
    texts = [word for word in axes if word not in DENOISER_NAMES]
    words = [*texts, *(word for word in axes if word in DENOISER_NAMES)]
    combined = product(*(axes[word] for word in words))
    return [Weights.by(dict(zip(words, values, strict=True))) for values in combined]
