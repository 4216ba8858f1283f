"""Merges that stay of low rank, and DELLA, beside dense calculations of the papers' formulas by another way."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

from eval.__main__ import app
from foundation.progress import Silent
from foundation.safetensors_header import read_metadata
from loras.blend import Term
from loras.blending.blend_files import BlendRequest, write_blend
from loras.blending.blend_metadata import RECIPE
from loras.blending.merge_methods import WINDOW, Merge, kept_by_size
from loras.blending.weighted_lora import WeightedLora
from loras.lora_file import LoraFile, LoraModule, read_lora, write_lora
from loras.module_kinds import Additive

RANKS, WEIGHTS = (3, 4, 2), (0.8, -0.5, 1.3)
NAME = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
CONV = "lora_unet_up_blocks_1_resnets_0_conv1"
SUBJECTS = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q"
STYLES = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_k"


def random_module(rank: int, seed: int, *shape: int) -> LoraModule:
    draw = torch.Generator().manual_seed(seed)
    out, *inner = shape
    up = torch.randn(out, rank, *[1] * (len(inner) - 1), generator=draw)
    return LoraModule(torch.randn(rank, *inner, generator=draw), up, rank / 2)


def terms_of(*shape: int) -> list[Term]:
    found = enumerate(zip(RANKS, WEIGHTS, strict=True))
    return [Term(random_module(rank, place, *shape), weight, place) for place, (rank, weight) in found]


def dense(terms: list[Term]) -> list[Tensor]:
    """Each delta times its weight, whole, float64."""
    return [term.weight * term.module.delta().double().flatten(1) for term in terms]


def dense_knots(terms: list[Term], density: float) -> Tensor:
    """U of all deltas side by side; each one's part of S V' trimmed, elected and averaged, as TIES does."""
    u, s, v = torch.linalg.svd(torch.cat(dense(terms), dim=1), full_matrices=False)
    kept = s > 1e-5 * s[0]
    trimmed = torch.stack((s[kept, None] * v[kept]).chunk(len(terms), dim=1))
    for part in trimmed:
        few = part.abs().flatten().sort(descending=True).values[round(density * part.numel()) - 1]
        part[part.abs() < few] = 0
    agree = (trimmed * trimmed.sum(0).sign()) > 0
    return u[:, kept] @ ((trimmed * agree).sum(0) / agree.sum(0).clamp_min(1))


def dense_tsv(terms: list[Term], density: float) -> Tensor:
    """Leading directions of each; P Q' of the decomposition P s Q' of all side by side, both ways."""
    found = [torch.linalg.svd(delta, full_matrices=False) for delta in dense(terms)]
    kept = [round(density * term.module.rank) for term in terms]
    sides = (
        torch.cat([u[:, :k] for (u, _, _), k in zip(found, kept, strict=True)], dim=1),
        torch.cat([v[:k].T for (_, _, v), k in zip(found, kept, strict=True)], dim=1),
    )
    up, down = (p @ q for p, _, q in (torch.linalg.svd(side, full_matrices=False) for side in sides))
    sizes = torch.cat([s[:k] for (_, s, _), k in zip(found, kept, strict=True)])
    return up @ torch.diag(sizes) @ down.T


def dense_project(terms: list[Term], density: float) -> Tensor:
    """The subject times I - V V', V the styles' leading right singular vectors."""
    subject, *styles = dense(terms)
    _, s, v = torch.linalg.svd(torch.cat(styles), full_matrices=False)
    share = s.square().cumsum(0) / s.square().sum()
    principal = v[: int(torch.searchsorted(share, density - 1e-12)) + 1].T
    return subject @ (torch.eye(len(principal)) - principal @ principal.T) + torch.stack(styles).sum(0)


@pytest.mark.parametrize("shape", [(12, 14), (20, 6, 3, 3), (9, 30)])
@pytest.mark.parametrize("density", [1.0, 0.6])
@pytest.mark.parametrize(
    ("method", "reference"), [("knots", dense_knots), ("tsv", dense_tsv), ("project", dense_project)]
)
def test_low_rank_merges_are_what_dense_arithmetic_says(
    method: str, reference: Callable[[list[Term], float], Tensor], density: float, shape: tuple[int, ...]
) -> None:
    terms = terms_of(*shape)
    wanted = reference(terms, density)
    got = Merge(method, density).product(terms, NAME, ["a", "b", "c"])
    assert len(got.down) <= sum(RANKS)
    assert (got.up.double() @ got.down.double() - wanted).norm() <= 1e-5 * wanted.norm()
    assert got.kernel == (tuple(shape[2:]) if len(shape) == 4 else None)


@pytest.mark.parametrize("method", ["knots", "tsv"])
def test_what_every_lora_has_alike_is_merged_once(method: str) -> None:
    """The same LoRA twice, so that bases lack rank: TIES averages it, and TSV halves its directions among them."""
    module = random_module(3, 0, 12, 14)
    got = Merge(method, 1.0).product([Term(module, 1.0, 0), Term(module, 1.0, 1)], NAME, ["a", "b"])
    torch.testing.assert_close(got.up @ got.down, module.delta(), atol=1e-4, rtol=1e-4)


def test_a_subject_is_out_of_the_styles_directions_and_the_style_is_whole() -> None:
    terms = terms_of(16, 20)[:2]
    got = Merge("project", 1.0).product(terms, NAME, ["a", "b"])
    subject, style = dense(terms)
    left = got.up.double() @ got.down.double() - style
    assert (left @ terms[1].module.down.double().T).norm() <= 1e-5 * subject.norm()
    assert 0.5 * subject.norm() < left.norm() < subject.norm()
    for term in terms:  # a module that one file alone has
        alone = Merge("project", 0.9).product([term], NAME, ["a"])
        torch.testing.assert_close(alone.up @ alone.down, term.weight * term.module.delta())


def test_della_drops_by_size_and_divides_by_the_chance() -> None:
    """Each entry's chance found by counting: from density - w for a row's smallest to density + w for its largest."""
    delta = torch.tensor([[0.1, -4.0, 2.0, 0.5, -1.0], [5.0, 4.0, 3.0, 2.0, 1.0]])
    chances = 0.5 + WINDOW * (2 * torch.tensor([[0, 4, 3, 1, 2], [4, 3, 2, 1, 0]]) / 4 - 1)
    draw = torch.Generator().manual_seed(0)
    drawn = torch.rand(delta.shape, generator=torch.Generator().manual_seed(0))
    assert torch.equal(kept_by_size(delta, 0.5, draw), torch.where(drawn < chances, delta / chances, 0.0))
    many = delta.repeat(4000, 1)
    kept = kept_by_size(many, 0.5, torch.Generator().manual_seed(1))
    torch.testing.assert_close(kept.reshape(4000, 2, 5).mean(0), delta, atol=0, rtol=0.1)
    assert torch.equal(kept_by_size(delta, 1.0, draw), delta)


def test_della_elects_and_averages_what_stays() -> None:
    terms = terms_of(6, 8)
    kept = []
    merge = Merge("della", 0.7, seed=5)
    for number, label in enumerate("xyz"):
        alone = merge.product([terms[number]], NAME, [label])
        kept.append(alone.up @ alone.down)
    got = merge.product(terms, NAME, list("xyz"))
    wanted = torch.zeros(6, 8)
    for row in range(6):
        for column in range(8):
            values = [float(one[row, column]) for one in kept]
            agreeing = [value for value in values if value * sum(values) > 0]
            wanted[row, column] = sum(agreeing) / max(1, len(agreeing))
    torch.testing.assert_close(got.up @ got.down, wanted)


def file(folder: Path, name: str, modules: dict[str, LoraModule]) -> Path:
    write_lora(LoraFile(modules, {}), folder / f"{name}.safetensors", torch.float32)
    return folder / f"{name}.safetensors"


@pytest.mark.parametrize("method", ["knots", "tsv", "project"])
def test_a_low_rank_merge_is_written_without_a_rank_and_read_back(tmp_path: Path, method: str) -> None:
    one = file(tmp_path, "one", {NAME: random_module(3, 1, 12, 14), CONV: random_module(2, 2, 8, 6, 3, 3)})
    other = file(tmp_path, "other", {NAME: random_module(2, 3, 12, 14), CONV: random_module(2, 4, 8, 6, 3, 3)})
    parts = tuple(WeightedLora.parse(f"{path}:unet={weight}") for path, weight in ((one, 0.8), (other, 0.3)))
    output = tmp_path / "out.safetensors"
    blended = write_blend(BlendRequest(parts, output, merge=Merge(method, 0.7), dtype=torch.float32), Silent())
    assert blended.ranks[1] <= 5
    assert blended.error > 0.01
    for name, module in read_lora(output).modules.items():
        assert isinstance(module, Additive)
        found = [read_lora(path).modules[name] for path in (one, other)]
        terms = [
            Term(found, weight, place)
            for place, (found, weight) in enumerate(zip(found, (0.8, 0.3), strict=True))
            if isinstance(found, LoraModule)
        ]
        product = Merge(method, 0.7).product(terms, name, ["a", "b"])
        torch.testing.assert_close(module.delta().flatten(1), product.up @ product.down, atol=1e-4, rtol=1e-4)
    assert json.loads(read_metadata(output)[RECIPE])["method"] == f"{method} density=0.7 seed=0"


def test_the_first_file_is_the_subject_in_modules_that_it_lacks_too(tmp_path: Path) -> None:
    one = file(tmp_path, "one", {SUBJECTS: random_module(2, 1, 8, 8)})
    other = file(tmp_path, "other", {STYLES: random_module(2, 2, 8, 8)})
    output = tmp_path / "out.safetensors"
    words = ["blend", str(one), str(other), "--method", "project", "-o", str(output), "--dtype", "float32", "--json"]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0
    assert json.loads(done.stdout)["error"] < 1e-5
    for path, name in ((one, SUBJECTS), (other, STYLES)):
        before, after = (read_lora(which).modules[name] for which in (path, output))
        assert isinstance(before, Additive)
        assert isinstance(after, Additive)
        torch.testing.assert_close(after.delta(), before.delta())
