"""A run's configuration: TOML over a preset, validated as a whole before anything loads. Paths start at the file."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from trainer.errors import ConfigurationError
from trainer.presets import PRESETS, with_preset
from trainer.toml_config import Section, read_toml, validate

DEFAULT_PRESET = "portrait"


class ModelSection(Section):
    """`dtype` is what the frozen base is held and computed in; adapters and optimizer states stay float32."""

    base: str = Field(min_length=1)
    dtype: Literal["float32", "bfloat16"]
    device: Literal["auto", "cpu", "cuda"] = "auto"


class DataSection(Section):
    """`train`, `reg`: the parents of kohya's `<repeats>_<words>` folders; `resolution`: the square's side in pixels."""

    train: Path
    reg: Path | None = None
    resolution: int = Field(ge=32, le=2048, multiple_of=8)


class LoraSection(Section):
    """The weight moves by alpha / rank * up @ down."""

    rank: int = Field(ge=1, le=1024)
    alpha: float = Field(gt=0, allow_inf_nan=False)


class TrainingSection(Section):
    """A learning rate of 0 leaves that part untrained, and its modules out of the files."""

    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    gradient_accumulation: int = Field(ge=1)
    unet_lr: float = Field(ge=0, allow_inf_nan=False)
    te_lr: float = Field(ge=0, allow_inf_nan=False)
    lr_scheduler: Literal["cosine_with_restarts"]
    lr_warmup_steps: int = Field(default=0, ge=0)
    lr_cycles: int = Field(default=1, ge=1)
    noise_offset: float = Field(ge=0, le=1)
    prior_loss_weight: float = Field(ge=0, allow_inf_nan=False)
    optimizer: Literal["AdamW8bit", "AdamW"]
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _something_learns(self) -> TrainingSection:
        if self.unet_lr == 0 and self.te_lr == 0:
            raise ValueError("unet_lr and te_lr are both 0, so nothing would be trained; give one of them a value")
        return self


class OutputSection(Section):
    """`name` begins every file's name: `name-000001.safetensors`, ..., the last epoch is `name.safetensors`."""

    folder: Path
    name: str = Field(pattern=r"^[^/\\\x00-\x1f.][^/\\\x00-\x1f]*$", max_length=120)
    save_dtype: Literal["float16", "bfloat16", "float32"] = "float16"


class TrainConfig(Section):
    """A whole configuration. Paths are absolute once it came through `read_config` or `parse_config`."""

    preset: Literal["portrait", "miniature"] = DEFAULT_PRESET
    model: ModelSection
    data: DataSection
    lora: LoraSection
    training: TrainingSection
    output: OutputSection


def read_config(path: Path) -> TrainConfig:
    """Read and validate a configuration file.

    Raises MissingFileError, or ConfigurationError that names every fault with its key.
    """
    return parse_config(read_toml(path), path)


def parse_config(values: dict[str, object], path: Path) -> TrainConfig:
    """Validate parsed TOML as if it stood in `path`, which paths are relative to and messages name.

    Raises ConfigurationError that names every fault with its key.
    """
    preset = values.get("preset", DEFAULT_PRESET)
    if not isinstance(preset, str) or preset not in PRESETS:
        near = get_close_matches(str(preset), list(PRESETS), n=1, cutoff=0.0)[0]
        raise ConfigurationError(f"{path}: preset: there is no preset `{preset}` (did you mean `{near}`?)")
    return _anchored(validate(TrainConfig, with_preset(PRESETS[preset], values), path), path.resolve().parent)


def _anchored(config: TrainConfig, folder: Path) -> TrainConfig:
    def anchor(path: Path) -> Path:
        return Path(os.path.normpath(folder / path.expanduser()))

    base, reg = config.model.base, config.data.reg
    # A base that is no path beside the file is a name: the miniature's, or a hub id.
    named = str(anchor(Path(base))) if anchor(Path(base)).exists() else base
    data = {"train": anchor(config.data.train), "reg": anchor(reg) if reg else None}
    return config.model_copy(
        update={
            "model": config.model.model_copy(update={"base": named}),
            "data": config.data.model_copy(update=data),
            "output": config.output.model_copy(update={"folder": anchor(config.output.folder)}),
        }
    )
