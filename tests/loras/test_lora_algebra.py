"""Products, merges and rank rules of LoRA files, in matrices so small that they can be worked out on paper."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from loras.blend import Term
from loras.blending.dense_delta import DenseDelta, zero_module
from loras.blending.merge_methods import Merge, dropped, ties
from loras.blending.rank_rule import RankError, RankRule
from loras.lora_file import LoraModule
from loras.low_rank import Product
from loras.low_rank_norm import grams, squared_norm

SHAPES = [(3, 4), (4, 3), (3, 3), (3, 2, 1, 2), (2, 3, 3, 3)]


def _drawn(shape: tuple[int, ...], rank: int, alpha: float, seed: int) -> LoraModule:
    draw = torch.Generator().manual_seed(seed)
    ones = (1,) * (len(shape) - 2)
    return LoraModule(
        torch.randn(rank, *shape[1:], generator=draw), torch.randn(shape[0], rank, *ones, generator=draw), alpha
    )


def _exact(module: LoraModule) -> Tensor:
    """alpha / rank up @ down, in float64."""
    return module.alpha / module.rank * (module.up.double().flatten(1) @ module.down.double().flatten(1))


shapes, alphas, seeds = st.sampled_from(SHAPES), st.sampled_from([0.5, 2.0, 3.0, -4.0]), st.integers(0, 99)


@given(shape=shapes, alpha=alphas, rank=st.integers(1, 3), seed=seeds)
def test_a_product_is_the_modules_delta(shape: tuple[int, ...], alpha: float, rank: int, seed: int) -> None:
    module = _drawn(shape, rank, alpha, seed)
    product = Product.of(module)
    torch.testing.assert_close(product.up.double() @ product.down.double(), _exact(module), atol=1e-5, rtol=1e-5)
    assert product.module(product.up, product.down).shape == shape
    whole = Product.dense(module.delta())
    torch.testing.assert_close(whole.up @ whole.down, module.delta().flatten(1))
    assert whole.up.shape[1] == min(shape[0], module.down[0].numel())
    assert whole.module(whole.up, whole.down).shape == shape


def test_the_scale_goes_into_the_smaller_factor() -> None:
    """So that less is multiplied; the other factor stays bit for bit."""
    wide, tall = _drawn((2, 5), 2, 4.0, 1), _drawn((5, 2), 2, 4.0, 1)
    assert torch.equal(Product.of(wide).up, 2 * wide.up)
    assert torch.equal(Product.of(wide).down, wide.down)
    assert torch.equal(Product.of(tall).up, tall.up)
    assert torch.equal(Product.of(tall).down, 2 * tall.down)


@given(shape=shapes, alpha=alphas, seed=seeds)
def test_norms_and_inner_products_are_the_whole_matrix(shape: tuple[int, ...], alpha: float, seed: int) -> None:
    one, other = _drawn(shape, 2, alpha, seed), _drawn(shape, 3, 1.5, seed + 1)
    ours, theirs = Product.of(one), Product.of(other)
    assert ours.squared_norm() == pytest.approx(_exact(one).square().sum().item(), rel=1e-5)
    assert ours.inner(theirs) == pytest.approx((_exact(one) * _exact(other)).sum().item(), rel=1e-4, abs=1e-4)


def test_a_norm_of_rounding_alone_is_none() -> None:
    assert squared_norm(torch.tensor([[-1e-9]]), torch.ones(1, 1)).item() == 0.0
    assert squared_norm(*grams(torch.tensor([[3.0], [4.0]]), torch.tensor([[2.0, 0.0]]))).item() == 100.0


def test_what_rounding_loses_is_the_distance_to_what_is_left() -> None:
    up, down = torch.tensor([[3.0, 1.0], [0.0, 2.0]]), torch.tensor([[1.0, 0.0, 2.0], [0.0, 4.0, 1.0]])
    coarse_up, coarse_down = torch.tensor([[2.0, 1.0], [0.0, 2.0]]), torch.tensor([[1.0, 0.0, 2.0], [0.0, 3.0, 1.0]])
    whole, lost = Product(up, down, None).rounded_to(Product(coarse_up, coarse_down, None))
    assert whole == (up @ down).square().sum().item()
    assert lost == (up @ down - coarse_up @ coarse_down).square().sum().item()
    assert Product(up, down, None).rounded_to(Product(up, down, None)) == (whole, 0.0)
    both = Product(coarse_up + 1, coarse_down - 2, None)  # a factor's loss leans on the other's
    lost = Product(up, down, None).rounded_to(both)[1]
    assert lost == (up @ down - both.up @ both.down).square().sum().item()


@given(rank=st.integers(1, 80), other_rank=st.integers(1, 8), columns=st.integers(1, 3000), seed=seeds)
def test_a_distance_is_that_of_the_whole_matrices(rank: int, other_rank: int, columns: int, seed: int) -> None:
    one, other = _drawn((40, columns), rank, float(rank), seed), _drawn((40, columns), other_rank, 1.5, seed + 1)
    exact = (_exact(one) - _exact(other)).square().sum().item()
    assert Product.of(one).squared_distance(Product.of(other)) == pytest.approx(exact, rel=2e-3)


@pytest.mark.parametrize("size", [1.0, 1e4])
def test_where_float32_cannot_tell_a_distance_float64_does(size: float) -> None:
    """A delta against itself rounded, and a delta that is the small difference of two large ones."""
    draw = torch.Generator().manual_seed(7)
    up, down = torch.randn(50, 4, generator=draw), torch.randn(4, 60, generator=draw)
    large = size * torch.randn(50, 1, generator=draw)
    row = torch.randn(1, 60, generator=draw)
    ours = Product(torch.cat([up, large, -large], dim=1), torch.cat([down, row, row]), None)
    rounded = Product(up.half().float(), down.half().float(), None)
    exact = (ours.up.double() @ ours.down.double() - rounded.up.double() @ rounded.down.double()).square().sum().item()
    assert ours.squared_distance(rounded) == pytest.approx(exact, rel=0.05)


def test_a_distance_that_float32_cannot_hold_is_told() -> None:
    huge = Product(torch.full((4, 1), 1e20), torch.full((1, 4), 1e20), None)
    assert huge.squared_distance(Product(huge.up, huge.down / 2, None)) == pytest.approx(4e80, rel=1e-3)


@given(shape=shapes, rank=st.integers(1, 9), seed=seeds)
def test_the_spectrum_is_the_svds_and_the_best_module_keeps_its_leading_part(
    shape: tuple[int, ...], rank: int, seed: int
) -> None:
    module = _drawn(shape, rank, 2.0, seed)
    delta = _exact(module)
    left, values, right = torch.linalg.svd(delta, full_matrices=False)
    spectrum = Product.of(module).spectrum()
    known = len(spectrum.values)
    assert known <= min(rank, *delta.shape)
    torch.testing.assert_close(spectrum.values, values[:known], atol=1e-5, rtol=1e-5)
    best = spectrum.truncated(1)
    assert (best.shape, best.rank, best.alpha) == (shape, 1, 1.0)
    assert best.delta().dtype == torch.float32
    leading = values[0] * left[:, :1] @ right[:1]
    torch.testing.assert_close(best.delta().double().flatten(1), leading, atol=1e-4, rtol=1e-3)
    up, down = best.up.double().norm(), best.down.double().norm()
    assert up.item() == pytest.approx(down.item(), rel=1e-3), "the root of the singular value is on both"
    assert spectrum.truncated(0).rank == 1
    assert spectrum.truncated(99).rank == known


def test_factors_wider_than_the_matrix_are_multiplied_out() -> None:
    wide = Product.of(_drawn((3, 2, 1, 2), 7, 7.0, 0))
    narrow = wide.narrowed()
    assert (narrow.up.shape, narrow.down.shape, narrow.kernel) == ((3, 3), (3, 4), (1, 2))
    torch.testing.assert_close((narrow.up @ narrow.down).double(), wide.up.double() @ wide.down.double())
    for shape in ((3, 4), (4, 3)):
        fitting = Product.of(_drawn(shape, 3, 3.0, 0))
        assert fitting.narrowed() is fitting
        assert Product.of(_drawn(shape, 4, 4.0, 0)).narrowed().up.shape[1] == 3


def test_a_delta_of_nothing_has_no_singular_values_and_the_shape_it_should_have() -> None:
    none = Product.of(LoraModule(torch.zeros(2, 4, 3, 3), torch.ones(5, 2, 1, 1), 2.0))
    assert len(none.spectrum().values) == 0
    for module in (
        none.spectrum().truncated(4),
        none.zero_module(),
        DenseDelta.of(torch.zeros(5, 4, 3, 3)).truncated(2),
    ):
        assert (module.shape, module.rank, module.alpha) == ((5, 4, 3, 3), 1, 1.0)
        assert not module.delta().any()
    assert (zero_module((5, 4)).down.shape, zero_module((5, 4)).up.shape) == ((1, 4), (5, 1))
    assert not zero_module((5, 4)).up.any()
    of_convolution = DenseDelta.of(torch.randn(5, 4, 3, 3)).truncated(2)
    assert (of_convolution.down.shape, of_convolution.up.shape) == ((2, 4, 3, 3), (5, 2, 1, 1))
    assert not zero_module((5, 4)).down.any()


def test_factors_that_repeat_themselves_lose_no_direction_that_counts() -> None:
    """The second row of `down` is the first again, so the product has rank 1: 5 * sqrt(2) long."""
    product = Product(torch.tensor([[3.0, 0.0], [0.0, 4.0]]), torch.tensor([[1.0, 1.0], [1.0, 1.0]]), None)
    assert product.spectrum().values.tolist() == pytest.approx([5 * 2**0.5])
    for size in (1e-6, 1e6):
        sized = Product(product.up, product.down * size, None)
        assert sized.spectrum().values.tolist() == pytest.approx([5 * 2**0.5 * size]), "whatever its size"
    almost = Product(torch.eye(2), torch.tensor([[1.0, 1.0], [1.0, 1.0 + 1e-4]]), None)
    values = torch.linalg.svdvals(almost.down.double())
    assert almost.spectrum().values.tolist() == pytest.approx(values.tolist(), rel=1e-3)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_best_of_a_whole_delta_has_the_roots_on_both_factors(shape: tuple[int, ...]) -> None:
    delta = torch.randn(shape, generator=torch.Generator().manual_seed(3))
    found = DenseDelta.of(delta)
    values = torch.linalg.svdvals(delta.double().flatten(1))
    torch.testing.assert_close(found.values, values)
    best = found.truncated(2)
    assert (best.shape, best.rank, best.alpha) == (shape, 2, 2.0)
    assert best.up.flatten(1).norm(dim=0).square().tolist() == pytest.approx(values[:2].tolist(), rel=1e-4)
    assert best.down.flatten(1).norm(dim=1).square().tolist() == pytest.approx(values[:2].tolist(), rel=1e-4)
    assert found.truncated(0).rank == 1
    assert not found.truncated(0).delta().any()
    torch.testing.assert_close(found.truncated(99).delta(), delta, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_a_delta_of_one_direction_has_one_singular_value_whatever_its_size(size: float) -> None:
    delta = size * torch.tensor([[3.0], [0.0], [4.0]]) @ torch.tensor([[1.0, 2.0, 2.0, 0.0]])
    for found in (DenseDelta.of(delta), DenseDelta.of(delta.T)):
        assert found.values.tolist() == pytest.approx([15.0 * size])
        assert found.truncated(3).rank == 1


def _terms() -> list[Term]:
    """Deltas of [[4, -1]] and [[1, 3]], weighed by 2 and -1: [[8, -2]] and [[-1, -3]]."""
    factors = (([[4.0, -1.0]], 2.0), ([[1.0, 3.0]], -1.0))
    return [Term(LoraModule(torch.tensor(down), torch.ones(1, 1), 1.0), weight) for down, weight in factors]


def merged(merge: Merge, terms: Sequence[Term], name: str, labels: Sequence[str]) -> torch.Tensor:
    """The whole delta, as a method of whole deltas leaves it."""
    product = merge.product(terms, name, labels)
    whole = product.up @ product.down
    return whole if product.kernel is None else whole.reshape(len(whole), -1, *product.kernel)


def test_ties_weighs_first_then_elects() -> None:
    """The greater totals are 7 and -5: 8 agrees with the first, -2 and -3 with the second."""
    assert merged(Merge("ties", 1.0), _terms(), "a", ["x", "y"]).tolist() == [[8.0, -2.5]]
    assert merged(Merge("ties", 0.5), _terms(), "a", ["x", "y"]).tolist() == [[8.0, -3.0]]
    assert merged(Merge("ties", 0.01), _terms(), "a", ["x", "y"]).tolist() == [[8.0, -3.0]], "one entry at least"


def test_ties_averages_those_that_agree_and_takes_no_part_of_zeros() -> None:
    deltas = [
        torch.tensor([2.0, 1.0, 0.0, 5.0]),
        torch.tensor([4.0, -1.0, 0.0, 1.0]),
        torch.tensor([0.0, 0.0, 0.0, 3.0]),
    ]
    assert ties(deltas, 1.0).tolist() == [3.0, 0.0, 0.0, 3.0]


def test_ties_keeps_the_share_of_largest_entries() -> None:
    delta = torch.tensor([[3.0, -4.0], [1.0, 2.0]])
    assert ties([delta], 0.75).tolist() == [[3.0, -4.0], [0.0, 2.0]]
    assert ties([delta], 0.5).tolist() == [[3.0, -4.0], [0.0, 0.0]]


def test_dare_keeps_some_entries_and_divides_them_by_the_density() -> None:
    delta = torch.full((50, 50), 3.0)
    found = dropped(delta, 0.5, torch.Generator().manual_seed(0))
    assert set(found.unique().tolist()) == {0.0, 6.0}
    assert (found > 0).double().mean().item() == pytest.approx(0.5, abs=0.05)
    assert torch.equal(dropped(delta, 1.0, torch.Generator().manual_seed(0)), delta)


def test_dare_adds_up_what_each_file_keeps_by_a_draw_of_its_own() -> None:
    wide = [Term(LoraModule(torch.ones(1, 400), torch.ones(1, 1), 1.0), weight) for weight in (1.0, 10.0)]
    found = merged(Merge("dare", 0.5, 7), wide, "a", ["x", "y"])
    assert set(found.unique().tolist()) == {0.0, 2.0, 20.0, 22.0}
    assert torch.equal(found, merged(Merge("dare", 0.5, 7), wide[::-1], "a", ["y", "x"]))
    others = (Merge("dare", 0.5, 8), "a", ["x", "y"]), (Merge("dare", 0.5, 7), "b", ["x", "y"])
    others = (*others, (Merge("dare", 0.5, 7), "a", ["z", "y"]))
    assert not any(torch.equal(found, merged(merge, wide, name, labels)) for merge, name, labels in others)
    default = merged(Merge("dare", 0.5), wide, "a", ["x", "y"])
    assert torch.equal(default, merged(Merge("dare", 0.5, 0), wide, "a", ["x", "y"]))


def test_terms_of_other_layouts_take_the_first_ones_shape() -> None:
    linear = Term(LoraModule(torch.ones(1, 4), torch.ones(3, 1), 1.0), 1.0)
    pointwise = Term(LoraModule(torch.ones(1, 4, 1, 1), torch.ones(3, 1, 1, 1), 1.0), 1.0)
    merge = Merge("ties", 1.0)
    assert merged(merge, [linear, pointwise], "a", ["x", "y"]).shape == (3, 4)
    assert merged(merge, [pointwise, linear], "a", ["x", "y"]).shape == (3, 4, 1, 1)


VALUES = torch.tensor([4.0, 2.0, 2.0, 1.0], dtype=torch.float64)  # squares: 16, 4, 4, 1, together 25


@pytest.mark.parametrize(
    ("text", "rank"),
    [
        ("3", 3),
        ("9", 9),
        ("energy=0.64", 1),
        ("energy=0.65", 2),
        ("energy=0.8", 2),
        ("energy=0.81", 3),
        ("energy=1", 4),
        ("auto", 4),
        ("sv_fro=0.8", 1),
        ("sv_fro=0.81", 2),
        ("sv_fro=1", 4),
        ("sv_ratio=1", 1),
        ("sv_ratio=2", 3),
        ("sv_ratio=3.9", 3),
        ("sv_ratio=4", 4),
    ],
)
def test_a_rule_keeps_as_many_ranks_as_it_says(text: str, rank: int) -> None:
    assert RankRule.parse(text).of(VALUES) == rank


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("1", RankRule("rank", 1)),
        ("auto", RankRule("energy", 0.99)),
        ("energy=1", RankRule("energy", 1)),
        ("sv_fro=1", RankRule("sv_fro", 1)),
        ("sv_fro=0.01", RankRule("sv_fro", 0.01)),
        ("sv_ratio=1", RankRule("sv_ratio", 1)),
    ],
)
def test_a_rule_is_read_as_it_is_written(text: str, rule: RankRule) -> None:
    assert RankRule.parse(text) == rule
    assert RankRule.parse(str(rule)) == rule
    assert str(rule) == ("energy=0.99" if text == "auto" else text)


@pytest.mark.parametrize(
    "text", ["0", "1.5", "energy=0", "energy=1.01", "sv_fro=0", "sv_fro=1.01", "sv_ratio=0.99", "energy=", "x=1"]
)
def test_a_rule_out_of_its_range_is_refused(text: str) -> None:
    with pytest.raises(RankError, match=f"--rank {text}"):
        RankRule.parse(text)


def test_files_of_a_rule_have_one_alpha_and_of_nothing_one_rank_is_kept() -> None:
    assert [RankRule.parse(text).alpha for text in ("8", "energy=0.5", "sv_ratio=3")] == [8.0, 16.0, 16.0]
    none = torch.zeros(0, dtype=torch.float64)
    assert [RankRule.parse(text).of(none) for text in ("8", "auto", "sv_fro=0.5", "sv_ratio=3")] == [8, 1, 1, 1]
