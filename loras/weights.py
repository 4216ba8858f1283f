"""LoRA weights: how strongly a LoRA acts on the UNet and on the text encoders. Written `unet=0.8,te=0.6`."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from base_models.kohya_names import part_of
from foundation.errors import UserError

PARTS = ("unet", "te1", "te2")


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


@dataclass(frozen=True, order=True)
class Weights:
    """Factors on a LoRA's strength, per part of the model. SD1 has `te1` only; 1.0 is the file as trained.

    Raises WeightsError for a factor that is not finite, whoever made it.
    """

    unet: float
    te1: float
    te2: float

    def __post_init__(self) -> None:
        for value in (self.unet, self.te1, self.te2):
            _checked(value)

    @classmethod
    def of(cls, unet: float, te: float) -> Weights:
        """The same factor on both text encoders."""
        return cls(unet, te, te)

    @classmethod
    def parse(cls, text: str) -> Weights:
        """Read `unet=0.8,te=0.6` (`te` sets both text encoders; what is not said is 1). Raises WeightsError."""
        values = {"unet": 1.0, "te1": 1.0, "te2": 1.0}
        for part in filter(None, text.split(",")):
            key, _, number = part.partition("=")
            try:
                value = finite_weight(number)
            except WeightsError as error:
                raise WeightsError(f"`{part}`: a weight is written like unet=0.8 or te=0.6 ({error})") from None
            if key not in ("te", *PARTS):
                raise WeightsError(f"`{key}`: unknown part; use unet, te, te1 or te2")
            values.update({"te1": value, "te2": value} if key == "te" else {key: value})
        return cls(**values)

    def __str__(self) -> str:
        if self.te1 == self.te2:
            return f"unet={self.unet:g},te={self.te1:g}"
        return f"unet={self.unet:g},te1={self.te1:g},te2={self.te2:g}"

    @property
    def act(self) -> bool:
        """Whether anything moves at all."""
        return any((self.unet, self.te1, self.te2))

    def on_module(self, name: str) -> float:
        """The factor on a module, by its kohya name."""
        return self.on(part_of(name))

    def on(self, part: str) -> float:
        """The factor on "unet", "te1" or "te2"."""
        return {"unet": self.unet, "te1": self.te1, "te2": self.te2}[part]
