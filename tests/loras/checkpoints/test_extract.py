"""Extraction: the best LoRA of a rank for the difference of two checkpoints, its error as a user would measure it."""

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

from checkpoints import ADDITIVE, FAMILIES, TinyModel, tiny_model, write_folder, write_lora_of_kinds, write_single
from foundation.errors import InputOverwrittenError
from foundation.progress import Silent
from loras.blending.dense_delta import DenseDelta
from loras.blending.rank_rule import RankRule
from loras.blending.weighted_lora import WeightedLora
from loras.checkpoints import bake_command, extract_command
from loras.checkpoints.bake import BakeRequest, bake
from loras.checkpoints.checkpoint_layout import open_checkpoint
from loras.checkpoints.extract import Extracted, ExtractError, ExtractRequest, extract, is_trained
from loras.lora_file import LoraFile, LoraModule, Module, read_lora


def baked(base: Path, lora: Path, output: Path, weights: str = "") -> Path:
    part = WeightedLora.parse(f"{lora}:{weights}")
    return bake(BakeRequest(open_checkpoint(base), (part,), output, None), Silent()).path


def extracted(tuned: Path, base: Path, output: Path, rank: str = "64", conv: str | None = "64") -> Extracted:
    rules = RankRule.parse(rank), None if conv is None else RankRule.parse(conv)
    request = ExtractRequest(open_checkpoint(tuned), open_checkpoint(base), *rules, output, torch.float32)
    return extract(request, Silent())


def trained(model: TinyModel, with_convolutions: bool = True) -> set[str]:
    return {
        name
        for name, module in model.names.by_kohya.items()
        if len(module.shape) > 1 and is_trained(name, with_convolutions)
    }


def deltas(lora: LoraFile[Module]) -> dict[str, Tensor]:
    return {name: module.delta() for name, module in lora.modules.items() if isinstance(module, LoraModule)}


@pytest.mark.parametrize("family", FAMILIES)
def test_bake_then_extract_at_full_rank_gives_the_delta_back(family: str, tmp_path: Path) -> None:
    """From a single file against a folder: the layouts may differ."""
    model = tiny_model(family)
    folder, single = write_folder(model, tmp_path / "base"), write_single(model, tmp_path / "base.safetensors")
    lora = write_lora_of_kinds(model, tmp_path / "a.safetensors", 1, ADDITIVE)
    tuned = baked(single, lora, tmp_path / "tuned.safetensors", "unet=0.8,te=0.5")
    found = extracted(tuned, folder, tmp_path / "out ö.safetensors")
    back, asked = deltas(read_lora(found.path)), read_lora(lora).modules
    assert back.keys() == trained(model)
    for name, delta in back.items():
        wanted = asked[name].moved(torch.zeros(delta.shape), 0.8 if "unet" in name else 0.5)
        assert torch.allclose(delta, wanted, atol=2e-6)
    assert found.error < 1e-5
    assert 0 < found.unheld < 1  # norms, biases, embeddings


@pytest.mark.parametrize("family", FAMILIES)
def test_the_set_is_kohyas(family: str) -> None:
    """As its networks.lora finds them: in Transformer2DModel, CLIPAttention, CLIPMLP, and with conv_dim in resnets."""
    model = tiny_model(family)
    transformer = {"Transformer2DModel"}
    resnets = {"ResnetBlock2D", "Downsample2D", "Upsample2D"}
    for with_convolutions in (False, True):
        wanted: set[str] = set()
        for part, module in model.parts.items():
            kinds = transformer | (resnets if with_convolutions else set())
            kinds = kinds if part == "unet" else {"CLIPAttention", "CLIPMLP"}
            for outer, parent in module.named_modules():
                if type(parent).__name__ in kinds:
                    for inner, child in parent.named_modules():
                        if isinstance(child, torch.nn.Linear | torch.nn.Conv2d):
                            at = f"{outer}.{inner}"
                            at = at if part == "unet" or at.startswith("text_") else f"text_model.{at}"
                            wanted.add(f"{part}.{at}")
        names = model.names.by_diffusers
        assert {names[path].kohya for path in wanted} == trained(model, with_convolutions)


