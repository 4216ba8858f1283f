"""Baking: every kind of module lands in both layouts as its own formula says, and a base is never harmed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from checkpoints import (
    ADDITIVE,
    FAMILIES,
    KINDS,
    State,
    TinyModel,
    state_of_folder,
    state_of_single,
    tiny_model,
    write_folder,
    write_lora_of_kinds,
    write_single,
)
from foundation.errors import InputOverwrittenError, LoraFileError
from foundation.files import sha256_of
from foundation.progress import Silent
from foundation.safetensors_header import read_metadata
from loras.blending.weighted_lora import WeightedLora
from loras.checkpoints.bake import Baked, BakeError, BakeRequest, bake
from loras.checkpoints.checkpoint_layout import CheckpointError, open_checkpoint
from loras.lora_file import read_lora
from loras.weights import WeightsError
from random_loras import random_kohya_file


def baked(base: Path, output: Path, *loras: str, dtype: str | None = None) -> Baked:
    parts = tuple(WeightedLora.parse(text) for text in loras)
    return bake(BakeRequest(open_checkpoint(base), parts, output, dtype), Silent())


def moved(state: State, model: TinyModel, path: Path, weight: dict[str, float]) -> State:
    """What the kinds' own `moved` makes of every weight, and of every bias."""
    result, by_kohya = dict(state), model.names.by_kohya
    for name, module in read_lora(path).modules.items():
        place = by_kohya[name].diffusers
        strength = weight[place.partition(".")[0]]
        result[f"{place}.weight"] = module.moved(result[f"{place}.weight"], strength)
        if module.bias is not None:
            result[f"{place}.bias"] = result[f"{place}.bias"] + strength * module.bias
    return result


def differs(one: State, other: State, tolerance: float) -> list[str]:
    assert one.keys() == other.keys()
    return [key for key in one if not torch.allclose(one[key], other[key], atol=tolerance, rtol=tolerance)]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kinds", [ADDITIVE, KINDS])
