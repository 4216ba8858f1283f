"""Learning rates over a run, against diffusers' and transformers' own schedules at every step."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import accumulate
from typing import get_args

import pytest
import torch
from diffusers.optimization import get_piecewise_constant_schedule, get_scheduler
from hypothesis import given
from hypothesis import strategies as st
from torch.optim.lr_scheduler import LambdaLR
from transformers.optimization import (
    get_cosine_with_min_lr_schedule_with_warmup,
    get_inverse_sqrt_schedule,
    get_wsd_schedule,
)

from trainer.config.presets import PRESETS
from trainer.config.schedule_options import SCHEDULE_READS, step_rules
from trainer.config.training_section import TrainingSection
from trainer.learning.lr_schedule import SCHEDULES, ScheduleSpan, lr_factor, span_of

# Those that diffusers' `get_scheduler` makes of steps, cycles and power alone.
NAMED = [
    "constant",
    "constant_with_warmup",
    "linear",
    "cosine",
    "cosine_with_restarts",
    "polynomial",
]


@given(st.sampled_from(NAMED), st.integers(0, 5), st.integers(6, 40), st.integers(1, 4), st.floats(0.5, 3.0))
def test_every_step_has_diffusers_own_rate(name: str, warmup: int, total: int, cycles: int, power: float) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2e-4)
    theirs = get_scheduler(name, optimizer, None, warmup, total, cycles, power)
    span = ScheduleSpan(warmup, total, cycles, power, lr=2e-4)
    for step in range(total + 3):
        assert 2e-4 * lr_factor(name, step, span) == pytest.approx(theirs.get_last_lr()[0], abs=1e-14)
        optimizer.step()
        theirs.step()


def _agrees(name: str, span: ScheduleSpan, make: Callable[[torch.optim.Optimizer], LambdaLR]) -> None:
    """At every step, and at a few after the last."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = make(optimizer)
    for step in range(span.total + 3):
        assert lr_factor(name, step, span) == pytest.approx(theirs.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        theirs.step()


WARMUPS, TOTALS = st.integers(0, 5), st.integers(6, 40)
RATIOS = st.floats(0, 1)


@given(WARMUPS, TOTALS, st.none() | st.integers(1, 50))
def test_inverse_sqrt_is_transformers(warmup: int, total: int, timescale: int | None) -> None:
    span = ScheduleSpan(warmup, total, timescale=timescale)
    _agrees("inverse_sqrt", span, lambda optimizer: get_inverse_sqrt_schedule(optimizer, warmup, timescale))


@given(WARMUPS, TOTALS, st.integers(1, 4), RATIOS)
def test_a_cosine_with_a_floor_is_transformers(warmup: int, total: int, cycles: int, low: float) -> None:
    """kohya halves the cycles before it hands them on."""
    span = ScheduleSpan(warmup, total, cycles, min_ratio=low)
    _agrees(
        "cosine_with_min_lr",
        span,
        lambda optimizer: get_cosine_with_min_lr_schedule_with_warmup(
            optimizer, warmup, total, cycles / 2, min_lr_rate=low
        ),
    )


@given(WARMUPS, TOTALS, st.floats(0, 1), st.integers(1, 4), RATIOS)
def test_warm_up_stable_decay_is_transformers(warmup: int, total: int, share: float, cycles: int, low: float) -> None:
    decay = int(share * (total - warmup))
    span = ScheduleSpan(warmup, total, cycles, decay=decay, min_ratio=low)
    _agrees(
        "warmup_stable_decay",
        span,
        lambda optimizer: get_wsd_schedule(
            optimizer, warmup, decay, num_training_steps=total, min_lr_ratio=low, num_cycles=cycles / 2
        ),
    )


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.5, 2.0]), st.integers(1, 9)), max_size=4), RATIOS)
def test_rules_of_steps_are_diffusers(pieces: list[tuple[float, int]], last: float) -> None:
    ends = list(accumulate(length for _, length in pieces))
    text = ",".join([*(f"{factor}:{end}" for (factor, _), end in zip(pieces, ends, strict=True)), str(last)])
    span = ScheduleSpan(0, sum(ends, start=3), rules=step_rules(text))
    _agrees("piecewise_constant", span, lambda optimizer: get_piecewise_constant_schedule(optimizer, text))


@pytest.mark.parametrize(
    "text", ["", "1", "1:10", "0.1:x,1", "1:10,0.1:10,0", "1:20,0.1:10,0", "1:0,1", "-1:3,1", "nan"]
)
def test_rules_that_are_none(text: str) -> None:
    if text == "1":
        assert step_rules(text) == ((1.0, None),)
        return
    with pytest.raises(ValueError, match=f"`{re.escape(text)}`"):
        step_rules(text)


def test_a_configurations_numbers_reach_its_schedule() -> None:
    """Each number that a schedule reads changes its rates somewhere."""
    given = {
        "lr_warmup_steps": 5,
        "lr_cycles": 3,
        "lr_power": 2.0,
        "lr_timescale": 7,
        "lr_min_ratio": 0.3,
        "lr_decay_steps": 0.5,
        "lr_step_rules": "1:3,0.5",
    }
    for name, keys in SCHEDULE_READS.items():
        needed = {key: value for key, value in (("lr_decay_steps", 8), ("lr_step_rules", "1")) if key in keys}
        plain = _rates({"lr_scheduler": name, **needed})
        for key in keys:
            assert _rates({"lr_scheduler": name, **needed, key: given[key]}) != plain, (name, key)


def _rates(settings: dict[str, object]) -> list[float]:
    relative = {"optimizer": "Adafactor"} if settings["lr_scheduler"] == "adafactor" else {}
    values = {**PRESETS["portrait"]["training"], **relative, **settings}
    training = TrainingSection.model_validate(values)
    return [lr_factor(training.lr_scheduler, step, span_of(training, 20)) for step in range(20)]


def test_the_rate_at_factor_one_is_the_unets_or_else_the_largest_of_the_text_encoders() -> None:
    def rate(**rates: float) -> float:
        return span_of(TrainingSection.model_validate({**PRESETS["portrait"]["training"], **rates}), 20).lr

    assert rate(unet_lr=1e-4, te_lr=5e-4) == 1e-4
    assert rate(unet_lr=0.0, te_lr=2e-5, te2_lr=3e-5) == 3e-5
    assert rate(unet_lr=0.0, te_lr=2e-5, te2_lr=1e-5) == 2e-5


def test_a_cosine_ends_at_nothing_and_restarts() -> None:
    assert lr_factor("cosine_with_restarts", 0, ScheduleSpan(0, 100)) == 1.0
    assert lr_factor("cosine_with_restarts", 50, ScheduleSpan(0, 100)) == pytest.approx(0.5)
    assert lr_factor("cosine_with_restarts", 100, ScheduleSpan(0, 100)) == 0.0
    assert lr_factor("cosine_with_restarts", 50, ScheduleSpan(0, 100, cycles=2)) == 1.0


def test_every_schedule_of_a_configuration_is_there() -> None:
    named = set(get_args(TrainingSection.model_fields["lr_scheduler"].annotation))
    assert named == set(SCHEDULES) == set(SCHEDULE_READS)


@pytest.mark.parametrize(("warmup", "steps"), [(0, 0), (5, 5), (0.1, 20), (1, 1)])
def test_a_warm_up_below_one_is_a_share_of_the_run(warmup: float, steps: int) -> None:
    training = TrainingSection.model_validate({**PRESETS["portrait"]["training"], "lr_warmup_steps": warmup})
    assert span_of(training, 200).warmup == steps
