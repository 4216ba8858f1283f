"""The prompts of a grid: which show the subject, which test for bleed, and what the base model is shown instead."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from base_models.prompts.prompt_syntax import cautions_of_prompt, fault_of_prompt
from base_models.prompts.prompt_weights import plain_text
from base_models.prompts.written_prompts import BASE, CFG, CLIP_SKIP, SAMPLER, SEED, SIZE, STEPS, WrittenPrompt
from eval.request.prompt_files import source_of, written_prompts
from eval.request.spec import PromptsSection
from eval.request.units import Unit
from foundation.errors import ConfigurationError

# What a prompt may ask for elsewhere, and where a grid has it for all prompts.
OWN_KEYS = {
    SIZE: "[sampler] width and height",
    SEED: "[prompts] seeds",
    STEPS: "[sampler] steps",
    CFG: "[sampler] cfg",
    SAMPLER: "[sampler] name",
    CLIP_SKIP: "[sampler] clip_skip",
    BASE: "[model] base",
}


@dataclass(frozen=True)
class Prompt:
    """`text` as rendered with a LoRA; `class_text` with the class word in the trigger's place."""

    text: str
    class_text: str

    @property
    def said(self) -> str:
        """What a picture of it should show, in words alone: what CLIP compares it with."""
        return plain_text(self.class_text)

    @property
    def role(self) -> str:
        return "bleed" if self.text == self.class_text else "subject"


@dataclass(frozen=True)
class AskedPrompts:
    """What is drawn: the prompts, and the one negative prompt that all of them have. `notes`: what to tell the user."""

    prompts: list[Prompt]
    negative: str
    notes: tuple[str, ...]


def read_prompts(section: PromptsSection) -> AskedPrompts:
    """The prompts in the specification's order, from the specification or its file, with what is written beside them.

    Raises ConfigurationError when there are none, when none has the trigger, and for what would pass as words.
    """
    written, source = written_prompts(section), source_of(section)
    if not written:
        raise ConfigurationError(f"{source}: the list of prompts is empty; write at least one")
    negative, notes = _negative_of(section, written, source)
    faults = [fault for text in (*(one.text for one in written), negative) if text and (fault := fault_of_prompt(text))]
    if faults:
        raise ConfigurationError(f"{source}: {'; '.join(dict.fromkeys(faults))}")
    texts = dict.fromkeys(one.text for one in written)
    prompts = [prompt_of(text, section.trigger, section.class_word) for text in texts]
    missed = near_misses(prompts, section.trigger)
    if all(prompt.role == "bleed" for prompt in prompts):
        near = "".join(f"; {miss}" for miss in missed)
        raise ConfigurationError(
            f"{source}: no prompt contains the trigger `{section.trigger}`; nothing would be scored{near}"
        )
    doubts = dict.fromkeys(doubt for one in written for doubt in cautions_of_prompt(one.text))
    return AskedPrompts(prompts, negative, (*notes, *(f"{source}: {doubt}" for doubt in doubts), *missed))


def _negative_of(section: PromptsSection, written: Sequence[WrittenPrompt], source: str) -> tuple[str, list[str]]:
    """The grid's negative prompt, and what is said of it and of all else that prompts ask for.

    Raises ConfigurationError where prompts have different ones: then no grid draws them as they are written.
    """
    own = dict.fromkeys(OWN_KEYS[ask] for one in written for ask in one.asks if ask in OWN_KEYS)
    notes = [f"{source}: a grid draws all prompts alike, by {', '.join(own)}; what its prompts say of that is left out"]
    notes = notes if own else []
    said = list(dict.fromkeys(one.negative for one in written if one.negative))
    if section.negative or not said:
        if [one for one in said if one != section.negative]:
            notes.append(f"{source}: drawn with [prompts] negative; the prompts' own negative prompts are left out")
        return section.negative, notes
    if len(said) > 1:
        raise ConfigurationError(
            f"{source}: the negative prompts `{said[0]}` and `{said[1]}`; a grid has one for all prompts, "
            "so write it as [prompts] negative"
        )
    who = "all prompts" if all(one.negative for one in written) else "all prompts, also those written without"
    return said[0], [*notes, f"{source}: the negative prompt `{said[0]}` is that of {who}"]


def near_misses(prompts: Sequence[Prompt], trigger: str) -> list[str]:
    """What to say of prompts that have the trigger in them, but not as a word: perhaps it was meant, perhaps not."""
    inside = trigger.casefold()
    return [
        f"`{one.text}` has the trigger `{trigger}` inside another word, and so tests for bleed"
        for one in prompts
        if one.role == "bleed" and inside in one.text.casefold()
    ]


def prompt_of(text: str, trigger: str, class_word: str) -> Prompt:
    """A text as a prompt: what the base model is shown in its place has the class word where the trigger stands."""
    return Prompt(text, _as_word(trigger).sub(lambda _: class_word, text))


@cache
def _as_word(trigger: str) -> re.Pattern[str]:
    """The trigger as a whole word, in any case: `sks` is not in "people wearing masks"."""
    words = r"\s+".join(re.escape(word) for word in trigger.split())
    return re.compile(rf"(?<!\w){words}(?!\w)", re.IGNORECASE)


def units_of(prompts: list[Prompt], seeds: list[int]) -> list[Unit]:
    """Every prompt with every seed, subject prompts first; a bleed prompt gets the first half of the seeds."""
    few = seeds[: max(1, len(seeds) // 2)]
    subject = [Unit(one.text, seed, "subject") for one in prompts if one.role == "subject" for seed in seeds]
    return subject + [Unit(one.text, seed, "bleed") for one in prompts if one.role == "bleed" for seed in few]
