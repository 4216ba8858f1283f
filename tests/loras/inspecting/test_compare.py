"""Comparing two LoRA files: the figures are those of the full matrices, and the words follow from them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor
from typer.testing import CliRunner

from foundation.errors import LoraFileError, MissingFileError
from lora_kinds import CONV_KINDS, LINEAR_KINDS, random_module
from loras.inspecting import compare_command, inspect_command
from loras.inspecting.compare_loras import LEADING, CompareError, compare_loras
from loras.lora_file import Additive, LoraFile, LoraModule, write_modules

BLOCK = "lora_unet_mid_block_attentions_0_transformer_blocks_0"
SHAPES = {
    "lora_te_text_model_encoder_layers_0_self_attn_q_proj": (12, 10),
    f"{BLOCK}_attn1_to_q": (20, 16),
    f"{BLOCK}_attn2_to_k": (16, 24),
    "lora_unet_up_blocks_1_resnets_0_conv1": (8, 6, 3, 3),
}
Modules = dict[str, Additive]


def random_modules(seed: int, kind: str = "lora", rank: int = 3) -> Modules:
    return {
        name: random_module(
            kind if kind in LINEAR_KINDS or len(shape) == 4 else "lora", shape, rank, 2.0, seed * 9 + at
        )
        for at, (name, shape) in enumerate(SHAPES.items())
    }


def saved(path: Path, modules: Modules) -> Path:
    write_modules(LoraFile(modules, {}), path)
    return path


def times(modules: Modules, factor: float) -> Modules:
    """The same delta, scaled in the factors, so that no alpha tells."""
    plain = {name: module.low_rank() for name, module in modules.items()}
    return {name: LoraModule(module.down, module.up * factor, module.alpha) for name, module in plain.items()}


def flat(modules: Modules, block: str = "") -> Tensor:
    return torch.cat([module.delta().double().flatten() for name, module in modules.items() if block in name])


@pytest.mark.parametrize("kind", CONV_KINDS)
def test_a_file_is_the_same_as_itself(tmp_path: Path, kind: str) -> None:
    path = saved(tmp_path / "a.safetensors", random_modules(1, kind))
    found = compare_loras(path, path)
    assert found.total.cosine == pytest.approx(1, abs=1e-6)
    assert found.total.norm_ratio == pytest.approx(1, abs=1e-6)
    assert found.total.shared_outputs == pytest.approx(1, abs=1e-4)
    assert found.total.shared_inputs == pytest.approx(1, abs=1e-4)
    assert found.verdict.startswith("practically the same")


@settings(max_examples=10)
@given(factor=st.floats(0.01, 50).flatmap(lambda size: st.sampled_from([size, -size])), seed=st.integers(0, 99))
def test_scaling_changes_the_ratio_alone(tmp_path_factory: pytest.TempPathFactory, factor: float, seed: int) -> None:
    folder, modules = tmp_path_factory.mktemp("scaled"), random_modules(seed)
    found = compare_loras(
        saved(folder / "a.safetensors", modules), saved(folder / "b.safetensors", times(modules, factor))
    )
    for part in (found.total, *found.blocks):
        assert part.cosine == pytest.approx(1 if factor > 0 else -1, abs=1e-5)
        assert part.norm_ratio == pytest.approx(abs(factor), rel=1e-5)


def test_words_for_strength_and_sign(tmp_path: Path) -> None:
    modules = random_modules(4)
    a = saved(tmp_path / "a.safetensors", modules)
    double = saved(tmp_path / "b.safetensors", times(modules, 2))
    against = saved(tmp_path / "c.safetensors", times(modules, -1))
    nothing = saved(tmp_path / "d.safetensors", times(modules, 0))
    assert "at 2 times the strength" in compare_loras(a, double).verdict
    assert compare_loras(a, against).verdict.startswith("opposites")
    found = compare_loras(a, nothing)
    assert found.verdict.startswith("B moves nothing")
    assert found.total.cosine is None
    assert compare_loras(nothing, a).total.norm_ratio is None


@pytest.mark.parametrize(
    "kinds", [("lora", "loha"), ("lokr", "lora"), ("full", "lokr factored"), ("tucker", "loha core")]
)
def test_figures_are_those_of_the_full_matrices(tmp_path: Path, kinds: tuple[str, str]) -> None:
    ours, other = random_modules(5, kinds[0]), random_modules(6, kinds[1])
    # Related: theirs is a third of ours beside their own.
    theirs = {name: _sum(ours[name], other[name]) for name in ours}
    found = compare_loras(saved(tmp_path / "a.safetensors", ours), saved(tmp_path / "b.safetensors", theirs))
    for block, part in [("", found.total), ("mid_block", next(one for one in found.blocks if one.block == "M00"))]:
        a, b = flat(ours, block), flat(theirs, block)
        assert part.cosine == pytest.approx(torch.nn.functional.cosine_similarity(a, b, dim=0).item(), abs=1e-5)
        assert part.norm_ratio == pytest.approx((b.norm() / a.norm()).item(), rel=1e-5)


def _sum(a: Additive, b: Additive) -> LoraModule:
    first, second = (
        (module.up.flatten(1) * module.scale, module.down.flatten(1)) for module in (a.low_rank(), b.low_rank())
    )
    up, down = torch.cat([first[0] / 3, second[0]], 1), torch.cat([first[1], second[1]])
    shape = a.delta().shape
    return LoraModule(
        down.reshape(-1, *shape[1:]), up.reshape(*up.shape, *[1] * (len(shape) - 2)), float(down.shape[0])
    )


def test_shared_subspaces_are_those_of_principal_angles(tmp_path: Path) -> None:
    name, draw = f"{BLOCK}_attn1_to_q", torch.Generator().manual_seed(3)
    ours, theirs = (
        LoraModule(torch.randn(rank, 30, generator=draw), torch.randn(40, rank, generator=draw), 1.0) for rank in (4, 6)
    )
    found = compare_loras(
        saved(tmp_path / "a.safetensors", {name: ours}), saved(tmp_path / "b.safetensors", {name: theirs})
    )
    (left_a, _, right_a), (left_b, _, right_b) = (torch.linalg.svd(one.delta().double()) for one in (ours, theirs))
    expected = torch.linalg.svdvals(left_a[:, :4].T @ left_b[:, :4]).square().mean().item()
    assert found.total.shared_outputs == pytest.approx(expected, abs=1e-5)
    expected = torch.linalg.svdvals(right_a[:4] @ right_b[:4].T).square().mean().item()
    assert found.total.shared_inputs == pytest.approx(expected, abs=1e-5)
    assert found.total.shared_by_chance == pytest.approx((4 / 40 + 4 / 30) / 2)


def test_independent_files_are_unrelated(tmp_path: Path) -> None:
    names = [f"{BLOCK}_attn{number}_to_{part}" for number in (1, 2) for part in "qkv"]
    files = [
        saved(
            tmp_path / f"{first}.safetensors",
            {name: random_module("lora", (96, 128), 16, 1.0, first + at) for at, name in enumerate(names)},
        )
        for first in (0, 100)
    ]
    found = compare_loras(*files)
    assert found.total.cosine == pytest.approx(0, abs=0.02)
    assert found.total.shared_outputs == pytest.approx(LEADING / 96, abs=0.05)
    assert found.verdict.startswith("unrelated")


def test_modules_of_one_file_count_as_zero_in_the_other(tmp_path: Path) -> None:
    modules = random_modules(7)
    fewer = dict(list(modules.items())[1:])
    found = compare_loras(saved(tmp_path / "a.safetensors", modules), saved(tmp_path / "b.safetensors", fewer))
    assert found.only_a == (next(iter(modules)),)
    assert found.only_b == ()
    assert found.total.cosine == pytest.approx((flat(fewer).norm() / flat(modules).norm()).item(), rel=1e-5)
    assert found.blocks[0].cosine is None


@pytest.mark.parametrize("kind", ["lokr", "loha", "full"])
def test_wide_kinds_give_the_same_figures(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As whole matrices or as factors: what is quicker must not change what is told."""
    files = [saved(tmp_path / f"{seed}.safetensors", random_modules(seed, kind, 2)) for seed in (1, 2)]
    narrow = compare_loras(*files)
    monkeypatch.setattr("loras.inspecting.compare_loras.WIDE", 1)
    wide = compare_loras(*files)
    assert wide.total.cosine == pytest.approx(narrow.total.cosine, abs=1e-6)
    assert wide.total.norm_ratio == pytest.approx(narrow.total.norm_ratio, rel=1e-5)
    assert wide.total.shared_outputs == pytest.approx(narrow.total.shared_outputs, abs=1e-3)
    assert wide.total.shared_inputs == pytest.approx(narrow.total.shared_inputs, abs=1e-3)


