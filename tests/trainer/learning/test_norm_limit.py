"""Max-norm regularisation, against full matrices multiplied out."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from trainer.learning.adapters import Factors
from trainer.learning.norm_limit import NormLimit


def _factors(seed: int, *inner: int) -> Factors:
    draw = torch.Generator().manual_seed(seed)
    down, up = torch.randn(3, 5, *inner, generator=draw), torch.randn(7, 3, *[1] * len(inner), generator=draw)
    return Factors(nn.Parameter(down), nn.Parameter(up), 1.5)


def _delta(one: Factors) -> torch.Tensor:
    return one.scale * one.up.detach().flatten(1) @ one.down.detach().flatten(1)


@pytest.mark.parametrize("inner", [(), (1, 1), (3, 3)])
def test_a_larger_delta_is_brought_to_the_norm_and_keeps_its_direction(inner: tuple[int, ...]) -> None:
    one = _factors(1, *inner)
    before, ratio = _delta(one), one.up.detach().norm() / one.down.detach().norm()
    norm = before.norm().item()
    NormLimit(norm / 4, [one]).hold()
    torch.testing.assert_close(_delta(one), before / 4)
    assert _delta(one).norm().item() == pytest.approx(norm / 4, rel=1e-5)
    torch.testing.assert_close(one.up.detach().norm() / one.down.detach().norm(), ratio)  # both halves alike


def test_what_is_within_the_norm_keeps_its_bits_and_each_module_is_judged_by_itself() -> None:
    small, large, none = _factors(1), _factors(2), _factors(3)
    none.up.data.zero_()
    large.up.data.mul_(100)
    kept = [small.up.clone(), small.down.clone(), none.down.clone()]
    most = _delta(small).norm().item() * 1.01
    NormLimit(most, [small, large, none]).hold()
    assert all(map(torch.equal, kept, [small.up, small.down, none.down]))
    assert _delta(large).norm().item() == pytest.approx(most, rel=1e-5)


def test_what_overflows_is_not_shrunk_to_nothing() -> None:
    one = _factors(1)
    one.up.data.fill_(1e30)
    NormLimit(1.0, [one]).hold()
    assert one.up.isnan().all()
