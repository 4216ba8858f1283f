"""How large a step may be, worked out by hand, and that a run holds its steps to it."""

from __future__ import annotations

from math import e, exp, inf

import pytest
import torch

from base_models.base_model import load_base
from foundation.errors import DivergedError
from foundation.progress import Silent
from tiny import tiny_base, tiny_data, tiny_settings
from trainer.config.config import parse_config
from trainer.data.buckets import frames_of
from trainer.data.dataset import read_dataset
from trainer.data.plan import make_plan
from trainer.guarding.explosion_limits import limits_for
from trainer.guarding.guarded_steps import GuardedSteps
from trainer.guarding.state_file import Snapshot
from trainer.guarding.update import Limits
from trainer.learning.run_state import Reading, RunState
from trainer.running.session import Session, prepare


def _reading(epoch: int, train_loss: float | None) -> Reading:
    return Reading(epoch=epoch, step=epoch, train_loss=train_loss)


def test_steps_that_hardly_differ_may_be_twenty_times_their_loss_and_a_hundred_times_their_gradient() -> None:
    limits = limits_for(RunState(losses=(0.1,) * 12, gradients=(3.0,) * 12))
    assert (limits.loss, limits.gradient) == (pytest.approx(2.0), pytest.approx(300.0))


def test_steps_that_differ_much_may_be_ten_deviations_off_their_median() -> None:
    """Of logarithms -1, 0 and 1 the median deviation is 1, so the standard deviation is taken to be 1.4826."""
    spread = (5 / e,) * 4 + (5.0,) * 5 + (5 * e,) * 4
    limits = limits_for(RunState(losses=spread, gradients=spread))
    assert (limits.loss, limits.gradient) == (pytest.approx(5 * exp(14.826)), pytest.approx(5 * exp(14.826)))
    wide = (exp(-300.0),) * 6 + (1.0,) + (exp(300.0),) * 6
    assert limits_for(RunState(gradients=wide)).gradient == pytest.approx(exp(700))


def test_eleven_steps_say_nothing_and_losses_of_nothing_do_not_count() -> None:
    first = (_reading(0, 0.3),)
    few = limits_for(RunState(losses=(0.1,) * 11, gradients=(3.0,) * 11, readings=first))
    assert (few.loss, few.gradient) == (pytest.approx(6.0), inf)
    assert limits_for(RunState(losses=(*(0.1,) * 11, 0.0), readings=first)).loss == pytest.approx(6.0)
    assert limits_for(RunState(losses=(*(0.1,) * 12, *(0.0,) * 20), readings=first)).loss == pytest.approx(2.0)


def test_before_there_is_a_history_it_is_what_the_base_model_lost() -> None:
    assert limits_for(RunState(readings=(_reading(0, 0.3), _reading(1, 0.9)))).loss == pytest.approx(6.0)
    assert limits_for(RunState(readings=(_reading(0, 0.01),))).loss == 2.0
    assert limits_for(RunState(readings=(_reading(0, None), _reading(1, 0.9)))) == Limits(inf, inf)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    base = tiny_base(tmp_path_factory.mktemp("base"))
    config = parse_config(dict(tiny_settings(base)), tiny_data(tmp_path_factory.mktemp("data")) / "run.toml")
    dataset = read_dataset(config.data.train, config.data.reg)
    plan = make_plan(dataset, config.training, frames_of(dataset, config.data))
    return prepare(config, dataset, plan, load_base(str(base)), Silent())


@pytest.mark.parametrize(
    ("run_state", "says"),
    [
        (RunState(losses=(1e-6,) * 12), r"the loss is \S+, far above what is usual here \(limit 2e-05\)"),
        (RunState(gradients=(1e-9,) * 12), r"the gradient's norm is \S+, far above what is usual here \(limit 1e-07\)"),
    ],
)
def test_a_step_beyond_what_was_usual_is_not_made(session: Session, run_state: RunState, says: str) -> None:
    def nothing_saved() -> Snapshot:
        raise AssertionError

    policy = session.config.guards.model_copy(update={"on_divergence": "stop"})
    before = session.updater.weights.copy()
    guarded = GuardedSteps(session.updater, session.gauge, policy, run_state, nothing_saved)
    with pytest.raises(DivergedError, match=f"step 1: {says}"):
        guarded.make(session.plan.steps[:2])
    assert torch.equal(session.updater.weights.copy(), before)
    assert guarded.run_state.done == 0
