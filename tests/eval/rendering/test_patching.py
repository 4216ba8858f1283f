"""Weights are put on from a pristine copy and come off bit for bit; a LoRA of another model is refused."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from base_models.base_model import BaseModel, kohya_modules, load_base
from base_models.families.known import FAMILIES
from checkpoints import tiny_model
from eval.rendering.cell_lora import ReplacedLoraError, lora_of
from eval.rendering.patching import PatchedModel, check_fits
from eval.request.cells import Cell, Checkpoint, Use
from foundation.errors import LoraFileError
from foundation.files import sha256_of
from loras.lora_file import LoraFile, LoraModule, read_lora, write_lora
from loras.weights import Weights
from random_loras import random_kohya_file
from tiny import tiny_base


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> BaseModel:
    return load_base(str(tiny_base(tmp_path_factory.mktemp("base"))))


def bits(base: BaseModel) -> dict[str, torch.Tensor]:
    return {name: module.get_parameter("weight").detach().clone() for name, module in base.modules.items()}


@settings(max_examples=15)
@given(order=st.lists(st.integers(0, 3), min_size=1, max_size=6))
def test_any_walk_over_loras_ends_where_it_began(
    base: BaseModel, order: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("walk")
    loras = [read_lora(random_kohya_file(folder / f"{at}.safetensors", base.modules, at)) for at in range(4)]
    before, patched = bits(base), PatchedModel(base)
    for at in order:
        patched.put_on(loras[at].modules)
    last = bits(base)
    patched.take_off()
    assert all(torch.equal(before[name], weight) for name, weight in bits(base).items())
    patched.put_on(loras[order[-1]].modules)
    assert all(torch.equal(last[name], weight) for name, weight in bits(base).items())
    patched.take_off()


def test_the_weight_moves_by_the_delta(base: BaseModel, tmp_path: Path) -> None:
    lora = read_lora(random_kohya_file(tmp_path / "a.safetensors", base.modules, 1))
    before, patched = bits(base), PatchedModel(base)
    patched.put_on(lora.modules)
    for name, weight in bits(base).items():
        moved = lora.modules[name].delta().reshape(weight.shape) if name in lora.modules else torch.zeros(())
        assert torch.allclose(weight, before[name] + moved, atol=1e-7)
    patched.take_off()


def cells(base: BaseModel, folder: Path, dtype: str) -> list[Cell]:
    """Two checkpoints over every ninth module at several weights, alone and beside another."""
    some = dict(list(base.modules.items())[::9])
    files = [random_kohya_file(folder / f"{at}.safetensors", some, at, rank=2, strength=0.05) for at in range(3)]
    one, two, other = (Checkpoint(path, path.stem, sha256_of(path), None) for path in files)
    weights = [Weights.of(unet, te) for unet in (0.3, 0.7, 1.0) for te in (0.0, 0.6)]
    alone = [Cell(Use(checkpoint, weight), (), dtype) for checkpoint in (one, two) for weight in weights]
    return [*alone, *(Cell(cell.use, (Use(other, Weights.of(-0.4, 0.5)),), dtype) for cell in alone[:3])]


def of_family(base: BaseModel, family: str, dtype: torch.dtype) -> BaseModel:
    """`base` with a narrow UNet and text encoders of another family."""
    made = tiny_model(family)
    unet, encoders = made.unet.to(dtype), tuple(encoder.to(dtype) for encoder in made.encoders)
    modules = kohya_modules(FAMILIES[family], unet, encoders)
    return replace(base, family=FAMILIES[family], unet=unet, text_encoders=encoders, modules=modules)


def test_a_file_that_is_another_than_was_planned_is_not_drawn(base: BaseModel, tmp_path: Path) -> None:
    """Its pictures would be kept under the hash of the one before."""
    path = random_kohya_file(tmp_path / "a.safetensors", base.modules, 1)
    cell = Cell(Use(Checkpoint(path, "a", sha256_of(path), None), Weights.of(1, 1)), (), "float16")
    random_kohya_file(path, base.modules, 2)
    with pytest.raises(ReplacedLoraError, match=r"a\.safetensors: is another file than when"):
        lora_of(cell)
    random_kohya_file(path, base.modules, 1)
    assert lora_of(cell).modules


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_a_thousand_changes_leave_the_base_as_it_was(
    base: BaseModel, family: str, dtype: torch.dtype, tmp_path: Path
) -> None:
    """And on the way every weight is what the cell's exported file makes of the pristine one, to the bit."""
    base = of_family(base, family, dtype)
    walk = [lora_of(cell) for cell in cells(base, tmp_path, "float16")]
    before, draw, path = bits(base), random.Random(0), tmp_path / "export.safetensors"
    patched = PatchedModel(base)
    for number in range(1000):
        lora = draw.choice(walk)
        patched.put_on(lora.modules)
        if number % 97 == 0:
            write_lora(lora, path)
            moved = read_lora(path).modules
            for name, weight in bits(base).items():
                wanted = moved[name].moved(before[name]).to(weight.dtype) if name in moved else before[name]
                assert torch.equal(weight, wanted), name
    patched.take_off()
    assert all(torch.equal(before[name], weight) for name, weight in bits(base).items())


def test_products_are_kept_only_where_there_is_room(base: BaseModel, tmp_path: Path) -> None:
    """The bits are the same, and the product of unchanged factors is made once."""
    walk = cells(base, tmp_path, "float16")[:6]
    asked: list[int] = []

    def room(needed: int, device: torch.device) -> bool:
        del device
        asked.append(needed)
        return True

    keeping, short = PatchedModel(base, room), PatchedModel(base, lambda needed, device: False)
    for cell in walk:
        keeping.put_on(lora_of(cell).modules)
        kept = bits(base)
        keeping.take_off()
        short.put_on(lora_of(cell).modules)
        assert all(torch.equal(kept[name], weight) for name, weight in bits(base).items())
        short.take_off()
    assert sum(need > 0 for need in asked) == 2, "the UNet's at the first cell, the text encoder's at the second"


def test_only_what_changes_is_written(base: BaseModel, tmp_path: Path) -> None:
    """The UNet's weight changes, so the text encoder's parameters keep their version."""
    first, second = (cells(base, tmp_path, "float16")[at] for at in (1, 3))
    patched = PatchedModel(base)
    patched.put_on(lora_of(first).modules)
    versions = {name: module.get_parameter("weight")._version for name, module in base.modules.items()}
    patched.put_on(lora_of(second).modules)
    for name in lora_of(first).modules:
        written = base.modules[name].get_parameter("weight")._version > versions[name]
        assert written == name.startswith("lora_unet")
    patched.take_off()


@pytest.mark.parametrize(
    ("name", "module", "message"),
    [
        ("lora_te2_text_model_encoder_layers_0_mlp_fc1", LoraModule(torch.ones(1, 4), torch.ones(4, 1), 1.0), "SDXL"),
        (
            "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k",
            LoraModule(torch.ones(1, 768), torch.ones(32, 1), 1.0),
            "this LoRA is for SD1.x",
        ),
    ],
)
def test_another_family_is_refused(base: BaseModel, name: str, module: LoraModule, message: str) -> None:
    with pytest.raises(LoraFileError, match=message):
        check_fits(LoraFile({name: module}, {}), Path("a.safetensors"), base)
