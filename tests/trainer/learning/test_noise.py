"""The noise of a step, against sums written out in NumPy from the same draws."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from trainer.learning.noise import Noise, draw_noise

LATENTS = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(5)) + 1.5


def _drawn(asked: Noise, latents: torch.Tensor = LATENTS, seed: int = 0) -> NDArray[np.float64]:
    return draw_noise(latents, asked, torch.Generator().manual_seed(seed)).double().numpy()


def _spread(coarse: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """Bilinear, one place at a time: the centre of each is where its own share of the coarse picture lies."""
    small = coarse.shape[-1]
    wide = np.zeros((*coarse.shape[:2], side, side))
    ats = [min(max((at + 0.5) * small / side - 0.5, 0.0), small - 1.0) for at in range(side)]
    for row, y in enumerate(ats):
        for column, x in enumerate(ats):
            top, left = int(y), int(x)
            below, right = min(top + 1, small - 1), min(left + 1, small - 1)
            upper = coarse[..., top, left] * (1 - (x - left)) + coarse[..., top, right] * (x - left)
            lower = coarse[..., below, left] * (1 - (x - left)) + coarse[..., below, right] * (x - left)
            wide[..., row, column] = upper * (1 - (y - top)) + lower * (y - top)
    return wide


def test_an_offset_shifts_whole_channels() -> None:
    shift = _drawn(Noise(0.5)) - _drawn(Noise())
    assert shift.std(axis=(2, 3)).max() < 1e-6
    assert np.abs(shift[..., 0, 0]).min() > 0
    many = _drawn(Noise(0.5), torch.zeros(500, 4, 1, 1), seed=1)
    assert many.var() == pytest.approx(1 + 0.5**2, rel=0.1)


def test_a_random_strength_is_one_share_of_the_offset_for_all() -> None:
    draws = torch.Generator().manual_seed(3)
    plain = torch.randn(LATENTS.shape, generator=draws)
    share = torch.rand(1, generator=draws)
    shifts = torch.randn(2, 4, 1, 1, generator=draws)
    wanted = plain.double() + (0.5 * share * shifts).double()
    np.testing.assert_allclose(_drawn(Noise(0.5, random_strength=True), seed=3), wanted.numpy(), atol=1e-6)
    assert 0 < share.item() < 1


@pytest.mark.parametrize("scale", [0.25, -0.25])
def test_an_adaptive_offset_grows_with_the_channels_own_mean_and_stops_at_nothing(scale: float) -> None:
    """A channel of mean m has offset + scale * |m|; one of mean -4 at a scale of -0.25 would be below 0."""
    latents = torch.zeros(1, 2, 4, 4)
    latents[0, 0], latents[0, 1] = 1.0, -4.0
    draws = torch.Generator().manual_seed(0)
    plain, shifts = torch.randn(latents.shape, generator=draws), torch.randn(1, 2, 1, 1, generator=draws)
    offsets = torch.tensor([0.5 + scale, max(0.0, 0.5 + 4 * scale)])
    wanted = plain + offsets.view(1, 2, 1, 1) * shifts
    found = _drawn(Noise(0.5, adaptive_scale=scale), latents)
    np.testing.assert_allclose(found, wanted.double().numpy(), atol=1e-6)


def test_coarser_noise_is_added_level_by_level_and_brought_back_to_a_deviation_of_one() -> None:
    draws, discount = torch.Generator().manual_seed(11), 0.4
    total = torch.randn(LATENTS.shape, generator=draws).double().numpy()
    sides: list[int] = []
    for level in range(6):
        ratio = torch.rand(1, generator=draws).item() * 2 + 2
        sides.append(max(1, int(8 / ratio**level)))
        coarse = torch.randn(2, 4, sides[-1], sides[-1], generator=draws).double().numpy()
        total += _spread(coarse, 8) * discount**level
        if sides[-1] == 1:
            break
    assert sides[0] == 8
    assert sides[-1] == 1
    assert 2 <= len(sides) < 6  # it stops at one place, whatever was asked for
    found = _drawn(Noise(iterations=6, discount=discount), seed=11)
    np.testing.assert_allclose(found, total / total.std(ddof=1), atol=1e-5)
    assert found.std(ddof=1) == pytest.approx(1.0, abs=1e-5)


def test_so_many_levels_as_are_asked_for() -> None:
    """One level is noise of the same places twice: it stays white. A discount of 0 adds the first alone."""
    wide = torch.zeros(1, 4, 64, 64)
    one, none = _drawn(Noise(iterations=1), wide), _drawn(Noise(iterations=8, discount=0.0), wide)
    np.testing.assert_allclose(one, none, atol=1e-6)
    neighbours = [np.corrcoef(drawn[..., :-1].ravel(), drawn[..., 1:].ravel())[0, 1] for drawn in (one, none)]
    assert np.abs(neighbours).max() < 0.05
    coarse = _drawn(Noise(iterations=8, discount=0.8), wide)
    assert np.corrcoef(coarse[..., :-1].ravel(), coarse[..., 1:].ravel())[0, 1] > 0.1


def test_nothing_asked_for_is_plain_noise_to_the_bit() -> None:
    plain = torch.randn(LATENTS.shape, generator=torch.Generator().manual_seed(0))
    assert torch.equal(draw_noise(LATENTS, Noise(), torch.Generator().manual_seed(0)), plain)
