"""The trained weights twice: what is live, what is a candidate, and what is kept."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from trainer.guarding.guarded_weights import ALIGNMENT, GuardedWeights

YES, NO = torch.tensor(True), torch.tensor(False)


def _guarded(mean_decay: float = 0.0) -> GuardedWeights:
    return GuardedWeights([nn.Parameter(torch.full((2, 3), 1.0)), nn.Parameter(torch.tensor([2.0]))], mean_decay)


def _filled(weights: GuardedWeights, first: float, second: float) -> None:
    for candidate, value in zip(weights.candidates, (first, second), strict=True):
        candidate.data.fill_(value)


def _of(parameters: list[nn.Parameter]) -> list[list[float]]:
    return [parameter.detach().flatten().tolist() for parameter in parameters]


def test_candidates_begin_as_the_live_weights_in_their_shapes() -> None:
    weights = _guarded()
    assert _of(weights.candidates) == _of(weights.live) == [[1.0] * 6, [2.0]]
    assert [one.shape for one in weights.candidates] == [(2, 3), (1,)]


@pytest.mark.parametrize("sizes", [(1, 1), (ALIGNMENT, 1), (ALIGNMENT + 1, 3), (5, 2 * ALIGNMENT)])
def test_every_weight_begins_where_vector_loads_want_it(sizes: tuple[int, int]) -> None:
    weights = GuardedWeights([nn.Parameter(torch.arange(float(size))) for size in sizes])
    assert _of(weights.live) == _of(weights.candidates) == [list(map(float, range(size))) for size in sizes]
    assert ALIGNMENT % 4 == 0, "a vector load takes 16 bytes at least"
    starts = [one.storage_offset() for one in weights.live]
    assert starts == [0, -(-sizes[0] // ALIGNMENT) * ALIGNMENT]
    assert starts == [one.storage_offset() for one in weights.candidates]


def test_twins_come_in_the_order_that_is_asked_for() -> None:
    weights = _guarded()
    first, second = weights.candidates
    assert [id(one) for one in weights.twins_of(weights.live[::-1])] == [id(second), id(first)]


def test_gradients_are_those_that_there_are_and_the_candidates_have_them() -> None:
    weights = _guarded()
    weights.live[1].grad = torch.tensor([5.0])
    assert [one.tolist() for one in weights.gradients()] == [[5.0]]
    assert weights.candidates[1].grad is weights.live[1].grad
    assert weights.candidates[0].grad is None
    weights.clear_gradients()
    assert [one.grad for one in (*weights.live, *weights.candidates)] == [None] * 4


@pytest.mark.parametrize(
    ("allowed", "first", "lets"), [(YES, 3.0, True), (NO, 3.0, False), (YES, torch.nan, False), (YES, torch.inf, False)]
)
def test_candidates_go_live_where_they_may_and_are_finite(allowed: Tensor, first: float, lets: bool) -> None:
    weights = _guarded()
    _filled(weights, first, 4.0)
    assert weights.accept(allowed).item() is lets
    assert _of(weights.live) == ([[3.0] * 6, [4.0]] if lets else [[1.0] * 6, [2.0]])


def test_a_shortened_step_goes_that_share_of_its_way() -> None:
    weights = _guarded()
    _filled(weights, 5.0, -2.0)
    weights.shorten(0.25)
    assert _of(weights.candidates) == [[2.0] * 6, [1.0]]
    assert _of(weights.live) == [[1.0] * 6, [2.0]]


@pytest.mark.parametrize(("updates", "decay"), [(1, 2 / 11), (8, 0.5), (17, 18 / 27), (1000, 0.75)])
def test_the_mean_decays_as_fast_as_so_many_updates_allow(updates: int, decay: float) -> None:
    weights = _guarded(0.75)
    _filled(weights, 11.0, 12.0)
    weights.average(weights.accept(YES), updates)
    with weights.averaged():
        assert _of(weights.live) == [pytest.approx([11 - 10 * decay] * 6), pytest.approx([12 - 10 * decay])]
    assert _of(weights.live) == [[11.0] * 6, [12.0]]


def test_the_live_weights_come_back_whatever_happens_while_the_mean_is_there() -> None:
    weights = _guarded(0.5)
    _filled(weights, 3.0, 3.0)
    weights.accept(YES)

    def fail() -> None:
        with weights.averaged():
            assert _of(weights.live) == [[1.0] * 6, [2.0]]
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert _of(weights.live) == [[3.0] * 6, [3.0]]


def test_without_a_mean_the_live_weights_stay_and_are_all_that_is_kept() -> None:
    weights = GuardedWeights(_guarded().live)
    weights.average(YES, 3)
    with weights.averaged():
        assert _of(weights.live) == [[1.0] * 6, [2.0]]
    assert weights.copy().tolist() == [1.0] * 6 + [0.0] * (ALIGNMENT - 6) + [2.0] + [0.0] * (ALIGNMENT - 1)


@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_a_copy_brings_back_live_weights_candidates_and_mean(decay: float) -> None:
    weights = _guarded(decay)
    _filled(weights, 3.0, 4.0)
    weights.average(weights.accept(YES), 1)
    kept, mean = weights.copy(), _mean(weights)
    _filled(weights, 8.0, 9.0)
    weights.average(weights.accept(YES), 2)
    _filled(weights, 7.0, 7.0)
    weights.restore(kept)
    assert _of(weights.live) == _of(weights.candidates) == [[3.0] * 6, [4.0]]
    assert _mean(weights) == mean
    assert torch.equal(weights.copy(), kept)
    _filled(weights, 8.0, 9.0)
    weights.accept(YES)
    assert not torch.equal(weights.copy(), kept), "a copy is one"


def _mean(weights: GuardedWeights) -> list[list[float]]:
    with weights.averaged():
        return _of(weights.live)