def test_each_weight_moves_as_its_kind_says_in_both_layouts(
    family: str, kinds: tuple[str, ...], tmp_path: Path
) -> None:
    model = tiny_model(family)
    folder, single = write_folder(model, tmp_path / "base"), write_single(model, tmp_path / "base.safetensors")
    first = write_lora_of_kinds(model, tmp_path / "a.safetensors", 1, kinds)
    second = write_lora_of_kinds(model, tmp_path / "b ö.safetensors", 2, kinds)
    before = state_of_folder(folder)
    texts = "te1=0.6,te2=-0.3" if family == "sdxl" else "te=0.6"
    asked = f"{first}:unet=0.8,{texts}", f"{second}:unet=0.5,te=0.25"
    done = baked(folder, tmp_path / "out folder", *asked)
    baked(single, tmp_path / "out file.safetensors", *asked)
    after = state_of_folder(tmp_path / "out folder")
    wanted = moved(before, model, first, {"unet": 0.8, "text_encoder": 0.6, "text_encoder_2": -0.3})
    wanted = moved(wanted, model, second, {"unet": 0.5, "text_encoder": 0.25, "text_encoder_2": 0.25})
    assert not differs(after, wanted, 1e-6)
    assert done.modules == len(read_lora(first).modules)
    read = state_of_single(tmp_path / "out file.safetensors", model)
    assert not differs(read, after, 1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_two_layouts_have_the_modules_that_the_models_have(family: str, tmp_path: Path) -> None:
    model = tiny_model(family)
    for path in (write_folder(model, tmp_path / "base"), write_single(model, tmp_path / "base.safetensors")):
        checkpoint = open_checkpoint(path)
        places = {name: place for (name, role), place in checkpoint.places.items() if role == "weight"}
        shapes = {name: module.shape for name, module in model.names.by_kohya.items()}
        assert {name: place.shape for name, place in places.items()} == shapes
        assert checkpoint.family.base_version[:3] == {"sd1": "sd_", "sd2": "sd_", "sdxl": "sdx"}[family]
        assert checkpoint.family.v2 == (family == "sd2")


def test_additive_loras_sum_in_any_order_and_dora_does_not(tmp_path: Path) -> None:
    model = tiny_model("sd1")
    folder = write_folder(model, tmp_path / "base")
    plain = [str(write_lora_of_kinds(model, tmp_path / f"{at}.safetensors", at, ADDITIVE)) for at in range(2)]
    dora = str(write_lora_of_kinds(model, tmp_path / "dora.safetensors", 3, ("dora",)))
    for name, order in {"ab": plain, "ba": plain[::-1], "ad": [plain[0], dora], "da": [dora, plain[0]]}.items():
        baked(folder, tmp_path / name, *order)
    states = {name: state_of_folder(tmp_path / name) for name in ("ab", "ba", "ad", "da")}
    assert not differs(states["ab"], states["ba"], 1e-6)
    assert differs(states["ad"], states["da"], 1e-3)


def test_weight_zero_leaves_every_bit(tmp_path: Path) -> None:
    model = tiny_model("sd1")
    folder, single = write_folder(model, tmp_path / "base"), write_single(model, tmp_path / "base.safetensors")
    lora = write_lora_of_kinds(model, tmp_path / "a.safetensors", 1)
    baked(folder, tmp_path / "out", f"{lora}:unet=0,te=0")
    baked(single, tmp_path / "out.safetensors", f"{lora}:unet=0,te=0")
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    assert files
    assert all((tmp_path / "out" / file).read_bytes() == (folder / file).read_bytes() for file in files)
    assert (tmp_path / "out.safetensors").read_bytes() == single.read_bytes()


def test_what_no_lora_acts_on_keeps_its_bits_and_its_type(tmp_path: Path) -> None:
    model = tiny_model("sd1")
    single = write_single(model, tmp_path / "base.safetensors", torch.float16)
    lora = write_lora_of_kinds(model, tmp_path / "a.safetensors", 1)
    baked(single, tmp_path / "out.safetensors", f"{lora}:te=0")
    before, after = load_file(single), load_file(tmp_path / "out.safetensors")
    assert {key: value.dtype for key, value in before.items()} == {key: value.dtype for key, value in after.items()}
    same = {key for key in before if torch.equal(before[key], after[key])}
    assert {key for key in before if not key.startswith("model.diffusion_model.")} <= same
    assert any(key.startswith("model.diffusion_model.") for key in before.keys() - same)


def test_another_type_casts_the_model_and_not_its_vae(tmp_path: Path) -> None:
    model = tiny_model("sdxl")
    single = write_single(model, tmp_path / "base.safetensors")
    lora = write_lora_of_kinds(model, tmp_path / "a.safetensors", 1, ("lora",))
    baked(single, tmp_path / "whole.safetensors", str(lora))
    baked(single, tmp_path / "half.safetensors", str(lora), dtype="float16")
    whole, half = load_file(tmp_path / "whole.safetensors"), load_file(tmp_path / "half.safetensors")
    for key, value in whole.items():
        of_model = key.startswith(("model.diffusion_model.", "conditioner."))
        assert torch.equal(half[key], value.half() if of_model else value), key


def test_a_sharded_folder_keeps_its_shards_and_its_index(tmp_path: Path) -> None:
    model = tiny_model("sd1")
    folder = write_folder(model, tmp_path / "base", max_shard_size="60KB")
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"a stale copy")
    lora = write_lora_of_kinds(model, tmp_path / "a.safetensors", 1)
    baked(folder, tmp_path / "out", str(lora), dtype="float16")
    shards = sorted(path.name for path in (folder / "unet").glob("*.safetensors"))
    assert len(shards) > 1
    assert shards == sorted(path.name for path in (tmp_path / "out" / "unet").glob("*.safetensors"))
    assert not (tmp_path / "out" / "unet" / "diffusion_pytorch_model.bin").exists()
    wanted = moved(state_of_folder(folder), model, lora, dict.fromkeys(["unet", "text_encoder"], 1.0))
    after = state_of_folder(tmp_path / "out")
    assert all(torch.equal(after[key], wanted[key].half()) for key in wanted)
    index = json.loads((tmp_path / "out" / "unet" / "diffusion_pytorch_model.safetensors.index.json").read_text())
    assert index["metadata"]["total_size"] == sum(2 * v.numel() for k, v in after.items() if k.startswith("unet."))
    from diffusers import UNet2DConditionModel

    loaded = UNet2DConditionModel.from_pretrained(tmp_path / "out", subfolder="unet").state_dict()
    assert torch.equal(loaded["conv_in.weight"], after["unet.conv_in.weight"].float())


