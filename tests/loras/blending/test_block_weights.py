"""Block weights as block-weight extensions write them: which number is for which block, and what the presets say."""

from __future__ import annotations

from pathlib import Path

import pytest

from loras.blending.block_forms import forms_of
from loras.blending.block_weights import FORMS, PRESETS, BlockWeights
from loras.families.known import READABLE
from loras.lora_family import family_of
from loras.spelling.transformer_family import TransformerFamily
from loras.weights import WeightsError

# As sd-webui-lora-block-weight lists them.
BLOCKS = {
    12: "BASE IN04 IN05 IN07 IN08 M00 OUT00 OUT01 OUT02 OUT03 OUT04 OUT05",
    17: "BASE IN01 IN02 IN04 IN05 IN07 IN08 M00 OUT03 OUT04 OUT05 OUT06 OUT07 OUT08 OUT09 OUT10 OUT11",
    20: "BASE IN00 IN01 IN02 IN03 IN04 IN05 IN06 IN07 IN08 M00 OUT00 OUT01 OUT02 OUT03 OUT04 OUT05 OUT06 OUT07 OUT08",
    26: "BASE IN00 IN01 IN02 IN03 IN04 IN05 IN06 IN07 IN08 IN09 IN10 IN11 M00 "
    "OUT00 OUT01 OUT02 OUT03 OUT04 OUT05 OUT06 OUT07 OUT08 OUT09 OUT10 OUT11",
}
AS_WRITTEN = """
NONE:0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0
ALL:1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1
INS:1,1,1,1,0,0,0,0,0,0,0,0,0,0,0,0,0
IND:1,0,0,0,1,1,1,0,0,0,0,0,0,0,0,0,0
INALL:1,1,1,1,1,1,1,0,0,0,0,0,0,0,0,0,0
MIDD:1,0,0,0,1,1,1,1,1,1,1,1,0,0,0,0,0
OUTD:1,0,0,0,0,0,0,0,1,1,1,1,0,0,0,0,0
OUTS:1,0,0,0,0,0,0,0,0,0,0,0,1,1,1,1,1
OUTALL:1,0,0,0,0,0,0,0,1,1,1,1,1,1,1,1,1
"""
SD1, SDXL, TEXT, FIRST_TEXT = (
    "lora_unet_down_blocks_0_attentions_0_proj_in",
    "lora_unet_output_blocks_4_1_proj_in",
    "lora_te_text_model_encoder_layers_0_mlp_fc1",
    "lora_te1_text_model_encoder_layers_0_mlp_fc1",
)


@pytest.mark.parametrize("count", sorted(FORMS))
def test_numbers_belong_to_blocks_in_the_extensions_order(count: int) -> None:
    numbers = [at / 10 for at in range(count)]
    read = BlockWeights.parse(",".join(map(str, numbers)))
    assert read.by_block == dict(zip(BLOCKS[count].split(), numbers, strict=True))


def test_presets_are_the_extensions() -> None:
    written = dict(line.split(":") for line in AS_WRITTEN.split())
    assert PRESETS.keys() == written.keys()
    for name, numbers in written.items():
        assert BlockWeights.parse(name) == BlockWeights.parse(name.lower()) == BlockWeights.parse(numbers)


def test_without_either_everything_acts_and_the_first_pattern_that_matches_counts() -> None:
    assert BlockWeights().on(SD1) == 1.0
    read = BlockWeights.parse(" *attentions_0* =0.5;lora_unet*=0.25;")
    assert [read.on(name) for name in (SD1, SDXL, TEXT)] == [0.5, 0.25, 1.0]


def test_blocks_that_are_not_listed_do_nothing_and_base_is_the_text_encoders() -> None:
    read = BlockWeights.parse("INS")
    assert [read.on(name) for name in (SD1, "lora_unet_down_blocks_0_downsamplers_0_conv", TEXT)] == [1.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("count", "names", "fits"),
    [
        (17, [SD1, TEXT], True),
        (26, [SD1], True),
        (12, [SD1], False),
        (20, [SD1], False),
        (17, [FIRST_TEXT, SDXL], False),
        (26, ["lora_unet_input_blocks_4_1_proj_in"], False),
        (12, [FIRST_TEXT, SDXL], True),
        (20, [SDXL], True),
    ],
)
def test_each_family_has_its_forms(count: int, names: list[str], fits: bool) -> None:
    read = BlockWeights.parse(",".join(["1"] * count))
    family = family_of({name: {} for name in names}, {})
    if fits:
        read.for_family(family, Path("a.safetensors"))
        return
    with pytest.raises(WeightsError, match=f"a.safetensors: block weights of {count} numbers"):
        read.for_family(family, Path("a.safetensors"))


