"""What captions say, and the prompts that are made of it."""

from __future__ import annotations

import pytest

from eval.ranking.bare_prompts import words_said
from eval.request.prompts import read_prompts
from eval.request.spec import PromptsSection
from trainer.starting.caption_words import guessed_trigger, read_captions
from trainer.starting.prompt_choice import BLEED, VARIED, choose_prompts, kind_of, phrases_at
from trainer.starting.request import TriggerError

MOODS, TOPS, PLACES = (
    ("smiling", "sad", "laughing", "serious"),
    ("red hoodie", "white shirt"),
    ("park", "beach", "room"),
)
IN_STEP = [f"photo of a ohwx person, {MOODS[at % 4]}, {TOPS[at % 2]}, {PLACES[at % 3]} background" for at in range(12)]


def test_the_commonest_folder_names_trigger_and_class() -> None:
    assert guessed_trigger(["3_ohwx person far", *["10_ohwx person"] * 2]) == ("ohwx person", "person")
    assert guessed_trigger(["10_hina"] * 3) is None


def test_what_varies_together_is_a_slot_and_prompts_mix_slots_otherwise_than_captions() -> None:
    words = read_captions(IN_STEP, "ohwx", "person")
    assert (words.trigger, words.opening, words.joint, words.without) == ("ohwx person", "photo of a ", ", ", 0)
    assert words.slots == (MOODS, TOPS, tuple(f"{place} background" for place in PLACES))
    chosen = choose_prompts(words, "face")
    assert chosen.bare == "photo of a ohwx person"
    assert len(set(chosen.varied)) == VARIED
    assert {mood for mood in MOODS if any(mood in prompt for prompt in chosen.varied)} == set(MOODS)
    assert not set(chosen.varied) & set(IN_STEP)


def test_no_prompt_says_two_moods_or_garments_that_no_caption_says_at_once() -> None:
    """Tags in any number come into slots by how often they are said, so a slot is no sort of thing."""
    said = [
        "sad, winking, gray overalls", "slight smile, white hoodie, street", "grimacing, blue sweater", "sad, hat",
        "slight smile, gray overalls, beach, scarf", "grimacing, white hoodie", "blue sweater, blue sky",
    ]  # fmt: skip
    words = read_captions([f"ohwx woman, {one}" for one in said], "ohwx", "woman")
    for prompt in choose_prompts(words, "face").varied:
        for kind in ({"sad", "slight smile", "grimacing"}, {"gray overalls", "white hoodie", "blue sweater"}):
            assert sum(one in prompt for one in kind) <= 1, prompt
    assert kind_of("white shirt") == kind_of("black jacket") == "garment"
    together = frozenset({frozenset({"white shirt", "black jacket"})})
    assert phrases_at((("white shirt",), ("black jacket",)), 0) == ("white shirt",)
    assert phrases_at((("white shirt",), ("black jacket",)), 0, together=together) == ("white shirt", "black jacket")


def test_the_grids_own_reader_sees_one_bare_prompt_and_two_of_others() -> None:
    words = read_captions(
        [f"{caption}, black hair" if at % 2 else caption for at, caption in enumerate(IN_STEP)], "ohwx", "person"
    )
    chosen = choose_prompts(words, "face")
    section = PromptsSection.model_validate({"texts": list(chosen.all), "trigger": words.trigger, "class": "person"})
    read = read_prompts(section)
    bare = [
        one.text for one in read.prompts if one.role == "subject" and not words_said(one.text, words.trigger, "person")
    ]
    assert bare == [chosen.bare]
    others = [one.text for one in read.prompts if one.role == "bleed"]
    assert others == list(chosen.bleed)
    assert len(others) == BLEED
    assert all("hair" not in text for text in others)


def test_sentences_follow_the_trigger_as_they_do_in_captions() -> None:
    said = ["a picture of sks dog running on grass", "a picture of sks dog asleep on a sofa", "sks dog in the snow"]
    words = read_captions(said, "sks", "dog")
    assert (words.trigger, words.opening, words.joint) == ("sks dog", "a picture of ", " ")
    chosen = choose_prompts(words, "image")
    assert "a picture of sks dog running on grass" in chosen.varied
    assert chosen.bleed[0].startswith("a picture of dog ")


def test_tags_in_any_number_are_shared_out_and_what_all_say_is_left_to_the_trigger() -> None:
    tags = ["1girl, hina, smile", "1girl, hina, standing, forest, hat", "1girl, hina, sitting, forest", "1girl, hina"]
    words = read_captions(tags, "hina", "girl")
    assert words.opening == "photo of "
    said = {phrase for slot in words.slots for phrase in slot}
    assert said == {"smile", "standing", "forest", "hat", "sitting"}


def test_captions_that_say_the_same_of_all_get_ordinary_prompts() -> None:
    words = read_captions(["ohwx person"] * 5, "ohwx person", "person")
    assert words.slots == ()
    chosen = choose_prompts(words, "face")
    assert len(set(chosen.all)) == 1 + VARIED + BLEED


@pytest.mark.parametrize(
    ("captions", "trigger", "message"),
    [
        (
            ["photo of a woman, smiling"],
            "ohwx",
            "no caption has the trigger `ohwx` as a word; one says `photo of a woman",
        ),
        (["people in masks"], "sks", "no caption has the trigger `sks` as a word"),
        (["a dog"], "dog", "the trigger and the class word are both `dog`"),
    ],
)
def test_a_trigger_that_cannot_work_is_refused(captions: list[str], trigger: str, message: str) -> None:
    with pytest.raises(TriggerError) as caught:
        read_captions(captions, trigger, "dog")
    assert message in str(caught.value)


def test_captions_without_the_trigger_are_counted() -> None:
    assert read_captions([*IN_STEP, "a landscape"], "ohwx", "person").without == 1


def test_a_phrase_that_means_more_than_words_elsewhere_is_in_no_prompt() -> None:
    moods = ("smiling", "<lora:grin:0.8>", "laughing", "--n ugly")
    words = read_captions([f"photo of a ohwx person, {moods[at % 4]}" for at in range(8)], "ohwx", "person")
    chosen = choose_prompts(words, "face")
    assert {prompt.rpartition(", ")[2] for prompt in chosen.varied} == {"smiling", "laughing"}
    section = PromptsSection.model_validate({"texts": list(chosen.all), "trigger": words.trigger, "class": "person"})
    assert [one.text for one in read_prompts(section).prompts] == list(chosen.all)