def test_the_header_says_what_was_baked_and_keeps_no_old_hash(tmp_path: Path) -> None:
    lora = write_lora_of_kinds(tiny_model("sd1"), tmp_path / "a.safetensors", 1)
    named = {"model.diffusion_model.input_blocks.0.0.weight": torch.ones(8, 4, 3, 3)}
    save_file(named, tmp_path / "base.safetensors", {"sshs_model_hash": "old", "modelspec.title": "base"})
    save_file({"lora_unet_conv_in.diff": torch.ones(8, 4, 3, 3)}, lora)
    baked(tmp_path / "base.safetensors", tmp_path / "out.safetensors", f"{lora}:unet=0.5,blocks=OUTD")
    assert read_metadata(tmp_path / "out.safetensors")["sshs_model_hash"] == "old"  # IN00 is 0 there: nothing was baked
    baked(tmp_path / "base.safetensors", tmp_path / "out.safetensors", f"{lora}:unet=0.5")
    metadata = read_metadata(tmp_path / "out.safetensors")
    assert metadata.keys() == {"modelspec.title", "lora_studio.recipe"}
    recipe = json.loads(metadata["lora_studio.recipe"])
    assert recipe["base"]["sha256"] == sha256_of(tmp_path / "base.safetensors")
    assert [(one["sha256"], one["unet"]) for one in recipe["parents"]] == [(sha256_of(lora), 0.5)]


