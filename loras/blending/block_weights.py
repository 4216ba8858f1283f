"""Block weights: a factor for each block of the denoiser, as block-weight extensions and SuperMerger write them.

A string of as many numbers as a family's form has (`loras.blending.block_forms`: 17 or 26 for SD1 and SD2, 12 or 20 for
SDXL, 61 for FLUX.1), or a preset's name. Blocks that a form does not list are 0 there, as in those tools. Or patterns:
`*attn2*=0.5;*ff_net*=0`, matched against module names; what none matches keeps 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path

from loras.blending.block_forms import FORMS, block_in, counts_in_words, forms_of, known_counts
from loras.lora_family import LoraFamily
from loras.weights import WeightsError, finite_weight

__all__ = ["FORMS", "PRESETS", "BlockWeights"]
# The common presets of 17 numbers: BASE, six input blocks, the middle, nine output blocks.
PRESETS = {
    "NONE": [0] * 17,
    "ALL": [1] * 17,
    "INS": [1] * 4 + [0] * 13,
    "IND": [1] + [0] * 3 + [1] * 3 + [0] * 10,
    "INALL": [1] * 7 + [0] * 10,
    "MIDD": [1] + [0] * 3 + [1] * 8 + [0] * 5,
    "OUTD": [1] + [0] * 7 + [1] * 4 + [0] * 5,
    "OUTS": [1] + [0] * 11 + [1] * 5,
    "OUTALL": [1] + [0] * 7 + [1] * 9,
}


@dataclass(frozen=True)
class BlockWeights:
    """Factors by block, or by pattern of module name. Without either, 1 everywhere.

    `numbers` are factors whose blocks hang on the family: `for_family` says which.
    """

    by_block: Mapping[str, float] | None = None
    by_pattern: Mapping[str, float] = field(default_factory=dict[str, float])
    numbers: tuple[float, ...] = ()

    @classmethod
    def parse(cls, text: str) -> BlockWeights:
        """Read a preset's name, a family's numbers, or `pattern=factor;..`. Raises WeightsError."""
        if text.upper() in PRESETS:
            return cls(dict(zip(FORMS[17], map(float, PRESETS[text.upper()]), strict=True)))
        if "=" in text:
            pairs = (part.partition("=") for part in filter(None, text.split(";")))
            return cls(by_pattern={pattern.strip(): _number(value) for pattern, _, value in pairs})
        numbers = [_number(part) for part in text.split(",")]
        if len(numbers) not in known_counts():
            raise WeightsError(
                f"`blocks={text}`: {len(numbers)} numbers; {counts_in_words()}, or give one of {', '.join(PRESETS)}, "
                "or patterns like *attn2*=0.5"
            )
        if len(numbers) not in FORMS:
            return cls(numbers=tuple(numbers))
        return cls(dict(zip(FORMS[len(numbers)], numbers, strict=True)))

    def on(self, name: str) -> float:
        """The factor on a module, by its kohya name."""
        for pattern, factor in self.by_pattern.items():
            if fnmatchcase(name, pattern):
                return factor
        if self.by_block is None:
            return 1.0
        return self.by_block.get(block_in("CLIP" in self.by_block, name), 0.0)

    def for_family(self, family: LoraFamily, path: Path) -> BlockWeights:
        """The same with each number's block known. Raises WeightsError where the numbers are those of another family's
        blocks than the LoRA's (at `path`)."""
        count = len(self.numbers or self.by_block or ())
        if not count:
            return self
        forms = [form for one in family.readable for form in forms_of(one)]
        if not forms:
            raise WeightsError(
                f"{path}: {family.because}, so no block weights fit it; give patterns like *attn2*=0.5 instead"
            )
        fitting = next((form for form in forms if len(form) == count), None)
        if fitting is None:
            wanted = " or ".join(str(number) for number in sorted({len(form) for form in forms}))
            raise WeightsError(
                f"{path}: block weights of {count} numbers; this LoRA needs {wanted} numbers ({family.name})"
            )
        if not self.numbers:
            return self
        return replace(self, by_block=dict(zip(fitting, self.numbers, strict=True)), numbers=())

    @property
    def said(self) -> dict[str, float]:
        """Factors by block or pattern, for a recipe; none where there are none."""
        return dict(self.by_block or self.by_pattern)


def _number(text: str) -> float:
    try:
        return finite_weight(text)
    except WeightsError as error:
        raise WeightsError(f"{error}; block weights are numbers, a preset's name or patterns") from None
