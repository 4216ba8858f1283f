"""The prompts of a grid: which show the subject, which test for bleed, and what the base model is shown instead."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from base_models.prompts.prompt_weights import plain_text
from eval.request.spec import PromptsSection
from eval.request.units import Unit
from foundation.errors import ConfigurationError, MissingFileError
from foundation.toml_config import Section, read_toml, validate


class PromptFile(Section):
    """A TOML file of prompts."""

    prompts: list[str]
    """What is drawn, in this order; with the trigger of the subject, without it of others."""


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


def read_prompts(section: PromptsSection) -> list[Prompt]:
    """The prompts in the specification's order, from a TOML list `prompts = [...]` or a text file of one a line.

    Raises ConfigurationError when there are none, or none has the trigger.
    """
    texts = _texts_of(section.file) if section.file else section.texts
    texts = list(dict.fromkeys(text.strip() for text in texts if text.strip()))
    source = section.file or "[prompts]"
    if not texts:
        raise ConfigurationError(f"{source}: the list of prompts is empty; write at least one")
    trigger = _as_word(section.trigger)
    prompts = [Prompt(text, trigger.sub(lambda _: section.class_word, text)) for text in texts]
    if all(prompt.role == "bleed" for prompt in prompts):
        near = "".join(f"; {miss}" for miss in near_misses(prompts, section.trigger))
        raise ConfigurationError(
            f"{source}: no prompt contains the trigger `{section.trigger}`; nothing would be scored{near}"
        )
    return prompts


def near_misses(prompts: Sequence[Prompt], trigger: str) -> list[str]:
    """What to say of prompts that have the trigger in them, but not as a word: perhaps it was meant, perhaps not."""
    inside = trigger.casefold()
    return [
        f"`{one.text}` has the trigger `{trigger}` inside another word, and so tests for bleed"
        for one in prompts
        if one.role == "bleed" and inside in one.text.casefold()
    ]


def _as_word(trigger: str) -> re.Pattern[str]:
    """The trigger as a whole word, in any case: `sks` is not in "people wearing masks"."""
    words = r"\s+".join(re.escape(word) for word in trigger.split())
    return re.compile(rf"(?<!\w){words}(?!\w)", re.IGNORECASE)


def _texts_of(path: Path) -> list[str]:
    if not path.is_file():
        raise MissingFileError(f"{path}: no such file of prompts")
    if path.suffix == ".toml":
        return validate(PromptFile, read_toml(path), path).prompts
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        fault = f"{error.reason} at byte {error.start}"
        raise ConfigurationError(f"{path}: is not UTF-8 text ({fault}); save it as UTF-8") from error


def units_of(prompts: list[Prompt], seeds: list[int]) -> list[Unit]:
    """Every prompt with every seed, subject prompts first; a bleed prompt gets the first half of the seeds."""
    few = seeds[: max(1, len(seeds) // 2)]
    subject = [Unit(one.text, seed, "subject") for one in prompts if one.role == "subject" for seed in seeds]
    return subject + [Unit(one.text, seed, "bleed") for one in prompts if one.role == "bleed" for seed in few]
