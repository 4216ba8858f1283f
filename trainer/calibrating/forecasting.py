"""Everything that is foretold of a run: its plan, its memory, and its time by steps that were made here."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

import torch

from base_models.base_source import BaseSource, find_base
from base_models.devices import chosen_device
from foundation.errors import ConfigurationError
from foundation.progress import Reporter
from trainer.calibrating.calibration import calibrate
from trainer.config.config import TrainConfig
from trainer.planning.arithmetic_speed import speed_of
from trainer.planning.duration import Duration, by_arithmetic, duration_of
from trainer.planning.forecast import Forecast
from trainer.planning.memory import memory_of
from trainer.planning.rates import keep, kept_place, kept_rates
from trainer.planning.run_plan import RunPlan, plan_run
from trainer.planning.suggestion import suggest
from trainer.records.picture_changes import marks_of
from trainer.records.record import finished_run
from trainer.records.run_identity import identity_of

TimeFrom = Literal["steps", "anew", "arithmetic"]
# A picture is drawn nowhere in a plan; arithmetic is asked for the least that it can be asked for.
NOT_DRAWN = (64, 64, 1)


@dataclass(frozen=True)
class Asked:
    """`price_per_hour` and `suggested` steps, where they were asked for; `begun`: on `time.perf_counter`."""

    price_per_hour: float | None = None
    suggested: int | None = None
    time_from: TimeFrom = "steps"
    begun: float = 0.0


def forecast(config: TrainConfig, asked: Asked, reporter: Reporter) -> Forecast:
    """Foretell a run. Nothing is written but, in the user's cache, how long steps take here.

    Raises what a run would raise about its configuration, its data and its base; ImpossibleStepsError.
    """
    with reporter.waiting("reading the pictures and the base model's files"):
        run = plan_run(config)
        base = find_base(config.model.base, config.model.overrides)
        in_the_way = _in_the_way(run, base)
    suggestions = tuple(suggest(run, asked.suggested)) if asked.suggested is not None else ()
    duration = _duration(run, base, asked, reporter)
    with reporter.waiting("counting what a step keeps in memory"):
        memory = memory_of(run, base, chosen_device(config.model.device), torch.get_num_threads())
    price = config.output.price_per_hour if asked.price_per_hour is None else asked.price_per_hour
    return Forecast(run, base, memory, duration, price, in_the_way, suggestions)


def _duration(run: RunPlan, base: BaseSource, asked: Asked, reporter: Reporter) -> Duration:
    device = chosen_device(run.config.model.device)
    if asked.time_from == "arithmetic":
        size = run.buckets[0].size
        with reporter.waiting("counting the model's operations"):
            dtype = run.config.model.dtype
            seconds = speed_of(device, base, (*size, dtype), (*NOT_DRAWN, dtype)).trained
        return by_arithmetic(run, seconds, size, _called(device))
    place = kept_place(run.config, base)
    rates = None if asked.time_from == "anew" else kept_rates(place)
    if rates is None:
        rates = calibrate(run, base, reporter, asked.begun or time.perf_counter())
        if not keep(rates, place):
            reporter.say(f"note: {place.parent} cannot be written, so the next call makes these steps again")
    return duration_of(run, rates)


def _called(device: str) -> str:
    return "this CPU" if device.partition(":")[0] == "cpu" else torch.cuda.get_device_name(torch.device(device))


def _in_the_way(run: RunPlan, base: BaseSource) -> str:
    """What a run would say of what is there under its name."""
    identity = identity_of(run.config, run.dataset.sha256(), base.sha256)
    try:
        done = finished_run(run.config, identity, marks_of(run.dataset))
    except ConfigurationError as error:
        return f"in the way: {error}"
    return f"this very run is finished, with {len(done.files)} files in {done.folder}" if done else ""
