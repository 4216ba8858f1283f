"""A file in another tool's spelling moves every module as before: beside diffusers' own loaders and dense deltas."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from typer.testing import CliRunner, Result

from eval.__main__ import app
from foundation.errors import InputOverwrittenError
from foundation.progress import Silent
from foundation.safetensors_header import read_metadata
from loaded_transformers import TINY, diffusers_file, loaded_by_diffusers, random_pairs
from loras.converting.convert_lora import Converted, convert
from loras.converting.targets import TARGETS, ConvertError, target_called
from loras.families.known import READABLE
from loras.lora_file import read_lora
from loras.module_kinds import Additive
from loras.verifying.read_facts import facts_of
from loras.verifying.tools import TOOLS
from loras.verifying.verify_lora import verify
from miniature.paths import SUBJECT
from narrow_models import assert_loads_alike, kohya_file, narrow_model, random_lora

# What diffusers itself reads of what is written; its converters of the others want the full-size models' widths.
READ_BY_DIFFUSERS = {
    "flux1": ("diffusers", "ai-toolkit"),
    "flux2": ("diffusers",),
    "chroma": ("diffusers",),
    "z_image": ("diffusers", "kohya", "ai-toolkit", "musubi"),
    "qwen_image": ("diffusers", "kohya", "comfyui", "ai-toolkit", "musubi"),
    "sd3": ("diffusers", "ai-toolkit"),
    "krea2": ("diffusers", "comfyui", "ai-toolkit"),
    "lumina2": ("diffusers", "ai-toolkit"),
}


def converted(path: Path, target: str, name: str = "out") -> tuple[Path, Converted]:
    output = path.with_name(f"{name} {target}.safetensors")
    return output, convert(path, output, TARGETS[target], None, Silent())


@pytest.mark.parametrize(("family", "target"), [(f, t) for f, targets in READ_BY_DIFFUSERS.items() for t in targets])
def test_diffusers_own_loader_moves_every_module_alike(family: str, target: str, tmp_path: Path) -> None:
    """By way of the original names, so that fused projections are joined and split again on the way."""
    pairs = random_pairs(family)
    source = diffusers_file(family, pairs, tmp_path / "source.safetensors")
    joined, _ = converted(source, "comfyui")
    output, done = converted(joined, target, "again")
    moved = loaded_by_diffusers(family, output)
    assert set(moved) == set(pairs)
    for name, (down, up) in pairs.items():
        assert (moved[name] - up @ down).norm() <= 1e-5 * (up @ down).norm(), name
    assert done.error <= 1e-6
    assert verify(facts_of(output), TOOLS["diffusers"]).verdict == "loads"


@pytest.mark.parametrize("family", list(TINY))
@pytest.mark.parametrize("target", ["kohya", "comfyui", "diffusers", "ai-toolkit", "musubi"])
def test_what_diffusers_loads_of_a_spelling_is_what_is_said(family: str, target: str, tmp_path: Path) -> None:
    if family in TARGETS[target].unknown or (family in ("flux1", "chroma") and target in ("kohya", "musubi")):
        return
    if family == "lumina2" and target == "comfyui":
        return  # its converter splits at the full-size model's widths alone
    pairs = {name: pair for name, pair in random_pairs(family).items() if "block" in name or "layers" in name}
    output, _ = converted(diffusers_file(family, pairs, tmp_path / "source.safetensors"), target)
    said = verify(facts_of(output), TOOLS["diffusers"])
    moved = loaded_by_diffusers(family, output)
    right = {
        name
        for name, (down, up) in pairs.items()
        if name in moved and torch.allclose(moved[name], up @ down, atol=1e-4)
    }
    if said.verdict == "loads":
        assert right == set(pairs)
    elif said.verdict == "nothing":
        assert right == set()
    else:
        assert said.verdict == "in part"
        assert set() < right < set(pairs)


def dense_of(path: Path, family: str) -> dict[str, Tensor]:
    """Whole deltas by the original module's path, found by slicing and adding, not as the converter does."""
    rows = READABLE[family]
    made: dict[str, Tensor] = {}
    for name, module in read_lora(path).modules.items():
        assert isinstance(module, Additive)
        delta, place = module.delta(), rows.to_original(name)
        if rows.whole(name) is None:
            made[place.path] = made.get(place.path, 0) + delta
            continue
        one = delta.shape[0] // (place.share.stop - place.share.start)
        whole = torch.zeros(place.share.of * one, delta.shape[1])
        whole[place.share.start * one : place.share.stop * one] = delta
        made[place.path] = made.get(place.path, 0) + whole
    return made


