"""Every kind of module moves a weight as the tools that made it do: LyCORIS for its kinds, PEFT for its adapters.

LyCORIS is asked through its forward pass on unit inputs, which is what a training sees and what ComfyUI and A1111
rebuild. (`get_diff_weight` of LyCORIS 4.1 multiplies LoHa's and LoKr's scale in twice, so merging with it is no judge.)
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from lycoris.modules.base import LycorisBaseModule
from lycoris.modules.boft import ButterflyOFTModule
from lycoris.modules.diag_oft import DiagOFTModule
from lycoris.modules.full import FullModule
from lycoris.modules.locon import LoConModule
from lycoris.modules.loha import LohaModule
from lycoris.modules.lokr import LokrModule
from lycoris.modules.norms import NormModule
from peft import LoraConfig, get_peft_model
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from foundation.errors import LoraFileError
from loras.base_bound_kinds import DoraModule, OftModule
from loras.lora_file import read_lora
from loras.module_kinds import Additive, LoraModule, Module

TOLERANCE = 1e-5  # of the norm of what is compared, in float32
LINEAR = "lora_unet_mid_block_attentions_0_transformer_blocks_0_ff_net_2"
CONV_1X1 = "lora_unet_up_blocks_1_resnets_0_conv_shortcut"
CONV_3X3 = "lora_unet_mid_block_resnets_0_conv1"
NORM = "lora_unet_mid_block_resnets_0_norm1"


def linear(inner: int = 12, outer: int = 16) -> tuple[str, nn.Module]:
    return LINEAR, nn.Linear(inner, outer)


def conv_1x1() -> tuple[str, nn.Module]:
    return CONV_1X1, nn.Conv2d(12, 16, 1)


def conv_3x3(inner: int = 12, outer: int = 16) -> tuple[str, nn.Module]:
    return CONV_3X3, nn.Conv2d(inner, outer, 3)


@dataclass(frozen=True)
class Case:
    """One kind in one form: LyCORIS' class and settings, the layer it is for, and the keys that the form must have."""

    name: str
    lycoris: type[LycorisBaseModule]
    layer: Callable[[], tuple[str, nn.Module]]
    kind: str
    keys: str
    settings: dict[str, Any] = field(default_factory=dict)


TUCKER, DORA, DORA_IN = {"use_tucker": True}, {"weight_decompose": True}, {"weight_decompose": True, "wd_on_out": False}
WHOLE, BOTH = {"full_matrix": True, "factor": 4}, {"decompose_both": True, "lora_dim": 1, "factor": 4}
ADDITIVE = [
    Case("locon linear", LoConModule, linear, "lora", "lora_down.weight"),
    Case("locon 1x1", LoConModule, conv_1x1, "lora", "lora_down.weight"),
    Case("locon 3x3", LoConModule, conv_3x3, "lora", "lora_down.weight"),
    Case("locon rank-stabilised", LoConModule, linear, "lora", "lora_down.weight", {"rs_lora": True}),
    Case("locon tucker", LoConModule, conv_3x3, "tucker", "lora_mid.weight", TUCKER),
    Case("loha linear", LohaModule, linear, "loha", "hada_w1_a"),
    Case("loha 1x1", LohaModule, conv_1x1, "loha", "hada_w1_a"),
    Case("loha 3x3 flat", LohaModule, conv_3x3, "loha", "hada_w1_a"),
    Case("loha tucker", LohaModule, conv_3x3, "loha", "hada_t1 hada_t2", TUCKER),
    Case("lokr whole", LokrModule, linear, "lokr", "lokr_w1 lokr_w2", WHOLE),
    Case("lokr w2 factored", LokrModule, lambda: linear(24, 40), "lokr", "lokr_w1 lokr_w2_a", {"factor": 4}),
    Case("lokr both factored", LokrModule, lambda: linear(24, 40), "lokr", "lokr_w1_a lokr_w2_a", BOTH),
    Case("lokr unbalanced", LokrModule, lambda: linear(24, 40), "lokr", "lokr_w1", {"unbalanced_factorization": True}),
    Case("lokr 1x1", LokrModule, conv_1x1, "lokr", "lokr_w1 lokr_w2", {"factor": 4}),
    Case("lokr 3x3 whole", LokrModule, conv_3x3, "lokr", "lokr_w1 lokr_w2", WHOLE),
    Case("lokr 3x3 flat", LokrModule, lambda: conv_3x3(24, 40), "lokr", "lokr_w1 lokr_w2_b", {"factor": 4}),
    Case("lokr tucker", LokrModule, lambda: conv_3x3(24, 40), "lokr", "lokr_w1 lokr_t2", {"factor": 4, **TUCKER}),
    Case("full linear", FullModule, linear, "bias", "diff diff_b"),
    Case("full 3x3", FullModule, conv_3x3, "bias", "diff diff_b"),
]
BOUND = {"constraint": 0.01}
BASE_DEPENDENT = [
    *(
        Case(f"dora {which} {form} {axis}", made, layer, "dora", "dora_scale", {**settings, **side})
        for which, made in (("locon", LoConModule), ("loha", LohaModule), ("lokr", LokrModule))
        for form, layer, settings in (("linear", linear, {}), ("3x3", conv_3x3, {}), ("tucker", conv_3x3, TUCKER))
        for axis, side in (("by output", DORA), ("by input", DORA_IN))
        # A square weight's norms have one length on either axis: the shape of the scale alone tells.
    ),
    Case("dora square by output", LoConModule, lambda: linear(16, 16), "dora", "dora_scale", DORA),
    Case("dora square by input", LoConModule, lambda: linear(16, 16), "dora", "dora_scale", DORA_IN),
    Case("oft linear", DiagOFTModule, linear, "oft", "oft_blocks"),
    Case("oft 3x3", DiagOFTModule, conv_3x3, "oft", "oft_blocks"),
    Case("oft bounded", DiagOFTModule, linear, "oft", "oft_blocks", BOUND),
    Case("oft rescaled", DiagOFTModule, linear, "oft", "oft_blocks rescale", {"rescaled": True}),
    Case("oft all", DiagOFTModule, conv_3x3, "oft", "oft_blocks rescale", {"rescaled": True, **BOUND}),
    Case("boft linear", ButterflyOFTModule, linear, "boft", "oft_blocks"),
    Case("boft 3x3", ButterflyOFTModule, lambda: conv_3x3(12, 24), "boft", "oft_blocks", {"lora_dim": 8}),
    Case("boft all", ButterflyOFTModule, linear, "boft", "oft_blocks rescale", {"rescaled": True, **BOUND}),
]
TURNING = ("oft", "boft")


