"""What would fail after hours of rendering fails before a base model is loaded, in a dry run as well."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from base_models.vision.folder_check import NoFaceError
from eval.executors import in_process
from eval.grid import early_checks
from eval.grid.forecast import forecast
from eval.grid.run_grid import run_grid
from eval.request.plan import make_plan
from eval.request.spec import GridSpec, read_spec
from foundation.errors import ConfigurationError, LoraFileError, MissingFileError, UserError
from foundation.progress import Silent
from grid_folders import GridFolder, write_grid
from miniature.paths import FOLDERS


def loaded(*_: object) -> None:
    raise AssertionError("the base model was loaded")


def change(made: GridFolder, old: str, new: str) -> None:
    text = made.spec.read_text(encoding="utf-8")
    assert old in text
    made.spec.write_text(text.replace(old, new), encoding="utf-8")


def of_other_shape(made: GridFolder) -> None:
    name = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k"
    tensors = {f"{name}.lora_down.weight": torch.ones(2, 768), f"{name}.lora_up.weight": torch.ones(1280, 2)}
    save_file(tensors, made.folder / "runs of hina ö" / "hina.safetensors")


def without_faces(made: GridFolder) -> None:
    for path in (made.folder / "references").iterdir():
        path.unlink()
    noise = np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8)
    Image.fromarray(noise).save(made.folder / "references" / "noise.png")


FAULTS: dict[str, tuple[Callable[[GridFolder], object], type[UserError], str]] = {
    "a LoRA of another shape": (
        of_other_shape,
        LoraFileError,
        r"this LoRA is for a? ?SD1\.x.*, but `lora_unet_mid_block",
    ),
    "what is blended in is not there": (
        lambda made: change(made, "erste ähnliche", "none"),
        MissingFileError,
        "none.safetensors: no such LoRA file",
    ),
    "no face": (without_faces, NoFaceError, 'name faces = "buffalo_l"'),
    "a CLIP that cannot be loaded": (
        lambda made: change(made, "[store]", '[score]\nclip = "local-dir:none"\n[store]'),
        UserError,
        "CLIP model `local-dir:.*none` cannot be loaded",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("ask", [forecast, lambda spec: run_grid(spec, Silent())], ids=["dry run", "grid"])
def test_before_a_base_is_loaded(
    fault: str, ask: Callable[[GridSpec], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_process, "Worker", loaded)
    made = write_grid(tmp_path, steps=1)
    spoil, error, message = FAULTS[fault]
    spoil(made)
    with pytest.raises(error, match=message):
        ask(read_spec(made.spec))


def test_a_dry_run_leaves_nothing(tmp_path: Path) -> None:
    made = write_grid(tmp_path, steps=1)
    assert forecast(read_spec(made.spec)).pictures == make_plan(read_spec(made.spec)).picture_count
    assert not made.store.exists()


@pytest.mark.parametrize(
    ("score", "unnamed"),
    [
        ("", "faces and clip"),
        ('[score]\nfaces = "buffalo_l"', "clip"),
        ('[score]\nclip = "ViT-B-32/laion2b_s34b_b79k"', "faces"),
        ('[score]\nsubject = "image"', "clip"),
    ],
)
def test_the_miniatures_models_judge_no_other_base_unless_they_are_named(
    score: str, unnamed: str, tmp_path: Path
) -> None:
    made = write_grid(tmp_path, steps=1)
    change(made, '"miniature"', '"somebodys/model"')
    change(made, "[store]", f"{score}\n[store]")
    with pytest.raises(ConfigurationError, match=rf"\[score\] {unnamed}: to be named for a base other than"):
        read_spec(made.spec)


def test_they_judge_the_miniature_by_whatever_name_and_another_where_they_are_named(tmp_path: Path) -> None:
    made = write_grid(tmp_path, steps=1)
    assert read_spec(made.spec).score.faces == "miniature"
    change(made, '"miniature"', f'"{FOLDERS["base"]}"')
    assert read_spec(made.spec).score.clip == "miniature"
    change(made, str(FOLDERS["base"]), "somebodys/model")
    change(made, "[store]", '[score]\nfaces = "miniature"\nclip = "miniature"\n[store]')
    assert read_spec(made.spec).score.faces == "miniature"


@pytest.mark.parametrize(("key", "model"), [("faces", "buffalo_l"), ("clip", "ViT-B-32/laion2b_s34b_b79k")])
def test_a_dry_run_fetches_no_judge_and_says_so(
    tmp_path: Path, key: str, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(early_checks, "INSIGHTFACE", tmp_path)
    made = write_grid(tmp_path, steps=1)
    change(made, "[store]", f'[score]\n{key} = "{model}"\n[store]')
    assert any(f"{model} is not on this machine" in note for note in forecast(read_spec(made.spec)).notes)
