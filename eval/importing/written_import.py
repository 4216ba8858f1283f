"""What an import wrote, and what is to be said of the base model's pictures among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from eval.importing.imported_grid import ImportedGrid


@dataclass(frozen=True)
class Written:
    """`new`: pictures that were not in the store before; `damaged`: by their place, what turned out when decoded."""

    new: int
    failed: int
    damaged: Mapping[str, str] = field(default_factory=dict[str, str])


def control_remarks(grid: ImportedGrid, trigger: str, class_word: str) -> Iterator[str]:
    """What is said of the base model's pictures where they are not as a grid's are."""
    if not grid.has_control:
        yield (
            "no pictures of the base model, so what the LoRA adds is not known: draw the same prompts and seeds by the "
            f"same settings without any LoRA, with `{class_word}` in the place of `{trigger}`, and import all together"
        )
    elif grid.stand_ins:
        yield (
            f"{grid.stand_ins} of the base model's pictures were shown the trigger, for there are none with "
            f"`{class_word}` in its place"
        )