def made_by_lycoris(case: Case, seed: int = 0) -> tuple[str, nn.Module, LycorisBaseModule]:
    """The name, the layer with LyCORIS' module on it, and that module, all of random parameters."""
    torch.manual_seed(seed)
    name, layer = case.layer()
    settings = {"lora_dim": 4, "alpha": 3.0, **case.settings}
    module = case.lycoris(name, layer, **settings)
    for path, parameter in module.named_parameters():
        positive = path in ("dora_scale", "rescale")
        torch.nn.init.uniform_(parameter, 0.5, 1.5) if positive else torch.nn.init.normal_(parameter, std=0.3)
    return name, layer, module


def weight_in_use(layer: nn.Module) -> Tensor:
    """The weight that a layer's forward pass multiplies with, (out, in[, k, k]), from unit inputs."""
    shape = (layer.in_channels, *layer.kernel_size) if isinstance(layer, nn.Conv2d) else (layer.in_features,)
    units = torch.eye(torch.Size(shape).numel()).reshape(-1, *shape)
    with torch.no_grad():
        outputs = (layer(units) - layer(torch.zeros_like(units))).flatten(1)
    return outputs.T.reshape(-1, *shape)


def file_of(module: LycorisBaseModule, name: str, folder: Path) -> Path:
    tensors = {f"{name}.{key}": value.detach().contiguous() for key, value in module.state_dict().items()}
    save_file(tensors, folder / "lycoris.safetensors")
    return folder / "lycoris.safetensors"


def assert_close(ours: Tensor, theirs: Tensor) -> None:
    assert ours.shape == theirs.shape
    assert (ours.double() - theirs.double()).norm() <= TOLERANCE * theirs.double().norm()


def inner_of(module: Module) -> Module:
    return getattr(module, "inner", None) or module


@pytest.mark.parametrize("case", [*ADDITIVE, *BASE_DEPENDENT], ids=lambda case: case.name)
def test_moves_a_weight_as_lycoris_does(case: Case, tmp_path: Path) -> None:
    name, layer, module = made_by_lycoris(case)
    before = layer.weight.detach().clone()
    bias = layer.bias.detach().clone()
    module.apply_to()
    read = read_lora(file_of(module, name, tmp_path)).modules[name]
    assert read.kind == case.kind
    assert set(case.keys.split()) <= read.tensors().keys()
    for strength in (1.0, 0.6) if case in ADDITIVE or case.kind in TURNING else (1.0,):
        module.multiplier = strength
        assert_close(read.moved(before, strength), weight_in_use(layer))
    if read.bias is not None:
        size = (1, *layer.weight.shape[1:]) if hasattr(layer, "weight") else (1, *before.shape[1:])
        moved = layer(torch.zeros(size)).detach().flatten() - bias
        assert_close(strength * read.bias, moved)


@pytest.mark.parametrize("case", ADDITIVE, ids=lambda case: case.name)
def test_low_rank_is_the_delta(case: Case, tmp_path: Path) -> None:
    name, _, module = made_by_lycoris(case, seed=1)
    if case.lycoris is FullModule:
        module.apply_to()
    read = inner_of(read_lora(file_of(module, name, tmp_path)).modules[name])
    assert isinstance(read, Additive)
    assert_close(read.low_rank().delta(), read.delta())


