"""Bases from folders and single files are the same model; overrides change it and its hash; what is wrong is said."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from base_models.base_model import BaseModel, load_base
from base_models.base_source import BaseSource, Overrides, find_base
from base_models.drawing.guidance import read_prompts
from base_models.drawing.guided_unet import GuidedUnet
from base_models.drawing.render import decode, render
from base_models.families.known import FAMILIES
from base_models.single_file import read_single_file
from eval.rendering.render_cost import picture_shape
from eval.request.cells import Sampling
from foundation.errors import BaseModelError
from random_loras import random_kohya_file
from single_files import ldm_vae, write_single_file
from tiny import tiny_base
from tiny_families import tiny_family, tiny_folder, tiny_pipeline

KEYS = ("sd1", "sd2", "sdxl")
SAMPLING = Sampling("tiny", "float32", "euler_a", 3, 5.0, 32, 32, 1, "")


def drawn(base: BaseModel) -> np.ndarray:
    return render(base, GuidedUnet(base.unet), SAMPLING, read_prompts(base, ["a red cat"], "ugly"), [1])


def source_of(path: Path, key: str, **told: object) -> BaseSource:
    """As `find_base` makes it, with a description whose sizes are the tiny model's."""
    family = tiny_family(key)
    found = read_single_file(path, has_vae=True, families=[family])
    return BaseSource(str(path), path, **{"family": family, "prediction": found.prediction, **told})


@pytest.mark.parametrize("key", KEYS)
def test_a_single_file_is_its_folder(key: str, tmp_path: Path) -> None:
    """The same picture, and the same names for a LoRA."""
    pipeline = tiny_pipeline(key)
    path = write_single_file(key, pipeline, tmp_path / "model.safetensors")
    folder = load_base(str(tiny_folder(key, tmp_path / "folder")))
    single = load_base(source_of(path, key))
    assert np.abs(drawn(single) - drawn(folder)).max() <= 1 / 255
    assert single.modules.keys() == folder.modules.keys()
    assert single.tokenizers[-1]("a", padding="max_length").input_ids == (
        folder.tokenizers[-1]("a", padding="max_length").input_ids
    )


