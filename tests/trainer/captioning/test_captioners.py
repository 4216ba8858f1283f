"""The captioners themselves: the miniature's CLIP, tiny taggers as ONNX, a tiny random BLIP."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from safetensors.torch import load_file
from transformers import BertTokenizer, BlipConfig, BlipForConditionalGeneration, BlipImageProcessor, BlipProcessor

from base_models.drawing.png import read_picture
from base_models.vision.clip_model import load_clip
from miniature.paths import SUBJECT
from trainer.captioning.blip import Blip, BlipError
from trainer.captioning.clip_captioner import ClipCaptioner
from trainer.captioning.request import CaptionRequest, CaptionRequestError, Model
from trainer.captioning.said import elect
from trainer.captioning.tagger import Tagger, TaggerError, prepared_picture, read_tags
from trainer.captioning.unwanted import PhraseList
from trainer.captioning.vocabulary import Group, read_vocabulary

WORN = {"accessories": Group(phrases={"wearing glasses": ("glasses",)}, nothing=True)}
TRAINED = sorted(SUBJECT.glob("Train/7_*/*.png"))[:8]


def test_the_miniatures_clip_reads_the_background(tmp_path: Path) -> None:
    vocabulary = read_vocabulary(SUBJECT / "vocabulary.toml")
    captioner = ClipCaptioner(load_clip("miniature", "cpu"), vocabulary, "person", None)
    pictures = [read_picture(path) for path in TRAINED]
    said = [elect([one], vocabulary).slots for one in captioner.describe(pictures)]
    truths = [path.with_suffix(".txt").read_text(encoding="utf-8") for path in TRAINED]
    right = [one["background"].phrase in truth for one, truth in zip(said, truths, strict=True)]
    assert sum(right) >= 7
    assert all(
        abs(sum(scores.values()) - 1) < 1e-6 for one in captioner.describe(pictures) for scores in one.scores.values()
    )


def tagger_of(folder: Path, tags: int) -> Path:
    """An ONNX tagger that says each tag's probability by the mean of one colour of the picture, over 255."""
    weights = np.zeros((3, tags), dtype=np.float32)
    weights[2, :] = 1 / 255  # what is last in BGR: red
    nodes = [
        helper.make_node("ReduceMean", ["picture", "axes"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "weights"], ["tags"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tagger",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["N", 16, 16, 3])],
        [helper.make_tensor_value_info("tags", TensorProto.FLOAT, ["N", tags])],
        [
            helper.make_tensor("axes", TensorProto.INT64, [2], [1, 2]),
            helper.make_tensor("weights", TensorProto.FLOAT, weights.shape, weights.ravel()),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / "model.onnx")
    return folder / "model.onnx"


def red(strength: int) -> np.ndarray:
    picture = np.zeros((20, 10, 3), dtype=np.uint8)
    picture[:, :, 0] = strength
    return picture


def test_a_wd_tagger_says_general_tags_alone_and_speaks_of_the_vocabulary(tmp_path: Path) -> None:
    path = tagger_of(tmp_path, 4)
    (tmp_path / "selected_tags.csv").write_text(
        "tag_id,name,category,count\n1,general,9,1\n2,glasses,0,1\n3,red_hair,0,1\n4,hatsune_miku,4,1\n",
        encoding="utf-8",
    )
    (said,) = Tagger(path, WORN).describe([red(255)])
    assert said.tags == ("red hair",)
    assert elect([said], WORN).slots["accessories"].phrase == "wearing glasses"
    # White edges make a dark picture half red: below a threshold of 0.6 nothing is said.
    (dark,) = Tagger(tmp_path, WORN, threshold=0.6).describe([red(0)])
    assert (dark.tags, dark.scores) == ((), {"accessories": {"": 1.0}})


def test_a_deepdanbooru_tagger_takes_rgb_of_0_to_1(tmp_path: Path) -> None:
    path = tagger_of(tmp_path, 2)
    (tmp_path / "tags.txt").write_text("red_hair\nrating:safe\n", encoding="utf-8")
    assert read_tags(path).tags == ("red hair", None)
    assert prepared_picture(red(255), 16, False).max() == 1.0
    assert prepared_picture(red(255), 16, True)[8, 8].tolist() == [0, 0, 255]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (None, "its tag list is not beside it"),
        ("name,count\na,1\n", "has no columns"),
        ("name,category\na,0\nb,0\nc,0\n", "says 2 numbers and its list has 3 tags"),
    ],
)
def test_a_tagger_with_another_list_is_refused(tmp_path: Path, rows: str | None, message: str) -> None:
    path = tagger_of(tmp_path, 2)
    if rows:
        (tmp_path / "selected_tags.csv").write_text(rows, encoding="utf-8")
    with pytest.raises(TaggerError, match=message):
        list(Tagger(path, WORN).describe([red(9)]))


def test_a_tagger_that_is_not_there_is_told_though_all_have_captions(tmp_path: Path) -> None:
    asked = CaptionRequest(tmp_path, (Model.TAGGER,), tagger=tmp_path / "nothere.onnx")
    with pytest.raises(CaptionRequestError, match=r"nothere.onnx: no such tagger"):
        asked.check()


def test_what_is_no_tagger_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TaggerError, match="no such tagger"):
        Tagger(tmp_path, WORN)
    (tmp_path / "model.onnx").write_text("no model", encoding="utf-8")
    (tmp_path / "tags.txt").write_text("a\n", encoding="utf-8")
    with pytest.raises(TaggerError, match="not an ONNX model"):
        Tagger(tmp_path, WORN)


def tiny_blip(folder: Path) -> Path:
    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        "[DEC]",
        "[ENC]",
        "a",
        "woman",
        "wearing",
        "glasses",
        "smile",
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    sizes = {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1}
    text = {
        **sizes,
        "vocab_size": len(words),
        "bos_token_id": 5,
        "eos_token_id": 3,
        "sep_token_id": 3,
        "pad_token_id": 0,
    }
    config = BlipConfig(
        text_config={**text, "encoder_hidden_size": 8, "max_position_embeddings": 64},
        vision_config={**sizes, "image_size": 32, "patch_size": 16},
        projection_dim=8,
    )
    BlipForConditionalGeneration(config).save_pretrained(folder)
    images = BlipImageProcessor(size={"height": 32, "width": 32})
    BlipProcessor(images, BertTokenizer(str(folder / "vocab.txt"))).save_pretrained(folder)
    return folder


def test_a_blip_says_the_same_sentence_every_time(tmp_path: Path) -> None:
    blip = Blip(str(tiny_blip(tmp_path / "blip")), WORN, PhraseList(()), "cpu")
    first, again = list(blip.describe([red(200)])), list(blip.describe([red(200)]))
    assert first == again
    assert (first[0].by, isinstance(first[0].sentence, str)) == ("blip", True)


def test_a_blip_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BlipError, match="name a folder of its files"):
        Blip(str(tmp_path), WORN, PhraseList(()), "cpu")


def test_a_blip_of_pickles_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny_blip(tmp_path / "blip")
    weights = folder / "model.safetensors"
    torch.save(load_file(weights), folder / "pytorch_model.bin")
    weights.unlink()
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("a pickle was read"))
    with pytest.raises(BlipError, match="cannot be loaded"):
        Blip(str(folder), WORN, PhraseList(()), "cpu")
