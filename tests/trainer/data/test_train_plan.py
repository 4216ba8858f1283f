"""The plan of a run: kohya's step counts, every train repeat once an epoch, reg pictures drawn evenly."""

from __future__ import annotations

from collections import Counter
from itertools import cycle, islice
from math import ceil
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from base_models.pictures.picture_file import Size
from foundation.errors import ConfigurationError
from trainer.config.presets import PRESETS
from trainer.config.training_section import TrainingSection
from trainer.data.dataset import Dataset, Sample
from trainer.data.pictures import Frame
from trainer.data.plan import Plan, endless_deck, make_plan, reg_note

REPEATS = st.lists(st.integers(1, 4), min_size=1, max_size=8)


def _samples(repeats: list[int]) -> tuple[Sample, ...]:
    return tuple(Sample(Path(f"{at}.png"), "words", times, "folder") for at, times in enumerate(repeats))


def _training(**changed: object) -> TrainingSection:
    return TrainingSection.model_validate({**PRESETS["miniature"]["training"], **changed})


def _frames(dataset: Dataset, *buckets: Size) -> tuple[Frame, ...]:
    """The pictures take turns in `buckets`, or are all of one."""
    sizes = buckets or ((64, 64),)
    return tuple(Frame(size, size, size) for size, _ in zip(cycle(sizes), dataset.samples, strict=False))


def _plan(dataset: Dataset, *buckets: Size, **changed: object) -> Plan:
    return make_plan(dataset, _training(**changed), _frames(dataset, *buckets))


def _shown(plan: Plan, epoch: int) -> list[int]:
    return [at for step in plan.steps if step.epoch == epoch for batch in step.batches for at in batch]


@given(REPEATS, st.lists(st.integers(1, 3), max_size=12), st.integers(1, 3), st.integers(1, 5), st.integers(1, 3))
def test_an_epoch_is_the_repeats_and_as_many_reg(
    train: list[int], reg: list[int], epochs: int, batch_size: int, accumulation: int
) -> None:
    dataset = Dataset(_samples(train), _samples(reg), ())
    plan = _plan(dataset, epochs=epochs, batch_size=batch_size, gradient_accumulation=accumulation)
    samples = sum(train) * (2 if reg else 1)
    assert len(plan.steps) == epochs * ceil(ceil(samples / batch_size) / accumulation)
    assert [step.number for step in plan.steps] == list(range(1, len(plan.steps) + 1))
    for epoch in range(1, epochs + 1):
        shown = Counter(_shown(plan, epoch))
        assert [shown[at] for at in range(len(train))] == train
        assert sum(shown[len(train) + at] for at in range(len(reg))) == samples - sum(train)
    assert all(len(batch) <= batch_size for step in plan.steps for batch in step.batches)


@given(st.integers(1, 30), st.integers(1, 3), st.integers(1, 200), st.integers(0, 9))
def test_reg_of_equal_repeats_is_drawn_evenly_at_any_point(count: int, repeats: int, drawn: int, seed: int) -> None:
    deck = endless_deck(_samples([repeats] * count), Random(seed))
    uses = Counter(islice(deck, drawn))
    low, high = min(uses[at] for at in range(count)), max(uses.values())
    assert high - low <= 1


@given(REPEATS, st.integers(0, 9))
def test_every_reg_picture_is_seen_once_before_one_is_seen_twice(repeats: list[int], seed: int) -> None:
    deck = endless_deck(_samples(repeats), Random(seed))
    assert sorted(islice(deck, len(repeats))) == list(range(len(repeats)))


def test_every_round_is_shuffled_anew_by_the_seed() -> None:
    first, other = (list(islice(endless_deck(_samples([1] * 20), Random(seed)), 40)) for seed in (0, 1))
    assert sorted(first[:20]) == sorted(first[20:]) == list(range(20))
    assert first[:20] != first[20:]
    assert first != other


