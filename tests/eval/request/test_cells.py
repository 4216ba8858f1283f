"""Ids are hashes of what shapes the result: contents and weights, never names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.request.cells import Cell, Checkpoint, Sampling, Use
from loras.weights import Weights, WeightsError

A = Checkpoint(Path("a.safetensors"), "a", "sha-a", 1)
B = Checkpoint(Path("b.safetensors"), "b", "sha-b", 2)
SAMPLING = Sampling("base", "float32", "euler_a", 30, 9.0, 64, 64, 1, "")
numbers = st.floats(-2, 2, allow_nan=False).map(lambda value: round(value, 3) + 0.0)


def cell(checkpoint: Checkpoint, weights: Weights, *also: Use, dtype: str = "float16") -> Cell:
    return Cell(Use(checkpoint, weights), also, dtype)


@given(unet=numbers, te=numbers)
def test_a_copy_under_another_name_is_the_same_cell(unet: float, te: float) -> None:
    copy = replace(A, path=Path("other.safetensors"), name="other", epoch=9)
    assert cell(A, Weights.of(unet, te)).id == cell(copy, Weights.of(unet, te)).id


@given(first=st.tuples(numbers, numbers), second=st.tuples(numbers, numbers))
def test_other_weights_are_another_cell(first: tuple[float, float], second: tuple[float, float]) -> None:
    same = cell(A, Weights.of(*first)).id == cell(A, Weights.of(*second)).id
    assert same == (first == second)


def test_what_does_not_act_does_not_count() -> None:
    nothing = Use(B, Weights.of(0, 0))
    assert cell(A, Weights.of(1, 1), nothing).id == cell(A, Weights.of(1, 1)).id
    assert cell(A, Weights.of(0, 0)).id == cell(B, Weights.of(0, 0)).id


def test_the_export_type_is_part_of_the_cell() -> None:
    assert cell(A, Weights.of(1, 1)).id != cell(A, Weights.of(1, 1), dtype="float32").id


def test_prompts_are_shared_where_the_text_encoder_moves_alike() -> None:
    assert cell(A, Weights.of(0.2, 0.5)).text_key == cell(A, Weights.of(0.9, 0.5)).text_key
    assert cell(A, Weights.of(0.2, 0.5)).text_key != cell(A, Weights.of(0.2, 0.6)).text_key


def test_every_setting_shapes_the_picture() -> None:
    changed = [
        replace(SAMPLING, base="other"),
        replace(SAMPLING, dtype="bfloat16"),
        replace(SAMPLING, steps=29),
        replace(SAMPLING, cfg=8.5),
        replace(SAMPLING, width=72),
        replace(SAMPLING, height=72),
        replace(SAMPLING, clip_skip=2),
        replace(SAMPLING, negative="blurry"),
    ]
    ids = {one.picture_id("cell", "prompt", 1) for one in [SAMPLING, *changed]}
    ids |= {SAMPLING.picture_id(*other) for other in [("c", "prompt", 1), ("cell", "p", 1), ("cell", "prompt", 2)]}
    assert len(ids) == 1 + len(changed) + 3


@given(unet=numbers, te1=numbers, te2=numbers)
def test_weights_are_read_as_they_are_written(unet: float, te1: float, te2: float) -> None:
    weights = Weights(unet, te1, te2)
    assert Weights.parse(str(weights)) == weights


@pytest.mark.parametrize("text", ["unet=much", "vae=1", "unet"])
def test_weights_that_make_no_sense_are_named(text: str) -> None:
    with pytest.raises(WeightsError, match=text.partition("=")[0]):
        Weights.parse(text)


def test_a_weight_that_is_not_said_is_1_and_te_is_both_text_encoders() -> None:
    assert Weights.parse("") == Weights(1, 1, 1)
    assert Weights.parse("unet=0.5") == Weights(0.5, 1, 1)
    assert Weights.parse("te=0.25") == Weights(1, 0.25, 0.25)
    assert Weights.parse("te=0.25,te2=-1") == Weights(1, 0.25, -1)


def test_weights_are_written_as_short_as_they_can_be() -> None:
    assert str(Weights(0.5, 0.25, 0.25)) == "unet=0.5,te=0.25"
    assert str(Weights(0.5, 0.25, 0)) == "unet=0.5,te1=0.25,te2=0"


def test_each_module_has_its_parts_weight() -> None:
    weights = Weights(0.5, 0.25, 0.125)
    assert weights.on_module("lora_unet_mid_block_attentions_0_proj_in") == 0.5
    assert weights.on_module("lora_te_text_model_encoder_layers_0_mlp_fc1") == 0.25
    assert weights.on_module("lora_te2_text_model_encoder_layers_0_mlp_fc1") == 0.125


def test_something_acts_where_any_part_does() -> None:
    assert [one.act for one in (Weights(0, 0, 0), Weights(0, 0, 0.1), Weights(-1, 0, 0))] == [False, True, True]
