"""Every verdict word for word, and each limit from both sides."""

from __future__ import annotations

from math import inf

import pytest

from trainer.guarding.verdict import RunSettings, judge
from trainer.learning.run_state import Event, PartMovement, Reading

SETTINGS = RunSettings(scale=1.0, rates={"unet": 2e-3, "te1": 5e-4}, dtype="float16")


def _reading(epoch: int, **figures: object) -> Reading:
    """A healthy reading: it learns, does no worse on held-out pictures, and both parts move."""
    healthy: dict[str, object] = {
        "train_loss": 0.1 - 0.01 * epoch,
        "held_out_loss": 0.1,
        "held_out_without_te": 0.1,
        "unet_movement": 0.05,
        "te_movement": 0.02,
    }
    return Reading(epoch=epoch, step=10 * epoch, **{**healthy, **figures})  # pyright: ignore[reportArgumentType]


BEFORE = _reading(0, unet_movement=0.0, te_movement=0.0, held_out_without_te=None)


def _event(step: int, kind: str, what: str, done: str = "", pictures: tuple[str, ...] = ()) -> Event:
    return Event(step=step, kind=kind, what=what, done=done, pictures=pictures)


def _told(*events: Event, settings: RunSettings = SETTINGS) -> tuple[str, str, str]:
    verdict = judge([BEFORE, _reading(1)], events, settings)
    return verdict.name, verdict.reason, verdict.advice


def _name(*readings: Reading, settings: RunSettings = SETTINGS) -> str:
    return judge([BEFORE, *readings], [], settings).name


def test_a_healthy_run_tells_its_figures() -> None:
    words = "loss at fixed noise 0.1000 -> 0.0900, held out 0.1000 -> 0.1000, weights moved by 0.05 of the base's"
    verdict = judge([BEFORE, _reading(1)], [], SETTINGS)
    assert (verdict.name, verdict.reason, verdict.advice) == ("healthy", words, "")
    assert verdict.words == f"healthy: {words}"
    assert judge([BEFORE.model_copy(update={"d": 1e-6}), _reading(1, d=2e-4)], [], SETTINGS).reason == (
        f"{words}, d 1e-06 -> 0.0002"
    )
    stuck = [BEFORE.model_copy(update={"d": 1e-6}), _reading(1, d=1e-6)]
    assert judge(stuck, [], SETTINGS).reason == f"{words}, d 1e-06 -> 1e-06 (it never grew)"
    bare = [_reading(at, held_out_loss=None, held_out_without_te=None, train_loss=None) for at in (0, 1)]
    assert judge(bare, [], SETTINGS).reason == (
        "loss at fixed noise not measured -> not measured, weights moved by 0.05 of the base's"
    )
    still = [_reading(at, unet_movement=None, te_movement=None, held_out_loss=None) for at in (0, 1)]
    assert judge(still, [], SETTINGS).reason == "loss at fixed noise 0.1000 -> 0.0900"


def test_an_overflow_is_the_first_one_and_its_way_out_hangs_on_the_number_format() -> None:
    first, second = _event(3, "overflow", "the gradient is not finite"), _event(5, "overflow", "another")
    name, reason, advice = _told(_event(2, "pictures", "x", pictures=("a.png: x",)), first, second)
    assert (name, reason) == (
        "overflow",
        "at step 3 the gradient is not finite, for every picture that was tried, so no picture is to blame",
    )
    assert advice == 'the base\'s numbers do not fit float16: set model.dtype = "bfloat16" or "float32"'
    whole = RunSettings(1.0, SETTINGS.rates, "float32")
    assert _told(first, settings=whole)[2] == (
        "the base model itself answers with numbers that are not finite: use another copy of it"
    )


def test_an_explosion_is_the_last_one_and_says_how_often() -> None:
    events = [_event(3, "exploding", "it broke", "went back"), _event(8, "exploding", "it broke again", "went on")]
    name, reason, advice = _told(*events)
    assert (name, reason) == ("exploding", "at step 8 it broke again; went on (time 2)")
    assert advice == "lower the learning rates, the larger of which is 0.002, ten times; no single picture is to blame"
    assert _told(events[0])[1] == "at step 3 it broke; went back"


