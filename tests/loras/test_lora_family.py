"""One decider says which family a LoRA is for, or what it cannot tell; blends, block weights and messages follow it."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from base_models.families.known import FAMILIES
from foundation.progress import Silent
from foundation.safetensors_header import read_metadata
from loras.blending.blend_files import BlendRequest, write_blend
from loras.blending.block_forms import FORMS_OF
from loras.blending.block_weights import BlockWeights
from loras.blending.diffusers_names import names_for
from loras.blending.weighted_lora import WeightedLora
from loras.inspecting.inspect_lora import inspect_lora
from loras.lora_family import (
    HEADER_WORDS,
    KnownFamily,
    LoraFamily,
    MixedFamiliesError,
    UnknownFamily,
    common_family,
    family_in_header,
    family_of,
)
from loras.lora_file import open_lora, read_lora
from loras.weights import WeightsError
from miniature.paths import SUBJECT
from planted_loras import healthy, write

SELF = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q"
CROSS = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k"
MIDDLE = "lora_unet_middle_block_1_transformer_blocks_0_attn1_to_q"
TEXT = "lora_te_text_model_encoder_layers_{}_mlp_fc1"


def planted(folder: Path, family: str, parts: str = "both", **header: str) -> Path:
    """A file of the family's names and widths whose header says nothing of a family but `header`."""
    made = healthy(random.Random(family + parts), "lora", family, 2, 1e-3, parts)
    made.metadata = header
    return write(made, folder / f"{family} {parts}.safetensors")


def of(widths: dict[str, int], **header: str) -> LoraFamily:
    """The family of plain factors with these inputs, by name."""
    shapes = {
        name: {"lora_down.weight": (2, width), "lora_up.weight": (8, 2), "alpha": ()} for name, width in widths.items()
    }
    return family_of(shapes, header)


def blended(output: Path, *parts: str) -> dict[str, str]:
    write_blend(BlendRequest(tuple(WeightedLora.parse(part) for part in parts), output), Silent())
    return read_metadata(output)


@pytest.mark.parametrize("parts", ["both", "unet", "text"])
@pytest.mark.parametrize("family", ["SD1", "SD2", "SDXL"])
def test_tensors_alone_tell_every_part_of_every_family(tmp_path: Path, family: str, parts: str) -> None:
    path = planted(tmp_path, family, parts)
    with open_lora(path) as opened:
        found = opened.family
    assert isinstance(found, KnownFamily)
    assert found.name == family
    assert read_lora(path).family == found, "of tensors in memory as of a header"


@pytest.mark.parametrize("weights", ["unet=0,te=1", "unet=1,te=0"])
@pytest.mark.parametrize(
    ("family", "v2", "version"), [("SD1", "False", "sd_v1"), ("SD2", "True", "sd_v2"), ("SDXL", "False", "sdxl_")]
)
def test_a_blend_is_of_its_parents_family_whatever_weight_0_leaves_out(
    tmp_path: Path, family: str, v2: str, version: str, weights: str
) -> None:
    parent = planted(tmp_path, family, ss_base_model_version=FAMILIES[family.lower()].base_version)
    written = blended(tmp_path / "out.safetensors", f"{parent}:{weights}")
    assert written["ss_v2"] == v2
    assert written["ss_base_model_version"].startswith(version)
    assert written["modelspec.architecture"] == FAMILIES[family.lower()].architecture
    report = inspect_lora(tmp_path / "out.safetensors").contents
    assert report is not None
    assert report.family.name == family


def test_cross_attention_at_weight_0_still_tells(tmp_path: Path) -> None:
    """What is left fits SD1 as well as SD2, so the parents alone know."""
    parent = planted(tmp_path, "SD2", "unet")
    written = blended(tmp_path / "out.safetensors", f"{parent}:blocks=*attn2*=0")
    assert (written["ss_v2"], written["ss_base_model_version"]) == ("True", "sd_v2")


