"""Block weights: a factor for each block of the UNet, as block-weight extensions and SuperMerger write them.

A string of 17 or 26 numbers (SD1, SD2) or 12 or 20 (SDXL) begins with BASE, which multiplies the text encoders; the
short forms list the blocks that attend, the long ones all. Blocks that a form does not list are 0 there, as in those
tools. Or patterns: `*attn2*=0.5;*ff_net*=0`, matched against module names; what none matches keeps 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from base_models.kohya_names import block_of
from loras.lora_family import LoraFamily
from loras.weights import WeightsError, finite_weight


def _numbered(prefix: str, *numbers: int) -> list[str]:
    return [f"{prefix}{number:02d}" for number in numbers]


FORMS = {
    12: ["BASE", *_numbered("IN", 4, 5, 7, 8), "M00", *_numbered("OUT", *range(6))],
    17: ["BASE", *_numbered("IN", 1, 2, 4, 5, 7, 8), "M00", *_numbered("OUT", *range(3, 12))],
    20: ["BASE", *_numbered("IN", *range(9)), "M00", *_numbered("OUT", *range(9))],
    26: ["BASE", *_numbered("IN", *range(12)), "M00", *_numbered("OUT", *range(12))],
}
# The forms that fit a family's blocks, short and long.
FORMS_OF = {"sd1": (17, 26), "sd2": (17, 26), "sdxl": (12, 20)}
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
    """Factors by block, or by pattern of module name. Without either, 1 everywhere."""

    by_block: Mapping[str, float] | None = None
    by_pattern: Mapping[str, float] = field(default_factory=dict[str, float])

    @classmethod
    def parse(cls, text: str) -> BlockWeights:
        """Read a preset's name, 12, 17, 20 or 26 numbers, or `pattern=factor;..`. Raises WeightsError."""
        if text.upper() in PRESETS:
            return cls(dict(zip(FORMS[17], map(float, PRESETS[text.upper()]), strict=True)))
        if "=" in text:
            pairs = (part.partition("=") for part in filter(None, text.split(";")))
            return cls(by_pattern={pattern.strip(): _number(value) for pattern, _, value in pairs})
        numbers = [_number(part) for part in text.split(",")]
        if len(numbers) not in FORMS:
            raise WeightsError(
                f"`blocks={text}`: {len(numbers)} numbers; 17 or 26 are for SD1 and SD2, 12 or 20 for SDXL, "
                f"or give one of {', '.join(PRESETS)}, or patterns like *attn2*=0.5"
            )
        return cls(dict(zip(FORMS[len(numbers)], numbers, strict=True)))

    def on(self, name: str) -> float:
        """The factor on a module, by its kohya name."""
        for pattern, factor in self.by_pattern.items():
            if fnmatchcase(name, pattern):
                return factor
        return 1.0 if self.by_block is None else self.by_block.get(block_of(name), 0.0)

    def check_layout(self, family: LoraFamily, path: Path) -> None:
        """Raise WeightsError where the numbers are those of another family's blocks than the LoRA's (at `path`)."""
        if self.by_block is None:
            return
        fitting = sorted({count for one in family.may_be for count in FORMS_OF[one.key]})
        if not fitting:
            raise WeightsError(
                f"{path}: {family.because}, so no block weights fit it; give patterns like *attn2*=0.5 instead"
            )
        if len(self.by_block) not in fitting:
            wanted = f"{' or '.join(map(str, fitting))} numbers ({family.name})"
            raise WeightsError(f"{path}: block weights of {len(self.by_block)} numbers; this LoRA needs {wanted}")


def _number(text: str) -> float:
    try:
        return finite_weight(text)
    except WeightsError as error:
        raise WeightsError(f"{error}; block weights are numbers, a preset's name or patterns") from None