def test_one_by_one_convolutions_are_linear_layers(tmp_path: Path) -> None:
    name = f"{BLOCK}_attn1_to_q"
    plain = LoraModule(torch.randn(2, 8), torch.randn(6, 2), 2.0)
    conv = LoraModule(plain.down[..., None, None], plain.up[..., None, None], 2.0)
    files = [saved(tmp_path / f"{at}.safetensors", {name: one}) for at, one in enumerate((plain, conv))]
    assert compare_loras(*files).total.cosine == pytest.approx(1)


def test_what_cannot_be_compared_is_said(tmp_path: Path) -> None:
    name, factors = f"{BLOCK}_attn1_to_q", {"lora_down.weight": torch.ones(2, 8), "lora_up.weight": torch.ones(6, 2)}
    plain = {f"{name}.{suffix}": tensor for suffix, tensor in factors.items()}
    files = {
        "plain": plain,
        "dora": plain | {f"{name}.dora_scale": torch.ones(6, 1)},
        "oft": {f"{name}.oft_blocks": torch.zeros(3, 2, 2)},
        "nan": plain | {f"{name}.lora_up.weight": torch.full((6, 2), float("nan"))},
        "wider": plain | {f"{name}.lora_down.weight": torch.ones(2, 9)},
        "elsewhere": {key.replace("attn1", "attn2"): tensor.clone() for key, tensor in plain.items()},
    }
    for title, tensors in files.items():
        save_file(tensors, tmp_path / f"{title}.safetensors")
    expected = {
        "dora": "of the kind dora, which turns or rescales the base's own weight",
        "oft": "of the kind oft",
        "nan": "NaN or infinity",
        "wider": "6 x 8 numbers .* and 6 x 9",
        "elsewhere": "no module in common",
    }
    for title, message in expected.items():
        with pytest.raises(LoraFileError if title == "nan" else CompareError, match=message):
            compare_loras(tmp_path / "plain.safetensors", tmp_path / f"{title}.safetensors")
    with pytest.raises(MissingFileError):
        compare_loras(tmp_path / "plain.safetensors", tmp_path / "none.safetensors")


