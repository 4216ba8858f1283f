"""Training captions -> prompts of the class: the trigger gives way to the class word, and looks are left unsaid.

Where a reg picture's prompt told hair or skin, the class would be pinned to these looks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from base_models.prompts.prompt_syntax import fault_of_prompt
from foundation.errors import ConfigurationError
from trainer.starting.caption_words import as_word
from trainer.starting.prompt_choice import LOOKS, is_look

BEFORE_A_NAME = ("of", "with")
_WITH_LOOKS = re.compile(
    rf"\s+(?:with|has|having)\s+(?:[\w'’-]+\s+){{0,4}}(?:{'|'.join(LOOKS)})(?!\w)(?:\s+and\s+(?:[\w'’-]+\s+){{0,3}}"
    rf"(?:{'|'.join(LOOKS)})(?!\w))?",
    re.IGNORECASE,
)


class NoPromptError(ConfigurationError):
    """Captions of which nothing is left to be drawn."""


def class_prompts(captions: Sequence[str], trigger: str, class_word: str) -> list[str]:
    """The distinct prompts, in the captions' order.

    Raises NoPromptError where every caption holds what means something else in a prompt.
    """
    found = list(dict.fromkeys(class_prompt(caption, trigger, class_word) for caption in captions))
    usable = [one for one in found if not fault_of_prompt(one)]
    if not usable:
        raise NoPromptError(
            f"no caption can be drawn: `{found[0]}`: {fault_of_prompt(found[0])}" if found else "there are no captions"
        )
    return usable


def class_prompt(caption: str, trigger: str, class_word: str) -> str:
    """One caption as a prompt of the class."""
    plain = _of_the_class(caption, trigger, class_word)
    parts = [" ".join(part.split()).strip(" .;") for part in plain.split(",")]
    kept = [part for part in parts if part and (as_word(class_word).search(part) or not is_look(part))]
    return ", ".join(_without_looks(part) for part in kept)


def _of_the_class(caption: str, trigger: str, class_word: str) -> str:
    bare = as_word(class_word).sub("", trigger).strip() or trigger
    whole = re.compile(rf"{as_word(bare).pattern}(?:\s+{as_word(class_word).pattern})?", re.IGNORECASE)
    replaced = whole.sub(class_word, caption)
    if not as_word(class_word).search(replaced):
        return f"{class_word}, {replaced}"
    return _with_articles(replaced, class_word)


def _with_articles(text: str, class_word: str) -> str:
    """ "photo of person" -> "photo of a person"; "an ohwx person" -> "a person"."""
    right = "an" if class_word[:1].casefold() in "aeiou" else "a"
    pattern = re.compile(rf"(?:(?<!\w)(\w+)\s+)?{as_word(class_word).pattern}", re.IGNORECASE)

    def mended(match: re.Match[str]) -> str:
        before = match[1] or ""
        if before.casefold() in ("a", "an"):
            return f"{right} {class_word}"
        if before.casefold() in BEFORE_A_NAME:
            return f"{before} {right} {class_word}"
        return match[0]

    return pattern.sub(mended, text)


def _without_looks(part: str) -> str:
    return _WITH_LOOKS.sub("", part)