def test_a_whole_deck_keeps_to_the_repeats() -> None:
    uses = Counter(islice(endless_deck(_samples([1, 3, 2]), Random(0)), 12))
    assert [uses[at] for at in range(3)] == [2, 6, 4]


def test_the_users_set_leaves_no_reg_picture_unseen() -> None:
    """45 pictures x 50 and 4,200 reg pictures: kohya would never look at 1,950 of them."""
    dataset = Dataset(_samples([50] * 45), _samples([1] * 4200), ())
    plan = _plan(dataset, epochs=2, batch_size=4)
    assert min(plan.reg_uses) == 1
    assert max(plan.reg_uses) == 2
    assert reg_note(plan) == "each of the 4200 reg pictures is used 1 to 2 times"


def test_more_reg_than_there_is_room_for_is_said() -> None:
    plan = _plan(Dataset(_samples([1]), _samples([1] * 5), ()), epochs=3)
    assert "2 of 5 reg pictures are never used" in (reg_note(plan) or "")


def test_the_same_seed_gives_the_same_plan_and_epochs_differ() -> None:
    dataset = Dataset(_samples([2] * 6), _samples([1] * 5), ())
    plan, again, other = (_plan(dataset, seed=seed) for seed in (1, 1, 2))
    assert plan == again
    assert plan != other
    assert _shown(plan, 1) != _shown(plan, 2)


def test_a_warm_up_that_never_ends_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="lr_warmup_steps is 9"):
        _plan(Dataset(_samples([4]), (), ()), epochs=2, lr_warmup_steps=9)


def test_a_warm_up_as_long_as_the_run_is_refused_and_one_step_shorter_is_not() -> None:
    dataset = Dataset(_samples([4]), (), ())
    with pytest.raises(ConfigurationError, match="lr_warmup_steps is 8, but the run has only 8 steps"):
        _plan(dataset, epochs=2, batch_size=1, lr_warmup_steps=8)
    assert len(_plan(dataset, epochs=2, batch_size=1, lr_warmup_steps=7).steps) == 8


def test_a_way_down_that_would_begin_in_the_warm_up_is_refused() -> None:
    settings: dict[str, object] = {"lr_scheduler": "warmup_stable_decay", "lr_warmup_steps": 3, "batch_size": 1}
    dataset = Dataset(_samples([4]), (), ())
    steps = len(_plan(dataset, **settings, epochs=2, lr_decay_steps=5).steps)
    assert steps == 8
    with pytest.raises(ConfigurationError, match="lr_decay_steps is 6, but only 5 steps are left after the warm-up"):
        _plan(dataset, **settings, epochs=2, lr_decay_steps=6)


@given(REPEATS, st.integers(1, 5), st.integers(1, 3))
def test_steps_are_counted_by_bucket_as_kohya_does(train: list[int], batch_size: int, accumulation: int) -> None:
    dataset, sizes = Dataset(_samples(train), (), ()), ((64, 64), (96, 64), (64, 96))
    plan = _plan(dataset, *sizes, epochs=2, batch_size=batch_size, gradient_accumulation=accumulation)
    of_bucket = [sum(train[start::3]) for start in range(3)]
    assert sum(step.epoch == 1 for step in plan.steps) == ceil(
        sum(ceil(n / batch_size) for n in of_bucket) / accumulation
    )
    for step in plan.steps:
        for batch in step.batches:
            assert len({plan.frames[at].bucket for at in batch}) == 1
    assert Counter(_shown(plan, 1)) == Counter(dict(enumerate(train)))


def test_buckets_take_turns_over_an_epoch() -> None:
    plan = _plan(Dataset(_samples([8] * 6), (), ()), (64, 64), (96, 64), batch_size=2, epochs=1)
    order = [plan.frames[batch[0]].bucket for step in plan.steps for batch in step.batches]
    assert order != sorted(order)
    assert order != sorted(order, reverse=True)