def test_a_text_encoder_that_explodes_is_told_by_its_own_rate() -> None:
    event = _event(8, "text encoder exploding", "it moves too far", "went back")
    both = RunSettings(1.0, {"unet": 2e-3, "te1": 5e-4, "te2": 7e-4}, "float16")
    assert _told(event, settings=both) == (
        "text encoder overfitting",
        "at step 8 it moves too far; went back",
        "lower te_lr (0.0007) ten times and more; the UNet's part is sound",
    )
    assert RunSettings(1.0, {"unet": 2e-3}, "float16").te_lr == 0.0


def test_pictures_are_named_once_each() -> None:
    pictures = _event(3, "pictures", "x", pictures=("b.png: nan", "a.png: nan"))
    again = _event(5, "pictures", "x", pictures=("a.png: nan", "c.png: nan"))
    assert _told(pictures, again) == (
        "diverged on these pictures",
        "b.png: nan; a.png: nan; c.png: nan",
        "look at these pictures and their captions, then replace or remove them",
    )
    exploded = _event(9, "exploding", "it broke")
    assert _told(pictures, exploded)[0] == "exploding", "the graver one is named"


def test_a_lora_that_moves_less_than_rounding_does_has_vanished() -> None:
    less = judge([BEFORE, _reading(1, unet_movement=2.9e-4, te_movement=1e-4)], [], SETTINGS)
    assert less.name == "vanished"
    assert less.reason == ("the LoRA moves the base's weights by 0.0003 of their size, less than rounding to fp16 does")
    assert less.advice == "raise unet_lr and te_lr ten times and more"
    assert _name(_reading(1, unet_movement=3e-4, te_movement=1e-4)) == "healthy"
    assert _name(_reading(1, unet_movement=1e-4, te_movement=3e-4)) == "healthy", "the larger of the two counts"
    assert _name(_reading(1, unet_movement=1e-4, te_movement=None)) == "vanished"
    assert _name(_reading(1, unet_movement=1e-4, te_movement=inf)) == "healthy", "what is not finite is no movement"
    assert judge([_reading(0, unet_movement=0.0, te_movement=0.0)], [], SETTINGS).name == "healthy", (
        "nothing is made yet"
    )


@pytest.mark.parametrize(("scale", "about_alpha"), [(1 / 32, True), (1 / 31, False), (1 / 64, True)])
def test_a_small_alpha_is_what_the_advice_is_about(scale: float, about_alpha: bool) -> None:
    settings = RunSettings(scale, SETTINGS.rates, "float16")
    advice = judge([BEFORE, _reading(1, unet_movement=1e-5, te_movement=0.0)], [], settings).advice
    small = f"alpha / rank is {scale:.2g} and scales all of it: set lora.alpha near lora.rank"
    assert advice == (small if about_alpha else "raise unet_lr and te_lr ten times and more")


def _parts(*parts: tuple[str, float, int]) -> Reading:
    """Parts by name, movement, and how many of their ten modules did not move."""
    made = tuple(PartMovement(part=part, moved=moved, modules=10, dead=dead) for part, moved, dead in parts)
    return _reading(1, parts=made)


