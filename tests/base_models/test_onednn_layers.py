"""Products through oneDNN are torch's products, values and gradients, and only where they are meant to be."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from base_models import onednn_layers
from base_models.onednn_layers import attention, computed_in, linear, norms_in_float32, use_onednn


@settings(max_examples=30)
@given(
    rows=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    width=st.integers(1, 40),
    out=st.integers(1, 40),
    biased=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_values_and_gradients_are_torchs(rows: list[int], width: int, out: int, biased: bool, seed: int) -> None:
    torch.manual_seed(seed)
    weight, bias = torch.randn(out, width), torch.randn(out) if biased else None
    given_, wanted_ = (torch.randn(*rows, width, generator=torch.Generator().manual_seed(seed)) for _ in range(2))
    found = linear(given_.requires_grad_(), weight, bias)
    wanted = nn.functional.linear(wanted_.requires_grad_(), weight, bias)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
    (found.square().sum()).backward()
    (wanted.square().sum()).backward()
    torch.testing.assert_close(given_.grad, wanted_.grad, atol=1e-4, rtol=1e-4)


def test_a_weight_that_is_trained_gets_its_gradient() -> None:
    layer = nn.Linear(4, 3)
    use_onednn(layer)
    layer(torch.ones(2, 4)).sum().backward()
    assert layer.weight.grad is not None
    assert torch.equal(layer.weight.grad, torch.full((3, 4), 2.0))


@pytest.mark.skipif(not onednn_layers.has_onednn(), reason="this torch has no oneDNN")
def test_frozen_float32_goes_through_onednn_and_half_precision_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[torch.dtype] = []
    pointwise = onednn_layers.pointwise
    monkeypatch.setattr(onednn_layers, "pointwise", lambda *given: calls.append(given[0].dtype) or pointwise(*given))
    layer = nn.Linear(4, 3).requires_grad_(False)
    use_onednn(layer)
    layer(torch.ones(2, 4))
    layer.to(torch.bfloat16)(torch.ones(2, 4, dtype=torch.bfloat16))
    assert calls == [torch.float32]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_norms_and_attention_are_at_least_as_exact_as_torchs(dtype: torch.dtype) -> None:
    """Against float64: in half precision the only rounding left is that of the answer."""
    torch.manual_seed(0)
    layer = nn.GroupNorm(4, 8)
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    picture = torch.randn(2, 8, 6, 5).to(dtype)
    layer = layer.to(dtype)
    exact = nn.functional.group_norm(picture.double(), 4, layer.weight.double(), layer.bias.double())
    norms_in_float32(layer)
    eps = torch.finfo(dtype).eps
    torch.testing.assert_close(layer(picture).double(), exact, atol=4 * eps, rtol=eps)
    query, key, value = (torch.randn(2, 3, 7, 4).to(dtype) for _ in range(3))
    wanted = nn.functional.scaled_dot_product_attention(query.double(), key.double(), value.double())
    found = attention(query, key.to(computed_in(key)), value)
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), wanted, atol=4 * eps, rtol=eps)
