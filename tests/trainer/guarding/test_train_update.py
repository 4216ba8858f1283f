"""One update, of a setup whose losses and gradients are set: a broken one never reaches the weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import inf, nan
from types import SimpleNamespace
from typing import cast

import pytest
import torch
from torch import Tensor, nn

from trainer.data.plan import Step
from trainer.guarding import update as updates
from trainer.guarding.guarded_weights import GuardedWeights
from trainer.guarding.update import Limits, Updater, accumulate_gradients, update
from trainer.learning.batch_loss import Batch, TrainingSetup
from trainer.learning.processes import Processes
from trainer.learning.run_state import RunState

STEP = Step(1, 1, ((0, 1),))
SOUND = torch.tensor(True)


@dataclass
class Faked:
    """Loss and gradient of every batch, and the batches that were asked for. Of None a weight gets no gradient."""

    loss: float = 2.0
    gradients: list[list[float] | None] = field(default_factory=lambda: [[3.0, 4.0]])
    asked: list[Batch] = field(default_factory=list)

    def __call__(self, setup: TrainingSetup, batch: Batch, live: Sequence[nn.Parameter], factor: float) -> Tensor:
        self.asked.append(batch)
        for parameter, gradient in zip(live, self.gradients, strict=True):
            if gradient is not None:
                made = factor * torch.tensor(gradient)
                parameter.grad = made if parameter.grad is None else parameter.grad + made
        return torch.tensor(self.loss)


@pytest.fixture
def faked(monkeypatch: pytest.MonkeyPatch) -> Faked:
    made = Faked()
    monkeypatch.setattr(updates, "add_gradients", made)
    return made


def _updater(
    weights: int = 1, max_grad_norm: float = 0.0, mean_decay: float = 0.0, processes: Processes | None = None
) -> Updater:
    """Plain SGD at a rate of 1, so that a step takes the gradient off the weights, which begin at 10."""
    guarded = GuardedWeights([nn.Parameter(torch.full((2,), 10.0)) for _ in range(weights)], mean_decay)
    setup = cast(TrainingSetup, SimpleNamespace(text_steps=9, draws_inside=False))
    optimizer = torch.optim.SGD(guarded.candidates, lr=5.0)
    return Updater(setup, guarded, optimizer, lambda _: [1.0], max_grad_norm, processes or Processes())


def _made(updater: Updater, limits: Limits, run_state: RunState | None = None, sound: Tensor = SOUND) -> list[float]:
    return update(updater, STEP, run_state or RunState(), limits, sound).tolist()


def _live(updater: Updater) -> list[float]:
    return torch.cat([one.detach() for one in updater.weights.live]).tolist()


def test_a_sound_step_reaches_the_weights_and_says_its_loss_and_the_length_of_its_gradient(faked: Faked) -> None:
    updater = _updater()
    assert _made(updater, Limits()) == [2.0, 5.0, 1.0]
    assert _live(updater) == [7.0, 6.0]
    assert _made(updater, Limits()) == [2.0, 5.0, 1.0]
    assert _live(updater) == [4.0, 2.0], "the gradients of the step before are gone"


@pytest.mark.parametrize(
    ("loss", "gradient", "limits", "passes"),
    [
        (2.0, [3.0, 4.0], Limits(loss=2.0, gradient=5.0), True),
        (2.001, [3.0, 4.0], Limits(loss=2.0, gradient=5.0), False),
        (2.0, [3.0, 4.001], Limits(loss=2.0, gradient=5.0), False),
        (inf, [3.0, 4.0], Limits(), False),
        (nan, [3.0, 4.0], Limits(), False),
        (2.0, [inf, 4.0], Limits(), False),
        (2.0, [nan, 4.0], Limits(), False),
    ],
)
def test_a_step_beyond_a_limit_or_not_finite_leaves_every_weight_as_it_is(
    faked: Faked, loss: float, gradient: list[float], limits: Limits, passes: bool
) -> None:
    faked.loss, faked.gradients = loss, [gradient]
    updater = _updater(mean_decay=0.5)
    before = updater.weights.copy()
    assert _made(updater, limits)[2] == passes
    assert torch.equal(updater.weights.copy(), before) == (not passes), "neither the weights nor their mean"


class _OfSigns(torch.optim.SGD):
    """Goes by signs alone, as Lion does, so that its candidates are finite whatever the gradient is."""

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.data.sub_(parameter.grad.sign())


def test_a_gradient_that_is_not_finite_is_no_step_even_where_the_candidates_are(faked: Faked) -> None:
    updater = _updater()
    updater = replace(updater, optimizer=_OfSigns(updater.weights.candidates, lr=1.0))
    assert _made(updater, Limits())[2] == 1.0
    assert _live(updater) == [9.0, 9.0]
    faked.gradients = [[inf, 4.0]]
    assert _made(updater, Limits())[2] == 0.0
    assert _live(updater) == [9.0, 9.0]


def test_after_a_broken_step_none_is_made(faked: Faked) -> None:
    updater = _updater()
    assert _made(updater, Limits(), sound=torch.tensor(False))[2] == 0.0
    assert _live(updater) == [10.0, 10.0]


@pytest.mark.parametrize(
    ("longest", "length"), [(0.0, 5.0), (0.5, 0.5), (1.0, 1.0), (2.0, 2.0), (5.0, 5.0), (9.0, 5.0)]
)
def test_gradients_are_clipped_and_their_own_length_is_told_and_judged(
    faked: Faked, longest: float, length: float
) -> None:
    updater = _updater(max_grad_norm=longest)
    assert _made(updater, Limits(gradient=5.0)) == [2.0, 5.0, 1.0]
    assert _live(updater) == pytest.approx([10 - 0.6 * length, 10 - 0.8 * length], rel=1e-5)
    assert _made(updater, Limits(gradient=4.9))[2] == 0.0


def test_each_group_has_its_own_rate_times_what_rollbacks_left(faked: Faked) -> None:
    faked.gradients = [[1.0, 1.0], [1.0, 1.0]]
    updater = _updater(weights=2)
    groups = [{"params": [one]} for one in updater.weights.candidates]
    asked: list[Step] = []

    def rates(step: Step) -> Sequence[float]:
        asked.append(step)
        return [1.0, 4.0]

    updater = replace(updater, optimizer=torch.optim.SGD(groups, lr=9.0), rates=rates)
    _made(updater, Limits(), RunState(rate=0.25))
    assert _live(updater) == [9.75, 9.75, 9.0, 9.0]
    assert asked == [STEP]


@pytest.mark.parametrize(
    ("relative", "rate", "left"),
    [
        ([True], 0.5, 10 - 0.5 * 0.5 * 3),  # the rate has no say in Adafactor's own steps; with SGD here both have
        ([True], 1.0, 7.0),
        ([False], 0.5, 8.5),
        ([False, True], 0.5, 10 - 0.5 * 0.5 * 3),
    ],
)
def test_steps_whose_length_is_the_optimizers_own_are_shortened_by_a_rollback(
    faked: Faked, relative: list[bool], rate: float, left: float
) -> None:
    faked.gradients = [[3.0, 0.0] for _ in relative]
    updater = _updater(weights=len(relative))
    groups = [
        {"params": [one], "relative_step": own} for one, own in zip(updater.weights.candidates, relative, strict=True)
    ]
    updater = replace(updater, optimizer=torch.optim.SGD(groups, lr=1.0), rates=lambda _: [1.0] * len(relative))
    _made(updater, Limits(), RunState(rate=rate))
    assert _live(updater)[0] == pytest.approx(left)


def test_only_a_step_that_was_let_through_counts_in_the_mean(faked: Faked) -> None:
    updater = _updater(mean_decay=0.5)
    _made(updater, Limits())
    decay = 2 / 11  # (1 + n) / (10 + n) of the first update, for 0.5 is more
    with updater.weights.averaged():
        assert _live(updater) == pytest.approx([10 * decay + 7 * (1 - decay), 10 * decay + 6 * (1 - decay)])


def test_a_step_is_the_mean_of_its_batches(faked: Faked) -> None:
    updater, step = _updater(), Step(3, 2, ((0, 1), (2, 3)))
    assert accumulate_gradients(updater, step, ()).item() == 2.0
    (live,) = updater.weights.live
    assert live.grad is not None
    assert live.grad.tolist() == [3.0, 4.0]
    assert faked.asked == [Batch(step, 0, (0, 1), (0, 1)), Batch(step, 1, (2, 3), (0, 1))]


def test_samples_left_out_keep_their_places_and_a_batch_of_none_is_not_made(faked: Faked) -> None:
    updater, step = _updater(), Step(3, 2, ((5, 1), (2, 3)))
    assert accumulate_gradients(updater, step, {5, 2, 3}).item() == 1.0
    assert faked.asked == [Batch(step, 0, (5, 1), (1,))]


def test_a_step_of_which_all_is_left_out_changes_nothing(faked: Faked) -> None:
    updater = _updater()
    assert _made(updater, Limits(), RunState(left_out=(0, 1))) == [0.0, 0.0, 1.0]
    assert _live(updater) == [10.0, 10.0]


@pytest.mark.parametrize("scale", [1.0, 0.5, 2.0, 1024.0])
def test_a_loss_scale_leaves_gradients_as_they_are(faked: Faked, scale: float) -> None:
    faked.gradients = [[3.0, 4.0], None]
    updater = _updater(weights=2)
    assert accumulate_gradients(updater, STEP, (), scale).item() == 2.0
    scaled, without = updater.weights.live
    assert scaled.grad is not None
    assert scaled.grad.tolist() == [3.0, 4.0]
    assert without.grad is None


def test_only_a_base_in_float16_has_its_loss_scaled(monkeypatch: pytest.MonkeyPatch) -> None:
    factors: list[float] = []

    def made(setup: TrainingSetup, batch: Batch, live: Sequence[nn.Parameter], factor: float) -> Tensor:
        factors.append(factor)
        return torch.tensor(1.0)

    monkeypatch.setattr(updates, "add_gradients", made)
    _made(_updater(), Limits(), RunState(loss_scale=256.0))
    _made(replace(_updater(), scales_loss=True), Limits(), RunState(loss_scale=256.0))
    accumulate_gradients(_updater(), STEP, ())
    assert factors == [1.0, 256.0, 1.0]


@dataclass(frozen=True)
class Pair(Processes):
    """The first of two processes; what the other one has is set, as what it adds to each tensor."""

    count: int = 2
    other: Callable[[int, Tensor], Tensor | float] = lambda _, __: 0.0
    sums: list[int] = field(default_factory=list)

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        self.sums.append(len(tensors))
        for at, tensor in enumerate(tensors):
            tensor.add_(torch.as_tensor(self.other(at, tensor)))


def test_a_lone_process_adds_nothing_up(faked: Faked) -> None:
    pair = Pair(count=1)
    accumulate_gradients(_updater(processes=pair), STEP, ())
    assert pair.sums == []


def test_two_processes_add_up_losses_and_gradients_over_the_whole_step(faked: Faked) -> None:
    """This one has the first batch alone; half of the step is the other's."""
    pair = Pair(other=lambda at, tensor: 0.0 if tensor.shape == (1,) else [1.5, torch.tensor([0.5, 1.0])][at])
    updater, step = _updater(processes=pair), Step(1, 1, ((0, 1), (2, 3)))
    assert accumulate_gradients(updater, step, ()).item() == 1.0 + 1.5
    (live,) = updater.weights.live
    assert live.grad is not None
    assert live.grad.tolist() == [2.0, 3.0]
    assert [batch.samples for batch in faked.asked] == [(0, 1)]


