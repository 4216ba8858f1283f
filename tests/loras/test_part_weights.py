"""Weights by part: what words set, what follows, what is equal, and what a file has no part for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from foundation.progress import Silent
from loras.blending.blend_files import BlendRequest, write_blend
from loras.blending.weighted_lora import WeightedLora
from loras.weights import PARTS, Weights, WeightsError, check_parts

UNET, TEXT = "lora_unet_mid_block_attentions_0_proj_in", "lora_te_text_model_encoder_layers_0_mlp_fc1"
numbers = st.floats(-2, 2, allow_nan=False).map(lambda value: round(value, 3) + 0.0)
maybe = st.none() | numbers


@given(unet=numbers, te1=numbers, te2=numbers, te3=maybe, adapter=maybe)
def test_weights_of_every_part_are_read_as_they_are_written(
    unet: float, te1: float, te2: float, te3: float | None, adapter: float | None
) -> None:
    weights = Weights(unet, te1, te2, te3, adapter)
    assert Weights.parse(str(weights)) == weights
    assert Weights.by(weights.by_part) == weights
    assert [weights.on(part) for part in PARTS] == [
        unet,
        te1,
        te2,
        te2 if te3 is None else te3,
        unet if adapter is None else adapter,
    ]


def test_a_part_that_says_what_it_follows_says_nothing() -> None:
    assert Weights(0.5, 1, 0.25, 0.25, 0.5) == Weights(0.5, 1, 0.25)
    assert hash(Weights(0.5, 1, 0.25, 0.25, 0.5)) == hash(Weights(0.5, 1, 0.25))
    assert not Weights(0, 0, 0).act
    assert Weights(0, 0, 0, adapter=0.5).act
    assert Weights(0, 0, 0, te3=0.5).act


@pytest.mark.parametrize("word", ["unet", "model", "transformer"])
def test_the_denoiser_goes_by_every_familys_word(word: str) -> None:
    assert Weights.parse(f"{word}=0.8,te=0.6") == Weights.of(0.8, 0.6)
    assert Weights.parse(f"{word}=0.8").on("adapter") == 0.8
    assert Weights.parse(f"{word}=0.8,adapter=0").by_part == {"unet": 0.8, "te": 1.0, "adapter": 0.0}


def test_a_parts_own_weight_comes_before_that_of_all_wherever_it_stands() -> None:
    assert Weights.parse("te2=-1,te=0.25") == Weights.parse("te=0.25,te2=-1") == Weights(1, 0.25, -1)


@pytest.mark.parametrize("text", ["unet=0.5,transformer=0.6", "te1=0.5,te1=0.6", "model=1,unet=1"])
def test_a_part_is_said_once(text: str) -> None:
    with pytest.raises(WeightsError, match="one part; say its weight once"):
        Weights.parse(text)


def test_a_weight_for_what_a_file_lacks_is_an_error_unless_it_is_0() -> None:
    check_parts({"unet": 0.8, "te": 0.0, "te2": 0.0}, ["unet"], "a")
    check_parts({"te": 0.5, "te1": 0.5}, ["te1"], "a")
    with pytest.raises(
        WeightsError, match=r"a: te=0\.6 acts on nothing, for the file holds the denoiser \(unet\); leave"
    ):
        check_parts({"unet": 0.8, "te": 0.6}, ["unet"], "a")
    with pytest.raises(WeightsError, match=r"te2=1 acts on nothing, .* \(unet\) and a text encoder \(te\)"):
        check_parts({"te2": 1.0}, ["unet", "te1"], "a")


@pytest.mark.parametrize(("names", "said"), [((UNET,), "te=0.6"), ((UNET, TEXT), "te2=0.6"), ((TEXT,), "model=1")])
def test_a_blend_says_which_weight_acts_on_nothing_and_writes_nothing(
    names: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    path = lora(tmp_path / "a.safetensors", *names)
    request = BlendRequest((WeightedLora.parse(f"{path}:{said}"),), tmp_path / "out.safetensors")
    with pytest.raises(WeightsError, match=f"a.safetensors: {said} acts on nothing"):
        write_blend(request, Silent())
    assert not request.output.exists()
    write_blend(BlendRequest((WeightedLora.parse(f"{path}"),), request.output), Silent())


def lora(path: Path, *names: str) -> Path:
    tensors = {"lora_down.weight": torch.ones(1, 8), "lora_up.weight": torch.ones(8, 1)}
    save_file({f"{name}.{key}": value.clone() for name in names for key, value in tensors.items()}, path)
    return path
