"""The miniature's second CLIP: loaded as any, it names what captions say of people whom no model saw."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from open_clip.tokenizer import SimpleTokenizer
from PIL import Image

from base_models.vision.clip_model import load_clip
from base_models.vision.close_up import MARGIN, close_up
from base_models.vision.faces import load_faces
from miniature.paths import NAME, SUBJECT, folder_of
from miniature.recipe import dataset
from miniature.recipe.clips import caption_clip
from miniature.recipe.draw import draw_person
from miniature.recipe.world import CLASS_WORD, GLASSES, MOUTHS, Identity, draw_identity_where, draw_scene, is_held_out
from trainer.captioning.clip_captioner import ClipCaptioner, load_describing_clip
from trainer.captioning.request import CaptionRequest, Model, on_the_miniature
from trainer.captioning.said import elect
from trainer.captioning.vocabulary import read_vocabulary

VOCABULARY = read_vocabulary(SUBJECT / "vocabulary.toml")
FOLDER = folder_of("caption_clip", NAME) or Path()
MOST_OF_ALL_WEIGHTS = 40e6  # bytes: what comes with the package
PEOPLE = 60


@pytest.fixture(scope="module")
def captioner() -> ClipCaptioner:
    return ClipCaptioner(load_describing_clip(NAME, "cpu"), VOCABULARY, CLASS_WORD, load_faces(NAME, device="cpu"))


def test_people_never_drawn_for_training_are_described(captioner: ClipCaptioner) -> None:
    rng = random.Random(4711)
    scenes = [draw_scene(rng) for _ in range(PEOPLE)]
    pictures = [draw_person(draw_identity_where(rng, held_out=True), scene).pixels for scene in scenes]
    right = {"expression": 0, "accessories": 0, "clothes": 0, "background": 0}
    for scene, said in zip(scenes, captioner.describe(pictures), strict=True):
        truth = {
            "expression": MOUTHS[scene.mouth],
            "accessories": f"wearing {GLASSES[scene.glasses]}" if scene.glasses else "",
            "clothes": scene.clothes_colour,
            "background": f"{scene.background} background",
        }
        found = {slot: one.phrase for slot, one in elect([said], VOCABULARY).slots.items()}
        found["clothes"] = found["clothes"].partition(" ")[0]
        for slot, phrase in truth.items():
            right[slot] += found[slot] == phrase
    # By chance 1 in 7, 1 in 5, 1 in 10, 1 in 7; whoever says "no glasses" of everybody is right in 7 of 10.
    assert all(count / PEOPLE >= 0.8 for count in right.values()), right


def test_open_clip_loads_it_as_it_is() -> None:
    name = f"local-dir:{FOLDER}"
    model, prepare = open_clip.create_model_from_pretrained(name)
    model.eval()
    picture = prepare(Image.new("RGB", (80, 64), "white"))
    with torch.no_grad():
        seen = model.encode_image(picture[None], normalize=True)
        read = model.encode_text(open_clip.get_tokenizer(name)(["photo of a person, smiling", "Ünbekannt"]))
    assert (seen.shape, read.shape) == ((1, caption_clip.EMBEDDING), (2, caption_clip.EMBEDDING))
    assert bool(read.isfinite().all())


def test_judges_keep_the_first_one() -> None:
    first, second = load_clip(NAME, "cpu"), load_describing_clip(NAME, "cpu")
    assert first.sha256 != second.sha256 == load_clip(f"local-dir:{FOLDER}", "cpu").sha256


def test_all_weights_together_stay_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.parent.rglob("*") if path.is_file()) <= MOST_OF_ALL_WEIGHTS
    record = json.loads((FOLDER.parent / "record.json").read_text())
    assert record["caption_clip"]["steps"] == caption_clip.COURSE.steps


def test_nobody_who_is_held_out_is_drawn_for_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "GROUPS", 1)
    drawn = dataset.load_drawn(tmp_path)
    people = [Identity(**one) for one in drawn.people if one]  # type: ignore[arg-type]
    assert len(people) >= dataset.PEOPLE * dataset.SCENES
    assert not any(is_held_out(one) for one in people if one not in dataset.NAMED.values())


def test_what_a_caption_leaves_unsaid_teaches_nothing() -> None:
    slots = list(caption_clip.SLOTS)
    told = "photo of a person, red hair bun, pale skin, sad, winking, wearing sunglasses, black hoodie, dark background"
    others = [["photo of hina, sad, black hoodie"], ["picture of a robot, blue background"]]
    full, named, robot = caption_clip.truths([[told], *others])
    said = [caption_clip.SLOTS[slot].options[at] for slot, at in zip(slots, full, strict=True)]
    assert said == ["sad", "winking", "wearing sunglasses", "", *told.split(", ")[2:0:-1], *told.split(", ")[-2:]]
    assert set(named) == {caption_clip.UNKNOWN}
    of_robot = dict(zip(slots, robot, strict=True))
    assert caption_clip.SLOTS["background"].options[of_robot.pop("background")] == "blue background"
    assert {*of_robot.values()} == {0, caption_clip.NO_PHRASE}


def test_the_loss_leaves_out_what_is_unknown_and_evens_out_what_no_phrase_fits() -> None:
    logits = torch.tensor([[2.0, 0.0], [9.0, 1.0], [3.0, 3.0]])
    alone = caption_clip.slot_loss(logits[:1], torch.tensor([0]))
    torch.testing.assert_close(alone, torch.nn.functional.cross_entropy(logits[:1], torch.tensor([0])))
    torch.testing.assert_close(caption_clip.slot_loss(logits[:2], torch.tensor([0, caption_clip.UNKNOWN])), alone)
    even = caption_clip.slot_loss(logits[2:], torch.tensor([caption_clip.NO_PHRASE]))
    assert even < caption_clip.slot_loss(logits[1:2], torch.tensor([caption_clip.NO_PHRASE]))
    assert float(caption_clip.slot_loss(logits, torch.full((3,), caption_clip.UNKNOWN))) == 0


def test_faces_are_cut_out_as_the_captioner_cuts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(3)
    drawing = draw_person(draw_identity_where(rng, held_out=False), draw_scene(rng))
    assert drawing.box is not None
    monkeypatch.setattr(caption_clip, "ROOM", (MARGIN, MARGIN))
    monkeypatch.setattr(caption_clip, "OFF", 0.0)
    cut = caption_clip.cut_out(drawing.pixels, drawing.box, rng)
    _, prepare = open_clip.create_model_from_pretrained(f"local-dir:{FOLDER}")
    prepared = prepare(Image.fromarray(close_up(drawing.pixels, drawing.box))).numpy().transpose(1, 2, 0)
    assert np.abs((prepared + 1) * 127.5 - cut).max() < 1


def test_its_tokenizer_splits_known_texts_as_clips_own(tmp_path: Path) -> None:
    texts = ["photo of a person, smiling", "grey cat's hat"]
    words = caption_clip.write_tokenizer(tmp_path, texts)
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": {"text_cfg": {"hf_tokenizer_name": "."}}}))
    tokenizer, whole = open_clip.get_tokenizer(f"local-dir:{tmp_path}"), SimpleTokenizer()
    for text in texts:
        row: list[int] = tokenizer([text])[0].tolist()
        end = row.index(words - 1)
        pieces = tokenizer.tokenizer.convert_ids_to_tokens(row[1:end])
        assert pieces == [whole.decoder[number] for number in whole.encode(text)]
    assert "unknown" in tokenizer.tokenizer.decode(tokenizer(["unknown"])[0], skip_special_tokens=True)


def test_the_miniature_brings_its_faces_and_its_words() -> None:
    asked = CaptionRequest(Path("Train"), (Model.CLIP,), clip=NAME)
    brought = on_the_miniature(asked)
    assert (brought.faces, brought.vocabulary) == (NAME, SUBJECT / "vocabulary.toml")
    own = CaptionRequest(Path("Train"), (Model.CLIP,), clip=NAME, faces="none", vocabulary=Path("mine.toml"))
    assert on_the_miniature(own) == own
    for other in (CaptionRequest(Path("Train"), (Model.BLIP,)), CaptionRequest(Path("Train"), (Model.CLIP,))):
        assert on_the_miniature(other) == other