def test_a_weight_that_learns_in_another_process_gets_its_gradient_and_one_that_never_does_has_none(
    faked: Faked,
) -> None:
    """Of three weights this process has a gradient of the first, and the other one of the second."""
    faked.gradients = [[3.0, 4.0], None, None]
    flags, gradient = torch.tensor([0.0, 1.0, 0.0]), torch.tensor([7.0, 7.0])
    pair = Pair(other=lambda at, tensor: flags if tensor.shape == (3,) else gradient if at == 2 else 0.0)
    updater = _updater(weights=3, processes=pair)
    accumulate_gradients(updater, STEP, ())
    assert [None if one.grad is None else one.grad.tolist() for one in updater.weights.live] == [
        [3.0, 4.0],
        [7.0, 7.0],
        None,
    ]


def test_which_weights_learn_is_asked_once_with_the_text_encoders_and_once_without(faked: Faked) -> None:
    pair = Pair()
    updater = _updater(processes=pair)
    for number in (8, 9, 10, 11):
        accumulate_gradients(updater, replace(STEP, number=number), ())
    # A question is one tensor of flags, a sum two: the loss and the gradient. Text encoders stop after step 9.
    assert pair.sums == [1, 2, 2, 1, 2, 2]


def test_which_weights_learn_is_asked_again_where_nobody_had_a_picture_and_at_every_step_with_dropout(
    faked: Faked,
) -> None:
    pair = Pair()
    updater = _updater(processes=pair)
    accumulate_gradients(updater, STEP, (0, 1))
    accumulate_gradients(updater, STEP, ())
    assert pair.sums == [1, 1, 1, 2]
    inside = cast(TrainingSetup, SimpleNamespace(text_steps=9, draws_inside=True))
    pair = Pair()
    updater = replace(_updater(processes=pair), setup=inside)
    for _ in range(2):
        accumulate_gradients(updater, STEP, ())
    assert pair.sums == [1, 2, 1, 2]