@pytest.mark.parametrize("family", list(TINY))
def test_every_way_round_leaves_every_delta(family: str, tmp_path: Path) -> None:
    path = diffusers_file(family, random_pairs(family), tmp_path / "source.safetensors")
    wanted: dict[str, Tensor] | None = None
    for number, target in enumerate([*TARGETS, *reversed(TARGETS)]):
        if family in TARGETS[target].unknown:
            continue
        path, done = converted(path, target, str(number))
        assert done.error <= 1e-6
        if target in ("kohya", "comfyui"):  # halves of modulations are in the original's order there
            found = dense_of(path, family)
            wanted = wanted or found
            assert found.keys() == wanted.keys()
            for place, delta in wanted.items():
                assert (found[place] - delta).norm() <= 1e-5 * delta.norm(), place


@pytest.mark.parametrize(("family", "target"), [("sd1", "kohya"), ("sdxl", "diffusers")])
def test_stable_diffusions_differing_alphas_are_mended(family: str, target: str, tmp_path: Path) -> None:
    model = narrow_model(family)
    lora = random_lora(model, one_alpha=False)
    source = kohya_file(lora, tmp_path / "source.safetensors")
    assert verify(facts_of(source), TOOLS["diffusers"]).verdict == "changed"
    output, done = converted(source, target)
    assert_loads_alike(model, output, lora)
    assert done.error <= 1e-6
    for tool in ("diffusers", *(("a1111", "comfyui") if target == "kohya" else ())):
        assert verify(facts_of(output), TOOLS[tool]).verdict == "loads"


def halves(stem: str, out: int, ins: int, rank: int = 2, dtype: torch.dtype = torch.float16) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(out + ins)
    return {
        f"{stem}.lora_down.weight": torch.randn(rank, ins, generator=draw).to(dtype),
        f"{stem}.lora_up.weight": torch.randn(out, rank, generator=draw).to(dtype),
    }


QKV = "lora_unet_double_blocks_0_img_attn_qkv"
SINGLE = "lora_unet_single_blocks_0_linear2"


def saved(tensors: dict[str, Tensor], folder: Path) -> Path:
    save_file(tensors, folder / "a.safetensors", {"ss_base_model_version": "flux1", "ss_epoch": "3"})
    return folder / "a.safetensors"


def test_a_scale_that_is_a_power_of_two_keeps_the_type_and_another_asks_for_float32(tmp_path: Path) -> None:
    for alpha, kind in ((0.5, torch.float16), (0.7, torch.float32)):
        tensors = halves(QKV, 48, 16) | halves(SINGLE, 16, 80)
        tensors |= {f"{stem}.alpha": torch.tensor(alpha) for stem in (QKV, SINGLE)}
        output, done = converted(saved(tensors, tmp_path), "diffusers")
        written = load_file(output)
        assert {tensor.dtype for tensor in written.values()} == {kind}
        assert not [key for key in written if key.endswith("alpha")]
        assert done.error <= 1e-6
        assert done.dtype == str(kind).removeprefix("torch.")
    assert read_metadata(output)["ss_epoch"] == "3"


def test_a_split_projection_is_joined_to_the_same_tensors(tmp_path: Path) -> None:
    source = saved(halves(QKV, 48, 16) | halves(SINGLE, 16, 80), tmp_path)
    apart, first = converted(source, "diffusers")
    back, second = converted(apart, "kohya")
    assert (first.split, first.modules, second.joined) == (1, 4, 1)
    before, after = load_file(source), load_file(back)
    assert all(torch.equal(after[key], tensor) for key, tensor in before.items())


def test_parts_of_their_own_are_stacked_and_missing_ones_do_nothing(tmp_path: Path) -> None:
    q, v = ("transformer.transformer_blocks.0.attn.to_q", "transformer.transformer_blocks.0.attn.to_v")
    tensors = halves(q, 16, 20, 2, torch.float32) | halves(v, 16, 20, 3, torch.float32)
    tensors[f"{v}.lora_down.weight"] = tensors[f"{v}.lora_down.weight"] + 1
    tensors |= halves("transformer.single_transformer_blocks.0.proj_out", 16, 80)
    output, _ = converted(saved(tensors, tmp_path), "kohya")
    whole = read_lora(output).modules[QKV]
    assert isinstance(whole, Additive)
    delta = whole.delta()
    wanted = [tensors[f"{stem}.lora_up.weight"] @ tensors[f"{stem}.lora_down.weight"] for stem in (q, v)]
    assert torch.allclose(delta, torch.cat([wanted[0], torch.zeros(16, 20), wanted[1]]), atol=1e-5)
    assert whole.low_rank().rank == 5


