"""*Exact LoRA blend*: what is previewed is what is saved, and both are what `eval blend` writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from typer.testing import CliRunner

from comfy_modules import ComfyFolders, StandInClip, StandInModel, comfy_modules, unet
from eval.__main__ import app
from integrations.comfyui import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS
from integrations.comfyui.blend_node import METHODS, ExactBlend
from integrations.comfyui.blended_cell import BlendedCell
from integrations.comfyui.studio_door import NodeError
from loras.blending.merge_methods import method_names
from loras.weights import WeightsError
from random_loras import random_kohya_file

MODULES: dict[str, nn.Module] = {
    "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q": nn.Linear(8, 8),
    "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k": nn.Linear(6, 8),
    "lora_te_text_model_encoder_layers_0_self_attn_q_proj": nn.Linear(4, 4),
}
EMPTY: dict[str, object] = {
    **{f"lora_{at}": "none" for at in range(1, 5)},
    **{f"{part}_{at}": 1.0 for part in ("unet", "te") for at in range(1, 5)},
    **{"more": "", "method": "sum", "rank": "", "density": 0.0, "draw": 0, "dtype": "float16", "save_as": ""},
}
TWO = {
    **EMPTY,
    **{"lora_1": "people/hina.safetensors", "unet_1": 0.8, "te_1": 0.6},
    **{"lora_2": "style.safetensors", "unet_2": 0.3, "te_2": 0.2},
}


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ComfyFolders:
    made = comfy_modules(tmp_path, monkeypatch)
    random_kohya_file(made.loras / "people" / "hina.safetensors", MODULES, 1, ss_base_model_version="sd_v1")
    random_kohya_file(made.loras / "style.safetensors", MODULES, 2, rank=2, ss_base_model_version="sd_v1")
    return made


def blended(
    node: ExactBlend, widgets: dict[str, object], clip: StandInClip | None = None
) -> tuple[StandInModel, Any, str, BlendedCell]:
    given: Any = clip or StandInClip()
    done: Any = node.blend(unet(), given, **widgets)
    assert done["ui"]["text"] == [done["result"][2]]
    return done["result"]


def put_on(model: StandInModel, clip: StandInClip) -> dict[str, torch.Tensor]:
    """All that is patched, which has to be at weight 1."""
    found: dict[str, torch.Tensor] = {}
    for strength, tensors in [one for each in (model, clip.patcher) for many in each.patches.values() for one in many]:
        assert strength == 1.0
        found |= tensors
    return found


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def test_what_is_put_on_is_what_is_saved_and_what_the_command_writes(folders: ComfyFolders, tmp_path: Path) -> None:
    model, clip, report, cell = blended(ExactBlend(), {**TWO, "save_as": "blends/best"})
    saved = folders.loras / "blends" / "best.safetensors"
    assert same(put_on(model, clip), load_file(saved))
    ours = tmp_path / "ours" / "best.safetensors"
    parts = [
        f"{folders.loras}/people/hina.safetensors:unet=0.8,te=0.6",
        f"{folders.loras}/style.safetensors:unet=0.3,te=0.2",
    ]
    assert CliRunner().invoke(app, ["blend", *parts, "-o", str(ours)]).exit_code == 0
    assert saved.read_bytes() == ours.read_bytes()
    assert "error against the exact sum" in report
    assert [str(one) for one in cell.loras] == ["hina:unet=0.8,te=0.6", "style:unet=0.3,te=0.2"]
    assert cell.fault == ""


@pytest.mark.parametrize("how", [{}, {"rank": "2"}, {"method": "ties", "rank": "auto"}, {"dtype": "bfloat16"}])
def test_a_preview_has_the_tensors_of_the_file_that_is_saved(folders: ComfyFolders, how: dict[str, object]) -> None:
    preview = blended(ExactBlend(), {**TWO, **how})
    assert sorted(path.name for path in folders.loras.rglob("*.safetensors")) == [
        "hina.safetensors",
        "style.safetensors",
    ]
    blended(ExactBlend(), {**TWO, **how, "save_as": "best.safetensors"})
    assert same(put_on(preview[0], preview[1]), load_file(folders.loras / "best.safetensors"))
    assert bool(preview[3].fault) == ("rank" in how)


def test_lines_take_what_the_command_takes(folders: ComfyFolders) -> None:
    lines = "people/hina.safetensors:unet=0.8,te=0.6\n\n  style.safetensors:unet=0.3,te=0.2,blocks=*attn1*=0.5 "
    *_, report, cell = blended(ExactBlend(), {**EMPTY, "more": lines})
    assert "3 modules" in report
    assert "by block" in cell.fault
    with pytest.raises(WeightsError, match="te2=1 acts on nothing"):
        blended(ExactBlend(), {**EMPTY, "more": "style.safetensors:te2=1"})


def test_a_file_that_is_there_is_never_replaced(folders: ComfyFolders) -> None:
    node, widgets = ExactBlend(), {**TWO, "save_as": "best"}
    assert "saved as" in blended(node, widgets)[2]
    assert "saved before" in blended(node, widgets)[2]
    before = (folders.loras / "best.safetensors").read_bytes()
    with pytest.raises(NodeError, match="another file"):
        blended(node, {**widgets, "unet_1": 0.7})
    with pytest.raises(NodeError, match="another file"):
        blended(node, {**widgets, "save_as": "style"})
    assert (folders.loras / "best.safetensors").read_bytes() == before


def test_one_preview_at_a_time_lies_among_the_temporary_files(folders: ComfyFolders) -> None:
    node = ExactBlend()
    for weight in (0.1, 0.2, 0.2):
        blended(node, {**TWO, "unet_1": weight})
    assert len(list(folders.temp.rglob("*.safetensors"))) == 1


def test_what_comfyui_did_not_put_on_is_said(folders: ComfyFolders) -> None:
    done: Any = ExactBlend().blend(unet(), None, **TWO)  # type: ignore[arg-type]
    assert done["result"][1] is None
    assert done["result"][2].startswith("ComfyUI put on 2 of 3 modules: connect CLIP")


def test_a_changed_file_is_asked_for_anew(folders: ComfyFolders) -> None:
    first = ExactBlend.IS_CHANGED(**TWO)
    assert ExactBlend.IS_CHANGED(**TWO) == first
    random_kohya_file(folders.loras / "style.safetensors", MODULES, 3)
    assert ExactBlend.IS_CHANGED(**TWO) != first


def test_nothing_chosen_and_nothing_listed_is_said(folders: ComfyFolders) -> None:
    with pytest.raises(NodeError, match="no LoRA is chosen"):
        blended(ExactBlend(), EMPTY)
    with pytest.raises(NodeError, match="is no LoRA file of ComfyUI's list"):
        blended(ExactBlend(), {**EMPTY, "more": "../../style.safetensors:unet=1"})


def test_the_widgets_are_told_to_comfyui(folders: ComfyFolders) -> None:
    assert list(METHODS) == method_names()
    for name, node in NODE_CLASS_MAPPINGS.items():
        inputs: Any = node.INPUT_TYPES()  # type: ignore[attr-defined]
        json.dumps(inputs)
        assert hasattr(node, node.FUNCTION)  # type: ignore[attr-defined]
        assert name in NODE_DISPLAY_NAME_MAPPINGS
    assert {*ExactBlend.INPUT_TYPES()["required"]} == {*EMPTY, "model"}