def test_a_part_that_stands_still_is_told_beside_those_that_move() -> None:
    rates = {"unet": 2e-3, "te1": 5e-4, "te2": 5e-4}
    settings = RunSettings(1.0, rates, "float16")
    verdict = judge([BEFORE, _parts(("unet", 0.05, 0), ("te1", 1e-5, 0), ("te2", 2e-5, 3))], [], settings)
    assert verdict.reason == (
        "the LoRA moves the text encoder by 1e-05 of its weights' size, less than rounding to fp16 does; "
        "the LoRA moves the second text encoder by 2e-05 of its weights' size, less than rounding to fp16 does, and "
        "does nothing in 3 of its 10 modules; the LoRA moves the UNet by 0.05"
    )
    assert verdict.advice == (
        "raise te_lr (0.0005) and te2_lr (0.0005) ten times and more, or set it to 0 to leave that part out"
    )
    half = judge([BEFORE, _parts(("unet", 0.05, 6))], [], settings)
    assert (
        half.reason == "the LoRA moves the UNet by 0.05 of its weights' size, and does nothing in 6 of its 10 modules"
    )
    assert half.advice == "raise unet_lr (0.002) ten times and more, or set it to 0 to leave that part out"


@pytest.mark.parametrize(
    ("moved", "rate", "dead", "name"),
    [
        (0.02, 5e-4, 5, "healthy"),  # a half of its modules
        (0.02, 5e-4, 6, "vanished"),
        (3e-4, 2e-3, 0, "healthy"),
        (2.9e-4, 2e-3, 0, "vanished"),
        (1e-4, 5e-4, 0, "healthy"),  # at four times the rate it would have moved by 4e-4
        (7e-5, 5e-4, 0, "vanished"),  # and this one by 2.8e-4
        (3e-5, 1e-5, 0, "healthy"),
        (2.9e-5, 1e-5, 0, "vanished"),  # whatever its rate explains
    ],
)
def test_a_part_is_judged_by_what_its_own_rate_would_have_it_do(
    moved: float, rate: float, dead: int, name: str
) -> None:
    settings = RunSettings(1.0, {"unet": 2e-3, "te1": rate}, "float16")
    assert _name(_parts(("unet", 0.05, 0), ("te1", moved, dead)), settings=settings) == name


@pytest.mark.parametrize(
    ("rates", "text_steps", "name"),
    [
        ({"unet": 2e-3, "te1": 5e-4}, None, "vanished"),
        ({"unet": 2e-3, "te1": 5e-4}, 10, "vanished"),  # the reading is of step 10
        ({"unet": 2e-3, "te1": 5e-4}, 9, "healthy"),
        ({"unet": 2e-3, "te1": 0.0}, None, "healthy"),
        ({"unet": 2e-3}, None, "healthy"),
    ],
)
def test_a_part_that_is_not_trained_is_not_accused(rates: dict[str, float], text_steps: int | None, name: str) -> None:
    settings = RunSettings(1.0, rates, "float16", text_steps)
    assert _name(_parts(("unet", 0.05, 0), ("te1", 1e-7, 0)), settings=settings) == name


def test_the_unet_is_never_stopped() -> None:
    settings = RunSettings(1.0, {"unet": 2e-3, "te1": 2e-3}, "float16", text_steps=3)
    assert [settings.trains("unet", 9), settings.trains("te1", 9), settings.trains("te1", 3)] == [True, False, True]


def test_a_text_encoder_that_makes_held_out_pictures_worse_is_named() -> None:
    worse = _reading(1, held_out_loss=0.1, held_out_without_te=0.08)
    verdict = judge([BEFORE, worse], [], SETTINGS)
    assert (verdict.name, verdict.reason) == (
        "text encoder overfitting",
        "held-out loss is 0.1000, and 0.0800 with the text encoder's part switched off, so that part makes it 25% "
        "worse (it moved by 0.02)",
    )
    assert verdict.advice == "lower te_lr (0.0005), or use this file at a lower TEnc weight"
    assert _name(_reading(1, held_out_loss=0.1029, held_out_without_te=0.1)) == "healthy"
    assert _name(_reading(1, held_out_loss=0.1031, held_out_without_te=0.1)) == "text encoder overfitting"
    assert _name(_reading(1, held_out_loss=None, held_out_without_te=0.01)) == "healthy"
    assert _name(_reading(1, held_out_loss=0.1, held_out_without_te=None)) == "healthy"


def _held_out(epoch: int, loss: float | None) -> Reading:
    return _reading(epoch, held_out_loss=loss, held_out_without_te=loss)


