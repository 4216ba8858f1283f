"""Learning rates over the steps of a run: kohya's schedules, by the names that its users know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, pi

from trainer.config import TrainingSection

POLYNOMIAL_END = 1e-7


@dataclass(frozen=True)
class Course:
    """What a schedule runs over: steps of warm-up, steps in all, and its own numbers. `lr` is the rate at factor 1."""

    warmup: int
    total: int
    cycles: int = 1
    power: float = 1.0
    lr: float = 1.0

    def progress(self, step: int) -> float:
        """The share of the steps after the warm-up that is done."""
        return (step - self.warmup) / max(1, self.total - self.warmup)


def course_of(training: TrainingSection, steps: int) -> Course:
    """The course of a run of `steps` updates. The rate at factor 1 is the UNet's, or else a text encoder's."""
    rate = training.unet_lr or max(training.rates.values())
    return Course(training.warmup(steps), steps, training.lr_cycles, training.lr_power, rate)


def lr_factor(name: str, step: int, course: Course) -> float:
    """The factor on the learning rate for the update after `step` updates are done, as diffusers' of that name.

    Every schedule but `constant` and `adafactor` starts with a linear warm-up from 0.
    """
    if step < course.warmup and name not in WITHOUT_WARMUP:
        return step / course.warmup
    return SCHEDULES[name](step, course)


def constant(step: int, course: Course) -> float:
    return 1.0


def linear(step: int, course: Course) -> float:
    """From 1 to 0 at the end (`get_linear_schedule_with_warmup`)."""
    return max(0.0, 1.0 - course.progress(step))


def cosine(step: int, course: Course) -> float:
    """Half a cosine from 1 to 0 (`get_cosine_schedule_with_warmup`)."""
    return max(0.0, 0.5 * (1.0 + cos(pi * course.progress(step))))


def cosine_with_restarts(step: int, course: Course) -> float:
    """`cycles` half cosines from 1 towards 0, 0 at the end (`get_cosine_with_hard_restarts_schedule_with_warmup`)."""
    progress = course.progress(step)
    if progress >= 1:
        return 0.0
    return max(0.0, 0.5 * (1.0 + cos(pi * ((course.cycles * progress) % 1.0))))


def polynomial(step: int, course: Course) -> float:
    """(1 - progress) ** power, down to a rate of 1e-7 (`get_polynomial_decay_schedule_with_warmup`)."""
    end = POLYNOMIAL_END / course.lr
    if step > course.total:
        return end
    return (1.0 - end) * (1.0 - course.progress(step)) ** course.power + end


Schedule = Callable[[int, Course], float]
SCHEDULES: dict[str, Schedule] = {
    "constant": constant,
    "constant_with_warmup": constant,
    "linear": linear,
    "cosine": cosine,
    "cosine_with_restarts": cosine_with_restarts,
    "polynomial": polynomial,
    # The optimizer sets its own rate, step by step.
    "adafactor": constant,
}
WITHOUT_WARMUP = ("constant", "adafactor")