@pytest.mark.parametrize("key", KEYS)
def test_public_shapes_are_recognised(key: str, tmp_path: Path) -> None:
    family = FAMILIES[key]
    keys = {f"{part.original[0]}x": torch.ones(1) for part in family.text}
    attention = {"model.diffusion_model.middle_block.1.transformer_blocks.0.attn2.to_k.weight": (8, family.text_width)}
    tensors = {**keys, "first_stage_model.decoder.conv_in.weight": torch.ones(1)}
    tensors |= {name: torch.zeros(shape) for name, shape in attention.items()}
    save_file(tensors, path := tmp_path / "a.safetensors")
    found = find_base(str(path))
    assert (found.family, found.prediction) == (family, family.prediction)
    assert found.size == {"sd1": 512, "sd2": 768, "sdxl": 1024}[key]
    sampling = replace(SAMPLING, width=found.size, height=found.size)
    assert picture_shape(found, sampling).latents == (found.size // 8, found.size // 8)
    save_file({**tensors, "v_pred": torch.ones(1)}, path)
    assert find_base(str(path)).prediction == "v_prediction"
    save_file(tensors, path, {"modelspec.prediction_type": "epsilon"})
    assert find_base(str(path)).prediction == "epsilon"
    assert find_base(str(path), Overrides(prediction="v_prediction")).prediction == "v_prediction"


def test_sd2_at_512_is_asked_for_by_its_prediction(tmp_path: Path) -> None:
    assert FAMILIES["sd2"].size_for("epsilon") == 512


def test_another_vae_changes_picture_and_hash(tmp_path: Path) -> None:
    """From a folder, from a file of its own, and from another checkpoint's file: all the same VAE."""
    other = tiny_pipeline("sd1", seed=9)
    folder = tiny_folder("sd1", tmp_path / "base")
    other.vae.save_pretrained(tmp_path / "vae")
    save_file(ldm_vae(other.vae), tmp_path / "vae.safetensors")
    whole = write_single_file("sd1", other, tmp_path / "whole.safetensors")
    family, plain = tiny_family("sd1"), load_base(str(folder))
    pictures, hashes = [], set()
    for vae in (tmp_path / "vae", tmp_path / "vae.safetensors", whole):
        told = find_base(str(folder), Overrides(vae=str(vae)))
        base = load_base(BaseSource(told.name, told.path, family, told.vae))
        pictures.append(drawn(base))
        hashes.add(base.sha256)
    assert all(np.abs(picture - pictures[0]).max() <= 1 / 255 for picture in pictures)
    assert np.abs(pictures[0] - drawn(plain)).max() > 4 / 255
    assert len({plain.sha256, *hashes}) == 4


def test_the_hash_covers_the_file_and_every_override(tmp_path: Path) -> None:
    path = write_single_file("sd2", tiny_pipeline("sd2"), tmp_path / "a.safetensors")
    copy = Path(shutil.copy(path, tmp_path / "copy.safetensors"))
    told: list[dict[str, object]] = [{}, {"prediction": "epsilon"}, {"tiled": True}, {"vae": path}]
    hashes = [source_of(path, "sd2", **one).sha256 for one in told]
    assert len(set(hashes)) == len(told)
    assert source_of(copy, "sd2").sha256 == hashes[0], "a name is no content"
    write_single_file("sd2", tiny_pipeline("sd2", seed=1), path)
    assert source_of(path, "sd2").sha256 != hashes[0]


def test_prediction_changes_the_picture(tmp_path: Path) -> None:
    folder = str(tiny_folder("sd2", tmp_path / "sd2"))
    own, noise = (load_base(find_base(folder, Overrides(prediction=told))) for told in (None, "epsilon"))
    assert np.abs(drawn(own) - drawn(noise)).max() > 4 / 255
    assert own.sha256 != noise.sha256


@pytest.mark.parametrize("memory", ["offload", "tiled"])
def test_low_memory_draws_the_same_picture(memory: str, tmp_path: Path) -> None:
    """Tiles are larger than this picture, so tiling draws the same here, too."""
    folder = str(tiny_folder("sdxl", tmp_path / "sdxl"))
    assert np.array_equal(drawn(load_base(folder, memory=memory)), drawn(load_base(folder)))


def test_large_pictures_are_decoded_in_tiles(tmp_path: Path) -> None:
    """Whose blended edges alone differ."""
    folder = str(tiny_folder("sd1", tmp_path / "sd1"))
    whole, tiled = (load_base(folder, memory=memory) for memory in ("full", "tiled"))
    latents = torch.randn(1, 4, 8, 200, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        apart = np.abs(decode(whole, latents) - decode(tiled, latents))
    assert apart.shape == (1, 32, 800, 3)
    assert apart.max() > 0
    assert apart.mean() < 0.1


# ---- what is wrong is said in a line ----


def broken_folder(folder: Path, break_it: str) -> Path:
    tiny_folder("sd1", folder)
    part = folder / break_it
    if part.is_dir():
        shutil.rmtree(part)
    elif break_it.endswith(".bin"):
        weights = next(part.parent.glob("*.safetensors"))
        weights.rename(part)
    else:
        part.unlink()
    return folder


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("vae", r"its folder `vae` is missing; give one with \[model\] vae"),
        ("unet", "its folder `unet` is missing"),
        ("unet/config.json", r"unet/config.json: is missing"),
        ("unet/diffusion_pytorch_model.safetensors", "unet: has no weights"),
        ("text_encoder/pytorch_model.bin", r"only a pickle \(pytorch_model.bin\), which can run code and is refused"),
        ("model_index.json", "no model_index.json"),
    ],
)
def test_half_a_folder_is_named_by_what_it_lacks(missing: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match=message) as caught:
        find_base(str(broken_folder(tmp_path / "base", missing)))
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_a_truncated_weights_file_is_named(part: str, tmp_path: Path) -> None:
    folder = tiny_folder("sd1", tmp_path)
    [file] = (folder / part).glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(BaseModelError, match=re.escape(str(file))) as caught:
        load_base(str(folder))
    assert len(str(caught.value).splitlines()) == 1