@pytest.mark.parametrize("layer", [nn.LayerNorm(12), nn.GroupNorm(3, 12)], ids=["layer", "group"])
def test_norms_move_as_lycoris_says(layer: nn.Module, tmp_path: Path) -> None:
    module = NormModule(NORM, layer)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    read = read_lora(file_of(module, NORM, tmp_path)).modules[NORM]
    weight, bias = module.get_merged_weight(0.6)
    assert read.kind == "norm"
    assert_close(read.moved(layer.weight.detach(), 0.6), weight.detach())
    assert read.bias is not None
    assert_close(layer.bias.detach() + 0.6 * read.bias, bias.detach())


def test_dora_at_another_strength_scales_the_change(tmp_path: Path) -> None:
    """As ComfyUI does, so that strength 0 is the base model. (LyCORIS keeps the undecomposed sum at strength 0.)"""
    name, layer, module = made_by_lycoris(Case("dora", LoConModule, linear, "dora", "", DORA))
    read = read_lora(file_of(module, name, tmp_path)).modules[name]
    before = layer.weight.detach()
    change = read.moved(before) - before
    assert_close(read.moved(before, 0.0), before)
    assert_close(read.moved(before, 0.6) - before, 0.6 * change)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (LoraModule(torch.ones(2, 5), torch.ones(4, 2), 1.0), r"delta of shape \(4, 5\) does not fit"),
        (DoraModule(LoraModule(torch.ones(2, 3), torch.ones(4, 2), 1.0), torch.ones(7, 1)), r"dora_scale of \(7, 1\)"),
        (OftModule(torch.ones(3, 2, 2), 0.0), r"oft_blocks of \(3, 2, 2\) do not fit"),
    ],
)
def test_another_models_weight_is_refused(module: Module, message: str) -> None:
    with pytest.raises(LoraFileError, match=message):
        module.moved(torch.ones(4, 3))


PEFT_PATHS = [
    "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q",
    "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_k",
    "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0",
    "down_blocks.0.attentions.0.proj_in",
    "down_blocks.0.resnets.0.conv1",
]


def fake_unet() -> nn.Module:
    """A tree of modules under a UNet's names: linears, one square, a 1x1 and a square 3x3 convolution."""
    torch.manual_seed(0)
    layers = (nn.Linear(16, 16), nn.Linear(12, 16), nn.Linear(16, 16), nn.Conv2d(16, 12, 1), nn.Conv2d(12, 12, 3))
    root = nn.Module()
    for path, layer in zip(PEFT_PATHS, layers, strict=True):
        *parents, last = path.split(".")
        place = root
        for parent in parents:
            if not hasattr(place, parent):
                place.add_module(parent, nn.Module())
            place = place.get_submodule(parent)
        place.add_module(last, layer)
    return root


PATTERNS = {
    "rank_pattern": {"to_k": 2, r"down_blocks.0.*.to_out.0": 5},
    "alpha_pattern": {"attn1.to_q": 7, "resnets.0.conv1": 2},
}


@pytest.mark.parametrize("patterns", [{}, PATTERNS], ids=["one rank", "patterns"])
@pytest.mark.parametrize("form", [{}, {"use_rslora": True}, {"use_dora": True}], ids=["lora", "rslora", "dora"])
def test_moves_weights_as_peft_does(form: dict[str, Any], patterns: dict[str, Any], tmp_path: Path) -> None:
    base = fake_unet()
    before = {path: base.get_submodule(path).get_parameter("weight").detach().clone() for path in PEFT_PATHS}
    config = LoraConfig(r=4, lora_alpha=3, target_modules=PEFT_PATHS, init_lora_weights=False, **form, **patterns)
    model = get_peft_model(base, config)
    for path, parameter in model.named_parameters():
        if "lora_magnitude_vector" in path:
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
    model.save_pretrained(tmp_path)
    modules = read_lora(tmp_path / "adapter_model.safetensors").modules
    assert len(modules) == len(PEFT_PATHS)
    for path in PEFT_PATHS:
        layer = model.base_model.model.get_submodule(path)
        assert isinstance(layer, LoraLayer)
        read = modules[f"lora_unet_{path.replace('.', '_')}"]
        if isinstance(read, Additive):
            assert_close(read.delta(), layer.get_delta_weight("default").detach())
        layer.merge()
        assert_close(read.moved(before[path]), layer.get_base_layer().weight.detach())


def test_peft_config_beside_another_file_is_not_taken_for_its_own(tmp_path: Path) -> None:
    """A folder with PEFT's file and a kohya file: the configuration speaks for adapter_model.safetensors alone."""
    path = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    tensors = {f"{path}.lora_A.weight": torch.ones(4, 3), f"{path}.lora_B.weight": torch.ones(5, 4)}
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 4, "lora_alpha": 12}))
    for file in ("adapter_model.safetensors", "other.safetensors"):
        save_file(tensors, tmp_path / file)
    deltas = [
        next(iter(read_lora(tmp_path / file).modules.values())).moved(torch.zeros(5, 3))[0, 0].item()
        for file in ("adapter_model.safetensors", "other.safetensors")
    ]
    assert deltas == [12.0, 4.0]
    assert load_file(tmp_path / "other.safetensors").keys() == tensors.keys()
