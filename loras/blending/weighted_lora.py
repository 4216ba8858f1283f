"""A LoRA file with weights, as commands write it: `PATH[:unet=0.8,te=0.6,te1=..,te2=..,blocks=..]`, or `PATH:0.8`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from base_models.kohya_names import part_of
from loras.blending.block_weights import BlockWeights
from loras.lora_family import LoraFamily
from loras.weights import Weights, WeightsError, check_parts, finite_weight, read_weights

SUFFIX = ".safetensors"


@dataclass(frozen=True)
class WeightedLora:
    """A LoRA file, and how strongly it acts on each part and block of the model; without either, 1 everywhere.

    `said`: the weights as they were written, by word.
    """

    path: Path
    weights: Weights = field(default_factory=lambda: Weights.of(1.0, 1.0))
    blocks: BlockWeights = field(default_factory=BlockWeights)
    said: Mapping[str, float] = field(default_factory=dict[str, float], compare=False)

    @classmethod
    def parse(cls, text: str) -> WeightedLora:
        """Read `PATH.safetensors:unet=0.8,te=0.6,blocks=OUTD`.

        The path ends at the last `.safetensors:`, so that colons in it (a Windows drive's) survive. `blocks=` comes
        last and takes the rest of the text, commas included. What is not said is 1; a number alone, as in A1111's
        `<lora:PATH:0.8>`, is for all parts. Raises WeightsError.
        """
        path, colon, said = text.rpartition(f"{SUFFIX}:")
        if not colon:
            return cls(Path(text))
        weights, *blocks = re.split(r"(?:^|,)\s*blocks=", said, maxsplit=1)
        try:
            alone = None if "=" in weights or not weights.strip() else finite_weight(weights)
            written = read_weights(weights) if alone is None else {}
            return cls(
                Path(path + SUFFIX),
                Weights.by(written) if alone is None else Weights.of(alone, alone),
                BlockWeights.parse(blocks[0]) if blocks else BlockWeights(),
                written,
            )
        except WeightsError as error:
            raise WeightsError(f"{text}: {error}") from None

    def for_family(self, family: LoraFamily) -> WeightedLora:
        """The same with its block weights' blocks known. Raises WeightsError where they are another family's."""
        return replace(self, blocks=self.blocks.for_family(family, self.path))

    def check_parts(self, names: Iterable[str]) -> None:
        """Raise WeightsError for a weight that is said for a part of which the file (modules `names`) has nothing."""
        check_parts(self.said, {part_of(name) for name in names}, str(self.path))

    def on_module(self, name: str) -> float:
        """The factor on a module, by its kohya name: its part's times its block's."""
        return self.weights.on_module(name) * self.blocks.on(name)

    @property
    def name(self) -> str:
        """The file's name without folder and suffix."""
        return self.path.stem
