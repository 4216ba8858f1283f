"""A run's configuration: TOML over a preset, validated as a whole before anything loads. Paths start at the file."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from base_models.base_source import Overrides
from base_models.drawing.samplers import sampler_name
from foundation.errors import ConfigurationError
from foundation.path_fields import AnchoredPath, PathOrName
from foundation.toml_config import Section, read_toml, validate
from trainer.config.presets import PRESETS, with_preset
from trainer.config.schedule_options import OF_A_SCHEDULE, SCHEDULE_READS, step_rules

DEFAULT_PRESET = "portrait"


class ModelSection(Section):
    """`dtype` is what the frozen base is held and computed in; adapters and optimizer states stay float32.

    `vae` is taken instead of the base's own, `prediction` where a single file does not say it (SD2).
    """

    base: PathOrName = Field(min_length=1)
    vae: AnchoredPath | None = None
    prediction: Literal["epsilon", "v_prediction"] | None = None
    dtype: Literal["float32", "bfloat16", "float16"]
    device: Literal["auto", "cpu", "cuda"] = "auto"
    # kohya counts from 1: the last layer. SDXL's encoders are always read one layer before their last.
    clip_skip: int = Field(default=1, ge=1, le=12)
    gradient_checkpointing: bool = False

    @property
    def overrides(self) -> Overrides:
        return Overrides(None if self.vae is None else str(self.vae), self.prediction)


OF_BUCKETS = ("min_bucket_reso", "max_bucket_reso", "bucket_reso_steps", "bucket_no_upscale")


def _them(keys: Sequence[str]) -> str:
    return "it" if len(keys) == 1 else "them"


class DataSection(Section):
    """`train`, `reg`: the parents of kohya's `<repeats>_<words>` folders; `resolution`: a square's side in pixels.

    With `enable_bucket`, pictures keep their aspect and only their area is that square's. `held_out` is a folder of
    captioned pictures that are never trained on; without it, `held_out_share` of the train pictures are set aside.
    """

    train: AnchoredPath
    reg: AnchoredPath | None = None
    held_out: AnchoredPath | None = None
    held_out_share: float = Field(default=0.05, ge=0, le=0.5)
    cache: AnchoredPath | None = None
    resolution: int = Field(ge=32, le=2048, multiple_of=8)
    enable_bucket: bool = False
    min_bucket_reso: int | None = Field(default=None, ge=8)
    max_bucket_reso: int | None = Field(default=None, ge=8)
    bucket_reso_steps: int | None = Field(default=None, ge=8, multiple_of=8)
    bucket_no_upscale: bool = False
    flip_aug: bool = False
    shuffle_caption: bool = False
    keep_tokens: int = Field(default=0, ge=0)
    caption_dropout_rate: float = Field(default=0.0, ge=0, le=1)
    caption_dropout_every_n_epochs: int = Field(default=0, ge=0)
    caption_tag_dropout_rate: float = Field(default=0.0, ge=0, le=1)

    @property
    def bucket_range(self) -> tuple[int, int, int]:
        """Shortest and longest side, and the step between: kohya's 256, 1024 and 64, smaller below 512 px."""
        share = min(1.0, self.resolution / 512)
        steps = self.bucket_reso_steps or max(8, int(64 * share) // 8 * 8)
        low = self.min_bucket_reso or max(steps, int(256 * share) // steps * steps)
        return low, self.max_bucket_reso or max(int(1024 * share), self.resolution), steps

    @property
    def captions_vary(self) -> bool:
        """Whether a picture's caption differs between steps."""
        rates = self.caption_dropout_rate + self.caption_tag_dropout_rate + self.caption_dropout_every_n_epochs
        return self.shuffle_caption or rates > 0

    @model_validator(mode="after")
    def _buckets_hold_the_resolution(self) -> DataSection:
        low, high, steps = self.bucket_range
        if self.enable_bucket and not low <= self.resolution <= high:
            raise ValueError(
                f"resolution {self.resolution} is not within min_bucket_reso {low} and max_bucket_reso {high}"
            )
        if self.enable_bucket and low % steps:
            raise ValueError(f"min_bucket_reso {low} is no multiple of bucket_reso_steps {steps}")
        return self

    @model_validator(mode="after")
    def _what_is_asked_for_does_something(self) -> DataSection:
        idle = [key for key in OF_BUCKETS if getattr(self, key)]
        if idle and not self.enable_bucket:
            raise ValueError(
                f"{', '.join(idle)}: nothing without buckets; set enable_bucket = true, or leave {_them(idle)} out"
            )
        if self.keep_tokens and not (self.shuffle_caption or self.caption_tag_dropout_rate):
            raise ValueError(
                "keep_tokens does nothing where captions keep their tags in order; set shuffle_caption = true or a "
                "caption_tag_dropout_rate, or leave it out"
            )
        return self


class LoraSection(Section):
    """The weight moves by alpha / rank * up @ down. A `conv_rank` of 0 leaves the 3x3 convolutions alone."""

    rank: int = Field(ge=1, le=1024)
    alpha: float = Field(gt=0, allow_inf_nan=False)
    conv_rank: int = Field(default=0, ge=0, le=1024)
    conv_alpha: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    rank_dropout: float = Field(default=0.0, ge=0, lt=1)
    module_dropout: float = Field(default=0.0, ge=0, lt=1)


Rate = Annotated[float, Field(ge=0, allow_inf_nan=False)]
OWN_RATE = ("DAdaptAdam", "Prodigy")


def _steps_or_share(asked: float, steps: int) -> int:
    """Below 1 it is a share of the steps, as in kohya."""
    return int(asked * (steps if asked < 1 else 1))


class TrainingSection(Section):
    """A learning rate of 0 leaves that part untrained, and its modules out of the files.

    `te_lr` is for all text encoders, `te1_lr` and `te2_lr` for one; `te_stop_at`: the share of the steps after which
    they are left as they are. `lr_warmup_steps` and `lr_decay_steps` below 1 are shares of the steps; what a schedule
    does not read is refused. `max_grad_norm` 0 clips nothing.
    With an `ema_decay`, files hold the exponential mean of the weights.
    """

    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    gradient_accumulation: int = Field(ge=1)
    unet_lr: Rate
    te_lr: Rate
    te1_lr: Rate | None = None
    te2_lr: Rate | None = None
    te_stop_at: float = Field(default=1.0, gt=0, le=1)
    lr_scheduler: Literal[
        "constant",
        "constant_with_warmup",
        "linear",
        "cosine",
        "cosine_with_restarts",
        "polynomial",
        "inverse_sqrt",
        "cosine_with_min_lr",
        "warmup_stable_decay",
        "piecewise_constant",
        "adafactor",
    ]
    lr_warmup_steps: float = Field(default=0, ge=0, allow_inf_nan=False)
    lr_cycles: int = Field(default=1, ge=1)
    lr_power: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    lr_timescale: int | None = Field(default=None, ge=1)
    lr_min_ratio: float | None = Field(default=None, ge=0, le=1)
    lr_decay_steps: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    lr_step_rules: str | None = None
    noise_offset: float = Field(ge=0, le=1)
    min_snr_gamma: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    debiased_estimation_loss: bool = False
    scale_v_pred_loss_like_noise_pred: bool = False
    zero_terminal_snr: bool = False
    prior_loss_weight: float = Field(ge=0, allow_inf_nan=False)
    max_grad_norm: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    optimizer: Literal["AdamW8bit", "AdamW", "Lion", "Lion8bit", "Adafactor", "DAdaptAdam", "Prodigy"]
    optimizer_args: dict[str, bool | int | float | str | list[float]] = Field(default_factory=dict)
    ema_decay: float = Field(default=0.0, ge=0, lt=1)
    seed: int = Field(default=0, ge=0)

    @property
    def rates(self) -> dict[str, float]:
        """The learning rate of each part: "unet", "te1" (SD1's and SD2's only text encoder, or SDXL's first), "te2"."""
        first, second = (self.te_lr if one is None else one for one in (self.te1_lr, self.te2_lr))
        return {"unet": self.unet_lr, "te1": first, "te2": second}

    def warmup(self, steps: int) -> int:
        """Steps of warm-up in a run of `steps`."""
        return _steps_or_share(self.lr_warmup_steps, steps)

    def decay(self, steps: int) -> int:
        """Steps at the end of a run of `steps` in which `warmup_stable_decay` goes down."""
        return _steps_or_share(self.lr_decay_steps or 0, steps)

    @model_validator(mode="after")
    def _something_learns(self) -> TrainingSection:
        if not any(self.rates.values()):
            raise ValueError("unet_lr and te_lr are both 0, so nothing would be trained; give one of them a value")
        if not self.unet_lr and self.te_stop_at < 1:
            raise ValueError(
                f"unet_lr is 0 and te_stop_at {self.te_stop_at:g}, so nothing would learn once the text encoders stop; "
                "set te_stop_at = 1.0 and train for fewer epochs, or give unet_lr a value"
            )
        return self

    @model_validator(mode="after")
    def _schedule_reads_its_numbers(self) -> TrainingSection:
        read = SCHEDULE_READS[self.lr_scheduler]
        for key in OF_A_SCHEDULE:
            if key not in read and getattr(self, key) != type(self).model_fields[key].default:
                readers = ", ".join(name for name, keys in SCHEDULE_READS.items() if key in keys)
                raise ValueError(
                    f'{key} does nothing with lr_scheduler = "{self.lr_scheduler}"; leave it out, or take {readers}'
                )
        if "lr_step_rules" in read:
            if self.lr_step_rules is None:
                raise ValueError('"piecewise_constant" needs lr_step_rules = "1:10,0.1:20,0.005" (factor:end)')
            step_rules(self.lr_step_rules)
        if "lr" in self.optimizer_args:
            raise ValueError("optimizer_args: `lr` would be overwritten by the schedule; set unet_lr and te_lr instead")
        return self

    @model_validator(mode="after")
    def _optimizer_and_schedule_agree(self) -> TrainingSection:
        relative = self.optimizer == "Adafactor" and self.optimizer_args.get("relative_step", True)
        if (self.lr_scheduler == "adafactor") != bool(relative):
            raise ValueError(
                'lr_scheduler = "adafactor" and optimizer = "Adafactor" belong together; for another schedule give '
                "Adafactor optimizer_args = { relative_step = false }"
            )
        if self.optimizer in OWN_RATE and len(set(self.rates.values()) - {0.0}) > 1:
            raise ValueError(
                f"{self.optimizer} finds one rate for all parts; give unet_lr and te_lr the same value (1.0)"
            )
        return self


class GuardsSection(Section):
    """What happens when a step is not finite or explodes: go back at half the learning rate, leave it out, or stop."""

    on_divergence: Literal["rollback", "skip", "stop"] = "rollback"
    max_rollbacks: int = Field(default=3, ge=0)


class SamplesSection(Section):
    """Pictures drawn while training, one a prompt: the first with `seed`, the next with `seed` + 1, and so on.

    `faces` is the face pack that measures their identity, `references` a folder of pictures of the subject that are
    not trained on; without it, what is held out. Sides default to `data.resolution`.
    """

    prompts: list[Annotated[str, Field(min_length=1)]] = Field(default=[], max_length=24)
    negative: str = ""
    every_n_epochs: int = Field(default=1, ge=1)
    seed: int = Field(default=1, ge=0)
    sampler: Annotated[str, AfterValidator(sampler_name)] = "euler_a"
    steps: int = Field(default=30, ge=1)
    cfg: float = Field(default=9.0, ge=1, allow_inf_nan=False)
    width: int | None = Field(default=None, ge=32, multiple_of=8)
    height: int | None = Field(default=None, ge=32, multiple_of=8)
    faces: PathOrName | None = None
    references: AnchoredPath | None = None

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