def lokr(stem: str) -> dict[str, Tensor]:
    return {
        f"{stem}.lokr_w1": torch.randn(4, 4),
        f"{stem}.lokr_w2": torch.randn(12, 4),
        f"{stem}.alpha": torch.tensor(1.0),
    }


def test_other_kinds_keep_theirs_where_they_can_and_are_made_plain_exactly_where_not(tmp_path: Path) -> None:
    source = saved(lokr(QKV) | halves(SINGLE, 16, 80), tmp_path)
    kept, done = converted(source, "comfyui")
    assert done.plain == 0
    assert "diffusion_model.double_blocks.0.img_attn.qkv.lokr_w1" in load_file(kept)
    _, done = converted(source, "diffusers")
    assert (done.plain, done.error <= 1e-6) == (1, True)


def test_what_no_such_file_can_hold_is_refused_with_why(tmp_path: Path) -> None:
    dora = saved(halves(QKV, 48, 16) | {f"{QKV}.dora_scale": torch.ones(48, 1)} | halves(SINGLE, 16, 80), tmp_path)
    with pytest.raises(ConvertError, match=r"of the kind dora, which cannot.*is split or joined there.*eval bake"):
        converted(dora, "diffusers")
    assert list(tmp_path.iterdir()) == [dora]
    with pytest.raises(ConvertError, match="musubi-tuner trains no Stable Diffusion; sd-scripts does"):
        TARGETS["musubi"].style_for(READABLE["sd1"])
    with pytest.raises(ConvertError, match=r"--for comfyu: unknown \(did you mean `comfyui`"):
        target_called("comfyu")


def test_sd2s_outer_projections_are_as_sd_scripts_has_them(tmp_path: Path) -> None:
    reads = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
    projection = "lora_unet_down_blocks_1_attentions_0_proj_in"
    save_file(halves(reads, 16, 1024) | halves(projection, 16, 16), tmp_path / "a.safetensors")
    assert verify(facts_of(tmp_path / "a.safetensors"), TOOLS["sd-scripts"]).verdict == "refused"
    output, _ = converted(tmp_path / "a.safetensors", "kohya")
    assert load_file(output)[f"{projection}.lora_down.weight"].shape == (2, 16, 1, 1)
    assert verify(facts_of(output), TOOLS["sd-scripts"]).verdict == "loads"
    output, _ = converted(output, "diffusers")
    assert {tensor.dim() for tensor in load_file(output).values()} == {2}


def test_the_file_itself_is_never_written_over(tmp_path: Path) -> None:
    path = saved(halves("lora_unet_double_blocks_0_img_attn_proj", 8, 8), tmp_path)
    before = path.read_bytes()
    with pytest.raises(InputOverwrittenError, match="is one of the inputs"):
        convert(path, path, TARGETS["diffusers"], None, Silent())
    assert path.read_bytes() == before


def test_of_a_base_of_another_build_it_is_said_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConvertError, match=r"is no module of SD1's public models.*--format diffusers --base MODEL"):
        convert(SUBJECT / "first.safetensors", tmp_path / "out.safetensors", TARGETS["comfyui"], None, Silent())
    assert list(tmp_path.iterdir()) == []


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["convert", *words], catch_exceptions=False)


def test_the_command(tmp_path: Path) -> None:
    source = saved(halves(QKV, 48, 16) | halves(SINGLE, 16, 80), tmp_path)
    done = run(str(source), "-o", str(tmp_path / "b.safetensors"), "--for", "diffusers")
    assert done.exit_code == 0
    assert "FLUX.1" in done.stdout
    assert "1 fused projections split" in done.stdout
    told = json.loads(run(str(source), "-o", str(tmp_path / "c.safetensors"), "--for", "comfy", "--json").stdout)
    assert (told["for"], told["modules"], told["split"]) == ("comfyui", 2, 0)
