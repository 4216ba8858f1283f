"""Figures in, a verdict out."""

from __future__ import annotations

from math import exp, inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.guarding.explosion_limits import LOSS_FACTOR, limits_for
from trainer.guarding.verdict import RunSettings, judge
from trainer.learning.run_state import MIN_HISTORY, Event, PartMovement, Reading, RunState, Verdict

SETTINGS = RunSettings(scale=1.0, rates={"unet": 2e-3, "te1": 5e-4}, dtype="float32")
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
    small = RunSettings(scale=1 / 128, rates={"unet": 1e-4, "te1": 0.0}, dtype="float32")
    readings = [BEFORE, _changed(unet_movement=1e-5, te_movement=0.0)]
    assert "set lora.alpha near lora.rank" in judge(readings, [], small).advice
    assert "raise unet_lr" in judge(readings, [], SETTINGS).advice


PORTRAIT = {"unet": 2e-4, "te1": 5e-5}


def _after(moved: float, step: int, planned: int, scale: float = 1 / 128, **figures: float) -> Verdict:
    """What is said of a run of `planned` steps at one rate that has moved by `moved` after `step` of them."""
    travel = [float(at) for at in range(1, planned + 1)]
    settings = RunSettings(scale, PORTRAIT, "bfloat16", travel=travel)
    last = _changed(unet_movement=moved, te_movement=moved / 10, **figures).model_copy(update={"step": step})
    return judge([BEFORE, last], [], settings)


def test_portraits_alpha_is_not_advised_against_where_steps_are_what_is_wanting() -> None:
    """Rank 128 at alpha 1 is the recipe that worked, over thousands of steps. After six of six, it is the six."""
    few = _after(8e-5, 6, 6)
    assert few.name == "vanished"
    assert few.advice == (
        "6 steps are few at a learning rate of 0.0002 and alpha / rank of 0.0078: "
        "plan some 220 (training.epochs, or repeats)"
    )
    assert "set lora.alpha near lora.rank" in _after(8e-6, 600, 600).advice  # 225,000 steps are no plan
    assert "raise unet_lr" in _after(8e-6, 600, 600, scale=1.0).advice


def test_what_has_moved_little_so_far_is_judged_by_where_the_plan_takes_it() -> None:
    assert _after(8e-5, 6, 6000).name == "healthy"
    assert _after(8e-5, 6, 20).name == "vanished"  # 2.7e-4 at its end
    assert _after(8e-5, 6, 23).name == "healthy"
    assert _after(8e-5, 6, 6000, train_loss=0.0999).advice == "5994 steps of the plan are left: let it go on"
    assert _after(8e-3, 6, 6, train_loss=0.0999).advice == "train longer, or at a higher learning rate"


def test_a_stopped_text_encoder_goes_no_further_than_its_own_steps() -> None:
    settings = RunSettings(1.0, {"unet": 2e-3, "te1": 2e-3}, "float32", 20, tuple(range(1, 101)))
    assert settings.at_the_end("unet", 1e-4, 10) == pytest.approx(1e-3)
    assert settings.at_the_end("te1", 1e-4, 10) == pytest.approx(2e-4)
    assert settings.at_the_end("te1", 1e-4, 30) == 1e-4
    assert RunSettings(1.0, {}, "float32", travel=(0.0, 1.0)).at_the_end("unet", 0.0, 1) == inf  # warming up


def _parts(unet: float, te: float, dead: int = 0) -> Reading:
    parts = (
        PartMovement(part="te1", moved=te, modules=18, dead=dead),
        PartMovement(part="unet", moved=unet, modules=84, dead=0),
    )
    return GOOD.model_copy(update={"unet_movement": unet, "te_movement": te, "parts": parts})