def test_the_header_is_asked_where_tensors_leave_it_open() -> None:
    assert isinstance(of({SELF: 320}), UnknownFamily)
    assert of({SELF: 320}).name == "SD1 or SD2"
    for header, name in (
        ({"ss_base_model_version": "sd_v1"}, "SD1"),
        ({"ss_base_model_version": "sd_v2_v"}, "SD2"),
        ({"modelspec.architecture": "stable-diffusion-v2-512/lora"}, "SD2"),
        ({"ss_v2": "True"}, "SD2"),
    ):
        found = of({SELF: 320}, **header)
        assert isinstance(found, KnownFamily)
        assert (found.name, "header" in found.because) == (name, True)


def test_a_header_never_outweighs_tensors(tmp_path: Path) -> None:
    found = of({CROSS: 768}, ss_base_model_version="sdxl_base_v1-0", ss_v2="True")
    assert found.name == "SD1"
    assert found.header_says is FAMILIES["sdxl"]
    assert of({SELF: 320}, ss_base_model_version="sdxl_base_v1-0").name == "SD1 or SD2"
    assert of({MIDDLE: 640}, ss_base_model_version="sd_v1").name == "SDXL"
    path = planted(tmp_path, "SD2", ss_base_model_version="sd_v1", ss_v2="False")
    assert any("its header says SD1, but its tensors are for SD2" in note for note in inspect_lora(path).notes)
    written = blended(tmp_path / "out.safetensors", str(path))
    assert (written["ss_v2"], written["ss_base_model_version"]) == ("True", "sd_v2"), "a blend does not hand it on"


def test_a_header_of_one_word_or_the_other() -> None:
    assert HEADER_WORDS.keys() == FAMILIES.keys()
    for family in FAMILIES.values():
        assert family_in_header({"ss_base_model_version": family.base_version}) is family
        assert family_in_header({"modelspec.architecture": family.architecture}) is family
    assert family_in_header({"ss_base_model_version": "sd_v2", "ss_v2": "False"}) is FAMILIES["sd2"]
    assert family_in_header({"ss_v2": "False"}) is None
    assert family_in_header({"ss_base_model_version": "flux1"}) is None


def test_a_miniature_file_is_of_the_family_that_its_header_says() -> None:
    """Its names are SD1's and SD2's, its widths nobody's."""
    with open_lora(SUBJECT / "first.safetensors") as opened:
        found = opened.family
        shapes = {
            name: {suffix: opened.header.shapes[key] for suffix, key in keys.items()}
            for name, keys in opened.spelling.modules.items()
        }
    assert (type(found), found.name) == (KnownFamily, "SD1")
    bare = family_of(shapes, {})
    assert isinstance(bare, UnknownFamily)
    assert bare.name == "SD1 or SD2"
    assert f"a text of width {bare.text_width} is no public model's" in bare.because


def test_a_blend_of_unknown_parents_says_no_family(tmp_path: Path) -> None:
    tensors = {f"{SELF}.lora_down.weight": torch.ones(2, 8), f"{SELF}.lora_up.weight": torch.ones(8, 2)}
    save_file(tensors, tmp_path / "a.safetensors", {"ss_epoch": "3"})
    written = blended(tmp_path / "out.safetensors", str(tmp_path / "a.safetensors"))
    assert not {"ss_v2", "ss_base_model_version", "modelspec.architecture"} & written.keys()
    assert json.loads(written["lora_studio.recipe"])["parents"][0]["name"] == "a"


def test_parents_of_two_families_are_refused_by_name(tmp_path: Path) -> None:
    one, other, third = (planted(tmp_path, family, "text") for family in ("SD1", "SD2", "SDXL"))
    for paths in ((one, other), (other, third), (one, one, third)):
        with pytest.raises(MixedFamiliesError) as raised:
            blended(tmp_path / "out.safetensors", *map(str, paths))
        assert str(paths[0]) in str(raised.value)
        assert str(paths[-1]) in str(raised.value)
    assert not (tmp_path / "out.safetensors").exists()


