"""Which number of a string of block weights is for which block, by family: as block-weight extensions list them.

A form begins with BASE, which multiplies the text encoders; the short forms of Stable Diffusion list the blocks that
attend, the long ones all. FLUX.1 has 61 numbers, as sd-webui-lora-block-weight orders them: CLIP, T5, IN, 19 double and
38 single blocks, OUT. Every other transformer has BASE, START, its blocks by its own names' letters, END.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from base_models.kohya_names import TRANSFORMER_BLOCKS, block_of, part_of
from loras.families.family import ReadableFamily
from loras.families.known import READABLE


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
FLUX = ["CLIP", "T5", "IN", *_numbered("D", *range(19)), *_numbered("S", *range(38)), "OUT"]
_FLUX_WORDS = {"START": "IN", "END": "OUT"}


def forms_of(family: ReadableFamily) -> list[list[str]]:
    """The forms that fit a family: the names of their blocks in order."""
    if family.key in FORMS_OF:
        return [FORMS[count] for count in FORMS_OF[family.key]]
    if family.key in ("flux1", "chroma"):
        return [FLUX]
    kinds = [_letters(kind) for kind in family.depths]
    return [
        ["BASE", "START", *(name for letters, depth in zip(kinds, depths, strict=True)
                            for letter in letters for name in _numbered(letter, *range(depth))), "END"]
        for depths in product(*family.depths.values())
    ]  # fmt: skip


def _letters(kind: str) -> Sequence[str]:
    """The letters of the blocks whose names begin so."""
    if kind in TRANSFORMER_BLOCKS:
        return [TRANSFORMER_BLOCKS[kind]]
    return [letters for start, letters in TRANSFORMER_BLOCKS.items() if start.startswith(kind)]


def counts_in_words() -> str:
    """How many numbers each family takes."""
    counts: dict[str, list[str]] = {}
    for family in READABLE.values():
        found = " or ".join(str(len(form)) for form in sorted(forms_of(family), key=len))
        counts.setdefault(found, []).append(family.name)
    return ", ".join(f"{numbers} for {' and '.join(names)}" for numbers, names in counts.items())


def known_counts() -> frozenset[int]:
    """All numbers of numbers that some family takes."""
    return frozenset(len(form) for family in READABLE.values() for form in forms_of(family))


def block_in(form_has_clip: bool, name: str) -> str:
    """The block of a module by the words of its form: FLUX.1's has its own for ends and text encoders."""
    block = block_of(name)
    if not form_has_clip:
        return block
    if block == "BASE":
        return "CLIP" if part_of(name) == "te1" else "T5"
    return _FLUX_WORDS.get(block, block)
