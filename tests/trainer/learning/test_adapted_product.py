"""Base and adapter as one product: PEFT's values and gradients, and only where nothing is rounded away."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from trainer.learning.adapted_product import adapted_product, merges


def _apart(given_: Tensor, weight: Tensor, bias: Tensor | None, down: Tensor, up: Tensor, scale: float) -> Tensor:
    base = torch.nn.functional.linear(given_, weight, bias)
    return base + scale * torch.nn.functional.linear(torch.nn.functional.linear(given_, down), up)


@settings(max_examples=30)
@given(
    rows=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    width=st.integers(1, 30),
    out=st.integers(1, 30),
    rank=st.integers(1, 9),
    biased=st.booleans(),
    scale=st.sampled_from([1.0, 0.5, 1 / 128]),
    seed=st.integers(0, 2**31),
)
def test_values_and_gradients_are_those_of_base_and_adapter_apart(
    rows: list[int], width: int, out: int, rank: int, biased: bool, scale: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    exact = [
        drawn(*rows, width),
        drawn(out, width),
        drawn(out) if biased else None,
        drawn(rank, width),
        drawn(out, rank),
    ]
    towards = drawn(*rows, out)
    single = [None if one is None else one.float() for one in exact]
    for tensors in (exact, single):
        for at in (0, 3, 4):
            tensors[at].requires_grad_()
    wanted, found = _apart(*exact, scale), adapted_product(*single, scale)
    torch.testing.assert_close(found.double(), wanted, atol=1e-4, rtol=1e-4)
    (wanted * towards).sum().backward()
    (found * towards.float()).sum().backward()
    for at in (0, 3, 4):
        torch.testing.assert_close(single[at].grad.double(), exact[at].grad, atol=1e-3, rtol=1e-4)


def test_an_input_that_is_not_contiguous_gives_the_same() -> None:
    generator = torch.Generator().manual_seed(0)
    picture = torch.randn(2, 6, 4, 5, generator=generator)
    factors = [torch.randn(7, 6), torch.randn(7), torch.randn(3, 6), torch.randn(7, 3)]
    strided = picture.movedim(1, -1)
    torch.testing.assert_close(
        adapted_product(strided, *factors, 0.5), adapted_product(strided.contiguous(), *factors, 0.5)
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_types_are_left_alone(dtype: torch.dtype) -> None:
    assert not merges(torch.ones(2, 3, dtype=dtype), torch.ones(4, 3, dtype=dtype), torch.ones(1, 3))
    with torch.autocast("cpu", torch.bfloat16):
        assert not merges(torch.ones(2, 3), torch.ones(4, 3), torch.ones(1, 3))
    assert merges(torch.ones(2, 3), torch.ones(4, 3), torch.ones(1, 3))
