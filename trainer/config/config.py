"""A run's configuration: TOML over a preset, validated as a whole before anything loads. Paths start at the file."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from base_models.base_source import Overrides
from base_models.devices import DeviceName
from base_models.drawing.samplers import sampler_name
from base_models.prompts.prompt_syntax import fault_of_prompt
from foundation.errors import ConfigurationError
from foundation.path_fields import AnchoredPath, FacesName, PathOrName
from foundation.seeds import Seed
from foundation.toml_config import Section, read_toml, validate
from trainer.config.data_section import DataSection
from trainer.config.presets import PRESETS, with_preset
from trainer.config.training_section import TrainingSection

DEFAULT_PRESET = "portrait"


class ModelSection(Section):
    """`dtype` is what the frozen base is held and computed in; adapters and optimizer states stay float32.

    `vae` is taken instead of the base's own, `prediction` where a single file does not say it (SD2).
    """

    base: PathOrName = Field(min_length=1)
    vae: AnchoredPath | None = None
    prediction: Literal["epsilon", "v_prediction"] | None = None
    dtype: Literal["float32", "bfloat16", "float16"]
    device: DeviceName = "auto"
    # kohya counts from 1: the last layer. SDXL's encoders are always read one layer before their last.
    clip_skip: int = Field(default=1, ge=1, le=12)
    gradient_checkpointing: bool = False

    @property
    def overrides(self) -> Overrides:
        return Overrides(None if self.vae is None else str(self.vae), self.prediction)


# LyCORIS' kinds do without these; its own dropouts are others.
PLAIN_ALONE = ("dropout", "rank_dropout", "module_dropout", "network_weights")


class LoraSection(Section):
    """The weight moves by alpha / rank * up @ down. A `conv_rank` of 0 leaves the 3x3 convolutions alone.

    `network_weights` is a LoRA file that the run begins with, in place of adapters that do nothing yet;
    `dim_from_weights` takes which modules are trained, their ranks and alphas from that file. Another `algo` than
    "lora" is LyCORIS' kind; `factor`, `decompose_both` and `full_matrix` are its LoKr's.
    """

    algo: Literal["lora", "loha", "lokr"] = "lora"
    rank: int = Field(ge=1, le=1024)
    alpha: float = Field(gt=0, allow_inf_nan=False)
    conv_rank: int = Field(default=0, ge=0, le=1024)
    conv_alpha: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    rank_dropout: float = Field(default=0.0, ge=0, lt=1)
    module_dropout: float = Field(default=0.0, ge=0, lt=1)
    factor: int = Field(default=-1, ge=-1)
    decompose_both: bool = False
    full_matrix: bool = False
    network_weights: AnchoredPath | None = None
    dim_from_weights: bool = False

    @model_validator(mode="after")
    def _ranks_come_from_a_file(self) -> LoraSection:
        if self.dim_from_weights and self.network_weights is None:
            raise ValueError("dim_from_weights needs the LoRA file that it reads; set network_weights, or leave it out")
        return self

    @model_validator(mode="after")
    def _kinds_read_their_numbers(self) -> LoraSection:
        keys = {"lokr": ("factor", "decompose_both", "full_matrix"), "lora": PLAIN_ALONE}
        for kind, own in keys.items():
            changed = [key for key in own if getattr(self, key) != type(self).model_fields[key].default]
            if changed and self.algo != kind:
                raise ValueError(f'{changed[0]} is read with algo = "{kind}" alone; leave it out')
        if self.factor == 0:
            raise ValueError("factor divides sides, so it is no 0; -1 has the nearest to a square root taken")
        return self


class GuardsSection(Section):
    """What happens when a step is not finite or explodes: go back at half the learning rate, leave it out, or stop."""

    on_divergence: Literal["rollback", "skip", "stop"] = "rollback"
    max_rollbacks: int = Field(default=3, ge=0)


def _words_alone(prompt: str) -> str:
    """`prompt`, if nothing in it means something else elsewhere. Raises ValueError."""
    if fault := fault_of_prompt(prompt):
        raise ValueError(fault)
    return prompt


class SamplesSection(Section):
    """Pictures drawn while training, one a prompt: the first with `seed`, the next with `seed` + 1, and so on.

    `faces` is the face pack that measures their identity, `references` a folder of pictures of the subject that are
    not trained on; without it, what is held out. `allow_trained`, `allow_others`: go on although one of them is trained
    on, or they show others than the subject, or one picture. Sides default to `data.resolution`.
    """

    prompts: list[Annotated[str, Field(min_length=1), AfterValidator(_words_alone)]] = Field(default=[], max_length=24)
    negative: Annotated[str, AfterValidator(_words_alone)] = ""
    every_n_epochs: int = Field(default=1, ge=1)
    seed: Seed = 1
    sampler: Annotated[str, AfterValidator(sampler_name)] = "euler_a"
    steps: int = Field(default=30, ge=1)
    cfg: float = Field(default=9.0, ge=1, allow_inf_nan=False)
    width: int | None = Field(default=None, ge=32, multiple_of=8)
    height: int | None = Field(default=None, ge=32, multiple_of=8)
    faces: FacesName | None = None
    references: AnchoredPath | None = None
    allow_trained: bool = False
    allow_others: bool = False

    def due(self, epoch: int, last: int) -> bool:
        """Whether pictures are drawn after this epoch; the base model's are epoch 0's."""
        return bool(self.prompts) and (epoch % self.every_n_epochs == 0 or epoch == last)

    @model_validator(mode="after")
    def _measured_on_something(self) -> SamplesSection:
        if self.faces and not self.prompts:
            raise ValueError("`faces` measures sample pictures; give `prompts`, or leave `faces` out")
        if self.references and not self.faces:
            raise ValueError('`references` are for measuring identity; give the face pack, `faces = "buffalo_l"`')
        return self


class OutputSection(Section):
    """`name` begins every file's name: `name-000001.safetensors`, ..., the last epoch is `name.safetensors`.

    `save_state_every` steps, and after every epoch, what is needed to go on after a kill is saved. `price_per_hour` is
    what the machine costs, in any currency. `tensorboard`: event files in `name-tensorboard`. `comment` is written into
    the files' headers (kohya's `training_comment`).
    """

    folder: AnchoredPath
    name: str = Field(pattern=r"^[^/\\\x00-\x1f.][^/\\\x00-\x1f]*$", max_length=120)
    save_dtype: Literal["float16", "bfloat16", "float32"] = "float16"
    save_state_every: int = Field(default=50, ge=1)
    price_per_hour: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    tensorboard: bool = False
    comment: str = Field(default="", max_length=2000)


class TrainConfig(Section):
    """A whole configuration. Paths are absolute once it came through `read_config` or `parse_config`."""

    preset: Literal["portrait", "miniature"] = DEFAULT_PRESET
    model: ModelSection
    data: DataSection
    lora: LoraSection
    training: TrainingSection
    guards: GuardsSection = GuardsSection()
    samples: SamplesSection = SamplesSection()
    output: OutputSection


def forced(config: TrainConfig) -> TrainConfig:
    """The configuration, going on whatever the references of its samples hold."""
    allowed = config.samples.model_copy(update={"allow_trained": True, "allow_others": True})
    return config.model_copy(update={"samples": allowed})


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
    return validate(TrainConfig, with_preset(PRESETS[preset], values), path)