def test_parents_that_may_be_of_one_family_agree() -> None:
    open_, sd2, foreign = of({SELF: 320}), of({CROSS: 1024}), of({"lora_unet_foreign_blocks_0_mixer": 3072})
    paths = [Path("a"), Path("b"), Path("c")]
    assert common_family(list(zip(paths, (open_, sd2, open_), strict=True))) == sd2
    assert common_family(list(zip(paths, (open_, open_), strict=False))).name == "SD1 or SD2"
    assert common_family([(paths[0], foreign), (paths[1], foreign)]).name == "other"
    with pytest.raises(MixedFamiliesError, match=r"a is for SD2.*b is for other"):
        common_family([(paths[0], sd2), (paths[1], foreign)])


def test_what_contradicts_itself_is_unknown_and_says_why() -> None:
    found = of({CROSS: 768, "lora_te2_text_model_encoder_layers_0_mlp_fc1": 1280})
    assert isinstance(found, UnknownFamily)
    assert "reads a text of width 768, but has a second text encoder" in found.because
    assert found.name == "SD1 or SDXL"


def test_a_text_encoders_layers_and_width_tell() -> None:
    assert of({TEXT.format(12): 64}).name == "SD2"
    assert of({TEXT.format(0): 1024}).name == "SD2"
    assert of({TEXT.format(0): 768}).name == "SD1"
    assert of({TEXT.format(0): 768, SELF: 320}).name == "SD1", "beside a UNet without cross-attention too"
    assert of({TEXT.format(0): 64}).name == "SD1 or SD2"


def test_block_weights_are_held_against_the_family() -> None:
    short = {key: BlockWeights.parse(",".join(["1"] * counts[0])) for key, counts in FORMS_OF.items()}
    lone_sdxl = of({"lora_te2_text_model_encoder_layers_0_mlp_fc1": 1280})
    for found, fitting in ((of({SELF: 320}), "sd1"), (of({CROSS: 1024}), "sd2"), (lone_sdxl, "sdxl")):
        short[fitting].for_family(found, Path("a.safetensors"))
    with pytest.raises(WeightsError, match=r"a\.safetensors.*12 or 20 numbers \(SDXL\)"):
        short["sd1"].for_family(lone_sdxl, Path("a.safetensors"))
    with pytest.raises(WeightsError, match=r"17 or 26 numbers \(SD1 or SD2\)"):
        short["sdxl"].for_family(of({SELF: 320}), Path("a.safetensors"))
    with pytest.raises(WeightsError, match="patterns"):
        short["sd1"].for_family(of({"lora_unet_strange_0": 3072}), Path("a.safetensors"))


def test_part_of_an_sdxl_lora_in_diffusers_names_reads_back_by_its_header(tmp_path: Path) -> None:
    """The first of two text encoders alone, and without deeper transformers: no key tells, but the header does."""
    parent = planted(tmp_path, "SDXL")
    names = names_for([parent], None)
    part = WeightedLora.parse(f"{parent}:te2=0,blocks=*attn2*=0;*_blocks_[1-9]_attn*=0;*_blocks_[1-9]_ff*=0")
    write_blend(BlendRequest((part,), tmp_path / "out.safetensors", names=names), Silent())
    with open_lora(tmp_path / "out.safetensors") as opened:
        assert opened.spelling.dialect == "diffusers"
        assert (opened.family.name, {name[:9] for name in opened.names}) == ("SDXL", {"lora_unet", "lora_te1_"})


def test_diffusers_names_of_an_open_family_are_those_that_all_share(tmp_path: Path) -> None:
    tensors = {f"{SELF}.lora_down.weight": torch.ones(2, 8), f"{SELF}.lora_up.weight": torch.ones(8, 2)}
    save_file(tensors, tmp_path / "a.safetensors")
    named = names_for([tmp_path / "a.safetensors"], None).by_kohya[SELF]
    assert named.diffusers == "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
