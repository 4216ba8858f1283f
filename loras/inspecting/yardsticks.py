"""What a delta is held against where no base is given, and what a family's denoiser is called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from loras.lora_family import LoraFamily
from loras.spelling.transformer_family import TransformerFamily

# Root mean square of a weight of Stable Diffusion's UNets and text encoders: 0.02 to 0.05 by module (the miniature's
# are 0.053 to 0.059). Stands for the base where none is given.
TYPICAL_WEIGHT = 0.03


@dataclass(frozen=True)
class Yardstick:
    """Weights that stand for the base's: `rms`, an element's root mean square by how many inputs a layer has.

    `words` say in full what they are, `size` in the sentence of a verdict; `denoiser` is the family's word for it.
    """

    words: str
    size: str
    rms: Callable[[int], float]
    denoiser: str = "UNet"


STABLE_DIFFUSION = Yardstick(
    "typical weights of Stable Diffusion", "the base by {} of typical weights", lambda _: TYPICAL_WEIGHT
)
# No public weights of these families are at hand to measure. A layer that neither swells nor shrinks what it reads has
# weights of 1 / sqrt(inputs) (Glorot and Bengio 2010, for equal sides), which trained linear layers stay near.
TRANSFORMER = Yardstick(
    "weights that keep what they read at its size, 1 / sqrt(inputs) an element: no typical ones are known",
    "weights that keep what they read at its size by {} of theirs",
    lambda inputs: max(inputs, 1) ** -0.5,
    "transformer",
)


def yardstick_for(family: LoraFamily) -> Yardstick:
    """The one that a file of this family is held against."""
    return TRANSFORMER if isinstance(family, TransformerFamily) else STABLE_DIFFUSION
