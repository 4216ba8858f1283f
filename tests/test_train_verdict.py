"""Figures in, a verdict out."""

from __future__ import annotations

from math import exp, inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.course import MIN_HISTORY, Course, Event, Reading
from trainer.guarding.limits import LOSS_FACTOR, limits_for
from trainer.guarding.verdict import RunSettings, judge

SETTINGS = RunSettings(scale=1.0, unet_lr=2e-3, te_lr=5e-4, dtype="float32")
BEFORE = Reading(epoch=0, step=0, train_loss=0.1, held_out_loss=0.1, unet_movement=0.0, te_movement=0.0)
GOOD = Reading(
    epoch=1,
    step=9,
    train_loss=0.08,
    held_out_loss=0.09,
    held_out_without_te=0.091,
    unet_movement=0.05,
    te_movement=0.02,
)


def _changed(**figures: float) -> Reading:
    return GOOD.model_copy(update=figures)


@pytest.mark.parametrize(
    ("last", "name", "says"),
    [
        (GOOD, "healthy", "0.1000 -> 0.0800"),
        (_changed(unet_movement=1e-5, te_movement=1e-6), "vanished", "1e-05"),
        (_changed(held_out_loss=0.12, held_out_without_te=0.12, epoch=2), "overfitting", "0.1000 before training"),
        (_changed(held_out_without_te=0.07), "text encoder overfitting", "29%"),
        (_changed(train_loss=0.0999), "under-trained", "0.0999"),
    ],
)
def test_each_fault_has_its_name_and_its_figures(last: Reading, name: str, says: str) -> None:
    verdict = judge([BEFORE, last], [], SETTINGS)
    assert verdict.name == name
    assert says in verdict.words


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("overflow", "overflow"),
        ("exploding", "exploding"),
        ("text encoder exploding", "text encoder overfitting"),
        ("pictures", "diverged on these pictures"),
    ],
)
def test_what_happened_on_the_way_counts_before_the_figures(kind: str, name: str) -> None:
    pictures = ("a/01.png: its latent is not finite",) if kind == "pictures" else ()
    verdict = judge([BEFORE, GOOD], [Event(step=3, kind=kind, what="it broke", pictures=pictures)], SETTINGS)
    assert verdict.name == name
    assert "01.png" in verdict.words or not pictures


def test_a_small_alpha_gets_advice_about_alpha() -> None:
    small = RunSettings(scale=1 / 128, unet_lr=1e-4, te_lr=0, dtype="float32")
    readings = [BEFORE, _changed(unet_movement=1e-5, te_movement=0.0)]
    assert "set lora.alpha near lora.rank" in judge(readings, [], small).advice
    assert "raise unet_lr" in judge(readings, [], SETTINGS).advice


@settings(deadline=None)
@given(st.lists(st.floats(-2, 2), min_size=MIN_HISTORY, max_size=64), st.floats(1e-3, 1e3))
def test_no_step_of_a_usual_kind_is_beyond_the_limit(logarithms: list[float], scale: float) -> None:
    """Losses within a factor of 50 of each other are what timesteps do; the limit scales with them."""
    losses = tuple(exp(one) for one in logarithms)
    limit = limits_for(Course(losses=losses)).loss
    assert limit >= 0.999 * LOSS_FACTOR * min(losses)
    scaled = limits_for(Course(losses=tuple(scale * one for one in losses))).loss
    assert scaled == pytest.approx(scale * limit, rel=1e-6)


def test_without_a_history_the_base_models_own_loss_is_the_measure() -> None:
    assert limits_for(Course(readings=(BEFORE,))).loss == pytest.approx(LOSS_FACTOR * 0.1)
    assert limits_for(Course()).loss == inf
