"""Templates of captions: `{trigger} {class}, {expression}, {background}`. A part between commas that comes to nothing
goes with its comma."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches

from foundation.errors import ConfigurationError
from trainer.captioning.said import Description
from trainer.captioning.unwanted import PhraseList, mended
from trainer.captioning.vocabulary import OWN_SLOTS, Vocabulary

SLOT = re.compile(r"\{([^{}]*)\}")


class TemplateError(ConfigurationError):
    """A template with a slot that nothing fills."""


def default_template(vocabulary: Vocabulary, has_sentence: bool, has_tags: bool) -> str:
    """The trigger first, then every slot in the vocabulary's order."""
    parts = ["{trigger} {class}", *(["{sentence}"] if has_sentence else []), *(f"{{{slot}}}" for slot in vocabulary)]
    return ", ".join([*parts, *(["{tags}"] if has_tags else [])])


def check_template(template: str, vocabulary: Vocabulary) -> None:
    """Raise TemplateError for a slot that is unknown, naming the nearest, and for a template without the trigger."""
    known = [*OWN_SLOTS, *vocabulary]
    slots: list[str] = SLOT.findall(template)
    for slot in slots:
        if slot not in known:
            near = get_close_matches(slot, known, n=1, cutoff=0.0)[0]
            raise TemplateError(
                f"--template: there is no slot {{{slot}}} (did you mean {{{near}}}?); there are {', '.join(known)}"
            )
    if "{trigger}" not in template:
        raise TemplateError("--template: has no {trigger}, by which the subject is called; put it first")


def filled(template: str, trigger: str, class_word: str, found: Description, unwanted: PhraseList) -> str:
    """The caption. What is not wanted is taken out of what captioners say, never out of the template's own words."""
    has_class = class_word.casefold() in (word.casefold() for word in trigger.split())
    words: Mapping[str, str] = {
        "trigger": trigger,
        "class": "" if has_class else class_word,
        "sentence": unwanted.without(found.sentence),
        "tags": ", ".join(tag for tag in found.tags if unwanted.without(tag)),
        **{slot: elected.phrase for slot, elected in found.slots.items()},
    }
    parts = [_part(part, words) for part in template.split(",")]
    return mended(", ".join(dict.fromkeys(part for part in parts if part)))


def _part(part: str, words: Mapping[str, str]) -> str:
    slots = SLOT.findall(part)
    if slots and not any(words.get(slot) for slot in slots):
        return ""
    return " ".join(SLOT.sub(lambda match: words.get(match[1], ""), part).split())
