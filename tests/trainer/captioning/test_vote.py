"""The vote of several captioners, and the caption that a template makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from foundation.errors import ConfigurationError
from trainer.captioning.said import Description, Elected, Said, elect
from trainer.captioning.template import TemplateError, check_template, default_template, filled
from trainer.captioning.unwanted import read_phrases
from trainer.captioning.vocabulary import Group, read_vocabulary

MOODS = Group(phrases={"smiling": ("smile",), "sad": ()})
WORN = Group(phrases={"wearing glasses": ("glasses",)}, nothing=True)
TOPS = Group(phrases={"hoodie": (), "shirt": ()}, colours=("red", "blue"), unsure="clothes")
VOCABULARY = {"expression": MOODS, "accessories": WORN, "clothes": TOPS}


def phrase(said: list[Said], slot: str) -> str:
    return elect(said, VOCABULARY).slots[slot].phrase


def test_two_voices_outweigh_one_that_is_surer() -> None:
    said = [
        Said("clip", {"expression": {"smiling": 0.1, "sad": 0.9}}),
        Said("tagger", {"expression": {"smiling": 0.9}}),
        Said("blip", {"expression": {"smiling": 1.0}}),
    ]
    found = elect(said, VOCABULARY).slots["expression"]
    assert (found.phrase, found.voices, found.speakers) == ("smiling", ("tagger", "blip"), ("clip", "tagger", "blip"))


def test_who_says_nothing_of_a_slot_has_no_vote() -> None:
    assert phrase([Said("clip", {"expression": {"sad": 0.8, "smiling": 0.2}}), Said("blip")], "expression") == "sad"


def test_what_is_not_sure_is_not_said() -> None:
    assert phrase([Said("clip", {"expression": {"sad": 0.45, "smiling": 0.45}})], "expression") == ""


def test_glasses_that_one_of_two_does_not_see_hang_on_how_sure_they_are() -> None:
    sees, does_not = Said("clip", {"accessories": {"": 0.05, "wearing glasses": 0.95}}), {"accessories": {"": 1.0}}
    assert phrase([sees], "accessories") == "wearing glasses"
    assert phrase([sees, Said("tagger", does_not)], "accessories") == ""


def test_a_sure_colour_of_an_unsure_thing_is_said_alone() -> None:
    shares = {"red hoodie": 0.45, "red shirt": 0.45, "blue shirt": 0.1}
    assert phrase([Said("clip", {"clothes": shares})], "clothes") == "red clothes"
    assert phrase([Said("clip", {"clothes": {"red hoodie": 0.9, "blue shirt": 0.1}})], "clothes") == "red hoodie"


def test_a_tag_of_one_voice_among_several_is_left_out() -> None:
    tagger = Said("tagger", tags=("portrait", "cell phone"))
    assert elect([tagger], VOCABULARY).tags == ("portrait", "cell phone")
    blip = Said("blip", sentence="a portrait of a woman")
    assert elect([tagger, blip], VOCABULARY).tags == ("portrait",)


def described(**slots: str) -> Description:
    return Description({slot: Elected(words, 1.0, (), ()) for slot, words in slots.items()}, ("cell phone", "cat"), "")


@pytest.mark.parametrize(
    ("template", "caption"),
    [
        ("{trigger} {class}, {expression}, {accessories}, {clothes}", "ohwx person, smiling, red hoodie"),
        ("photo of a {trigger}, {expression} and {clothes}", "photo of a ohwx person, smiling and red hoodie"),
        ("{trigger}, {accessories} {clothes}, {tags}, studio", "ohwx person, red hoodie, cat, studio"),
        ("{trigger}, {sentence}", "ohwx person"),
    ],
)
def test_a_part_that_comes_to_nothing_goes_with_its_comma(template: str, caption: str) -> None:
    found = described(expression="smiling", accessories="", clothes="red hoodie")
    assert filled(template, "ohwx person", "person", found, read_phrases()) == caption


def test_a_trigger_without_its_class_word_is_followed_by_it() -> None:
    template = default_template(VOCABULARY, has_sentence=False, has_tags=False)
    assert filled(template, "ohwx", "woman", described(expression="sad"), read_phrases()) == "ohwx woman, sad"


def test_a_slot_that_nothing_fills_is_refused_with_the_nearest() -> None:
    with pytest.raises(TemplateError, match=r"did you mean \{expression\}"):
        check_template("{trigger}, {expresion}", VOCABULARY)
    with pytest.raises(TemplateError, match=r"no \{trigger\}"):
        check_template("{expression}", VOCABULARY)


def test_the_shipped_vocabulary_reads_and_a_wrong_one_is_named(tmp_path: Path) -> None:
    assert {"expression", "gaze", "accessories", "clothes", "background"} <= set(read_vocabulary())
    for text, message in (
        ("", "is empty"),
        ("[mood]\nphrase = 3", "unknown key `mood.phrase`"),
        ("[tags]\n[tags.phrases]\na = []", "slot of its own"),
        ("[mood]\n[mood.phrases]\n'a, b' = []", "without a comma"),
    ):
        path = tmp_path / f"{len(text)}.toml"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigurationError, match=message):
            read_vocabulary(path)
