"""What steers a picture: the conditioning of its prompt and of the negative prompt, equally long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from base_models.base_model import BaseModel
from base_models.prompts.conditioning import Conditioning, encode_prompt


@dataclass(frozen=True)
class Guidance:
    """Of one picture: where to (1, tokens, width), and away from what (the same shape)."""

    wanted: Conditioning
    unwanted: Conditioning


class PromptReader:
    """Reads prompts with a base model's text encoders as they are now, each text once.

    Make another when the text encoders' weights have changed.
    """

    def __init__(self, base: BaseModel, negative: str, clip_skip: int) -> None:
        self._base, self._negative, self._clip_skip = base, negative, clip_skip
        self._read: dict[str, Conditioning] = {}

    def guidance(self, prompt: str) -> Guidance:
        """The shorter of the two is made as long as the other with empty chunks."""
        wanted, unwanted = self._encoded(prompt), self._encoded(self._negative)
        empty, missing = self._encoded(""), wanted.text.shape[1] - unwanted.text.shape[1]
        if missing:
            times = abs(missing) // empty.text.shape[1]
            wanted = wanted.followed_by(empty, times) if missing < 0 else wanted
            unwanted = unwanted.followed_by(empty, times) if missing > 0 else unwanted
        zero = self._base.family.empty_is_zero and not self._negative.strip()
        return Guidance(wanted, unwanted.zeros() if zero else unwanted)

    def _encoded(self, text: str) -> Conditioning:
        if text not in self._read:
            self._read[text] = encode_prompt(self._base, text, self._clip_skip)
        return self._read[text]


def read_prompts(base: BaseModel, prompts: Sequence[str], negative: str = "", clip_skip: int = 1) -> list[Guidance]:
    """The guidance of each prompt, on the base as it is now."""
    reader = PromptReader(base, negative, clip_skip)
    return [reader.guidance(prompt) for prompt in prompts]
