"""Every kind of LyCORIS and PEFT on each family's tiny transformer: a module moves as the tool moves it, or the kind is
refused by its name.

LyCORIS is asked through its forward pass on unit inputs, and named as its own wrapper names modules.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from lycoris.modules.base import LycorisBaseModule
from lycoris.modules.boft import ButterflyOFTModule
from lycoris.modules.diag_oft import DiagOFTModule
from lycoris.modules.full import FullModule
from lycoris.modules.glora import GLoRAModule
from lycoris.modules.ia3 import IA3Module
from lycoris.modules.locon import LoConModule
from lycoris.modules.loha import LohaModule
from lycoris.modules.lokr import LokrModule
from safetensors.torch import save_file
from torch import Tensor, nn

from loras.families.known import READABLE
from loras.inspecting.inspect_lora import inspect_lora
from loras.lora_file import read_lora
from loras.spelling.spelling import NotUnderstoodError
from tiny_transformers import TINY, tiny, weights

TOLERANCE = 1e-5  # of the weight's norm
FACTORS: dict[str, Any] = {"lora_dim": 4, "alpha": 2.0}
KINDS: dict[str, tuple[type[LycorisBaseModule], dict[str, Any]]] = {
    "lora": (LoConModule, FACTORS),
    "loha": (LohaModule, FACTORS),
    "lokr": (LokrModule, FACTORS | {"factor": 4}),
    "dora": (LoConModule, FACTORS | {"weight_decompose": True}),
    "dora of loha": (LohaModule, FACTORS | {"weight_decompose": True}),
    "dora of lokr": (LokrModule, FACTORS | {"weight_decompose": True, "factor": 4}),
    "full": (FullModule, {}),
    "glora": (GLoRAModule, FACTORS),
    "oft": (DiagOFTModule, FACTORS),
    "boft": (ButterflyOFTModule, FACTORS),
    "ia3": (IA3Module, {}),
}
WITHOUT_HALVES = ("oft", "boft", "ia3")
PEFT_KINDS: dict[str, Any] = {
    "lora": lambda paths: peft.LoraConfig(r=4, lora_alpha=3, target_modules=paths, init_lora_weights=False),
    "rank-stabilised": lambda paths: peft.LoraConfig(
        r=4, lora_alpha=3, target_modules=paths, use_rslora=True, init_lora_weights=False
    ),
    "dora": lambda paths: peft.LoraConfig(
        r=4, lora_alpha=3, target_modules=paths, use_dora=True, init_lora_weights=False
    ),
}
REFUSED: dict[str, tuple[Any, str]] = {
    "loha": (lambda paths: peft.LoHaConfig(r=4, alpha=3, target_modules=paths), "PEFT's type LOHA"),
    "lokr": (lambda paths: peft.LoKrConfig(r=4, alpha=3, target_modules=paths), "PEFT's type LOKR"),
    "oft": (lambda paths: peft.OFTConfig(r=0, oft_block_size=4, target_modules=paths), "PEFT's OFT"),
    "ia3": (lambda paths: peft.IA3Config(target_modules=paths, feedforward_modules=[]), "PEFT's IA3"),
    "vera": (lambda paths: peft.VeraConfig(r=4, target_modules=paths), "PEFT's VeRA"),
    "bias": (lambda paths: peft.LoraConfig(r=4, lora_bias=True, target_modules=paths), "bias of its own"),
}


def _linears(model: nn.Module) -> Iterable[tuple[str, nn.Linear]]:
    return ((path, one) for path, one in model.named_modules() if isinstance(one, nn.Linear))


def _is_taken(kind: str, key: str, path: str, layer: nn.Linear) -> bool:
    """Whether LyCORIS can make such a module, and its halves can be told where diffusers exchanges them."""
    if kind in WITHOUT_HALVES and READABLE[key].reordered(f"transformer.{path}"):
        return False
    return kind != "boft" or layer.out_features in (16, 32, 64, 128)


def _wrapped(kind: str, path: str, layer: nn.Linear) -> LycorisBaseModule:
    made, settings = KINDS[kind]
    module = made(f"lycoris_{path.replace('.', '_')}", layer, 1.0, **settings)
    module.apply_to()
    for name, parameter in module.named_parameters():
        if name in ("dora_scale", "rescale"):
            nn.init.uniform_(parameter, 0.5, 1.5)
        else:
            nn.init.normal_(parameter, std=0.2)
    return module


@torch.no_grad()
def _in_use(layer: nn.Linear) -> Tensor:
    units = torch.eye(layer.in_features)
    return (layer(units) - layer(torch.zeros_like(units))).T


def _exchanged(key: str, path: str, weight: Tensor) -> Tensor:
    """Between diffusers' order of outputs and the original's."""
    swapped = READABLE[key].reordered(f"transformer.{path}") and len(weight) == 2 * weight.shape[1]
    return weight.roll(len(weight) // 2, 0) if swapped else weight


# Of Lumina 2's tiny layers a BOFT fits one alone, which does not tell the family.
CASES = [(key, kind) for key in TINY for kind in KINDS if (key, kind) != ("lumina2", "boft")]


@pytest.mark.parametrize(("key", "kind"), CASES)
def test_every_module_moves_as_lycoris_moves_it(key: str, kind: str, tmp_path: Path) -> None:
    family, model = READABLE[key], tiny(key)
    taken = [(path, layer) for path, layer in _linears(model) if _is_taken(kind, key, path, layer)]
    before = {path: layer.weight.detach().clone() for path, layer in taken}
    wrapped = [_wrapped(kind, path, layer) for path, layer in taken]
    tensors = {
        f"{one.lora_name}.{name}": tensor.detach().contiguous()
        for one in wrapped
        for name, tensor in one.state_dict().items()
        if not name.startswith("org_module")
    }
    save_file(tensors, tmp_path / "a.safetensors")
    read = read_lora(tmp_path / "a.safetensors").modules
    assert len(read) == len(taken) > 0
    moved = 0
    for path, layer in taken:
        name = family.to_kohya(f"transformer.{path}")
        assert name is not None
        ours = _exchanged(key, path, read[name].moved(_exchanged(key, path, before[path])))
        theirs = _in_use(layer)
        assert (ours - theirs).norm() <= TOLERANCE * theirs.norm(), path
        moved += not torch.equal(theirs, before[path])  # an OFT of few outputs has blocks of one, which turn nothing
    assert moved >= (1 if kind != "oft" else 0.7) * len(taken)


@pytest.mark.parametrize(("kind", "says"), [("oft", "an OFT or BOFT"), ("ia3", "an IA3")])
def test_a_kind_whose_halves_cannot_be_told_is_refused_by_name(kind: str, says: str, tmp_path: Path) -> None:
    path, layer = next(one for one in _linears(tiny("flux1")) if one[0] == "norm_out.linear")
    module = _wrapped(kind, path, layer)
    tensors = {f"{module.lora_name}.{name}": one.detach() for name, one in module.state_dict().items()}
    save_file({name: one.contiguous() for name, one in tensors.items()}, tmp_path / "a.safetensors")
    with pytest.raises(NotUnderstoodError, match=f"{says} cannot be put; leave that module out"):
        read_lora(tmp_path / "a.safetensors")


@pytest.mark.parametrize("key", [key for key in TINY if key != "sd3"])  # 3.0's, which has none with a weight
def test_norms_move_by_what_stands_there(key: str, tmp_path: Path) -> None:
    family = READABLE[key]
    norms = {path: shape for path, shape in weights(tiny(key)).items() if len(shape) == 1}
    assert norms
    stems = {path: f"lycoris_{path.replace('.', '_')}" for path in norms}
    tensors = {f"{stems[path]}.w_norm": torch.linspace(-1, 1, shape[0]) for path, shape in norms.items()}
    save_file(tensors, tmp_path / "a.safetensors")
    read = read_lora(tmp_path / "a.safetensors").modules
    for path, shape in norms.items():
        name = family.to_kohya(f"transformer.{path}")
        assert name is not None
        expected = 1 + 0.6 * tensors[f"{stems[path]}.w_norm"]
        torch.testing.assert_close(read[name].moved(torch.ones(shape), 0.6), expected)


def _adapted(key: str, config: Any, folder: Path) -> tuple[Any, dict[str, Tensor]]:
    """PEFT's model, saved in `folder`, and its weights as they were before."""
    model = tiny(key)
    paths = [path for path, _ in _linears(model)]
    before = {path: model.get_submodule(path).get_parameter("weight").detach().clone() for path in paths}
    adapted = peft.get_peft_model(model, config(paths))
    for name, parameter in adapted.named_parameters():
        if "magnitude" in name:
            nn.init.uniform_(parameter, 0.5, 1.5)
    adapted.save_pretrained(folder)
    return adapted, before