def test_held_out_pictures_that_grow_worse_name_the_best_epoch() -> None:
    readings = [BEFORE, _held_out(1, 0.08), _held_out(2, 0.09), _held_out(3, 0.085)]
    verdict = judge(readings, [], SETTINGS)
    assert (verdict.name, verdict.reason, verdict.advice) == (
        "overfitting",
        "held-out loss was 0.0800 after epoch 1 and is 0.0850 now, while the loss on train pictures went from 0.1000 "
        "to 0.0700",
        "use the file of epoch 1, or train for fewer steps",
    )
    first = judge([BEFORE, _held_out(1, 0.2)], [], SETTINGS)
    assert first.reason.startswith("held-out loss was 0.1000 before training and is 0.2000 now")
    assert first.advice == "train for fewer steps"
    assert _name(_held_out(1, 0.1049)) == "healthy"
    assert _name(_held_out(1, 0.1051)) == "overfitting"
    assert judge([_held_out(0, None), _held_out(1, 0.2)], [], SETTINGS).name == "healthy"
    assert judge([_held_out(0, None), _held_out(1, 0.1), _held_out(2, 0.2)], [], SETTINGS).name == "overfitting"


def test_a_loss_that_does_not_go_down_is_under_trained() -> None:
    verdict = judge([BEFORE, _reading(1, train_loss=0.0995)], [], SETTINGS)
    assert (verdict.name, verdict.reason, verdict.advice) == (
        "under-trained",
        "the loss on pictures trained on, at fixed noise, was 0.1000 before and is 0.0995 now",
        "train longer, or at a higher learning rate",
    )
    assert _name(_reading(1, train_loss=0.0989)) == "healthy"
    assert _name(_reading(1, train_loss=0.0991)) == "under-trained"
    assert _name(_reading(1, train_loss=None)) == "healthy"
    assert judge([BEFORE.model_copy(update={"train_loss": None}), _reading(1)], [], SETTINGS).name == "healthy"
    assert judge([BEFORE], [], SETTINGS).name == "healthy"


@pytest.mark.parametrize(("first", "last", "about_d"), [(1e-6, 1e-6, True), (1e-6, 2e-6, False), (None, 1e-6, False)])
def test_an_optimizer_that_found_no_rate_is_what_the_advice_is_about(
    first: float | None, last: float | None, about_d: bool
) -> None:
    told = (
        "the optimizer's own rate d never grew from 1e-06: give it a higher first guess, "
        "training.optimizer_args = { d0 = 1e-05 }, or train longer"
    )
    before = BEFORE.model_copy(update={"d": first})
    for worse, other in (
        ({"train_loss": 0.1}, "train longer, or at a higher learning rate"),
        ({"unet_movement": 1e-6, "te_movement": 0.0}, "raise unet_lr and te_lr ten times and more"),
    ):
        assert judge([before, _reading(1, d=last, **worse)], [], SETTINGS).advice == (told if about_d else other)


def test_the_gravest_that_holds_is_named() -> None:
    worst = _reading(1, train_loss=0.2, held_out_loss=0.3, held_out_without_te=0.1, unet_movement=1e-6, te_movement=0.0)
    events = [
        _event(1, "pictures", "x", pictures=("a.png: x",)),
        _event(2, "text encoder exploding", "x"),
        _event(3, "exploding", "x"),
        _event(4, "overflow", "x"),
    ]
    order = ["overflow", "exploding", "text encoder overfitting", "diverged on these pictures", "vanished"]
    assert [judge([BEFORE, worst], events[:left], SETTINGS).name for left in (4, 3, 2, 1, 0)] == order
    moved = worst.model_copy(update={"unet_movement": 0.05})
    assert _name(moved) == "text encoder overfitting"
    assert _name(moved.model_copy(update={"held_out_without_te": 0.3})) == "overfitting"
    assert _name(moved.model_copy(update={"held_out_without_te": 0.1, "held_out_loss": 0.1})) == "under-trained"
