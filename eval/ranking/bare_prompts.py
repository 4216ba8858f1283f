"""How much a prompt leaves to the LoRA: bare is one that says the trigger and no more, as "photo of ohwx person"."""

from __future__ import annotations

import re

import numpy as np

from eval.ranking.evidence import SUBJECT, Evidence

# Words that say nothing of what a picture shows: of grammar, of the medium and its quality, of the kind of subject.
GRAMMAR = "a an the of in on at by for from to with and is as one this that it"
MEDIUM = (
    "photo photograph photography picture image pic snapshot selfie portrait headshot closeup close up shot drawing "
    "painting illustration render rendering sketch art artwork raw best high quality masterpiece highres absurdres "
    "detailed highly hd uhd 4k 8k score"
)
KINDS = "person people man woman boy girl guy lady male female human character 1girl 1boy 1woman 1man solo"
NEUTRAL = frozenset(f"{GRAMMAR} {MEDIUM} {KINDS}".split())
WORD = re.compile(r"[^\W_]+")


def words_said(prompt: str, trigger: str, class_word: str) -> list[str]:
    """The words of a prompt that say something: without the trigger's, the class word's and neutral ones."""
    unsaid = NEUTRAL | set(_words(trigger)) | set(_words(class_word))
    return [word for word in _words(prompt) if word not in unsaid]


def bare_units(evidence: Evidence) -> np.ndarray:
    """Which subject units (S,) have a bare prompt."""
    bare = {
        prompt: not words_said(prompt, evidence.trigger, evidence.class_word) for prompt in evidence.prompts_of(SUBJECT)
    }
    return np.array([bare[prompt] for prompt in evidence.prompts_of(SUBJECT)], dtype=bool)


def telling_units(evidence: Evidence) -> np.ndarray:
    """The subject units (S,) in which a copy shows: those of bare prompts; where no prompt is bare, all.

    What a prompt says, a copying LoRA does as told; only what is left unsaid comes from its one picture.
    """
    bare = bare_units(evidence)
    return bare if bare.any() else np.ones(len(bare), dtype=bool)


def _words(text: str) -> list[str]:
    return WORD.findall(text.casefold())