@pytest.mark.parametrize("kind", PEFT_KINDS)
@pytest.mark.parametrize("key", TINY)
def test_every_module_moves_as_peft_merges_it(key: str, kind: str, tmp_path: Path) -> None:
    adapted, before = _adapted(key, PEFT_KINDS[kind], tmp_path)
    read = read_lora(tmp_path / "adapter_model.safetensors").modules
    assert len(read) == len(before) > 20
    for path, weight in before.items():
        layer = adapted.base_model.model.get_submodule(path)
        layer.merge()
        theirs = layer.get_base_layer().weight.detach()
        name = READABLE[key].to_kohya(f"transformer.{path}")
        assert name is not None
        ours = _exchanged(key, path, read[name].moved(_exchanged(key, path, weight)))
        assert (ours - theirs).norm() <= TOLERANCE * theirs.norm()
        assert not torch.equal(theirs, weight)


@pytest.mark.parametrize("kind", REFUSED)
def test_pefts_other_methods_are_refused_by_name_and_are_not_called_broken(kind: str, tmp_path: Path) -> None:
    config, says = REFUSED[kind]
    _adapted("z_image", config, tmp_path)
    verdict = inspect_lora(tmp_path / "adapter_model.safetensors").verdict
    assert verdict.name == "not understood"
    assert says in verdict.reason
    assert "merge_and_unload" in verdict.reason


@pytest.mark.parametrize(
    ("end", "says"),
    [("boft_R", "PEFT's BOFT"), ("oft_R.default.weight", "PEFT's OFT"), ("vera_lambda_d", "PEFT's VeRA")],
)
@pytest.mark.parametrize("path", ["transformer.layers.0.attention.to_q", "unet.mid_block.attentions.0.proj_in"])
def test_without_its_configuration_a_foreign_kind_is_told_by_its_keys(
    path: str, end: str, says: str, tmp_path: Path
) -> None:
    save_file({f"{path}.{end}": torch.ones(2, 2)}, tmp_path / "a.safetensors")
    with pytest.raises(NotUnderstoodError, match=says):
        read_lora(tmp_path / "a.safetensors")
