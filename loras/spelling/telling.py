"""Which family of transformers a file's modules belong to: by their names first, then their shapes, its header last.

Stable Diffusion 1, 2 and XL share their names, and are told apart in `loras.lora_family`. FLUX.1 and Chroma name what
they have in common alike and in one size, so a file of that alone leaves both open, unless its header says which.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from loras.families.family import ReadableFamily
from loras.families.known import TRANSFORMERS
from loras.spelling.sides import Shape, Sides, sides_of

# Shapes of a file's tensors: by the module's name in any spelling, then by the tensor's kohya suffix.
ShapesByModule = Mapping[str, Mapping[str, Shape]]
HEADER_KEYS = ("ss_base_model_version", "modelspec.architecture", "ss_network_module", "modelspec.implementation")
_BLOCK = re.compile(r"lora_unet_(?P<kind>[a-z_]+?)_(?P<number>\d+)_")
# Shapes are whole numbers: a width of 3840 widened by 8/3 is 10240, in small models a few more or less.
SLACK = 0.02
MOST_STRAYS = 0.5


@dataclass(frozen=True)
class Told:
    """The families that a file may be for, most likely first, and what says so. `strays` are modules of none."""

    families: tuple[ReadableFamily, ...]
    because: str
    strays: tuple[str, ...] = ()


def told(modules: ShapesByModule, metadata: Mapping[str, str]) -> Told | None:
    """The families of a file with these modules; None where they are those of no transformer that is known.

    A text encoder alone that Stable Diffusion has too tells nothing.
    """
    named = {family.key: {stem: family.to_kohya(stem) for stem in modules} for family in TRANSFORMERS}
    if not any(_is_own(name) for names in named.values() for name in names.values()):
        return None
    missing = {key: [stem for stem, name in names.items() if name is None] for key, names in named.items()}
    fewest = min(len(stems) for stems in missing.values())
    left = [family for family in TRANSFORMERS if len(missing[family.key]) == fewest and _owns(named[family.key])]
    if not left or fewest > MOST_STRAYS * len(modules):
        return None
    strays = tuple(missing[left[0].key])
    because = "by its names"
    for clue in (_by_proportions, _by_depth, _by_width, _by_header, _by_exact_depth):
        if len(left) > 1:
            fitting, why = clue(left, named, modules, metadata)
            if 0 < len(fitting) < len(left):
                left, because = fitting, why
    if len(left) > 1:
        because = f"{' and '.join(family.name for family in left)} have modules named so, and no header says which"
    return Told(tuple(left), because, strays)


def in_header(metadata: Mapping[str, str]) -> ReadableFamily | None:
    """The family of transformers that a header names."""
    for key in HEADER_KEYS:
        said = metadata.get(key, "").lower()
        for family in sorted(TRANSFORMERS, key=lambda one: one.key != "chroma"):
            if any(word in said for word in family.words):
                return family
    return None


Named = Mapping[str, Mapping[str, str | None]]
Answer = tuple[list[ReadableFamily], str]


def _is_own(name: str | None) -> bool:
    """Whether a module is one that no Stable Diffusion has: not of a CLIP."""
    return name is not None and "_text_model_" not in name and not name.endswith("_text_projection")


def _owns(names: Mapping[str, str | None]) -> bool:
    return any(map(_is_own, names.values()))


def _by_proportions(left: Sequence[ReadableFamily], named: Named, modules: ShapesByModule, _: object) -> Answer:
    def fits(family: ReadableFamily) -> bool:
        pairs = ((family.ratio(name), _sides(modules[stem])) for stem, name in named[family.key].items() if name)
        return all(
            ratio is None or sides is None or abs(sides[0] / max(sides[1], 1) / ratio - 1) < SLACK
            for ratio, sides in pairs
        )

    return _fitting(left, fits), "by its layers' proportions"


def _by_depth(left: Sequence[ReadableFamily], named: Named, modules: object, _: object) -> Answer:
    def fits(family: ReadableFamily) -> bool:
        last = _last_blocks(named[family.key].values())
        return all(number < max(family.depths[kind]) for kind, number in last.items() if kind in family.depths)

    return _fitting(left, fits), "by the number of its blocks"


def _by_exact_depth(left: Sequence[ReadableFamily], named: Named, modules: object, _: object) -> Answer:
    def fits(family: ReadableFamily) -> bool:
        last = _last_blocks(named[family.key].values())
        return any(kind in family.depths and number + 1 in family.depths[kind] for kind, number in last.items())

    return _fitting(left, fits), "by the number of its blocks"


def _by_width(left: Sequence[ReadableFamily], named: Named, modules: ShapesByModule, _: object) -> Answer:
    inputs = Counter(
        sides[1]
        for stem in modules
        if any(_BLOCK.match(names[stem] or "") for names in named.values()) and (sides := _sides(modules[stem]))
    )
    if not inputs:
        return list(left), ""
    width = inputs.most_common(1)[0][0]
    return _fitting(left, lambda family: width in family.widths), f"is {width} wide"


def _by_header(left: Sequence[ReadableFamily], named: object, modules: object, metadata: Mapping[str, str]) -> Answer:
    said = in_header(metadata)
    return _fitting(left, lambda family: family is said), "by its header"


def _sides(shapes: Mapping[str, Shape]) -> Sides | None:
    """Shapes are a stranger's: what does not hold together tells nothing here, and is named when it is read."""
    with suppress(IndexError, KeyError):
        return sides_of(shapes)
    return None


def _fitting(left: Sequence[ReadableFamily], fits: Callable[[ReadableFamily], bool]) -> list[ReadableFamily]:
    return [family for family in left if fits(family)]


def _last_blocks(names: Iterable[str | None]) -> dict[str, int]:
    """By kind of block, the highest number."""
    found: dict[str, int] = {}
    for name in names:
        if name and (block := _BLOCK.match(name)):
            found[block["kind"]] = max(found.get(block["kind"], 0), int(block["number"]))
    return found
