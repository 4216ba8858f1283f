"""LoRA weights: how strongly a LoRA acts on each part of a model. Written `unet=0.8,te=0.6`.

A part goes by its id: "unet" (the denoiser of any family), "te1" to "te3" (text encoders), "adapter" (Anima's, between
text and denoiser). Who writes weights may call the denoiser `model` or `transformer`, too; `te` is all text encoders.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite

from base_models.kohya_names import part_of
from foundation.errors import UserError

TEXT_PARTS = ("te1", "te2", "te3")
ADAPTER = "adapter"
STRONGEST = 5.0  # as far as A1111's and ComfyUI's sliders are ever drawn; sound LoRAs break pictures from 2 on
PARTS = ("unet", *TEXT_PARTS, ADAPTER)
DENOISER_NAMES = ("unet", "model", "transformer")
# What each word that a weight may be written with sets.
SET_BY: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(DENOISER_NAMES, ("unet",)),
    "te": TEXT_PARTS,
    **{part: (part,) for part in (*TEXT_PARTS, ADAPTER)},
}
IN_WORDS = {
    "unet": "the denoiser (unet)",
    "te1": "a text encoder (te)",
    "te2": "a second one (te2)",
    "te3": "a third one (te3)",
    ADAPTER: "an adapter",
}


class WeightsError(UserError):
    """A text that does not say how strongly a LoRA is to act."""


def finite_weight(text: str) -> float:
    """The number that `text` says. Raises WeightsError for none, and for what is not finite."""
    try:
        value = float(text)
    except ValueError:
        raise WeightsError(f"`{text.strip()}`: not a number; write a weight like 0.8") from None
    return _checked(value)


def _checked(value: float) -> float:
    if not isfinite(value):
        raise WeightsError(f"a weight of {value:g} is not finite; write a number like 0.8")
    return value


@dataclass(frozen=True)
class Weights:
    """Factors on a LoRA's strength, by part of the model. SD1 has `te1` only; 1.0 is the file as trained.

    What is None follows another part, as where one number is for several parts: `te3` the text encoder before it, and
    `adapter` the denoiser, for ComfyUI's strength of the model is that of both.

    Raises WeightsError for a factor that is not finite, whoever made it.
    """

    unet: float
    te1: float
    te2: float
    te3: float | None = None
    adapter: float | None = None

    def __post_init__(self) -> None:
        for part, leader in ((self.te3, self.te2), (self.adapter, self.unet)):
            _checked(leader if part is None else part)
        for value in (self.unet, self.te1, self.te2):
            _checked(value)
        # The same weights are equal, whether they were said or follow.
        if self.te3 == self.te2:
            object.__setattr__(self, "te3", None)
        if self.adapter == self.unet:
            object.__setattr__(self, "adapter", None)

    @classmethod
    def of(cls, unet: float, te: float) -> Weights:
        """The same factor on all text encoders."""
        return cls(unet, te, te)

    @classmethod
    def by(cls, values: Mapping[str, float]) -> Weights:
        """From factors by word (`SET_BY`), a part's own before those of several; what is not said is 1, or follows.

        Raises WeightsError for a word that is none.
        """
        found: dict[str, float] = {}
        for word, value in sorted(values.items(), key=lambda one: -len(parts_set_by(one[0]))):
            found |= dict.fromkeys(parts_set_by(word), value)
        third = values.get("te3")  # `te` reaches it through the second, so that SDXL's weights know nothing of it
        return cls(found.get("unet", 1.0), found.get("te1", 1.0), found.get("te2", 1.0), third, found.get(ADAPTER))

    @classmethod
    def parse(cls, text: str) -> Weights:
        """Read `unet=0.8,te=0.6` (`te` sets all text encoders; what is not said is 1). Raises WeightsError."""
        return cls.by(read_weights(text))

    @property
    def by_part(self) -> dict[str, float]:
        """Factors by word, as few as say all: `te` where all text encoders have the same."""
        texts = {part: self.on(part) for part in TEXT_PARTS}
        if self.te3 is None:
            del texts["te3"]
        alike = len(set(texts.values())) == 1
        adapter = {} if self.adapter is None else {ADAPTER: self.adapter}
        return {"unet": self.unet, **({"te": self.te1} if alike else texts), **adapter}

    def __str__(self) -> str:
        return ",".join(f"{part}={value:g}" for part, value in self.by_part.items())

    @property
    def act(self) -> bool:
        """Whether anything moves at all."""
        return any(self.on(part) for part in PARTS)

    @property
    def beyond(self) -> dict[str, float]:
        """Factors of parts that only some families have, where they do not follow."""
        return {part: value for part, value in (("te3", self.te3), (ADAPTER, self.adapter)) if value is not None}

    @property
    def beyond_use(self) -> str | None:
        """A sentence where a factor is so strong that pictures fall apart, as a slipped comma is; None otherwise."""
        strongest = max((self.on(part) for part in PARTS), key=abs)
        if abs(strongest) <= STRONGEST:
            return None
        return f"a weight of {strongest:g} lies far beyond what is used (-{STRONGEST:g} to {STRONGEST:g}): is it meant?"

    def on_module(self, name: str) -> float:
        """The factor on a module, by its kohya name."""
        return self.on(part_of(name))

    def on(self, part: str) -> float:
        """The factor on a part, by its id."""
        own = {"unet": self.unet, "te1": self.te1, "te2": self.te2, "te3": self.te3, ADAPTER: self.adapter}[part]
        if own is not None:
            return own
        return self.te2 if part == "te3" else self.unet


def parts_set_by(word: str) -> tuple[str, ...]:
    """The parts that a weight of that name sets. Raises WeightsError for no such name."""
    try:
        return SET_BY[word]
    except KeyError:
        raise WeightsError(
            f"`{word}`: unknown part; use unet (or model, transformer), te, te1, te2, te3 or adapter"
        ) from None


def read_weights(text: str) -> dict[str, float]:
    """`unet=0.8,te=0.6` as it is written, by word. Raises WeightsError; two words for one part are refused."""
    values: dict[str, float] = {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        word, _, number = (one.strip() for one in part.partition("="))
        try:
            value = finite_weight(number)
        except WeightsError as error:
            raise WeightsError(f"`{part}`: a weight is written like unet=0.8 or te=0.6 ({error})") from None
        same = next((one for one in values if parts_set_by(one) == parts_set_by(word)), None)
        if same is not None:
            raise WeightsError(f"`{text}`: {same} and {word} are one part; say its weight once")
        values[word] = value
    return values


def check_parts(said: Mapping[str, float], there: Iterable[str], who: str) -> None:
    """Raise WeightsError for a weight, other than 0, that is said for no part that is `there` in `who` (a file)."""
    has = set(there)
    for word, value in said.items():
        if value and not has & set(parts_set_by(word)):
            holds = " and ".join(IN_WORDS[part] for part in PARTS if part in has) or "nothing"
            raise WeightsError(f"{who}: {word}={value:g} acts on nothing, for the file holds {holds}; leave {word} out")


def recipe_weights(weights: Weights) -> dict[str, float]:
    """What a header's recipe, or a store, says of weights: `unet`, `te1`, `te2` always, and what few families have."""
    return {"unet": weights.unet, "te1": weights.te1, "te2": weights.te2, **weights.beyond}
