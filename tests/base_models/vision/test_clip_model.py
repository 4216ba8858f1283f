"""CLIP through open_clip, with a tiny model of random weights in its own folder layout."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import save_file

from base_models.vision.clip_model import ClipError, ClipModel, load_clip
from base_models.vision.long_texts import parts_of
from base_models.vision.torch_judges import unit_vectors
from judge_models import check_embeddings, noise_pictures

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


def test_embeddings_are_unit_and_do_not_depend_on_the_batch(model: ClipModel) -> None:
    check_embeddings(model.embed_pictures)


def test_texts_share_the_space_and_differ(model: ClipModel) -> None:
    one, two, again = model.embed_texts(["photo of a person", "a robot", "photo of a person"])
    assert one == pytest.approx(again, abs=1e-5)
    assert float(one @ two) < 0.9999
    assert np.linalg.norm(one) == pytest.approx(1.0, abs=1e-5)


def test_the_top_of_a_portrait_is_seen(model: ClipModel) -> None:
    """The usual centre crop would cut the upper and lower quarter of a 2:1 portrait: the head and the hands."""
    portrait = noise_pictures(1, height=64, width=32)[0]
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


class BeginningOnly(ClipModel):
    """What was read of texts before long ones were split: batches of what the tokenizer leaves."""

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        return unit_vectors(lambda batch: self._model.encode_text(self._tokenize(list(batch))), texts)


def beginning_only(model: ClipModel) -> ClipModel:
    return BeginningOnly(**vars(model))


# 29 words of a token each; the tiny model reads 30 beside start and end.
BEGINNING = " ".join(["red", "blue"] * 14 + ["red"])


def test_long_texts_that_differ_at_their_ends_differ(model: ClipModel) -> None:
    texts = [f"{BEGINNING} {BEGINNING} {end}" for end in ("a dog", "a cat on a mat", "snow")]
    cut = beginning_only(model).embed_texts(texts)
    assert float(cut[0] @ cut[1]) == pytest.approx(1.0, abs=1e-6)
    found = model.embed_texts(texts)
    assert found.dtype == np.float32
    assert np.linalg.norm(found, axis=1) == pytest.approx(1.0, abs=1e-6)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert float(found[one] @ found[other]) < 0.9999
    assert model.parts_of_texts(texts) == [2, 3, 2]


def test_a_long_text_is_the_mean_of_its_parts_by_their_tokens(model: ClipModel) -> None:
    first, second = BEGINNING + " red", "snow on a mat"
    whole, *parts = model.embed_texts([f"{first} {second}", first, second])
    mean = 30 * parts[0] + 4 * parts[1]
    assert whole == pytest.approx(mean / np.linalg.norm(mean), abs=1e-6)


def test_a_long_text_is_split_at_a_comma_near_the_end_of_a_part(model: ClipModel) -> None:
    first, second = " ".join(["red"] * 24), " ".join(["blue"] * 12)
    whole, *parts = model.embed_texts([f"{first}, {second}", f"{first},", second])
    mean = 25 * parts[0] + 12 * parts[1]
    assert whole == pytest.approx(mean / np.linalg.norm(mean), abs=1e-6)


def test_what_is_read_at_once_has_the_bits_that_it_had(model: ClipModel) -> None:
    fits = BEGINNING + " red"
    texts = ["photo of a person", "", fits, *(f"a robot, {at}" for at in range(40))]
    before = beginning_only(model).embed_texts(texts)
    assert np.array_equal(model.embed_texts(texts), before)
    assert set(model.parts_of_texts(texts)) == {1}
    # Also beside one that is not.
    beside = [*texts[:30], f"{fits} and more", *texts[30:]]
    found, cut = model.embed_texts(beside), beginning_only(model).embed_texts(beside)
    assert np.flatnonzero((found != cut).any(1)).tolist() == [30]


@pytest.mark.parametrize("frame", [(1, 2, 0), (None, 2, 0), (None, 0, 0)])
def test_other_tokenizers_frames_are_kept(frame: tuple[int | None, int, int]) -> None:
    """Start, end and padding: as BERT's, T5's, and SigLIP's, which pads with its end."""
    start, end, padding = frame

    def rows(texts: list[str], context_length: int | None = None) -> torch.Tensor:
        length = context_length or rows.context_length  # type: ignore[attr-defined]
        ids = [[*([start] if start else []), *map(int, text.replace(",", " 9").split())] for text in texts]
        whole = [[*one[: length - 1], end] for one in ids]
        return torch.tensor([[*one, *[padding] * (length - len(one))] for one in whole])

    rows.context_length = 6  # type: ignore[attr-defined]
    room = 4 if start else 5 if end else 6
    text = " ".join(str(at) for at in range(11, 11 + room + 2))
    first, second = parts_of(text, rows)  # type: ignore[arg-type]
    own = [] if start is None else [start]
    behind = [end] if end else []
    assert first.row == (*own, *range(11, 11 + room), *behind)
    assert (first.tokens, second.tokens) == (room, 2)
    assert second.row == (*own, 11 + room, 12 + room, *behind, *[padding] * (room - 2))
    [short] = parts_of("11 12", rows)  # type: ignore[arg-type]
    assert short.row == tuple(rows(["11 12"])[0].tolist())


def test_a_tokenizer_that_does_more_is_left_to_cut(model: ClipModel) -> None:
    def rows(texts: list[str], context_length: int | None = None) -> torch.Tensor:
        length = context_length or rows.context_length  # type: ignore[attr-defined]
        ids = [[*[1, *map(int, text.split())][: length - 2], 2] for text in texts]
        return torch.tensor([[*one, *[0] * (length - 1 - len(one)), 3] for one in ids])

    rows.context_length = 6  # type: ignore[attr-defined]
    [part] = parts_of("11 12 13 14 15 16 17", rows)  # type: ignore[arg-type]
    assert part.row == (1, 11, 12, 13, 2, 3)
