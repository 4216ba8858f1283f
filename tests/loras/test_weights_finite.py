"""A weight is a finite number, whoever gives it: files, command lines, block weights, blends."""

from __future__ import annotations

from math import inf, nan
from pathlib import Path

import pytest
import torch

from eval.request.spec import read_spec
from foundation.errors import ConfigurationError, LoraFileError
from loras.blending.block_weights import BlockWeights
from loras.blending.merge_methods import Merge, MergeMethodError
from loras.blending.rank_rule import RankError, RankRule
from loras.blending.weighted_lora import WeightedLora
from loras.lora_file import LoraFile, LoraModule, cast_lora
from loras.weights import Weights, WeightsError
from trainer.config.config import read_config

ENDLESS = ["inf", "-inf", "nan", "1e999"]


@pytest.mark.parametrize("text", ENDLESS)
def test_no_text_makes_a_weight_that_is_not_finite(text: str) -> None:
    for asked in (f"unet={text}", f"te={text}", f"te2={text}", f"unet=1,blocks=*attn*={text}"):
        with pytest.raises(WeightsError, match="not finite"):
            WeightedLora.parse(f"a.safetensors:{asked}")
    with pytest.raises(WeightsError, match="not finite"):
        BlockWeights.parse(",".join([text, *["1"] * 16]))


@pytest.mark.parametrize("value", [inf, -inf, nan])
def test_no_code_makes_one_either(value: float) -> None:
    for made in (lambda: Weights(value, 1, 1), lambda: Weights(1, value, 1), lambda: Weights.of(1, value)):
        with pytest.raises(WeightsError, match="write a number"):
            made()


@pytest.mark.parametrize("text", ["inf", "nan", "1e999", "rank=inf", "energy=nan", "sv_fro=inf", "sv_ratio=inf"])
def test_a_rank_is_finite(text: str) -> None:
    with pytest.raises(RankError, match="give a number like 64"):
        RankRule.parse(text)


@pytest.mark.parametrize("density", [nan, inf, 0.0, -0.5, 1.5])
def test_a_share_of_entries_is_one(density: float) -> None:
    with pytest.raises(MergeMethodError, match="density"):
        Merge("ties", density)


def test_an_alpha_beyond_the_files_type_is_not_written() -> None:
    module = LoraModule(torch.ones(1, 2), torch.ones(2, 1), 1e39)
    with pytest.raises(LoraFileError, match="smaller weight"):
        cast_lora(LoraFile({"lora_unet_mid_block_attentions_0_proj_in": module}, {}), torch.float32)


GRID = """
[model]
base = "miniature"
[lora]
checkpoints = ["a.safetensors"]
LORA
[prompts]
texts = ["ohwx"]
trigger = "ohwx"
class = "person"
[references]
held_out = "."
"""


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("unet = [1.0, inf]", "lora.unet.1: inf"),
        ("te = [nan]", "lora.te.0: nan"),
        ('also = [{ file = "b.safetensors", unet = -inf }]', "lora.also.0.unet: -inf"),
        ("[sampler]\ncfg = inf", "sampler.cfg: inf"),
        ("[budget]\nprice_per_hour = nan", "budget.price_per_hour: nan"),
        ("[search]\nbudget_minutes = inf", "search.budget_minutes: inf"),
    ],
)
def test_no_key_of_a_grid_is_endless(tmp_path: Path, line: str, key: str) -> None:
    spec = tmp_path / "grid.toml"
    spec.write_text(GRID.replace("LORA", line), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=f"{key} is not a finite number"):
        read_spec(spec)


def test_no_key_of_a_training_is_endless(tmp_path: Path) -> None:
    config = tmp_path / "train.toml"
    config.write_text("[training]\nunet_lr = inf\noptimizer_args = { betas = [0.9, nan] }\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"unet_lr: inf is.*optimizer_args\.betas\.1: nan is"):
        read_config(config)


@pytest.mark.parametrize(
    ("text", "doubted"), [("unet=1e30", True), ("te2=-6", True), ("unet=5,te=-5", False), ("", False)]
)
def test_a_slipped_comma_is_asked_about(text: str, doubted: bool) -> None:
    assert (Weights.parse(text).beyond_use is not None) == doubted