@pytest.mark.parametrize(
    ("unet", "te", "rates", "says"),
    [
        (0.02, 2e-7, (2e-3, 5e-4), "raise te_lr"),  # no gradient reached it
        (0.02, 2e-7, (2e-3, 5e-8), "raise te_lr"),  # a typing error in its rate
        (2e-6, 0.01, (2e-3, 5e-4), "raise unet_lr"),
        (1e-4, 0.01, (5e-4, 5e-4), "raise unet_lr"),
        (0.02, 1e-4, (2e-3, 1e-3), "raise te_lr"),  # half the rate does not explain a two-hundredth of the way
    ],
)
def test_a_part_that_does_nothing_beside_one_that_does_is_named(
    unet: float, te: float, rates: tuple[float, float], says: str
) -> None:
    asked = RunSettings(scale=1.0, rates=dict(zip(("unet", "te1"), rates, strict=True)), dtype="float32")
    verdict = judge([BEFORE, _parts(unet, te)], [], asked)
    assert verdict.name == "vanished"
    assert says in verdict.advice
    assert ("the text encoder" if says == "raise te_lr" else "the UNet") in verdict.reason.split(";")[0]


def test_a_part_with_a_low_rate_of_its_own_is_not_accused() -> None:
    """Moved by a twentieth at a twentieth of the rate: what was asked for, and still more than nothing."""
    low = RunSettings(scale=1.0, rates={"unet": 2e-3, "te1": 1e-4}, dtype="float32")
    assert judge([BEFORE, _parts(4e-3, 2e-4)], [], low).name == "healthy"


def test_a_stopped_text_encoder_is_not_accused_and_most_modules_dead_are() -> None:
    stopped = RunSettings(scale=1.0, rates={"unet": 2e-3, "te1": 5e-4}, dtype="float32", text_steps=3)
    assert judge([BEFORE, _parts(0.02, 1e-6)], [], stopped).name == "healthy"
    assert judge([BEFORE, _parts(0.02, 0.01, dead=6)], [], SETTINGS).name == "healthy"
    verdict = judge([BEFORE, _parts(0.02, 0.01, dead=12)], [], SETTINGS)
    assert verdict.name == "vanished"
    assert "12 of its 18 modules" in verdict.reason


def test_a_rate_that_was_never_found_is_what_the_advice_is_about() -> None:
    before, found = BEFORE.model_copy(update={"d": 1e-6}), {"d": 1e-6, "train_loss": 0.0999}
    verdict = judge([before, GOOD.model_copy(update=found)], [], SETTINGS)
    assert verdict.name == "under-trained"
    assert "d never grew from 1e-06" in verdict.advice
    grown = judge([before, GOOD.model_copy(update={**found, "d": 2e-4})], [], SETTINGS)
    assert "d never grew" not in grown.words
    small = _changed(unet_movement=1e-5, te_movement=1e-6).model_copy(update={"d": 1e-6})
    assert "d0 = 1e-05" in judge([before, small], [], SETTINGS).advice
    assert "d 1e-06 -> 0.0002" in judge([before, GOOD.model_copy(update={"d": 2e-4})], [], SETTINGS).reason


@given(st.lists(st.floats(-2, 2), min_size=MIN_HISTORY, max_size=64), st.floats(1e-3, 1e3))
def test_no_step_of_a_usual_kind_is_beyond_the_limit(logarithms: list[float], scale: float) -> None:
    """Losses within a factor of 50 of each other are what timesteps do; the limit scales with them."""
    losses = tuple(exp(one) for one in logarithms)
    limit = limits_for(RunState(losses=losses)).loss
    assert limit >= 0.999 * LOSS_FACTOR * min(losses)
    scaled = limits_for(RunState(losses=tuple(scale * one for one in losses))).loss
    assert scaled == pytest.approx(scale * limit, rel=1e-6)


def test_without_a_history_the_base_models_own_loss_is_the_measure() -> None:
    assert limits_for(RunState(readings=(BEFORE,))).loss == pytest.approx(LOSS_FACTOR * 0.1)
    good = BEFORE.model_copy(update={"train_loss": 0.03})
    assert limits_for(RunState(readings=(good,))).loss > 1  # what an answer of nothing loses, where there is no noise
    assert limits_for(RunState()).loss == inf
