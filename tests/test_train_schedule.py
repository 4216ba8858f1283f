"""Learning rates over a run, against diffusers' own schedules at every step."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from diffusers.optimization import get_scheduler
from hypothesis import given
from hypothesis import strategies as st

from trainer.config import TrainingSection
from trainer.presets import PRESETS
from trainer.schedule import SCHEDULES, Course, course_of, lr_factor

NAMED = [name for name in SCHEDULES if name != "adafactor"]


@given(st.sampled_from(NAMED), st.integers(0, 5), st.integers(6, 40), st.integers(1, 4), st.floats(0.5, 3.0))
def test_every_step_has_diffusers_own_rate(name: str, warmup: int, total: int, cycles: int, power: float) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2e-4)
    theirs = get_scheduler(name, optimizer, None, warmup, total, cycles, power)
    course = Course(warmup, total, cycles, power, lr=2e-4)
    for step in range(total + 3):
        assert 2e-4 * lr_factor(name, step, course) == pytest.approx(theirs.get_last_lr()[0], abs=1e-14)
        optimizer.step()
        theirs.step()


def test_a_cosine_ends_at_nothing_and_restarts() -> None:
    assert lr_factor("cosine_with_restarts", 0, Course(0, 100)) == 1.0
    assert lr_factor("cosine_with_restarts", 50, Course(0, 100)) == pytest.approx(0.5)
    assert lr_factor("cosine_with_restarts", 100, Course(0, 100)) == 0.0
    assert lr_factor("cosine_with_restarts", 50, Course(0, 100, cycles=2)) == 1.0


def test_every_schedule_of_a_configuration_is_there() -> None:
    assert set(get_args(TrainingSection.model_fields["lr_scheduler"].annotation)) == set(SCHEDULES)


@pytest.mark.parametrize(("warmup", "steps"), [(0, 0), (5, 5), (0.1, 20), (1, 1)])
def test_a_warm_up_below_one_is_a_share_of_the_run(warmup: float, steps: int) -> None:
    training = TrainingSection.model_validate({**PRESETS["portrait"]["training"], "lr_warmup_steps": warmup})
    assert course_of(training, 200).warmup == steps
