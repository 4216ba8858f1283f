"""The blend is the exact weighted sum of what its LoRAs do, module by module."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from loras.blend import BlendError, Term, blend, plain_factors, summed, with_one_alpha
from loras.lora_file import LoraFile, LoraModule
from loras.module_kinds import FullModule
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


def _module(down: list[list[float]], up: list[list[float]], alpha: float) -> LoraModule:
    return LoraModule(torch.tensor(down), torch.tensor(up), alpha)


ONE = _module([[1.0, 2.0]], [[3.0], [4.0]], 1.0)
TWO = _module([[1.0, 0.0], [0.0, 1.0]], [[2.0, 0.0], [0.0, 6.0]], 4.0)  # scaled by 2


def test_two_terms_are_their_factors_side_by_side_with_the_roots_of_their_weights() -> None:
    """4 times the first, whose scale is 1, and -2 times the second, whose scale is 2."""
    found = summed([Term(ONE, 4.0), Term(TWO, -2.0)], "a")
    assert found.down.tolist() == [[2.0, 4.0], [2.0, 0.0], [0.0, 2.0]]
    assert found.up.tolist() == [[6.0, -4.0, 0.0], [8.0, 0.0, -12.0]]
    assert found.alpha == 3.0
    assert found.delta().tolist() == [[12.0 - 8.0, 24.0], [16.0, 32.0 - 24.0]]


def test_another_alpha_moves_its_root_onto_both_factors() -> None:
    assert TWO.with_alpha(4.0) is TWO
    moved = TWO.with_alpha(1.0)
    assert (moved.down.tolist(), moved.up.tolist(), moved.alpha) == ([[2, 0], [0, 2]], [[4, 0], [0, 12]], 1.0)
    turned = _module([[1.0, 2.0]], [[3.0], [4.0]], -4.0).with_alpha(1.0)
    assert (turned.down.tolist(), turned.up.tolist()) == ([[2, 4]], [[-6], [-8]])


def test_the_alpha_of_most_modules_of_a_part_becomes_that_of_all() -> None:
    """Each part by itself; what has it stays the very module."""
    modules = {f"lora_unet_{at}": TWO.with_alpha(alpha) for at, alpha in enumerate((8.0, 3.0, 3.0))}
    modules |= {f"lora_te_{at}": ONE.with_alpha(alpha) for at, alpha in enumerate((5.0, 5.0, 3.0))}
    made = with_one_alpha(modules)
    assert [made[name].alpha for name in modules] == [3.0, 3.0, 3.0, 5.0, 5.0, 5.0]
    assert [name for name in modules if made[name] is not modules[name]] == ["lora_unet_0", "lora_te_2"]
    for name, module in modules.items():
        torch.testing.assert_close(made[name].delta(), module.delta())
    blended = blend([(LoraFile(modules, {}), Weights.of(0.5, 2.0))])
    assert {name: one.alpha for name, one in blended.modules.items()} == {
        name: 1.5 if "unet" in name else 10.0 for name in modules
    }


def test_a_blend_of_several_has_the_largest_rank_for_its_alpha() -> None:
    files = [LoraFile({UNET: ONE}, {"x": "1"}), LoraFile({UNET: TWO, TEXT: TWO}, {"x": "2"})]
    both = blend([(file, Weights.of(1.0, 1.0)) for file in files])
    assert [(module.rank, module.alpha) for module in both.modules.values()] == [(3, 3.0), (2, 3.0)]
    assert both.metadata == {}
    one = blend([(files[0], Weights.of(1.0, 1.0)), (files[1], Weights.of(0.0, 0.0))])
    assert (one.modules[UNET].alpha, one.metadata) == (1.0, {}), "only one acts, so it keeps its tensors"
    assert blend([(files[1], Weights.of(0.5, 0.0))]).metadata == {"x": "2"}
    apart = blend([(files[1], Weights.of(0.5, 0.0)), (LoraFile({TEXT: ONE}, {}), Weights.of(0.0, 1.0))])
    assert {module.alpha for module in apart.modules.values()} == {2.0}, "two act, on modules of their own"
    assert blend([]).modules == {}


def test_linear_and_1x1_factors_go_together_and_other_shapes_do_not() -> None:
    pointwise = LoraModule(ONE.down.reshape(1, 2, 1, 1), ONE.up.reshape(2, 1, 1, 1), 1.0)
    for order in ([ONE, pointwise], [pointwise, ONE]):
        found = summed([Term(module, 1.0) for module in order], "a")
        assert (found.down.shape, found.up.shape) == ((2, 2, 1, 1), (2, 2, 1, 1))
        assert torch.equal(found.delta().flatten(1), 2 * ONE.delta())
    spread = LoraModule(torch.ones(1, 2, 3, 3), torch.ones(2, 1, 1, 1), 1.0)
    with pytest.raises(BlendError, match=r"`a` is \(2, 2\) and \(2, 2, 3, 3\) in different files"):
        summed([Term(ONE, 1.0), Term(spread, 1.0)], "a")
    twice = summed([Term(spread, 1.0), Term(spread, 2.0)], "a")
    torch.testing.assert_close(twice.delta(), 3 * spread.delta())


def test_what_does_not_add_up_is_named_with_its_kind() -> None:
    bias = FullModule(torch.ones(4))
    with pytest.raises(BlendError, match="`a` is of the kind full, which does not add up"):
        plain_factors(bias, "a")
    whole = FullModule(torch.eye(2))
    torch.testing.assert_close(plain_factors(whole, "a").delta(), torch.eye(2))
