"""Likeness of whole pictures by DINOv2, with a tiny model of random weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Dinov2Model, ViTConfig, ViTModel

from base_models.vision.dino_model import DinoError, DinoModel, load_dino
from judge_models import PREPARATION, check_embeddings, dino_folder, noise_pictures


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return dino_folder(tmp_path_factory.mktemp("dino"))


@pytest.fixture(scope="module")
def model(folder: Path) -> DinoModel:
    return load_dino(f"dinov2:{folder}", device="cpu")


def test_embeddings_are_unit_and_do_not_depend_on_the_batch(model: DinoModel) -> None:
    check_embeddings(model.embed_pictures)


def test_the_vector_is_the_first_token_of_the_prepared_picture(model: DinoModel, folder: Path) -> None:
    """A picture of the model's own size is neither scaled nor padded, so its preparation is the plain formula."""
    picture = noise_pictures(1, 28, 28)[0]
    mean, std = np.array(PREPARATION["image_mean"]), np.array(PREPARATION["image_std"])
    shown = torch.tensor(((picture / 255 - mean) / std).transpose(2, 0, 1)[None], dtype=torch.float32)
    with torch.inference_mode():
        token = Dinov2Model.from_pretrained(folder)(pixel_values=shown).last_hidden_state[0, 0].numpy()  # type: ignore[operator]
    assert model.embed_pictures([picture])[0] == pytest.approx(token / np.linalg.norm(token), abs=1e-5)


@pytest.mark.parametrize(("height", "width"), [(64, 32), (32, 64)])
def test_the_whole_of_a_picture_is_seen(model: DinoModel, height: int, width: int) -> None:
    """The model's own preparation would cut what is beyond the middle square."""
    whole = noise_pictures(1, height, width)[0]
    cut = whole.copy()
    cut[: height // 8, : width // 8] = 0
    one, two = model.embed_pictures([whole, cut])
    assert float(one @ two) < 0.9999


def test_what_is_padded_is_as_grey_as_the_mean(model: DinoModel) -> None:
    ready = model._prepare(np.full((56, 28, 3), 255, dtype=np.uint8))
    assert ready.shape == (3, 28, 28)
    assert np.flatnonzero(ready[0].any(0)).tolist() == list(range(7, 21))
    assert ready[:, 0, 7] == pytest.approx(
        (1 - np.array(PREPARATION["image_mean"])) / np.array(PREPARATION["image_std"])
    )


def test_the_hash_follows_weights_and_preparation_and_not_the_place(
    model: DinoModel, folder: Path, tmp_path: Path
) -> None:
    assert load_dino(f"dinov2:{dino_folder(tmp_path / 'same')}", "cpu").sha256 == model.sha256
    assert load_dino(f"dinov2:{dino_folder(tmp_path / 'other', seed=1)}", "cpu").sha256 != model.sha256
    larger = PREPARATION | {"crop_size": {"height": 35, "width": 35}}
    (tmp_path / "same" / "preprocessor_config.json").write_text(json.dumps(larger))
    assert load_dino(f"dinov2:{tmp_path / 'same'}", "cpu").sha256 != model.sha256


def test_the_licence_is_the_folders_or_the_published_one(model: DinoModel, tmp_path: Path) -> None:
    assert model.licence == "Apache-2.0 (DINOv2 as published by Meta)"
    (dino_folder(tmp_path) / "LICENSE").write_text("Mine alone\n")
    assert load_dino(f"dinov2:{tmp_path}", "cpu").licence == "Mine alone"


def test_weights_that_are_not_there_are_not_made_up(tmp_path: Path) -> None:
    file = dino_folder(tmp_path) / "model.safetensors"
    tensors = load_file(file)
    del tensors["layernorm.weight"]
    save_file(tensors, file, metadata={"format": "pt"})
    with pytest.raises(DinoError, match=r"lacks 1 of its weights, as layernorm.weight; download it again"):
        load_dino(f"dinov2:{tmp_path}")


def test_what_is_no_dinov2_says_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(DinoError, match=r"nowhere: no such folder; name a folder with config.json"):
        load_dino(f"dinov2:{tmp_path / 'nowhere'}")
    small = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    ViTModel(ViTConfig(**small, image_size=28, patch_size=14)).save_pretrained(tmp_path / "vit")
    (tmp_path / "vit" / "preprocessor_config.json").write_text(json.dumps(PREPARATION))
    with pytest.raises(DinoError, match="is a model of kind vit, not DINOv2"):
        load_dino(f"dinov2:{tmp_path / 'vit'}")
    (dino_folder(tmp_path / "bare") / "preprocessor_config.json").unlink()
    with pytest.raises(DinoError, match=r"cannot be loaded .*preprocessor_config.json"):
        load_dino(f"dinov2:{tmp_path / 'bare'}")


def test_nothing_is_printed(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    load_dino(f"dinov2:{folder}", "cpu").embed_pictures(noise_pictures(1))
    assert capfd.readouterr() == ("", "")
