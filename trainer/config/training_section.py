"""The table [training] of a run's configuration: rates and their schedule, losses, the optimizer."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from foundation.seeds import Seed
from foundation.toml_config import Section
from trainer.config.schedule_options import SCHEDULE_KEYS, SCHEDULE_READS, step_rules

Rate = Annotated[float, Field(ge=0, allow_inf_nan=False)]
RATE_FINDING_OPTIMIZERS = ("DAdaptAdam", "Prodigy")


def _steps_or_share(asked: float, steps: int) -> int:
    """Below 1 it is a share of the steps, as in kohya."""
    return int(asked * (steps if asked < 1 else 1))


class TrainingSection(Section):
    """A learning rate of 0 leaves that part untrained, and its modules out of the files.

    `te_lr` is for all text encoders, `te1_lr` and `te2_lr` for one; `te_stop_at`: the share of the steps after which
    they are left as they are. `lr_warmup_steps` and `lr_decay_steps` below 1 are shares of the steps; what a schedule
    does not read is refused. `max_grad_norm` 0 clips nothing.
    With an `ema_decay`, files hold the exponential mean of the weights. `scale_weight_norms` holds the norm of each
    module's delta, 0 holds none. Timesteps are drawn from `min_timestep` up to, and without, `max_timestep`.
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
    noise_offset_random_strength: bool = False
    adaptive_noise_scale: float = Field(default=0.0, ge=-1, le=1)
    multires_noise_iterations: int = Field(default=0, ge=0, le=64)
    multires_noise_discount: float = Field(default=0.3, ge=0, le=1)
    min_timestep: int = Field(default=0, ge=0, le=999)
    max_timestep: int = Field(default=1000, ge=1, le=1000)
    min_snr_gamma: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    debiased_estimation_loss: bool = False
    scale_v_pred_loss_like_noise_pred: bool = False
    zero_terminal_snr: bool = False
    prior_loss_weight: float = Field(ge=0, allow_inf_nan=False)
    max_grad_norm: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    scale_weight_norms: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    optimizer: Literal["AdamW8bit", "AdamW", "Lion", "Lion8bit", "Adafactor", "DAdaptAdam", "Prodigy"]
    optimizer_args: dict[str, bool | int | float | str | list[float]] = Field(default_factory=dict)
    ema_decay: float = Field(default=0.0, ge=0, lt=1)
    seed: Seed = 0

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
    def _noise_holds_together(self) -> TrainingSection:
        shaped = [key for key in ("noise_offset_random_strength", "adaptive_noise_scale") if getattr(self, key)]
        if shaped and not self.noise_offset:
            raise ValueError(f"{shaped[0]} changes the noise_offset, which is 0; give it a value, or leave this out")
        discount = type(self).model_fields["multires_noise_discount"].default
        if self.multires_noise_discount != discount and not self.multires_noise_iterations:
            raise ValueError("multires_noise_discount does nothing without multires_noise_iterations; set 6 to 10")
        if self.min_timestep >= self.max_timestep:
            raise ValueError(
                f"min_timestep {self.min_timestep} is not below max_timestep {self.max_timestep}, so none is left"
            )
        return self

    @model_validator(mode="after")
    def _schedule_reads_its_numbers(self) -> TrainingSection:
        read = SCHEDULE_READS[self.lr_scheduler]
        for key in SCHEDULE_KEYS:
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
        if self.optimizer in RATE_FINDING_OPTIMIZERS and len(set(self.rates.values()) - {0.0}) > 1:
            raise ValueError(
                f"{self.optimizer} finds one rate for all parts; give unet_lr and te_lr the same value (1.0)"
            )
        return self