@settings(max_examples=40)
@given(
    shape=st.sampled_from([(7, 5), (5, 7), (6, 6), (1, 4), (4, 3, 3, 3), (12, 1, 3, 3), (5, 3, 1, 1)]),
    rank=st.integers(1, 8),
    inner=st.integers(1, 8),
    seed=st.integers(0, 999),
)
def test_the_approximation_is_the_svds(shape: tuple[int, ...], rank: int, inner: int, seed: int) -> None:
    """Deltas of any rank, `inner` at most: the distance left is the optimum's, to 1e-4 of the norm."""
    draw = torch.Generator().manual_seed(seed)
    columns = torch.Size(shape[1:]).numel()
    flat = torch.randn(shape[0], inner, generator=draw) @ torch.randn(inner, columns, generator=draw)
    module = DenseDelta.of(flat.reshape(shape)).truncated(rank)
    assert module.shape == shape
    assert module.rank <= rank
    assert module.scale == 1.0
    values = torch.linalg.svdvals(flat.double())
    left = (flat.double() - module.delta().double().flatten(1)).norm()
    assert left == pytest.approx(values[rank:].norm().item(), abs=1e-4 * values.norm().item())


def test_each_module_is_as_near_as_its_rank_allows(tmp_path: Path) -> None:
    """And the error that is stated is that of the file, over all modules and by block."""
    base, other = tiny_model("sd1"), tiny_model("sd1", seed=1)
    paths = write_folder(base, tmp_path / "base"), write_folder(other, tmp_path / "tuned")
    found = extracted(paths[1], paths[0], tmp_path / "out.safetensors", rank="3", conv="5")
    weights = [{name: module.get_parameter("weight") for name, module in _modules(model)} for model in (base, other)]
    left, whole = 0.0, 0.0
    for name, delta in deltas(read_lora(found.path)).items():
        difference = (weights[1][name] - weights[0][name]).detach().double().reshape(delta.shape)
        rank = 5 if delta.shape[2:] == (3, 3) else 3
        optimum = torch.linalg.svdvals(difference.flatten(1))[rank:].norm().item()
        missed = (difference - delta).norm().item()
        assert missed == pytest.approx(optimum, abs=1e-4 * difference.norm().item())
        left, whole = left + missed**2, whole + difference.norm().item() ** 2
    assert found.error == pytest.approx((left / whole) ** 0.5, rel=1e-4)
    assert found.ranks == (3, 5)
    assert {block.block for block in found.blocks} >= {"BASE", "M00", "IN01", "OUT03"}


@pytest.mark.parametrize("rule", ["2", "64", "energy=0.5"])
def test_all_modules_have_one_alpha(rule: str, tmp_path: Path) -> None:
    """Whatever their ranks: diffusers reads differing alphas of a kohya file as the commonest one."""
    model = tiny_model("sd1")
    base = write_folder(model, tmp_path / "base")
    lora = write_lora_of_kinds(model, tmp_path / "a.safetensors", 1, ADDITIVE)
    extracted(baked(base, lora, tmp_path / "tuned"), base, tmp_path / "out.safetensors", rule)
    found = read_lora(tmp_path / "out.safetensors").modules
    assert len({module.stored_alpha for module in found.values()}) == 1
    assert rule == "2" or len({module.rank for module in found.values() if isinstance(module, LoraModule)}) > 1


def _modules(model: TinyModel) -> list[tuple[str, torch.nn.Module]]:
    found: list[tuple[str, torch.nn.Module]] = []
    for named in model.names.by_kohya.values():
        part, _, path = named.diffusers.partition(".")
        module = model.parts[part]
        at = path if path in dict(module.named_modules()) else path.removeprefix("text_model.")
        found.append((named.kohya, module.get_submodule(at)))
    return found


