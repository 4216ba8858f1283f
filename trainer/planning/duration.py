"""How long a run takes, part by part: counts of the plan times rates of the machine."""

from __future__ import annotations

from dataclasses import dataclass

from base_models.base_source import BaseSource
from base_models.pictures.picture_file import Size
from foundation.wording.said import say
from trainer.config.config import TrainConfig
from trainer.planning.rates import Rates, kept_place, kept_rates
from trainer.planning.run_plan import RunPlan

# What whole runs on the miniature were off by at most, and what arithmetic alone was (docs/training.md).
ERROR_MEASURED, ERROR_OF_ARITHMETIC = 0.25, 1.0
STEPS_A_WINDOW = 8
READ_AT_MOST = 8  # pictures of each kind whose loss is measured after an epoch


@dataclass(frozen=True)
class Duration:
    """Seconds of each part; `source` says where they come from, `error` by which share the whole may be off."""

    begin: float
    pictures: float
    steps: float
    readings: float
    samples: float
    source: str
    error: float

    @property
    def seconds(self) -> float:
        """Of the whole run, from the command to its last file."""
        return self.begin + self.pictures + self.steps + self.readings + self.samples

    @property
    def parts(self) -> dict[str, float]:
        """By name, in seconds."""
        names = ("begin", "pictures", "steps", "readings", "samples")
        return {name: getattr(self, name) for name in names}

    def cost(self, price_per_hour: float | None) -> float | None:
        """In the currency of the price; None without one."""
        return None if price_per_hour is None else self.seconds / 3600 * price_per_hour


def duration_of(run: RunPlan, rates: Rates) -> Duration:
    """By rates that were measured here."""
    config = run.config
    return Duration(
        begin=rates.begin + rates.judge,
        pictures=len(run.dataset.samples) * rates.picture * (2 if config.data.flip_aug else 1),
        steps=_steps(run, rates) + run.steps / STEPS_A_WINDOW * rates.window,
        readings=_readings(run, rates),
        samples=_samples(config, rates),
        source=say(
            "{count} real steps on {machine}, {day}", count=rates.steps_made, machine=rates.machine, day=rates.day
        ),
        error=ERROR_MEASURED,
    )


def kept_duration(run: RunPlan, base: BaseSource) -> Duration | None:
    """By rates that an earlier `trainer plan` measured for such steps here; None where none did."""
    rates = kept_rates(kept_place(run.config, base))
    return None if rates is None else duration_of(run, rates)


def by_arithmetic(run: RunPlan, seconds_a_picture: float, size: Size, machine: str) -> Duration:
    """By what the model's arithmetic says of a picture of `size`; nothing but the steps is known then."""
    shown = sum(number * shape.count * _area(shape.size) / _area(size) for shape, number in run.shapes.items())
    source = say("the model's operations and a matrix product on {machine}; no step was made", machine=machine)
    return Duration(0.0, 0.0, shown * seconds_a_picture, 0.0, 0.0, source, ERROR_OF_ARITHMETIC)


def _area(size: Size) -> int:
    return size[0] * size[1]


def _steps(run: RunPlan, rates: Rates) -> float:
    """Batches of other sizes take as much longer as they have more pixels, but for what does not grow with them."""
    text_trained = any(rate for part, rate in run.config.training.rates.items() if part != "unet")
    total = 0.0
    for shape, number in run.shapes.items():
        scale = _area(shape.size) / _area(rates.size)
        share = rates.text_rests if text_trained and not shape.text_learns else 1.0
        total += number * rates.of_step(shape.count) * share * scale
    # Of a step of several batches, all but the first do without what belongs to the step.
    further = sum(len(step.batches) - 1 for step in run.plan.steps)
    batches = sum(run.shapes.values())
    return total * (1 - further / batches * (1 - rates.batch_more))


def _readings(run: RunPlan, rates: Rates) -> float:
    config = run.config
    text = any(rate for part, rate in config.training.rates.items() if part != "unet")
    train, held_out = min(READ_AT_MOST, len(run.dataset.train)), min(READ_AT_MOST, len(run.dataset.held_out))
    pictures = train + held_out * (2 if text else 1)
    saved = config.training.epochs + run.steps // config.output.save_state_every + 1
    return (config.training.epochs + 1) * pictures * rates.reading + saved * rates.state


def _samples(config: TrainConfig, rates: Rates) -> float:
    return sample_pictures(config) * (rates.sample + config.samples.steps * rates.sample_step)


def sample_pictures(config: TrainConfig) -> int:
    """How many a run draws: before its first step, and after each epoch that is due."""
    asked, epochs = config.samples, config.training.epochs
    drawn = bool(asked.prompts) + sum(asked.due(epoch, epochs) for epoch in range(1, epochs + 1))
    return drawn * len(asked.prompts)
