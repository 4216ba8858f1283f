"""A run's configuration: TOML over a preset, validated as a whole before anything loads. Paths start at the file."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from base_models.base_source import Overrides
from base_models.devices import DeviceName
from base_models.drawing.samplers import sampler_name
from base_models.drawing.settings import DrawingSettings
from base_models.families.family import Family
from base_models.model_hub import stay_offline
from base_models.prompts.prompt_syntax import fault_of_prompt
from foundation.errors import ConfigurationError
from foundation.key_reference.units import EPOCHS, MONEY, PIXELS, STEPS
from foundation.path_fields import AnchoredPath, FacesName, PathOrName
from foundation.seeds import Seed
from foundation.toml_config import Section, read_toml, validate
from trainer.config.data_section import DataSection
from trainer.config.kohya_words import kohya_words
from trainer.config.presets import PRESETS, with_preset
from trainer.config.training_section import TrainingSection

DEFAULT_PRESET = "portrait"
RUN_FILE = "train.toml"
FILE_NAME = re.compile(r"[^/\\\x00-\x1f.][^/\\\x00-\x1f]*")


class ModelSection(Section):
    """`dtype` is what the frozen base is held and computed in; adapters and optimizer states stay float32.

    `vae` is taken instead of the base's own, `prediction` where a single file does not say it (SD2).
    """

    base: PathOrName = Field(min_length=1)
    """The base model: a diffusers folder, a single .safetensors file, a hub id, or "miniature"."""
    vae: AnchoredPath | None = None
    """A VAE's folder or file, taken instead of the base's own."""
    prediction: Literal["epsilon", "v_prediction"] | None = None
    """What the UNet predicts, where a single file does not say it (SD2)."""
    dtype: Literal["float32", "bfloat16", "float16"]
    """What the frozen base is held and computed in; adapters and optimizer states stay float32."""
    device: DeviceName = "auto"
    """Where it is computed: "cpu", "cuda", "cuda:0"; "auto" is a GPU where there is one."""
    # kohya counts from 1: the last layer. SDXL's encoders are always read one layer before their last.
    clip_skip: int = Field(default=1, ge=1, le=12)
    """SD1's text encoder answers with this layer, counted from the end, 1 the last."""
    gradient_checkpointing: bool = False
    """Less memory, more time, the same gradients."""
    offline: bool = False
    """Whether nothing is fetched from a model hub: what is not on this machine is an error then."""

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
    """The kind of factors: a plain LoRA's, or LyCORIS' LoHa or LoKr."""
    rank: int = Field(ge=1, le=1024)
    """The inner width of each pair of factors."""
    alpha: float = Field(gt=0, allow_inf_nan=False)
    """The weight moves by alpha / rank * up @ down."""
    conv_rank: int = Field(default=0, ge=0, le=1024)
    """The rank of 3x3 convolutions; 0: they are not trained."""
    conv_alpha: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """The alpha of 3x3 convolutions."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """How often a value between the factors is left out of a step."""
    rank_dropout: float = Field(default=0.0, ge=0, lt=1)
    """How often a whole rank is left out of a step."""
    module_dropout: float = Field(default=0.0, ge=0, lt=1)
    """How often a whole module is left out of a step."""
    factor: int = Field(default=-1, ge=-1)
    """Of LoKr: what sides are divided by, as LyCORIS has it; -1: the nearest to a square root."""
    decompose_both: bool = False
    """Of LoKr: the smaller half is a product of two factors, too, where the rank is small enough."""
    full_matrix: bool = False
    """Of LoKr: the larger half is whole, whatever the rank; there is then no alpha."""
    network_weights: AnchoredPath | None = None
    """A LoRA file that the run begins with, in place of adapters that do nothing yet."""
    dim_from_weights: bool = False
    """Which modules are trained, their ranks and alphas are that file's."""

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
    """Where a step is not finite or explodes: go back at half the rate, leave it out, or stop."""
    max_rollbacks: int = Field(default=3, ge=0)
    """How often a run goes back before it gives up."""


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
    """What is drawn while training, a picture each; none: nothing is."""
    negative: Annotated[str, AfterValidator(_words_alone)] = ""
    """The negative prompt, of words alone, as the prompts are."""
    every_n_epochs: Annotated[int, EPOCHS] = Field(default=1, ge=1)
    """Between two epochs that are drawn; the last always is."""
    seed: Seed = 1
    """Of the first prompt's noise; the second's is one more, and so on."""
    sampler: Annotated[str, AfterValidator(sampler_name)] = "euler_a"
    """How the noise is taken away."""
    steps: Annotated[int, STEPS] = Field(default=30, ge=1)
    """Of each picture."""
    cfg: float = Field(default=9.0, ge=1, allow_inf_nan=False)
    """How strongly the prompt guides."""
    width: Annotated[int | None, PIXELS] = Field(default=None, ge=32, multiple_of=8)
    """Of the pictures; without it, `data.resolution`."""
    height: Annotated[int | None, PIXELS] = Field(default=None, ge=32, multiple_of=8)
    """Of the pictures; without it, `data.resolution`."""
    faces: FacesName | None = None
    """The face pack that measures the pictures' identity; without it, none is measured."""
    references: AnchoredPath | None = None
    """A folder of pictures of the subject that are not trained on; without it, what is held out."""
    allow_trained: bool = False
    """Go on although a reference is trained on."""
    allow_others: bool = False
    """Go on although the references show others than the subject, or one picture."""

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