def test_norms_and_biases_are_compared_as_vectors(tmp_path: Path) -> None:
    name = "lora_unet_mid_block_resnets_0_norm1"
    vector, other = torch.tensor([1.0, 0.0, 2.0]), torch.tensor([0.0, 3.0, 2.0])
    save_file({f"{name}.w_norm": vector, f"{name}.b_norm": vector.clone()}, tmp_path / "a.safetensors")
    save_file({f"{name}.w_norm": other, f"{name}.b_norm": vector.clone()}, tmp_path / "b.safetensors")
    found = compare_loras(tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    assert found.total.cosine == pytest.approx((4 + 5) / (10 * 18) ** 0.5)


def test_the_command_prints_a_table_or_json(tmp_path: Path) -> None:
    app = typer.Typer()
    for command in (inspect_command, compare_command):
        command.register(app)
    a = saved(tmp_path / "a.safetensors", random_modules(1))
    b = saved(tmp_path / "b.safetensors", random_modules(2))
    table = CliRunner().invoke(app, ["compare", str(a), str(b)])
    assert table.exit_code == 0, table.output
    assert "M00" in table.stdout
    found = json.loads(CliRunner().invoke(app, ["compare", str(a), str(b), "--json"]).stdout)
    assert found["blocks"].keys() == {"BASE", "M00", "OUT03"}
    assert found["verdict"] in table.stdout
