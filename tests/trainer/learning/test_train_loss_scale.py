"""float16's loss scale: it halves where a gradient overflows, and what is trained is what no scale would train."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from pathlib import Path

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
from trainer.guarding import guarded_steps
from trainer.guarding.guarded_steps import GuardedSteps
from trainer.guarding.state_file import Snapshot
from trainer.guarding.update import accumulate_gradients
from trainer.learning.run_state import RunState
from trainer.running.session import Session, prepare


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("base"))


@pytest.fixture
def sessions(tmp_path: Path, base: Path) -> tuple[Session, Session]:
    """A session as on a CPU, and one that scales its loss as float16 on a GPU makes it."""
    config = parse_config(dict(tiny_settings(base)), tiny_data(tmp_path) / "run.toml")
    dataset = read_dataset(config.data.train, config.data.reg)
    plan = make_plan(dataset, config.training, frames_of(dataset, config.data))
    plain, scaled = (prepare(config, dataset, plan, load_base(str(base)), Silent()) for _ in range(2))
    return plain, replace(scaled, updater=replace(scaled.updater, scales_loss=True))


def _guarded(session: Session) -> GuardedSteps:
    def nothing_saved() -> Snapshot:
        raise AssertionError

    policy = session.config.guards.model_copy(update={"on_divergence": "stop"})
    return GuardedSteps(session.updater, session.gauge, policy, RunState(), nothing_saved)


def _overflows_above(session: Session, limit: float) -> None:
    """Every gradient's values beyond `limit` become infinite, as float16's do beyond 65,504."""
    for parameter in session.updater.weights.live:
        parameter.register_hook(lambda gradient: torch.where(gradient.abs() > limit, inf, gradient))


def _largest_gradient(session: Session) -> float:
    accumulate_gradients(session.updater, session.plan.steps[0], ())
    return max(one.grad.abs().max().item() for one in session.updater.weights.live if one.grad is not None)


def test_overflow_halves_the_scale_and_the_steps_are_made_all_the_same(sessions: tuple[Session, Session]) -> None:
    plain, scaled = sessions
    _overflows_above(scaled, 2000 * _largest_gradient(plain))
    expected, guarded = _guarded(plain), _guarded(scaled)
    made = guarded.make(scaled.plan.steps)
    assert made == expected.make(plain.plan.steps)
    assert torch.equal(scaled.updater.weights.copy(), plain.updater.weights.copy())
    assert guarded.run_state.loss_scale <= 1024
    assert guarded.run_state.events == ()
    assert expected.run_state.loss_scale == RunState().loss_scale


def test_what_overflows_at_any_scale_is_a_fault_and_the_scale_stays(sessions: tuple[Session, Session]) -> None:
    _, scaled = sessions
    _overflows_above(scaled, 0.0)
    before, guarded = scaled.updater.weights.copy(), _guarded(scaled)
    with pytest.raises(DivergedError, match="the gradient is not finite"):
        guarded.make(scaled.plan.steps)
    assert torch.equal(scaled.updater.weights.copy(), before)
    assert guarded.run_state.loss_scale == RunState().loss_scale


def test_the_scale_doubles_after_enough_sound_steps(
    sessions: tuple[Session, Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarded_steps, "SCALE_HOLDS", 4)
    _, scaled = sessions
    guarded, steps = _guarded(scaled), scaled.plan.steps
    guarded.make(steps[:3])
    assert (guarded.run_state.loss_scale, guarded.run_state.scaled_for) == (65536, 3)
    guarded.make(steps[3:5])
    assert (guarded.run_state.loss_scale, guarded.run_state.scaled_for) == (131072, 0)
    assert RunState.model_validate_json(guarded.run_state.model_dump_json()) == guarded.run_state