def _file_name(written: str) -> str:
    """`written`, if files can begin with it. Raises ValueError."""
    if not FILE_NAME.fullmatch(written):
        raise ValueError("begins file names: letters, digits and other signs but / and \\, and no dot at the start")
    return written


class OutputSection(Section):
    """`name` begins every file's name: `name-000001.safetensors`, ..., the last epoch is `name.safetensors`.

    `save_state_every` steps, and after every epoch, what is needed to go on after a kill is saved. `price_per_hour` is
    what the machine costs, in any currency. `tensorboard`: event files in `name-tensorboard`. `comment` is written into
    the files' headers (kohya's `training_comment`).
    """

    folder: AnchoredPath
    """Where the run writes all of its files."""
    name: Annotated[str, AfterValidator(_file_name)] = Field(
        max_length=120, json_schema_extra={"pattern": f"^{FILE_NAME.pattern}$"}
    )
    """Begins every file's name: `name-000001.safetensors`, ..., the last epoch is `name.safetensors`."""
    save_dtype: Literal["float16", "bfloat16", "float32"] = "float16"
    """The type of the tensors in the files."""
    save_state_every: Annotated[int, STEPS] = Field(default=50, ge=1)
    """Between two saved states, from which a run goes on after a kill; one more after each epoch."""
    price_per_hour: Annotated[float | None, MONEY] = Field(default=None, ge=0, allow_inf_nan=False)
    """What the machine costs, in any currency: the record then says the run's cost."""
    tensorboard: bool = False
    """Event files in `name-tensorboard/`."""
    comment: str = Field(default="", max_length=2000)
    """A line for the files' headers."""


class TrainConfig(Section):
    """A whole configuration. Paths are absolute once it came through `read_config` or `parse_config`."""

    preset: Literal["portrait", "miniature"] = DEFAULT_PRESET
    """Settings that worked, which are the defaults of all other keys."""
    model: ModelSection
    data: DataSection
    lora: LoraSection
    training: TrainingSection
    guards: GuardsSection = GuardsSection()
    samples: SamplesSection = SamplesSection()
    output: OutputSection

    def drawing_on(self, family: Family) -> DrawingSettings:
        """How the run's pictures are drawn on a base model of that family: the table [samples] says how."""
        asked, side = self.samples, self.data.resolution
        return DrawingSettings(
            asked.sampler,
            asked.steps,
            asked.cfg,
            asked.width or side,
            asked.height or side,
            asked.negative,
            self.model.clip_skip if family.clip_skip_acts else 1,
        )


def check_output(config: TrainConfig) -> None:
    """Raise ConfigurationError where a run would write its files among pictures."""
    data, folder = config.data, config.output.folder
    named = (data.train, data.reg, *(one.path for one in data.folders), data.held_out, config.samples.references)
    among = next((one for one in named if one and folder.is_relative_to(one)), None)
    if among is not None:
        raise ConfigurationError(
            f"output.folder: {folder} lies among the pictures of {among}; name a folder of its own"
        )


def forced(config: TrainConfig) -> TrainConfig:
    """The configuration, going on whatever the references of its samples hold."""
    allowed = config.samples.model_copy(update={"allow_trained": True, "allow_others": True})
    return config.model_copy(update={"samples": allowed})


def run_file(path: Path) -> Path:
    """A folder with a `train.toml` in it, as `trainer init` makes one, stands for that file."""
    inside = path / RUN_FILE
    return inside if inside.is_file() else path


def read_config(path: Path) -> TrainConfig:
    """Read and validate a configuration file, or that of a folder. `offline = true` holds from here on.

    Raises MissingFileError, or ConfigurationError that names every fault with its key.
    """
    path = run_file(path)
    config = parse_config(read_toml(path), path)
    if config.model.offline:
        stay_offline()
    return config


def parse_config(values: dict[str, object], path: Path) -> TrainConfig:
    """Validate parsed TOML as if it stood in `path`, which paths are relative to and messages name.

    Raises ConfigurationError that names every fault with its key.
    """
    preset = values.get("preset", DEFAULT_PRESET)
    if not isinstance(preset, str) or preset not in PRESETS:
        near = get_close_matches(str(preset), list(PRESETS), n=1, cutoff=0.0)[0]
        raise ConfigurationError(f"{path}: preset: there is no preset `{preset}` (did you mean `{near}`?)")
    return validate(TrainConfig, with_preset(PRESETS[preset], values), path, kohya_words())
