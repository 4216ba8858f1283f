"""A LoRA of a transformer is held against a base's own weights, whichever way the base names and fuses them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from loras.checkpoints.base_weights import open_base
from loras.families.known import READABLE
from loras.inspecting.inspect_lora import inspect_lora
from tiny_transformers import tiny, weights

FLUX1 = READABLE["flux1"]
QKV = "lora_unet_double_blocks_0_img_attn_qkv"
LAST = "lora_unet_final_layer_adaLN_modulation_1"


@pytest.fixture(scope="module")
def meant() -> dict[str, Tensor]:
    model = tiny("flux1")
    return {path: model.get_parameter(f"{path}.weight").detach() for path in weights(model)}


def _original(meant: dict[str, Tensor]) -> dict[str, Tensor]:
    q, k, v = (meant[f"transformer_blocks.0.attn.to_{side}"] for side in "qkv")
    found = {"double_blocks.0.img_attn.qkv.weight": torch.cat([q, k, v])}
    last = meant["norm_out.linear"]
    found["final_layer.adaLN_modulation.1.weight"] = last.roll(len(last) // 2, 0)
    for path, weight in meant.items():
        place = FLUX1.to_original(f"transformer.{path}")
        if place.share.of == 1 and path != "norm_out.linear":
            found[f"{place.path.removeprefix('diffusion_model.')}.weight"] = weight.contiguous()
    return {f"model.diffusion_model.{key}": weight for key, weight in found.items()}


@pytest.mark.parametrize("is_single", [True, False])
def test_a_base_in_either_layout_gives_the_same_weights(
    is_single: bool, meant: dict[str, Tensor], tmp_path: Path
) -> None:
    base = tmp_path / "base.safetensors"
    if is_single:
        save_file(_original(meant), base)
    else:
        base = tmp_path / "folder"
        (base / "transformer").mkdir(parents=True)
        whole = {f"{path}.weight": weight.contiguous() for path, weight in meant.items()}
        save_file(whole, base / "transformer" / "diffusion_pytorch_model.safetensors")
    with open_base(str(base)) as found:
        q = found.weight("lora_unet_double_blocks_0_img_attn_to_q")
        assert q is not None
        assert torch.equal(q, meant["transformer_blocks.0.attn.to_q"])
        fused, last = found.weight(QKV), found.weight(LAST)
        assert fused is not None
        assert torch.equal(fused, _original(meant)["model.diffusion_model.double_blocks.0.img_attn.qkv.weight"])
        assert last is not None
        assert torch.equal(last, meant["norm_out.linear"].roll(len(last) // 2, 0))
        assert found.squares(QKV, fused.numel()) == pytest.approx(fused.double().square().sum().item())
        assert found.squares("lora_unet_double_blocks_0_img_attn_proj", 7) is None


def test_a_file_is_measured_against_a_base_in_fp8_with_its_scale(meant: dict[str, Tensor], tmp_path: Path) -> None:
    base = {key: weight for key, weight in _original(meant).items() if weight.dim() == 2}
    small = {key: (weight / 0.01).to(torch.float8_e4m3fn) for key, weight in base.items()}
    scales = {f"{key.removesuffix('weight')}scale_weight": torch.tensor(0.01) for key in base}
    save_file(small | scales, tmp_path / "base.safetensors")
    weight = base["model.diffusion_model.double_blocks.0.img_attn.qkv.weight"]
    factors = {f"{QKV}.lora_down.weight": torch.randn(2, weight.shape[1]) * 0.1}
    factors[f"{QKV}.lora_up.weight"] = torch.randn(len(weight), 2) * 0.1
    save_file(factors, tmp_path / "a.safetensors")
    with open_base(str(tmp_path / "base.safetensors")) as found:
        report = inspect_lora(tmp_path / "a.safetensors", found)
    delta = factors[f"{QKV}.lora_up.weight"] @ factors[f"{QKV}.lora_down.weight"]
    assert report.contents is not None
    assert report.contents.misfits == ()
    assert report.contents.total.relative == pytest.approx((delta.norm() / weight.norm()).item(), rel=0.03)
    assert "of its weights" in report.verdict.reason
