"""The grid's specification: TOML, validated as a whole before anything loads. Paths are relative to the file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from trainer.toml_config import Section, read_toml, validate

DTYPES = Literal["float32", "float16", "bfloat16"]


class ModelSection(Section):
    base: str
    dtype: DTYPES = "float32"
    device: str = "auto"


class AlsoEntry(Section):
    """Another LoRA blended in; `{}` stands for none. `checkpoints` says beside which ones of the grid it is tried."""

    file: str | None = None
    unet: float = 1.0
    te: float = 1.0
    checkpoints: Literal["all", "last"] = "all"


class LoraSection(Section):
    """`checkpoints` are files or patterns; every combination with `unet`, `te` and `also` is a cell."""

    checkpoints: list[str] = Field(min_length=1)
    unet: list[float] = Field(default=[1.0], min_length=1)
    te: list[float] = Field(default=[1.0], min_length=1)
    also: list[AlsoEntry | list[AlsoEntry]] = Field(default_factory=lambda: [AlsoEntry()])
    export_dtype: DTYPES = "float16"

    @field_validator("also")
    @classmethod
    def _some(cls, also: list[AlsoEntry | list[AlsoEntry]]) -> list[AlsoEntry | list[AlsoEntry]]:
        return also or [AlsoEntry()]


class SamplerSection(Section):
    """The protocol's defaults: Euler a, 30 steps, CFG 9. Width and height default to the base model's own size."""

    name: Literal["euler_a"] = "euler_a"
    steps: int = Field(default=30, ge=1)
    cfg: float = Field(default=9.0, ge=1.0)
    width: int | None = Field(default=None, ge=8)
    height: int | None = Field(default=None, ge=8)
    clip_skip: int = Field(default=1, ge=1)
    batch: int = Field(default=8, ge=1)


class PromptsSection(Section):
    """A prompt with the trigger in it shows the subject; one without it tests for bleed."""

    file: str | None = None
    texts: list[str] = Field(default_factory=list)
    negative: str = ""
    seeds: int | list[int] = 4
    trigger: str = Field(min_length=1)
    class_word: str = Field(alias="class", min_length=1)

    @field_validator("seeds")
    @classmethod
    def _any_seed(cls, seeds: int | list[int]) -> int | list[int]:
        if seeds == [] or (isinstance(seeds, int) and seeds < 1):
            raise ValueError("give at least one seed")
        return seeds

    @model_validator(mode="after")
    def _one_source(self) -> PromptsSection:
        if (self.file is None) == (not self.texts):
            raise ValueError("give the prompts either as `file` or as `texts` (with at least one prompt)")
        return self

    @property
    def seed_list(self) -> list[int]:
        return list(range(1, self.seeds + 1)) if isinstance(self.seeds, int) else list(self.seeds)


class ReferencesSection(Section):
    held_out: str
    training: str | None = None


class ScoreSection(Section):
    faces: str = "miniature"
    clip: str = "miniature"


class StoreSection(Section):
    path: str = "eval"


class GridSpec(Section):
    """A whole specification."""

    model: ModelSection
    lora: LoraSection
    sampler: SamplerSection = SamplerSection()
    prompts: PromptsSection
    references: ReferencesSection
    score: ScoreSection = ScoreSection()
    store: StoreSection = StoreSection()


def read_spec(path: Path) -> GridSpec:
    """Read and validate a grid specification; its paths come out absolute.

    Raises MissingFileError or ConfigurationError.
    """
    spec = validate(GridSpec, read_toml(path), path)
    folder = path.resolve().parent

    def anchored(name: str) -> str:
        return os.path.normpath(folder / Path(name).expanduser())

    def anchored_if_there(name: str) -> str:
        return anchored(name) if (folder / name).exists() else name

    def also(entry: AlsoEntry) -> AlsoEntry:
        return entry.model_copy(update={"file": entry.file and anchored(entry.file)})

    lora = {
        "checkpoints": [anchored(pattern) for pattern in spec.lora.checkpoints],
        "also": [[also(one) for one in e] if isinstance(e, list) else also(e) for e in spec.lora.also],
    }
    references = {"held_out": anchored(spec.references.held_out)}
    if spec.references.training is not None:
        references["training"] = anchored(spec.references.training)
    return spec.model_copy(
        update={
            "model": spec.model.model_copy(update={"base": anchored_if_there(spec.model.base)}),
            "lora": spec.lora.model_copy(update=lora),
            "prompts": spec.prompts.model_copy(update={"file": spec.prompts.file and anchored(spec.prompts.file)}),
            "references": spec.references.model_copy(update=references),
            "score": spec.score.model_copy(update={"faces": anchored_if_there(spec.score.faces)}),
            "store": StoreSection(path=anchored(spec.store.path)),
        }
    )