@pytest.mark.parametrize("layout", ["folder", "single"])
def test_the_same_request_writes_the_same_bytes(layout: str, tmp_path: Path) -> None:
    model = tiny_model("sd2")
    is_folder = layout == "folder"
    base = write_folder(model, tmp_path / "base") if is_folder else write_single(model, tmp_path / "base.safetensors")
    lora = write_lora_of_kinds(model, tmp_path / "a.safetensors", 1)
    ends = "" if is_folder else ".safetensors"
    assert baked(base, tmp_path / f"x{ends}", str(lora)).sha256 == baked(base, tmp_path / f"y{ends}", str(lora)).sha256


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"lora_te2_text_model_encoder_layers_0_mlp_fc1.diff": torch.ones(24, 12)}, "lora_te2_.* has no weight in"),
        ({"lora_unet_conv_in.diff": torch.ones(9, 9)}, "a.safetensors: `lora_unet_conv_in`: a delta of shape"),
        ({"lora_unet_conv_in.diff_b": torch.ones(9)}, "does not fit a bias of"),
        (
            {"lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q.diff_b": torch.ones(8)},
            "has no bias in",
        ),
    ],
)
def test_a_lora_that_does_not_fit_is_named(tensors: State, message: str, tmp_path: Path) -> None:
    single = write_single(tiny_model("sd1"), tmp_path / "base.safetensors")
    save_file(tensors, tmp_path / "a.safetensors")
    with pytest.raises(BakeError, match=message):
        baked(single, tmp_path / "out.safetensors", str(tmp_path / "a.safetensors"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.safetensors", "base.safetensors"]


def test_an_input_is_never_written_over(tmp_path: Path) -> None:
    model = tiny_model("sd1")
    folder, single = write_folder(model, tmp_path / "base"), write_single(model, tmp_path / "base.safetensors")
    lora = write_lora_of_kinds(model, tmp_path / "a.safetensors", 1)
    hashes = sha256_of(single), sha256_of(lora)
    for base, output in ((folder, folder), (folder, folder / "out"), (single, single), (single, lora)):
        with pytest.raises((BakeError, InputOverwrittenError)):
            baked(base, output, str(lora))
    assert hashes == (sha256_of(single), sha256_of(lora))


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    save_file({"a": torch.ones(1)}, tmp_path / "a.safetensors")
    (tmp_path / "folder").mkdir()
    (tmp_path / "b.ckpt").write_bytes(b"PK\x03\x04")
    for name in ("a.safetensors", "folder", "missing"):
        with pytest.raises(CheckpointError, match=name):
            open_checkpoint(tmp_path / name)
    with pytest.raises(LoraFileError, match="pickle"):
        open_checkpoint(tmp_path / "b.ckpt")


def test_too_large_for_the_type_is_refused(tmp_path: Path) -> None:
    single = write_single(tiny_model("sd1"), tmp_path / "base.safetensors", torch.float16)
    save_file({"lora_unet_conv_in.diff": torch.full((8, 4, 3, 3), 7e4)}, tmp_path / "a.safetensors")
    with pytest.raises(BakeError, match="leaves the range of F16"):
        baked(single, tmp_path / "out.safetensors", str(tmp_path / "a.safetensors"))
    assert not (tmp_path / "out.safetensors").exists()


KILLED = """
import os, signal, sys
from pathlib import Path
import loras.checkpoints.bake, foundation.safetensors_stream
from loras.checkpoints.bake import BakeRequest, bake
from loras.checkpoints.checkpoint_layout import open_checkpoint
from loras.blending.weighted_lora import WeightedLora
from foundation.progress import Silent

class Dying(Silent):
    def task(self, title, total):
        left = [total // 2]
        def advance(done):
            left[0] -= done
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return advance

bake(BakeRequest(open_checkpoint(sys.argv[1]), (WeightedLora.parse(sys.argv[2]),), Path(sys.argv[3]), None), Dying())
"""


@pytest.mark.parametrize("ends", ["", ".safetensors"])
def test_killed_half_way_there_is_nothing_and_the_next_run_sweeps(ends: str, tmp_path: Path) -> None:
    model = tiny_model("sd1")
    base = write_single(model, tmp_path / "base.safetensors") if ends else write_folder(model, tmp_path / "base")
    lora, output = write_lora_of_kinds(model, tmp_path / "a.safetensors", 1), tmp_path / f"out{ends}"
    killed = subprocess.run([sys.executable, "-c", KILLED, str(base), str(lora), str(output)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not output.exists()
    baked(base, output, str(lora))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([base.name, lora.name, output.name])


def test_the_baked_model_renders_as_the_patched_one(tmp_path: Path) -> None:
    """The miniature's text embedding and one step of its UNet; it is stored in half precision, so to its rounding."""
    from base_models.base_model import BaseModel, load_base
    from eval.rendering.patching import PatchedModel
    from loras.blend import blend

    def seen(model: BaseModel) -> tuple[torch.Tensor, torch.Tensor]:
        tokens = model.tokenizers[0]("a person, smiling", return_tensors="pt").input_ids
        with torch.no_grad():
            text = model.text_encoders[0](tokens).last_hidden_state
            size = int(model.unet.config["sample_size"])
            noise = torch.randn(1, 4, size, size, generator=torch.Generator().manual_seed(0))
            return text, model.unet(noise, 500, text).sample

    base = load_base("miniature")
    lora = random_kohya_file(tmp_path / "a.safetensors", base.modules, 1, strength=0.1)
    part = WeightedLora.parse(f"{lora}:unet=0.8,te=0.6")
    plain = seen(base)
    patched = PatchedModel(base)
    patched.put_on(blend([(read_lora(lora), part.weights)]).modules)
    wanted = seen(base)
    patched.take_off()
    for dtype, tolerance in (("float32", 1e-4), (None, 1e-2)):
        output = tmp_path / f"baked {dtype}"
        bake(BakeRequest(open_checkpoint("miniature"), (part,), output, dtype), Silent())
        for found, asked, before in zip(seen(load_base(str(output))), wanted, plain, strict=True):
            size = (asked - before).norm()
            assert size > 0.01 * before.norm()
            assert (found - asked).norm() < tolerance * asked.norm()


def test_weights_are_read_off_the_end_of_a_path() -> None:
    windows = WeightedLora.parse(r"C:\models\a.safetensors:unet=0.8,te=0.6,blocks=*attn2*=0.5;*ff_net*=0")
    assert str(windows.path) == r"C:\models\a.safetensors"
    assert windows.on_module("lora_unet_x_attn2_to_k") == pytest.approx(0.4)
    assert windows.on_module("lora_te_x_mlp_fc1") == 0.6
    plain = WeightedLora.parse("a.safetensors")
    assert (plain.on_module("lora_unet_x"), plain.on_module("lora_te_x")) == (1.0, 1.0)
    alone = WeightedLora.parse("a.safetensors: 0.3")
    assert (alone.on_module("lora_unet_x"), alone.on_module("lora_te_x"), dict(alone.said)) == (0.3, 0.3, {})
    numbers = WeightedLora.parse("a.safetensors:blocks=0.5" + ",1" * 16)
    assert numbers.on_module("lora_te_text_model_encoder_layers_0_mlp_fc1") == 0.5
    with pytest.raises(WeightsError, match=r"a\.safetensors:unet=much"):
        WeightedLora.parse("a.safetensors:unet=much")
