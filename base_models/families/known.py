"""The families that can be loaded, and how a LoRA is recognised. The next one is a file beside this and a line here."""

from __future__ import annotations

from collections.abc import Iterable

from base_models.families.family import Family
from base_models.families.sd1 import SD1
from base_models.families.sd2 import SD2
from base_models.families.sdxl import SDXL

FAMILIES = {family.key: family for family in (SD1, SD2, SDXL)}


def family_of_names(names: Iterable[str], widths: Iterable[int]) -> Family | None:
    """The family of a LoRA, by its modules' kohya names and the widths of the texts that they read.

    None where neither tells: a file without cross-attention, or one for a very small model.
    """
    listed = list(names)
    for family in FAMILIES.values():
        if family.own_names and any(name.startswith(family.own_names) for name in listed):
            return family
    by_width = {family.text_width: family for family in FAMILIES.values()}
    return next((by_width[width] for width in widths if width in by_width), None)