def test_a_broken_tokenizer_is_named_whatever_its_library_raises(tmp_path: Path) -> None:
    """The tokenizers' own reader raises TypeError for a word whose number is none."""
    folder = tiny_base(tmp_path / "base")
    file = folder / "tokenizer" / "tokenizer.json"
    broken = re.sub(r'("vocab": \{\s*"[^"]*": )\d+', r"\g<1>1e999", file.read_text("utf-8"), count=1)
    assert broken != file.read_text("utf-8")
    file.write_text(broken, "utf-8")
    with pytest.raises(BaseModelError, match=r"cannot be loaded: .*; see to its files") as caught:
        load_base(str(folder))
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder", "text_encoder_2"])
def test_a_part_that_lacks_a_weight_is_named_and_never_filled_at_random(part: str, tmp_path: Path) -> None:
    folder = tiny_folder("sdxl", tmp_path / "base")
    file = next((folder / part).glob("*.safetensors"))
    tensors = load_file(file)
    lost = sorted(tensors)[len(tensors) // 2]
    save_file({name: tensor for name, tensor in tensors.items() if name != lost}, file, {"format": "pt"})
    with pytest.raises(
        BaseModelError, match=rf"{folder}: its {part} lacks 1 weight \(`.*\); download or save it again"
    ):
        load_base(str(folder))


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "base"
    tiny_pipeline("sd1").save_pretrained(folder, max_shard_size="20KB")
    shards = sorted((folder / "unet").glob("*.safetensors"))
    assert len(shards) > 1
    find_base(str(folder))
    shards[1].unlink()
    with pytest.raises(BaseModelError, match=f"{shards[1].name}: is missing"):
        find_base(str(folder))


def test_a_given_vae_stands_in_for_a_missing_one(tmp_path: Path) -> None:
    folder = broken_folder(tmp_path / "base", "vae")
    tiny_pipeline("sd1").vae.save_pretrained(tmp_path / "vae")
    base = load_base(find_base(str(folder), Overrides(vae=str(tmp_path / "vae"))))
    assert np.isfinite(drawn(base)).all()


FULL = {"model.diffusion_model.a.attn2.to_k.weight": (8, 768), "cond_stage_model.transformer.a": (1,)}
WRONG = [
    ({"lora_unet_a.lora_down.weight": (1, 2)}, "a LoRA, not a base model"),
    ({"decoder.conv_in.weight": (1,)}, "a VAE alone"),
    ({"down_blocks.0.a": (1,)}, "one part of a model"),
    ({"a": (1,)}, "not a Stable Diffusion checkpoint"),
    ({"model.diffusion_model.a.attn2.to_k.weight": (8, 1280)}, "a text of width 1280; known are SD1.x 768"),
    ({**FULL, "model.diffusion_model.input_blocks.0.0.weight": (1, 9, 1, 1)}, "reads 9 channels, so it is an inpaint"),
    ({"model.diffusion_model.a.attn2.to_k.weight": (8,)}, "a text of width 0; known are SD1.x 768"),
    ({**FULL, "model.diffusion_model.input_blocks.0.0.weight": (9,)}, "reads 0 channels"),
    (FULL, r"has no VAE; give one in the specification: \[model\] vae"),
    ({"model.diffusion_model.a.attn2.to_k.weight": (8, 768)}, "its SD1.x text_encoder is missing"),
]


@pytest.mark.parametrize(("shapes", "message"), WRONG)
def test_an_unfit_file_is_told_for_what_it_is(shapes: dict[str, tuple[int, ...]], message: str, tmp_path: Path) -> None:
    save_file({key: torch.zeros(shape) for key, shape in shapes.items()}, path := tmp_path / "a.safetensors")
    with pytest.raises(BaseModelError, match=message) as caught:
        find_base(str(path))
    assert len(str(caught.value).splitlines()) == 1


def test_pickles_and_unknown_pipelines_are_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(1)}, tmp_path / "model.ckpt")
    with pytest.raises(BaseModelError, match="a pickle; pickles can run code"):
        find_base(str(tmp_path / "model.ckpt"))
    shutil.copy(tmp_path / "model.ckpt", tmp_path / "renamed.safetensors")
    with pytest.raises(BaseModelError, match="whatever its name says"):
        find_base(str(tmp_path / "renamed.safetensors"))
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "FluxPipeline"}))
    with pytest.raises(BaseModelError, match=r"is a FluxPipeline; the families that can be loaded are SD1.x, SD2.x"):
        find_base(str(tmp_path))


def test_a_wrong_vae_is_told(tmp_path: Path) -> None:
    folder = tiny_folder("sd1", tmp_path / "base")
    lora = random_kohya_file(tmp_path / "lora.safetensors", load_base(str(folder)).modules, 1)
    for vae, message in ((str(lora), "holds no VAE"), (str(tmp_path / "nowhere"), "no such VAE")):
        with pytest.raises(BaseModelError, match=message):
            find_base(str(folder), Overrides(vae=vae))
