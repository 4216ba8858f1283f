"""The table [training] of a run's configuration: rates and their schedule, losses, the optimizer."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from foundation.key_reference.units import EPOCHS, PICTURES, SHARE, STEPS, TIMESTEPS
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

    epochs: Annotated[int, EPOCHS] = Field(ge=1, le=10_000)
    """How often all pictures are gone through, by their repeats; each leaves a LoRA file."""
    batch_size: Annotated[int, PICTURES] = Field(ge=1)
    """Pictures that are learned from at once."""
    gradient_accumulation: int = Field(ge=1)
    """Batches of an update, over which the gradient is averaged."""
    unet_lr: Rate
    """The learning rate of the UNet; 0: it is not trained, and not in the files."""
    te_lr: Rate
    """The learning rate of the text encoders; 0: they are not trained, and not in the files."""
    te1_lr: Rate | None = None
    """The learning rate of the first text encoder; without it, `te_lr`."""
    te2_lr: Rate | None = None
    """The learning rate of SDXL's second text encoder; without it, `te_lr`."""
    te_stop_at: Annotated[float, SHARE] = Field(default=1.0, gt=0, le=1)
    """The share of the steps after which the text encoders stay as they are."""
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
    """How the learning rates go over the run."""
    lr_warmup_steps: Annotated[float, STEPS] = Field(default=0, ge=0, allow_inf_nan=False)
    """Of linear warm-up; below 1 a share of the run."""
    lr_cycles: int = Field(default=1, ge=1)
    """Half cosines in the run, or in the way down of `warmup_stable_decay`."""
    lr_power: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """Of `polynomial`."""
    lr_timescale: Annotated[int | None, STEPS] = Field(default=None, ge=1)
    """Of `inverse_sqrt`; without it as long as the warm-up, or 10,000."""
    lr_min_ratio: float | None = Field(default=None, ge=0, le=1)
    """The factor that `cosine_with_min_lr` and `warmup_stable_decay` go down to."""
    lr_decay_steps: Annotated[float | None, STEPS] = Field(default=None, ge=0, allow_inf_nan=False)
    """At the end, in which `warmup_stable_decay` goes down; below 1 a share of the run."""
    lr_step_rules: str | None = None
    """Of `piecewise_constant`: "1:10,0.1:20,0.005" is 1 before step 10, 0.1 before step 20, then 0.005."""
    noise_offset: float = Field(ge=0, le=1)
    """How much a shift of whole channels is added to the noise, so that dark and bright pictures are learned."""
    noise_offset_random_strength: bool = False
    """Each batch's offset is drawn evenly from 0 to `noise_offset`."""
    adaptive_noise_scale: float = Field(default=0.0, ge=-1, le=1)
    """Times the size of a channel's mean latent, added to `noise_offset`; never below 0 in all."""
    multires_noise_iterations: int = Field(default=0, ge=0, le=64)
    """Levels of coarser noise that are added, 6 to 10; 0: none."""
    multires_noise_discount: float = Field(default=0.3, ge=0, le=1)
    """What each further level of coarser noise weighs."""
    min_timestep: Annotated[int, TIMESTEPS] = Field(default=0, ge=0, le=999)
    """The first of those that are drawn."""
    max_timestep: Annotated[int, TIMESTEPS] = Field(default=1000, ge=1, le=1000)
    """The first that is no more drawn."""
    min_snr_gamma: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """Min-SNR weighting of the timesteps, 5 in the paper; 0: none."""
    debiased_estimation_loss: bool = False
    """Timesteps weigh 1 / sqrt(snr)."""
    scale_v_pred_loss_like_noise_pred: bool = False
    """Timesteps weigh snr / (snr + 1); of v-prediction alone."""
    zero_terminal_snr: bool = False
    """The last timestep is noise alone; of v-prediction alone."""
    prior_loss_weight: float = Field(ge=0, allow_inf_nan=False)
    """What a reg picture's loss counts beside a train picture's."""
    max_grad_norm: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    """Gradients are clipped to this norm; 0: they are not."""
    scale_weight_norms: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """No module's delta has a larger norm after an update; 0: any may."""
    optimizer: Literal["AdamW8bit", "AdamW", "Lion", "Lion8bit", "Adafactor", "DAdaptAdam", "Prodigy"]
    """What makes steps of gradients."""
    optimizer_args: dict[str, bool | int | float | str | list[float]] = Field(default_factory=dict)
    """The optimizer's own keywords, as { weight_decay = 0.01 }."""
    ema_decay: float = Field(default=0.0, ge=0, lt=1)
    """Above 0, files hold the exponential mean of the weights."""
    seed: Seed = 0
    """Of the plan, the noise and the adapters' start."""

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