def test_patterns_fit_every_family() -> None:
    for name in (SDXL, SD1, "lora_unet_double_blocks_0_img_attn_qkv"):
        BlockWeights.parse("*attn2*=0.5").for_family(family_of({name: {}}, {}), Path("a.safetensors"))


def test_a_recipe_has_factors_as_they_were_said() -> None:
    assert BlockWeights().said == {}
    assert BlockWeights.parse("*attn2*=0.5").said == {"*attn2*": 0.5}
    assert BlockWeights.parse("INS").said == dict(zip(BLOCKS[17].split(), [1.0] * 4 + [0.0] * 13, strict=True))
    nothing = BlockWeights()
    assert nothing.for_family(family_of({SD1: {}}, {}), Path("a.safetensors")) is nothing


@pytest.mark.parametrize("text", ["1,2,3", "INSIDE", "*a*=much", ",".join(["1"] * 16)])
def test_what_is_no_block_weights_is_refused(text: str) -> None:
    with pytest.raises(WeightsError):
        BlockWeights.parse(text)


FLUX1 = TransformerFamily((READABLE["flux1"],), "by its names")
# sd-webui-lora-block-weight's order for FLUX.1.
FLUX = "CLIP T5 IN " + " ".join([*(f"D{n:02d}" for n in range(19)), *(f"S{n:02d}" for n in range(38))]) + " OUT"
FLUX_PLACES = {
    "lora_te1_text_model_encoder_layers_0_mlp_fc1": 0,
    "lora_te3_encoder_block_0_layer_0_SelfAttention_q": 1,
    "lora_unet_img_in": 2,
    "lora_unet_double_blocks_0_img_attn_qkv": 3,
    "lora_unet_double_blocks_18_txt_mlp_0": 21,
    "lora_unet_single_blocks_0_linear1": 22,
    "lora_unet_single_blocks_37_linear2": 59,
    "lora_unet_final_layer_linear": 60,
}


def test_flux_has_61_numbers_in_the_extensions_order() -> None:
    written = ",".join(str(at / 100) for at in range(61))
    read = BlockWeights.parse(written).for_family(FLUX1, Path("a.safetensors"))
    assert list(read.by_block or ()) == FLUX.split()
    assert {name: read.on(name) for name in FLUX_PLACES} == {name: at / 100 for name, at in FLUX_PLACES.items()}
    with pytest.raises(WeightsError, match="block weights of 17 numbers; this LoRA needs 61 numbers"):
        BlockWeights.parse("INS").for_family(FLUX1, Path("a.safetensors"))


@pytest.mark.parametrize(
    ("family", "count", "places"),
    [
        ("z_image", 37, {"lora_unet_layers_29_feed_forward_w1": 31, "lora_unet_noise_refiner_1_attention_to_q": 33}),
        ("qwen_image", 63, {"lora_unet_img_in": 1, "lora_unet_transformer_blocks_59_attn_to_q": 61}),
        ("flux2", 28, {"lora_unet_double_blocks_4_img_attn_qkv": 6, "lora_unet_single_blocks_19_linear2": 26}),
        ("flux2", 35, {"lora_unet_double_blocks_7_img_attn_qkv": 9, "lora_unet_single_blocks_23_linear2": 33}),
        ("krea2", 35, {"lora_unet_blocks_27_attn_wq": 29, "lora_unet_txtfusion_refiner_blocks_1_mlp_up": 33}),
        ("anima", 37, {"lora_unet_blocks_27_mlp_layer1": 29, "lora_te_layers_0_mlp_up_proj": 0}),
        ("sd3", 27, {"lora_unet_joint_blocks_23_x_block_attn_qkv": 25, "lora_unet_final_layer_linear": 26}),
    ],
)
def test_other_transformers_have_base_start_their_blocks_and_end(
    family: str, count: int, places: dict[str, int]
) -> None:
    found = TransformerFamily((READABLE[family],), "by its names")
    read = BlockWeights.parse(",".join(str(at / 100) for at in range(count))).for_family(found, Path("a.safetensors"))
    assert {name: read.on(name) for name in places} == {name: at / 100 for name, at in places.items()}


def test_every_familys_forms_are_told_apart_by_their_length() -> None:
    for family in READABLE.values():
        lengths = [len(form) for form in forms_of(family)]
        assert len(lengths) == len(set(lengths)), family.key
        assert all(len(form) == len(set(form)) for form in forms_of(family))
