"""The blend is the exact weighted sum of what its LoRAs do, module by module."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from loras.blend import blend
from loras.lora_file import LoraFile, LoraModule
from loras.weights import Weights

UNET, TEXT = "lora_unet_a_to_q", "lora_te_b_q_proj"
weights = st.builds(Weights.of, *[st.sampled_from([-1.0, -0.3, 0.0, 0.2, 0.8, 1.5])] * 2)
parts = st.lists(
    st.tuples(st.integers(1, 6), st.floats(0.1, 8), weights, st.integers(0, 99), st.booleans()), min_size=1, max_size=4
)
Part = tuple[int, float, Weights, int, bool]


def lora(rank: int, alpha: float, seed: int, both: bool) -> LoraFile:
    draw = torch.Generator().manual_seed(seed)

    def module() -> LoraModule:
        return LoraModule(torch.randn(rank, 7, generator=draw), torch.randn(5, rank, generator=draw), alpha)

    return LoraFile({name: module() for name in ([UNET, TEXT] if both else [UNET])}, {})


def blended(made: list[Part]) -> LoraFile:
    return blend([(lora(rank, alpha, seed, both), weight) for rank, alpha, weight, seed, both in made])


def delta(file: LoraFile, name: str) -> torch.Tensor:
    return file.modules[name].delta().double() if name in file.modules else torch.zeros(5, 7, dtype=torch.float64)


@settings(max_examples=60)
@given(made=parts)
def test_exact_sum(made: list[Part]) -> None:
    """To 1e-6 of the terms' norms together, so that terms that cancel are judged fairly."""
    result = blended(made)
    for name, which in ((UNET, "unet"), (TEXT, "te1")):
        terms = [
            weight.on(which) * delta(lora(rank, alpha, seed, both), name) for rank, alpha, weight, seed, both in made
        ]
        size = sum(term.norm().item() for term in terms)
        error = (delta(result, name) - torch.stack(terms).sum(0)).norm().item()
        assert error <= 1e-6 * size + 1e-12


@settings(max_examples=30)
@given(made=parts)
def test_order_does_not_matter(made: list[Part]) -> None:
    forward, backward = blended(made), blended(made[::-1])
    assert forward.modules.keys() == backward.modules.keys()
    for name in forward.modules:
        size = sum(abs(part[2].on("unet" if name == UNET else "te1")) * 100 * part[1] for part in made)
        assert torch.allclose(delta(forward, name), delta(backward, name), atol=1e-6 * size + 1e-9)


def test_weight_zero_is_absence() -> None:
    one, other = lora(2, 1.0, 1, True), lora(3, 1.0, 2, True)
    with_zero = blend([(one, Weights.of(0.7, 0.4)), (other, Weights.of(0.0, 0.0))])
    alone = blend([(one, Weights.of(0.7, 0.4))])
    assert all(torch.equal(with_zero.modules[name].down, alone.modules[name].down) for name in alone.modules)
    assert not blend([(one, Weights.of(0.0, 0.0))]).modules


def test_unet_weight_never_moves_the_text_encoder() -> None:
    one = lora(2, 1.0, 1, True)
    moved = [blend([(one, Weights.of(unet, 0.5))]).modules[TEXT].alpha for unet in (0.1, 1.0, 2.0)]
    assert len(set(moved)) == 1


def test_a_single_lora_keeps_its_tensors_and_scales_alpha() -> None:
    one = lora(4, 2.0, 1, True)
    scaled = blend([(one, Weights.of(0.6, 0.3))])
    assert torch.equal(scaled.modules[UNET].up, one.modules[UNET].up)
    assert scaled.modules[UNET].alpha == 2.0 * 0.6
    assert scaled.modules[TEXT].alpha == 2.0 * 0.3