def test_untouched_modules_stay_only_where_an_attention_needs_them(tmp_path: Path) -> None:
    model = tiny_model("sd2")
    base = write_single(model, tmp_path / "base.safetensors")
    layer = "lora_te_text_model_encoder_layers_1"
    save_file({f"{layer}_self_attn_v_proj.diff": torch.ones(12, 12)}, tmp_path / "a.safetensors")
    tuned = baked(base, tmp_path / "a.safetensors", tmp_path / "tuned.safetensors")
    found = extracted(tuned, base, tmp_path / "out.safetensors", rank="auto")
    lora = read_lora(found.path)
    assert set(lora.modules) == {f"{layer}_self_attn_{part}_proj" for part in ("q", "k", "v", "out")}
    assert {name: bool(delta.any()) for name, delta in deltas(lora).items() if delta.any()} == {
        f"{layer}_self_attn_v_proj": True
    }
    assert found.ranks == (1, 1)
    assert found.unheld_tensors == 0


def test_metadata_say_what_it_is_and_what_it_was_made_of(tmp_path: Path) -> None:
    for family, version, v2 in (
        ("sd1", "sd_v1", "False"),
        ("sd2", "sd_v2", "True"),
        ("sdxl", "sdxl_base_v1-0", "False"),
    ):
        model = tiny_model(family)
        base = write_single(model, tmp_path / f"{family}.safetensors")
        lora = write_lora_of_kinds(model, tmp_path / "a.safetensors", 1, ("full",))
        tuned = baked(base, lora, tmp_path / f"tuned {family}.safetensors")
        found = extracted(tuned, base, tmp_path / f"mine {family}.safetensors", rank="4", conv=None)
        again = extracted(tuned, base, tmp_path / "again" / f"mine {family}.safetensors", rank="4", conv=None)
        assert found.sha256 == again.sha256
        metadata = read_lora(found.path).metadata
        assert metadata["ss_base_model_version"] == version
        assert metadata["ss_v2"] == v2
        assert metadata["ss_network_dim"] == metadata["ss_network_alpha"] == "4"
        assert metadata["ss_output_name"] == f"mine {family}"
        recipe = json.loads(metadata["lora_studio.recipe"])
        assert recipe["method"] == "extract"
        assert recipe["error"] == found.error > 0
        assert [parent["role"] for parent in recipe["parents"]] == ["tuned", "base"]


def test_other_models_are_refused(tmp_path: Path) -> None:
    paths = {name: write_single(tiny_model(name), tmp_path / f"{name}.safetensors") for name in FAMILIES}
    with pytest.raises(ExtractError, match="is SDXL, but"):
        extracted(paths["sdxl"], paths["sd1"], tmp_path / "out.safetensors")
    with pytest.raises(ExtractError, match="are they the same model"):
        extracted(paths["sd1"], paths["sd1"], tmp_path / "out.safetensors")
    with pytest.raises(InputOverwrittenError, match="is one of the inputs"):
        extracted(paths["sd1"], paths["sd1"], paths["sd1"])
    assert not (tmp_path / "out.safetensors").exists()


def test_the_commands(tmp_path: Path) -> None:
    app = typer.Typer()
    for command in (bake_command, extract_command):
        command.register(app)
    model = tiny_model("sd1")
    base = str(write_single(model, tmp_path / "base.safetensors"))
    lora = write_lora_of_kinds(model, tmp_path / "a.safetensors", 1)
    tuned, made = str(tmp_path / "tuned.safetensors"), str(tmp_path / "made.safetensors")
    run = CliRunner().invoke
    first = run(app, ["bake", base, f"{lora}:unet=0.5", "-o", tuned], catch_exceptions=False)
    assert "modules moved" in first.stdout
    second = run(app, ["extract", tuned, base, "--rank", "auto", "-o", made, "--json"], catch_exceptions=False)
    assert json.loads(second.stdout)["file"] == made
    third = run(app, ["extract", tuned, base, "--rank", "2", "-o", made], catch_exceptions=False)
    assert "more tensors differ" in third.stdout
