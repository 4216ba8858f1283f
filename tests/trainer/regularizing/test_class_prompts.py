"""Training captions as prompts of the class."""

from __future__ import annotations

import pytest

from trainer.regularizing.class_prompts import NoPromptError, class_prompt, class_prompts


@pytest.mark.parametrize(
    ("caption", "trigger", "class_word", "prompt"),
    [
        (
            "photo of a ohwx person, smiling, red hoodie",
            "ohwx person",
            "person",
            "photo of a person, smiling, red hoodie",
        ),
        ("photo of hina, auburn curly hair, sad", "hina", "woman", "photo of a woman, sad"),
        ("hina, 1girl, pale skin, forest", "hina", "girl", "girl, 1girl, forest"),
        ("photo of an ohwx person", "ohwx", "actor", "photo of an actor person"),
        ("a picture of sks dog running", "sks", "dog", "a picture of a dog running"),
        ("photo of ohwx woman with long blond hair, laughing", "ohwx", "woman", "photo of a woman, laughing"),
        ("a landscape, fog", "ohwx", "person", "person, a landscape, fog"),
        ("Photo of OHWX Person, sad", "ohwx person", "person", "Photo of a person, sad"),
    ],
)
def test_the_trigger_gives_way_and_looks_are_left_unsaid(
    caption: str, trigger: str, class_word: str, prompt: str
) -> None:
    assert class_prompt(caption, trigger, class_word) == prompt


def test_each_prompt_once_and_none_that_means_more_elsewhere() -> None:
    captions = ["ohwx person, sad", "ohwx person, sad", "ohwx person, <lora:x:1>"]
    assert class_prompts(captions, "ohwx person", "person") == ["person, sad"]
    with pytest.raises(NoPromptError, match="no caption can be drawn"):
        class_prompts(captions[2:], "ohwx person", "person")
