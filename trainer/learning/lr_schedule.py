"""Learning rates over the steps of a run: kohya's schedules, by the names that its users know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from math import cos, pi, sqrt

from trainer.config.schedule_options import SCHEDULE_READS, WARMUP, Rules, step_rules
from trainer.config.training_section import TrainingSection

POLYNOMIAL_END = 1e-7
# What `inverse_sqrt` runs by without a warm-up or a scale of its own.
TIMESCALE = 10_000


@dataclass(frozen=True)
class ScheduleSpan:
    """What a schedule runs over: steps of warm-up, steps in all, and its own numbers. `lr` is the rate at factor 1.

    `decay` is how many of the last steps go down, `min_ratio` the factor that they go down to. `rules` are pairs of a
    factor and the step that it ends before; the last pair's step is None.
    """

    warmup: int
    total: int
    cycles: int = 1
    power: float = 1.0
    lr: float = 1.0
    decay: int = 0
    min_ratio: float = 0.0
    timescale: int | None = None
    rules: Rules = ((1.0, None),)

    def progress(self, step: int) -> float:
        """The share of the steps after the warm-up that is done."""
        return (step - self.warmup) / max(1, self.total - self.warmup)


def span_of(training: TrainingSection, steps: int) -> ScheduleSpan:
    """The span of a run of `steps` updates. The rate at factor 1 is the UNet's, or else a text encoder's."""
    rate = training.unet_lr or max(training.rates.values())
    return ScheduleSpan(
        warmup=training.warmup(steps),
        total=steps,
        cycles=training.lr_cycles,
        power=training.lr_power,
        lr=rate,
        decay=training.decay(steps),
        min_ratio=training.lr_min_ratio or 0.0,
        timescale=training.lr_timescale,
        rules=step_rules(training.lr_step_rules or "1"),
    )


def lr_factor(name: str, step: int, span: ScheduleSpan) -> float:
    """The factor on the learning rate for the update after `step` updates are done, as diffusers' of that name.

    Those that diffusers has not are transformers'. Every schedule that has a warm-up starts with a linear one from 0,
    but for `warmup_stable_decay`, which starts at its lowest factor.
    """
    if step < span.warmup and WARMUP in SCHEDULE_READS[name]:
        share = step / span.warmup
        return share * (1.0 - span.min_ratio) + span.min_ratio if name == "warmup_stable_decay" else share
    return SCHEDULES[name](step, span)


def travel_of(training: TrainingSection, steps: int) -> list[float]:
    """The sum of the factors until after each step of a run: how far a steady gradient takes the weights."""
    span = span_of(training, steps)
    return list(accumulate(lr_factor(training.lr_scheduler, step, span) for step in range(steps)))


def constant(step: int, span: ScheduleSpan) -> float:
    """Always 1 (`get_constant_schedule`)."""
    return 1.0


def linear(step: int, span: ScheduleSpan) -> float:
    """From 1 to 0 at the end (`get_linear_schedule_with_warmup`)."""
    return max(0.0, 1.0 - span.progress(step))


def cosine(step: int, span: ScheduleSpan) -> float:
    """Half a cosine from 1 to 0 (`get_cosine_schedule_with_warmup`)."""
    return max(0.0, 0.5 * (1.0 + cos(pi * span.progress(step))))


def cosine_with_restarts(step: int, span: ScheduleSpan) -> float:
    """`cycles` half cosines from 1 towards 0, 0 at the end (`get_cosine_with_hard_restarts_schedule_with_warmup`)."""
    progress = span.progress(step)
    if progress >= 1:
        return 0.0
    return max(0.0, 0.5 * (1.0 + cos(pi * ((span.cycles * progress) % 1.0))))


def polynomial(step: int, span: ScheduleSpan) -> float:
    """(1 - progress) ** power, down to a rate of 1e-7 (`get_polynomial_decay_schedule_with_warmup`)."""
    end = POLYNOMIAL_END / span.lr
    if step > span.total:
        return end
    return (1.0 - end) * (1.0 - span.progress(step)) ** span.power + end


def inverse_sqrt(step: int, span: ScheduleSpan) -> float:
    """1 / sqrt of the steps since the warm-up, in timescales (`get_inverse_sqrt_schedule`)."""
    timescale = span.timescale or span.warmup or TIMESCALE
    return 1.0 / sqrt((step + timescale - span.warmup) / timescale)


def cosine_with_min_lr(step: int, span: ScheduleSpan) -> float:
    """`cycles` half cosines between 1 and `min_ratio` (`get_cosine_with_min_lr_schedule_with_warmup`)."""
    return _between(span.min_ratio, 0.5 * (1.0 + cos(pi * span.cycles * span.progress(step))))


def warmup_stable_decay(step: int, span: ScheduleSpan) -> float:
    """1 until the last `decay` steps, which go down to `min_ratio` by `cycles` half cosines (`get_wsd_schedule`)."""
    if step >= span.total:
        return span.min_ratio
    into = step - (span.total - span.decay)
    if into < 0:
        return 1.0
    return _between(span.min_ratio, 0.5 * (1.0 + cos(pi * span.cycles * into / span.decay)))


def _between(low: float, share: float) -> float:
    return max(0.0, share * (1.0 - low) + low)


def piecewise_constant(step: int, span: ScheduleSpan) -> float:
    """The factor of the first rule that has not ended (`get_piecewise_constant_schedule`)."""
    return next(factor for factor, end in span.rules if end is None or step < end)


Schedule = Callable[[int, ScheduleSpan], float]
SCHEDULES: dict[str, Schedule] = {
    "constant": constant,
    "constant_with_warmup": constant,
    "linear": linear,
    "cosine": cosine,
    "cosine_with_restarts": cosine_with_restarts,
    "polynomial": polynomial,
    "inverse_sqrt": inverse_sqrt,
    "cosine_with_min_lr": cosine_with_min_lr,
    "warmup_stable_decay": warmup_stable_decay,
    "piecewise_constant": piecewise_constant,
    # The optimizer sets its own rate, step by step.
    "adafactor": constant,
}
