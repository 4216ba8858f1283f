"""What the files that are written will take: steps, buckets, checkpoints, pictures, time, cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from base_models.pictures.picture_file import Size
from trainer.config.config import TrainConfig
from trainer.data.dataset import Dataset
from trainer.planning.arithmetic_speed import Speed, speed_of
from trainer.planning.duration import kept_duration, sample_pictures
from trainer.planning.run_plan import planned
from trainer.starting.files import Settled
from trainer.starting.toml_text import Table, Value

STEPS = 30  # of a rendered picture, where the specification names no other


@dataclass(frozen=True)
class FirstPlan:
    """`buckets`: how many train pictures each has; `train_seconds`, `grid_seconds`: estimates for this machine.

    `measured`: that the first is from steps that `trainer plan` made here, and not from arithmetic.
    """

    steps: int
    epochs: int
    batch: int
    buckets: tuple[tuple[Size, int], ...]
    cells: int
    pictures: int
    picture_size: Size
    train_seconds: float
    grid_seconds: float
    price_per_hour: float | None
    measured: bool = False

    @property
    def cost(self) -> float | None:
        """Of both, in the currency of the price."""
        if self.price_per_hour is None:
            return None
        return (self.train_seconds + self.grid_seconds) / 3600 * self.price_per_hour

    def as_json(self) -> dict[str, object]:
        """For programs."""
        return {
            "steps": self.steps,
            "epochs": self.epochs,
            "buckets": [[*size, count] for size, count in self.buckets],
            "cells": self.cells,
            "pictures": self.pictures,
            "train_seconds": self.train_seconds,
            "grid_seconds": self.grid_seconds,
            "cost": self.cost,
        }


def plan_of(settled: Settled, dataset: Dataset, config: TrainConfig, grid: Sequence[Table]) -> FirstPlan:
    """Over the data as it is trained on; the grid as its tables ask for it. Raises what planning a run raises."""
    run, training = planned(config, dataset), config.training
    steps = run.steps
    buckets = sorted(((one.size, one.train) for one in run.buckets if one.train), key=lambda one: (-one[1], one[0]))
    named = [str(one) for one in _listed(grid, "checkpoints")]
    checkpoints = training.epochs if any("*" in one for one in named) else len(named)
    cells = checkpoints * len(_listed(grid, "unet")) * len(_listed(grid, "te"))
    pictures = (cells + 1) * _units(settled, grid)
    own = settled.facts.base.size
    size = (_number(grid, "width", own), _number(grid, "height", own))
    drawn_steps, dtype = _number(grid, "steps", STEPS), str(_value(grid, "dtype"))
    largest = max((size for size, _ in buckets), key=lambda size: size[0] * size[1])
    speed = speed_of(
        settled.machine.device, settled.facts.base, (*largest, config.model.dtype), (*size, drawn_steps, dtype)
    )
    kept = kept_duration(run, settled.facts.base)
    learned = kept.seconds if kept else _by_arithmetic(config, steps, speed, (*size, drawn_steps))
    price = settled.price_per_hour
    return FirstPlan(
        steps,
        training.epochs,
        training.batch_size,
        tuple(buckets),
        cells,
        pictures,
        size,
        learned,
        pictures * speed.rendered,
        price,
        measured=kept is not None,
    )


def _by_arithmetic(config: TrainConfig, steps: int, speed: Speed, drawn: tuple[int, int, int]) -> float:
    """Seconds to train, the samples with it: `speed` is of a rendered picture of `drawn`, width x height x steps."""
    # A step goes through a batch of train and reg pictures alike.
    learned = steps * config.training.batch_size * config.training.gradient_accumulation * speed.trained
    asked, side = config.samples, config.data.resolution
    a_sample = (asked.width or side) * (asked.height or side) * asked.steps
    return learned + sample_pictures(config) * speed.rendered * a_sample / math.prod(drawn)


def _units(settled: Settled, grid: Sequence[Table]) -> int:
    """Pictures of a cell: a prompt of others gets half of the seeds."""
    asked = _value(grid, "seeds")
    seeds = asked if isinstance(asked, int) else len(_listed(grid, "seeds"))
    prompts = settled.prompts
    return seeds * (1 + len(prompts.varied)) + max(1, seeds // 2) * len(prompts.bleed)


def _value(grid: Sequence[Table], key: str) -> Value | None:
    return next((entry.value for table in grid for entry in table.entries if entry.key == key), None)


def _number(grid: Sequence[Table], key: str, otherwise: int) -> int:
    value = _value(grid, key)
    return value if isinstance(value, int) else otherwise


def _listed(grid: Sequence[Table], key: str) -> list[Value]:
    value = _value(grid, key)
    return list(value) if isinstance(value, list | tuple) else [value] if value is not None else []
