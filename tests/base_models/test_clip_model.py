"""CLIP through open_clip, with a tiny model of random weights in its own folder layout."""

import json
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import save_file

from base_models.vision.clip_model import ClipError, ClipModel, load_clip

CONFIG = {
    "model_cfg": {
        "embed_dim": 24,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8},
        "text_cfg": {"context_length": 32, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
    },
    "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bicubic"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clip")
    (folder / "open_clip_config.json").write_text(json.dumps(CONFIG))
    torch.manual_seed(0)
    save_file(open_clip.CLIP(**CONFIG["model_cfg"]).state_dict(), folder / "open_clip_model.safetensors")  # type: ignore[arg-type]
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> ClipModel:
    return load_clip(f"local-dir:{folder}", device="cpu")


def pictures(count: int, height: int = 40, width: int = 40) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(count)]


def test_embeddings_are_unit_and_do_not_depend_on_the_batch(model: ClipModel) -> None:
    many = pictures(35)
    found = model.embed_pictures(many)
    assert found.shape == (35, 24)
    assert found.dtype == np.float32
    assert np.linalg.norm(found, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert model.embed_pictures(many[33:34])[0] == pytest.approx(found[33], abs=1e-5)
    assert len(model.embed_pictures([])) == 0


def test_texts_share_the_space_and_differ(model: ClipModel) -> None:
    one, two, again = model.embed_texts(["photo of a person", "a robot", "photo of a person"])
    assert one == pytest.approx(again, abs=1e-5)
    assert float(one @ two) < 0.9999
    assert np.linalg.norm(one) == pytest.approx(1.0, abs=1e-5)


def test_the_top_of_a_portrait_is_seen(model: ClipModel) -> None:
    """The usual centre crop would cut the upper and lower quarter of a 2:1 portrait: the head and the hands."""
    portrait = pictures(1, height=64, width=32)[0]
    beheaded = portrait.copy()
    beheaded[:16] = 0
    one, two = model.embed_pictures([portrait, beheaded])
    assert float(one @ two) < 0.9999


def test_the_hash_follows_the_weights(model: ClipModel, folder: Path, tmp_path: Path) -> None:
    assert load_clip(f"local-dir:{folder}", device="cpu").sha256 == model.sha256
    (tmp_path / "open_clip_config.json").write_text(json.dumps(CONFIG))
    torch.manual_seed(1)
    save_file(open_clip.CLIP(**CONFIG["model_cfg"]).state_dict(), tmp_path / "open_clip_model.safetensors")  # type: ignore[arg-type]
    assert load_clip(f"local-dir:{tmp_path}", device="cpu").sha256 != model.sha256


def test_a_folder_without_weights_is_refused_and_not_filled_with_random_ones(tmp_path: Path) -> None:
    (tmp_path / "open_clip_config.json").write_text(json.dumps(CONFIG))
    with pytest.raises(ClipError, match="cannot be loaded"):
        load_clip(f"local-dir:{tmp_path}")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("local-dir:/nowhere/at/all", "not found"),
        ("ViT-B-32", "ARCHITECTURE/TAG"),
        ("No-Such/thing", "cannot be loaded"),
    ],
)
def test_a_wrong_name_says_what_to_write(name: str, says: str) -> None:
    with pytest.raises(ClipError, match=says):
        load_clip(name)
